"""Teaches an NTM to copy sequences of 1 to 20 random vectors, with `fit` on data made in NumPy."""

import keras
import numpy as np

from ntm import NTM, HammingDistance, SequenceCrossEntropy
from ntm.recipe import recipe_initial_values, recipe_optimizer


def copy_data(rng, lengths):
    inputs, targets = np.zeros([len(lengths), 42, 10], "float32"), np.zeros([len(lengths), 42, 8], "float32")
    weights = np.zeros([len(lengths), 42], "float32")  # 1 at the steps whose outputs count
    for i, length in enumerate(lengths):
        question, answer = slice(1, length + 1), slice(length + 2, 2 * length + 2)
        inputs[i, 0, 0] = inputs[i, length + 1, 9] = 1  # the start flag and the end flag
        inputs[i, question, 1:9] = targets[i, answer] = rng.integers(2, size=[length, 8])
        weights[i, answer] = 1
    return {"x": inputs, "y": targets, "sample_weight": weights}


keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
model = NTM(output_size=8, initial_values=recipe_initial_values())
model.compile(recipe_optimizer(), SequenceCrossEntropy(), weighted_metrics=[HammingDistance()])
model.fit(**copy_data(rng, rng.integers(1, 21, size=10_000)), batch_size=1)
model.evaluate(**copy_data(rng, [20] * 1000), batch_size=100)
