"""Heads: from the controller's output to the parameters of the heads. Section 3 of Graves et al. (2014)."""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from ntm.addressing import AddressingParameters
from ntm.options import InitialValues


class HeadParameters(NamedTuple):
    """The parameters of all heads at one step or at several. `...` stands for the leading axes, such as [B] or [B, T].

    The H heads are the R read heads, then the Q write heads. Only write heads erase and add.
    """

    addressing: AddressingParameters  # for all heads: [..., H, W], [..., H] and [..., H, 2S+1]
    erase_vectors: tf.Tensor  # [..., Q, W], e
    add_vectors: tf.Tensor  # [..., Q, W], a

    # Shorter names for the addressing parameters.
    keys = property(lambda self: self.addressing.keys)
    strengths = property(lambda self: self.addressing.strengths)
    gates = property(lambda self: self.addressing.gates)
    shifts = property(lambda self: self.addressing.shifts)
    sharpness = property(lambda self: self.addressing.sharpness)


@keras.saving.register_keras_serializable(package="ntm")
class Heads(keras.layers.Layer):
    """The linear layer from the controller's output to the heads' parameters, and the activation of each parameter.

    In the shapes, P is the number of the layer's columns.

    Args:
        memory_width: W.
        read_heads: R.
        write_heads: Q.
        shift_range: S.
        bounded_vectors: whether keys and add vectors pass through tanh; otherwise they are linear.
        smallest_strength: the lower bound of a head's strength, which is smallest_strength + softplus(value).
        use_bias: whether the layer has a bias.
        initial_values: InitialValues. `heads_std` is the std of the layer's initial kernel. Biases without a field in
            InitialValues start at 0.
    """

    def __init__(
        self,
        memory_width: int,
        read_heads: int,
        write_heads: int,
        shift_range: int,
        *,
        bounded_vectors: bool = True,
        smallest_strength: float = 1.0,
        use_bias: bool = True,
        initial_values: InitialValues | dict | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.read_heads, self.write_heads, self.shift_range = read_heads, write_heads, shift_range
        self.bounded_vectors, self.smallest_strength = bounded_vectors, smallest_strength
        self.use_bias, self.initial_values = use_bias, InitialValues.of(initial_values)
        heads = read_heads + write_heads
        # The order and the sizes of the layer's columns follow from these shapes.
        self.shapes = HeadParameters(
            addressing=AddressingParameters(
                keys=(heads, memory_width),
                strengths=(heads,),
                gates=(heads,),
                shifts=(heads, 2 * shift_range + 1),
                sharpness=(heads,),
            ),
            erase_vectors=(write_heads, memory_width),
            add_vectors=(write_heads, memory_width),
        )
        self.sizes = [math.prod(shape) for shape in _leaves(self.shapes)]

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], sum(self.sizes)),
            initializer=keras.initializers.RandomNormal(stddev=self.initial_values.heads_std),
        )
        # Without `use_bias`, the bias is 0 and is not trained. The layer computes x @ kernel + bias in both cases.
        self.bias = self.add_weight(
            name="bias",
            shape=(sum(self.sizes),),
            initializer=self._initial_bias if self.use_bias else "zeros",
            trainable=self.use_bias,
        )

    def _initial_bias(self, shape, dtype=None):
        values = self.initial_values
        read, write = [1.0] * self.read_heads, [1.0] * self.write_heads
        zeros = _like_leaves([[0.0] * size for size in self.sizes])
        forward = [float(offset == 1) for offset in range(-self.shift_range, self.shift_range + 1)]
        biases = HeadParameters(
            addressing=AddressingParameters(
                keys=zeros.keys,
                strengths=_each(read, values.read_strength_bias) + _each(write, 0.0),
                gates=_each(read, values.read_gate_bias) + _each(write, values.write_gate_bias),
                shifts=_each(forward * len(read), values.read_shift_bias)
                + _each(forward * len(write), values.write_shift_bias),
                sharpness=_each(read, 0.0) + _each(write, values.write_sharpness_bias),
            ),
            erase_vectors=zeros.erase_vectors,
            add_vectors=zeros.add_vectors,
        )
        return tf.constant([bias for part in _leaves(biases) for bias in part], dtype)

    def split(self, values):
        """Cuts the layer's columns, [..., P], into a HeadParameters of values before activation."""
        leading = tf.shape(values)[:-1]
        parts = tf.split(values, self.sizes, axis=-1)
        return _like_leaves(
            [tf.reshape(part, tf.concat([leading, shape], 0)) for part, shape in zip(parts, _leaves(self.shapes))]
        )

    def join(self, parameters):
        """The inverse of `split`: joins the values of a HeadParameters into columns [..., P]."""
        leading = tf.shape(parameters.strengths)[:-1]
        return tf.concat(
            [tf.reshape(part, tf.concat([leading, [size]], 0)) for part, size in zip(_leaves(parameters), self.sizes)],
            axis=-1,
        )

    def activate(self, values):
        """Brings the layer's columns, [..., P], into the ranges that the paper asks for. Returns HeadParameters."""
        raw = self.split(values)
        bound = tf.tanh if self.bounded_vectors else tf.identity
        return HeadParameters(
            addressing=AddressingParameters(
                keys=bound(raw.keys),
                strengths=self.smallest_strength + tf.nn.softplus(raw.strengths),
                gates=tf.sigmoid(raw.gates),
                shifts=tf.nn.softmax(raw.shifts),
                sharpness=1 + tf.nn.softplus(raw.sharpness),
            ),
            erase_vectors=tf.sigmoid(raw.erase_vectors),
            add_vectors=bound(raw.add_vectors),
        )

    def call(self, controller_output):
        """HeadParameters for controller outputs [..., U]."""
        return self.activate(tf.matmul(controller_output, self.kernel) + self.bias)


def _leaves(parameters):
    """The seven values of a HeadParameters, in the order of the layer's columns."""
    return [
        parameters.keys,
        parameters.strengths,
        parameters.gates,
        parameters.shifts,
        parameters.sharpness,
        parameters.erase_vectors,
        parameters.add_vectors,
    ]


def _like_leaves(leaves):
    """The inverse of `_leaves`."""
    keys, strengths, gates, shifts, sharpness, erase_vectors, add_vectors = leaves
    return HeadParameters(
        addressing=AddressingParameters(
            keys=keys, strengths=strengths, gates=gates, shifts=shifts, sharpness=sharpness
        ),
        erase_vectors=erase_vectors,
        add_vectors=add_vectors,
    )


def _each(pattern, value):
    return [value * number for number in pattern]
