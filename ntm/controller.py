"""Controllers: the network between the outside world and the heads, section 3.4 of Graves et al. (2014).

A controller is one linear layer, whose result (the pre-activation) passes through a function without weights:

    output, state = activate(row(inputs, read_vectors, state) @ weights, state)

Kept apart, the gradient of the weights is one matrix product for many steps (see unroll.py).
"""

import keras
import tensorflow as tf


class _Controller(keras.layers.Layer):
    """The linear layer that both controllers have.

    Args:
        units: U, the width of the output.
        recurrent_std: standard deviation of the recurrent kernel's initial values.
    """

    # Subclasses have besides:
    #   activate(preactivations, state) -> output, new_state
    #   slopes(preactivations, state, new_state) -> a tuple, what the next needs; for any number of steps at once
    #   activation_gradient(slopes, d_output, d_state) -> the gradients of preactivations and of state[1:], a list;
    #     state[0], if there is one, goes into `row` alone
    gates = 1  # pre-activations a unit
    state_sizes = ()  # widths of the state's tensors

    def __init__(self, units, recurrent_std=0.1, **kwargs):
        super().__init__(**kwargs)
        self.units, self.recurrent_std = units, recurrent_std

    def build(self, input_size, reads_size):
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
        """The layer's weights as one matrix, [I + R*W (+ U), gates * U], and its bias."""
        return tf.concat([self.kernel, self.recurrent_kernel], axis=0), tf.convert_to_tensor(self.bias)

    def row(self, inputs, reads, state):
        """What the layer multiplies: inputs [..., I], read vectors [..., R*W] and, if recurrent, its last output."""
        return tf.concat([inputs, reads, *state[:1]], axis=-1)

    def split_fed_back(self, fed_back, reads_size):
        """Cuts what of a row comes from the step before, [..., R*W (+ U)], into reads and state[:1], a list."""
        reads, *state = tf.split(fed_back, [reads_size, *self.state_sizes[:1]], axis=-1)
        return reads, state


@keras.saving.register_keras_serializable(package="ntm")
class LSTMController(_Controller):
    """An LSTM without peepholes. Its state is (output, cell), each [B, U].

    Args:
        units: U.
        forget_bias: the forget gate's initial bias.
        recurrent_std: standard deviation of the recurrent kernel's initial values.
    """

    gates = 4

    def __init__(self, units, forget_bias=0.0, **kwargs):
        super().__init__(units, **kwargs)
        self.forget_bias = forget_bias
        self.state_sizes = (units, units)

    def initial_bias(self, shape, dtype=None):
        return tf.repeat(tf.constant([0.0, 0.0, self.forget_bias, 0.0], dtype), self.units)

    def activate(self, preactivations, state):
        """The LSTM's equations.

        Args:
            preactivations: [B, 4U], of input gate, candidate, forget gate and output gate.
            state: (output, cell) of the step before.

        Returns:
            Output [B, U] and the next state.
        """
        input_gate, candidate, forget_gate, output_gate = self._gates(preactivations)
        cell = forget_gate * state[1] + input_gate * candidate
        output = output_gate * tf.tanh(cell)
        return output, (output, cell)

    def slopes(self, preactivations, state, new_state):
        """Of o = g_o tanh(c) and c = g_f c_previous + g_i j: do/dc, dc/dc_previous, and by pre-activation."""
        input_gate, candidate, forget_gate, output_gate = self._gates(preactivations)
        squashed = tf.tanh(new_state[1])
        by_preactivation = tf.concat(
            [
                candidate * input_gate * (1 - input_gate),
                input_gate * (1 - tf.square(candidate)),
                state[1] * forget_gate * (1 - forget_gate),
                squashed * output_gate * (1 - output_gate),
            ],
            axis=-1,
        )
        return output_gate * (1 - tf.square(squashed)), forget_gate, by_preactivation

    def activation_gradient(self, slopes, d_output, d_state):
        by_cell, by_previous_cell, by_preactivation = slopes
        d_output += d_state[0]
        d_cell = d_state[1] + d_output * by_cell
        d_preactivations = tf.concat([d_cell, d_cell, d_cell, d_output], axis=-1) * by_preactivation
        return d_preactivations, [d_cell * by_previous_cell]

    def _gates(self, preactivations):
        input_gate, candidate, forget_gate, output_gate = tf.split(preactivations, 4, axis=-1)
        return tf.sigmoid(input_gate), tf.tanh(candidate), tf.sigmoid(forget_gate), tf.sigmoid(output_gate)


@keras.saving.register_keras_serializable(package="ntm")
class FeedforwardController(_Controller):
    """One hidden layer with tanh. It has no state of its own: all it remembers is in the memory.

    Args:
        units: U.
        recurrent_std: standard deviation of the recurrent kernel's initial values.
    """

    def activate(self, preactivations, state):
        """tanh of the pre-activations [B, U], and the state, which is empty."""
        return tf.tanh(preactivations), state

    def slopes(self, preactivations, state, new_state):
        """tanh' at the pre-activations."""
        return (1 - tf.square(tf.tanh(preactivations)),)

    def activation_gradient(self, slopes, d_output, d_state):
        return d_output * slopes[0], []


CONTROLLERS = {"lstm": LSTMController, "feedforward": FeedforwardController}
