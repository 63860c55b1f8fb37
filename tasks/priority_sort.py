"""The priority sort task, section 4.5 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.layout import answer, at_steps, channels, place
from tasks.sampling import Seed, random_integers, random_vectors, split_seed
from tasks.task import Batch, Task, option

BITS = 8  # per vector
_RESOLUTION = 2**22  # number of different priorities, evenly spaced from -1 to 1


@dataclasses.dataclass(frozen=True)
class PrioritySort(Task):
    """Sort random 8-bit vectors by their priorities, highest first, and answer with the first ones.

    A priority is drawn uniformly from -1 to 1. This example has length 3, two vectors in the answer and the priorities
    r > p > q. Time runs to the right:

        bits         x y z . . .
        priority     p q r . . .
        end flag     . . . 1 . .
        target       . . . . z x
        mask         . . . . 1 1

    Args:
        min_length, max_length: bounds of the number of vectors. The number is drawn uniformly. In the paper it is 20.
        highest: number of vectors in the answer, at most `min_length`.
    """

    min_length: int = option(20, "smallest number of vectors")
    max_length: int = option(20, "largest number of vectors")
    highest: int = option(16, "number of vectors in the answer, at most --min-length")

    name: ClassVar[str] = "priority-sort"
    input_size: ClassVar[int] = BITS + 2
    output_size: ClassVar[int] = BITS

    def __post_init__(self):
        if not 1 <= self.highest <= self.min_length:
            raise ValueError(f"highest={self.highest} must be from 1 to min_length={self.min_length}")
        super().__post_init__()

    @property
    def smallest(self):
        return self.highest

    def num_steps(self, length: int | tf.Tensor) -> int | tf.Tensor:
        return length + 1 + self.highest

    def sequences(self, seed: Seed, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        (length,), (padded_length,) = size, padded_size
        vectors_seed, priorities_seed = split_seed(seed, 2)
        vectors = random_vectors(vectors_seed, batch_size, length, padded_length, BITS)
        drawn = tf.transpose(random_integers([padded_length, batch_size], priorities_seed, 0, _RESOLUTION - 1))
        shown = tf.range(padded_length) < length
        order = tf.argsort(tf.where(shown, drawn, -1), direction="DESCENDING", stable=True)
        ordered = tf.gather(vectors, order, axis=1, batch_dims=1)
        priorities = tf.where(shown, (2 * tf.cast(drawn, tf.float32) + 1) / _RESOLUTION - 1, 0.0)

        num_steps, padded_steps = self.num_steps(length), self.num_steps(padded_length)
        times = tf.range(padded_steps)
        answering = (times > length) & (times < num_steps)
        inputs = channels(
            place(vectors, 0, padded_steps),
            place(priorities[..., tf.newaxis], 0, padded_steps),
            at_steps(times == length, batch_size),
        )
        return Batch(
            inputs=inputs,
            targets=answer(ordered, times - length - 1, answering),
            mask=at_steps(answering, batch_size),
            num_steps=num_steps,
            answer_at=length + 1,
        )
