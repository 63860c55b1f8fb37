"""The message about an optional package that is not installed."""

import contextlib


@contextlib.contextmanager
def needs_extra(extra: str):
    """Names the extra to install if an import in the `with` block fails.

    Args:
        extra: the name of an extra of the package ntm-tensorflow.

    Raises:
        ImportError: a package is not installed; the message names it, the extra and the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed. It comes with the extra {extra}: pip install 'ntm-tensorflow[{extra}]'"
        ) from error
