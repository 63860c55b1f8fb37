"""Runs whole sequences forward through an NTMCell: the loop over steps, and the trace of what the heads did.

For each step, the loop records the new state, the controller's output, the results of the step's two linear layers, and
the similarities of keys to locations. backward.py computes the gradient from this history.
"""

from typing import NamedTuple

import tensorflow as tf

from ntm.addressing import AddressingStages
from ntm.backward import backward, chunk_size
from ntm.heads import HeadParameters
from ntm.state import History, LoopState, NTMState, Sequences, StepsArguments, StepsResults
from ntm.tensors import (
    leading_size,
    merge_steps_and_batch,
    pad_with_zeros,
    select,
    split_steps_and_batch,
    swap_batch_and_time,
)


class Trace(NamedTuple):
    """What happened at each step. Every tensor begins with the axes [B, T]."""

    state: NTMState  # the states that the steps left, such as trace.state.memory [B, T, N, W]
    heads: HeadParameters  # the heads' parameters, such as trace.heads.gates [B, T, H]
    stages: AddressingStages  # weightings after each stage of addressing, [B, T, H, N]; read heads first


def unroll(cell, inputs, initial_state, mask=None, steps=None):
    """Runs a cell over a batch of sequences.

    Args:
        cell: NTMCell, built.
        inputs: [B, T, I].
        initial_state: NTMState.
        mask: [B, T] or None. Where it is false the sequence does not step: its state stays, its output is 0.
        steps: the number of steps to run, an integer scalar that may change between calls of one compiled program. With
            None, the steps run up to the last one at which the mask is true; without a mask, all T steps run. Outputs
            after the last step are 0.

    Returns:
        Outputs [B, T, cell.output_size] and the final NTMState.
    """
    sequences = prepare(inputs, mask, steps)

    @tf.custom_gradient
    def run(arguments):
        return forward_and_gradient(cell, sequences, arguments)

    results = run(StepsArguments(inputs=sequences.inputs, weights=cell.step_weights(), initial_state=initial_state))
    return cell_outputs(cell, results, sequences.running), results.final_state


def prepare(inputs, mask, steps):
    """Brings the arguments of `unroll` into the form that the loops use.

    Returns:
        Sequences, padded to a multiple of `chunk_size`.
    """
    sequences = _prepare(inputs, mask, steps)
    padding = -leading_size(sequences.inputs) % chunk_size(sequences.inputs)
    return sequences._replace(
        inputs=pad_with_zeros(sequences.inputs, padding), mask=pad_with_zeros(sequences.mask, padding)
    )


def forward_and_gradient(cell, sequences, arguments):
    """Runs the steps.

    Args:
        cell: NTMCell.
        sequences: Sequences, from `prepare`.
        arguments: StepsArguments. Its inputs are used in place of those in `sequences`.

    Returns:
        The pair that `tf.custom_gradient` asks for. First, StepsResults. Second, a function: it takes the gradients of
        the tensors in the StepsResults, one argument per tensor, and returns the gradients as StepsArguments.
    """
    sequences = sequences._replace(inputs=arguments.inputs)
    history, final_state = _forward(cell, arguments.weights, sequences, LoopState.from_state(arguments.initial_state))
    results = StepsResults(
        controller_outputs=history.records.controller_output,
        read_vectors=history.states.read_vectors[1:],
        final_state=final_state.to_state(),
    )

    def gradient(*d_tensors):
        d_results = tf.nest.pack_sequence_as(results, d_tensors)
        return backward(cell, arguments.weights, sequences, history, d_results)

    return results, gradient


def cell_outputs(cell, results, running):
    """The outputs of `unroll`, [B, T, cell.output_size].

    Args:
        cell: NTMCell.
        results: StepsResults.
        running: as in Sequences.
    """
    length = leading_size(running)
    outputs = cell.cell_outputs(results.controller_outputs[:length], results.read_vectors[:length])
    return swap_batch_and_time(tf.where(running[..., tf.newaxis], outputs, tf.zeros_like(outputs)))


