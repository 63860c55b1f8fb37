"""Addressing: where a head looks. Section 3.3 of Graves et al. (2014), equations (5) to (9).

Pure functions of tensors. `address`, `content_weighting`, `interpolate`, `shift` and `sharpen` also take NumPy arrays.
In the shapes, B is the batch size, H the number of heads, N the number of memory locations, W the memory width and S
the shift range. The derivatives of these functions are in derivatives.py.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ntm.checks import checked_tensors

# A squared norm below this value counts as this value: an all-zero key or location then has similarity 0 to everything.
_SMALLEST_SQUARED_NORM = 1e-12


class AddressingParameters(NamedTuple):
    """Where each head is told to look. The fields are in the order of Figure 2."""

    keys: tf.Tensor  # [B, H, W], k
    strengths: tf.Tensor  # [B, H], beta >= 0
    gates: tf.Tensor  # [B, H], g in [0, 1]; 0 keeps the previous weighting
    shifts: tf.Tensor  # [B, H, 2S+1], s: a distribution over the offsets -S to +S, in this order
    sharpness: tf.Tensor  # [B, H], gamma >= 1


class AddressingStages(NamedTuple):
    """The four weightings of Figure 2, each [B, H, N]."""

    content: tf.Tensor  # w^c, equation (5)
    gated: tf.Tensor  # w^g, equation (7)
    shifted: tf.Tensor  # w~, equation (8)
    weightings: tf.Tensor  # w, equation (9)


def address(memory, previous_weightings, parameters):
    """Finds the heads' weightings: the whole of Figure 2, equations (5) to (9).

    Args:
        memory: [B, N, W].
        previous_weightings: [B, H, N].
        parameters: AddressingParameters.

    Returns:
        Weightings [B, H, N].

    Raises:
        ValueError: an argument has the wrong shape, or the number of offsets is even or exceeds N.
    """
    memory, previous_weightings, keys, strengths, gates, shifts, sharpness = checked_tensors(
        memory=(memory, "B N W"),
        previous_weightings=(previous_weightings, "B H N"),
        keys=(parameters.keys, "B H W"),
        strengths=(parameters.strengths, "B H"),
        gates=(parameters.gates, "B H"),
        shifts=(parameters.shifts, "B H 2S+1"),
        sharpness=(parameters.sharpness, "B H"),
    )
    _check_offsets(previous_weightings, shifts)
    similarities = _similarities(memory, keys)
    parameters = AddressingParameters(keys=keys, strengths=strengths, gates=gates, shifts=shifts, sharpness=sharpness)
    return addressing_stages(similarities, previous_weightings, parameters).weightings


def addressing_stages(similarities, previous_weightings, parameters):
    """Computes the four weightings of Figure 2, stage by stage.

    Args:
        similarities: [B, H, N], the `cosine_similarities` of the keys to the memory.
        previous_weightings: [B, H, N].
        parameters: AddressingParameters.

    Returns:
        AddressingStages.
    """
    content = _match(similarities, parameters.strengths)
    gated = _interpolate(content, previous_weightings, parameters.gates)
    shifted = convolve(gated, parameters.shifts)
    weightings = _sharpen(shifted, parameters.sharpness)
    return AddressingStages(content=content, gated=gated, shifted=shifted, weightings=weightings)


def content_weighting(memory, keys, strengths):
    """Weights each location by the cosine similarity of its content to a key: equations (5) and (6).

    Strengths up to 1e6 always give finite weightings. From about 1e10 on, a float32 program compiled by XLA can return
    NaN.

    Args:
        memory: [B, N, W], M.
        keys: [B, H, W], k.
        strengths: [B, H], beta >= 0.

    Returns:
        Weightings [B, H, N].

    Raises:
        ValueError: an argument has the wrong shape.
    """
    memory, keys, strengths = checked_tensors(
        memory=(memory, "B N W"), keys=(keys, "B H W"), strengths=(strengths, "B H")
    )
    return _match(_similarities(memory, keys), strengths)


def interpolate(content_weightings, previous_weightings, gates):
    """Blends the content weighting with the head's previous weighting: equation (7).

    Args:
        content_weightings: [B, H, N], w^c.
        previous_weightings: [B, H, N], w of the previous step.
        gates: [B, H], g in [0, 1]; 0 keeps the previous weighting.

    Returns:
        Weightings [B, H, N].

    Raises:
        ValueError: an argument has the wrong shape.
    """
    content_weightings, previous_weightings, gates = checked_tensors(
        content_weightings=(content_weightings, "B H N"),
        previous_weightings=(previous_weightings, "B H N"),
        gates=(gates, "B H"),
    )
    return _interpolate(content_weightings, previous_weightings, gates)


def shift(weightings, shifts):
    """Rotates each weighting by its shift distribution. This is a circular convolution, equation (8).

    Args:
        weightings: [B, H, N], w^g.
        shifts: [B, H, 2S+1], s, over the offsets -S to +S in this order. Offset +1 moves the weight of location i to
            location i+1, and the weight of the last location to the first.

    Returns:
        Weightings [B, H, N].

    Raises:
        ValueError: an argument has the wrong shape, or the number of offsets is even or exceeds N.
    """
    weightings, shifts = checked_tensors(weightings=(weightings, "B H N"), shifts=(shifts, "B H 2S+1"))
    _check_offsets(weightings, shifts)
    return convolve(weightings, shifts)


def sharpen(weightings, sharpness):
    """Raises each weighting to a power and normalises it again: equation (9).

    The paper writes w^gamma / sum(w^gamma). This function computes softmax(gamma log w) instead. Both are
    mathematically equal, but the softmax cannot underflow to 0/0.

    Args:
        weightings: [B, H, N], not negative.
        sharpness: [B, H], gamma >= 1.

    Returns:
        Weightings [B, H, N].

    Raises:
        ValueError: an argument has the wrong shape.
    """
    weightings, sharpness = checked_tensors(weightings=(weightings, "B H N"), sharpness=(sharpness, "B H"))
    return _sharpen(weightings, sharpness)


def convolve(weightings, shifts):
    """Equation (8), without the check of the shapes."""
    offsets = shifts.shape[-1]
    rotated = rotations(pad_circularly(weightings, offsets // 2), offsets)
    return tf.add_n([shifts[..., k, tf.newaxis] * rotation for k, rotation in enumerate(rotated)])


def cosine_similarities(cells, inverse_norms, keys):
    """The cosine similarity of every key to every location: equation (6).

    Args:
        cells: [B, W, N], the transposed memory.
        inverse_norms: [B, 1, N], the memory's `inverse_location_norms`. The caller computes them, because the read
            heads of one step and the write heads of the next step share them.
        keys: [B, H, W].

    Returns:
        Similarities K [B, H, N].
    """
    return tf.matmul(keys, cells) * inverse_norms * inverse_key_norms(keys)


def inverse_location_norms(cells):
    """1 / |M(i)|, [B, 1, N], for every location i of a transposed memory [B, W, N]."""
    return _inverse_norms(cells, axis=1)


def inverse_key_norms(keys):
    """1 / |k|, [B, H, 1], for keys [B, H, W]."""
    return _inverse_norms(keys, axis=-1)


def pad_circularly(weightings, shift_range: int):
    """[B, H, N] -> [B, H, N + 2S]. Every rotation by at most S is then a slice."""
    before = weightings[..., weightings.shape[-1] - shift_range :]
    return tf.concat([before, weightings, weightings[..., :shift_range]], axis=-1)


def rotations(padded, offsets: int) -> list:
    """Weightings rotated by each offset from -S to +S.

    Args:
        padded: [B, H, N + 2S], from `pad_circularly`.
        offsets: 2S+1, the number of offsets.

    Returns:
        A list of `offsets` tensors [B, H, N].
    """
    locations = padded.shape[-1] - offsets + 1
    return [padded[..., offsets - 1 - k : offsets - 1 - k + locations] for k in range(offsets)]


def tiny(values):
    """The smallest normal number of the values' float type. `sharpen` replaces smaller weights by this number."""
    return np.finfo(values.dtype.as_numpy_dtype).tiny


