"""Shows the progress of training: a progress bar on a terminal, or else a line every ROWS_PER_LINE rows."""

import sys
import time

from tqdm import tqdm

from experiment.metrics_file import Metrics
from experiment.streams import say

ROWS_PER_LINE = 10  # rows of metrics.csv between printed lines


class Progress:
    """Shows the progress of training, to be used in a `with` statement.

    Args:
        iterations: the last iteration.
        iteration: the iteration at which training starts.
        batch_size: sequences per iteration.
    """

    def __init__(self, iterations: int, iteration: int, batch_size: int):
        self._iterations, self._batch_size = iterations, batch_size
        self._iteration, self._time, self._rows = iteration, time.perf_counter(), 0
        self._bar = tqdm(
            total=iterations,
            initial=iteration,
            disable=not sys.stdout.isatty(),
            file=sys.stdout,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}, {remaining} left",
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._bar.close()

    def say(self, text: str):
        """Prints a line above the bar."""
        with tqdm.external_write_mode(file=sys.stdout):
            say(text)

    def show(self, iteration: int, metrics: Metrics):
        """Shows the metrics of a row of metrics.csv."""
        now = time.perf_counter()
        updates_per_second = (iteration - self._iteration) / (now - self._time)
        text = f"loss {metrics.loss:.4f}, Hamming distance {metrics.hamming_distance:.2f}"
        left = ""
        if self._rows > 0:  # the time of the first row includes the compilation
            text += f", {updates_per_second * self._batch_size:.0f} sequences/s"
            left = f", {tqdm.format_interval((self._iterations - iteration) / updates_per_second)} left"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(iteration - self._bar.n)
        if self._bar.disable and (self._rows % ROWS_PER_LINE == 0 or iteration == self._iterations):
            say(f"iteration {iteration}/{self._iterations}: {text}{left}")
        self._iteration, self._time, self._rows = iteration, now, self._rows + 1
