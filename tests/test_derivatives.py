"""Tests the hand-written derivatives at the limits of the float range, and with few and many locations."""

import numpy as np
import pytest
import tensorflow as tf

from ntm import addressing
from ntm.addressing import AddressingParameters
from ntm.derivatives import addressing_gradient, addressing_residuals, write_gradient
from ntm.memory import write_transposed

B, H, N, W = 64, 2, 8, 4


def automatic(memory, previous_weightings, parameters, d_weightings):
    with tf.GradientTape() as tape:
        tape.watch([memory, previous_weightings, parameters])
        weightings = addressing.address(memory, previous_weightings, parameters)
    return tape.gradient(weightings, [memory, previous_weightings, *parameters], output_gradients=d_weightings)


def by_hand(memory, previous_weightings, parameters, d_weightings):
    cells = tf.linalg.matrix_transpose(memory)
    inverse_norms = addressing.inverse_location_norms(cells)
    similarities = addressing.cosine_similarities(cells, inverse_norms, parameters.keys)
    weightings = addressing.address(memory, previous_weightings, parameters)
    residuals = addressing_residuals(inverse_norms, similarities, previous_weightings, weightings, parameters)
    return tf.nest.flatten(addressing_gradient(residuals, cells, d_weightings))


def finite_sequences(gradients):
    """For each of the B sequences, whether all of its gradients are finite."""
    return np.all([np.isfinite(gradient).reshape(B, -1).all(axis=1) for gradient in gradients], axis=0)


@pytest.mark.parametrize("scale", [0.0, 1e-5, 1.0])
@pytest.mark.parametrize("strength, sharpness", [(1e6, 1e6), (1e30, 1.0), (1e30, 1e6), (1.0, 1e30), (1e30, 1e30)])
def test_gradients_are_finite_at_least_as_often_as_in_automatic_differentiation(rng, scale, strength, sharpness):
    def constant(values):
        return tf.constant(values, tf.float32)

    memory = constant(rng.normal(size=(B, N, W)) * (scale or 1))
    previous_weightings = constant(rng.dirichlet(np.ones(N), size=(B, H)))
    parameters = AddressingParameters(
        keys=constant(rng.normal(size=(B, H, W)) * scale),
        strengths=constant(strength * rng.uniform(0.1, 1, size=(B, H))),
        gates=constant(rng.uniform(size=(B, H))),
        shifts=constant(rng.dirichlet(np.ones(3), size=(B, H))),
        sharpness=constant(1 + sharpness * rng.uniform(0.1, 1, size=(B, H))),
    )
    arguments = memory, previous_weightings, parameters, constant(rng.normal(size=(B, H, N)))
    found, expected = finite_sequences(by_hand(*arguments)), finite_sequences(automatic(*arguments))
    assert found.sum() >= expected.sum()
    if max(strength, sharpness) <= 1e6:
        assert found.all()


@pytest.mark.parametrize("locations", [8, 300])
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_the_gradient_of_writing_equals_automatic_differentiation(rng, heads, locations):
    shapes = (2, W, locations), (2, heads, locations), (2, heads, W), (2, heads, W), (2, W, locations)
    *arguments, d_written = (tf.constant(rng.uniform(size=shape), tf.float32) for shape in shapes)
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        written = write_transposed(*arguments)
    expected = tape.gradient(written, arguments, output_gradients=d_written)
    for found, gradient in zip(write_gradient(*arguments, d_written), expected):
        np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-5)