def _check_offsets(weightings, shifts):
    """Refuses a number of offsets that is even or exceeds the number of locations."""
    offsets, locations = shifts.shape[-1], weightings.shape[-1]
    if offsets % 2 == 0 or offsets > locations:
        raise ValueError(
            f"the number of shifts, {offsets}, must be odd and at most the number of memory locations, {locations}"
        )


def _match(similarities, strengths):
    """Equation (5), given the similarities [B, H, N]."""
    return tf.nn.softmax(strengths[..., tf.newaxis] * similarities)


def _interpolate(content_weightings, previous_weightings, gates):
    """Equation (7), without the check of the shapes."""
    gates = gates[..., tf.newaxis]
    return gates * content_weightings + (1 - gates) * previous_weightings


def _sharpen(weightings, sharpness):
    """Equation (9), without the check of the shapes."""
    return tf.nn.softmax(sharpness[..., tf.newaxis] * tf.math.log(tf.maximum(weightings, tiny(weightings))))


def _similarities(memory, keys):
    """Equation (6), for a memory [B, N, W]."""
    cells = tf.linalg.matrix_transpose(memory)
    return cosine_similarities(cells, inverse_location_norms(cells), keys)


def _inverse_norms(vectors, axis):
    squared_norms = tf.reduce_sum(tf.square(vectors), axis=axis, keepdims=True)
    return tf.math.rsqrt(tf.maximum(squared_norms, _SMALLEST_SQUARED_NORM))
