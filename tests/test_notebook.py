"""The notebook runs on a small run, and the committed notebook holds all of its pictures."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def notebook():
    return nbformat.read(ROOT / "Visualization.ipynb", as_version=4)


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def check(notebook):
    assert not [output for output in outputs(notebook) if output.output_type in ("error", "stream")]
    pictures = [output.data for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert len(pictures) == 19
    assert WIDGET in pictures[-1]  # viewers without a kernel show the picture in the same output


def test_the_notebook_runs_on_another_run(notebook, small_run):
    (first, *_) = (cell for cell in notebook.cells if cell.cell_type == "code")
    assert 'RUN = "pretrained/copy"' in first.source
    first.source = first.source.replace('"pretrained/copy"', repr(str(small_run)))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    check(notebook)


def test_the_committed_notebook_holds_all_of_its_pictures(notebook):
    check(notebook)
