"""The state of an NTM, and the other structures that the loops over steps pass on.

The state has three types: NTMState for callers, LoopState inside the loops, StateGradients in the backward pass.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from ntm.addressing import inverse_location_norms

Seed = tf.Tensor | Sequence[int]  # two integers


class NTMState(NamedTuple):
    """Everything that one step hands to the next, as callers see it."""

    memory: tf.Tensor  # [B, N, W], M
    read_weightings: tf.Tensor  # [B, R, N], w of the read heads
    write_weightings: tf.Tensor  # [B, Q, N], w of the write heads
    read_vectors: tf.Tensor  # [B, R, W], r
    controller: tuple = ()  # tensors [B, U]: (output, cell) of an LSTM; empty for a feedforward controller

    @classmethod
    def from_flat(cls, tensors):
        """Makes a state from a list of its tensors, in the order of the fields. The controller's tensors come last."""
        memory, read_weightings, write_weightings, read_vectors, *controller = tensors
        return cls(
            memory=memory,
            read_weightings=read_weightings,
            write_weightings=write_weightings,
            read_vectors=read_vectors,
            controller=tuple(controller),
        )

    def flat(self):
        """The inverse of `from_flat`: a list of tensors."""
        return [self.memory, self.read_weightings, self.write_weightings, self.read_vectors, *self.controller]

    def flat_names(self):
        """The names of the tensors in `flat`."""
        controller = [f"controller_{i}" for i in range(len(self.controller))]
        return ["memory", "read_weightings", "write_weightings", "read_vectors", *controller]

    def to_keras(self):
        """The state in Keras's form: a list of tensors [B, size], one for each of the cell's `state_size`.

        Keras handles states of one axis best. The last tensor, [B, 1], is all ones, which means that the sequences have
        started.
        """
        batch_size = tf.shape(self.memory)[0]
        tensors = [tf.reshape(tensor, [batch_size, -1]) for tensor in self.flat()]
        return [*tensors, tf.ones([batch_size, 1], tensors[0].dtype)]


class LoopState(NamedTuple):
    """The state inside the loops. The memory is transposed (see memory.py). Its norms are computed once per step."""

    cells: tf.Tensor  # [B, W, N], the memory's cells
    inverse_norms: tf.Tensor  # [B, 1, N], 1 / |M(i)| of every location
    read_weightings: tf.Tensor  # [B, R, N]
    write_weightings: tf.Tensor  # [B, Q, N]
    read_vectors: tf.Tensor  # [B, R, W]
    controller: tuple  # as in NTMState

    @classmethod
    def from_state(cls, state):
        """The LoopState of an NTMState."""
        cells = tf.linalg.matrix_transpose(state.memory)
        return cls(
            cells=cells,
            inverse_norms=inverse_location_norms(cells),
            read_weightings=state.read_weightings,
            write_weightings=state.write_weightings,
            read_vectors=state.read_vectors,
            controller=state.controller,
        )

    def to_state(self):
        """The NTMState of this LoopState. The tensors may have further leading axes, such as time."""
        return NTMState(
            memory=tf.linalg.matrix_transpose(self.cells),
            read_weightings=self.read_weightings,
            write_weightings=self.write_weightings,
            read_vectors=self.read_vectors,
            controller=self.controller,
        )


class StateGradients(NamedTuple):
    """The gradient of a LoopState. The gradient of the inverse norms is included in the gradient of the cells."""

    cells: tf.Tensor  # [B, W, N]
    read_weightings: tf.Tensor  # [B, R, N]
    write_weightings: tf.Tensor  # [B, Q, N]
    read_vectors: tf.Tensor  # [B, R, W]
    controller: tuple

    @classmethod
    def from_state(cls, d_state):
        """Makes StateGradients from gradients in the form of an NTMState."""
        return cls(
            cells=tf.linalg.matrix_transpose(d_state.memory),
            read_weightings=d_state.read_weightings,
            write_weightings=d_state.write_weightings,
            read_vectors=d_state.read_vectors,
            controller=d_state.controller,
        )

    to_state = LoopState.to_state  # LoopState.to_state reads only fields that StateGradients has too


class StepWeights(NamedTuple):
    """The weights that every step uses, as tensors."""

    controller_kernel: tf.Tensor  # [I + R*W (+ U), gates * U]
    controller_bias: tf.Tensor  # [gates * U]
    heads_kernel: tf.Tensor  # [U, P], P being the number of the heads' parameters
    heads_bias: tf.Tensor  # [P]


class StepRecord(NamedTuple):
    """The intermediate results of one step."""

    preactivations: tf.Tensor  # [B, gates * U], of the controller
    controller_output: tf.Tensor  # [B, U]
    head_values: tf.Tensor  # [B, P], the heads' parameters before their activations
    write_similarities: tf.Tensor  # [B, Q, N], to the memory before the write
    read_similarities: tf.Tensor  # [B, R, N], to the memory after the write


class History(NamedTuple):
    """The results of the forward pass that the backward pass needs, time first."""

    records: StepRecord  # each tensor [T, B, ...]
    states: LoopState  # each tensor [T+1, B, ...]: step t starts from entry t and produces entry t+1


class Sequences(NamedTuple):
    """A batch of sequences in the form that the loops use, time first."""

    inputs: tf.Tensor  # [T, B, I], 0 at steps that do not run
    mask: tf.Tensor | None  # booleans [T, B]: where false, the sequence does not step
    num_steps: tf.Tensor  # scalar: the number of steps to run
    running: tf.Tensor  # booleans, true where the step runs: [T, B], or [T, 1] without a mask; T excludes the padding


class StepsArguments(NamedTuple):
    """The differentiable arguments of the steps, or the gradients of these arguments."""

    inputs: tf.Tensor  # [T, B, I]
    weights: StepWeights
    initial_state: NTMState


class StepsResults(NamedTuple):
    """The results of the steps, or the gradients of these results."""

    controller_outputs: tf.Tensor  # [T, B, U]
    read_vectors: tf.Tensor  # [T, B, R, W]
    final_state: NTMState


def random_state(shapes: NTMState, batch_size: int | tf.Tensor, seed: Seed, dtype: str) -> NTMState:
    """The initial state of the reference, camigord/Neural-Turing-Machine.

    It is drawn anew for each sequence. Its weightings do not sum to 1.

    Args:
        shapes: an NTMState that holds each tensor's shape, without the batch axis.
        batch_size: B.
        seed: a pair of integers.
        dtype: the tensors' dtype.

    Returns:
        NTMState.
    """
    memory_seed, weightings_seed = tf.unstack(tf.random.split(seed, 2))
    shapes = NTMState.from_flat([tf.concat([[batch_size], shape], 0) for shape in shapes.flat()])
    draw = tf.random.stateless_truncated_normal
    return NTMState(
        memory=draw(shapes.memory, memory_seed, mean=0.5, stddev=0.2, dtype=dtype),
        read_weightings=draw(shapes.read_weightings, weightings_seed, mean=0.4, stddev=0.1, dtype=dtype),
        write_weightings=tf.fill(shapes.write_weightings, tf.constant(1e-6, dtype)),
        read_vectors=tf.fill(shapes.read_vectors, tf.constant(1e-6, dtype)),
        controller=tuple(tf.zeros(shape, dtype) for shape in shapes.controller),
    )
