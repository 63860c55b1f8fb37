"""Random numbers of a batch, the same in eager, graph and compiled code."""

from collections.abc import Sequence

import tensorflow as tf

Seed = tf.Tensor | Sequence[int]  # two integers

# Only this generator draws the same integers in eager, graph and compiled code. Its floats differ between the modes.
_GENERATOR = "philox"


def split_seed(seed: Seed, number: int) -> list:
    """Derives independent seeds from one: a list of `number` seeds, each [2]."""
    return tf.unstack(tf.random.split(seed, number, alg=_GENERATOR))


def random_integers(shape: list, seed: Seed, smallest: int, largest: int | tf.Tensor) -> tf.Tensor:
    """Draws integers uniformly from `smallest` to `largest`, both included: int32 of the given shape."""
    return tf.random.stateless_uniform(shape, seed, smallest, largest + 1, tf.int32, alg=_GENERATOR)


def random_vectors(seed: Seed, batch_size: int, number: int | tf.Tensor, padded_number: int, bits: int) -> tf.Tensor:
    """Draws vectors of random bits.

    Args:
        seed: [2], integers.
        batch_size: B.
        number: number of vectors in each sequence, an integer or an integer scalar tensor.
        padded_number: K, a Python integer, at least `number`.
        bits: C, bits per vector.

    Returns:
        [B, K, C], float32. Vectors from `number` on are zeros.
    """
    # The axis of the K vectors comes first. The bits of a vector then do not depend on `padded_number`.
    vectors = random_integers([padded_number, batch_size, bits], seed, 0, 1)
    vectors = tf.cast(tf.transpose(vectors, [1, 0, 2]), tf.float32)
    return vectors * tf.cast(tf.range(padded_number) < number, tf.float32)[:, tf.newaxis]
