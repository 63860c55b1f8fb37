"""Workers that take turns: processes that run jobs one at a time, so that times of two programs compare well.

This module imports neither TensorFlow nor JAX. Each worker imports only one of them.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class WorkerError(Exception):
    """A worker has ended early. The message holds the last line of its standard error."""


def serve(make: Callable):
    """Runs jobs for the process that started this one, until that process closes the pipe.

    Args:
        make: a function from the fields of a job to a function that runs the job. Equal jobs share one
            call of `make`.
    """
    made = {}
    for line in sys.stdin:
        if line not in made:
            made[line] = make(**json.loads(line))
        begin = time.perf_counter()
        made[line]()
        print(time.perf_counter() - begin, flush=True)


class Worker:
    """A process that calls `serve`. A job is a dict of JSON's types.

    Args:
        arguments: the arguments of Python.
        core: the only core that the process may use; None for all.
    """

    def __init__(self, arguments: list, core: int | None = None):
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*pinned_to(core), sys.executable, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )

    def begin(self, job: dict):
        """Lets the process run a job after the jobs that it was given before."""
        with contextlib.suppress(BrokenPipeError):  # `seconds` reports that the process has ended
            self._process.stdin.write(f"{json.dumps(job)}\n")
            self._process.stdin.flush()

    def seconds(self) -> float:
        """Waits for the end of the oldest job whose time has not been returned yet. Returns the time of this job.

        Raises:
            WorkerError: the process has ended.
        """
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._messages.seek(0)
            lines = self._messages.read().strip().splitlines()
            raise WorkerError(f"a worker has ended: {lines[-1] if lines else 'no message'}")
        return float(line)

    def end(self):
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._messages.close()


def one_core() -> int | None:
    """A core that this process may use. None if the machine has no `taskset`."""
    return min(os.sched_getaffinity(0)) if shutil.which("taskset") else None


def pinned_to(core: int | None) -> list:
    """The words before a command that let it use only this core. No words if `core` is None."""
    return [] if core is None else ["taskset", "--cpu-list", str(core)]
