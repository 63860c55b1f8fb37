"""The derivative of one time step, `NTMCell.step`, for the loop in backward.py. A reader can skip this file."""

from typing import NamedTuple

import tensorflow as tf

from ntm.derivatives import (
    AddressingResiduals,
    activation_slopes,
    addressing_gradient,
    addressing_residuals,
    read_gradient,
    write_gradient,
)
from ntm.heads import HeadParameters
from ntm.state import StateGradients
from ntm.tensors import merge_steps_and_batch, split_steps_and_batch


class StepResiduals(NamedTuple):
    """The quantities by which the gradients within a step are multiplied; [C, B, ...] for the C steps of a chunk."""

    head_slopes: tf.Tensor  # [C, B, P], from `activation_slopes`
    head_shifts: tf.Tensor  # [C, B, H, 2S+1]
    controller: tuple  # from the controller's `activate_residuals`
    read_weightings: tf.Tensor  # [C, B, R, N]
    write_weightings: tf.Tensor  # [C, B, Q, N]
    erase_vectors: tf.Tensor  # [C, B, Q, W]
    add_vectors: tf.Tensor  # [C, B, Q, W]
    reading: AddressingResiduals
    writing: AddressingResiduals


def step_residuals(cell, records, before, after):
    """The StepResiduals of a chunk's steps, all computed at once.

    Args:
        cell: NTMCell.
        records: the chunk's StepRecord.
        before, after: the LoopStates before and after each step, without the cells.
    """
    parameters = cell.heads.activate(records.head_values)
    merged, flat_records, flat_before, flat_after = map(merge_steps_and_batch, (parameters, records, before, after))
    reading = addressing_residuals(
        inverse_norms=flat_after.inverse_norms,
        similarities=flat_records.read_similarities,
        previous_weightings=flat_before.read_weightings,
        weightings=flat_after.read_weightings,
        parameters=cell.of_read_heads(merged.addressing),
    )
    writing = addressing_residuals(
        inverse_norms=flat_before.inverse_norms,
        similarities=flat_records.write_similarities,
        previous_weightings=flat_before.write_weightings,
        weightings=flat_after.write_weightings,
        parameters=cell.of_write_heads(merged.addressing),
    )
    reading, writing = split_steps_and_batch((reading, writing), parameters.strengths.shape[0])
    return StepResiduals(
        head_slopes=activation_slopes(cell.heads, parameters),
        head_shifts=parameters.shifts,
        controller=cell.controller.activate_residuals(records.preactivations, before.controller, after.controller),
        read_weightings=after.read_weightings,
        write_weightings=after.write_weightings,
        erase_vectors=parameters.erase_vectors,
        add_vectors=parameters.add_vectors,
        reading=reading,
        writing=writing,
    )


def heads_gradient(residuals, cells, written_cells, d_after):
    """Differentiates the heads' part of a step: address and write, then address and read.

    Args:
        residuals: the step's StepResiduals.
        cells, written_cells: [B, W, N], before and after the write.
        d_after: StateGradients of the state that the step leaves.

    Returns:
        The gradient of the HeadParameters, and StateGradients of the state before the step. The fields read_vectors and
        controller are empty: `controller_gradient` computes them.
    """
    d_read = read_gradient(written_cells, residuals.read_weightings, d_after.read_vectors)
    d_reading = addressing_gradient(residuals.reading, written_cells, d_after.read_weightings + d_read.weightings)
    d_write = write_gradient(
        cells,
        weightings=residuals.write_weightings,
        erase_vectors=residuals.erase_vectors,
        add_vectors=residuals.add_vectors,
        d_written=d_after.cells + d_read.cells + d_reading.cells,
    )
    d_writing = addressing_gradient(residuals.writing, cells, d_after.write_weightings + d_write.weightings)
    d_parameters = HeadParameters(
        addressing=tf.nest.map_structure(
            lambda read, write: tf.concat([read, write], axis=1), d_reading.parameters, d_writing.parameters
        ),
        erase_vectors=d_write.erase_vectors,
        add_vectors=d_write.add_vectors,
    )
    return d_parameters, StateGradients(
        cells=d_write.cells + d_writing.cells,
        read_weightings=d_reading.previous_weightings,
        write_weightings=d_writing.previous_weightings,
        read_vectors=(),
        controller=(),
    )


class ControllerGradients(NamedTuple):
    """The gradients of the controller's part of a step."""

    preactivations: tf.Tensor  # [B, gates * U]
    reads: tf.Tensor  # [B, R*W], of the flattened read vectors that the controller saw
    state: tuple  # of the state that the controller saw


def controller_gradient(cell, fed_back_kernel, residuals, d_output, d_state):
    """Differentiates the controller's part of a step.

    Args:
        cell: NTMCell.
        fed_back_kernel: [R*W (+ U), gates * U], the part of the controller's weights for the previous step's results.
        residuals: from the controller's `activate_residuals`.
        d_output: [B, U].
        d_state: the gradients of the controller's next state, a tuple.

    Returns:
        ControllerGradients.
    """
    d_preactivations, d_kept = cell.controller.activate_gradient(residuals, d_output, d_state)
    d_preactivations = cell.clip_gradient(d_preactivations)
    d_reads, d_fed_back = cell.controller.split_fed_back(
        tf.matmul(d_preactivations, fed_back_kernel, transpose_b=True), cell.read_heads * cell.memory_width
    )
    return ControllerGradients(preactivations=d_preactivations, reads=d_reads, state=(*d_fed_back, *d_kept))
