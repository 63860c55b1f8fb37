"""The NTM as a Keras model, and the contract that it shares with the baseline in lstm.py."""

import abc

import keras
import numpy as np
import tensorflow as tf

from ntm.cell import NTMCell
from ntm.checks import check_inputs, check_mask, check_state, check_state_type, check_steps
from ntm.compiled import CompiledUnroll
from ntm.options import check_boolean, check_integer, group_initial_values, serializable_options
from ntm.state import NTMState, Seed
from ntm.unroll import trace, unroll


class SequenceModel(keras.Model, abc.ABC):
    """The contract of a model over sequences. Such a model has an initial state and a linear output layer.

    Subclasses set `options`, a dict of their constructor's arguments, and `state_type`, a NamedTuple. Its field
    `controller` holds the state of the LSTM or the controller, without any memory.
    """

    @property
    @abc.abstractmethod
    def input_size(self):
        """I, the number of input channels. The model must be built."""

    @abc.abstractmethod
    def run(self, inputs, *, initial_state=None, steps=None):
        """Runs a batch of sequences. Returns the final state too, so that a long sequence can be run piece by piece.

        Args:
            inputs: [B, T, I].
            initial_state: of the model's `state_type`, or None for `initial_state(B)`.
            steps: the number of steps to run, an integer scalar tensor; None for all T. One compiled program serves
                every value.

        Returns:
            Logits [B, T, O] and the final state.
        """

    @abc.abstractmethod
    def trace(self, inputs, initial_state=None):
        """Runs a batch of sequences and tells what the heads did. The result has no gradient.

        Args:
            inputs: [B, T, I].
            initial_state: as for `run`.

        Returns:
            Logits [B, T, O] and a `Trace`. A model without heads returns None in place of the `Trace`.
        """

    @abc.abstractmethod
    def _initial_state(self, batch_size, seed):
        """Computes `initial_state`. The model must be built."""

    def get_config(self):
        return {**super().get_config(), **self.options}

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.options["output_size"])

    def initial_state(self, batch_size: int | tf.Tensor, seed: Seed | None = None):
        """The state before the first step, of the model's `state_type`.

        Args:
            batch_size: B.
            seed: as for `NTMCell.initial_state`. A state without random values ignores it.

        Raises:
            ValueError: the model has no weights yet: call it once, or `build` it.
        """
        if not self.built:
            raise ValueError("the model has no weights yet: call it once, or build it")
        return self._initial_state(batch_size, seed)

    def predict(
        self, x, batch_size: int | None = None, verbose="auto", steps: int | None = None, callbacks: list | None = None
    ):
        """As `keras.Model.predict`. A single batch without a progress bar takes a shorter way to the same result.

        Keras makes a data pipeline for each call. This takes longer than a run of 100 sequences.
        """
        if isinstance(x, np.ndarray) and 0 < len(x) <= (batch_size or 32) and not (verbose or steps or callbacks):
            return self.predict_on_batch(x)
        return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)

    @property
    def state_dtype(self):
        """The type of the state's tensors."""
        return self.compute_dtype

    def _prepare(self, inputs):
        """Casts the inputs to tensors and builds the model for them. Keras does this only for `call`."""
        inputs = tf.cast(inputs, self.compute_dtype)
        if not self.built:
            check_inputs(inputs)
            self.build(inputs.shape)
        return inputs

    def _check(self, inputs, mask=None, steps=None):
        """Refuses arguments of wrong shapes. Returns inputs and steps as tensors."""
        inputs = self._prepare(inputs)
        check_inputs(inputs, self.input_size)
        check_mask(mask, inputs)
        return inputs, check_steps(steps, inputs)

    def _state_or_initial(self, inputs, initial_state):
        if initial_state is None:
            return self.initial_state(tf.shape(inputs)[0])
        check_state_type(initial_state, self.state_type)
        return tf.nest.map_structure(lambda tensor: tf.cast(tensor, self.state_dtype), initial_state)


