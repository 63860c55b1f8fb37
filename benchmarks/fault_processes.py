"""The faults of faults.py that need a process: kills, signals and broken standard streams.

Each process is a fork of a process that has imported TensorFlow already, because the import takes seconds. The fork
then does everything that `python train.py` does.
"""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import train
from benchmarks import laboratory
from benchmarks.laboratory import MODELS, SIZES, Laboratory, Outcome, Verdict, content
from experiment import command_line, signals, streams
from experiment.trainer import Trainer

ITERATIONS = 400
REAL_UPDATES = 0.1  # the share of kills in which the run makes real updates, see laboratory.py
OPTIONS = {model: [*SIZES, *options, f"--iterations={ITERATIONS}"] for model, options in MODELS.items()}
STREAMS = ["stdout closed", "stderr closed", "both closed", "stdout full", "stderr full", "stdout ASCII"]


class Processes:
    """The kinds of faults.

    Args:
        root: an existing directory.
        laboratory: Laboratory.
    """

    def __init__(self, root: Path, laboratory: Laboratory):
        self._root, self._laboratory, self._expected = root / "processes", laboratory, {}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["benchmarks.fault_processes"])

    def kill(self, rng: random.Random) -> Verdict:
        """Kills a run at a random moment and resumes it."""
        model = rng.choice(list(MODELS))
        self._laboratory.trains = rng.random() < REAL_UPDATES
        try:
            process, run_dir = self._start(model)
            self._wait(process, run_dir, rng)
            process.kill()
            process.join()
            return self._judge(model, run_dir, "killed")
        finally:
            self._laboratory.trains = False

    def signal(self, rng: random.Random) -> Verdict:
        """Sends a run one or two signals, and resumes it."""
        process, run_dir = self._start("lstm")
        number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        self._wait(process, run_dir, rng)
        for _ in range(rng.choice([1, 2])):
            if process.is_alive():
                os.kill(process.pid, number)
            time.sleep(rng.uniform(0, 0.1))
        outcome = self._end(process)
        left = [path for path in run_dir.rglob(".*") if path.name != ".lock"]
        said = all(line.startswith("train.py: stopped by ") for line in outcome.err.splitlines())
        if outcome.status not in (0, 128 + number) or not said or left:
            return Verdict(ending="other", why=f"{number!r}: {outcome} {left}")
        return self._judge("lstm", run_dir, f"{number!r}: {outcome}")

    def output(self, rng: random.Random) -> Verdict:
        """Breaks a standard stream."""
        broken = rng.choice(STREAMS)
        process, run_dir = self._start("lstm", broken, "run-ä" if broken == "stdout ASCII" else "run")
        outcome = self._end(process)
        if outcome.status != 0 or (not outcome.well_said and "going on without it" not in outcome.err):
            return Verdict(ending="other", why=f"{broken}: {outcome}")
        return self._judge("lstm", run_dir, f"{broken}: {outcome}")

    def _start(self, model, broken="", name="run"):
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir()
        run_dir = self._root / name
        arguments = [*OPTIONS[model], f"--run-dir={run_dir}"]
        given = self._root, broken, self._laboratory.trains, arguments
        process = self._context.Process(target=_command, args=given)
        process.start()
        while process.is_alive() and not (self._root / "ready").exists():
            time.sleep(0.01)
        return process, run_dir

    def _wait(self, process, run_dir, rng):
        """Waits until a random moment: during the start in a quarter of all cases, otherwise during training."""
        if rng.random() < 0.25:
            time.sleep(rng.uniform(0, 4))
            return
        while process.is_alive() and not (run_dir / "metrics.csv").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 2))

    def _end(self, process):
        process.join(laboratory.LONGEST_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        out, err = ((self._root / name).read_text(errors="replace") for name in ("out", "err"))
        return Outcome(status=process.exitcode, out=out, err=err)

    def _judge(self, model, run_dir, what):
        """Resumes a run, or starts it if there is none, and compares it with a run without a fault."""
        again = self._laboratory.resume(run_dir)
        if not (run_dir / "config.json").exists() and again.refused:
            again = self._laboratory.train(run_dir, model, ITERATIONS)
        if again.status != 0 or again.err:
            return Verdict(ending="other", why=f"{what}: {again}")
        key = model, self._laboratory.trains
        if key not in self._expected:
            whole = self._root.with_name(f"whole-process-{len(self._expected)}")
            self._laboratory.train(whole, model, ITERATIONS)
            self._expected[key] = content(whole)
        found, expected = content(run_dir), self._expected[key]
        # A signal adds a checkpoint and its histograms. The run without a fault has no histograms at that iteration.
        found["details"] = [(step, tag) for step, tag in found["details"] if step % 100 == 0]
        different = [name for name in expected if found[name] != expected[name]]
        if different:
            return Verdict(ending="other", why=f"{different} differ after {what}: {again}")
        return Verdict(ending="identical")


def _command(directory, broken, trains, arguments):
    """Runs train.py in a forked process. Each of its output streams goes to a file in `directory`, or is broken."""
    if not trains:
        Trainer.advance = laboratory.count_up
    for descriptor, name in ((1, "out"), (2, "err")):
        opened = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = open(descriptor, "w", encoding="ascii" if "ASCII" in broken else "utf-8", closefd=False)  # noqa: SIM115
        if broken in (f"{name} full",):
            os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)
        if broken in (f"{name} closed", "both closed"):
            os.close(descriptor)
            stream = None
        setattr(sys, name, stream)
    sys.argv[0] = "train.py"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    streams.repair_streams()
    signals.end_on_signals()
    (directory / "ready").touch()
    with laboratory.small_runs():
        command_line.run(lambda: train.main(arguments))
