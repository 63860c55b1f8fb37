"""NTMLayer: a Neural Turing Machine used like `keras.layers.LSTM`."""

import inspect

import keras
import tensorflow as tf

from ntm.cell import NTMCell
from ntm.checks import check_inputs, check_keras_state, check_mask, check_state
from ntm.compiled import CompiledUnroll
from ntm.options import group_initial_values, serializable_options
from ntm.state import NTMState, Seed
from ntm.unroll import trace

_CELL_OPTIONS = inspect.signature(NTMCell).parameters.keys() - {"kwargs"}


@keras.saving.register_keras_serializable(package="ntm")
class NTMLayer(keras.layers.RNN):
    """A Neural Turing Machine over sequences, used like `keras.layers.LSTM`, with a compiled program of its own.

    The program runs at full speed in eager code, under `tf.function` and in `fit`, whatever `jit_compile` is. XLA
    compiles the program once for each padded length.

    A SavedModel from `keras.Model.export` serves any batch size and any length. The format "litert" (TensorFlow 2.21)
    writes a file that needs TensorFlow Lite's Flex delegate. The format "onnx" (tf2onnx) writes a file that ONNX
    Runtime refuses, because it holds a call of a TensorFlow function.

    The state is the cell's state in Keras's form, a list of tensors [B, size] (see `NTMState.to_keras`).

    Args:
        units: U, the width of the controller's output.
        return_sequences: whether to return the outputs of all steps, [B, T, output_size], or of each sequence's last
            step, [B, output_size].
        return_state: whether to return the final state too.
        go_backwards: whether to run from the last step to the first. The outputs are in the order of processing.
        stateful: whether a batch starts in the state in which the previous batch ended. `reset_state` writes zeros to
            the layer's `states`. After that, the next batch starts in the initial state.
        **options: every argument of `NTMCell` except controller_units, with the defaults of `NTMCell`, and the
            arguments of `keras.layers.Layer`.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    def __init__(
        self,
        units: int = 100,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **options,
    ):
        cell_options = {name: options.pop(name) for name in _CELL_OPTIONS & options.keys()}
        dtype = options.get("dtype")
        super().__init__(
            NTMCell(controller_units=units, **cell_options, dtype=dtype, name="cell"),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            zero_output_for_mask=True,
            **options,
        )
        self._compiled = CompiledUnroll(self.cell)

    @property
    def units(self):
        return self.cell.controller_units

    def build(self, sequences_shape, initial_state_shape=None):
        check_inputs(tf.TensorSpec(sequences_shape), name="sequences")
        super().build(sequences_shape, initial_state_shape)
        if self.stateful:
            # Zeros in the layer's `states` make the first batch compute the initial state from the cell's weights.
            # These weights are then trained.
            self.reset_state()

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """Runs a batch of sequences.

        Args:
            sequences: [B, T, I].
            initial_state: a list of tensors in Keras's form, or None. None means the initial state. In a stateful
                layer, None means the state in which the previous batch ended.
            mask: [B, T] or None. Where it is false a sequence does not step, and its output is 0.
            training: not used.

        Returns:
            The outputs. With `return_state`, a tuple: the outputs, then the tensors of the final state.

        Raises:
            ValueError: an argument has the wrong shape; the message names it, the expected and the received shape.
        """
        check_inputs(sequences, self.cell.controller.kernel.shape[0], name="sequences")
        check_mask(mask, sequences)
        batch_size = sequences.shape[0]
        if initial_state is not None:
            check_keras_state(initial_state, self.state_size, batch_size, name="initial_state")
        elif self.stateful:
            initial_state = [variable.value for variable in self.states]
            check_keras_state(initial_state, self.state_size, batch_size, name="states")
        if self.go_backwards:
            sequences = tf.reverse(sequences, [1])
            mask = None if mask is None else tf.reverse(mask, [1])
        results = self._compiled(sequences, initial_state, mask)
        if self.stateful:
            for variable, tensor in zip(self.states, results.states):
                variable.assign(tensor)
        outputs = results.outputs if self.return_sequences else results.last_output
        return (outputs, *results.states) if self.return_state else outputs

    def initial_state(self, batch_size: int | tf.Tensor, seed: Seed | None = None) -> NTMState:
        """The NTMState before the first step. Build the layer first. Arguments as for `NTMCell.initial_state`."""
        return self.cell.initial_state(batch_size, seed)

    def trace(self, sequences, initial_state=None):
        """Runs a batch of sequences and tells what the heads did. Build the layer first. The result has no gradient.

        Args:
            sequences: [B, T, I].
            initial_state: NTMState, or None for `initial_state(B)`.

        Returns:
            Outputs [B, T, output_size] and a `Trace`, in the order of processing.
        """
        sequences = tf.cast(sequences, self.cell.loop_dtype)
        check_inputs(sequences, self.cell.controller.kernel.shape[0], name="sequences")
        if initial_state is None:
            initial_state = self.initial_state(tf.shape(sequences)[0])
        check_state(initial_state, self.cell.state_shapes, sequences.shape[0])
        return trace(self.cell, tf.reverse(sequences, [1]) if self.go_backwards else sequences, initial_state)

    def get_config(self):
        config = keras.layers.Layer.get_config(self)
        names = ("return_sequences", "return_state", "go_backwards", "stateful")
        options = {**serializable_options(self.cell.options)}
        units = options.pop("controller_units")
        return {**config, "units": units, **{name: getattr(self, name) for name in names}, **options}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        return cls(**group_initial_values(config))
