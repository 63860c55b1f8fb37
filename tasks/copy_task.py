"""The copy task, section 4.1 of Graves et al. (2014)."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.task import Batch, Task, random_integers, split_seed

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
        min_length, max_length: bounds of the length, drawn uniformly.
        every_step: score every step and input channel, as the reference does: the target has the flags' channels, and
            is zero wherever it does not copy.
    """

    min_length: int = 1
    max_length: int = 20
    every_step: bool = False

    name: ClassVar[str] = "copy"
    input_size: ClassVar[int] = BITS + 2
    report_lengths: ClassVar[tuple[int, ...]] = (10, 20, 30, 50, 120)

    def __post_init__(self):
        if self.min_length < 1:
            raise ValueError(f"min_length={self.min_length} must be at least 1")
        if self.max_length < self.min_length:
            raise ValueError(f"max_length={self.max_length} is below min_length={self.min_length}")

    @property
    def output_size(self):
        return self.input_size if self.every_step else BITS

    @property
    def max_steps(self):
        return 2 * self.max_length + 2

    def reaching(self, length):
        return dataclasses.replace(self, min_length=min(self.min_length, length), max_length=length)

    def batch(self, seed, batch_size, length=None):
        length_seed, bits_seed = split_seed(seed, 2)
        if length is None:
            length = random_integers([], length_seed, self.min_length, self.max_length)
        # Position first: what a position draws does not depend on how many the longest sequence has.
        bits = random_integers([self.max_length, batch_size, BITS], bits_seed, 0, 1)
        bits = tf.cast(tf.transpose(bits, [1, 0, 2]), tf.float32)
        bits *= tf.cast(tf.range(self.max_length) < length, tf.float32)[:, tf.newaxis]

        times = tf.range(self.max_steps)
        steps = 2 * length + 2
        copying = (times >= length + 2) & (times < steps)
        copied_position = tf.where(copying, times - length - 2, 0)
        targets = tf.gather(bits, copied_position, axis=1) * tf.cast(copying, tf.float32)[:, tf.newaxis]

        def channel(on):
            return tf.tile(tf.cast(on, tf.float32)[tf.newaxis, :, tf.newaxis], [batch_size, 1, 1])

        padded_bits = tf.pad(bits, [[0, 0], [1, self.max_steps - self.max_length - 1], [0, 0]])
        inputs = tf.concat([channel(times == 0), padded_bits, channel(times == length + 1)], axis=-1)
        if self.every_step:
            targets = tf.pad(targets, [[0, 0], [0, 0], [1, 1]])
        counted = times < steps if self.every_step else copying
        mask = tf.tile(tf.cast(counted, tf.float32)[tf.newaxis], [batch_size, 1])
        return Batch(inputs, targets, mask, steps, length + 2)
