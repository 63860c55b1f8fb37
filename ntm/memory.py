"""Memory: what a head does where it looks, sections 3.1 and 3.2 of Graves et al. (2014), equations (2) to (4).

Pure functions of tensors. B batch, N memory locations, W memory width, R read heads, Q write heads. The functions on
the transposed memory, [B, W, N], are those that run: N, the larger and rounder number, is the axis that vectorises.
"""

import math

import tensorflow as tf


def read(memory, weightings):
    """Reads one vector a head, the locations' average under its weighting: equation (2).

    Args:
        memory: [B, N, W].
        weightings: [B, R, N].

    Returns:
        Read vectors [B, R, W].
    """
    return read_transposed(tf.linalg.matrix_transpose(memory), weightings)


def write(memory, weightings, erase_vectors, add_vectors):
    """Erases, then adds: equations (3) and (4). With several heads all erase before any adds.

    Args:
        memory: [B, N, W].
        weightings: [B, Q, N].
        erase_vectors: [B, Q, W], each element in [0, 1].
        add_vectors: [B, Q, W].

    Returns:
        Memory [B, N, W].
    """
    transposed = tf.linalg.matrix_transpose(memory)
    return tf.linalg.matrix_transpose(write_transposed(transposed, weightings, erase_vectors, add_vectors))


def read_transposed(memory, weightings):
    """As `read`, of the transposed memory [B, W, N]."""
    return tf.matmul(weightings, memory, transpose_b=True)


def write_transposed(memory, weightings, erase_vectors, add_vectors):
    """As `write`, of and to the transposed memory [B, W, N]."""
    kept = math.prod(tf.unstack(1 - _outer_products(erase_vectors, weightings), axis=1))
    return memory * kept + tf.matmul(add_vectors, weightings, transpose_a=True)


def read_gradient(memory, weightings, d_vectors):
    """The gradients of `read_transposed`'s arguments, memory and weightings, given that of its result."""
    return tf.matmul(d_vectors, weightings, transpose_a=True), tf.matmul(d_vectors, memory)


def write_gradient(memory, weightings, erase_vectors, add_vectors, d_written):
    """The gradients of `write_transposed`'s arguments, given that of its result.

    M = M' + sum over heads of w a^T with M' = M_previous * product over heads of (1 - w e^T). Let M_q be M' without the
    erasing of head q. Then

        dM_previous = dM * product over heads of (1 - w e^T)       dw_q(i) = sum_j dM(i, j) (a_q(j) - e_q(j) M_q(i, j))
        de_q(j) = -sum_i w_q(i) dM(i, j) M_q(i, j)                 da_q(j) = sum_i w_q(i) dM(i, j)

    Returns:
        The gradients of memory, weightings, erase_vectors and add_vectors.
    """
    kept = tf.unstack(1 - _outer_products(erase_vectors, weightings), axis=1)  # Q of [B, W, N]
    d_weightings, d_erase_vectors = [], []
    for head in range(len(kept)):
        unerased = math.prod([memory, *kept[:head], *kept[head + 1 :]])
        erase, add = erase_vectors[:, head, :, tf.newaxis], add_vectors[:, head, :, tf.newaxis]
        d_weightings.append(tf.reduce_sum(d_written * (add - erase * unerased), axis=1))
        d_erase_vectors.append(-tf.matmul(weightings[:, head : head + 1], d_written * unerased, transpose_b=True))
    return (
        math.prod([d_written, *kept]),
        tf.stack(d_weightings, axis=1),
        tf.concat(d_erase_vectors, axis=1),
        tf.matmul(weightings, d_written, transpose_b=True),
    )


def _outer_products(vectors, weightings):
    """[B, Q, W], [B, Q, N] -> [B, Q, W, N]."""
    return vectors[..., tf.newaxis] * weightings[:, :, tf.newaxis, :]
