"""Reading TensorFlow checkpoints with every error told in one line."""

from pathlib import Path

import tensorflow as tf


class CheckpointError(Exception):
    """A checkpoint is missing, damaged or of another architecture; the message says which file, and what."""


def read_tensors(prefix):
    """All tensors of a checkpoint, their checksums verified.

    Args:
        prefix: the path of the checkpoint's files up to ".index" and ".data-00000-of-00001".

    Returns:
        A dict from names to arrays.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    for suffix in (".index", ".data-00000-of-00001"):
        if not Path(f"{prefix}{suffix}").is_file():
            raise CheckpointError(f"checkpoint file {prefix}{suffix} is missing")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise CheckpointError(f"checkpoint {prefix} is damaged: {first_line(error)}") from None


def restore(checkpoint, prefix):
    """Reads a checkpoint into the objects of a tf.train.Checkpoint, all of which must be in it.

    Args:
        checkpoint: tf.train.Checkpoint.
        prefix: as for `read_tensors`.

    Raises:
        CheckpointError: a file is missing or damaged, and nothing has changed; or the checkpoint is of another
            architecture, and some of the objects may have changed.
    """
    read_tensors(prefix)
    try:
        checkpoint.read(str(prefix)).expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        raise CheckpointError(f"checkpoint {prefix} is of another architecture: {first_line(error)}") from None


def first_line(error):
    """The first line of an exception's message."""
    return str(error).strip().splitlines()[0]
