"""Lets training save a checkpoint before SIGINT or SIGTERM ends it."""

import signal


class StopSignals:
    """Notes the first SIGINT or SIGTERM in a `with` block. A second signal has its usual effect.

    Attributes:
        received: the signal, or None.
    """

    def __init__(self):
        self.received = None

    def __enter__(self):
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        self.__exit__()
