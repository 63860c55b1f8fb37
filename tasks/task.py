"""The contract of a task: it makes batches of sequences from a seed, in TensorFlow's graph."""

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import tensorflow as tf

from tasks.sampling import Seed, random_integers, split_seed

MAX_STEPS = 2**22  # the upper limit for all tasks: int32 can hold it, but no machine's memory can hold such a sequence


class Batch(NamedTuple):
    """Sequences of one size, padded with zeros to T steps."""

    inputs: tf.Tensor  # [B, T, I]
    targets: tf.Tensor  # [B, T, O], each 0 or 1
    mask: tf.Tensor  # [B, T], 1 at the steps whose outputs count
    num_steps: tf.Tensor  # scalar, int32: steps of each sequence, at most T; all tensors are zero after them
    answer_at: tf.Tensor  # scalar, int32: the step at which the answer begins


def option(default: int | float | bool, text: str):
    """A field of a task that becomes an option of train.py.

    Args:
        default: the default value. Its type is the option's type.
        text: the help text of the option.
    """
    return dataclasses.field(default=default, metadata={"help": text})


class Task(abc.ABC):
    """A task whose sequences have sizes within bounds.

    A size is a tuple of integers, which `size_names` names. Subclasses are frozen dataclasses. For each name they have
    the fields min_NAME and max_NAME. Each batch draws its size uniformly between these bounds. Each field that
    is made with `option` becomes an option of train.py.

    Raises:
        ValueError: a field is out of range; the message names the field and its value.
    """

    name: ClassVar[str]
    source: ClassVar[str | None] = None  # FILE:CLASS of a class that was loaded from a file
    size_names: ClassVar[tuple[str, ...]] = ("length",)
    smallest: ClassVar[int] = 1  # the smallest number that a size may contain
    input_size: ClassVar[int]  # I
    output_size: ClassVar[int]  # O

    def __post_init__(self):
        for name in self.size_names:
            low, high = self._bounds(name)
            if low < self.smallest:
                raise ValueError(f"min_{name}={low} must be at least {self.smallest}")
            if high < low:
                raise ValueError(f"max_{name}={high} is below min_{name}={low}")
        if self.num_steps(*self.largest) > MAX_STEPS:
            bounds = " and ".join(f"max_{name}={number}" for name, number in zip(self.size_names, self.largest))
            raise ValueError(f"{bounds}: sequences have {self.num_steps(*self.largest)} steps, more than {MAX_STEPS}")

    @abc.abstractmethod
    def num_steps(self, *size: int | tf.Tensor) -> int | tf.Tensor:
        """The number of steps of a sequence.

        Args:
            *size: the numbers of a size, integers or integer scalar tensors.

        Returns:
            An integer, or an integer scalar tensor if the size is given in tensors.
        """

    @abc.abstractmethod
    def sequences(self, seed: Seed, batch_size: int, size: tuple, padded_size: tuple) -> Batch:
        """Makes a batch of sequences of one size.

        Args:
            seed: [2], integers.
            batch_size: B, a Python integer.
            size: a tuple of integers or integer scalar tensors, at most `padded_size`.
            padded_size: a tuple of Python integers. T is `num_steps(*padded_size)`.
        """

    def optimal_bits(self, batch: Batch) -> tf.Tensor:
        """The lowest achievable cost of each sequence, in bits: [B]. It is 0 unless a subclass overrides this."""
        return tf.zeros_like(batch.mask[:, 0])

    @classmethod
    def identifier(cls) -> str:
        """What --task and config.json call the task: its name, or FILE:CLASS if it was loaded from a file."""
        return cls.source or cls.name

    def check(self, size: tuple):
        """Raises ValueError if no sequence can have this size."""
        if len(size) != len(self.size_names):
            raise ValueError(f"a size of {self.name} has the form {' x '.join(self.size_names)}")
        if min(size) < self.smallest:
            raise ValueError(f"each number in a size of {self.name} must be at least {self.smallest}")
        if self.num_steps(*size) > MAX_STEPS:
            raise ValueError(f"a sequence has {self.num_steps(*size)} steps, more than {MAX_STEPS}")

    @property
    def largest(self) -> tuple:
        """The upper bounds of the size, in the order of `size_names`."""
        return tuple(self._bounds(name)[1] for name in self.size_names)

    @property
    def report_sizes(self) -> tuple:
        """The sizes at which train.py and evaluate.py measure errors by default."""
        return (self.largest,)

    def batch(
        self, seed: Seed, batch_size: int, size: tuple | tf.Tensor | int | None = None, padded_size: tuple | None = None
    ) -> Batch:
        """Makes the batch that a seed determines. It is the same in eager, graph and compiled code.

        Args:
            seed: [2], integers.
            batch_size: B.
            size: the size of all sequences: a tuple of integers, an integer tensor, or one integer if a size has one
                number. It is at most `padded_size`. None draws it uniformly within the bounds.
            padded_size: a tuple of Python integers, by default `largest`. T is `num_steps(*padded_size)`.
        """
        *size_seeds, contents_seed = split_seed(seed, len(self.size_names) + 1)
        if size is None:
            size = [random_integers([], seed, *self._bounds(name)) for name, seed in zip(self.size_names, size_seeds)]
        else:
            size = tf.unstack(tf.reshape(size, [len(self.size_names)]))
        return self.sequences(contents_seed, batch_size, tuple(size), padded_size or self.largest)

    def _bounds(self, name):
        return getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
