"""The paper's baseline (section 4): stacked LSTM layers without a memory."""

from typing import NamedTuple

import keras
import tensorflow as tf

from ntm.controller import LSTMController
from ntm.model import SequenceModel
from ntm.options import check_integer, check_number
from ntm.tensors import leading_size, summed_outer_product, swap_batch_and_time


class LSTMState(NamedTuple):
    """Everything that one step hands to the next."""

    controller: tuple  # tensors [B, U]: output and cell of each layer, the lowest layer first


@keras.saving.register_keras_serializable(package="ntm")
class LSTM(SequenceModel):
    """Stacked LSTM with a linear output layer; a drop-in for `NTM` in training and evaluation.

    The initial state is learned. Differs from the paper: each layer sees only the layer below.

    Args:
        output_size: O.
        controller_units: U, the width of each layer.
        controller_layers: the number of layers.
        forget_bias: the forget gates' initial bias.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    state_type = LSTMState

    def __init__(
        self,
        output_size,
        controller_units=256,
        controller_layers=3,
        forget_bias=1.0,
        name=None,
        dtype=None,
        trainable=True,
    ):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self.options = {
            "output_size": output_size,
            "controller_units": controller_units,
            "controller_layers": controller_layers,
            "forget_bias": forget_bias,
        }
        for option in ("output_size", "controller_units", "controller_layers"):
            check_integer(option, self.options[option], smallest=1)
        check_number("forget_bias", forget_bias)
        self.stack = [
            LSTMController(
                controller_units,
                forget_bias=forget_bias,
                recurrent_std=controller_units**-0.5,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i in range(controller_layers)
        ]
        self.output_layer = keras.layers.Dense(output_size, dtype=self.dtype_policy, name="output")

    def build(self, input_shape):
        units = self.options["controller_units"]
        for i, layer in enumerate(self.stack):
            layer.build(units if i else input_shape[-1], 0)
        self.output_layer.build((None, units))
        self._initial = [
            self.add_weight(name=f"initial_{i}", shape=(units,), initializer="zeros")
            for i in range(2 * len(self.stack))
        ]

    @property
    def input_size(self):
        return self.stack[0].kernel.shape[0]

    def _initial_state(self, batch_size, seed):
        return LSTMState(
            controller=tuple(tf.repeat(weight[tf.newaxis], batch_size, axis=0) for weight in self._initial)
        )

    def call(self, inputs, initial_state=None, steps=None):
        """Runs a batch of sequences. Arguments and result as for `NTM.call`, but without a mask."""
        return self.run(inputs, initial_state=initial_state, steps=steps)[0]

    def run(self, inputs, *, initial_state=None, steps=None):
        inputs, steps = self._check(inputs, steps=steps)
        values, length = swap_batch_and_time(inputs), tf.shape(inputs)[1]
        steps = length if steps is None else tf.minimum(steps, length)
        state = self._state_or_initial(inputs, initial_state)
        final = []
        for layer, output, cell in zip(self.stack, state.controller[::2], state.controller[1::2]):
            values, *final_of_layer = _unroll(layer, values, (output, cell), steps)
            final += final_of_layer
        return self.output_layer(swap_batch_and_time(values)), LSTMState(controller=tuple(final))

    def trace(self, inputs, initial_state=None):
        return self(inputs, initial_state=initial_state), None


def _unroll(layer, inputs, state, steps):
    """Runs one layer over a batch of sequences. The gradient is written by hand, as in backward.py.

    Args:
        layer: LSTMController.
        inputs: [T, B, I].
        state: (output, cell) before the first step, each [B, U].
        steps: the number of steps to run, an integer scalar tensor. Outputs after the last step are 0.

    Returns:
        Outputs [T, B, U], and output and cell after the last step.
    """

    @tf.custom_gradient
    def run(inputs, kernel, recurrent_kernel, bias, *state):
        history, final = _forward(layer, tf.tensordot(inputs, kernel, 1) + bias, recurrent_kernel, state, steps)

        def gradient(d_outputs, *d_final):
            d_preactivations, d_state = _backward(layer, recurrent_kernel, history, steps, d_outputs, d_final)
            return (
                tf.tensordot(d_preactivations, kernel, [[2], [1]]),
                summed_outer_product(inputs, d_preactivations),
                summed_outer_product(history.outputs[:-1], d_preactivations),
                tf.reduce_sum(d_preactivations, axis=[0, 1]),
                *d_state,
            )

        return (history.outputs[1:], *final), gradient

    return run(inputs, layer.kernel.value, layer.recurrent_kernel.value, layer.bias.value, *state)


class _History(NamedTuple):
    """The results of a layer's forward pass that its backward pass needs."""

    preactivations: tf.Tensor  # [T, B, 4U]
    outputs: tf.Tensor  # [T+1, B, U]: step t starts from entry t and leaves entry t+1
    cells: tf.Tensor  # [T+1, B, U]


def _forward(layer, from_below, recurrent_kernel, state, steps):
    """Runs the steps, given the part [T, B, 4U] of the pre-activations that comes from the layer below.

    Returns:
        _History, and output and cell after the last step.
    """
    length = leading_size(from_below)

    def step(t, state, history):
        preactivation = from_below[t] + tf.matmul(state[0], recurrent_kernel)
        _, (output, cell) = layer.activate(preactivation, state)
        history = _History(
            preactivations=history.preactivations.write(t, preactivation),
            outputs=history.outputs.write(t + 1, output),
            cells=history.cells.write(t + 1, cell),
        )
        return t + 1, (output, cell), history

    outputs, cells = (
        tf.TensorArray(from_below.dtype, length + 1, element_shape=tensor.shape).write(0, tensor) for tensor in state
    )
    history = _History(
        preactivations=tf.TensorArray(from_below.dtype, length, element_shape=from_below.shape[1:]),
        outputs=outputs,
        cells=cells,
    )
    _, final, history = tf.while_loop(lambda t, *_: t < steps, step, (0, tuple(state), history))
    return tf.nest.map_structure(lambda array: array.stack(), history), final


def _backward(layer, recurrent_kernel, history, steps, d_outputs, d_final):
    """The gradients of the pre-activations, [T, B, 4U], and of the initial (output, cell)."""
    before, after = (history.outputs[:-1], history.cells[:-1]), (history.outputs[1:], history.cells[1:])
    residuals = layer.activate_residuals(history.preactivations, before, after)

    def step(t, d_state, d_preactivations):
        now = tf.nest.map_structure(lambda tensor: tensor[t], residuals)
        d_preactivation, (d_cell,) = layer.activate_gradient(now, d_outputs[t], d_state)
        d_output = tf.matmul(d_preactivation, recurrent_kernel, transpose_b=True)
        return t - 1, (d_output, d_cell), d_preactivations.write(t, d_preactivation)

    d_preactivations = tf.TensorArray(
        d_outputs.dtype, leading_size(d_outputs), element_shape=history.preactivations.shape[1:]
    )
    _, d_state, d_preactivations = tf.while_loop(
        lambda t, *_: t >= 0, step, (steps - 1, tuple(d_final), d_preactivations)
    )
    return d_preactivations.stack(), d_state
