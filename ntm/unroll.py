"""A whole sequence through an NTMCell: the forward loop and its hand-built gradient.

Differentiating tf.while_loop stores every intermediate value of every step and makes every step add to every weight's
gradient. Here the backward pass is written out:

*   The forward loop stores, for each step, the state it leaves, the controller's output and the results of its two
    linear layers (the controller's pre-activations z and the heads' values p).
*   The backward pass takes the steps a chunk at a time, the last chunk first. What the gradients are multiplied with is
    computed anew, for the chunk's steps side by side: the slopes of `cell.act`, of the heads' activations and of
    `controller.activate`. What is left to the loop over the steps is linear in the gradient of the state.
*   A linear layer y = x V, used at every step, has the gradient dV = sum over t of x_t^T dy_t: one matrix product a
    chunk.

The equations are beside the functions that the gradients belong to: addressing.py, memory.py, heads.py, controller.py.
"""

from typing import NamedTuple

import tensorflow as tf

from ntm.addressing import AddressingStages
from ntm.cell import ActSlopes, NTMState, StepResult, StepWeights, flatten_vectors
from ntm.heads import HeadParameters

# The backward pass prepares at least so many steps at once, and more of a small batch, up to so many rows of a product.
# Fewer are slow; more compute much for steps past a sequence's end, and take much memory beside a long history.
CHUNK_STEPS, CHUNK_ROWS = 16, 64


class Trace(NamedTuple):
    """What happened at each step: the states it left, what the heads were told and how they came to their weightings.

    Batch and time come first.
    """

    memory: tf.Tensor  # [B, T, N, W]
    read_weightings: tf.Tensor  # [B, T, R, N]
    write_weightings: tf.Tensor  # [B, T, Q, N]
    read_vectors: tf.Tensor  # [B, T, R, W]
    controller: tuple  # of [B, T, U]
    # As in HeadParameters.
    keys: tf.Tensor
    strengths: tf.Tensor
    gates: tf.Tensor
    shifts: tf.Tensor
    sharpness: tf.Tensor
    erase_vectors: tf.Tensor
    add_vectors: tf.Tensor
    stages: AddressingStages  # each [B, T, H, N], of the R read heads and then the Q write heads


def unroll(cell, inputs, initial_state, mask=None, steps=None):
    """Runs a cell over a batch of sequences.

    Args:
        cell: NTMCell, built.
        inputs: [B, T, I].
        initial_state: NTMState.
        mask: [B, T] or None. Where it is false the sequence does not step: its state stays, its output is 0.
        steps: how many of the T steps to run, an integer scalar that may differ from call to call of one compiled
            program; None for as many as the mask or T needs. Outputs past it are 0.

    Returns:
        Outputs [B, T, cell.output_size] and the final NTMState.
    """
    inputs, running, mask, steps = _prepare(inputs, mask, steps)
    length, chunk = _length(inputs), _chunk(inputs)
    padding = -length % chunk
    inputs, mask = (_pad(tensor, padding) for tensor in (inputs, mask))

    @tf.custom_gradient
    def run(inputs, *arguments):
        weights, state = StepWeights(*arguments[:4]), NTMState.from_flat(arguments[4:])
        history, final_state = _forward(cell, weights, inputs, state.inside(), mask, steps)

        def gradient(d_controller_outputs, d_read_vectors, *d_final_state):
            d_state = NTMState.from_flat(d_final_state)
            d_state = d_state._replace(memory=tf.linalg.matrix_transpose(d_state.memory))
            d_results = d_controller_outputs, d_read_vectors, d_state
            d_inputs, d_weights, d_state = _backward(cell, weights, inputs, history, mask, steps, chunk, *d_results)
            d_state = d_state._replace(memory=tf.linalg.matrix_transpose(d_state.memory))
            return (d_inputs, *d_weights, *d_state.flat())

        return (history.controller_output, history.state.read_vectors[1:], *final_state.outside().flat()), gradient

    controller_outputs, read_vectors, *final_state = run(inputs, *cell.step_weights(), *initial_state.flat())
    outputs = cell.output(controller_outputs[:length], read_vectors[:length])
    outputs = tf.where(running[..., tf.newaxis], outputs, tf.zeros_like(outputs))
    return swap_batch_and_time(outputs), NTMState.from_flat(final_state)


