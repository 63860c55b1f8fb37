"""The copy task, section 4.1 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.task import Batch, Task, answer, at_steps, channels, place, random_vectors

BITS = 8


@dataclasses.dataclass(frozen=True)
class CopyTask(Task):
    """Repeat a sequence of random 8-bit vectors after its end.

    The layout is the reference's. With length 3, time runs to the right:

        start flag   1 . . . . . . .
        bits         . x y z . . . .
        end flag     . . . . 1 . . .
        target       . . . . . x y z
        mask         . . . . . 1 1 1

    Args:
        min_length, max_length: bounds of the length, drawn evenly.
        every_step: score every step and input channel, as the reference does: the target has the flags' channels, and
            is zero wherever it does not copy.
    """

    min_length: int = 1
    max_length: int = 20
    every_step: bool = False

    name: ClassVar[str] = "copy"
    input_size: ClassVar[int] = BITS + 2
    report_sizes: ClassVar[tuple] = ((10,), (20,), (30,), (50,), (120,))

    @property
    def output_size(self):
        return self.input_size if self.every_step else BITS

    def steps(self, length):
        return 2 * length + 2

    def sequences(self, seed, batch_size, size, room):
        (length,), (most,) = size, room
        vectors = random_vectors(seed, batch_size, length, most, BITS)
        steps, total = self.steps(length), self.steps(most)
        times = tf.range(total)
        copying = (times >= length + 2) & (times < steps)
        inputs = channels(
            at_steps(times == 0, batch_size),
            place(vectors, 1, total),
            at_steps(times == length + 1, batch_size),
        )
        targets = answer(vectors, times - length - 2, copying)
        if self.every_step:
            targets = tf.pad(targets, [[0, 0], [0, 0], [1, 1]])
        mask = at_steps(times < steps if self.every_step else copying, batch_size)
        return Batch(inputs, targets, mask, steps, length + 2)
