"""Standard output and standard error: closed or full streams must not end a command with a traceback.

Only the standard library is imported, because every command uses this module before TensorFlow is imported.
"""

import contextlib
import os
import signal
import sys

_error_descriptor = 2  # the descriptor of the visible standard error


def repair_streams():
    """Opens closed standard streams on os.devnull, and escapes characters that their encodings lack.

    Without this, the next file that the process opens would get the descriptor of the closed stream, and the messages
    of C++ code would be written into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, end: str = "\n"):
    """Prints a line on standard output at once.

    If standard output cannot be written, says so once on standard error and discards all further output.

    Raises:
        BrokenPipeError: the reader of the output is gone.
    """
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        warn(f"standard output cannot be written ({error.strerror}): going on without it")


def warn(text: str, end: str = "\n"):
    """Prints a line on standard error. Does nothing if standard error cannot be written."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def warn_in_handler(text: str):
    """Like `warn`, but safe in a signal handler, and visible inside `quiet_stderr`."""
    with contextlib.suppress(OSError):
        os.write(_error_descriptor, f"{text}\n".encode(errors="backslashreplace"))


def discard_output() -> int:
    """Discards all further output. Returns the exit status for a BrokenPipeError."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return 128 + signal.SIGPIPE


@contextlib.contextmanager
def quiet_stderr():
    """Hides standard error during the `with` block. TensorFlow's import writes to it before any setting can apply."""
    global _error_descriptor
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = _error_descriptor = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        _error_descriptor = 2
        os.close(kept)


def one_line(text: str) -> str:
    """Escapes every character that cannot be printed, such as a line break in a file name. Returns the new text."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text
    )
