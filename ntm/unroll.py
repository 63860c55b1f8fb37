"""A whole sequence through an NTMCell: the forward loop and its hand-built gradient.

Differentiating tf.while_loop makes every step add to every weight's gradient. Here the backward loop is written out:

*   The forward loop stores, for each step, the state it leaves, the outputs of its two linear layers (the controller's
    pre-activations z and the heads' values p) and the stages of addressing.
*   The backward loop goes from the last step to the first, by the gradients that are derived beside each equation: of
    `cell.act`, of the heads' activations, of `controller.activate`. It passes through the linear layers between them
    by the transposed weights. What it can know of all steps beforehand, the slopes of the activations, it is given.
*   A linear layer y = x V, used at every step, has the gradient dV = sum over t of x_t^T dy_t. With all x_t and dy_t
    kept, that is one matrix product after the loop.
"""

from typing import NamedTuple

import tensorflow as tf

from ntm.cell import NTMState, StepResult, StepWeights, flatten_vectors


class Trace(NamedTuple):
    """What happened at each step: the states it left, and what the heads were told. Batch and time come first."""

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
    projected, running, mask, steps = _prepare(cell, inputs, mask, steps)

    @tf.custom_gradient
    def run(projected, recurrent_kernel, heads_kernel, heads_bias, *flat_state):
        weights = StepWeights(recurrent_kernel, heads_kernel, heads_bias)
        state = NTMState.from_flat(flat_state)
        history, final_state = _forward(cell, weights, projected, state, mask, steps)

        def gradient(d_controller_outputs, d_read_vectors, *d_final_state):
            return _backward(cell, weights, history, mask, steps, d_controller_outputs, d_read_vectors, d_final_state)

        return (history.controller_output, history.state.read_vectors[1:], *final_state.flat()), gradient

    controller_outputs, read_vectors, *final_state = run(
        projected, *cell.step_weights(), *initial_state.transposed().flat()
    )
    outputs = cell.output(controller_outputs, read_vectors)
    outputs = tf.where(running[..., tf.newaxis], outputs, tf.zeros_like(outputs))
    return _swap_batch_and_time(outputs), NTMState.from_flat(final_state).transposed()


def trace(cell, inputs, initial_state):
    """Runs a cell over a batch of sequences and tells what its heads did. It has no gradient.

    Args:
        cell: NTMCell, built.
        inputs: [B, T, I].
        initial_state: NTMState.

    Returns:
        Outputs [B, T, cell.output_size] and a Trace.
    """
    projected, _, mask, steps = _prepare(cell, inputs, None, None)
    history, _ = _forward(cell, cell.step_weights(), projected, initial_state.transposed(), mask, steps)
    left = tf.nest.map_structure(lambda states: _swap_batch_and_time(states[1:]), history.state.transposed())
    parameters = cell.heads.activate(_swap_batch_and_time(history.head_values))
    outputs = cell.output(_swap_batch_and_time(history.controller_output), left.read_vectors)
    return outputs, Trace(*left, *parameters)


def _prepare(cell, inputs, mask, steps):
    """The sequences as the loops need them, time in front.

    Returns:
        Projected inputs [T, B, ...]; which of them run, [T, B] or [T, 1]; the mask [T, B] or None; and the number of
        steps to run.
    """
    inputs = _swap_batch_and_time(inputs)
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
    return cell.controller.project(inputs), running, mask, steps


