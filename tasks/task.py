"""What every task is: batches of sequences, made from a seed in TensorFlow's graph."""

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import tensorflow as tf

# Gives the same integers in eager, graph and compiled code; its floats are not the same, nor is the default generator.
_GENERATOR = "philox"
MOST_STEPS = 2**22  # of a sequence: far beyond any memory, well within an int32


class Batch(NamedTuple):
    """A batch of sequences of one size, held in tensors that may have room for larger ones."""

    inputs: tf.Tensor  # [B, T, I]
    targets: tf.Tensor  # [B, T, O], each 0 or 1
    mask: tf.Tensor  # [B, T], 1 at the steps whose outputs count
    steps: tf.Tensor  # scalar: how many of the T steps the sequences take; the rest is zeros
    answer_at: tf.Tensor  # scalar: the step at which the answer begins


class Task(abc.ABC):
    """A task, within bounds.

    A sequence has a size: one number or several, which `sizes` names. Subclasses are frozen dataclasses with fields
    min_NAME and max_NAME for each, between which batches draw it evenly; their integer fields become options of
    train.py.

    Raises:
        ValueError: when constructed with a field out of range; the message names it and its value.
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]] = ("length",)
    smallest: ClassVar[int] = 1  # number in a size of which there is a sequence
    input_size: ClassVar[int]  # I
    output_size: ClassVar[int]  # O

    def __post_init__(self):
        for size in self.sizes:
            low, high = self._bounds(size)
            if low < self.smallest:
                raise ValueError(f"min_{size}={low} must be at least {self.smallest}")
            if high < low:
                raise ValueError(f"max_{size}={high} is below min_{size}={low}")
        if self.steps(*self.largest) > MOST_STEPS:
            bounds = " and ".join(f"max_{name}={number}" for name, number in zip(self.sizes, self.largest))
            raise ValueError(f"{bounds}: sequences of {self.steps(*self.largest)} steps, more than {MOST_STEPS}")

    def check(self, size):
        """Raises ValueError if there is no sequence of that size, a tuple of integers."""
        if len(size) != len(self.sizes):
            raise ValueError(f"a size of {self.name} is {' x '.join(self.sizes)}")
        if min(size) < self.smallest:
            raise ValueError(f"{self.name} begins at {self.smallest}")
        if self.steps(*size) > MOST_STEPS:
            raise ValueError(f"a sequence of {self.steps(*size)} steps, more than {MOST_STEPS}")

    @classmethod
    def fields(cls):
        """The names of what it is constructed with."""
        return {field.name for field in dataclasses.fields(cls)}

    @property
    def largest(self):
        """The upper bounds, a tuple as `sizes` names them."""
        return tuple(self._bounds(size)[1] for size in self.sizes)

    @property
    def report_sizes(self):
        """The sizes, tuples, at which train.py and evaluate.py measure errors unless told otherwise."""
        return (self.largest,)

    def _bounds(self, size):
        return getattr(self, f"min_{size}"), getattr(self, f"max_{size}")

    @abc.abstractmethod
    def steps(self, *size):
        """How many steps a sequence of that size takes: an integer, or a tensor if the size is given in tensors."""

    @abc.abstractmethod
    def sequences(self, seed, batch_size, size, room):
        """The sequences of a batch; arguments as those of `batch`, but both sizes tuples. Returns Batch."""

    def batch(self, seed, batch_size, size=None, room=None):
        """A batch that the seed settles, the same in eager, graph and compiled code.

        Args:
            seed: [2], integers.
            batch_size: B, a Python integer.
            size: of all its sequences, integers or an integer tensor, not larger than `room`; a single one need not be
                in a list. None to draw it within the bounds.
            room: a size of Python integers, by default `largest`: T is `steps(*room)`.

        Returns:
            Batch.
        """
        *size_seeds, contents_seed = split_seed(seed, len(self.sizes) + 1)
        if size is None:
            size = [random_integers([], seed, *self._bounds(name)) for name, seed in zip(self.sizes, size_seeds)]
        else:
            size = tf.unstack(tf.reshape(size, [len(self.sizes)]))
        return self.sequences(contents_seed, batch_size, tuple(size), room or self.largest)

    def least_bits(self, batch):
        """What a batch's sequences cost, in bits, whoever predicts them as well as can be: [B]. 0 if not overridden."""
        return tf.zeros_like(batch.mask[:, 0])


def split_seed(seed, number):
    """That many seeds from one, independent of each other."""
    return tf.unstack(tf.random.split(seed, number, alg=_GENERATOR))


def random_integers(shape, seed, smallest, largest):
    """Integers drawn evenly from `smallest` to `largest`, both included: a tensor of that shape, int32."""
    return tf.random.stateless_uniform(shape, seed, smallest, largest + 1, tf.int32, alg=_GENERATOR)


def random_vectors(seed, batch_size, number, room, bits):
    """Vectors of random bits: [B, room, bits], float32, the first `number` of each row drawn and the rest zeros."""
    # Position first: what a position draws does not depend on how many there is room for.
    vectors = random_integers([room, batch_size, bits], seed, 0, 1)
    vectors = tf.cast(tf.transpose(vectors, [1, 0, 2]), tf.float32)
    return vectors * tf.cast(tf.range(room) < number, tf.float32)[:, tf.newaxis]


def at_steps(chosen, batch_size, value=1.0):
    """A channel [B, T] that has a value where `chosen`, booleans [T], is true, and 0 elsewhere."""
    return tf.tile(tf.where(chosen, tf.cast(value, tf.float32), 0.0)[tf.newaxis], [batch_size, 1])


def channels(*parts):
    """Channels [B, T] and vectors [B, T, C] side by side: [B, T, ...]."""
    return tf.concat([part if part.shape.rank == 3 else part[..., tf.newaxis] for part in parts], axis=-1)


def place(vectors, start, steps):
    """Vectors [B, K, C] as steps `start` and on, a Python integer, of [B, steps, C]; the rest is zeros."""
    return tf.pad(vectors, [[0, 0], [start, steps - start - vectors.shape[1]], [0, 0]])


def answer(vectors, positions, chosen):
    """Targets [B, T, C]: at step t, of vectors [B, K, C] that at positions[t], or zeros where not chosen[t]."""
    return tf.gather(vectors, tf.where(chosen, positions, 0), axis=1) * tf.cast(chosen, tf.float32)[:, tf.newaxis]
