"""TensorBoard's files, read back."""

import tensorflow as tf


def values(directory):
    """Step and value of all that the event files of a directory hold, file by file."""
    for path in sorted(directory.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                yield event.step, value
