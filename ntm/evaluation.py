"""Errors of a model on sequences of given sizes, and what it does with one of them."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ntm.metrics import bits_per_sequence, hamming_distance
from ntm.training import batch_and_state_seeds, fold_in
from ntm.unroll import Trace

# Bounds the memory that an evaluation takes: sequences run this many at a time.
_BATCH_SIZE = 100


class Evaluator:
    """Measures a model's errors at any size up to the largest, in one compilation.

    Args:
        model: an NTM or an LSTM.
        task: makes the sequences, see tasks/task.py.
        largest: the largest size to come, a tuple; it may be beyond the task's bounds.
        sequences: how many to measure at each size, at least 1.
        seed: a pair of integers, see `ntm.training.stream`.
        carry_state: whether the controller starts each batch in the state in which the batch before left it, as the
            reference's does, with a batch that is not counted before the first; otherwise each sequence starts in the
            initial state.
        batch_size: how many sequences run at a time, if there are as many.
    """

    def __init__(self, model, task, largest, sequences, seed, carry_state=False, batch_size=_BATCH_SIZE):
        self._model, self._task, self._largest = model, task, largest
        self._sequences, self._seed = sequences, seed
        self._batch_size = min(sequences, batch_size)
        self._carry_state = carry_state
        self._run = tf.function(self._run_batch, jit_compile=True, autograph=False)

    def compile(self):
        """Compiles what `measure` runs, which otherwise its first call does."""
        state = self._model.initial_state(self._batch_size, seed=self._seed).controller
        self._run(self._seed, tf.constant(self._largest), state)

    def measure(self, size, seed=None):
        """Runs the sequences of a size.

        Args:
            size: a tuple, at most the largest.
            seed: a pair of integers; None for the evaluator's own.

        Returns:
            A dict of task, size (as `size_text` has it), length (its first number, whatever the task calls it), its
            other numbers by their names, sequences, bit_errors_per_sequence, bit_error_rate, exact_sequences (the share
            without a wrong bit), bits_per_sequence and least_bits_per_sequence (what no predictor can do without).
        """
        wrong, cost, least, bits = (tf.concat(values, 0).numpy() for values in zip(*self._results(size, seed)))
        return {
            "task": self._task.name,
            "size": size_text(size),
            "length": size[0],
            **dict(zip(self._task.sizes[1:], size[1:])),
            "sequences": self._sequences,
            "bit_errors_per_sequence": float(wrong.mean()),
            "bit_error_rate": float(wrong.sum() / bits.sum()),
            "exact_sequences": float((wrong == 0).mean()),
            "bits_per_sequence": float(cost.mean()),
            "least_bits_per_sequence": float(least.mean()),
        }

    def is_exact(self, size, seed=None):
        """Whether `measure` would find no wrong bit at all; the first batch with one settles it."""
        return all(not wrong.numpy().any() for wrong, *_ in self._results(size, seed))

    def _results(self, size, seed):
        """Runs a size batch by batch; yields, of each batch's sequences, what `_run_batch` returns."""
        seed = _seed_of(self._seed if seed is None else seed, size)
        batches = math.ceil(self._sequences / self._batch_size)
        controller_state = self._model.initial_state(self._batch_size, seed=seed).controller
        if self._carry_state:
            *_, controller_state = self._run(fold_in(seed, batches), tf.constant(size), controller_state)
        for i in range(batches):
            *result, final_state = self._run(fold_in(seed, i), tf.constant(size), controller_state)
            yield [values[: self._sequences - i * self._batch_size] for values in result]
            if self._carry_state:
                controller_state = final_state

    def _run_batch(self, seed, size, controller_state):
        """Wrong bits, cost, least cost and number of bits of each sequence, and the controller's final state.

        The size is a tensor: were it a constant, each would be compiled anew.
        """
        batch_seed, state_seed = batch_and_state_seeds(seed)
        batch = self._task.batch(batch_seed, self._batch_size, size, self._largest)
        state = self._model.initial_state(self._batch_size, seed=state_seed)
        state = state._replace(controller=controller_state)
        logits, final_state = self._model.run(batch.inputs, initial_state=state, steps=batch.steps)
        answer = batch.targets, logits, batch.mask
        bits = tf.reduce_sum(batch.mask, axis=1) * batch.targets.shape[-1]
        costs = hamming_distance(*answer), bits_per_sequence(*answer), self._task.least_bits(batch)
        return *costs, bits, final_state.controller


