"""The repeat copy task, section 4.2 of Graves et al. (2014)."""

import dataclasses
import math
from typing import ClassVar

import tensorflow as tf

from tasks.task import Batch, Task, answer, at_steps, channels, place, random_vectors

BITS = 8


@dataclasses.dataclass(frozen=True)
class RepeatCopy(Task):
    """Repeat a sequence of random 8-bit vectors as often as a number says, then say that it is done.

    With length 2 and 3 repeats, time runs to the right:

        start flag   1 . . . . . . . . . .
        bits         . x y . . . . . . . .
        end flag     . . . 1 . . . . . . .
        repeats      . . . n . . . . . . .     n = (3 - mean) / deviation
        target       . . . . x y x y x y .
        end marker   . . . . . . . . . . 1     the target's last channel
        mask         . . . . 1 1 1 1 1 1 1

    Mean and deviation are those of the repeats that the bounds allow, also where more are asked for.

    Args:
        min_length, max_length: bounds of the length, drawn evenly.
        min_repeats, max_repeats: bounds of the number of repeats, drawn evenly.
    """

    min_length: int = 1
    max_length: int = 10
    min_repeats: int = 1
    max_repeats: int = 10

    name: ClassVar[str] = "repeat-copy"
    sizes: ClassVar[tuple[str, ...]] = ("length", "repeats")
    input_size: ClassVar[int] = BITS + 3
    output_size: ClassVar[int] = BITS + 1
    report_sizes: ClassVar[tuple] = ((10, 10), (20, 10), (10, 20))

    def steps(self, length, repeats):
        return length * (repeats + 1) + 3

    def sequences(self, seed, batch_size, size, room):
        (length, repeats), (most, _) = size, room
        vectors = random_vectors(seed, batch_size, length, most, BITS)
        steps, total = self.steps(length, repeats), self.steps(*room)
        times = tf.range(total)
        ending = times == length + 1
        answering = (times >= length + 2) & (times < steps)
        inputs = channels(
            at_steps(times == 0, batch_size),
            place(vectors, 1, total),
            at_steps(ending, batch_size),
            at_steps(ending, batch_size, self._normalised(repeats)),
        )
        done = times == steps - 1
        targets = channels(
            answer(vectors, (times - length - 2) % length, answering & ~done),
            at_steps(done, batch_size),
        )
        mask = at_steps(answering, batch_size)
        return Batch(inputs, targets, mask, steps, length + 2)

    def _normalised(self, repeats):
        choices = self.max_repeats - self.min_repeats + 1
        deviation = math.sqrt((choices**2 - 1) / 12) or 1.0  # a number that never varies is 0
        return (tf.cast(repeats, tf.float32) - (self.min_repeats + self.max_repeats) / 2) / deviation
