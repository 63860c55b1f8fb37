"""Builds the inputs, targets and masks of a batch from channels and vectors."""

import tensorflow as tf


def at_steps(chosen, batch_size: int, value: float | tf.Tensor = 1.0):
    """A channel that is `value` at the chosen steps and 0 elsewhere.

    Args:
        chosen: [T], booleans.
        batch_size: B.
        value: a number or a scalar tensor.

    Returns:
        [B, T], float32.
    """
    return tf.tile(tf.where(chosen, tf.cast(value, tf.float32), 0.0)[tf.newaxis], [batch_size, 1])


def channels(*parts):
    """Concatenates channels [B, T] and vectors [B, T, C] along the last axis: [B, T, sum of widths]."""
    return tf.concat([part if part.shape.rank == 3 else part[..., tf.newaxis] for part in parts], axis=-1)


def place(vectors, start: int, num_steps: int):
    """Places vectors [B, K, C] at the steps from `start` to `start` + K - 1: [B, num_steps, C], zeros elsewhere."""
    return tf.pad(vectors, [[0, 0], [start, num_steps - start - vectors.shape[1]], [0, 0]])


def answer(vectors, positions, chosen):
    """Targets that repeat given vectors.

    Args:
        vectors: [B, K, C].
        positions: [T], integers: step t repeats vector positions[t].
        chosen: [T], booleans. The target is zeros at the other steps.

    Returns:
        [B, T, C].
    """
    return tf.gather(vectors, tf.where(chosen, positions, 0), axis=1) * tf.cast(chosen, tf.float32)[:, tf.newaxis]
