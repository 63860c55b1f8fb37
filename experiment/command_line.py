"""Starts every command, ends it with an exit status, and parses its options.

Inside `with start():`, a command imports everything that needs TensorFlow. This module must not import TensorFlow.
"""

import argparse
import contextlib
import errno
import gc
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from experiment import program_cache, signals, streams


@contextlib.contextmanager
def start(*unneeded: str):
    """Starts a command: calls `program_cache.share`, and hides TensorFlow's messages during the `with` block.

    Sets Keras's backend to TensorFlow and its float type to float32, whatever the environment and keras.json say.

    Args:
        *unneeded: packages that Keras imports if it can, and that the `with` block does not need. They are hidden.
    """
    streams.repair_streams()
    with contextlib.ExitStack() as stack:
        stack.enter_context(signals.ending_on_signals())
        stack.enter_context(streams.quiet_stderr())
        stack.enter_context(_no_garbage_collection())
        for package in ("sklearn", *unneeded):  # scikit-learn takes a second to import, and no command needs it
            stack.enter_context(_hidden_package(package))
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ["KERAS_HOME"] = os.devnull  # Keras finds no keras.json there, and writes none
        program_cache.share()
        yield
    if keras := sys.modules.get("keras"):  # the `with` block has imported it
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@contextlib.contextmanager
def _no_garbage_collection():
    """Turns the garbage collector off in the `with` block. Later, it ignores the objects that exist at the block's end.

    Imported modules are never garbage. Searching them would take a second at the command's start and one at its end.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _hidden_package(name):
    """Hides an installed package, unless it has been imported."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None
    try:
        yield
    finally:
        del sys.modules[name]


def run(main: Callable):
    """Runs a command as the only work of this process. Ends the process with the exit status that `main` returns."""
    signals.end_on_signals()
    try:
        status = main()
    except BrokenPipeError:  # the reader of the output is gone
        status = streams.discard_output()
    sys.exit(status)


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses a command line with one line on standard error and exit status 2."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str | Exception):
        self.exit(2, f"{self.prog}: error: {streams.one_line(str(message))}\n")

    def _print_message(self, message, file=None):
        """Prints help texts and errors. argparse calls this method."""
        (streams.say if file is sys.stdout else streams.warn)(message, end="")

    def refuse(self, error: ValueError):
        """Refuses with an error's message, in which `name=value` becomes `--name=value` if --name is an option."""

        def option(match):
            flag = flag_of(match[1])
            return f"{flag}=" if flag in self._option_string_actions else match[0]

        self.error(re.sub(r"\b([a-z][a-z_]*)=", option, str(error)))

    def make_directory(self, option: str, path: str | Path):
        """Makes the directory that an option names, unless it exists. Refuses if the directory cannot be made."""
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            self.error(f"argument {option}: {path} cannot be written: {error.strerror}")


def flag_of(name: str) -> str:
    """The option of a field or argument: --batch-size of batch_size."""
    return f"--{name.replace('_', '-')}"


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


def file_path(text: str) -> str:
    """An argument type: the path of a file or a directory on this machine. Expands ~."""
    nonempty(text)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise argparse.ArgumentTypeError(f"{text!r} is a URL; only files on this machine can be used")
    try:
        text.encode()
        path = os.path.expanduser(text)
        os.stat(path)
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8") from None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} contains a null character") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            shown = text if len(text) <= 100 else f"{text[:100]}..."
            raise argparse.ArgumentTypeError(f"{shown!r} cannot be used: {error.strerror}") from None
    return path


def positive_number(text: str) -> float:
    """An argument type: a positive number, well inside the range of float32."""
    value = _float_or_nan(text)
    if not 1e-30 <= value <= 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1e-30 to 1e30")
    return value


def number_from_zero(text: str) -> float:
    """An argument type: 0, or a number that `positive_number` accepts."""
    try:
        return 0.0 if float(text) == 0 else positive_number(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0 nor a number from 1e-30 to 1e30") from None


def fraction(text: str) -> float:
    """An argument type: a number from 0 to 1."""
    value = _float_or_nan(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def number(text: str) -> float:
    """An argument type: a number, well inside the range of float32."""
    value = _float_or_nan(text)
    if not -1e30 <= value <= 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from -1e30 to 1e30")
    return value


def _float_or_nan(text):
    """The number in a text. If the text is not a number, returns NaN, which is outside every range."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
