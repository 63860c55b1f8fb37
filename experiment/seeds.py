"""Seeds: the integer seed of a run gives several independent streams of random numbers, one for each purpose.

All other seeds are pairs of integers. `stream` makes the seed of a stream from the run's seed and a purpose.
"""

import tensorflow as tf

from tasks.sampling import Seed, split_seed

TRAINING = 0  # the batches of training
VALIDATION = 1  # the sequences that decide whether the task is solved
REPORT = 2  # the sequences whose errors train.py and evaluate.py print
PICTURES = 3  # the sequence that the figures show
NOISE = 4  # the noise on the weights


def stream(seed: int, purpose: int) -> tf.Tensor:
    """The seed of a stream.

    Args:
        seed: the run's seed.
        purpose: TRAINING, VALIDATION, REPORT, PICTURES or NOISE. No sequence is in two streams.

    Returns:
        [2], int32.
    """
    return tf.constant([seed, purpose])


def fold_in(seed: Seed, number: int | tf.Tensor) -> tf.Tensor:
    """Derives the seed of draw `number` of a stream. `seed` is the seed of the stream. Returns [2]."""
    return tf.random.fold_in(seed, number, alg="philox")


def noise_seed(seed: Seed) -> tf.Tensor:
    """Derives the seed of an update's noise from the seed of the update. Returns [2]."""
    return fold_in(seed, NOISE)


def batch_and_state_seeds(seed: Seed) -> list:
    """Derives two independent seeds from one: the seed of a batch and the seed of its initial state."""
    return split_seed(seed, 2)


def seed_of_size(seed: Seed, size: tuple) -> Seed:
    """The seed of the sequences of one size: sequences of different sizes are drawn independently."""
    for number in size:
        seed = fold_in(seed, number)
    return seed
