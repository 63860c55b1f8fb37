"""The paper's baseline (section 4): stacked LSTM layers without a memory."""

from typing import NamedTuple

import keras
import tensorflow as tf

from ntm.controller import LSTMController
from ntm.model import SequenceModel
from ntm.options import check_integer, check_number
from ntm.tensors import leading_size, summed_outer_product, swap_batch_and_time


class LayerState(NamedTuple):
    """Everything that one step of a layer hands to the next."""

    output: tf.Tensor  # [B, U]
    cell: tf.Tensor  # [B, U]


class LSTMState(NamedTuple):
    """Everything that one step hands to the next."""

    controller: tuple  # the LayerState of each layer, the lowest layer first


@keras.saving.register_keras_serializable(package="ntm")
class LSTM(SequenceModel):
    """Stacked LSTM with a linear output layer. Can replace an `NTM` in training and evaluation.

    Every layer sees the inputs, and the output layer sees every layer, as in Graves (2013, arXiv:1308.0850). The
    initial state is learned. With the paper's sizes, its numbers of parameters are those of Table 3 (docs/fidelity.md).

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
        output_size: int,
        controller_units: int = 256,
        controller_layers: int = 3,
        forget_bias: float = 1.0,
        *,
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
            layer.build(input_shape[-1] + (units if i else 0), 0)
        self.output_layer.build((None, len(self.stack) * units))
        self._initial = [
            LayerState(
                output=self.add_weight(name=f"initial_{2 * i}", shape=(units,), initializer="zeros"),
                cell=self.add_weight(name=f"initial_{2 * i + 1}", shape=(units,), initializer="zeros"),
            )
            for i in range(len(self.stack))
        ]

    @property
    def input_size(self):
        return self.stack[0].kernel.shape[0]

    def _initial_state(self, batch_size, seed):
        def repeated(weight):
            return tf.repeat(weight[tf.newaxis], batch_size, axis=0)

        return LSTMState(
            controller=tuple(
                LayerState(output=repeated(initial.output), cell=repeated(initial.cell)) for initial in self._initial
            )
        )

    def call(self, inputs, initial_state=None, steps=None):
        """Runs a batch of sequences. Arguments and result as for `NTM.call`, but without a mask."""
        return self.run(inputs, initial_state=initial_state, steps=steps)[0]

    def run(self, inputs, *, initial_state=None, steps=None):
        inputs, steps = self._check(inputs, steps=steps)
        from_input, length = swap_batch_and_time(inputs), tf.shape(inputs)[1]
        steps = length if steps is None else tf.minimum(steps, length)
        state = self._state_or_initial(inputs, initial_state)
        outputs, final = [], []
        for layer, initial in zip(self.stack, state.controller):
            results = _unroll(layer, tf.concat([from_input, *outputs[-1:]], axis=-1), initial, steps)
            outputs.append(results.outputs)
            final.append(results.final_state)
        logits = self.output_layer(swap_batch_and_time(tf.concat(outputs, axis=-1)))
        return logits, LSTMState(controller=tuple(final))

    def trace(self, inputs, initial_state=None):
        return self(inputs, initial_state=initial_state), None


class _Arguments(NamedTuple):
    """The differentiable arguments of a layer's steps, or the gradients of these arguments."""

    inputs: tf.Tensor  # [T, B, I]
    kernel: tf.Tensor  # [I, 4U]
    recurrent_kernel: tf.Tensor  # [U, 4U]
    bias: tf.Tensor  # [4U]
    initial_state: LayerState


class _Results(NamedTuple):
    """The results of a layer's steps, or the gradients of these results."""

    outputs: tf.Tensor  # [T, B, U]
    final_state: LayerState


