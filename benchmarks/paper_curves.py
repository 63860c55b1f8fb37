"""The paper's learning curves, Figures 3, 7, 10, 13 and 18, and Figure 11: bits per sequence of all models."""

import functools

import numpy as np

from benchmarks.paper_runs import Runs
from experiment.evaluation import Evaluator
from experiment.seeds import REPORT, stream
from ntm import NTM, plots
from ntm.transfer import with_locations

# Values of the paper's curves: thousands of training sequences, and bits per sequence. The paper has its plots
# only as pictures. These values were read off the pictures, to about a tenth of the axis.
PUBLISHED = {
    3: {"lstm": ([100, 200, 600], [4.8, 2.1, 0.5]), "ntm-lstm": ([100], [0]), "ntm-feedforward": ([100], [0])},
    7: {
        "lstm": ([0, 50, 100, 300], [185, 105, 20, 0]),
        "ntm-lstm": ([100], [0]),
        "ntm-feedforward": ([50, 100], [45, 0]),
    },
    10: {
        "lstm": ([50, 200, 500, 1000], [14, 8, 2, 0.75]),
        "ntm-lstm": ([50, 100, 200], [11, 0.5, 0]),
        "ntm-feedforward": ([50], [0]),
    },
    13: {
        "lstm": ([100, 1000], [137, 136]),
        "ntm-lstm": ([100, 1000], [134, 133.5]),
        "ntm-feedforward": ([100], [134]),
    },
    18: {
        "lstm": ([200, 400, 1000], [90, 70, 54]),
        "ntm-lstm": ([200, 400, 1000], [35, 25, 14]),
        "ntm-feedforward": ([200, 400, 1000], [40, 30, 15]),
    },
}
LOCATIONS = 128  # memory locations for Figure 11; a network with fewer gets 128 without more training
# Figure 11: bits per sequence at these numbers of items.
PUBLISHED_ITEMS = {
    "lstm": ([6, 10, 15, 20], [2, 36, 40, 38]),
    "ntm-lstm": ([6, 10, 15, 20], [0, 1.8, 4.8, 7.0]),
    "ntm-feedforward": ([6, 10, 15, 20], [0, 0, 1.4, 8.0]),
}
ITEMS = (6, 8, 10, 12, 15, 20)
SPAN = 1000  # each point of a curve is a mean over this many sequences


def learning_curves(runs: Runs, sequences: int, *, number: int, task: str, limits: tuple):
    """Bits per sequence in training, measured with the noise on the weights. The axes are the paper's."""
    curves = runs.curves(task)
    for model, seeds in curves.items():
        for seen, bits in seeds:
            last = bits[seen > seen[-1] - SPAN].mean()
            print(f"{task}, {model}: {last:.3f} bits per sequence after {int(seen[-1]):,} sequences")
    thousands = {model: [_means(*seed) for seed in seeds] for model, seeds in curves.items()}
    return plots.costs(thousands, PUBLISHED[number], limits=limits, xlabel="thousands of training sequences")


def _means(seen, bits):
    """A learning curve in thousands of sequences, with one point for every SPAN sequences."""
    group = np.ceil(seen / SPAN)
    return np.array([(seen[group == g].max() / 1000, bits[group == g].mean()) for g in np.unique(group)]).T


def recall_beyond(runs: Runs, sequences: int):
    """Figure 11: the cost of associative recall with more items than training had."""
    curves = {}
    for model, task, network in runs.networks("associative-recall"):
        if isinstance(network, NTM) and network.options["memory_locations"] < LOCATIONS:
            network = with_locations(network, LOCATIONS)
        evaluator = Evaluator(network, task, (max(ITEMS),), sequences, stream(0, REPORT))
        bits = np.array([evaluator.measure((items,))["bits_per_sequence"] for items in ITEMS])
        by_items = ", ".join(f"{items}: {value:.3f}" for items, value in zip(ITEMS, bits))
        print(f"{model}, bits per sequence by number of items, {sequences} sequences: {by_items}")
        curves.setdefault(model, []).append((np.array(ITEMS), bits))
    return plots.costs(curves, PUBLISHED_ITEMS, limits=((6, 20), (0, 42)), xlabel="items per sequence")


def _curves(number, task, thousands, least, most):
    return functools.partial(learning_curves, number=number, task=task, limits=((0, thousands), (least, most)))


FIGURES = {
    3: _curves(3, "copy", 1000, 0, 10),
    7: _curves(7, "repeat-copy", 500, 0, 200),
    10: _curves(10, "associative-recall", 1000, 0, 20),
    11: recall_beyond,
    13: _curves(13, "ngrams", 1000, 130, 160),
    18: _curves(18, "priority-sort", 1000, 0, 140),
}
