"""Addressing: where a head looks, section 3.3 of Graves et al. (2014), equations (5) to (9).

Pure functions of tensors. B batch, H heads, N memory locations, W memory width, S shift range.
"""

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
    similarity = tf.einsum("bhw,bnw->bhn", keys, memory)
    similarity *= _inverse_norm(keys)[:, :, tf.newaxis] * _inverse_norm(memory)[:, tf.newaxis, :]
    return tf.nn.softmax(strengths[..., tf.newaxis] * similarity)


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
    reach = offsets // 2
    # One circular padding makes every rotation a slice.
    padded = tf.concat([weightings[..., locations - reach :], weightings, weightings[..., :reach]], axis=-1)
    return tf.add_n(
        [shifts[..., k, tf.newaxis] * padded[..., 2 * reach - k : 2 * reach - k + locations] for k in range(offsets)]
    )


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
    smallest = np.finfo(weightings.dtype.as_numpy_dtype).tiny
    return tf.nn.softmax(sharpness[..., tf.newaxis] * tf.math.log(tf.maximum(weightings, smallest)))


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
    content = content_weighting(memory, keys, strengths)
    gated = interpolate(content, previous_weightings, gates)
    return sharpen(shift(gated, shifts), sharpness)


def _inverse_norm(vectors):
    squared_norm = tf.reduce_sum(tf.square(vectors), axis=-1)
    return tf.math.rsqrt(tf.maximum(squared_norm, _SMALLEST_SQUARED_NORM))
