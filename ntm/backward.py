"""The gradient of a whole sequence, written out by hand. A reader can skip this file and still understand the machine.

If TensorFlow differentiates a tf.while_loop, it stores every intermediate value of every step. In addition, every step
adds to the gradient of every weight. This file avoids both costs:

*   The backward pass takes the steps in chunks, the last chunk first. Residuals are the quantities that gradients are
    multiplied by. The residuals of all steps of a chunk are computed at once, from the History of the forward pass.
*   A loop then goes over the steps of the chunk, the last step first. It only computes the gradient of the state
    before a step from the gradient of the state after that step. This computation is linear in the gradients.
*   If every step uses a linear layer y = x V, the gradient of V is dV = sum over t of x_t^T dy_t. This is one matrix
    product for each chunk.

The derivative of one step is in step_gradient.py. The derivatives of the equations are in derivatives.py. The
derivatives of the controllers are in controller.py.
"""

from typing import NamedTuple

import tensorflow as tf

from ntm.derivatives import activate_gradient
from ntm.state import StateGradients, StepsArguments, StepWeights
from ntm.step_gradient import StepResiduals, controller_gradient, heads_gradient, step_residuals
from ntm.tensors import cut, flatten_vectors, leading_size, select, summed_outer_product, zeros_like

# Steps per chunk: at least CHUNK_STEPS, more for small batches, until a matrix product has CHUNK_ROWS rows. Smaller
# chunks are slow. Larger chunks waste more work on the steps after a sequence's end, and take more memory.
CHUNK_STEPS, CHUNK_ROWS = 16, 64


class Chunk(NamedTuple):
    """A chunk of C steps in the backward pass."""

    start: tf.Tensor  # scalar: its first step
    num_steps: tf.Tensor  # scalar: the number of its steps that ran
    mask: tf.Tensor | None  # [C, B]
    rows: tf.Tensor  # [C, B, I + R*W (+ U)], the controller's rows, see `Controller.row`
    residuals: StepResiduals
    d_controller_outputs: tf.Tensor  # [C, B, U]
    d_read_vectors: tf.Tensor  # [C, B, R, W]


class LayerGradients(NamedTuple):
    """The gradients of the outputs of two linear layers, the controller's and the heads', for a chunk.

    Inside the loop the fields are TensorArrays.
    """

    preactivations: tf.Tensor  # [C, B, gates * U]
    head_values: tf.Tensor  # [C, B, P]