def trace(cell, inputs, initial_state):
    """Runs a cell over a batch of sequences and tells what its heads did. It has no gradient.

    Args:
        cell: NTMCell, built.
        inputs: [B, T, I].
        initial_state: NTMState.

    Returns:
        Outputs [B, T, cell.output_size] and a Trace.
    """
    inputs, _, mask, length = _prepare(inputs, None, None)
    history, _ = _forward(cell, cell.step_weights(), inputs, initial_state.inside(), mask, length)
    before = tf.nest.map_structure(lambda states: states[:-1], history.state)
    left = tf.nest.map_structure(lambda states: states[1:], history.state)
    parameters = cell.heads.activate(history.head_values)
    similarities = history.write_similarities, history.read_similarities
    stages = cell.addressing_stages(*map(_merge, (parameters, *similarities, before)))
    outputs = cell.output(history.controller_output, left.read_vectors)
    steps = Trace(*left.outside(), *parameters, _unmerge(stages, length))
    return tf.nest.map_structure(swap_batch_and_time, (outputs, steps))


def _prepare(inputs, mask, steps):
    """The sequences as the loops need them, time in front.

    Returns:
        Inputs [T, B, I]; which steps of them run, [T, B] or [T, 1]; the mask [T, B] or None; and the number of steps
        to run.
    """
    inputs = swap_batch_and_time(inputs)
    length = tf.shape(inputs)[0]
    steps = length if steps is None else tf.minimum(steps, length)
    running = tf.range(length)[:, tf.newaxis] < steps
    if mask is not None:
        running = mask = running & tf.transpose(tf.cast(mask, tf.bool))
        last = tf.reduce_max(tf.where(tf.reduce_any(running, axis=1), tf.range(1, length + 1), 0))
        # At least one, of which the mask makes nothing: the loop's results have shapes only if it runs.
        steps = tf.minimum(tf.maximum(last, 1), length)
    # Whatever stands past a sequence's end, NaN even, must not reach a product.
    inputs = tf.where(running[..., tf.newaxis], inputs, tf.zeros_like(inputs))
    return inputs, running, mask, steps


def _length(inputs):
    """T of inputs [T, B, I]: a Python integer where it is known, a tensor where it is not."""
    return inputs.shape[0] or tf.shape(inputs)[0]


