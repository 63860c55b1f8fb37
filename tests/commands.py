"""Helpers for tests of the command lines."""

import contextlib
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

ROOT = Path(__file__).parent.parent
SMALL = [
    "--controller-units=8",
    "--memory-locations=9",
    "--memory-width=5",
    "--max-length=3",
    "--log-every=20",
    "--checkpoint-every=100",
]


@contextlib.contextmanager
def running_eagerly():
    """Runs every tf.function in the `with` block as eager code."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def start(script, *arguments, cwd, **environment):
    return subprocess.Popen(
        [sys.executable, ROOT / script, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(run_dir):
    with (run_dir / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def tensors(run_dir, step):
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / f"step-{step}" / "model.ckpt"))
    names = [
        name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name and "seconds" not in name
    ]
    return {name: reader.get_tensor(name) for name in names}


def refused(capsys, main, *arguments):
    """Runs a command line that is refused. Returns the line on standard error."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.endswith("\n"), err
    return err
