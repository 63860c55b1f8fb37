"""The dynamic N-grams task, section 4.4 of Graves et al. (2014)."""

import dataclasses
import math
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tasks.layout import at_steps, channels
from tasks.sampling import Seed, random_integers, split_seed
from tasks.task import Batch, Task, option

# Beta(1/2, 1/2) by its inverse CDF, sin(pi u / 2)^2 with u uniform; tabulated so that eager and compiled code agree.
_QUANTILES = np.sin(np.pi / 2 * (np.arange(2**14) + 0.5) / 2**14) ** 2
_RESOLUTION = 2**24  # a bit is 1 if an integer, uniform in [0, _RESOLUTION), is below probability * _RESOLUTION


@dataclasses.dataclass(frozen=True)
class NGrams(Task):
    """Predict each bit of a random sequence whose bits depend on the bits before them.

    The last k bits are the context of the next bit. Each sequence has a table of its own. For each of the 2^k contexts,
    the table holds the probability of a 1, drawn from Beta(1/2, 1/2). The first k bits are 1 with probability 1/2. In
    this example the bits are x, y and z. Time runs to the right:

        start flag   1 . .
        bits         . x y
        target       x y z
        mask         1 1 1

    Args:
        min_length, max_length: bounds of the number of bits. The number is drawn uniformly. In the paper it is 200.
        context: k. A 6-gram of the paper is 5 bits of context and the next bit.
    """

    min_length: int = option(200, "smallest number of bits")
    max_length: int = option(200, "largest number of bits")
    context: int = option(5, "number of bits that the next bit depends on, at most 10")

    name: ClassVar[str] = "ngrams"
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.context <= 10:  # the estimator holds 2^k counts for every step
            raise ValueError(f"context={self.context} must be from 1 to 10")

    def num_steps(self, length: int | tf.Tensor) -> int | tf.Tensor:
        return length

    def sequences(self, seed: Seed, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        (length,), (padded_length,) = size, padded_size
        table_seed, draws_seed = split_seed(seed, 2)
        contexts = 2**self.context
        probabilities = tf.gather(
            tf.constant(_QUANTILES * _RESOLUTION, tf.int32),
            random_integers([batch_size, contexts], table_seed, 0, len(_QUANTILES) - 1),
        )
        times = tf.range(padded_length)
        draws = random_integers([padded_length, batch_size], draws_seed, 0, _RESOLUTION - 1)

        def step(context, drawn):
            time, draw = drawn
            from_table = tf.gather(probabilities, context, batch_dims=1)
            probability = tf.where(time < self.context, _RESOLUTION // 2, from_table)
            return (2 * context + tf.cast(draw < probability, tf.int32)) % contexts

        after = tf.scan(step, (times, draws), tf.zeros([batch_size], tf.int32))
        running = times < length
        bits = tf.transpose(tf.cast(after % 2, tf.float32)) * tf.cast(running, tf.float32)
        seen = tf.pad(bits, [[0, 0], [1, 0]])[:, :-1] * tf.cast(running, tf.float32)
        return Batch(
            inputs=channels(at_steps(times == 0, batch_size), seen),
            targets=bits[..., tf.newaxis],
            mask=at_steps(running, batch_size),
            num_steps=length,
            answer_at=tf.constant(0),
        )

    def optimal_bits(self, batch: Batch) -> tf.Tensor:
        """The cost in bits of the best estimator that does not know the table: [B]."""
        predicted = self.optimal_predictions(batch.targets, batch.mask)
        probability = tf.where(batch.targets[..., 0] > 0, predicted, 1 - predicted)
        return -tf.reduce_sum(tf.math.log(probability) * batch.mask, axis=1) / math.log(2)

    def optimal_predictions(self, targets: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """The predictions of the best estimator that does not know the table, as probabilities of a 1: [B, T].

        It predicts 1 with probability (N1 + 1/2) / (N1 + N0 + 1). N1 and N0 count the ones and the zeros that followed
        earlier occurrences of the context (section 4.4; Murphy 2012, "Machine learning: a probabilistic perspective").
        The first k bits have no context. The estimator predicts them with probability 1/2, and does not count them.

        Args:
            targets: [B, T, 1].
            mask: [B, T].
        """
        bits = tf.cast(targets[..., 0], tf.int32)  # [B, T]
        here = tf.one_hot(context_numbers(bits, self.context), 2**self.context) * mask[..., tf.newaxis]  # [B, T, 2^k]
        has_context = tf.cast(tf.range(bits.shape[1]) >= self.context, tf.float32)
        here *= has_context[:, tf.newaxis]
        ones, zeros = (
            tf.reduce_sum(tf.cumsum(here * value, axis=1, exclusive=True) * here, axis=-1)
            for value in (targets, 1 - targets)
        )
        return (ones + 0.5) / (ones + zeros + 1)


def context_numbers(bits, length: int):
    """The `length` bits before each of the bits [B, T], as a number whose first binary digit is the oldest bit: [B, T].

    What comes before the first bit counts as 0.
    """
    before = tf.pad(bits, [[0, 0], [length, 0]])
    return sum(before[:, k : k + bits.shape[1]] * 2 ** (length - 1 - k) for k in range(length))
