"""A compiled program of an NTMCell over sequences, for callers that do not compile anything themselves."""

import keras
import tensorflow as tf

from ntm.unroll import unroll

# Lengths are padded to a power of two, at least this one. The loops stop at the true length all the same.
SMALLEST_PADDED_LENGTH = 16


class CompiledUnroll:
    """Runs an `NTMCell` over sequences in a program that XLA compiles once for each padded length.

    It serves eager code, `tf.function` and Keras's `fit` alike, with gradients. Code that is compiled as a whole should
    call `ntm.unroll.unroll` instead, which needs no padding.

    Args:
        cell: NTMCell.
        output_layer: a Keras layer that the outputs pass through, or None.
    """

    def __init__(self, cell, output_layer=None):
        self._cell, self._output_layer = cell, output_layer
        self._program = tf.function(self._run, jit_compile=True, autograph=False)
        # Eager code and graphs have separate programs. With one program for both, eager training fails after `fit` with
        # jit_compile=True: XLA refuses the size of a tensor list in the gradient.
        self._program_in_graphs = tf.function(self._run, jit_compile=True, autograph=False)

    def __call__(self, inputs, states=None, mask=None, steps=None):
        """Runs a batch of sequences.

        Args:
            inputs: [B, T, I].
            states: the initial state in Keras's form (see `NTMState.to_keras`), or None for the cell's initial state.
            mask: [B, T] or None, as for `unroll`.
            steps: as for `unroll`.

        Returns:
            Outputs [B, T, O], each sequence's output at its last step [B, O], and the final state in Keras's form. O is
            the width of the output layer or, without one, of the cell's output.
        """
        length = inputs.shape[1] or tf.shape(inputs)[1]
        padding = _padded_length(length) - length
        num_steps = length if steps is None else tf.minimum(tf.cast(steps, tf.int32), length)
        inputs = tf.pad(inputs, [[0, 0], [0, padding], [0, 0]])
        if mask is not None:
            mask = tf.pad(tf.cast(mask, tf.bool), [[0, 0], [0, padding]])
        values = [variable.value for variable in self._variables()]
        # The program cannot draw the seed itself: an update of the generator inside the program would be lost.
        seed, num_steps = self._cell.next_seed(), tf.convert_to_tensor(num_steps)
        program = self._program if tf.executing_eagerly() else self._program_in_graphs
        outputs, last_output, states = program(inputs, states, mask, num_steps, seed=seed, values=values)
        return outputs[:, :length], last_output, states

    def _run(self, inputs, states, mask, steps, *, seed, values):
        cell, dtype = self._cell, inputs.dtype
        # The variables' values are arguments, because a caller's StatelessScope may have replaced them.
        with keras.StatelessScope(zip(self._variables(), values)):
            state = cell.initial_state(tf.shape(inputs)[0], seed) if states is None else cell.from_keras(states, seed)
            outputs, state = unroll(cell, tf.cast(inputs, cell.loop_dtype), state, mask, steps)
            if self._output_layer is not None:
                outputs = self._output_layer(tf.cast(outputs, dtype))
        results = outputs, _last_output(outputs, mask, steps), state.to_keras()
        return tf.nest.map_structure(lambda tensor: tf.cast(tensor, dtype), results)

    def _variables(self):
        return self._cell.variables + ([] if self._output_layer is None else self._output_layer.variables)


def _last_output(outputs, mask, steps):
    """Each sequence's output at its last step, [B, ...]."""
    if mask is None:
        # A slice up to `steps` would make XLA compile again for every number of steps.
        return tf.gather(outputs, tf.maximum(steps - 1, 0), axis=1)
    running = mask & (tf.range(tf.shape(outputs)[1]) < steps)
    last = tf.reduce_max(tf.where(running, tf.range(tf.shape(outputs)[1]), 0), axis=1)
    return tf.gather(outputs, last, axis=1, batch_dims=1)


def _padded_length(length):
    """The smallest power of two that is at least `length`: an integer for an integer, a tensor for a tensor."""
    if isinstance(length, int):
        return max(SMALLEST_PADDED_LENGTH, 1 << (length - 1).bit_length())
    powers = tf.constant([2**exponent for exponent in range(31)])
    return tf.maximum(SMALLEST_PADDED_LENGTH, tf.reduce_min(tf.where(powers >= length, powers, 2**30)))
