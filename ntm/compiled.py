"""A compiled program that runs an NTMCell over sequences, for callers that do not compile anything themselves."""

from typing import NamedTuple

import keras
import tensorflow as tf

from ntm.state import StepsArguments
from ntm.unroll import cell_outputs, forward_and_gradient, prepare

# Lengths are padded to one of these sizes: 16, 32, 48, 64, 96, 128, 192 and so on. The loops stop at the true length.
PADDED_LENGTHS = sorted(16 * factor * 2**exponent for exponent in range(25) for factor in (1, 3))


class _Arguments(NamedTuple):
    """The arguments of the program. A field is None if the caller passes nothing for it."""

    inputs: tf.Tensor  # [B, T, I]
    states: list | None  # tensors [B, size]
    mask: tf.Tensor | None  # [B, T]
    steps: tf.Tensor | None  # scalar
    seed: tf.Tensor | None  # [2], for a random initial state
    values: list | None  # the values of the weights; None means the current values of the variables


class _Differentiable(NamedTuple):
    """The differentiable arguments of the program, or the gradients of these arguments. Fields as in `_Arguments`."""

    inputs: tf.Tensor
    states: list
    values: list


class CompiledResults(NamedTuple):
    """The results of `CompiledUnroll`. O is the width of the output layer or, without one, of the cell's output."""

    outputs: tf.Tensor  # [B, T, O]
    last_output: tf.Tensor  # [B, O], each sequence's output at its last step
    states: list  # the final state in Keras's form


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
        self._graphs = {}  # for eager code: a ConcreteFunction for each kind of arguments

    def __call__(self, inputs, states=None, mask=None, steps=None):
        """Runs a batch of sequences.

        Args:
            inputs: [B, T, I].
            states: the initial state in Keras's form (see `NTMState.to_keras`), or None for the cell's initial state.
            mask: [B, T] or None, as for `unroll`.
            steps: as for `unroll`.

        Returns:
            CompiledResults.
        """
        values = [variable.value for variable in self._weights()]
        arguments = _Arguments(
            inputs=inputs,
            states=None
            if states is None
            else [tf.cast(tf.convert_to_tensor(tensor), inputs.dtype) for tensor in states],
            mask=None if mask is None else tf.cast(mask, tf.bool),
            steps=None if steps is None else tf.cast(steps, tf.int32),
            # The program cannot draw the seed itself: an update of the generator inside the program would be lost.
            seed=self._cell.next_seed(),
            values=None if all(isinstance(value, tf.Variable) for value in values) else values,
        )
        length = _padded_length(inputs.shape[1] or tf.shape(inputs)[1])
        if not tf.executing_eagerly() or tf.config.functions_run_eagerly():
            return self._padded(arguments, length)
        batch_size, _, features = inputs.shape
        kind = (length, inputs.dtype, batch_size, features, *(argument is None for argument in arguments))
        if kind not in self._graphs:
            self._graphs[kind] = self._graph(arguments, length)
        return self._graphs[kind](*(tensor for tensor in tf.nest.flatten(arguments) if tensor is not None))

    def _graph(self, arguments, padded_length):
        """A graph that calls the program. Eager code uses it, because each operation outside a graph takes long.

        Args:
            arguments: _Arguments.
            padded_length: the length that inputs of the graph are padded to.

        Returns:
            A ConcreteFunction of the arguments that are not None. It serves all lengths up to `padded_length`.
        """
        batch_size, _, features = arguments.inputs.shape
        specs = tf.nest.map_structure(
            lambda tensor: None if tensor is None else tf.TensorSpec.from_tensor(tensor), arguments
        )
        specs = specs._replace(inputs=tf.TensorSpec([batch_size, None, features], arguments.inputs.dtype))
        if arguments.mask is not None:
            specs = specs._replace(mask=tf.TensorSpec([batch_size, None], tf.bool))

        def run(*tensors):
            tensors = iter(tensors)
            arguments = tf.nest.map_structure(lambda spec: None if spec is None else next(tensors), specs)
            return self._padded(arguments, padded_length)

        given = [spec for spec in tf.nest.flatten(specs) if spec is not None]
        return tf.function(run, autograph=False).get_concrete_function(*given)

    def _padded(self, arguments, padded_length):
        """Pads the inputs and calls the program."""
        inputs, mask, steps, values = arguments.inputs, arguments.mask, arguments.steps, arguments.values
        batch_size, length, features = inputs.shape
        length = length or tf.shape(inputs)[1]
        padding = padded_length - length
        inputs = tf.pad(inputs, [[0, 0], [0, padding], [0, 0]])
        if isinstance(padded_length, int):
            inputs = tf.ensure_shape(inputs, [batch_size, padded_length, features])
        results = self._program(
            inputs,
            arguments.states,
            None if mask is None else tf.pad(mask, [[0, 0], [0, padding]]),
            tf.convert_to_tensor(length if steps is None else tf.minimum(steps, length)),
            seed=arguments.seed,
            values=[variable.value for variable in self._weights()] if values is None else values,
        )
        return results._replace(outputs=results.outputs[:, :length])

    def _run(self, inputs, states, mask, steps, *, seed, values):
        """The program.

        Its gradient is one function, which recomputes the cheap parts of the forward pass. Without the recomputation,
        TensorFlow would pass shapes from the forward pass to the gradient. If a caller compiles a whole training
        update, these shapes would make XLA treat all weights as constants and compile again at every update.
        """
        cell, dtype = self._cell, inputs.dtype
        sequences = prepare(inputs, mask, steps)

        def start(given):
            """The StepsArguments."""
            padded = prepare(tf.cast(given.inputs, cell.loop_dtype), mask, steps).inputs
            with self._with_weights(given.values):
                if given.states:
                    state = cell.from_keras(given.states, seed)
                else:
                    state = cell.initial_state(tf.shape(given.inputs)[0], seed)
                return StepsArguments(inputs=padded, weights=cell.step_weights(), initial_state=state)

        def finish(steps_results, values):
            """The program's results from the StepsResults."""
            outputs = cell_outputs(cell, steps_results, sequences.running)
            if self._output_layer is not None:
                with self._with_weights(values):
                    outputs = self._output_layer(tf.cast(outputs, dtype))
            results = CompiledResults(
                outputs=outputs,
                last_output=_last_output(outputs, mask, steps),
                states=steps_results.final_state.to_keras(),
            )
            return tf.nest.map_structure(lambda tensor: tf.cast(tensor, dtype), results)

        @tf.custom_gradient
        def run(given):
            steps_results, steps_gradient = forward_and_gradient(cell, sequences, start(given))

            def gradient(*d_tensors):
                d_steps_results, d_values = _gradients(finish, (steps_results, given.values), d_tensors)
                d_steps_arguments = steps_gradient(*tf.nest.flatten(d_steps_results))
                (d_given,) = _gradients(start, (given,), d_steps_arguments)
                return d_given._replace(values=tf.nest.map_structure(tf.add, d_values, d_given.values))

            return finish(steps_results, given.values), gradient

        values = [tf.convert_to_tensor(value) for value in values]
        return run(_Differentiable(inputs=inputs, states=states or [], values=values))

    def _weights(self):
        return self._cell.weights + ([] if self._output_layer is None else self._output_layer.weights)

    def _with_weights(self, values):
        """A scope in which the weights have the given values.

        A caller's StatelessScope can give the weights other values than their variables hold. The program must run with
        the values that the caller gives.
        """
        return keras.StatelessScope(zip(self._weights(), values))


def _gradients(function, arguments, d_results):
    """Computes a function again. Returns the gradients of the arguments, given the gradients of the results."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        results = function(*arguments)
    d_results = tf.nest.pack_sequence_as(results, tf.nest.flatten(d_results))
    return tape.gradient(results, arguments, d_results, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _last_output(outputs, mask, steps):
    """Each sequence's output at its last step, [B, ...]."""
    if mask is None:
        # A slice up to `steps` would make XLA compile again for every number of steps.
        return tf.gather(outputs, tf.maximum(steps - 1, 0), axis=1)
    running = mask & (tf.range(tf.shape(outputs)[1]) < steps)
    last = tf.reduce_max(tf.where(running, tf.range(tf.shape(outputs)[1]), 0), axis=1)
    return tf.gather(outputs, last, axis=1, batch_dims=1)


def _padded_length(length):
    """The smallest padded length that is at least `length`. It is an integer or a tensor, as `length` is."""
    if isinstance(length, int):
        return next(padded for padded in PADDED_LENGTHS if padded >= length)
    padded = tf.constant(PADDED_LENGTHS)
    return padded[tf.searchsorted(padded, [length])[0]]
