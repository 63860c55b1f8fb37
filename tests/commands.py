"""Helpers for tests of the command lines."""

import contextlib
import csv
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

ROOT = Path(__file__).parent.parent
_Popen = subprocess.Popen  # a test may replace subprocess.Popen with Fork
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


def start(script, *arguments, cwd, popen=subprocess.Popen, **environment):
    return popen(
        [sys.executable, ROOT / script, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Fork:
    """Stands in for subprocess.Popen. Runs a script in a fork of fork_server.py, which has imported TensorFlow already.

    An environment variable has no effect if only the start of Python or the import of TensorFlow reads it.
    """

    def __init__(self, command, cwd=None, env=None, **pipes):
        assert pipes == {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        (out, child_out), (err, child_err) = os.pipe(), os.pipe()
        self.stdout, self.stderr, self.returncode = os.fdopen(out), os.fdopen(err), None
        arguments = [str(argument) for argument in command[1:]]  # the first word is the Python interpreter
        request = {"arguments": arguments, "cwd": str(cwd or os.getcwd()), "environment": dict(env or os.environ)}
        with open(os.devnull) as nothing:
            self.pid = _ask(request, [nothing.fileno(), child_out, child_err])
        os.close(child_out)
        os.close(child_err)

    def poll(self):
        if self.returncode is None:
            self.returncode = _ask({"pid": self.pid})
        return self.returncode

    def wait(self, timeout=None):
        begin = time.monotonic()
        while self.poll() is None:
            if timeout is not None and time.monotonic() > begin + timeout:
                raise subprocess.TimeoutExpired("fork", timeout)
            time.sleep(0.01)
        return self.returncode

    def communicate(self, timeout=None):
        """Reads the output after the script's end, unlike Popen. The output must therefore fit into a pipe, 64 KB."""
        self.wait(timeout)
        return self.stdout.read(), self.stderr.read()

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def _ask(request, streams=()):
    requests = _fork_server()
    socket.send_fds(requests, [json.dumps(request).encode()], streams)
    return json.loads(requests.recv(1000))


@functools.cache
def _fork_server():
    """Starts fork_server.py. Returns the socket for requests."""
    requests, served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with served:
        _Popen([sys.executable, ROOT / "tests" / "fork_server.py"], stdin=served)
    return requests


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
