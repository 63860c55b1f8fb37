"""Events: what TensorBoard shows of a run.

events.out.tfevents.*             the metrics
details/events.out.tfevents.*     histograms of gradients, and figures
"""

import collections
import contextlib
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.histogram.summary_v2 import histogram_pb

from experiment import atomic
from experiment.metrics_file import Metrics


class Events:
    """Writes the events of a run.

    Args:
        run_dir: the run directory.
        iteration: the iteration at which training starts. Events of later iterations are deleted.
        rows: the rows of metrics.csv up to `iteration`, lists of text. They become the events of the metrics.

    Raises:
        OSError, tf.errors.OpError: a file cannot be written. The methods raise these errors, too.
    """

    def __init__(self, run_dir: Path, iteration: int, rows: list):
        self._iterations = collections.defaultdict(set)  # iterations of the events in details/, by tag
        # A resumed run repeats iterations. If their earlier events stayed, TensorBoard would show them twice.
        atomic.discard_leftovers(run_dir / "details", ["events.out.tfevents.*"])
        for details in sorted((run_dir / "details").glob("events.out.tfevents.*")):
            if details.is_file():
                self._delete_events_after(details, iteration)
        for previous in run_dir.glob("events.out.tfevents.*"):
            previous.unlink()
        self._metrics = tf.summary.create_file_writer(str(run_dir))
        self._details = tf.summary.create_file_writer(str(run_dir / "details"))
        for row in rows:
            self._write_metrics(int(row[0]), map(float, row[-len(Metrics._fields) :]))
        self._metrics.flush()

    def close(self):
        """Closes the files. Ignores errors: the method that added an event has already raised them."""
        for writer in (self._metrics, self._details):
            with contextlib.suppress(tf.errors.OpError):
                writer.close()

    def details(self) -> dict:
        """Summarises the events in details/: a dict from tags to lists [number of events, last iteration]."""
        return {tag: [len(iterations), max(iterations)] for tag, iterations in self._iterations.items()}

    def missing_details(self, expected: dict) -> dict:
        """How many events details/ lacks: a dict from tags to counts. `expected` is an earlier result of `details`."""
        missing = {}
        for tag, (count, last) in expected.items():
            found = sum(iteration <= last for iteration in self._iterations[tag])
            if found < count:
                missing[tag] = count - found
        return missing

    def add_metrics(self, row: dict):
        """Writes a row of metrics.csv."""
        self._write_metrics(row["iteration"], [row[name] for name in Metrics._fields])
        self._metrics.flush()

    def add_histograms(self, tensors: dict, iteration: int):
        """Writes a histogram of each tensor of a dict, unless details/ has it already."""
        self._add_details(_write_histogram, tensors, iteration)

    def add_figure(self, name: str, png: bytes, iteration: int):
        """Writes a figure, given as the content of a PNG file, unless details/ has it already."""
        self._add_details(tf.summary.image, {name: tf.image.decode_png(png)[tf.newaxis]}, iteration)

    def _add_details(self, write, values, iteration):
        new = {tag: value for tag, value in values.items() if iteration not in self._iterations[tag]}
        with self._details.as_default(step=iteration):
            for tag, value in new.items():
                write(tag, value)
        self._details.flush()
        for tag in new:
            self._iterations[tag].add(iteration)

    def _write_metrics(self, iteration, values):
        with self._metrics.as_default(step=iteration):
            for name, value in zip(Metrics._fields, values):
                tf.summary.scalar(name, value)

    def _delete_events_after(self, path, iteration):
        """Deletes events from a file in details/: events after `iteration`, and events that were read before.

        Also deletes the first damaged event and all events after it.
        """
        with atomic.replacing(path) as aside, tf.io.TFRecordWriter(str(aside)) as kept:
            for record, event in _read_events(path):
                tags = [value.tag for value in event.summary.value]
                if event.step <= iteration and not any(event.step in self._iterations[tag] for tag in tags):
                    kept.write(record)
                    for tag in tags:
                        self._iterations[tag].add(event.step)


def _write_histogram(tag, tensor):
    """Writes the same event as `tf.summary.histogram`, in a tenth of the time: NumPy computes it, not TensorFlow."""
    tf.summary.experimental.write_raw_pb(histogram_pb(tag, tensor.numpy()).SerializeToString())


def _read_events(path):
    """Yields the events of a file, serialized and parsed, up to the first damaged event."""
    with contextlib.suppress(tf.errors.DataLossError):
        for record in tf.data.TFRecordDataset(str(path)):
            yield record.numpy(), tf.compat.v1.Event.FromString(record.numpy())
