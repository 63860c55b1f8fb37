"""The commands and the package under other settings of Keras: its backend and its float type."""

import importlib
import json
import os
import subprocess
import sys

import pytest

from commands import ROOT, SMALL, losses, start
from experiment import command_line


def finish(process):
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return out


def test_the_commands_train_and_evaluate_in_float32_on_tensorflow(tmp_path, finished):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text(json.dumps({"floatx": "nonsense", "backend": "jax"}))
    # XLA has its usual flags here, unlike in the other tests.
    environment = {"KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path / "keras"), "XLA_FLAGS": ""}
    finish(start("train.py", *SMALL, "--iterations=20", "--run-dir=run", cwd=tmp_path, **environment))
    (found,), (expected, *_) = losses(tmp_path / "run"), losses(finished[0])
    assert {name: float(text) for name, text in found.items()} == pytest.approx(
        {name: float(text) for name, text in expected.items()}, rel=1e-5
    )
    out = finish(start("evaluate.py", "--run-dir=run", "--lengths=2", "--sequences=3", cwd=tmp_path, **environment))
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("module, backend", [("ntm", "jax"), ("ntm.plots", "torch"), ("ntm", "nonsense")])
def test_the_package_asks_for_the_tensorflow_backend(module, backend, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", f"import {module}"]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ntm needs Keras's TensorFlow backend"), process.stderr


def test_a_hidden_package_cannot_be_imported_until_the_block_ends(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with command_line._hidden_package("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").__name__ == "colorsys"
