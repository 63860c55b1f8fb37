"""Losses and metrics of binary outputs, under a mask."""

import math

import tensorflow as tf


def cross_entropy(targets, logits, mask):
    """Cross-entropy of each sequence's output bits, in nats.

    Args:
        targets: [B, T, O], 0 or 1.
        logits: [B, T, O].
        mask: [B, T], 1 at the steps whose outputs count.

    Returns:
        [B], summed over the steps that count and over the O bits of each step.
    """
    nats = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(nats * mask[..., tf.newaxis], axis=[1, 2])


def summed_loss(targets, logits, mask):
    """The mean over the batch of each sequence's summed cross-entropy, a scalar. Arguments as for `cross_entropy`."""
    return tf.reduce_mean(cross_entropy(targets, logits, mask))


def mean_loss(targets, logits, mask):
    """The mean cross-entropy of an output bit that counts, a scalar. Arguments as for `cross_entropy`."""
    bits = tf.reduce_sum(mask) * logits.shape[-1]
    return tf.reduce_sum(cross_entropy(targets, logits, mask)) / bits


LOSSES = {"sum": summed_loss, "mean": mean_loss}


def hamming_distance(targets, logits, mask):
    """Wrong bits of each sequence, [B]. A positive logit stands for a 1. Arguments as for `cross_entropy`."""
    wrong = tf.not_equal(logits > 0, targets > 0.5)
    return tf.reduce_sum(tf.cast(wrong, mask.dtype) * mask[..., tf.newaxis], axis=[1, 2])


def bits_per_sequence(targets, logits, mask):
    """The paper's cost: the cross-entropy of each sequence in bits, [B]. Arguments as for `cross_entropy`."""
    return cross_entropy(targets, logits, mask) / math.log(2)