def _forward(cell, weights, projected, state, mask, steps):
    """Returns a StepResult whose tensors have a time axis in front, and the final state.

    The states of this history begin with the initial one: entry t is what step t starts from, t+1 what it leaves.
    """
    length = projected.shape[0] or tf.shape(projected)[0]
    # For the shapes of its results alone; compiled, it is not run.
    example = cell.step(tf.reduce_sum(projected, axis=0), state, weights)
    history = tf.nest.map_structure(
        lambda tensor: tf.TensorArray(tensor.dtype, length, element_shape=tensor.shape), example
    )
    history = history._replace(
        state=tf.nest.map_structure(
            lambda tensor: tf.TensorArray(tensor.dtype, length + 1, element_shape=tensor.shape).write(0, tensor), state
        )
    )

    def step(t, state, history):
        result = cell.step(projected[t], state, weights)
        if mask is not None:
            result = result._replace(state=_where(mask[t], result.state, state))
        history = StepResult(
            *tf.nest.map_structure(lambda array, tensor: array.write(t, tensor), history[:-1], result[:-1]),
            state=tf.nest.map_structure(lambda array, tensor: array.write(t + 1, tensor), history.state, result.state),
        )
        return t + 1, result.state, history

    _, state, history = tf.while_loop(lambda t, *_: t < steps, step, (0, state, history))
    return tf.nest.map_structure(lambda array: array.stack(), history), state


def _backward(cell, weights, history, mask, steps, d_controller_outputs, d_read_vectors, d_state):
    """Returns the gradients of `run`'s arguments in `unroll`, given those of its results."""
    controller, heads = cell.controller, cell.heads
    before = tf.nest.map_structure(lambda states: states[:-1], history.state)
    after = tf.nest.map_structure(lambda states: states[1:], history.state)
    # What needs no gradient from the step after is done for all steps at once.
    parameters = heads.activate(history.head_values)
    head_slopes = heads.slopes(parameters)
    controller_slopes = controller.slopes(history.preactivations, before.controller, after.controller)

    def step(t, d_after, d_preactivations, d_head_values):
        def now(structure):
            return tf.nest.map_structure(lambda tensors: tensors[t], structure)

        d_after = d_after._replace(read_vectors=d_after.read_vectors + d_read_vectors[t])
        if mask is not None:
            d_skipped = _where(mask[t], _zeros_like(d_after), d_after)
            d_after = _where(mask[t], d_after, _zeros_like(d_after))
        parameters_now = now(parameters)
        d_parameters, *d_acted_on = cell.act_gradient(
            parameters_now, now(before), now(after), now(history.stages), d_after
        )
        d_values = heads.values_gradient(parameters_now, head_slopes[t], d_parameters)
        d_output = d_controller_outputs[t] + tf.matmul(d_values, weights.heads_kernel, transpose_b=True)
        d_preactivation, d_controller = controller.activation_gradient(
            now(controller_slopes), d_output, d_after.controller
        )
        d_read, d_fed_back = controller.feedback_gradient(
            cell.read_heads * cell.memory_width,
            tf.matmul(d_preactivation, weights.recurrent_kernel, transpose_b=True),
        )
        d_before = NTMState(
            *d_acted_on,
            tf.reshape(d_read, tf.shape(d_after.read_vectors)),
            tuple(map(tf.add, d_controller, d_fed_back)),
        )
        if mask is not None:
            d_before = tf.nest.map_structure(tf.add, d_before, d_skipped)
        return t - 1, d_before, d_preactivations.write(t, d_preactivation), d_head_values.write(t, d_values)

    def array_like(tensors):
        return tf.TensorArray(tensors.dtype, tf.shape(tensors)[0], element_shape=tensors.shape[1:])

    _, d_state, d_preactivations, d_head_values = tf.while_loop(
        lambda t, *_: t >= 0,
        step,
        (
            steps - 1,
            NTMState.from_flat(d_state),
            array_like(history.preactivations),
            array_like(history.head_values),
        ),
    )
    d_preactivations, d_head_values = d_preactivations.stack(), d_head_values.stack()
    feedback = controller.feedback(flatten_vectors(before.read_vectors), before.controller)
    return (
        d_preactivations,
        _summed_outer_product(feedback, d_preactivations),
        _summed_outer_product(history.controller_output, d_head_values),
        tf.reduce_sum(d_head_values, axis=[0, 1]),
        *d_state.flat(),
    )


def _summed_outer_product(left, right):
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


def _swap_batch_and_time(tensor):
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
