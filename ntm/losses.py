"""Losses from logits, under a mask."""

import tensorflow as tf


def cross_entropy(targets, logits, mask):
    """Cross-entropy of each sequence's output bits, in nats.

    Args:
        targets: [B, T, O], 0 or 1.
        logits: [B, T, O].
        mask: [B, T], 1 at the steps whose outputs count.

    Returns:
        [B], summed over the steps that count and over the O bits of each.
    """
    nats = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(nats * mask[..., tf.newaxis], axis=[1, 2])


def summed_loss(targets, logits, mask):
    """The batch's mean of each sequence's summed cross-entropy: a scalar. Arguments as `cross_entropy`."""
    return tf.reduce_mean(cross_entropy(targets, logits, mask))


def mean_loss(targets, logits, mask):
    """The mean cross-entropy of an output bit, over all that count: a scalar. Arguments as `cross_entropy`."""
    bits = tf.reduce_sum(mask) * logits.shape[-1]
    return tf.reduce_sum(cross_entropy(targets, logits, mask)) / bits


LOSSES = {"sum": summed_loss, "mean": mean_loss}
