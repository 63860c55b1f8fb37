"""The guide shows the code as it is, and its figures are drawn by its command."""

import ast
import re

import pytest

from benchmarks import guide
from commands import ROOT

TEXT = (ROOT / "docs" / "guide.md").read_text()


def shown_code():
    """Triples: a file, one of its functions, and the lines of this function that the guide shows."""
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        for part in re.split(r"^# (?=ntm/)", block, flags=re.MULTILINE)[1:]:
            place, *lines = part.strip().splitlines()
            yield (*place.split(", "), lines)


@pytest.mark.parametrize("file, function, lines", list(shown_code()))
def test_the_guide_shows_lines_of_the_function_that_it_names(file, function, lines):
    source = (ROOT / file).read_text()
    (node,) = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    code = {line.strip() for line in ast.get_source_segment(source, node).splitlines()}
    assert lines and [line for line in lines if line.strip() not in code] == []


def test_the_command_draws_each_figure_of_the_guide(tmp_path, capsys):
    assert guide.main([f"--out={tmp_path}"]) == 0
    shown = set(re.findall(r"\(guide/(\w+\.png)\)", TEXT))
    assert (
        shown == {path.name for path in tmp_path.iterdir()} == {path.name for path in (ROOT / "docs/guide").iterdir()}
    )
