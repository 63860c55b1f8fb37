"""The notebooks of examples/ run. Here they run with little data, without compilation, and thus learn nothing."""

import re

import nbformat
import numpy as np
import pytest

from commands import ROOT

EXAMPLES = ROOT / "examples"


def run(name, numbers):
    """Runs the code cells of a notebook, with other values for some of its constants. Returns its variables."""
    cells = nbformat.read(EXAMPLES / name, as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for constant, number in numbers.items():
        source, count = re.subn(rf"^{constant} = .*$", f"{constant} = {number}", source, flags=re.MULTILINE)
        assert count == 1, constant
    variables = {}
    exec(source, variables)
    return variables


def test_own_data(eager_functions, capsys):
    found = run("own_data.ipynb", {"WORDS": 1, "LONGEST": 2})
    assert (found["directory"] / "memory_map.png").stat().st_size > 0
    inputs, targets, weights = found["encode"]("ab")
    np.testing.assert_array_equal(targets[3:], inputs[:2, :5])
    np.testing.assert_array_equal(inputs[:2, :5], [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert inputs[2, 5] == 1 and weights.tolist() == [0, 0, 0, 1, 1]
    assert "of 5 keywords are right" in capsys.readouterr().out


def test_few_shot_digits(eager_functions, rng):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    small = {
        "SEEDS": "(0,)",
        "UPDATES": 1,
        "BATCH": 2,
        "DIGITS, SHOWINGS": "3, 2",
        "SHOWN": "(1, 2)",
        "TEST_EPISODES": 3,
    }
    found = run("few_shot_digits.ipynb", small)
    assert all(len(rows) == 1 for rows in found["found"].values())
    assert not set(found["halves"]["train"]) & set(found["halves"]["test"])
    inputs, labels, showings = found["episodes"](rng, "test", 50)
    for episode in range(50):
        rows = [np.flatnonzero((found["images"] == pixels).all(axis=1)) for pixels in inputs[episode, :, :64]]
        digits = [found["names"][row[0]] for row in rows]
        assert set(np.concatenate(rows)) <= set(found["halves"]["test"])
        assert len(set(zip(digits, labels[episode]))) == len(set(digits)) == 3  # each digit has one label
        assert sorted(showings[episode]) == [1, 1, 1, 2, 2, 2]
    np.testing.assert_array_equal(inputs[:, 1:, 64:].argmax(axis=-1), labels[:, :-1])
    assert not inputs[:, 0, 64:].any()


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.ipynb"))])
def test_a_committed_notebook_was_executed(name):
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
