"""What the command lines of train.py and evaluate.py share."""

import argparse
import contextlib
import os
import re
import signal
import sys


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses with one line and exit status 2."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")

    def refuse(self, error):
        """Refuses for a ValueError, whose `name=value` becomes `--name=value` where that is an option."""

        def option(match):
            flag = f"--{match[1].replace('_', '-')}"
            return f"{flag}=" if flag in self._option_string_actions else match[0]

        self.error(re.sub(r"\b([a-z][a-z_]*)=", option, str(error)))

    def make_directory(self, option, path):
        """Makes the directory that an option names, if it is not there, or refuses."""
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            self.error(f"argument {option}: {path} cannot be written: {error.strerror}")


def whole_number(smallest, largest=2**31 - 1):
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


def name(text):
    """An argument type: text that is not empty, as an unset variable of the shell would be."""
    if not text:
        raise argparse.ArgumentTypeError("'' is no name")
    return text


def positive_number(text):
    """An argument type: a number above 0, of float32's range."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1e-30 <= number <= 1e30:  # well inside float32
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1e-30 to 1e30")
    return number


def number_from_zero(text):
    """An argument type: 0, or as `positive_number`."""
    try:
        return 0.0 if float(text) == 0 else positive_number(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0 nor a number from 1e-30 to 1e30") from None


def nobody_reads_on():
    """Sends what is still to be printed nowhere, after a BrokenPipeError. Returns the exit status for it."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return 128 + signal.SIGPIPE


@contextlib.contextmanager
def quiet_stderr():
    """Hides what is written to standard error: TensorFlow's import logs there before it can be told not to."""
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
