"""The dynamic N-grams task, section 4.4 of Graves et al. (2014)."""

import dataclasses
import math
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tasks.task import Batch, Task, at_steps, channels, random_integers, split_seed

# A draw from Beta(1/2, 1/2) is sin(pi u / 2)^2 for an even u: of so many, as a table, the same in every mode.
_QUANTILES = np.sin(np.pi / 2 * (np.arange(2**14) + 0.5) / 2**14) ** 2
_RESOLUTION = 2**24  # of the draws that are compared with a probability


@dataclasses.dataclass(frozen=True)
class NGrams(Task):
    """Predict each bit of a sequence that obeys a law of its own.

    The law is a table: for each of the 2^k contexts, the k bits before, the probability of a 1, drawn anew for each
    sequence from Beta(1/2, 1/2). The first k bits are fair. With bits x, y and z, time runs to the right:

        start flag   1 . .
        bits         . x y
        target       x y z
        mask         1 1 1

    Args:
        min_length, max_length: bounds of the number of bits, drawn evenly; the paper has 200 always.
        context: k, 5 in the paper, whose 6-grams count the bit that follows.
    """

    min_length: int = 200
    max_length: int = 200
    context: int = 5

    name: ClassVar[str] = "ngrams"
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.context <= 10:  # the estimator counts by context, at every step
            raise ValueError(f"context={self.context} must be from 1 to 10")

    def steps(self, length):
        return length

    def sequences(self, seed, batch_size, size, room):
        (length,), (most,) = size, room
        table_seed, draws_seed = split_seed(seed, 2)
        contexts = 2**self.context
        probabilities = tf.gather(
            tf.constant(_QUANTILES * _RESOLUTION, tf.int32),
            random_integers([batch_size, contexts], table_seed, 0, len(_QUANTILES) - 1),
        )
        times = tf.range(most)
        draws = random_integers([most, batch_size], draws_seed, 0, _RESOLUTION - 1)

        def step(context, drawn):
            time, draw = drawn
            lawful = tf.gather(probabilities, context, batch_dims=1)
            probability = tf.where(time < self.context, _RESOLUTION // 2, lawful)
            return (2 * context + tf.cast(draw < probability, tf.int32)) % contexts

        after = tf.scan(step, (times, draws), tf.zeros([batch_size], tf.int32))
        running = times < length
        bits = tf.transpose(tf.cast(after % 2, tf.float32)) * tf.cast(running, tf.float32)
        seen = tf.pad(bits, [[0, 0], [1, 0]])[:, :-1] * tf.cast(running, tf.float32)
        inputs = channels(at_steps(times == 0, batch_size), seen)
        mask = at_steps(running, batch_size)
        return Batch(inputs, bits[..., tf.newaxis], mask, length, tf.constant(0))

    def least_bits(self, batch):
        """What the best estimator that sees the bits alone pays: it says 1 with probability (N1 + 1/2) / (N1 + N0 + 1).

        N1 and N0 count what followed the same context before (section 4.4; Murphy 2012, "Machine learning: a
        probabilistic perspective").
        """
        bits = tf.cast(batch.targets[..., 0], tf.int32)  # [B, T]
        before = tf.pad(bits, [[0, 0], [self.context, 0]])
        context = sum(before[:, k : k + bits.shape[1]] * 2 ** (self.context - 1 - k) for k in range(self.context))
        here = tf.one_hot(context, 2**self.context) * batch.mask[..., tf.newaxis]  # [B, T, 2^k]
        # The first bits have no context yet: they teach nothing and cost a bit each.
        lawful = tf.cast(tf.range(bits.shape[1]) >= self.context, tf.float32)
        here *= lawful[:, tf.newaxis]
        ones, zeros = (
            tf.reduce_sum(tf.cumsum(here * value, axis=1, exclusive=True) * here, axis=-1)
            for value in (batch.targets, 1 - batch.targets)
        )
        right = tf.where(bits == 1, ones, zeros)
        probability = tf.where(lawful > 0, (right + 0.5) / (ones + zeros + 1), 0.5)
        return -tf.reduce_sum(tf.math.log(probability) * batch.mask, axis=1) / math.log(2)
