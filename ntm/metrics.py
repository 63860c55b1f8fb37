"""Metrics, each one number a sequence, for any batch."""

import math

import tensorflow as tf

from ntm.losses import cross_entropy


def hamming_distance(targets, logits, mask):
    """Wrong bits of each sequence: [B]. Arguments as `ntm.losses.cross_entropy`. A positive logit says 1."""
    wrong = tf.not_equal(logits > 0, targets > 0.5)
    return tf.reduce_sum(tf.cast(wrong, mask.dtype) * mask[..., tf.newaxis], axis=[1, 2])


def bits_per_sequence(targets, logits, mask):
    """The paper's cost: cross-entropy of each sequence in bits, [B]. Arguments as `ntm.losses.cross_entropy`."""
    return cross_entropy(targets, logits, mask) / math.log(2)
