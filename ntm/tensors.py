"""Small functions that reshape, cut and select tensors, or structures of tensors. The modules of ntm share them.

A structure is a nest of tuples, such as a NamedTuple of tensors.
"""

import tensorflow as tf


def swap_batch_and_time(tensor):
    """[B, T, ...] -> [T, B, ...], and back."""
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])


def leading_size(tensor):
    """The size of a tensor's first axis: a Python integer if it is known, otherwise a scalar tensor."""
    return tensor.shape[0] or tf.shape(tensor)[0]


def pad_with_zeros(tensor, padding: int | tf.Tensor):
    """Appends `padding` zeros to a tensor's first axis. None stays None."""
    return None if tensor is None else tf.pad(tensor, [[0, padding], *[[0, 0]] * (tensor.shape.rank - 1)])


def cut(structure, start: int | tf.Tensor, length: int):
    """tensor[start : start + length] for every tensor. XLA need not know the value of `start` when it compiles."""

    def cut_tensor(tensor):
        begin = [start] + [0] * (tensor.shape.rank - 1)
        return tf.slice(tensor, begin, tf.concat([[length], tf.shape(tensor)[1:]], 0))

    return tf.nest.map_structure(cut_tensor, structure)


def merge_steps_and_batch(structure):
    """[C, B, ...] -> [C*B, ...] for every tensor: the steps become parts of a larger batch."""
    return tf.nest.map_structure(lambda tensor: tf.reshape(tensor, [-1, *tensor.shape[2:]]), structure)


def split_steps_and_batch(structure, steps: int | tf.Tensor):
    """[C*B, ...] -> [C, B, ...] for every tensor, where C is `steps`."""
    return tf.nest.map_structure(lambda tensor: tf.reshape(tensor, [steps, -1, *tensor.shape[1:]]), structure)


def select(condition, chosen, otherwise):
    """`chosen` for the sequences where `condition`, [B], is true, and `otherwise` for the others."""

    def select_tensor(chosen, otherwise):
        return tf.where(tf.reshape(condition, [-1] + [1] * (chosen.shape.rank - 1)), chosen, otherwise)

    return tf.nest.map_structure(select_tensor, chosen, otherwise)


def zeros_like(structure):
    """Zeros in the shapes of a structure."""
    return tf.nest.map_structure(tf.zeros_like, structure)


def summed_outer_product(left, right):
    """Sums the outer products of [T, B, X] and [T, B, Y] over steps and batch, as one matrix product: [X, Y]."""
    left, right = (tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in (left, right))
    return tf.matmul(left, right, transpose_a=True)


def flatten_vectors(vectors):
    """[..., R, W] -> [..., R*W]."""
    shape = tf.concat([tf.shape(vectors)[:-2], [vectors.shape[-2] * vectors.shape[-1]]], 0)
    return tf.reshape(vectors, shape)
