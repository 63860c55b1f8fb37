"""What every task is: batches of sequences, made from a seed in TensorFlow's graph."""

import abc
from typing import ClassVar, NamedTuple

import tensorflow as tf

# Gives the same integers in eager, graph and compiled code; its floats are not the same, nor is the default generator.
_GENERATOR = "philox"


class Batch(NamedTuple):
    """A batch of sequences of one length, held in tensors that have room for the task's longest."""

    inputs: tf.Tensor  # [B, T, I]
    targets: tf.Tensor  # [B, T, O], each 0 or 1
    mask: tf.Tensor  # [B, T], 1 at the steps whose outputs count
    steps: tf.Tensor  # scalar: how many of the T steps the sequences take; the rest is zeros
    answer_at: tf.Tensor  # scalar: the step at which the answer begins


class Task(abc.ABC):
    """A task, within bounds. Subclasses are frozen dataclasses; their integer fields become options of train.py.

    Raises:
        ValueError: when constructed with a field out of range; the message names it and its value.
    """

    name: ClassVar[str]
    input_size: int  # I
    output_size: int  # O
    max_steps: int  # T, of the longest sequence within the bounds
    max_length: int  # what `batch` may be given as a length
    report_lengths: ClassVar[tuple[int, ...]]  # where train.py and evaluate.py measure errors unless told otherwise

    @abc.abstractmethod
    def batch(self, seed, batch_size, length=None):
        """A batch that the seed settles, the same in eager, graph and compiled code.

        Args:
            seed: [2], integers.
            batch_size: B, a Python integer.
            length: an integer or integer scalar tensor, at most `max_length`; None to draw it within the bounds.

        Returns:
            Batch.
        """

    @abc.abstractmethod
    def reaching(self, length):
        """This task, with its upper bound moved so that `length`, a Python integer, is its longest.

        Raises:
            ValueError: the task has no sequence of that length.
        """


def split_seed(seed, number):
    """That many seeds from one, independent of each other."""
    return tf.unstack(tf.random.split(seed, number, alg=_GENERATOR))


def random_integers(shape, seed, smallest, largest):
    """Integers drawn evenly from `smallest` to `largest`, both included: a tensor of that shape, int32."""
    return tf.random.stateless_uniform(shape, seed, smallest, largest + 1, tf.int32, alg=_GENERATOR)