@keras.saving.register_keras_serializable(package="ntm")
class NTM(SequenceModel):
    """A Neural Turing Machine over sequences: an `NTMCell`, unrolled, and a linear output layer.

    Args:
        output_size: O.
        output_bias: whether the output layer has a bias.
        **cell_options: the arguments of `NTMCell`, with its defaults.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    state_type = NTMState
    cell_class = NTMCell  # a subclass of NTM may have a cell of another class

    def __init__(
        self, output_size: int, output_bias: bool = True, name=None, dtype=None, trainable=True, **cell_options
    ):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        check_integer("output_size", output_size, smallest=1)
        check_boolean("output_bias", output_bias)
        self.cell = self.cell_class(**cell_options, dtype=self.dtype_policy, name="cell")
        self.options = {"output_size": output_size, "output_bias": output_bias, **self.cell.options}
        self.supports_masking = True
        self.output_layer = keras.layers.Dense(
            output_size,
            use_bias=output_bias,
            kernel_initializer="glorot_uniform",
            dtype=self.dtype_policy,
            name="output",
        )
        self._compiled = CompiledUnroll(self.cell, self.output_layer)

    def get_config(self):
        return {**super().get_config(), **serializable_options(self.options)}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**group_initial_values(config))

    def build(self, input_shape):
        self.cell.build((None, input_shape[-1]))
        self.output_layer.build((None, self.cell.output_size))

    @property
    def input_size(self):
        return self.cell.controller.kernel.shape[0]

    @property
    def state_dtype(self):
        return self.cell.loop_dtype

    def _initial_state(self, batch_size, seed):
        return self.cell.initial_state(batch_size, seed)

    def call(self, inputs, mask=None, initial_state=None, steps=None):
        """Runs a batch of sequences.

        Args:
            inputs: [B, T, I].
            mask: [B, T] or None. Where it is false a sequence does not step.
            initial_state: NTMState, or None for `initial_state(B)`.
            steps: the number of steps to run, an integer scalar tensor. With None, the steps run up to the last one at
                which the mask is true; without a mask, all T steps run. One compiled program serves every value.

        Returns:
            Logits [B, T, O].
        """
        inputs, steps = self._check(inputs, mask, steps)
        states = None if initial_state is None else self._state_or_initial(inputs, initial_state).to_keras()
        return self._compiled(inputs, states, mask, steps).outputs

    def run(self, inputs, *, mask=None, initial_state=None, steps=None):
        """Like `call`, for code that is compiled as a whole. Returns the final state too.

        `call` runs a compiled program of its own. `run` becomes a part of the program that the caller compiles.

        Returns:
            Logits [B, T, O] and the final NTMState.
        """
        inputs, steps = self._check(inputs, mask, steps)
        state = self._state_or_initial(inputs, initial_state)
        outputs, final_state = unroll(self.cell, tf.cast(inputs, self.cell.loop_dtype), state, mask, steps)
        return self.output_layer(outputs), final_state

    def _state_or_initial(self, inputs, initial_state):
        if initial_state is not None:
            check_state(initial_state, self.cell.state_shapes, inputs.shape[0])
        return super()._state_or_initial(inputs, initial_state)

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **options):
        """As `keras.Model.export`, but the exported model serves any batch size and any length by default.

        `NTMLayer` says which formats work.
        """
        if input_signature is None:
            input_signature = [keras.InputSpec(shape=(None, None, self.input_size), dtype=self.input_dtype)]
        super().export(filepath, format, verbose=verbose, input_signature=input_signature, **options)

    def trace(self, inputs, initial_state=None):
        inputs, _ = self._check(inputs)
        inputs = tf.cast(inputs, self.cell.loop_dtype)
        outputs, steps = trace(self.cell, inputs, self._state_or_initial(inputs, initial_state))
        return self.output_layer(outputs), steps
