"""The repeat copy task, section 4.2 of Graves et al. (2014)."""

import dataclasses
import math
from typing import ClassVar

import tensorflow as tf

from tasks.layout import answer, at_steps, channels, place
from tasks.sampling import Seed, random_vectors
from tasks.task import Batch, Task, option

BITS = 8  # per vector


@dataclasses.dataclass(frozen=True)
class RepeatCopy(Task):
    """Repeat a sequence of random 8-bit vectors a given number of times, then set an end marker.

    This example has length 2 and 3 repeats. Time runs to the right:

        start flag   1 . . . . . . . . . .
        bits         . x y . . . . . . . .
        end flag     . . . 1 . . . . . . .
        repeats      . . . n . . . . . . .     n = (3 - mean) / std
        target       . . . . x y x y x y .
        end marker   . . . . . . . . . . 1     the target's last channel
        mask         . . . . 1 1 1 1 1 1 1

    The mean and the std are computed from the bounds of the repeats, even for sequences outside these bounds.

    Args:
        min_length, max_length: bounds of the length. The length is drawn uniformly.
        min_repeats, max_repeats: bounds of the number of repeats. The number is drawn uniformly.
    """

    min_length: int = option(1, "smallest number of vectors")
    max_length: int = option(10, "largest number of vectors")
    min_repeats: int = option(1, "smallest number of repeats")
    max_repeats: int = option(10, "largest number of repeats")

    name: ClassVar[str] = "repeat-copy"
    size_names: ClassVar[tuple[str, ...]] = ("length", "repeats")
    input_size: ClassVar[int] = BITS + 3
    output_size: ClassVar[int] = BITS + 1
    report_sizes: ClassVar[tuple] = ((10, 10), (20, 10), (10, 20))

    def num_steps(self, length: int | tf.Tensor, repeats: int | tf.Tensor) -> int | tf.Tensor:
        return length * (repeats + 1) + 3

    def sequences(self, seed: Seed, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        (length, repeats), (padded_length, _) = size, padded_size
        vectors = random_vectors(seed, batch_size, length, padded_length, BITS)
        num_steps, padded_steps = self.num_steps(length, repeats), self.num_steps(*padded_size)
        times = tf.range(padded_steps)
        ending = times == length + 1
        answering = (times >= length + 2) & (times < num_steps)
        inputs = channels(
            at_steps(times == 0, batch_size),
            place(vectors, 1, padded_steps),
            at_steps(ending, batch_size),
            at_steps(ending, batch_size, self._normalised(repeats)),
        )
        done = times == num_steps - 1
        targets = channels(
            answer(vectors, (times - length - 2) % length, answering & ~done),
            at_steps(done, batch_size),
        )
        return Batch(
            inputs=inputs,
            targets=targets,
            mask=at_steps(answering, batch_size),
            num_steps=num_steps,
            answer_at=length + 2,
        )

    def _normalised(self, repeats):
        choices = self.max_repeats - self.min_repeats + 1
        std = math.sqrt((choices**2 - 1) / 12) or 1.0  # with one choice the std is 0; the result is then 0 / 1 = 0
        return (tf.cast(repeats, tf.float32) - (self.min_repeats + self.max_repeats) / 2) / std
