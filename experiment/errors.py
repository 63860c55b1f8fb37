"""The exceptions that end a command with one line on standard error."""


class RunError(Exception):
    """A run directory cannot be used. The message names the directory and the reason."""


class CheckpointError(Exception):
    """A checkpoint is missing, damaged or of another architecture. The message names the file and the reason."""


def first_line(error: Exception) -> str:
    """The first line of an exception's message."""
    return str(error).strip().partition("\n")[0]
