"""Runs scripts in forks of this process, which has imported TensorFlow: the import takes seconds.

`commands.Fork` starts this script. Standard input is a socket. Each message on it is a request in JSON:
    {"arguments": [script, argument, ...], "cwd": path, "environment": {name: value}} starts a command. Standard input,
        output and error of the command come with the message. The answer is the process's number.
    {"pid": number} asks for the exit status of a command. The answer is null while the command runs.
"""

import json
import os
import runpy
import socket
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)

from experiment.command_line import start  # noqa: E402

with start():
    import evaluate  # noqa: F401
    import train  # noqa: F401
    from experiment import solved

solved.SEQUENCES = 20  # fewer than in a real run, to save time


def serve(requests: socket.socket):
    """Answers requests. Exits when the tests end. Returns only in a fork, which is then ready to run its command."""
    while True:
        text, streams, _, _ = socket.recv_fds(requests, 2**20, 3)
        if not text:  # the process of the tests has ended
            sys.exit()
        request = json.loads(text)
        if "pid" in request:
            answer = exit_status(request["pid"])
        elif answer := os.fork():
            for stream in streams:
                os.close(stream)
        else:
            become(streams=streams, **request)
            return
        requests.send(json.dumps(answer).encode())


def exit_status(pid):
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def become(arguments, cwd, environment, streams):
    """Gives this process what a command has: its arguments, directory, environment and standard streams."""
    sys.argv = arguments
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)


serve(socket.socket(fileno=os.dup(0)))
runpy.run_path(sys.argv[0], run_name="__main__")
