"""Controllers: the network between the outside world and the heads, section 3.4 of Graves et al. (2014).

A controller is two linear layers, one of the step's input and one of what is fed back from the step before, whose sum
(the pre-activation) passes through a function without weights:

    output, state = activate(project(inputs) + feedback(read_vectors, state) @ recurrent_kernel, state)

Kept apart, the first is one matrix product for a whole sequence, and the gradients of both weights are one matrix
product after it (see unroll.py).
"""

import keras
import tensorflow as tf


class _Controller(keras.layers.Layer):
    """The linear layers that both controllers share.

    Args:
        units: U, the width of the output.
        recurrent_std: standard deviation of the recurrent kernel's initial values.
    """

    gates = 1  # pre-activations a unit
    state_sizes = ()  # widths of the state's tensors

    def __init__(self, units, recurrent_std=0.1, **kwargs):
        super().__init__(**kwargs)
        self.units, self.recurrent_std = units, recurrent_std

    def build(self, input_size, reads_size):
        """Makes the weights for inputs [B, input_size] and flattened read vectors [B, reads_size]."""
        width = self.gates * self.units
        feedback_size = reads_size + sum(self.state_sizes[:1])
        self.kernel = self.add_weight(name="kernel", shape=(input_size, width), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(feedback_size, width),
            initializer=keras.initializers.RandomNormal(stddev=self.recurrent_std),
        )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer=self.initial_bias)

    def initial_bias(self, shape, dtype=None):
        return tf.zeros(shape, dtype)

    def project(self, inputs):
        """The input's part of the pre-activations: [..., I] -> [..., gates * U]."""
        return tf.matmul(inputs, self.kernel) + self.bias

    def feedback(self, reads, state):
        """What the recurrent kernel multiplies: read vectors [..., R*W] and, of a recurrent controller, its output."""
        return tf.concat([reads, *state[:1]], axis=-1)


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
        input_gate, candidate, forget_gate, output_gate = tf.split(preactivations, 4, axis=-1)
        cell = tf.sigmoid(forget_gate) * state[1] + tf.sigmoid(input_gate) * tf.tanh(candidate)
        output = tf.sigmoid(output_gate) * tf.tanh(cell)
        return output, (output, cell)


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


CONTROLLERS = {"lstm": LSTMController, "feedforward": FeedforwardController}
