"""The paper's pictures of single sequences: Figures 4 to 6, 8, 9, 12 and 14 to 17."""

import functools
import itertools
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
    logits = np.concatenate([run(inputs) for inputs in _in_parts(batch.inputs)])
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


def ngrams_memory_use(runs: Runs, sequences: int):
    """Figure 15: whether the heads return to one place for each context."""
    task, network = runs.network("ngrams")
    batch = task.batch(stream(0, REPORT), min(sequences, 100))
    bits = batch.targets.numpy()[..., 0].astype(int)  # [B, T]
    weightings = _states(
        network, batch.inputs, lambda state: {"read": state.read_weightings, "write": state.write_weightings}
    )
    for kind, values in weightings.items():
        overlap = context_overlap(bits, values[:, :, 0], task.context)
        print(
            f"overlap of {kind} weightings after the same context: {overlap.related:.3f}, after another context: "
            f"{overlap.others:.3f}"
        )
    read, written = (_directions(weightings[kind][:, task.context :, 0]) for kind in ("read", "write"))
    following = (read[:, :-1] * written[:, 1:]).sum(axis=-1).mean()
    print(f"overlap of a write weighting with the read weighting of the step before: {following:.3f}")
    excess = _excess(task, network, batch)
    shared = shared_locations(bits, weightings["read"][:, :, 0], excess, task.context)
    total = excess[:, task.context :].sum(axis=1).mean()
    print(f"pairs of contexts that share a location: {len(shared)}; cost above the optimum: {total:.2f} bits")
    for pair in shared:
        print(f"contexts {' and '.join(pair.contexts)}: overlap {pair.overlap:.2f}, {pair.excess:.2f} bits")
    return memory_use(runs, sequences, task="ngrams", size=task.largest, parts_at_answer=False)


class Overlap(NamedTuple):
    """Mean cosines between the weightings of a head at two steps, numbers from 0 to 1."""

    related: float  # over the pairs of related steps or vectors; each function says which are related
    others: float  # over the other pairs, or over all pairs, as the function says


def context_overlap(bits, weightings, context: int):
    """How alike a head's weightings are at steps with the same context, and at steps with different contexts.

    Args:
        bits: [B, T].
        weightings: [B, T, N]. At step t the network has seen the bits before t.
        context: the number of bits of a context.

    Returns:
        Overlap. Steps with the same context are related.
    """
    contexts = _contexts(bits, context)
    directions = _directions(weightings[:, context:])
    overlap = directions @ directions.transpose(0, 2, 1)
    same = contexts[:, :, np.newaxis] == contexts[:, np.newaxis]
    earlier = np.tri(contexts.shape[1], k=-1, dtype=bool)  # each pair once, and no pair of a step with itself
    return Overlap(related=overlap[same & earlier].mean(), others=overlap[~same & earlier].mean())


class SharedLocation(NamedTuple):
    """Two contexts for which a head goes to the same location."""

    contexts: tuple[str, str]  # the bits of each context, the oldest bit first
    overlap: float  # the cosine of their mean weightings
    excess: float  # the cost of the bits after these contexts above the optimal estimator's, in bits per sequence


def shared_locations(bits, weightings, excess, context: int) -> list[SharedLocation]:
    """Finds the contexts that a head cannot tell apart: their mean weightings have a cosine above 1/2.

    Args:
        bits, weightings, context: as for `context_overlap`.
        excess: [B, T], the cost of each bit above the optimal estimator's.

    Returns:
        The pairs, the greatest excess first.
    """
    contexts = _contexts(bits, context)
    here = np.eye(2**context)[contexts]  # [B, T - context, 2^context]
    directions = _directions(np.einsum("btc,btn->cn", here, weightings[:, context:]))
    costs = (here * excess[:, context:, np.newaxis]).sum(axis=1).mean(axis=0)  # [2^context]
    overlaps = directions @ directions.T
    pairs = [
        SharedLocation(
            contexts=(f"{first:0{context}b}", f"{second:0{context}b}"),
            overlap=overlaps[first, second],
            excess=costs[first] + costs[second],
        )
        for first, second in itertools.combinations(range(2**context), 2)
        if overlaps[first, second] > 0.5
    ]
    return sorted(pairs, key=lambda pair: -pair.excess)


def _contexts(bits, context):
    """The `context` bits before each step that has as many, as a number whose first binary digit is the oldest bit."""
    powers = 2 ** np.arange(context)[::-1]
    return np.stack([bits[:, t - context : t] @ powers for t in range(context, bits.shape[1])], axis=1)


def _excess(task, model, batch):
    """What each bit of N-grams costs above the optimal estimator's prediction: [B, T], in bits."""
    ones = batch.targets.numpy()[..., 0] > 0.5
    run = tf.function(lambda inputs: tf.sigmoid(model.run(inputs)[0])[..., 0], autograph=False)
    predicted = np.concatenate([run(part) for part in _in_parts(batch.inputs)])
    optimal = task.optimal_predictions(batch.targets, batch.mask).numpy()
    predicted, optimal = (np.where(ones, one, 1 - one) for one in (predicted, optimal))
    return np.log2(optimal / predicted)


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


