"""The paper's pictures of single sequences: Figures 4 to 6, 8, 9, 12, 14 and 16."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.paper_runs import NTMS, Runs
from experiment.evaluation import Evaluator, size_text
from experiment.observation import Observer
from experiment.seeds import PICTURES, REPORT, stream
from ntm import plots

COPY_LENGTHS = (10, 20, 30, 50, 120)


def copy_beyond(runs: Runs, sequences: int, *, models=NTMS):
    """Figures 4 and 5: copies of lengths up to six times the longest one in training."""
    task, network = runs.network("copy", models)
    evaluator = Evaluator(network, task, (max(COPY_LENGTHS),), sequences, stream(0, REPORT))
    for length in COPY_LENGTHS:
        wrong = evaluator.measure((length,))["bit_errors_per_sequence"]
        print(f"length {length}: {wrong:.3f} wrong bits of {length * task.output_size}, {sequences} sequences")
    return _answers(task, network, [(length,) for length in COPY_LENGTHS])


def repeat_copy_beyond(runs: Runs, sequences: int):
    """Figure 8: repeat copy with twice the largest length of training, and with twice the largest number of repeats."""
    task, network = runs.network("repeat-copy")
    sizes = (20, 10), (10, 20)
    for size in sizes:
        found = count_repetitions(task, network, size, sequences)
        size_name = size_text(size)
        print(
            f"{size_name}, {sequences} sequences: sequences with an exact copy in each repetition: "
            f"{found.exact.tolist()}"
        )
        print(
            f"{size_name}, {sequences} sequences: sequences with an end marker after each repetition: "
            f"{found.markers.tolist()}"
        )
    return _answers(task, network, sizes)


class Repetitions(NamedTuple):
    """For each repetition, the number of sequences in which it is right."""

    exact: np.ndarray  # [repeats], integers: sequences with exact bits in the repetition
    markers: np.ndarray  # [repeats], integers: sequences with an end marker after the repetition


def count_repetitions(task, model, size: tuple, sequences: int):
    """Counts the sequences in which each repetition is right.

    Args:
        task: RepeatCopy.
        model: an NTM.
        size: the length and the number of repeats.
        sequences: the number of sequences.

    Returns:
        Repetitions.
    """
    length, repeats = size
    batch = task.batch(stream(0, REPORT), sequences, size, size)
    run = tf.function(lambda inputs: model.run(inputs)[0], jit_compile=True, autograph=False)
    logits = np.concatenate([run(inputs) for inputs in in_parts(batch.inputs)])
    answer = slice(int(batch.answer_at), None)
    says, wants = logits[:, answer] > 0, batch.targets.numpy()[:, answer] > 0.5
    wrong = (says != wants)[:, : length * repeats, :-1].reshape(sequences, repeats, -1)
    markers = says[:, length::length, -1]
    return Repetitions(exact=(~wrong.any(axis=2)).sum(axis=0), markers=markers.sum(axis=0))


def memory_use(runs: Runs, sequences: int, *, task: str, size: tuple, parts_at_answer: bool):
    """Figures 6, 9, 12 and 15: what the first head of each kind writes and reads, and where.

    Args:
        parts_at_answer: whether the left column ends where the answer begins, and the right column begins there.
            Otherwise, both show the whole sequence.
    """
    seen = Observer(*reversed(runs.network(task))).observe(size, stream(0, PICTURES))
    cut = seen.answer_at if parts_at_answer else None
    written, read = slice(0, cut), slice(cut, None)
    return plots.memory_use(
        seen.inputs[written],
        seen.trace.heads.add_vectors[written, 0],
        seen.trace.state.write_weightings[written, 0],
        (seen.outputs * seen.mask[:, np.newaxis])[read],
        seen.trace.state.read_vectors[read, 0],
        seen.trace.state.read_weightings[read, 0],
    )


def ngrams_predictions(runs: Runs, sequences: int):
    """Figure 14: predictions of a sequence beside those of the optimal estimator."""
    rows = {}
    for model, task, network in runs.networks("ngrams"):
        seen = Observer(network, task).observe((200,), stream(0, PICTURES))
        rows["bits"] = seen.targets[:, 0]
        optimal = rows["optimal"] = task.optimal_predictions(seen.targets[np.newaxis], seen.mask[np.newaxis])[0].numpy()
        if model not in rows:
            rows[model] = seen.outputs[:, 0]
            print(f"{model}: mean distance from the optimal prediction {np.abs(rows[model] - optimal).mean():.3f}")
    return plots.predictions(rows)


def sort_example(runs: Runs, sequences: int):
    """Figure 16: the input and the target of priority sort. In addition, the answer of a network."""
    task, network = runs.network("priority-sort")
    seen = Observer(network, task).observe(task.largest, stream(0, PICTURES))
    return plots.sequence(seen.inputs, seen.targets, seen.outputs, seen.mask)


def _answers(task, network, sizes):
    observer = Observer(network, task)
    return plots.generalisation([observer.observe(size, stream(0, PICTURES)).answer() for size in sizes])


def in_parts(inputs, at_most=100):
    """The inputs in equal parts of at most `at_most` sequences. This limits the memory use."""
    sequences = len(inputs)
    parts = next(parts for parts in range(-(-sequences // at_most), sequences + 1) if sequences % parts == 0)
    return tf.split(inputs, parts)


def _memory_use(task, *size, parts_at_answer=True):
    return functools.partial(memory_use, task=task, size=size, parts_at_answer=parts_at_answer)


FIGURES = {
    4: copy_beyond,
    5: functools.partial(copy_beyond, models=("lstm",)),
    6: _memory_use("copy", 20),
    8: repeat_copy_beyond,
    9: _memory_use("repeat-copy", 10, 6),
    12: _memory_use("associative-recall", 6, parts_at_answer=False),
    14: ngrams_predictions,
    16: sort_example,
}
