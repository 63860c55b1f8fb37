"""The paper's baseline (section 4): layers of LSTM one above the other, with no memory beside them."""

from typing import NamedTuple

import keras
import tensorflow as tf

from ntm.controller import LSTMController
from ntm.model import SequenceModel
from ntm.unroll import summed_outer_product, swap_batch_and_time


class LSTMState(NamedTuple):
    """Everything that a step hands to the next."""

    controller: tuple  # of [B, U]: output and cell of each layer, the lowest first


@keras.saving.register_keras_serializable(package="ntm")
class LSTM(SequenceModel):
    """Layers of LSTM over sequences and a linear output layer: in a run, what an `NTM` is.

    The state before the first step is learned. Unlike the paper's, each layer sees the one below alone.

    Args:
        output_size: O.
        controller_units: U, the width of each layer.
        controller_layers: how many.
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
            if self.options[option] < 1:
                raise ValueError(f"{option}={self.options[option]} must be at least 1")
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
        """I of a model that is built."""
        return self.stack[0].kernel.shape[0]

    def _initial_state(self, batch_size, seed):
        return LSTMState(tuple(tf.repeat(weight[tf.newaxis], batch_size, axis=0) for weight in self._initial))

    def call(self, inputs, initial_state=None, steps=None):
        """Runs a batch of sequences; arguments and result as `NTM.call`, which takes a mask besides."""
        return self.run(inputs, initial_state=initial_state, steps=steps)[0]

    def run(self, inputs, initial_state=None, steps=None):
        """As `call`, and tells where it ended: logits [B, T, O] and the final LSTMState."""
        inputs = self._prepared(inputs)
        values, length = swap_batch_and_time(inputs), tf.shape(inputs)[1]
        steps = length if steps is None else tf.minimum(steps, length)
        state = self._state_or_initial(inputs, initial_state)
        final = []
        for layer, *before in zip(self.stack, state.controller[::2], state.controller[1::2]):
            values, *after = _unroll(layer, values, before, steps)
            final += after
        return self.output_layer(swap_batch_and_time(values)), LSTMState(tuple(final))

    def trace(self, inputs, initial_state=None):
        """As `NTM.trace`: logits, and None, for there are no heads."""
        return self(inputs, initial_state=initial_state), None


def _unroll(layer, inputs, state, steps):
    """One layer over a batch of sequences, with a gradient like that of `ntm.unroll.unroll`.

    Args:
        layer: LSTMController.
        inputs: [T, B, I].
        state: (output, cell) before the first step, each [B, U].
        steps: how many of the T steps to run, an integer scalar tensor. Outputs past it are 0.

    Returns:
        Outputs [T, B, U], and output and cell after the last step.
    """
    length = inputs.shape[0] or tf.shape(inputs)[0]

    @tf.custom_gradient
    def run(inputs, kernel, recurrent_kernel, bias, *state):
        from_below = tf.tensordot(inputs, kernel, 1) + bias

        def step(t, state, preactivations, outputs, cells):
            preactivation = from_below[t] + tf.matmul(state[0], recurrent_kernel)
            _, state = layer.activate(preactivation, state)
            arrays = (
                preactivations.write(t, preactivation),
                outputs.write(t + 1, state[0]),
                cells.write(t + 1, state[1]),
            )
            return t + 1, state, *arrays

        preactivations = tf.TensorArray(inputs.dtype, length, element_shape=from_below.shape[1:])
        history = [
            tf.TensorArray(inputs.dtype, length + 1, element_shape=tensor.shape).write(0, tensor) for tensor in state
        ]
        _, final, *arrays = tf.while_loop(lambda t, *_: t < steps, step, (0, tuple(state), preactivations, *history))
        preactivations, outputs, cells = (array.stack() for array in arrays)

        def gradient(d_outputs, *d_final):
            slopes = layer.slopes(preactivations, (outputs[:-1], cells[:-1]), (outputs[1:], cells[1:]))

            def step(t, d_state, d_preactivations):
                now = tf.nest.map_structure(lambda tensors: tensors[t], slopes)
                d_preactivation, (d_cell,) = layer.activation_gradient(now, d_outputs[t], d_state)
                d_output = tf.matmul(d_preactivation, recurrent_kernel, transpose_b=True)
                return t - 1, (d_output, d_cell), d_preactivations.write(t, d_preactivation)

            array = tf.TensorArray(inputs.dtype, length, element_shape=preactivations.shape[1:])
            _, d_state, array = tf.while_loop(lambda t, *_: t >= 0, step, (steps - 1, tuple(d_final), array))
            d_preactivations = array.stack()
            return (
                tf.tensordot(d_preactivations, kernel, [[2], [1]]),
                summed_outer_product(inputs, d_preactivations),
                summed_outer_product(outputs[:-1], d_preactivations),
                tf.reduce_sum(d_preactivations, axis=[0, 1]),
                *d_state,
            )

        return (outputs[1:], *final), gradient

    return run(inputs, layer.kernel.value, layer.recurrent_kernel.value, layer.bias.value, *state)