class Observation(NamedTuple):
    """One sequence and what a model did with it, as arrays."""

    size: str  # as `size_text` has it
    answer_at: int  # the step at which the answer begins
    inputs: np.ndarray  # [T, I]
    targets: np.ndarray  # [T, O]
    outputs: np.ndarray  # [T, O], probabilities
    mask: np.ndarray  # [T]
    trace: Trace | None  # of arrays without the axis of the batch; None of a model without heads
    previous_weightings: np.ndarray | None  # [T, H, N], of the step before each; heads as in the trace's stages

    def answer(self):
        """A title, the answer's targets and its outputs, as `ntm.plots.generalisation` takes them."""
        return f"length {self.size}", self.targets[self.answer_at :], self.outputs[self.answer_at :]

    def addressing(self, step, kind, head=0):
        """How the head-th "read" or "write" head came to a step's weighting, as `ntm.plots.addressing` takes it."""
        trace = self.trace
        now = step, head + (trace.read_weightings.shape[1] if kind == "write" else 0)
        return {
            "previous": self.previous_weightings[now],
            "content": trace.stages.content[now],
            "gated": trace.stages.gated[now],
            "shifted": trace.stages.shifted[now],
            "weighting": trace.stages.weightings[now],
            "gate": trace.gates[now],
            "shifts": trace.shifts[now],
            "sharpness": trace.sharpness[now],
        }


class Observer:
    """Runs single sequences and tells what a model did with them.

    Without XLA, whose compilation would take longer than the sequences do.

    Args:
        model: an NTM or an LSTM.
        task: makes the sequences, see tasks/task.py.
    """

    def __init__(self, model, task):
        self._model, self._task = model, task

    @functools.cached_property
    def _trace(self):
        """The model's `trace` as one graph for sequences of any size."""
        state = self._model.initial_state(1, seed=tf.constant([0, 0]))
        inputs = tf.TensorSpec([1, None, self._task.input_size])
        states = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), state)
        run = tf.function(lambda inputs, state: self._model.trace(inputs, initial_state=state), autograph=False)
        return run.get_concrete_function(inputs, states)  # TensorFlow takes functions of many models for one retraced

    def observe(self, size, seed):
        """The Observation of the sequence that the seed, a pair of integers, gives at that size, a tuple."""
        batch_seed, state_seed = batch_and_state_seeds(_seed_of(seed, size))
        batch = self._task.batch(batch_seed, 1, size, size)
        initial = self._model.initial_state(1, seed=state_seed)
        logits, trace = self._trace(batch.inputs, initial)
        results = batch.inputs, batch.targets, tf.sigmoid(logits), batch.mask
        previous = None
        if trace is not None:
            first = np.concatenate([initial.read_weightings, initial.write_weightings], axis=1)
            trace = tf.nest.map_structure(lambda tensor: tensor[0].numpy(), trace)
            previous = np.concatenate([first, trace.stages.weightings[:-1]])
        results = (tensor[0].numpy() for tensor in results)
        return Observation(size_text(size), int(batch.answer_at), *results, trace, previous)


def size_text(size):
    """A size as evaluate.py's --lengths has it: 20, or 20x10 where it is several numbers."""
    return "x".join(map(str, size))


def enclosing(*sizes):
    """The smallest size that none of these exceeds."""
    return tuple(map(max, zip(*sizes)))


def _seed_of(seed, size):
    for number in size:
        seed = fold_in(seed, number)
    return seed


def table(rows):
    """Rows of `Evaluator.measure` as lines of text, a header first. A line comes as soon as its row does."""
    columns = ("length", "sequences", "wrong bits/seq", "bit error rate", "exact", "bits/seq", "least possible")
    yield "  ".join(f"{column:>14}" for column in columns)
    for row in rows:
        cells = (
            row["size"],
            row["sequences"],
            f"{row['bit_errors_per_sequence']:.3f}",
            f"{row['bit_error_rate']:.5f}",
            f"{100 * row['exact_sequences']:.1f} %",
            f"{row['bits_per_sequence']:.3f}",
            f"{row['least_bits_per_sequence']:.3f}",
        )
        yield "  ".join(f"{cell:>14}" for cell in cells)
