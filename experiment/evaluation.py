"""Measures the errors of a model on sequences of given sizes."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import tensorflow as tf

from experiment.memory_needed import EVALUATION_BATCH
from experiment.seeds import batch_and_state_seeds, fold_in, seed_of_size
from ntm.metrics import bits_per_sequence, hamming_distance
from ntm.model import SequenceModel
from ntm.options import check_integer
from tasks import Task
from tasks.sampling import Seed


class SequenceErrors(NamedTuple):
    """The errors of the sequences of a batch. Every field has the shape [B]."""

    wrong: tf.Tensor  # wrong bits
    cost: tf.Tensor  # in bits, see `bits_per_sequence`
    optimal: tf.Tensor  # the lowest achievable cost, in bits
    answer_bits: tf.Tensor  # the number of bits in the answer


class Evaluator:
    """Measures the errors of a model at any size up to the largest. All sizes share one compiled program.

    Args:
        model: an NTM or an LSTM, built.
        task: Task.
        largest: the largest size that will be measured, a tuple. It may exceed the task's bounds.
        sequences: number of sequences of each size, at least 1.
        seed: [2], the seed of a stream, see seeds.py.
        carry_state: whether each batch starts with the final controller state of the previous batch, as in the
            reference (see reference.py). The first batch then starts with the final state of an extra batch, which is
            not measured. If false, every sequence starts in the initial state.
        batch_size: the largest number of sequences that run at the same time.

    Raises:
        ValueError: `sequences` or `batch_size` is not a positive integer.
    """

    def __init__(
        self,
        model: SequenceModel,
        task: Task,
        largest: tuple,
        sequences: int,
        seed: Seed,
        *,
        carry_state: bool = False,
        batch_size: int = EVALUATION_BATCH,
    ):
        check_integer("sequences", sequences, smallest=1)
        check_integer("batch_size", batch_size, smallest=1)
        self._model, self._task, self._largest = model, task, largest
        self._sequences, self._seed = sequences, seed
        self._batch_size = min(sequences, batch_size)
        self._carry_state = carry_state
        self._run = tf.function(self._run_batch, jit_compile=True, autograph=False)

    def compile(self):
        """Compiles the program of `measure` and `is_exact`.

        Without this, the first call of `measure` or `is_exact` compiles the program.
        """
        state = self._model.initial_state(self._batch_size, seed=self._seed).controller
        self._run(self._seed, tf.constant(self._largest), state)

    def measure(self, size: tuple, seed: Seed | None = None) -> dict:
        """Measures the errors at one size.

        Args:
            size: a size, at most the largest.
            seed: [2], or None for the evaluator's seed.

        Raises:
            ValueError: no sequence can have this size, or the size exceeds the largest.

        Returns:
            A dict with these keys. Errors and costs are means over the sequences.
                task: the name of the task.
                size: the size as text, see `size_text`.
                length: the first number of the size, whatever its name is in the task.
                sequences: the number of sequences.
                bit_errors_per_sequence: wrong bits per sequence.
                bit_error_rate: wrong bits divided by all bits of the answers.
                exact_sequences: the fraction of sequences without a wrong bit.
                bits_per_sequence: the cost in bits.
                least_bits_per_sequence: the lowest achievable cost in bits.
            A size of several numbers adds a key for each further number, named as in the task's `size_names`.
        """
        batches = self._errors(size, seed)
        errors = tf.nest.map_structure(lambda *values: tf.concat(values, 0).numpy(), *batches)
        return {
            "task": self._task.name,
            "size": size_text(size),
            "length": size[0],
            **dict(zip(self._task.size_names[1:], size[1:])),
            "sequences": self._sequences,
            "bit_errors_per_sequence": float(errors.wrong.mean()),
            "bit_error_rate": float(errors.wrong.sum() / errors.answer_bits.sum()),
            "exact_sequences": float((errors.wrong == 0).mean()),
            "bits_per_sequence": float(errors.cost.mean()),
            "least_bits_per_sequence": float(errors.optimal.mean()),
        }

    def is_exact(self, size: tuple, seed: Seed | None = None) -> bool:
        """Whether `measure` would find no wrong bit. Stops at the first batch with a wrong bit."""
        return all(not errors.wrong.numpy().any() for errors in self._errors(size, seed))

    def _errors(self, size, seed):
        """Yields the SequenceErrors of each batch."""
        self._task.check(size)
        if enclosing(size, self._largest) != tuple(self._largest):
            raise ValueError(f"the size {size_text(size)} exceeds the evaluator's largest, {size_text(self._largest)}")
        seed = seed_of_size(self._seed if seed is None else seed, size)
        batches = math.ceil(self._sequences / self._batch_size)
        controller_state = self._model.initial_state(self._batch_size, seed=seed).controller
        if self._carry_state:
            _, controller_state = self._run(fold_in(seed, batches), tf.constant(size), controller_state)
        for i in range(batches):
            errors, final_state = self._run(fold_in(seed, i), tf.constant(size), controller_state)
            counted = self._sequences - i * self._batch_size
            yield tf.nest.map_structure(lambda values: values[:counted], errors)
            if self._carry_state:
                controller_state = final_state

    def _run_batch(self, seed, size, controller_state):
        """Runs a batch.

        Args:
            seed: [2].
            size: a tensor. If it were a constant, each size would compile its own program.
            controller_state: the field `controller` of the model's state.

        Returns:
            SequenceErrors, and the final controller state.
        """
        batch_seed, state_seed = batch_and_state_seeds(seed)
        batch = self._task.batch(batch_seed, self._batch_size, size, self._largest)
        state = self._model.initial_state(self._batch_size, seed=state_seed)
        state = state._replace(controller=controller_state)
        logits, final_state = self._model.run(batch.inputs, initial_state=state, steps=batch.num_steps)
        answer = batch.targets, logits, batch.mask
        errors = SequenceErrors(
            wrong=hamming_distance(*answer),
            cost=bits_per_sequence(*answer),
            optimal=self._task.optimal_bits(batch),
            answer_bits=tf.reduce_sum(batch.mask, axis=1) * batch.targets.shape[-1],
        )
        return errors, final_state.controller


def size_text(size: tuple) -> str:
    """A size in the form of evaluate.py's --lengths: 20, or 20x10 if the size has several numbers."""
    return "x".join(map(str, size))