def trace(cell, inputs, initial_state):
    """Runs a cell over a batch of sequences and tells what its heads did. The result has no gradient.

    Args:
        cell: NTMCell, built.
        inputs: [B, T, I].
        initial_state: NTMState.

    Returns:
        Outputs [B, T, cell.output_size] and a Trace.
    """
    sequences = _prepare(inputs, mask=None, steps=None)
    history, _ = _forward(cell, cell.step_weights(), sequences, LoopState.from_state(initial_state))
    before = tf.nest.map_structure(lambda states: states[:-1], history.states)
    after = tf.nest.map_structure(lambda states: states[1:], history.states)
    parameters = cell.heads.activate(history.records.head_values)
    stages = _stages(cell, *map(merge_steps_and_batch, (parameters.addressing, history.records, before)))
    steps = Trace(state=after.to_state(), heads=parameters, stages=split_steps_and_batch(stages, sequences.num_steps))
    outputs = cell.cell_outputs(history.records.controller_output, after.read_vectors)
    return tf.nest.map_structure(swap_batch_and_time, (outputs, steps))


def _stages(cell, parameters, record, before):
    """The AddressingStages [B, H, N] of all heads in a step.

    Args:
        cell: NTMCell.
        parameters: the step's AddressingParameters.
        record: the step's StepRecord.
        before: the LoopState before the step.
    """
    reading = cell.address(record.read_similarities, before.read_weightings, cell.of_read_heads(parameters))
    writing = cell.address(record.write_similarities, before.write_weightings, cell.of_write_heads(parameters))
    return tf.nest.map_structure(lambda *heads: tf.concat(heads, axis=1), reading, writing)


def _prepare(inputs, mask, steps):
    """As `prepare`, without the padding."""
    inputs = swap_batch_and_time(inputs)
    length = tf.shape(inputs)[0]
    num_steps = length if steps is None else tf.minimum(steps, length)
    running = tf.range(length)[:, tf.newaxis] < num_steps
    if mask is not None:
        running = mask = running & tf.transpose(tf.cast(mask, tf.bool))
        last = tf.reduce_max(tf.where(tf.reduce_any(running, axis=1), tf.range(1, length + 1), 0))
        # Run at least one step, because the loop's results have shapes only if it runs. If the mask is false at every
        # step, this step has no effect.
        num_steps = tf.minimum(tf.maximum(last, 1), length)
    # Inputs after a sequence's end, even NaN, must not enter a matrix product.
    inputs = tf.where(running[..., tf.newaxis], inputs, tf.zeros_like(inputs))
    return Sequences(inputs=inputs, mask=mask, num_steps=num_steps, running=running)


def _forward(cell, weights, sequences, state):
    """Runs the steps. Returns their History and the final LoopState."""
    inputs, mask, num_steps = sequences.inputs, sequences.mask, sequences.num_steps
    length = leading_size(inputs)
    # Only the shapes of this step's results are used. A compiled program does not run this step.
    _, example = cell.step(tf.reduce_sum(inputs, axis=0), state, weights)
    history = History(
        records=_arrays(example, length),
        states=tf.nest.map_structure(lambda array, tensor: array.write(0, tensor), _arrays(state, length + 1), state),
    )

    def step(t, state, history):
        next_state, record = cell.step(inputs[t], state, weights)
        if mask is not None:
            next_state = select(mask[t], next_state, state)
        history = History(
            records=tf.nest.map_structure(lambda array, tensor: array.write(t, tensor), history.records, record),
            states=tf.nest.map_structure(lambda array, tensor: array.write(t + 1, tensor), history.states, next_state),
        )
        return t + 1, next_state, history

    _, state, history = tf.while_loop(lambda t, *_: t < num_steps, step, (0, state, history))
    return tf.nest.map_structure(lambda array: array.stack(), history), state


def _arrays(structure, length):
    """A TensorArray of the given length for every tensor of a structure."""
    return tf.nest.map_structure(
        lambda tensor: tf.TensorArray(tensor.dtype, length, element_shape=tensor.shape), structure
    )
