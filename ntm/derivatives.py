"""The derivative of each equation, for the backward pass in backward.py. A reader can skip this file.

Each function is named after the function that it differentiates. `d_x` is the gradient of the loss with respect to x.
Residuals are the quantities that gradients are multiplied by. They are known before any gradient. <x, y> is the sum of
x(i) y(i) over locations. Sizes are named as in addressing.py and memory.py.

A softmax y = softmax(x) has the derivative dx = y (dy - <y, dy>).

The gradients of an addressing are finite for strengths and sharpness up to 1e6. Beyond 1e6 they can overflow. The
gradients that automatic differentiation computes overflow at least as often.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from ntm.addressing import (
    AddressingParameters,
    addressing_stages,
    convolve,
    inverse_key_norms,
    pad_circularly,
    rotations,
    tiny,
)
from ntm.heads import HeadParameters
from ntm.memory import kept_shares

# From this number of locations on, `_sum_over_width` adds W rows [B, N] instead of using `tf.reduce_sum`.
_MANY_LOCATIONS = 256


class AddressingResiduals(NamedTuple):
    """The quantities that `addressing_gradient` multiplies gradients by.

    w' is the previous weighting. Quantities that multiply the same gradient are the rows of one matrix. One matrix
    product then computes <row, gradient> for every row.
    """

    sharpen_rows: tf.Tensor  # [B, H, 2, N]: w; w (log w~ - <w, log w~>)
    sharpen_slopes: tf.Tensor  # [B, H, N], gamma w / w~
    gated_padded: tf.Tensor  # [B, H, N + 2S], w^g padded circularly
    shifts: tf.Tensor  # [B, H, 2S+1], s
    gated_rows: tf.Tensor  # [B, H, 3, N]: w^c; w^c - w'; g w^c (K - <w^c, K>)
    kept_shares: tf.Tensor  # [B, H], 1 - g
    match_slopes: tf.Tensor  # [B, H, N], beta g w^c / |k||M(i)|
    projections: tf.Tensor  # [B, H, N], k . M(i) / |M(i)|^2
    keys: tf.Tensor  # [B, H, W], k
    key_shrinkage: tf.Tensor  # [B, H], beta / |k|^2


class AddressingGradients(NamedTuple):
    """The gradients of one addressing with respect to memory, previous weightings and parameters."""

    cells: tf.Tensor  # [B, W, N], transposed memory
    previous_weightings: tf.Tensor  # [B, H, N]
    parameters: AddressingParameters


def addressing_residuals(inverse_norms, similarities, previous_weightings, weightings, parameters):
    """The AddressingResiduals of one addressing, from its arguments and its result.

    Args:
        inverse_norms: [B, 1, N], the memory's `inverse_location_norms`.
        similarities: [B, H, N], the `cosine_similarities` of the keys to the memory.
        previous_weightings: [B, H, N].
        weightings: [B, H, N], the result.
        parameters: AddressingParameters.
    """
    stages = addressing_stages(similarities, previous_weightings, parameters)
    content = stages.content
    smallest = tiny(stages.shifted)
    log_shifted = tf.math.log(tf.maximum(stages.shifted, smallest))
    key_norms = inverse_key_norms(parameters.keys)
    gated_content = parameters.gates[..., tf.newaxis] * content
    return AddressingResiduals(
        sharpen_rows=tf.stack([weightings, weightings * (log_shifted - _mean(weightings, log_shifted))], axis=2),
        sharpen_slopes=tf.where(
            stages.shifted > smallest,
            parameters.sharpness[..., tf.newaxis] * weightings / stages.shifted,
            tf.zeros_like(weightings),
        ),
        gated_padded=pad_circularly(stages.gated, parameters.shifts.shape[-1] // 2),
        shifts=parameters.shifts,
        gated_rows=tf.stack(
            [
                content,
                content - previous_weightings,
                gated_content * (similarities - _mean(content, similarities)),
            ],
            axis=2,
        ),
        kept_shares=1 - parameters.gates,
        match_slopes=_finite(parameters.strengths[..., tf.newaxis] * gated_content * inverse_norms * key_norms),
        projections=similarities * inverse_norms / key_norms,
        keys=parameters.keys,
        key_shrinkage=_finite(parameters.strengths * tf.square(key_norms[..., 0])),
    )


def addressing_gradient(residuals, cells, d_weightings):
    """Goes backwards through Figure 2, from equation (9) to equation (5).

    w' is the previous weighting. Each gradient is linear in a gradient that is computed before it. Each sum over
    locations is therefore <row, gradient>. The row does not depend on any gradient:

        (9) sharpen          w = softmax(gamma log w~)        dw~ = gamma w / w~ (dw - <w, dw>)
                                                              dgamma = <w (log w~ - <w, log w~>), dw>
        (8) shift            w~(i) = sum_k s(k) w^g(i - k)    dw^g(i) = sum_k s(k) dw~(i + k)
                                                              ds(k) = <w^g rotated by k, dw~>
        (7) interpolate      w^g = g w^c + (1 - g) w'         dw' = (1 - g) dw^g
                                                              dg = <w^c - w', dw^g>
        (5) softmax          w^c = softmax(beta K)            dbeta = <g w^c (K - <w^c, K>), dw^g>
        (6) similarity       K(i) = k . M(i) / |k||M(i)|      p(i) = beta g w^c(i) / |k||M(i)| (dw^g(i) - <w^c, dw^g>)
                                                              dM(i) = p(i) (k - M(i) k . M(i) / |M(i)|^2)
                                                              dk = sum_i p(i) M(i) - k beta dbeta / |k|^2

    A norm below 1e-6 counts as 1e-6 in the equations. The gradient ignores this limit. The gradient is exact for
    a zero key or location, and approximate for a key or location with a norm between 0 and 1e-6.

    Args:
        residuals: AddressingResiduals.
        cells: [B, W, N], the transposed memory.
        d_weightings: [B, H, N].

    Returns:
        AddressingGradients.
    """
    mean, d_sharpness = tf.unstack(tf.linalg.matvec(residuals.sharpen_rows, d_weightings), axis=2)
    d_shifted = residuals.sharpen_slopes * (d_weightings - mean[..., tf.newaxis])

    rotated = tf.stack(rotations(residuals.gated_padded, residuals.shifts.shape[-1]), axis=2)
    d_shifts = tf.linalg.matvec(rotated, d_shifted)
    d_gated = convolve(d_shifted, tf.reverse(residuals.shifts, [-1]))

    mean, d_gates, d_strengths = tf.unstack(tf.linalg.matvec(residuals.gated_rows, d_gated), axis=2)
    d_previous_weightings = residuals.kept_shares[..., tf.newaxis] * d_gated

    d_products = residuals.match_slopes * (d_gated - mean[..., tf.newaxis])  # p
    shrinkage = tf.reduce_sum(d_products * residuals.projections, axis=1, keepdims=True)  # [B, 1, N]
    d_cells = tf.matmul(residuals.keys, d_products, transpose_a=True) - cells * shrinkage
    d_keys = tf.matmul(d_products, cells, transpose_b=True)
    d_keys -= residuals.keys * (residuals.key_shrinkage * d_strengths)[..., tf.newaxis]
    return AddressingGradients(
        cells=d_cells,
        previous_weightings=d_previous_weightings,
        parameters=AddressingParameters(
            keys=d_keys, strengths=d_strengths, gates=d_gates, shifts=d_shifts, sharpness=d_sharpness
        ),
    )


class ReadGradients(NamedTuple):
    """The gradients of `read_transposed`."""

    cells: tf.Tensor  # [B, W, N]
    weightings: tf.Tensor  # [B, R, N]


def read_gradient(cells, weightings, d_vectors):
    """Differentiates `read_transposed`, equation (2): r = sum_i w(i) M(i).

        dM(i) = sum over heads of w(i) dr        dw(i) = M(i) . dr

    Args:
        cells: [B, W, N].
        weightings: [B, R, N].
        d_vectors: [B, R, W].

    Returns:
        ReadGradients.
    """
    return ReadGradients(
        cells=tf.matmul(d_vectors, weightings, transpose_a=True),
        weightings=tf.matmul(d_vectors, cells),
    )


class WriteGradients(NamedTuple):
    """The gradients of `write_transposed`."""

    cells: tf.Tensor  # [B, W, N]
    weightings: tf.Tensor  # [B, Q, N]
    erase_vectors: tf.Tensor  # [B, Q, W]
    add_vectors: tf.Tensor  # [B, Q, W]


def write_gradient(cells, weightings, erase_vectors, add_vectors, d_written):
    """Differentiates `write_transposed`, equations (3) and (4).

    M = M' + sum over heads of w a^T, where M' = M_previous * product over heads of (1 - w e^T). M_q is M' without the
    erasure of head q.

        dM_previous = dM * product over heads of (1 - w e^T)
        dw_q(i) = sum_j dM(i, j) (a_q(j) - e_q(j) M_q(i, j))
        de_q(j) = -sum_i w_q(i) dM(i, j) M_q(i, j)
        da_q(j) = sum_i w_q(i) dM(i, j)

    Args:
        cells: [B, W, N], the transposed memory before the write.
        weightings: [B, Q, N].
        erase_vectors, add_vectors: [B, Q, W].
        d_written: [B, W, N].

    Returns:
        WriteGradients.
    """
    kept = kept_shares(weightings, erase_vectors)
    if len(kept) == 1:  # M_q is M_previous; XLA fuses the product and its sum
        slopes = add_vectors[:, 0, :, tf.newaxis] - erase_vectors[:, 0, :, tf.newaxis] * cells
        d_weightings = _sum_over_width(d_written * slopes)[:, tf.newaxis]
        d_erase_vectors = tf.matmul(weightings, d_written * cells, transpose_b=True)
    else:  # in a fused sum, XLA would compute the products of Q factors again for each number
        without_head = [math.prod([cells, *kept[:head], *kept[head + 1 :]]) for head in range(len(kept))]  # M_q
        products = d_written[:, tf.newaxis] * tf.stack(without_head, axis=1)  # [B, Q, W, N]
        d_weightings = tf.matmul(add_vectors, d_written) - tf.matmul(erase_vectors[:, :, tf.newaxis], products)[:, :, 0]
        d_erase_vectors = tf.matmul(weightings[:, :, tf.newaxis], products, transpose_b=True)[:, :, 0]
    return WriteGradients(
        cells=math.prod([d_written, *kept]),
        weightings=d_weightings,
        erase_vectors=-d_erase_vectors,
        add_vectors=tf.matmul(weightings, d_written, transpose_b=True),
    )


def activation_slopes(heads, parameters):
    """The derivative of each activation in `Heads.activate`, from the activation's result alone.

    y is the result of the activation: tanh' = 1 - y^2, sigmoid' = y (1 - y) and softplus' = 1 - e^-y. The result of a
    softplus is the parameter minus its smallest value. For a softmax this function returns y; `activate_gradient`
    subtracts the weighted mean of the gradients.

    Args:
        heads: Heads.
        parameters: HeadParameters, the result of `heads.activate`.

    Returns:
        [..., P], in the order of the heads' columns.
    """
    bounded_slope = (lambda y: 1 - tf.square(y)) if heads.bounded_vectors else tf.ones_like
    return heads.join(
        HeadParameters(
            addressing=AddressingParameters(
                keys=bounded_slope(parameters.keys),
                strengths=1 - tf.exp(heads.smallest_strength - parameters.strengths),
                gates=parameters.gates * (1 - parameters.gates),
                shifts=parameters.shifts,
                sharpness=1 - tf.exp(1 - parameters.sharpness),
            ),
            erase_vectors=parameters.erase_vectors * (1 - parameters.erase_vectors),
            add_vectors=bounded_slope(parameters.add_vectors),
        )
    )


def activate_gradient(heads, slopes, shifts, d_parameters):
    """Differentiates `Heads.activate`.

    Args:
        heads: Heads.
        slopes: [..., P], the `activation_slopes`.
        shifts: [..., H, 2S+1], a part of the result of `heads.activate`.
        d_parameters: HeadParameters.

    Returns:
        The gradient of the columns before their activations, [..., P].
    """
    d_shifts = d_parameters.shifts
    d_shifts -= tf.reduce_sum(shifts * d_shifts, axis=-1, keepdims=True)
    addressing = d_parameters.addressing._replace(shifts=d_shifts)
    return slopes * heads.join(d_parameters._replace(addressing=addressing))


def _finite(slopes):
    """Replaces infinite slopes by the largest float, because infinity times a gradient of 0 would be NaN.

    Args:
        slopes: a tensor without negative values.
    """
    return tf.minimum(slopes, slopes.dtype.max)


def _sum_over_width(values):
    """Sums values [B, W, N] over W. Returns [B, N].

    XLA may compute `tf.reduce_sum` location by location. If N is large, the W values of a location then compete for the
    same few lines of the cache. The sum of whole rows [B, N] halves the time of an update, but rounds differently.
    """
    if values.shape[-1] < _MANY_LOCATIONS:
        return tf.reduce_sum(values, axis=1)
    return tf.add_n(tf.unstack(values, axis=1))


def _mean(weightings, values):
    """<w, values>, [B, H, 1]."""
    return tf.reduce_sum(weightings * values, axis=-1, keepdims=True)