def enclosing(*sizes: tuple) -> tuple:
    """The elementwise maximum of sizes."""
    return tuple(map(max, zip(*sizes)))


def json_line(row: dict) -> str:
    """A result of `Evaluator.measure` as a JSON object. A number that is not finite becomes null: JSON has no NaN."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()
    }
    return json.dumps(finite, allow_nan=False)


TABLE_COLUMNS = ("length", "sequences", "wrong bits/seq", "bit error rate", "exact", "bits/seq", "least possible")


def table(rows: Iterable) -> Iterator:
    """Yields the lines of a table, the header first.

    Args:
        rows: results of `Evaluator.measure`. Each line is yielded before the next row is read.
    """
    yield _table_line(TABLE_COLUMNS)
    for row in rows:
        yield _table_line(table_cells(row))


def table_cells(row: dict) -> tuple:
    """The texts of a result of `Evaluator.measure`, in the order of TABLE_COLUMNS."""
    return (
        row["size"],
        str(row["sequences"]),
        f"{row['bit_errors_per_sequence']:.3f}",
        f"{row['bit_error_rate']:.5f}",
        f"{100 * row['exact_sequences']:.1f} %",
        f"{row['bits_per_sequence']:.3f}",
        f"{row['least_bits_per_sequence']:.3f}",
    )


def _table_line(cells):
    return "  ".join(f"{cell:>14}" for cell in cells)
