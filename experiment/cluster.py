"""The processes of a run on several machines. Reads them from TF_CONFIG, and finds those that no longer answer."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from typing import NamedTuple

JOIN_SECONDS = 40  # all processes must have started within this time
_PROBE_SECONDS = 3  # a process that accepts no connection within this time has gone
_JOBS = ("chief", "worker")


class Member(NamedTuple):
    """A process of a cluster."""

    job: str  # "chief" or "worker"
    number: int  # its number in the job
    address: str  # host:port

    def __str__(self):
        return f"{self.job} {self.number} ({self.address})"

    def answers(self) -> bool:
        """Whether the process accepts connections."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_SECONDS).close()
        except OSError:
            return False
        return True


class Cluster(NamedTuple):
    """The processes of a run, and the place of this process among them."""

    members: list  # of Member; the first is the chief, which alone writes the run directory
    index: int  # position of this process in `members`

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def gone(self) -> list:
        """The other processes that do not answer."""
        return [member for i, member in enumerate(self.members) if i != self.index and not member.answers()]


class ProcessLostError(Exception):
    """Another process of the run has gone. The message names it."""


def read_cluster() -> Cluster:
    """Reads the environment variable TF_CONFIG, which has TensorFlow's form:

        {"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}

    The cluster may also have a job "chief", with one address. Without this job, worker 0 is the chief.

    Raises:
        ValueError: TF_CONFIG is missing or malformed.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise ValueError("distribute=multi-worker needs the environment variable TF_CONFIG")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"TF_CONFIG is not JSON: {error}") from None
    config = config if isinstance(config, dict) else {}
    jobs, task = config.get("cluster"), config.get("task")
    if not isinstance(jobs, dict) or not jobs or not set(jobs) <= set(_JOBS):
        raise ValueError(f'TF_CONFIG: "cluster" must have the keys "chief" and "worker", or one of them, not {jobs!r}')
    members = []
    for job in _JOBS:
        addresses = jobs.get(job, [])
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise ValueError(f'TF_CONFIG: "{job}" must be a list of "host:port", not {addresses!r}')
        members += [Member(job=job, number=number, address=address) for number, address in enumerate(addresses)]
    if len({member.address for member in members}) < len(members):
        raise ValueError("TF_CONFIG names an address twice")
    task = task if isinstance(task, dict) else {}
    for index, member in enumerate(members):
        if member.job == task.get("type") and member.number == task.get("index"):
            return Cluster(members=members, index=index)
    raise ValueError(f'TF_CONFIG: "task" must name a process of "cluster" by "type" and "index", not {task!r}')


def _is_address(address):
    return isinstance(address, str) and re.fullmatch(r"\S+:\d{1,5}", address) is not None


@contextlib.contextmanager
def limited_wait(cluster: Cluster, prog: str):
    """Ends this process with one line and SIGKILL if the `with` block takes longer than JOIN_SECONDS.

    In the block, TensorFlow waits for the other processes. No exception can end this wait.

    Args:
        cluster: Cluster.
        prog: the command's name, which begins the line.
    """

    sys.stderr.flush()
    watcher = os.fork()
    if watcher == 0:
        _end_parent_later(cluster, prog)
    try:
        yield
    finally:
        os.kill(watcher, signal.SIGKILL)
        os.waitpid(watcher, 0)


def _end_parent_later(cluster, prog):
    """Runs in the watcher process of `limited_wait`. Ends the parent process after JOIN_SECONDS.

    The watcher is a process, not a thread: TensorFlow holds Python's lock while it waits, so that no thread can run.
    """
    parent, begin = os.getppid(), time.monotonic()
    while time.monotonic() < begin + JOIN_SECONDS:
        time.sleep(0.2)
        if os.getppid() != parent:
            os._exit(0)
    missing = ", ".join(map(str, cluster.gone())) or "another process"
    os.write(2, f"{prog}: error: {missing} has not joined within {JOIN_SECONDS} s\n".encode())
    os.kill(parent, signal.SIGKILL)  # TensorFlow catches SIGTERM and goes on waiting
    os._exit(0)


def lost(cluster: Cluster, error: Exception) -> ProcessLostError:
    """The exception to raise after `error`, the failure of an operation in which all processes take part."""
    named = [member for member in cluster.members if f"/job:{member.job}/replica:0/task:{member.number}" in str(error)]
    # The message of TensorFlow may name a process that only passes the failure on.
    gone = cluster.gone() or [member for member in named if member != cluster.members[cluster.index]]
    names = ", ".join(map(str, gone)) or "another process"
    return ProcessLostError(f"{names} has gone; start all processes again, with --resume")
