"""Heads: how a controller's output becomes what the heads do, sections 3.1 to 3.3 of Graves et al. (2014)."""

import math
from typing import NamedTuple

import keras
import tensorflow as tf


class HeadParameters(NamedTuple):
    """What the heads are told at one step, or at many: `...` stands for [B] or [B, T].

    The H heads are the R read heads, then the Q write heads; only write heads erase and add.
    """

    keys: tf.Tensor  # [..., H, W], k
    strengths: tf.Tensor  # [..., H], beta
    gates: tf.Tensor  # [..., H], g
    shifts: tf.Tensor  # [..., H, 2S+1], s
    sharpness: tf.Tensor  # [..., H], gamma
    erase_vectors: tf.Tensor  # [..., Q, W], e
    add_vectors: tf.Tensor  # [..., Q, W], a


@keras.saving.register_keras_serializable(package="ntm")
class Heads(keras.layers.Layer):
    """The linear layer from the controller's output to the heads' parameters, and their activations.

    Args:
        memory_width: W.
        read_heads: R.
        write_heads: Q.
        shift_range: S.
        bounded_vectors: whether keys and add vectors pass through tanh; linear otherwise.
        smallest_strength: added to softplus to give a head's strength.
        use_bias: whether the layer has a bias.
        kernel_std: standard deviation of the kernel's initial values.
        read_strength_bias, read_gate_bias, read_shift_bias, write_gate_bias, write_sharpness_bias, write_shift_bias:
            initial biases of the read heads' strengths, and so on, if the layer has any; all others start at 0. Those
            of the shift are of the offset +1 alone, and nothing where shift_range is 0.
    """

    def __init__(
        self,
        memory_width,
        read_heads,
        write_heads,
        shift_range,
        bounded_vectors=True,
        smallest_strength=1.0,
        use_bias=True,
        kernel_std=0.1,
        read_strength_bias=0.0,
        read_gate_bias=0.0,
        write_gate_bias=0.0,
        write_sharpness_bias=0.0,
        read_shift_bias=0.0,
        write_shift_bias=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.read_heads, self.write_heads = read_heads, write_heads
        self.bounded_vectors, self.smallest_strength = bounded_vectors, smallest_strength
        self.use_bias, self.kernel_std = use_bias, kernel_std
        self.first_biases = {
            "strengths": [read_strength_bias] * read_heads + [0.0] * write_heads,
            "gates": [read_gate_bias] * read_heads + [write_gate_bias] * write_heads,
            "shifts": [
                bias * (offset == 1)
                for bias in [read_shift_bias] * read_heads + [write_shift_bias] * write_heads
                for offset in range(-shift_range, shift_range + 1)
            ],
            "sharpness": [0.0] * read_heads + [write_sharpness_bias] * write_heads,
        }
        heads = read_heads + write_heads
        # The layout: sizes, the order of the layer's columns and every split follow from this.
        self.shapes = HeadParameters(
            keys=(heads, memory_width),
            strengths=(heads,),
            gates=(heads,),
            shifts=(heads, 2 * shift_range + 1),
            sharpness=(heads,),
            erase_vectors=(write_heads, memory_width),
            add_vectors=(write_heads, memory_width),
        )
        self.sizes = [math.prod(shape) for shape in self.shapes]

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], sum(self.sizes)),
            initializer=keras.initializers.RandomNormal(stddev=self.kernel_std),
        )
        # Without a bias it is zero and stays so: the layer is one expression either way.
        self.bias = self.add_weight(
            name="bias",
            shape=(sum(self.sizes),),
            initializer=self._initial_bias if self.use_bias else "zeros",
            trainable=self.use_bias,
        )

    def _initial_bias(self, shape, dtype=None):
        biases = HeadParameters(*([0.0] * size for size in self.sizes))
        return tf.constant([bias for part in biases._replace(**self.first_biases) for bias in part], dtype)

    def split(self, values):
        """Cuts the layer's columns, [..., sum of sizes], into a HeadParameters of unactivated values."""
        parts = tf.split(values, self.sizes, axis=-1)
        leading = tf.shape(values)[:-1]
        return HeadParameters(
            *(tf.reshape(part, tf.concat([leading, shape], 0)) for part, shape in zip(parts, self.shapes))
        )

    def activate(self, values):
        """HeadParameters from the layer's columns, [..., sum of sizes], each in the range the paper asks of it."""
        raw = self.split(values)
        bound = tf.tanh if self.bounded_vectors else tf.identity
        return HeadParameters(
            keys=bound(raw.keys),
            strengths=self.smallest_strength + tf.nn.softplus(raw.strengths),
            gates=tf.sigmoid(raw.gates),
            shifts=tf.nn.softmax(raw.shifts),
            sharpness=1 + tf.nn.softplus(raw.sharpness),
            erase_vectors=tf.sigmoid(raw.erase_vectors),
            add_vectors=bound(raw.add_vectors),
        )

    def slopes(self, parameters):
        """The derivatives of the activations at these HeadParameters, as columns [..., sum of sizes].

        Of an activation y = f(x) it takes y alone: tanh' = 1 - y^2, sigmoid' = y (1 - y), and, with y counted from its
        least value, softplus' = 1 - e^-y. For softmax, see `values_gradient`.
        """
        vector_slope = (lambda y: 1 - tf.square(y)) if self.bounded_vectors else tf.ones_like
        return self._join(
            HeadParameters(
                keys=vector_slope(parameters.keys),
                strengths=1 - tf.exp(self.smallest_strength - parameters.strengths),
                gates=parameters.gates * (1 - parameters.gates),
                shifts=parameters.shifts,
                sharpness=1 - tf.exp(1 - parameters.sharpness),
                erase_vectors=parameters.erase_vectors * (1 - parameters.erase_vectors),
                add_vectors=vector_slope(parameters.add_vectors),
            )
        )

    def values_gradient(self, parameters, slopes, d_parameters):
        """The gradient of `activate`'s argument, given that of its result, its result and its `slopes`."""
        mean = tf.reduce_sum(parameters.shifts * d_parameters.shifts, axis=-1, keepdims=True)
        return slopes * self._join(d_parameters._replace(shifts=d_parameters.shifts - mean))

    def _join(self, parameters):
        """The inverse of `split`."""
        leading = tf.shape(parameters.strengths)[:-1]
        return tf.concat(
            [tf.reshape(part, tf.concat([leading, [size]], 0)) for part, size in zip(parameters, self.sizes)], axis=-1
        )

    def call(self, controller_output):
        """HeadParameters for controller outputs [..., U]."""
        return self.activate(tf.matmul(controller_output, self.kernel) + self.bias)
