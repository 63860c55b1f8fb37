"""Reads TensorBoard's files."""

import tensorflow as tf


def values(directory):
    """Yields the step and the value of every event in the event files of a directory."""
    for path in sorted(directory.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                yield event.step, value
