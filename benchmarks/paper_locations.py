"""Figures 15 and 17: whether a location stands for a context of N-grams, or for a priority of sort."""

import itertools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from benchmarks.paper_runs import NTMS, Runs
from benchmarks.paper_sequences import in_parts, memory_use
from experiment.observation import Observer
from experiment.seeds import PICTURES, REPORT, stream
from ntm import plots
from tasks.ngrams import context_numbers


def ngrams_memory_use(runs: Runs, sequences: int):
    """Figure 15: whether the heads return to one place for each context, and which contexts share a location."""
    task, network = runs.network("ngrams")
    batch = task.batch(stream(0, REPORT), min(sequences, 100))
    bits = batch.targets.numpy()[..., 0].astype(int)  # [B, T]
    logits, weightings = _traced(
        network,
        batch.inputs,
        lambda logits, state: (logits, {"read": state.read_weightings, "write": state.write_weightings}),
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
    pairs = shared_locations(bits, weightings["read"][:, :, 0], task.context)
    excess = excess_by_context(task, batch, logits)
    of_pairs = excess[sorted({context for pair in pairs for context in pair.contexts})].sum()
    print(
        f"pairs of contexts that share a location: {len(pairs)}; these contexts cost {of_pairs:.2f} of "
        f"{excess.sum():.2f} bits above the optimum"
    )
    for pair in pairs:
        first, second = (f"{context:0{task.context}b}" for context in pair.contexts)
        print(f"{first} and {second}: overlap {pair.overlap:.2f}, {excess[list(pair.contexts)].sum():.2f} bits")
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
    before = _contexts(bits, context)
    directions = _directions(weightings[:, context:])
    overlap = directions @ directions.transpose(0, 2, 1)
    same = before[:, :, np.newaxis] == before[:, np.newaxis]
    earlier = np.tri(before.shape[1], k=-1, dtype=bool)  # each pair once, and no pair of a step with itself
    return Overlap(related=overlap[same & earlier].mean(), others=overlap[~same & earlier].mean())


class SharedLocation(NamedTuple):
    """Two contexts whose mean weightings have a cosine above 1/2."""

    contexts: tuple[int, int]  # the binary digits of each are the bits of the context, the oldest bit first
    overlap: float  # the cosine


def shared_locations(bits, weightings, context: int) -> list[SharedLocation]:
    """The pairs of contexts for which a head goes to the same location. Arguments as for `context_overlap`."""
    before, weightings = _contexts(bits, context), weightings[:, context:]
    seen = np.unique(before)
    directions = _directions(np.stack([weightings[before == number].mean(axis=0) for number in seen]))
    pairs = itertools.combinations(zip(seen, directions), 2)
    overlaps = [SharedLocation(contexts=(a, b), overlap=along_a @ along_b) for (a, along_a), (b, along_b) in pairs]
    return [pair for pair in overlaps if pair.overlap > 0.5]


def excess_by_context(task, batch, logits):
    """The cost of the bits after each context, minus the cost of the optimal predictions: [2^k], in bits per sequence.

    Args:
        task: NGrams.
        batch: Batch.
        logits: [B, T, 1], the network's predictions.
    """
    optimal = task.optimal_predictions(batch.targets, batch.mask)[..., tf.newaxis]
    costs = keras.losses.binary_crossentropy(batch.targets, logits, from_logits=True)
    excess = (costs - keras.losses.binary_crossentropy(batch.targets, optimal)).numpy() / np.log(2)
    before = _contexts(batch.targets.numpy()[..., 0].astype(int), task.context)
    sums = np.bincount(before.ravel(), excess[:, task.context :].ravel(), minlength=2**task.context)
    return sums / len(before)


def _contexts(bits, context):
    """The context before each step that has one: [B, T - context]."""
    return context_numbers(bits, context).numpy()[:, context:]


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
    weightings = _traced(model, batch.inputs, lambda _, state: state.write_weightings)[:, :length]
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


def _traced(model, inputs, choose):
    """What `choose` takes from the logits and the NTMStates of all steps, for all sequences: arrays [B, T, ...]."""

    def run(inputs):
        logits, trace = model.trace(inputs)
        return choose(logits, trace.state)

    compiled = tf.function(run, autograph=False)
    parts = [compiled(part) for part in in_parts(inputs, at_most=20)]
    return tf.nest.map_structure(lambda *tensors: np.concatenate(tensors), *parts)


FIGURES = {15: ngrams_memory_use, 17: sort_locations}
