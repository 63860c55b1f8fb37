"""Memory: what a head does where it looks, sections 3.1 and 3.2 of Graves et al. (2014), equations (2) to (4).

Pure functions of tensors. B batch, N memory locations, W memory width, R read heads, Q write heads.
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
    return tf.einsum("brn,bnw->brw", weightings, memory)


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
    erased = weightings[..., tf.newaxis] * erase_vectors[:, :, tf.newaxis, :]  # [B, Q, N, W]
    kept = math.prod(tf.unstack(1 - erased, axis=1))
    return memory * kept + tf.einsum("bqn,bqw->bnw", weightings, add_vectors)


def read_gradient(memory, weightings, d_vectors):
    """The gradients of `read`'s arguments, memory and weightings, given that of its result."""
    return tf.einsum("brn,brw->bnw", weightings, d_vectors), tf.einsum("brw,bnw->brn", d_vectors, memory)


def write_gradient(memory, weightings, erase_vectors, add_vectors, d_written):
    """The gradients of `write`'s arguments, given that of its result.

    M = M_previous * product over heads of (1 - w e^T) + sum over heads of w a^T, so that of head q's erasing

        d(w_q e_q^T) = -dM * M_previous * product over the other heads of (1 - w e^T)

    Returns:
        The gradients of memory, weightings, erase_vectors and add_vectors.
    """
    remaining = tf.unstack(1 - weightings[..., tf.newaxis] * erase_vectors[:, :, tf.newaxis, :], axis=1)
    d_erased = tf.stack(
        [
            -math.prod([d_written, memory, *remaining[:head], *remaining[head + 1 :]])
            for head in range(len(remaining))
        ],
        axis=1,
    )  # [B, Q, N, W]
    d_weightings = tf.einsum("bqnw,bqw->bqn", d_erased, erase_vectors)
    d_weightings += tf.einsum("bnw,bqw->bqn", d_written, add_vectors)
    d_erase_vectors = tf.einsum("bqnw,bqn->bqw", d_erased, weightings)
    d_add_vectors = tf.einsum("bnw,bqn->bqw", d_written, weightings)
    return math.prod([d_written, *remaining]), d_weightings, d_erase_vectors, d_add_vectors