def chunk_size(inputs) -> int:
    """The number of steps per chunk for inputs [T, B, I]."""
    length, batch_size, _ = inputs.shape
    size = CHUNK_STEPS if batch_size is None else max(CHUNK_STEPS, CHUNK_ROWS // max(batch_size, 1))
    return min(size, length or size)


def backward(cell, weights, sequences, history, d_results):
    """Differentiates the forward pass of unroll.py.

    Args:
        cell: NTMCell.
        weights: StepWeights.
        sequences: Sequences whose T is a multiple of `chunk_size`.
        history: History.
        d_results: the gradients of the forward pass's StepsResults.

    Returns:
        The gradients of the forward pass's StepsArguments.
    """
    inputs, size = sequences.inputs, chunk_size(sequences.inputs)
    input_kernel = weights.controller_kernel[: inputs.shape[-1]]

    def chunk_gradient(index, d_state, d_weights, d_inputs):
        chunk = _chunk(cell, sequences, history, d_results, index * size)
        d_state, d_layers = _steps_gradient(cell, weights, chunk, history.states.cells, d_state)
        d_chunk = StepWeights(
            controller_kernel=summed_outer_product(chunk.rows, d_layers.preactivations),
            controller_bias=tf.reduce_sum(d_layers.preactivations, axis=[0, 1]),
            heads_kernel=summed_outer_product(
                cut(history.records.controller_output, index * size, size), d_layers.head_values
            ),
            heads_bias=tf.reduce_sum(d_layers.head_values, axis=[0, 1]),
        )
        d_inputs = d_inputs.write(index, tf.tensordot(d_layers.preactivations, input_kernel, [[2], [1]]))
        return index - 1, d_state, tf.nest.map_structure(tf.add, d_weights, d_chunk), d_inputs

    chunks = leading_size(inputs) // size
    d_inputs = tf.TensorArray(inputs.dtype, chunks, element_shape=[size, *inputs.shape[1:]])
    d_final_state = StateGradients.from_state(d_results.final_state)
    if isinstance(chunks, int) and chunks == 1:  # without a loop, XLA can drop the addition to zeros
        _, d_state, d_weights, d_inputs = chunk_gradient(0, d_final_state, zeros_like(weights), d_inputs)
    else:
        last = (sequences.num_steps - 1) // size
        start = last, d_final_state, zeros_like(weights), d_inputs
        _, d_state, d_weights, d_inputs = tf.while_loop(lambda index, *_: index >= 0, chunk_gradient, start)
    d_inputs = tf.reshape(d_inputs.stack(), tf.shape(inputs))
    return StepsArguments(inputs=d_inputs, weights=d_weights, initial_state=d_state.to_state())


def _chunk(cell, sequences, history, d_results, start):
    """Cuts the Chunk that begins at step `start` out of the sequences."""
    size = chunk_size(sequences.inputs)
    states = history.states._replace(cells=())  # the loop over the steps looks the cells up itself
    before, after = cut(states, start, size), cut(states, start + 1, size)
    rows = cell.controller.row(
        cut(sequences.inputs, start, size), flatten_vectors(before.read_vectors), before.controller
    )
    return Chunk(
        start=start,
        num_steps=tf.minimum(size, sequences.num_steps - start),
        mask=None if sequences.mask is None else cut(sequences.mask, start, size),
        rows=rows,
        residuals=step_residuals(cell, cut(history.records, start, size), before, after),
        d_controller_outputs=cut(d_results.controller_outputs, start, size),
        d_read_vectors=cut(d_results.read_vectors, start, size),
    )


def _steps_gradient(cell, weights, chunk, cells, d_state):
    """Takes the gradient of the state backwards through a chunk's steps.

    Args:
        cell: NTMCell.
        weights: StepWeights.
        chunk: Chunk.
        cells: [T+1, B, W, N], as in the History's states.
        d_state: StateGradients of the state after the chunk.

    Returns:
        StateGradients of the state before the chunk, and LayerGradients.
    """
    fed_back_kernel = weights.controller_kernel[-cell.controller.recurrent_kernel.shape[0] :]

    def step(t, d_after, d_layers):
        now = tf.nest.map_structure(lambda tensor: tensor[t], chunk.residuals)
        d_after = d_after._replace(read_vectors=d_after.read_vectors + chunk.d_read_vectors[t])
        if chunk.mask is not None:
            d_skipped = select(chunk.mask[t], zeros_like(d_after), d_after)
            d_after = select(chunk.mask[t], d_after, zeros_like(d_after))
        d_parameters, d_before = heads_gradient(now, cells[chunk.start + t], cells[chunk.start + t + 1], d_after)
        d_values = cell.clip_gradient(activate_gradient(cell.heads, now.head_slopes, now.head_shifts, d_parameters))
        d_output = chunk.d_controller_outputs[t] + tf.matmul(d_values, weights.heads_kernel, transpose_b=True)
        d_controller = controller_gradient(cell, fed_back_kernel, now.controller, d_output, d_after.controller)
        d_before = d_before._replace(
            read_vectors=tf.reshape(d_controller.reads, tf.shape(d_after.read_vectors)), controller=d_controller.state
        )
        if chunk.mask is not None:
            d_before = tf.nest.map_structure(tf.add, d_before, d_skipped)
        return (
            t - 1,
            d_before,
            LayerGradients(
                preactivations=d_layers.preactivations.write(t, d_controller.preactivations),
                head_values=d_layers.head_values.write(t, d_values),
            ),
        )

    size, batch_size, _ = chunk.d_controller_outputs.shape
    preactivations, head_values = (
        tf.TensorArray(kernel.dtype, size, element_shape=[batch_size, kernel.shape[1]])
        for kernel in (weights.controller_kernel, weights.heads_kernel)
    )
    initial = chunk.num_steps - 1, d_state, LayerGradients(preactivations=preactivations, head_values=head_values)
    _, d_state, d_layers = tf.while_loop(lambda t, *_: t >= 0, step, initial)
    return d_state, tf.nest.map_structure(lambda array: array.stack(), d_layers)
