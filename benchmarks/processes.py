"""Starts processes that train together on this machine, waits for them, and compares runs."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from experiment.command_line import start

with start():
    import numpy as np

    from benchmarks.turns import ROOT, pinned_to
    from experiment.checkpoints import PREFIX, checkpoints, read_tensors
    from experiment.metrics_file import read_metrics


def free_addresses(number: int) -> list:
    """Addresses host:port of this machine that no process listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def start_training(options: list, core: int | None = None, **environment) -> subprocess.Popen:
    """Starts train.py.

    Args:
        options: its options.
        core: the only core that it may use; None for all.
        **environment: further environment variables.
    """
    return subprocess.Popen(
        [*pinned_to(core), sys.executable, ROOT / "train.py", *options],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(options: list, number: int = 2, cores: list | None = None) -> list:
    """Starts processes that train together, the chief first. Returns a list of (Popen, address).

    Args:
        options: the options of train.py, without --distribute.
        number: the number of processes.
        cores: a list with one core for each process, the only core that it may use; None for all cores.
    """
    addresses = free_addresses(number)
    started = []
    for index, address in enumerate(addresses):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        core = cores[index] if cores else None
        process = start_training(
            ["--distribute=multi-worker", *options], core=core, TF_CONFIG=json.dumps(config), CUDA_VISIBLE_DEVICES=""
        )
        started.append((process, address))
    return started


def end_well(processes: list):
    """Waits for processes. Raises RuntimeError if one fails."""
    for process in processes:
        _, err = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"exit status {process.returncode}: {err}")


def differences(run_dir: Path, reference: Path) -> tuple:
    """The largest differences between two runs: in the loss of a row, and in a weight.

    A loss's difference is relative to the loss of `reference`. A weight's difference is relative to the largest weight
    of its tensor in `reference`. Both are 0 only if all numbers are equal.
    """
    losses, expected = read_metrics(run_dir)["loss"], read_metrics(reference)["loss"]
    loss = np.max(np.abs(losses - expected) / np.abs(expected))
    weights, expected = (read_tensors(checkpoints(path)[0] / PREFIX) for path in (run_dir, reference))
    names = [name for name in weights if name.startswith("model/")]
    weight = max(np.abs(weights[n] * 1.0 - expected[n]).max() / max(np.abs(expected[n]).max(), 1e-30) for n in names)
    return float(loss), float(weight)
