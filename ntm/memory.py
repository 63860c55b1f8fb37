"""Memory: reading and writing. Sections 3.1 and 3.2 of Graves et al. (2014), equations (2) to (4).

Pure functions of tensors. `read` and `write` also take NumPy arrays. In the shapes, B is the batch size, N the number
of memory locations, W the memory width, R the number of read heads and Q the number of write heads.

The NTM itself runs on the transposed memory, [B, W, N]. The last axis is then N. The processor's vector instructions
work along the last axis, and N is usually the largest size and often a power of two.
"""

import math

import tensorflow as tf

from ntm.checks import checked_tensors


def read(memory, weightings):
    """Reads one vector for each head, the average of the locations under the head's weighting: equation (2).

    Args:
        memory: [B, N, W].
        weightings: [B, R, N].

    Returns:
        Read vectors [B, R, W].

    Raises:
        ValueError: an argument has the wrong shape.
    """
    memory, weightings = checked_tensors(memory=(memory, "B N W"), weightings=(weightings, "B R N"))
    return read_transposed(tf.linalg.matrix_transpose(memory), weightings)


def write(memory, weightings, erase_vectors, add_vectors):
    """Erases, then adds: equations (3) and (4). With several heads, all of them erase before any of them adds.

    Args:
        memory: [B, N, W].
        weightings: [B, Q, N].
        erase_vectors: [B, Q, W], each element in [0, 1].
        add_vectors: [B, Q, W].

    Returns:
        Memory [B, N, W].

    Raises:
        ValueError: an argument has the wrong shape.
    """
    memory, weightings, erase_vectors, add_vectors = checked_tensors(
        memory=(memory, "B N W"),
        weightings=(weightings, "B Q N"),
        erase_vectors=(erase_vectors, "B Q W"),
        add_vectors=(add_vectors, "B Q W"),
    )
    cells = tf.linalg.matrix_transpose(memory)
    return tf.linalg.matrix_transpose(write_transposed(cells, weightings, erase_vectors, add_vectors))


def read_transposed(cells, weightings):
    """`read` from a transposed memory [B, W, N]."""
    return tf.matmul(weightings, cells, transpose_b=True)


def write_transposed(cells, weightings, erase_vectors, add_vectors):
    """`write` to a transposed memory [B, W, N]. Returns the new transposed memory."""
    kept = math.prod(kept_shares(weightings, erase_vectors))
    return cells * kept + tf.matmul(add_vectors, weightings, transpose_a=True)


def kept_shares(weightings, erase_vectors):
    """The share of each memory cell that each write head leaves, 1 - w(i) e(j): a list of Q tensors [B, W, N]."""
    erased = erase_vectors[..., tf.newaxis] * weightings[:, :, tf.newaxis, :]
    return tf.unstack(1 - erased, axis=1)
