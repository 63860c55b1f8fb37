"""The NTM as a Keras model."""

import keras
import tensorflow as tf

from ntm.cell import NTMCell, NTMState
from ntm.unroll import trace, unroll


@keras.saving.register_keras_serializable(package="ntm")
class NTM(keras.Model):
    """A Neural Turing Machine over sequences: an `NTMCell`, unrolled, and a linear output layer.

    Args:
        output_size: O.
        output_bias: whether the output layer has a bias.
        **cell_options: the arguments of `NTMCell`, with its defaults.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    def __init__(self, output_size, output_bias=True, name=None, dtype=None, trainable=True, **cell_options):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        if output_size < 1:
            raise ValueError(f"output_size={output_size} must be at least 1")
        self.cell = NTMCell(**cell_options, dtype=self.dtype_policy, name="cell")
        self.options = {"output_size": output_size, "output_bias": output_bias, **self.cell.options}
        self.supports_masking = True
        self.output_layer = keras.layers.Dense(
            output_size,
            use_bias=output_bias,
            kernel_initializer="glorot_uniform",
            dtype=self.dtype_policy,
            name="output",
        )

    def get_config(self):
        return {**super().get_config(), **self.options}

    def build(self, input_shape):
        self.cell.build((None, input_shape[-1]))
        self.cell.built = True
        self.output_layer.build((None, self.cell.output_size))

    def initial_state(self, batch_size, seed=None):
        """The NTMState before the first step; see `NTMCell.get_initial_state`. The model must have been built."""
        return NTMState.from_flat(self.cell.get_initial_state(batch_size, seed=seed))

    def call(self, inputs, mask=None, initial_state=None, steps=None):
        """Runs a batch of sequences.

        Args:
            inputs: [B, T, I].
            mask: [B, T] or None. Where it is false a sequence does not step.
            initial_state: NTMState, or None for `initial_state(B)`.
            steps: how many of the T steps to run, an integer scalar tensor, or None for all that the mask asks for. One
                compiled program serves every value.

        Returns:
            Logits [B, T, O].
        """
        outputs, _ = unroll(self.cell, inputs, self._state_or_initial(inputs, initial_state), mask, steps)
        return self.output_layer(outputs)

    def trace(self, inputs, initial_state=None):
        """As `call`, without a mask or a gradient, and tells what the heads did.

        Returns:
            Logits [B, T, O] and a `Trace`.
        """
        inputs = tf.convert_to_tensor(inputs, self.compute_dtype)
        if not self.built:
            self.build(inputs.shape)
            self.built = True
        outputs, steps = trace(self.cell, inputs, self._state_or_initial(inputs, initial_state))
        return self.output_layer(outputs), steps

    def _state_or_initial(self, inputs, initial_state):
        return self.initial_state(tf.shape(inputs)[0]) if initial_state is None else NTMState(*initial_state)
