"""The layout of the source: which file may import which, and how long files, functions and argument lists may be."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A file imports files of its own level or of earlier ones. "x.*" stands for every module of the package x.
LEVELS = [
    ["ntm.keras_backend", "ntm.checks", "ntm.extras", "ntm.tensors", "ntm.metrics", "ntm.plots", "ntm.widgets"],
    ["ntm.addressing", "ntm.memory", "ntm.heads", "ntm.controller", "ntm.options", "ntm.state", "ntm.derivatives"],
    ["ntm.cell"],
    ["ntm.step_gradient"],
    ["ntm.unroll", "ntm.backward"],
    ["ntm.compiled"],
    ["ntm.layer"],
    ["ntm.model"],
    ["ntm.lstm", "ntm.transfer", "ntm.callbacks", "ntm.recipe"],
    ["ntm"],
    ["memory", "controller"],
    ["tasks", "tasks.*"],
    ["experiment", "experiment.*"],
    ["train", "evaluate", "benchmarks", "benchmarks.*", "examples.*"],
    ["tests.*"],
]
ISOLATED = ["tasks"]  # packages that import no other module of the repository
BEFORE_TENSORFLOW = [
    "experiment",
    "experiment.command_line",
    "experiment.program_cache",
    "experiment.streams",
    "experiment.signals",
    "experiment.atomic",
]
PACKAGES_OF_NTM = {"tensorflow", "keras", "numpy"}  # the requirements of `pip install .`
PACKAGES_OF_EXTRAS = {"ntm.plots": {"matplotlib"}, "ntm.widgets": {"ipywidgets", "IPython"}}

MAX_LINES, MAX_FUNCTION_LINES, MAX_CONSTRUCTOR_ARGUMENTS, MAX_POSITIONAL = 300, 50, 14, 6
WITHOUT_LINE_LIMITS = ["ntm.plots", "tests.*"]
# The scripts of the browser's loop and drawing have at most MAX_SCRIPT_LINES lines of code together.
SCRIPTS, MAX_SCRIPT_LINES = ("machine.js", "drawing.js", "viewer.js", "report.js"), 400
KERAS_ARGUMENTS = {"self", "name", "dtype", "trainable"}  # arguments that do not count towards the limit


def read_sources(root):
    """The syntax trees of all modules: a dict from names such as "ntm.cell"."""
    folders = ["ntm", "tasks", "experiment", "benchmarks", "examples", "tests"]
    paths = [*root.glob("*.py"), *(path for folder in folders for path in (root / folder).glob("*.py"))]
    sources = {}
    for path in paths:
        parts = path.relative_to(root).with_suffix("").parts
        sources[".".join(part for part in parts if part != "__init__")] = path.read_text()
    return sources


def imports(source, modules):
    """The modules that a source imports: names of the repository's modules, and of packages."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (members & modules) | ({node.module} if members - modules else set())
    return {name if name in modules else name.partition(".")[0] for name in found}


def matches(module, patterns):
    return module in patterns or f"{module.partition('.')[0]}.*" in patterns


def wrong_imports(sources):
    """Messages about wrong imports: a module of a later level, a module outside an isolated package, or a package that
    is not allowed."""
    for module, source in sources.items():
        levels = [number for number, level in enumerate(LEVELS) if matches(module, level)]
        if len(levels) != 1:
            yield f"{module} has no level"
            continue
        for imported in imports(source, set(sources)):
            package = imported.partition(".")[0]
            if imported in sources:
                if not any(matches(imported, level) for level in LEVELS[: levels[0] + 1]):
                    yield f"{module} imports {imported}, which is of a later level"
                elif module.partition(".")[0] in ISOLATED and package != module.partition(".")[0]:
                    yield f"{module} imports {imported}"
            elif package not in sys.stdlib_module_names:
                if module in BEFORE_TENSORFLOW:
                    yield f"{module} imports {imported}, and TensorFlow must not be imported yet"
                allowed = PACKAGES_OF_NTM | PACKAGES_OF_EXTRAS.get(module, set())
                if module.startswith("ntm") and package not in allowed:
                    yield f"{module} imports {imported}"


