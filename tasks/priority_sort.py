"""The priority sort task, section 4.5 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.task import Batch, Task, answer, at_steps, channels, place, random_integers, random_vectors, split_seed

BITS = 8
_RESOLUTION = 2**22  # priorities are as many even steps from -1 to 1


@dataclasses.dataclass(frozen=True)
class PrioritySort(Task):
    """Sort random 8-bit vectors by the priorities that come with them, and say the first ones.

    A priority is drawn evenly from -1 to 1. With length 3, 2 of them to be said, and z > x > y, time runs to the right:

        bits         x y z . . .
        priority     p q r . . .
        end flag     . . . 1 . .
        target       . . . . z x
        mask         . . . . 1 1

    Args:
        min_length, max_length: bounds of the number of vectors, drawn evenly; the paper has 20 always.
        highest: how many are said, at most `min_length`.
    """

    min_length: int = 20
    max_length: int = 20
    highest: int = 16

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

    def steps(self, length):
        return length + 1 + self.highest

    def sequences(self, seed, batch_size, size, room):
        (length,), (most,) = size, room
        vectors_seed, priorities_seed = split_seed(seed, 2)
        vectors = random_vectors(vectors_seed, batch_size, length, most, BITS)
        drawn = tf.transpose(random_integers([most, batch_size], priorities_seed, 0, _RESOLUTION - 1))
        shown = tf.range(most) < length
        order = tf.argsort(tf.where(shown, drawn, -1), direction="DESCENDING", stable=True)
        ordered = tf.gather(vectors, order, axis=1, batch_dims=1)
        priorities = tf.where(shown, (2 * tf.cast(drawn, tf.float32) + 1) / _RESOLUTION - 1, 0.0)

        steps, total = self.steps(length), self.steps(most)
        times = tf.range(total)
        answering = (times > length) & (times < steps)
        inputs = channels(
            place(vectors, 0, total),
            place(priorities[..., tf.newaxis], 0, total),
            at_steps(times == length, batch_size),
        )
        mask = at_steps(answering, batch_size)
        targets = answer(ordered, times - length - 1, answering)
        return Batch(inputs, targets, mask, steps, length + 1)
