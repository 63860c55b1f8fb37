"""Controllers: the network between the outside world and the heads. Section 3.4 of Graves et al. (2014).

A controller is one linear layer, whose results (the pre-activations) pass through a function without weights:

    output, state = activate(row(inputs, read_vectors, state) @ weights + bias, state)

Because layer and function are separate, the gradient of the weights is one matrix product for many steps (see
backward.py).
"""

import abc
from typing import NamedTuple

import keras
import tensorflow as tf


class Controller(keras.layers.Layer, abc.ABC):
    """The contract of every controller, and the linear layer that all of them have.

    Args:
        units: U, the width of the output.
        recurrent_std: std of the recurrent kernel's initial values.
    """

    gates = 1  # pre-activations per unit
    # Widths of the state's tensors. The first tensor, if there is one, is the controller's last output: `row` feeds it
    # back, and `activate` does not use it.
    state_sizes = ()

    def __init__(self, units: int, recurrent_std: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.units, self.recurrent_std = units, recurrent_std

    @abc.abstractmethod
    def activate(self, preactivations, state):
        """The controller's function without weights.

        Args:
            preactivations: [B, gates * U].
            state: a tuple of tensors [B, size], one for each of `state_sizes`.

        Returns:
            Output [B, U] and the next state.
        """

    @abc.abstractmethod
    def activate_residuals(self, preactivations, state, new_state):
        """Precomputes what `activate_gradient` needs. Any number of steps may be computed at once.

        Args:
            preactivations, state: the arguments of `activate`.
            new_state: the state that `activate` returned.

        Returns:
            A NamedTuple of tensors.
        """

    @abc.abstractmethod
    def activate_gradient(self, residuals, d_output, d_state):
        """Differentiates `activate`.

        Args:
            residuals: from `activate_residuals`.
            d_output: the gradient of the output, [B, U].
            d_state: the gradients of the next state, a tuple.

        Returns:
            The gradient of the pre-activations, and a list of the gradients of state[1:].
        """

    def build(self, input_size: int, reads_size: int):
        """Makes the weights for inputs [B, input_size] and flattened read vectors [B, reads_size]."""
        width = self.gates * self.units
        fed_back_size = reads_size + sum(self.state_sizes[:1])
        self.kernel = self.add_weight(name="kernel", shape=(input_size, width), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(fed_back_size, width),
            initializer=keras.initializers.RandomNormal(stddev=self.recurrent_std),
        )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer=self.initial_bias)

    def initial_bias(self, shape, dtype=None):
        return tf.zeros(shape, dtype)

    def weights_of_row(self):
        """The layer's weights as one matrix, [I + R*W (+ U), gates * U], and its bias [gates * U]."""
        return tf.concat([self.kernel, self.recurrent_kernel], axis=0), tf.convert_to_tensor(self.bias)

    def row(self, inputs, reads, state):
        """The row that the weights multiply: inputs [..., I], reads [..., R*W] and the controller's last output.

        A controller without a state feeds back no output.
        """
        return tf.concat([inputs, reads, *state[:1]], axis=-1)

    def split_fed_back(self, fed_back, reads_size: int):
        """Cuts the part of a row that comes from the previous step, [..., R*W (+ U)], into reads and state[:1]."""
        reads, *state = tf.split(fed_back, [reads_size, *self.state_sizes[:1]], axis=-1)
        return reads, state


class LSTMResiduals(NamedTuple):
    """The derivatives in an LSTM's equations.

    g_i, g_f and g_o are the input, forget and output gates. j is the candidate, c the cell, h the output and z the
    pre-activations.
    """

    cell_slope: tf.Tensor  # [..., U], dh/dc of h = g_o tanh(c)
    forget_gate: tf.Tensor  # [..., U], dc/dc_previous of c = g_f c_previous + g_i j
    preactivation_slopes: tf.Tensor  # [..., 4U]: dc/dz in the first three quarters, dh/dz in the last quarter


@keras.saving.register_keras_serializable(package="ntm")
class LSTMController(Controller):
    """An LSTM without peepholes. Its state is (output, cell), each [B, U].

    Args:
        units: U.
        forget_bias: the forget gate's initial bias.
        recurrent_std: std of the recurrent kernel's initial values.
    """

    gates = 4

    def __init__(self, units: int, forget_bias: float = 0.0, **kwargs):
        super().__init__(units, **kwargs)
        self.forget_bias = forget_bias
        self.state_sizes = (units, units)

    def initial_bias(self, shape, dtype=None):
        return tf.repeat(tf.constant([0.0, 0.0, self.forget_bias, 0.0], dtype), self.units)

    def activate(self, preactivations, state):
        """The LSTM's equations. Pre-activations [B, 4U]: input gate, candidate, forget gate, output gate."""
        _, previous_cell = state
        input_gate, candidate, forget_gate, output_gate = self._gates(preactivations)
        cell = forget_gate * previous_cell + input_gate * candidate
        output = output_gate * tf.tanh(cell)
        return output, (output, cell)

    def activate_residuals(self, preactivations, state, new_state):
        (_, previous_cell), (_, cell) = state, new_state
        input_gate, candidate, forget_gate, output_gate = self._gates(preactivations)
        squashed = tf.tanh(cell)
        slopes = [
            candidate * input_gate * (1 - input_gate),
            input_gate * (1 - tf.square(candidate)),
            previous_cell * forget_gate * (1 - forget_gate),
            squashed * output_gate * (1 - output_gate),
        ]
        return LSTMResiduals(
            cell_slope=output_gate * (1 - tf.square(squashed)),
            forget_gate=forget_gate,
            preactivation_slopes=tf.concat(slopes, axis=-1),
        )

    def activate_gradient(self, residuals, d_output, d_state):
        d_fed_back, d_cell = d_state
        d_output += d_fed_back
        d_cell += d_output * residuals.cell_slope
        d_results = tf.concat([d_cell, d_cell, d_cell, d_output], axis=-1)
        return d_results * residuals.preactivation_slopes, [d_cell * residuals.forget_gate]

    def _gates(self, preactivations):
        input_gate, candidate, forget_gate, output_gate = tf.split(preactivations, 4, axis=-1)
        return tf.sigmoid(input_gate), tf.tanh(candidate), tf.sigmoid(forget_gate), tf.sigmoid(output_gate)


class FeedforwardResiduals(NamedTuple):
    """The derivative of a feedforward controller's activation."""

    slopes: tf.Tensor  # [..., U], tanh' = 1 - tanh^2


@keras.saving.register_keras_serializable(package="ntm")
class FeedforwardController(Controller):
    """One hidden layer with tanh. It has no state of its own: all that it remembers is in the memory.

    Args:
        units: U.
        recurrent_std: std of the recurrent kernel's initial values.
    """

    def activate(self, preactivations, state):
        """tanh of the pre-activations [B, U]. The state is empty."""
        return tf.tanh(preactivations), state

    def activate_residuals(self, preactivations, state, new_state):
        return FeedforwardResiduals(slopes=1 - tf.square(tf.tanh(preactivations)))

    def activate_gradient(self, residuals, d_output, d_state):
        return d_output * residuals.slopes, []


CONTROLLERS = {"lstm": LSTMController, "feedforward": FeedforwardController}
