"""Trains many runs: on this machine, or on the workers of a Dask scheduler.

A worker trains in a directory of its own. Run directories travel through the scheduler: it keeps the newest checkpoint
of every unfinished run. If a worker dies, another worker continues the run from this checkpoint.

Dask imports this module in the scheduler too. It therefore imports nothing that needs TensorFlow.
"""

import concurrent.futures
import contextlib
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiment import atomic
from experiment.command_line import Parser, nonempty

ROOT = Path(__file__).resolve().parent.parent
# Prefixes of columns; a size follows. Wrong bits, cost in bits, and lowest achievable cost in bits, all per sequence.
WRONG, BITS, LEAST = "wrong_bits_", "bits_", "least_bits_"

SNAPSHOT_SECONDS = 120  # the shortest time between two checkpoints that a worker sends
_CONNECT_SECONDS = 20  # limit of the time to reach a scheduler
_FETCH_SECONDS = 60  # limit of the time in which a worker gets a snapshot
_SOURCES = ("train.py", "evaluate.py", "ntm/*.py", "tasks/*.py", "experiment/*.py", "benchmarks/sweep.py")


class Job(NamedTuple):
    """A run to train and to measure."""

    run_dir: Path
    seed: int
    options: tuple  # options of train.py
    sequences: int  # sequences to measure at each size


class JobError(Exception):
    """A job failed. The message says why."""


def add_scheduler_option(parser: Parser):
    """Adds the option --scheduler."""
    parser.add_argument(
        "--scheduler",
        type=nonempty,
        metavar="tcp://HOST:PORT",
        help="train on the workers of this Dask scheduler instead of this machine, see docs/scale.md",
    )


def connect(parser: Parser, scheduler: str | None):
    """The Dask client of a scheduler, to be used in a `with` statement. Yields None if `scheduler` is None.

    Refuses a scheduler that cannot be reached.
    """
    if scheduler is None:
        return contextlib.nullcontext()
    try:
        import distributed
    except ImportError:
        parser.error("argument --scheduler: Dask is not installed: pip install '.[sweep]'")
    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        parser.error(f"argument --scheduler: {scheduler} cannot be reached: {error}")
    if not client.scheduler_info()["workers"]:
        print(f"{scheduler} has no worker yet; to start one: dask worker {scheduler} --nthreads=1", flush=True)
    return client


def finished(jobs: list, parallel: int, client=None, snapshot_seconds: float = SNAPSHOT_SECONDS) -> Iterator[Job]:
    """Trains and measures all jobs. Yields each job when it has finished.

    Args:
        jobs: a list of Job.
        parallel: the number of jobs that run at the same time on this machine.
        client: a Dask client, or None to use this machine.
        snapshot_seconds: the shortest time between two checkpoints that a Dask worker sends.

    Raises:
        JobError: a job failed. The attribute `job` is the Job.
    """
    remote = None if client is None else _Remote(client, snapshot_seconds)
    run = remote.train if remote else train
    # The jobs of a Dask client wait in threads of their own. The scheduler decides which of them run.
    with concurrent.futures.ThreadPoolExecutor(parallel if client is None else max(len(jobs), 1)) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException as error:
            if isinstance(error, JobError):
                error.job = futures[future]
            pool.shutdown(wait=False, cancel_futures=True)  # running jobs end normally, unless Ctrl-C ends them
            if remote:
                remote.give_up()
            raise


def train(job: Job):
    """Trains a seed, or resumes its run, and writes its errors to errors.json. Does nothing if errors.json exists.

    Raises:
        JobError: train.py or evaluate.py failed.
    """
    run_dir = job.run_dir
    if (run_dir / "errors.json").exists():
        return
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    what = ["--resume"] if (run_dir / "config.json").exists() else [*job.options, f"--seed={job.seed}"]
    ended = run_script(["train.py", *what, f"--run-dir={run_dir}"], not_finite=True)
    errors = {"ended": ended.stderr.strip().replace(f"{run_dir}/", "") if ended.returncode else ""}
    if _checkpoints(run_dir):
        measured = run_script(["evaluate.py", f"--run-dir={run_dir}", f"--sequences={job.sequences}", "--format=json"])
        for line in measured.stdout.splitlines():
            row = json.loads(line)
            errors[WRONG + row["size"]] = row["bit_errors_per_sequence"]
            errors[BITS + row["size"]] = row["bits_per_sequence"]
            errors[LEAST + row["size"]] = row["least_bits_per_sequence"]
    # Written last: a run with errors.json is finished.
    atomic.write_file(run_dir / "errors.json", json.dumps(errors).encode())


def run_script(command: list, not_finite: bool = False) -> subprocess.CompletedProcess:
    """Runs a script.

    Args:
        command: the script and its options.
        not_finite: whether train.py may stop at a loss that is not finite.

    Raises:
        JobError: the script failed in another way.
    """
    # If this process dies, the pipe of the output closes, and train.py ends.
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode != 0 and not (not_finite and "is not finite at iteration" in ended.stderr):
        raise JobError((ended.stderr.strip() or f"exit status {ended.returncode}").splitlines()[-1])
    return ended


