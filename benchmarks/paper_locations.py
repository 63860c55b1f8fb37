"""Figures 15 and 17: whether a location stands for a context of N-grams, or for a priority of sort."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.paper_runs import NTMS, Runs
from benchmarks.paper_sequences import in_parts, memory_use
from experiment.observation import Observer
from experiment.seeds import PICTURES, REPORT, stream
from ntm import plots


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
    predicted = np.concatenate([run(part) for part in in_parts(batch.inputs)])
    optimal = task.optimal_predictions(batch.targets, batch.mask).numpy()
    predicted, optimal = (np.where(ones, one, 1 - one) for one in (predicted, optimal))
    return np.log2(optimal / predicted)


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


def _states(model, inputs, choose):
    """The tensors that `choose` takes from the NTMState after each step, for all sequences: arrays [B, T, ...]."""
    run = tf.function(lambda inputs: choose(model.trace(inputs)[1].state), autograph=False)
    parts = [run(part) for part in in_parts(inputs, at_most=20)]
    return tf.nest.map_structure(lambda *tensors: np.concatenate(tensors), *parts)


FIGURES = {15: ngrams_memory_use, 17: sort_locations}
