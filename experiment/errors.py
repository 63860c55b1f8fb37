"""The exceptions that end a command with one line on standard error, and the functions that write this line."""

import re


class RunError(Exception):
    """A run directory cannot be used. The message names the directory and the reason."""


class CheckpointError(Exception):
    """A checkpoint is missing, damaged or of another architecture. The message names the file and the reason."""


def first_line(error: Exception) -> str:
    """The first line of an exception's message, without the names of TensorFlow's operations."""
    line = str(error).strip().partition("\n")[0]
    return re.sub(r"^\{\{.*?\}\} | \[Op:\w+\].*$", "", line)


def file_and_reason(error: Exception) -> str:
    """The file that an OSError or an error of TensorFlow is about, and the reason, such as "No space left on device".

    The messages of TensorFlow's errors name the file themselves.
    """
    if not isinstance(error, OSError):
        return first_line(error)
    reason = error.strerror or first_line(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"
