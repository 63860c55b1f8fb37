"""Losses and metrics, which share their arguments."""

import numpy as np
import pytest
import tensorflow as tf

from ntm import metrics

B, T, O = 3, 5, 4


@pytest.fixture
def answer(rng):
    targets = rng.integers(0, 2, size=(B, T, O)).astype(float)
    return targets, 3 * rng.normal(size=(B, T, O)), np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0.0]])


def slow_cross_entropy(targets, logits, mask):
    nats = np.zeros(B)
    for b, t, o in np.ndindex(B, T, O):
        p = 1 / (1 + np.exp(-logits[b, t, o]))
        nats[b] -= mask[b, t] * np.log(p if targets[b, t, o] else 1 - p)
    return nats


def test_cross_entropy_and_the_losses_made_from_it(answer):
    nats = slow_cross_entropy(*answer)
    tensors = [tf.constant(value) for value in answer]
    np.testing.assert_allclose(metrics.cross_entropy(*tensors), nats, rtol=1e-10)
    np.testing.assert_allclose(metrics.summed_loss(*tensors), nats.mean(), rtol=1e-10)
    np.testing.assert_allclose(metrics.mean_loss(*tensors), nats.sum() / (answer[2].sum() * O), rtol=1e-10)
    np.testing.assert_allclose(metrics.bits_per_sequence(*tensors), nats / np.log(2), rtol=1e-10)


def test_masking_equals_slicing(answer):
    targets, logits, mask = answer
    for function in (metrics.cross_entropy, metrics.hamming_distance, metrics.bits_per_sequence):
        masked = function(*map(tf.constant, answer))
        for b in range(B):
            kept = mask[b] == 1
            sliced = function(*(tf.constant(x[b : b + 1, kept]) for x in (targets, logits, mask)))
            np.testing.assert_allclose(masked[b], sliced[0], rtol=1e-10)


def test_hamming_distance_counts_wrong_bits_of_each_sequence(answer):
    targets, _, mask = answer
    logits = np.where(targets > 0.5, 0.1, -0.1)
    for b, t, o in ((0, 1, 0), (0, 2, 3), (1, 4, 1), (2, 4, 0)):  # the last position lies outside the mask
        logits[b, t, o] *= -1
    np.testing.assert_array_equal(metrics.hamming_distance(*map(tf.constant, (targets, logits, mask))), [2, 1, 0])


def test_large_logits_have_finite_losses_and_gradients(answer):
    targets, logits, mask = (tf.constant(value, tf.float32) for value in answer)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = metrics.summed_loss(targets, 1e30 * logits, mask)
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, logits)).all()