def _chunk(inputs):
    """How many of the steps of inputs [T, B, I] the backward pass prepares at once."""
    length, batch_size, _ = inputs.shape
    chunk = CHUNK_STEPS if batch_size is None else max(CHUNK_STEPS, CHUNK_ROWS // max(batch_size, 1))
    return min(chunk, length or chunk)


def _pad(tensor, padding):
    """A tensor, or None, with that many zeros behind it."""
    return None if tensor is None else tf.pad(tensor, [[0, padding], *[[0, 0]] * (tensor.shape.rank - 1)])


def _forward(cell, weights, inputs, state, mask, steps):
    """Returns a StepResult whose tensors have a time axis in front, and the final state.

    The states of this history begin with the initial one: entry t is what step t starts from, t+1 what it leaves.
    """
    length = _length(inputs)
    # For the shapes of its results alone; compiled, it is not run.
    example = cell.step(tf.reduce_sum(inputs, axis=0), state, weights)
    history = tf.nest.map_structure(
        lambda tensor: tf.TensorArray(tensor.dtype, length, element_shape=tensor.shape), example
    )
    history = history._replace(
        state=tf.nest.map_structure(
            lambda tensor: tf.TensorArray(tensor.dtype, length + 1, element_shape=tensor.shape).write(0, tensor), state
        )
    )

    def step(t, state, history):
        result = cell.step(inputs[t], state, weights)
        if mask is not None:
            result = result._replace(state=_where(mask[t], result.state, state))
        history = StepResult(
            *tf.nest.map_structure(lambda array, tensor: array.write(t, tensor), history[:-1], result[:-1]),
            state=tf.nest.map_structure(lambda array, tensor: array.write(t + 1, tensor), history.state, result.state),
        )
        return t + 1, result.state, history

    _, state, history = tf.while_loop(lambda t, *_: t < steps, step, (0, state, history))
    return tf.nest.map_structure(lambda array: array.stack(), history), state


class _Slopes(NamedTuple):
    """What the gradients within a chunk's steps are multiplied with; a time axis is in front."""

    parameters: HeadParameters
    heads: tf.Tensor
    controller: tuple
    act: ActSlopes


def _backward(cell, weights, inputs, history, mask, steps, chunk, d_controller_outputs, d_read_vectors, d_final_state):
    """The gradients of what `run` in `unroll` is given, inputs, StepWeights and NTMState, from those of its results."""
    input_kernel = weights.controller_kernel[: inputs.shape[-1]]
    memories = history.state.memory
    states = history.state._replace(memory=memories._replace(cells=()))  # those are looked up at every step

    def chunk_gradient(index, d_state, d_weights, d_inputs):
        start = index * chunk

        def cut(structure, start=start):
            return tf.nest.map_structure(lambda tensors: _cut(tensors, start, chunk), structure)

        before, after = cut(states), cut(states, start + 1)
        slopes = _slopes(cell, cut(history._replace(state=())), before, after)
        running = None if mask is None else cut(mask)
        d_results = cut((d_controller_outputs, d_read_vectors))
        taken = tf.minimum(chunk, steps - start)
        d_state, d_preactivations, d_head_values = _steps_backward(
            cell, weights, slopes, memories.cells, start, taken, running, *d_results, d_state
        )
        rows = cell.controller.row(cut(inputs), flatten_vectors(before.read_vectors), before.controller)
        d_chunk = StepWeights(
            summed_outer_product(rows, d_preactivations),
            tf.reduce_sum(d_preactivations, axis=[0, 1]),
            summed_outer_product(cut(history.controller_output), d_head_values),
            tf.reduce_sum(d_head_values, axis=[0, 1]),
        )
        d_inputs = d_inputs.write(index, tf.tensordot(d_preactivations, input_kernel, [[2], [1]]))
        return index - 1, d_state, tf.nest.map_structure(tf.add, d_weights, d_chunk), d_inputs

    chunks = _length(inputs) // chunk
    d_inputs = tf.TensorArray(inputs.dtype, chunks, element_shape=[chunk, *inputs.shape[1:]])
    start = d_final_state, _zeros_like(weights), d_inputs
    if isinstance(chunks, int) and chunks == 1:  # no loop: XLA then knows that there is nothing to add up
        _, *ended = chunk_gradient(0, *start)
    else:
        first = (steps - 1) // chunk
        _, *ended = tf.while_loop(lambda index, *_: index >= 0, chunk_gradient, (first, *start))
    d_state, d_weights, d_inputs = ended
    return tf.reshape(d_inputs.stack(), tf.shape(inputs)), d_weights, d_state


def _slopes(cell, results, before, after):
    """The _Slopes of a chunk of steps, side by side.

    Args:
        results: the steps' StepResult, without states.
        before, after: the states that they start from and leave, without the memories' cells.
    """
    parameters = cell.heads.activate(results.head_values)
    similarities = results.write_similarities, results.read_similarities
    act = cell.act_slopes(*map(_merge, (parameters, *similarities, before, after)))
    return _Slopes(
        parameters,
        cell.heads.slopes(parameters),
        cell.controller.slopes(results.preactivations, before.controller, after.controller),
        _unmerge(act, parameters.strengths.shape[0]),
    )


def _steps_backward(cell, weights, slopes, cells, start, taken, running, d_controller_outputs, d_read_vectors, d_state):
    """Takes the gradient of the state through a chunk's steps, the last one first.

    Args:
        slopes: the chunk's _Slopes.
        cells: the memories that all steps of the sequence start from, and the last one leaves.
        start, taken: the chunk's first step, and how many of its steps were run.
        running: the chunk's mask, or None.
        d_controller_outputs, d_read_vectors: the gradients of what the chunk's steps gave out.
        d_state: that of the state after the chunk.

    Returns:
        The gradient of the state before it, and those of its steps' pre-activations and head values.
    """
    fed_back_kernel = weights.controller_kernel[-cell.controller.recurrent_kernel.shape[0] :]

    def step(t, d_after, d_preactivations, d_head_values):
        now = tf.nest.map_structure(lambda tensors: tensors[t], slopes)
        d_after = d_after._replace(read_vectors=d_after.read_vectors + d_read_vectors[t])
        if running is not None:
            d_skipped = _where(running[t], _zeros_like(d_after), d_after)
            d_after = _where(running[t], d_after, _zeros_like(d_after))
        d_parameters, *d_acted_on = cell.act_gradient(now.act, cells[start + t], cells[start + t + 1], d_after)
        d_values = cell.clipped(cell.heads.values_gradient(now.parameters, now.heads, d_parameters))
        d_preactivation, d_kept = cell.controller.activation_gradient(
            now.controller,
            d_controller_outputs[t] + tf.matmul(d_values, weights.heads_kernel, transpose_b=True),
            d_after.controller,
        )
        d_preactivation = cell.clipped(d_preactivation)
        d_read, d_fed_back = cell.controller.split_fed_back(
            tf.matmul(d_preactivation, fed_back_kernel, transpose_b=True), cell.read_heads * cell.memory_width
        )
        d_read = tf.reshape(d_read, tf.shape(d_after.read_vectors))
        d_before = NTMState(*d_acted_on, d_read, (*d_fed_back, *d_kept))
        if running is not None:
            d_before = tf.nest.map_structure(tf.add, d_before, d_skipped)
        return t - 1, d_before, d_preactivations.write(t, d_preactivation), d_head_values.write(t, d_values)

    chunk, batch_size, *_ = d_controller_outputs.shape
    d_linear = [
        tf.TensorArray(kernel.dtype, chunk, element_shape=[batch_size, kernel.shape[1]])
        for kernel in (weights.controller_kernel, weights.heads_kernel)
    ]
    _, d_state, *d_linear = tf.while_loop(lambda t, *_: t >= 0, step, (taken - 1, d_state, *d_linear))
    return d_state, *(array.stack() for array in d_linear)


def _cut(tensors, start, length):
    """tensors[start : start + length], where XLA need not know the start beforehand."""
    begin = [start] + [0] * (tensors.shape.rank - 1)
    return tf.slice(tensors, begin, tf.concat([[length], tf.shape(tensors)[1:]], 0))


def _merge(structure):
    """[C, B, ...] -> [C*B, ...] throughout a structure."""
    return tf.nest.map_structure(lambda tensors: tf.reshape(tensors, [-1, *tensors.shape[2:]]), structure)


def _unmerge(structure, chunk):
    """The inverse of `_merge`."""
    return tf.nest.map_structure(lambda tensors: tf.reshape(tensors, [chunk, -1, *tensors.shape[1:]]), structure)


def summed_outer_product(left, right):
    """[T, B, X], [T, B, Y] -> [X, Y]: the sum over steps and batch of the outer products, as one matrix product."""
    left, right = (tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in (left, right))
    return tf.matmul(left, right, transpose_a=True)


def _where(condition, chosen, otherwise):
    """tf.where over structures; the condition is [B]."""

    def select(chosen, otherwise):
        return tf.where(tf.reshape(condition, [-1] + [1] * (chosen.shape.rank - 1)), chosen, otherwise)

    return tf.nest.map_structure(select, chosen, otherwise)


def _zeros_like(structure):
    return tf.nest.map_structure(tf.zeros_like, structure)


def swap_batch_and_time(tensor):
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
