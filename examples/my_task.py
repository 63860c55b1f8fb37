"""A task of your own: `python train.py --task=examples/my_task.py:Parity --iterations=3000`."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tasks.sampling import random_vectors
from tasks.task import Batch, Task, option


@dataclasses.dataclass(frozen=True)
class Parity(Task):
    """After each bit, say whether the number of ones so far is odd."""

    min_length: int = option(1, "smallest number of bits")
    max_length: int = option(20, "largest number of bits")

    name: ClassVar[str] = "parity"  # part of a run directory's name: runs/parity-ntm-lstm-seed0
    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 1
    report_sizes: ClassVar[tuple] = ((20,), (40,))  # lengths in the table of errors

    def num_steps(self, length: int | tf.Tensor):
        return length

    def sequences(self, seed: tf.Tensor, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        (length,), (padded_length,) = size, padded_size
        # The sequences of a batch have `length` steps. The arrays have `padded_length` steps, with zeros at the end.
        bits = random_vectors(seed, batch_size, length, padded_length, 1)  # [B, T, 1]
        counts = tf.cast(tf.range(padded_length) < length, tf.float32)  # [T], 1 where the output counts
        parity = tf.math.floormod(tf.cumsum(bits, axis=1), 2.0)
        return Batch(
            inputs=bits,
            targets=parity * counts[:, tf.newaxis],
            mask=tf.tile(counts[tf.newaxis], [batch_size, 1]),
            num_steps=length,
            answer_at=0,  # the step at which figures mark the beginning of the answer
        )
