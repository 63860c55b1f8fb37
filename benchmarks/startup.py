"""Measures the start of train.py: its time, the programs that it compiles, and the memory that XLA plans."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Row

ROOT = Path(__file__).resolve().parent.parent
LOCATIONS, LENGTH = 1024, 499  # the update whose memory is measured; 499 vectors make 1,000 steps


def start(repeats: int):
    """time from typing `python train.py` to the first update, the programs compiled, and the memory that XLA plans"""
    cold = statistics.median(start_time(TF_XLA_FLAGS="") for _ in range(repeats))
    yield Row("python train.py, import to first update, the first time", cold, "s")
    with tempfile.TemporaryDirectory() as directory:  # fills the program cache
        command = [sys.executable, "train.py", "--iterations=1", f"--run-dir={directory}/run"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    warm = statistics.median(start_time() for _ in range(repeats))
    yield Row("python train.py, import to first update, later times", warm, "s", warm / cold, "the first")
    with tempfile.TemporaryDirectory() as directory:
        command = ["train.py", "--iterations=300", f"--run-dir={directory}/run"]
        programs = [path.name for path in dumped_by_xla(directory, command, "*.before_optimizations.txt")]
    for what, function in (("training, lengths 1 to 20", "_train_to"), ("the report, 5 lengths", "_run_batch")):
        yield Row(f"programs compiled for {what}", sum(function in program for program in programs), "")
    total, history = planned_memory(), 4 * LOCATIONS * 20 * (2 * LENGTH + 2)
    yield Row("memory, batch 1, T=1000, N=1024", total / 1e6, "MB", total / history, "a memory matrix per step")


def start_time(**environment) -> float:
    """Seconds from the start of train.py to its first update, with changes to the environment."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "train.py", "--iterations=1", "--log-every=1", f"--run-dir={directory}/run"]
        begin = time.perf_counter()
        environment = {**os.environ, **environment}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            reached = any(line.startswith("iteration 1/1") for line in process.stdout)
            seconds = time.perf_counter() - begin
            process.kill()
    if not reached:
        raise RuntimeError("train.py made no update")
    return seconds


def planned_memory() -> int:
    """Bytes that XLA plans for an update of LOCATIONS locations and sequences of LENGTH vectors."""
    update = f"make_trainer(length={LENGTH}, memory_locations={LOCATIONS}).advance(1)"
    with tempfile.TemporaryDirectory() as directory:
        command = ["-c", f"from benchmarks.measure import make_trainer; {update}"]
        (plan,) = dumped_by_xla(directory, command, "*_train_to*memory-usage-report.txt")
        return int(re.search(r"Total bytes used: (\d+)", plan.read_text())[1])


def dumped_by_xla(directory, command: list, pattern: str) -> list:
    """Runs Python and lets XLA write a description of every program that it compiles.

    Args:
        directory: where XLA writes.
        command: the arguments of Python.
        pattern: the names of the files to return.

    Returns:
        The paths of the files.
    """
    flags = {"XLA_FLAGS": f"--xla_dump_to={directory}/xla --xla_dump_hlo_as_text", "TF_XLA_FLAGS": ""}
    environment = {**os.environ, **flags}
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    return sorted(Path(directory, "xla").glob(pattern))