def circles(sources):
    """Messages about modules that import themselves through other modules."""
    imported = {module: imports(source, set(sources)) & set(sources) for module, source in sources.items()}
    for module in sources:
        reached, waiting = set(), [*imported[module]]
        while waiting:
            if (other := waiting.pop()) not in reached:
                reached.add(other)
                waiting += imported[other]
        if module in reached:
            yield f"{module} imports itself through {', '.join(sorted(reached))}"


def too_long(sources):
    """Messages about files, functions and argument lists beyond the limits."""
    for module, source in sources.items():
        if matches(module, ["tests.*"]):
            continue
        if (lines := source.count("\n")) > MAX_LINES and not matches(module, WITHOUT_LINE_LIMITS):
            yield f"{module} has {lines} lines"
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef):
                continue
            if (lines := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES:
                yield f"{module}.{node.name} has {lines} lines"
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            own = [name for name in names if name not in KERAS_ARGUMENTS]
            if node.name == "__init__" and len(own) > MAX_CONSTRUCTOR_ARGUMENTS:
                yield f"{module}.{node.name} has {len(own)} arguments of its own"
            positional = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args)} - {"self", "cls"}
            if len(positional) > MAX_POSITIONAL:
                yield f"{module}.{node.name} has {len(positional)} positional arguments"


@pytest.fixture(scope="module")
def sources():
    return read_sources(ROOT)


def test_imports_go_downwards(sources):
    assert list(wrong_imports(sources)) == []


def test_imports_form_no_circle(sources):
    assert list(circles(sources)) == []


def test_files_functions_and_argument_lists_are_short(sources):
    assert list(too_long(sources)) == []


def test_the_loop_and_the_drawing_in_the_browser_are_short():
    lines = [line.strip() for name in SCRIPTS for line in (ROOT / "browser" / name).read_text().splitlines()]
    assert len([line for line in lines if line and not line.startswith("//")]) <= MAX_SCRIPT_LINES


@pytest.mark.parametrize(
    "module, source, message",
    [
        ("ntm.addressing", "from ntm.cell import NTMCell", "of a later level"),
        ("ntm.addressing", "from ntm import cell", "of a later level"),
        ("ntm.model", "import tasks", "of a later level"),
        ("ntm.model", "def f():\n    import filelock", "imports filelock"),
        ("ntm.model", "import matplotlib", "imports matplotlib"),
        ("ntm.new", "", "has no level"),
        ("tasks.task", "from experiment.seeds import stream", "of a later level"),
        ("tasks.task", "import ntm", "imports ntm"),
        ("experiment.loop", "import train", "of a later level"),
        ("experiment.program_cache", "import tensorflow", "must not be imported yet"),
    ],
)
def test_a_wrong_import_is_found(sources, module, source, message):
    (found,) = wrong_imports({**sources, module: source})
    assert found.startswith(module) and message in found


def test_a_circle_is_found(sources):
    broken = {**sources, "tasks.task": "from tasks import layout", "tasks.layout": "import tasks.task"}
    assert any(message.startswith("tasks.task imports itself") for message in circles(broken))


@pytest.mark.parametrize(
    "source, message",
    [
        ("\n" * 301, "has 301 lines"),
        ("def f():\n" + "    pass\n" * 50, ".f has 51 lines"),
        ("def f(a, b, c, d, e, f, g):\n    pass\n", "7 positional"),
        ("def __init__(self, a, b, c, d, e, f, g):\n    pass\n", "7 positional"),
        (f"def __init__(self, *, name, {', '.join(f'a{i}' for i in range(15))}):\n    pass\n", "15 arguments"),
    ],
)
def test_what_is_too_long_is_found(source, message):
    (found,) = too_long({"experiment.long": source})
    assert message in found