def sort_locations(runs: Runs, sequences: int):
    """Figure 17: whether a vector's priority says where it is written. Draws the head for which it says most."""
    found = []
    for model, task, network in runs.networks("priority-sort", NTMS):
        for head in write_heads(task, network, sequences):
            print(
                f"{model}, write head {head.number + 1}: correlation of location and priority "
                f"{head.fit.correlation:.2f}; overlap of weightings {head.overlap.related:.2f} for equal priorities, "
                f"{head.overlap.others:.2f} for any two"
            )
            found.append((task, network, head))
    task, network, head = max(found, key=lambda entry: entry[2].overlap.related - entry[2].overlap.others)
    seen = Observer(network, task).observe(task.largest, stream(0, PICTURES))
    vectors = slice(0, task.largest[0])
    fitted = head.fit.offset + head.fit.slope * seen.inputs[vectors, -2]
    read = seen.trace.state.read_weightings[seen.answer_at :].max(axis=1)
    return plots.write_locations(fitted, seen.trace.state.write_weightings[vectors, head.number], read)


class Fit(NamedTuple):
    """A linear function of the priorities, fitted to the locations at which a head writes."""

    slope: float
    offset: float  # the location for priority 0
    correlation: float  # of priorities and locations


class WriteHead(NamedTuple):
    """How a write head of a sort network depends on the priorities."""

    number: int  # from 0
    fit: Fit
    overlap: Overlap  # from `priority_overlap`


def write_heads(task, model, sequences: int) -> list:
    """The WriteHeads of a sort network, measured on a number of sequences."""
    batch = task.batch(stream(0, REPORT), sequences)
    length = task.largest[0]
    priorities = batch.inputs.numpy()[:, :length, -2]
    weightings = _states(model, batch.inputs, lambda state: state.write_weightings)[:, :length]
    return [
        WriteHead(number, fit_locations(priorities, values), priority_overlap(priorities, values))
        for number, values in enumerate(np.moveaxis(weightings, 2, 0))
    ]


def fit_locations(priorities, weightings):
    """Fits a linear function of the priorities to the locations at which a head writes.

    Args:
        priorities: [B, T].
        weightings: [B, T, N].

    Returns:
        Fit. The memory is a ring. The locations are therefore numbered around their circular mean, from N / 2 below it
        to N / 2 above it. A cluster of locations is then not split at the end of the memory.
    """
    count = weightings.shape[-1]
    locations = weightings.argmax(axis=-1).ravel()
    middle = np.angle(np.exp(2j * np.pi * locations / count).mean()) * count / (2 * np.pi)
    unwrapped = (locations - middle + count / 2) % count + middle - count / 2
    if not np.ptp(unwrapped):
        return Fit(slope=0.0, offset=float(unwrapped[0]), correlation=0.0)
    slope, offset = np.polyfit(priorities.ravel(), unwrapped, 1)
    correlation = np.corrcoef(priorities.ravel(), unwrapped)[0, 1]
    return Fit(slope=slope, offset=offset, correlation=correlation)


def priority_overlap(priorities, weightings):
    """How alike a head's weightings are for vectors of nearly equal priority, and for any two vectors.

    Args:
        priorities: [B, T].
        weightings: [B, T, N].

    Returns:
        Overlap. Vectors that are neighbours in the order of all priorities are related. `others` is the mean over all
        pairs.
    """
    order = np.argsort(priorities.ravel())
    directions = _directions(weightings.reshape(len(order), -1)[order])
    return Overlap(
        related=(directions[1:] * directions[:-1]).sum(axis=-1).mean(),
        others=np.square(directions.mean(axis=0)).sum(),
    )


def _directions(weightings):
    """The weightings, scaled to the norm 1. The cosine of two weightings is then their product."""
    return weightings / np.linalg.norm(weightings, axis=-1, keepdims=True)


def _answers(task, network, sizes):
    observer = Observer(network, task)
    return plots.generalisation([observer.observe(size, stream(0, PICTURES)).answer() for size in sizes])


def _states(model, inputs, choose):
    """The tensors that `choose` takes from the NTMState after each step, for all sequences: arrays [B, T, ...]."""
    run = tf.function(lambda inputs: choose(model.trace(inputs)[1].state), autograph=False)
    parts = [run(part) for part in _in_parts(inputs, at_most=20)]
    return tf.nest.map_structure(lambda *tensors: np.concatenate(tensors), *parts)


def _in_parts(inputs, at_most=100):
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
    15: ngrams_memory_use,
    16: sort_example,
    17: sort_locations,
}
