import numpy as np
import pytest
import tensorflow as tf

import oracle
from ntm.controller import FeedforwardController, LSTMController

B, I, READS, U = 2, 3, 4, 5


def step(controller, inputs, reads, state):
    kernel, bias = controller.weights_of_row()
    return controller.activate(tf.matmul(controller.row(inputs, reads, state), kernel) + bias, state)


def test_lstm_agrees_with_the_oracle(rng):
    controller = LSTMController(U, forget_bias=0.7, dtype="float64")
    controller.build(I, READS)
    inputs, reads, hidden, cell = (rng.normal(size=(B, size)) for size in (I, READS, U, U))
    output, state = step(controller, *map(tf.constant, (inputs, reads)), (tf.constant(hidden), tf.constant(cell)))
    weights = [np.asarray(w) for w in (controller.kernel, controller.recurrent_kernel, controller.bias)]
    expected_output, expected_cell = oracle.lstm(inputs, reads, (hidden, cell), *weights)
    np.testing.assert_allclose(output, expected_output, rtol=1e-10)
    np.testing.assert_allclose(state[0], expected_output, rtol=1e-10)
    np.testing.assert_allclose(state[1], expected_cell, rtol=1e-10)


def test_forget_bias_changes_only_the_forget_gate():
    controller = LSTMController(U, forget_bias=0.7)
    controller.build(I, READS)
    np.testing.assert_allclose(controller.bias, np.repeat([0, 0, 0.7, 0], U).astype(np.float32))


def test_feedforward_is_one_layer_without_a_state(rng):
    controller = FeedforwardController(U, dtype="float64")
    controller.build(I, READS)
    inputs, reads = rng.normal(size=(B, I)), rng.normal(size=(B, READS))
    output, state = step(controller, tf.constant(inputs), tf.constant(reads), ())
    expected = np.tanh(inputs @ np.asarray(controller.kernel) + reads @ np.asarray(controller.recurrent_kernel))
    np.testing.assert_allclose(output, expected, rtol=1e-10)
    assert state == ()


@pytest.mark.parametrize("kind", [LSTMController, FeedforwardController])
def test_gradients_agree_with_finite_differences(kind, rng):
    controller = kind(U, dtype="float64")
    controller.build(I, READS)
    preactivations = tf.constant(rng.normal(size=(B, controller.gates * U)))
    state = [tf.constant(rng.normal(size=(B, size))) for size in controller.state_sizes]

    def outputs(preactivations, *state):
        output, new_state = controller.activate(preactivations, state)
        return tf.concat([output, *new_state[1:]], axis=-1)

    for one, other in zip(*tf.test.compute_gradient(outputs, [preactivations, *state], delta=1e-6)):
        np.testing.assert_allclose(one, other, atol=1e-8)
