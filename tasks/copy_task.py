"""The copy task, section 4.1 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.layout import answer, at_steps, channels, place
from tasks.sampling import Seed, random_vectors
from tasks.task import Batch, Task, option

BITS = 8  # per vector


@dataclasses.dataclass(frozen=True)
class CopyTask(Task):
    """Repeat a sequence of random 8-bit vectors after its end.

    The layout is the same as in the reference, camigord/Neural-Turing-Machine. This example has length 3.
    Time runs to the right:

        start flag   1 . . . . . . .
        bits         . x y z . . . .
        end flag     . . . . 1 . . .
        target       . . . . . x y z
        mask         . . . . . 1 1 1

    Args:
        min_length, max_length: bounds of the length. The length is drawn uniformly.
        every_step: whether every step counts, as in the reference. The target then also has the channels of both flags.
            The target is zero at all steps before the answer.
    """

    min_length: int = option(1, "smallest number of vectors")
    max_length: int = option(20, "largest number of vectors")
    every_step: bool = option(False, "score every step and channel, not only the answer")

    name: ClassVar[str] = "copy"
    input_size: ClassVar[int] = BITS + 2
    report_sizes: ClassVar[tuple] = ((10,), (20,), (30,), (50,), (120,))

    @property
    def output_size(self):
        return self.input_size if self.every_step else BITS

    def num_steps(self, length: int | tf.Tensor) -> int | tf.Tensor:
        return 2 * length + 2

    def sequences(self, seed: Seed, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        (length,), (padded_length,) = size, padded_size
        vectors = random_vectors(seed, batch_size, length, padded_length, BITS)
        num_steps, padded_steps = self.num_steps(length), self.num_steps(padded_length)
        times = tf.range(padded_steps)
        copying = (times >= length + 2) & (times < num_steps)
        inputs = channels(
            at_steps(times == 0, batch_size),
            place(vectors, 1, padded_steps),
            at_steps(times == length + 1, batch_size),
        )
        targets = answer(vectors, times - length - 2, copying)
        if self.every_step:
            targets = tf.pad(targets, [[0, 0], [0, 0], [1, 1]])
        return Batch(
            inputs=inputs,
            targets=targets,
            mask=at_steps(times < num_steps if self.every_step else copying, batch_size),
            num_steps=num_steps,
            answer_at=length + 2,
        )