def _unroll(layer, inputs, state, steps):
    """Runs one layer over a batch of sequences. The gradient is written by hand, as in backward.py.

    Args:
        layer: LSTMController.
        inputs: [T, B, I].
        state: the LayerState before the first step.
        steps: the number of steps to run, an integer scalar tensor. Outputs after the last step are 0.

    Returns:
        _Results.
    """

    @tf.custom_gradient
    def run(given):
        from_below = tf.tensordot(given.inputs, given.kernel, 1) + given.bias
        history, final = _forward(layer, from_below, given.recurrent_kernel, given.initial_state, steps)
        results = _Results(outputs=history.outputs[1:], final_state=final)

        def gradient(*d_tensors):
            d_results = tf.nest.pack_sequence_as(results, d_tensors)
            d_preactivations, d_state = _backward(layer, given.recurrent_kernel, history, steps, d_results)
            return _Arguments(
                inputs=tf.tensordot(d_preactivations, given.kernel, [[2], [1]]),
                kernel=summed_outer_product(given.inputs, d_preactivations),
                recurrent_kernel=summed_outer_product(history.outputs[:-1], d_preactivations),
                bias=tf.reduce_sum(d_preactivations, axis=[0, 1]),
                initial_state=d_state,
            )

        return results, gradient

    return run(
        _Arguments(
            inputs=inputs,
            kernel=layer.kernel.value,
            recurrent_kernel=layer.recurrent_kernel.value,
            bias=layer.bias.value,
            initial_state=state,
        )
    )


class _History(NamedTuple):
    """The results of a layer's forward pass that its backward pass needs."""

    preactivations: tf.Tensor  # [T, B, 4U]
    outputs: tf.Tensor  # [T+1, B, U]: step t starts from entry t and produces entry t+1
    cells: tf.Tensor  # [T+1, B, U]


def _forward(layer, from_below, recurrent_kernel, state, steps):
    """Runs the steps, given the part [T, B, 4U] of the pre-activations that comes from the layer below.

    Returns:
        _History, and the LayerState after the last step.
    """
    length = leading_size(from_below)

    def step(t, state, history):
        preactivation = from_below[t] + tf.matmul(state.output, recurrent_kernel)
        _, (output, cell) = layer.activate(preactivation, state)
        history = _History(
            preactivations=history.preactivations.write(t, preactivation),
            outputs=history.outputs.write(t + 1, output),
            cells=history.cells.write(t + 1, cell),
        )
        return t + 1, LayerState(output=output, cell=cell), history

    def states(first):
        return tf.TensorArray(from_below.dtype, length + 1, element_shape=first.shape).write(0, first)

    history = _History(
        preactivations=tf.TensorArray(from_below.dtype, length, element_shape=from_below.shape[1:]),
        outputs=states(state.output),
        cells=states(state.cell),
    )
    _, final, history = tf.while_loop(lambda t, *_: t < steps, step, (0, state, history))
    return tf.nest.map_structure(lambda array: array.stack(), history), final


def _backward(layer, recurrent_kernel, history, steps, d_results):
    """The gradients of the pre-activations, [T, B, 4U], and of the initial LayerState."""
    d_outputs = d_results.outputs
    before = LayerState(output=history.outputs[:-1], cell=history.cells[:-1])
    after = LayerState(output=history.outputs[1:], cell=history.cells[1:])
    residuals = layer.activate_residuals(history.preactivations, before, after)

    def step(t, d_state, d_preactivations):
        now = tf.nest.map_structure(lambda tensor: tensor[t], residuals)
        d_preactivation, (d_cell,) = layer.activate_gradient(now, d_outputs[t], d_state)
        d_output = tf.matmul(d_preactivation, recurrent_kernel, transpose_b=True)
        return t - 1, LayerState(output=d_output, cell=d_cell), d_preactivations.write(t, d_preactivation)

    d_preactivations = tf.TensorArray(
        d_outputs.dtype, leading_size(d_outputs), element_shape=history.preactivations.shape[1:]
    )
    _, d_state, d_preactivations = tf.while_loop(
        lambda t, *_: t >= 0, step, (steps - 1, d_results.final_state, d_preactivations)
    )
    return d_preactivations.stack(), d_state
