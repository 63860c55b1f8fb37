"""Starts every command, hides TensorFlow's messages during its import, and parses the command's options.

A command imports everything that needs TensorFlow in `with start():`. This module itself must not import TensorFlow.
"""

import argparse
import contextlib
import os
import re
import signal
import sys

from experiment import program_cache


@contextlib.contextmanager
def start():
    """Starts a command: shares compiled programs, and hides TensorFlow's messages during the `with` block.

    Sets Keras's backend to TensorFlow and its float type to float32, whatever the environment and keras.json say.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    program_cache.share()
    with quiet_stderr():
        yield
    if keras := sys.modules.get("keras"):  # the `with` block has imported it
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@contextlib.contextmanager
def quiet_stderr():
    """Hides standard error during the `with` block. TensorFlow's import writes to it before any setting can apply."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses a command line with one line on standard error and exit status 2."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")

    def refuse(self, error: ValueError):
        """Refuses with an error's message, in which `name=value` becomes `--name=value` if that is an option."""

        def option(match):
            flag = f"--{match[1].replace('_', '-')}"
            return f"{flag}=" if flag in self._option_string_actions else match[0]

        self.error(re.sub(r"\b([a-z][a-z_]*)=", option, str(error)))

    def make_directory(self, option: str, path):
        """Makes the directory that an option names, unless it exists. Refuses if the directory cannot be made."""
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            self.error(f"argument {option}: {path} cannot be written: {error.strerror}")


def whole_number(smallest: int, largest: int = 2**31 - 1):
    """An argument type: a whole number from `smallest` to `largest`."""

    def parse(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not smallest <= number <= largest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {smallest} to {largest}")
        return number

    return parse


COUNT = whole_number(1, 2**20)  # an argument type: a whole number from 1 to 2**20


def nonempty(text: str) -> str:
    """An argument type: a text that is not empty. An unset shell variable would give an empty text."""
    if not text:
        raise argparse.ArgumentTypeError("'' is an empty text")
    return text


def positive_number(text: str) -> float:
    """An argument type: a positive number, well inside the range of float32."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1e-30 <= number <= 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1e-30 to 1e30")
    return number


def number_from_zero(text: str) -> float:
    """An argument type: 0, or a number that `positive_number` accepts."""
    try:
        return 0.0 if float(text) == 0 else positive_number(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0 nor a number from 1e-30 to 1e30") from None


def number(text: str) -> float:
    """An argument type: a number, well inside the range of float32."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e30 <= value <= 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from -1e30 to 1e30")
    return value


def discard_output() -> int:
    """Discards all further output, because a BrokenPipeError has occurred. Returns the exit status for this error."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return 128 + signal.SIGPIPE
