"""Addressing: where a head looks, section 3.3 of Graves et al. (2014), equations (5) to (9).

Pure functions of tensors. B batch, H heads, N memory locations, W memory width, S shift range.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Squared norms below this count as this, so that an all-zero key or location has similarity 0 to everything.
_SMALLEST_SQUARED_NORM = 1e-12


def content_weighting(memory, keys, strengths):
    """Weights locations by the cosine similarity of their content to a key: equations (5) and (6).

    Args:
        memory: [B, N, W], M.
        keys: [B, H, W], k.
        strengths: [B, H], beta >= 0.

    Returns:
        Weightings [B, H, N].
    """
    similarities, _ = _cosine_similarities(tf.linalg.matrix_transpose(memory), keys)
    return tf.nn.softmax(strengths[..., tf.newaxis] * similarities)


def interpolate(content_weightings, previous_weightings, gates):
    """Blends the content weighting with the head's previous weighting: equation (7).

    Args:
        content_weightings: [B, H, N], w^c.
        previous_weightings: [B, H, N], w of the step before.
        gates: [B, H], g in [0, 1]; 0 keeps the previous weighting.

    Returns:
        Weightings [B, H, N].
    """
    gates = gates[..., tf.newaxis]
    return gates * content_weightings + (1 - gates) * previous_weightings


def shift(weightings, shifts):
    """Rotates each weighting by its shift distribution, a circular convolution: equation (8).

    Args:
        weightings: [B, H, N], w^g.
        shifts: [B, H, 2S+1], s, over the offsets -S to +S in that order. Offset +1 moves the weight of location i
            to location i+1, and that of the last location to the first.

    Returns:
        Weightings [B, H, N].

    Raises:
        ValueError: the number of offsets is even or exceeds N.
    """
    offsets, locations = shifts.shape[-1], weightings.shape[-1]
    if offsets % 2 == 0 or offsets > locations:
        raise ValueError(f"{offsets} shifts must be odd in number and at most the {locations} memory locations")
    rotations = _rotations(weightings, offsets)
    return tf.add_n([shifts[..., k, tf.newaxis] * rotated for k, rotated in enumerate(rotations)])


def sharpen(weightings, sharpness):
    """Raises each weighting to a power and normalises it again: equation (9).

    Differs from the paper: w^gamma / sum(w^gamma) is computed as softmax(gamma log w), the same expression, which
    cannot underflow to 0/0.

    Args:
        weightings: [B, H, N], not negative.
        sharpness: [B, H], gamma >= 1.

    Returns:
        Weightings [B, H, N].
    """
    return tf.nn.softmax(sharpness[..., tf.newaxis] * tf.math.log(tf.maximum(weightings, _smallest(weightings))))


class AddressingStages(NamedTuple):
    """What `address` computes on its way, each [B, H, N] unless said otherwise."""

    inverse_norms: tf.Tensor  # [B, 1, N], 1 / |M(i)|
    similarities: tf.Tensor  # cosine similarity of key and location, equation (6)
    content: tf.Tensor  # w^c, equation (5)
    gated: tf.Tensor  # w^g, equation (7)
    shifted: tf.Tensor  # w~, equation (8)
    weightings: tf.Tensor  # w, equation (9)


def address(memory, previous_weightings, keys, strengths, gates, shifts, sharpness):
    """The whole of Figure 2: content, interpolation, shift, sharpening; equations (5) to (9).

    Args:
        memory: [B, N, W].
        previous_weightings: [B, H, N].
        keys: [B, H, W].
        strengths, gates, sharpness: [B, H].
        shifts: [B, H, 2S+1].

    Returns:
        Weightings [B, H, N].
    """
    transposed = tf.linalg.matrix_transpose(memory)
    return address_in_stages(transposed, previous_weightings, keys, strengths, gates, shifts, sharpness).weightings


def address_in_stages(memory, previous_weightings, keys, strengths, gates, shifts, sharpness):
    """As `address`, but of the transposed memory [B, W, N]; returns AddressingStages."""
    similarities, inverse_norms = _cosine_similarities(memory, keys)
    content = tf.nn.softmax(strengths[..., tf.newaxis] * similarities)
    gated = interpolate(content, previous_weightings, gates)
    shifted = shift(gated, shifts)
    return AddressingStages(inverse_norms, similarities, content, gated, shifted, sharpen(shifted, sharpness))


def address_gradient(stages, memory, previous_weightings, keys, strengths, gates, shifts, sharpness, d_weightings):
    """The gradients of `address_in_stages`'s arguments, given its stages and the gradient of the last.

    Backwards through Figure 2, with <x, y> the sum over locations. A softmax y = softmax(x) has dx = y (dy - <y, dy>).

        sharpen      w = softmax(gamma log w~)             dw~ = gamma dx / w~          dgamma = <dx, log w~>
        shift        w~(i) = sum_k s(k) w^g(i - k)         dw^g(i) = sum_k s(k) dw~(i + k)
                                                           ds(k) = <dw~, w^g rotated by k>
        interpolate  w^g = g w^c + (1 - g) w_previous      dg = <dw^g, w^c - w_previous>
        content      w^c = softmax(beta K)                 dK = beta dx                 dbeta = <dx, K>
                     K(i) = k . M(i) / |k||M(i)|           dk = sum_i dK(i) (M(i) / |k||M(i)| - K(i) k / |k|^2)
                                                           dM(i) = dK(i) (k / |k||M(i)| - K(i) M(i) / |M(i)|^2)

    A norm below the smallest counts as that in K but not in the terms of dk and dM that come from it: of a vector that
    short they are next to nothing, of a zero vector nothing.

    Returns:
        The gradients of memory, previous_weightings, keys, strengths, gates, shifts and sharpness.
    """
    d_logits = _softmax_gradient(stages.weightings, d_weightings)
    smallest = _smallest(stages.shifted)
    log_shifted = tf.math.log(tf.maximum(stages.shifted, smallest))
    d_sharpness = _sum(d_logits * log_shifted)
    d_shifted = tf.where(
        stages.shifted > smallest, sharpness[..., tf.newaxis] * d_logits / stages.shifted, tf.zeros_like(d_logits)
    )
    offsets = shifts.shape[-1]
    d_shifts = tf.stack([_sum(d_shifted * rotated) for rotated in _rotations(stages.gated, offsets)], axis=-1)
    d_gated = shift(d_shifted, tf.reverse(shifts, [-1]))
    d_gates = _sum(d_gated * (stages.content - previous_weightings))
    gates = gates[..., tf.newaxis]
    d_previous_weightings = (1 - gates) * d_gated
    d_logits = _softmax_gradient(stages.content, gates * d_gated)
    d_strengths = _sum(d_logits * stages.similarities)
    d_similarities = strengths[..., tf.newaxis] * d_logits
    inverse_key_norms = _inverse_norms(keys, axis=-1)
    d_products = d_similarities * inverse_key_norms * stages.inverse_norms
    weighted = d_similarities * stages.similarities
    d_keys = tf.einsum("bhn,bwn->bhw", d_products, memory)
    d_keys -= keys * tf.square(inverse_key_norms) * _sum(weighted)[..., tf.newaxis]
    shrink = tf.square(stages.inverse_norms) * tf.reduce_sum(weighted, axis=1, keepdims=True)  # [B, 1, N]
    d_memory = tf.einsum("bhw,bhn->bwn", keys, d_products) - memory * shrink
    return d_memory, d_previous_weightings, d_keys, d_strengths, d_gates, d_shifts, d_sharpness


def _rotations(weightings, offsets):
    """The weightings rotated by each offset of -S to +S: a list of [B, H, N]."""
    reach, locations = offsets // 2, weightings.shape[-1]
    # One circular padding makes every rotation a slice.
    padded = tf.concat([weightings[..., locations - reach :], weightings, weightings[..., :reach]], axis=-1)
    return [padded[..., offsets - 1 - k : offsets - 1 - k + locations] for k in range(offsets)]


def _softmax_gradient(results, d_results):
    return results * (d_results - _sum(results * d_results)[..., tf.newaxis])


def _sum(values):
    return tf.reduce_sum(values, axis=-1)


def _smallest(values):
    return np.finfo(values.dtype.as_numpy_dtype).tiny


def _cosine_similarities(memory, keys):
    """Similarities [B, H, N] of keys to the transposed memory [B, W, N], and its inverse norms [B, 1, N]."""
    inverse_norms = _inverse_norms(memory, axis=1)
    return tf.matmul(keys, memory) * inverse_norms * _inverse_norms(keys, axis=-1), inverse_norms


def _inverse_norms(vectors, axis):
    squared_norm = tf.reduce_sum(tf.square(vectors), axis=axis, keepdims=True)
    return tf.math.rsqrt(tf.maximum(squared_norm, _SMALLEST_SQUARED_NORM))
