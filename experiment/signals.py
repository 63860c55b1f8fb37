"""Makes SIGINT, SIGTERM and SIGHUP end a command with one line and an exit status. Training saves a checkpoint first.

This module must not import TensorFlow, because every command uses it before TensorFlow is imported.
"""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from experiment import atomic, streams

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class StopSignals:
    """Notes the first signal in SIGNALS that arrives during a `with` block. A second signal has its usual effect.

    Python delivers signals to the main thread only. In another thread, the block notes nothing.

    Attributes:
        received: the signal, or None.
    """

    def __init__(self):
        self.received = None
        self._previous = {}

    def __enter__(self):
        self._previous = _handle_with(self._note)
        return self

    def __exit__(self, *exception):
        _restore(self._previous)

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        self.__exit__()


def end_on_signals():
    """Makes any of SIGNALS end the process: it prints one line and exits with 128 plus the signal's number.

    No exception is raised, because library code may turn KeyboardInterrupt into an error of another kind.
    """
    _handle_with(_end)


@contextlib.contextmanager
def ending_on_signals():
    """Does what `end_on_signals` does, during a `with` block."""
    previous = _handle_with(_end)
    try:
        yield
    finally:
        _restore(previous)


def _end(number, frame):
    atomic.discard_unfinished()
    streams.warn_in_handler(f"{Path(sys.argv[0]).name}: stopped by {signal.Signals(number).name}")
    os._exit(128 + number)


def _handle_with(handler):
    """Sets a handler for SIGNALS. Returns a dict from signals to their previous handlers.

    Sets no handler for a signal that the process ignores. For example, nohup makes a process ignore SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    handled = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


def _restore(previous):
    for number, handler in previous.items():
        signal.signal(number, handler)
