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
