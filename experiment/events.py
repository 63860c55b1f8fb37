"""Events: what TensorBoard shows of a run.

events.out.tfevents.*             the metrics
details/events.out.tfevents.*     histograms of gradients, and figures
"""

import contextlib
from pathlib import Path

import tensorflow as tf

from experiment import atomic
from experiment.metrics_file import Metrics


class Events:
    """Writes the events of a run.

    Args:
        run_dir: the run directory.
        iteration: the iteration at which training starts. Events of later iterations are deleted.
        rows: the rows of metrics.csv up to `iteration`, lists of text. They become the events of the metrics.
    """

    def __init__(self, run_dir: Path, iteration: int, rows: list):
        # A resumed run repeats iterations. Without this deletion, TensorBoard would show them twice.
        for details in (run_dir / "details").glob("events.out.tfevents.*"):
            _delete_events_after(details, iteration)
        for previous in run_dir.glob("events.out.tfevents.*"):
            previous.unlink()
        self._metrics = tf.summary.create_file_writer(str(run_dir))
        self._details = tf.summary.create_file_writer(str(run_dir / "details"))
        for row in rows:
            self._write_metrics(int(row[0]), map(float, row[-len(Metrics._fields) :]))
        self._metrics.flush()

    def close(self):
        self._metrics.close()
        self._details.close()

    def add_metrics(self, row: dict):
        """Writes a row of metrics.csv."""
        self._write_metrics(row["iteration"], [row[name] for name in Metrics._fields])
        self._metrics.flush()

    def add_histograms(self, tensors: dict, iteration: int):
        """Writes a histogram of each tensor of a dict."""
        with self._details.as_default(step=iteration):
            for name, tensor in tensors.items():
                tf.summary.histogram(name, tensor)
        self._details.flush()

    def add_figure(self, name: str, png: bytes, iteration: int):
        """Writes a figure, given as the content of a PNG file."""
        with self._details.as_default(step=iteration):
            tf.summary.image(name, tf.image.decode_png(png)[tf.newaxis])
        self._details.flush()

    def _write_metrics(self, iteration, values):
        with self._metrics.as_default(step=iteration):
            for name, value in zip(Metrics._fields, values):
                tf.summary.scalar(name, value)


def _delete_events_after(path, iteration):
    """Deletes all events after `iteration` from a file, and an incomplete event at the end of the file."""
    with (
        atomic.replacing(path) as aside,
        tf.io.TFRecordWriter(str(aside)) as kept,
        contextlib.suppress(tf.errors.DataLossError),
    ):
        for record in tf.data.TFRecordDataset(str(path)):
            if tf.compat.v1.Event.FromString(record.numpy()).step <= iteration:
                kept.write(record.numpy())
