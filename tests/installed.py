"""Uses the installed package as a new user would: `python tests/installed.py [EXTRA ...]`, run by `make test-package`.

Without extras, it runs README's example, checks a call with mypy, and checks the messages about missing extras. With
extras, it uses each of them.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
CALLS = """
from ntm import NTM, NTMLayer
reveal_type(NTM(output_size=8).get_config)
NTMLayer(unit=3)
"""


def main(extras):
    if not extras:
        (example, *_) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
        exec(example, {})
        check_types()
        for extra, module in (("plots", "ntm.plots"), ("widgets", "ntm.widgets")):
            check_message(extra, module)
    uses = {"plots": use_plots, "widgets": use_widgets, "sweep": lambda: importlib.import_module("dask.distributed")}
    for extra in extras:
        uses[extra]()
    print("installed:", ", ".join(extras) or "README's example, types and messages", "work")


def check_types():
    """mypy finds the package's types."""
    checked = subprocess.run([sys.executable, "-m", "mypy", "-c", CALLS], capture_output=True, text=True)
    assert "py.typed" not in checked.stdout, checked.stdout
    assert 'Unexpected keyword argument "output' not in checked.stdout, checked.stdout
    assert "Revealed type" in checked.stdout, checked.stdout + checked.stderr


def check_message(extra, module):
    try:
        importlib.import_module(module)
    except ImportError as error:
        assert f"pip install 'ntm-tensorflow[{extra}]'" in str(error), error
    else:
        raise AssertionError(f"{module} works without the extra {extra}")


def use_plots():
    import numpy as np

    from ntm import NTM, plots

    _, trace = NTM(8, memory_locations=16).trace(np.zeros([1, 5, 10], "float32"))
    weightings = trace.state.write_weightings[0], trace.state.read_weightings[0]
    assert plots.to_png(plots.memory_map(*weightings)).startswith(b"\x89PNG")


def use_widgets():
    from matplotlib.figure import Figure

    from ntm.widgets import browse

    assert browse(lambda step: Figure(), step=(0, 3, 1))["step"].value == 1


if __name__ == "__main__":
    main(sys.argv[1:])
