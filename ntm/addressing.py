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
    return _match(_similarities(memory, keys), strengths)


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
    rotations = _rotations(_pad_circularly(weightings, offsets // 2), offsets)
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
    similarities = _similarities(memory, keys)
    return address_in_stages(similarities, previous_weightings, strengths, gates, shifts, sharpness).weightings


def inverse_norms(memory):
    """1 / |M(i)|, [B, 1, N], of the transposed memory [B, W, N]."""
    return _inverse_norms(memory, axis=1)


def cosine_similarities(memory, norms, keys):
    """Similarities K [B, H, N] of keys [B, H, W] to the transposed memory [B, W, N]: equation (6).

    `norms` are the memory's `inverse_norms`: a memory that is looked at twice need not be measured twice.
    """
    return tf.matmul(keys, memory) * norms * _inverse_norms(keys, axis=-1)


class AddressingStages(NamedTuple):
    """What `address` computes on its way, each [B, H, N]."""

    content: tf.Tensor  # w^c, equation (5)
    gated: tf.Tensor  # w^g, equation (7)
    shifted: tf.Tensor  # w~, equation (8)
    weightings: tf.Tensor  # w, equation (9)


def address_in_stages(similarities, previous_weightings, strengths, gates, shifts, sharpness):
    """As `address`, from the similarities on; returns AddressingStages."""
    content = _match(similarities, strengths)
    gated = interpolate(content, previous_weightings, gates)
    shifted = shift(gated, shifts)
    return AddressingStages(content, gated, shifted, sharpen(shifted, sharpness))


class AddressingSlopes(NamedTuple):
    """What `address_gradient` multiplies with: all of it known before any gradient is. See there for the symbols."""

    sharpened: tf.Tensor  # [B, H, 2, N]: w; w (log w~ - <w, log w~>)
    sharpening: tf.Tensor  # [B, H, N], gamma w / w~
    gated: tf.Tensor  # [B, H, N + 2S], w^g padded circularly
    shifts: tf.Tensor  # [B, H, 2S+1], s
    interpolated: tf.Tensor  # [B, H, 3, N]: w^c; w^c - w'; g w^c (K - <w^c, K>)
    keeping: tf.Tensor  # [B, H], 1 - g
    matching: tf.Tensor  # [B, H, N], beta g w^c / |k||M(i)|
    projections: tf.Tensor  # [B, H, N], k . M(i) / |M(i)|^2
    keys: tf.Tensor  # [B, H, W], k
    key_shrink: tf.Tensor  # [B, H], beta / |k|^2


def address_slopes(norms, similarities, previous_weightings, weightings, keys, strengths, gates, shifts, sharpness):
    """The AddressingSlopes where `address` led to these weightings [B, H, N].

    Args:
        norms: [B, 1, N], the memory's `inverse_norms`.
        similarities: [B, H, N], its `cosine_similarities` to the keys.
        previous_weightings, keys, strengths, gates, shifts, sharpness: as for `address`.
    """
    stages = address_in_stages(similarities, previous_weightings, strengths, gates, shifts, sharpness)
    content = stages.content
    smallest = _smallest(stages.shifted)
    log_shifted = tf.math.log(tf.maximum(stages.shifted, smallest))
    inverse_key_norms = _inverse_norms(keys, axis=-1)
    gated_content = gates[..., tf.newaxis] * content
    return AddressingSlopes(
        sharpened=tf.stack([weightings, weightings * (log_shifted - _mean(weightings, log_shifted))], axis=2),
        sharpening=tf.where(
            stages.shifted > smallest,
            sharpness[..., tf.newaxis] * weightings / stages.shifted,
            tf.zeros_like(weightings),
        ),
        gated=_pad_circularly(stages.gated, shifts.shape[-1] // 2),
        shifts=shifts,
        interpolated=tf.stack(
            [
                content,
                content - previous_weightings,
                gated_content * (similarities - _mean(content, similarities)),
            ],
            axis=2,
        ),
        keeping=1 - gates,
        matching=strengths[..., tf.newaxis] * gated_content * norms * inverse_key_norms,
        projections=similarities * norms / inverse_key_norms,
        keys=keys,
        key_shrink=strengths * tf.square(inverse_key_norms[..., 0]),
    )


def address_gradient(slopes, memory, d_weightings):
    """The gradients of `address`'s arguments, given that of its result.

    Backwards through Figure 2; <x, y> is the sum over locations, w' the previous weighting. A softmax y = softmax(x)
    has dx = y (dy - <y, dy>). Every gradient is linear in the one that it follows from, so each sum is the product of
    that one with a row that is known beforehand:

        sharpen      w = softmax(gamma log w~)        dw~ = gamma w / w~ (dw - <w, dw>)
                                                      dgamma = <w (log w~ - <w, log w~>), dw>
        shift        w~(i) = sum_k s(k) w^g(i - k)    dw^g(i) = sum_k s(k) dw~(i + k)
                                                      ds(k) = <w^g rotated by k, dw~>
        interpolate  w^g = g w^c + (1 - g) w'         dw' = (1 - g) dw^g
                                                      dg = <w^c - w', dw^g>
        content      w^c = softmax(beta K)            dbeta = <g w^c (K - <w^c, K>), dw^g>
                     K(i) = k . M(i) / |k||M(i)|      p(i) = beta g w^c(i) / |k||M(i)| (dw^g(i) - <w^c, dw^g>)
                                                      dM(i) = p(i) (k - M(i) k . M(i) / |M(i)|^2)
                                                      dk = sum_i p(i) M(i) - k beta dbeta / |k|^2

    A norm below 1e-6 counts as that, and the terms of dk and dM that come from how it changes are left in: the gradient
    of a key or location shorter than that is approximate, that of a zero one is exact.

    Args:
        slopes: AddressingSlopes.
        memory: [B, W, N], transposed.
        d_weightings: [B, H, N].

    Returns:
        The gradients of memory, previous_weightings, keys, strengths, gates, shifts and sharpness.
    """
    mean, d_sharpness = tf.unstack(tf.linalg.matvec(slopes.sharpened, d_weightings), axis=2)
    d_shifted = slopes.sharpening * (d_weightings - mean[..., tf.newaxis])
    d_shifts = tf.linalg.matvec(tf.stack(_rotations(slopes.gated, slopes.shifts.shape[-1]), axis=2), d_shifted)
    d_gated = shift(d_shifted, tf.reverse(slopes.shifts, [-1]))
    mean, d_gates, d_strengths = tf.unstack(tf.linalg.matvec(slopes.interpolated, d_gated), axis=2)
    d_previous_weightings = slopes.keeping[..., tf.newaxis] * d_gated
    d_products = slopes.matching * (d_gated - mean[..., tf.newaxis])  # p
    shrink = tf.reduce_sum(d_products * slopes.projections, axis=1, keepdims=True)  # [B, 1, N]
    d_memory = tf.matmul(slopes.keys, d_products, transpose_a=True) - memory * shrink
    d_keys = tf.matmul(d_products, memory, transpose_b=True)
    d_keys -= slopes.keys * (slopes.key_shrink * d_strengths)[..., tf.newaxis]
    return d_memory, d_previous_weightings, d_keys, d_strengths, d_gates, d_shifts, d_sharpness


def _pad_circularly(weightings, reach):
    """[B, H, N] -> [B, H, N + 2 reach], so that every rotation by up to `reach` is a slice."""
    return tf.concat([weightings[..., weightings.shape[-1] - reach :], weightings, weightings[..., :reach]], axis=-1)


def _rotations(padded, offsets):
    """The weightings rotated by each offset of -S to +S, given padded circularly by S: a list of [B, H, N]."""
    locations = padded.shape[-1] - offsets + 1
    return [padded[..., offsets - 1 - k : offsets - 1 - k + locations] for k in range(offsets)]


def _mean(weightings, values):
    """<w, values>, [B, H, 1]."""
    return tf.reduce_sum(weightings * values, axis=-1, keepdims=True)


def _smallest(values):
    return np.finfo(values.dtype.as_numpy_dtype).tiny


def _similarities(memory, keys):
    """`cosine_similarities` of keys to a memory [B, N, W]."""
    transposed = tf.linalg.matrix_transpose(memory)
    return cosine_similarities(transposed, inverse_norms(transposed), keys)


def _match(similarities, strengths):
    return tf.nn.softmax(strengths[..., tf.newaxis] * similarities)


def _inverse_norms(vectors, axis):
    squared_norm = tf.reduce_sum(tf.square(vectors), axis=axis, keepdims=True)
    return tf.math.rsqrt(tf.maximum(squared_norm, _SMALLEST_SQUARED_NORM))