class _Remote:
    """Trains jobs on the workers of a Dask client."""

    def __init__(self, client, snapshot_seconds):
        self._client, self._snapshot_seconds, self._tasks = client, snapshot_seconds, []

    def give_up(self):
        """Ends all calls of `train`. A training that a worker has begun goes on there until its end."""
        self._client.cancel(self._tasks)

    def train(self, job: Job):
        """As the function `train`, on a worker."""
        import distributed

        if (job.run_dir / "errors.json").exists():
            return
        job.run_dir.parent.mkdir(parents=True, exist_ok=True)
        snapshot = distributed.Variable(f"run-{uuid.uuid4()}", client=self._client)
        snapshot.set(pack(job.run_dir))
        try:
            while not self._attempt(job, snapshot):
                pass
        finally:
            snapshot.delete()

    def _attempt(self, job, snapshot):
        """Trains a job from its snapshot. Returns whether the job has finished. Raises JobError if the job fails."""
        import distributed

        begun_with = snapshot.get()
        task = self._client.submit(work, job, snapshot.name, self._snapshot_seconds, fingerprint(), pure=False)
        self._tasks.append(task)
        try:
            while True:
                try:
                    unpack(task.result(timeout=self._snapshot_seconds), job.run_dir)
                    return True
                except (TimeoutError, distributed.TimeoutError):
                    _store(snapshot.get(), job.run_dir)
        except distributed.scheduler.KilledWorker as error:
            # Dask has tried several workers.
            newest = snapshot.get()
            _store(newest, job.run_dir)
            if newest == begun_with:
                raise JobError(f"its workers died: {error}") from None
            return False
        finally:
            # Dask would train a finished job again if the worker that holds its result died.
            self._tasks.remove(task)
            task.release()


def work(job: Job, name: str, seconds: float, code: str) -> bytes:
    """Trains and measures a job on a Dask worker, from the newest snapshot of its run.

    Args:
        job: the job; its directory is not used.
        name: the name of the Dask variable that holds the snapshot, see `pack`.
        seconds: the shortest time between two checkpoints that are sent.
        code: the `fingerprint` of the client.

    Returns:
        The run directory, see `pack`.

    Raises:
        JobError: the job failed, or this machine has other code than the client.
    """
    import distributed

    if code != fingerprint():
        raise JobError(f"the worker {distributed.get_worker().address} has other source files than this machine")
    snapshot = distributed.Variable(name)
    with tempfile.TemporaryDirectory() as scratch:
        run_dir = Path(scratch) / "run"
        unpack(snapshot.get(timeout=_FETCH_SECONDS), run_dir)
        with _sending(snapshot, run_dir, seconds):
            train(job._replace(run_dir=run_dir))
        return pack(run_dir)


@contextlib.contextmanager
def _sending(snapshot, run_dir, seconds):
    """Sends each new checkpoint of a run to the scheduler, at most one per `seconds`."""
    ended = threading.Event()

    def send():
        sent = _checkpoints(run_dir)
        while not ended.wait(seconds):
            if (present := _checkpoints(run_dir)) != sent:
                with contextlib.suppress(OSError):  # train.py has deleted a file meanwhile
                    snapshot.set(pack(run_dir))
                    sent = present

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def pack(run_dir: Path) -> bytes:
    """The files of a run directory as a tar file, or no bytes if there is no directory. The run may be in progress."""
    content = io.BytesIO()
    if run_dir.is_dir():
        with tarfile.open(fileobj=content, mode="w") as tar:
            # The checkpoints come first, so that metrics.csv reaches at least as far as they do.
            for path in sorted(run_dir.iterdir()):
                tar.add(path, arcname=path.name, filter=_unless_hidden)
    return content.getvalue()


def _unless_hidden(member):
    """Leaves out the lock and the files that are being written."""
    return None if Path(member.name).name.startswith(".") else member


def _checkpoints(run_dir):
    """The names of a run's checkpoints."""
    return {path.name for path in run_dir.glob("checkpoints/step-*")}


def unpack(content: bytes, run_dir: Path):
    """Replaces a run directory by the one in a result of `pack`. Does nothing if the result is empty.

    After a kill, the run directory is complete or does not exist.
    """
    if not content:
        return
    if run_dir.exists():
        atomic.delete_directory(run_dir)
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with atomic.creating_directory(run_dir) as aside, tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(aside, filter="data")


def _store(content, run_dir):
    """Unpacks a snapshot unless the run directory has the same content already."""
    if content and pack(run_dir) != content:
        unpack(content, run_dir)


def fingerprint() -> str:
    """A hash of the source files that determine what a run computes."""
    found = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()
