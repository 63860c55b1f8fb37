"""Losses and metrics for binary outputs, as functions and as Keras objects for `compile`. A mask says what counts."""

import abc
import math

import keras
import tensorflow as tf

from ntm.checks import check_shape


def cross_entropy(targets, logits, mask):
    """Cross-entropy of each sequence's output bits, in nats.

    Args:
        targets: [B, T, O], 0 or 1.
        logits: [B, T, O].
        mask: [B, T], 1 at the steps whose outputs count.

    Returns:
        [B], summed over the steps that count and over the O bits of each step.
    """
    nats = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(nats * mask[..., tf.newaxis], axis=[1, 2])


def summed_loss(targets, logits, mask):
    """The mean over the batch of each sequence's summed cross-entropy, a scalar. Arguments as for `cross_entropy`."""
    return tf.reduce_mean(cross_entropy(targets, logits, mask))


def mean_loss(targets, logits, mask):
    """The mean cross-entropy per output bit that counts, a scalar. Arguments as for `cross_entropy`."""
    bits = tf.reduce_sum(mask) * logits.shape[-1]
    return tf.reduce_sum(cross_entropy(targets, logits, mask)) / bits


LOSSES = {"sum": summed_loss, "mean": mean_loss}


def hamming_distance(targets, logits, mask):
    """Wrong bits of each sequence, [B]. A positive logit stands for a 1. Arguments as for `cross_entropy`."""
    wrong = tf.not_equal(logits > 0, targets > 0.5)
    return tf.reduce_sum(tf.cast(wrong, mask.dtype) * mask[..., tf.newaxis], axis=[1, 2])


def bits_per_sequence(targets, logits, mask):
    """The paper's cost: the cross-entropy of each sequence in bits, [B]. Arguments as for `cross_entropy`."""
    return cross_entropy(targets, logits, mask) / math.log(2)


@keras.saving.register_keras_serializable(package="ntm")
class SequenceCrossEntropy(keras.losses.Loss):
    """`cross_entropy` as a Keras loss, in nats: summed over each sequence's bits, then averaged over the batch.

    The loss takes targets [B, T, O] and logits [B, T, O]. The weight of a step is the product of Keras's mask of the
    logits and `sample_weight`. `sample_weight` has the shape [B], one weight per sequence, or [B, T], one weight per
    step. The mean divides by B, whatever the weights are.

    Args:
        name: the loss's name.
        reduction: "sum_over_batch_size" for the mean over the batch, "sum", or "none" for the losses [B].
        dtype: the dtype of the computation; None for Keras's default, whatever the dtype of the logits is.

    Raises:
        ValueError: `reduction` has another value; or targets, logits or `sample_weight` have the wrong shape.
    """

    def __init__(
        self,
        name: str = "sequence_cross_entropy",
        reduction: str | None = "sum_over_batch_size",
        dtype: str | None = None,
    ):
        if reduction not in ("sum_over_batch_size", "sum", "none", None):
            raise ValueError(f"reduction={reduction!r} must be 'sum_over_batch_size', 'sum' or 'none'")
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def __call__(self, y_true, y_pred, sample_weight=None):
        weights = step_weights(y_pred, sample_weight, self.dtype)
        # Keras would apply the mask and the weights after `call`, when the steps are already summed. It would also
        # multiply the loss by steps / valid steps. A copy of the logits has no mask, so Keras applies nothing.
        return super().__call__((y_true, weights), tf.identity(y_pred))

    def call(self, y_true, y_pred):
        """The loss of each sequence, [B]. `y_true` is the pair (targets, weights [B, T])."""
        targets, weights = y_true
        check_same_shape(targets, y_pred)
        return cross_entropy(targets, y_pred, weights)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


class SequenceMean(keras.metrics.Mean, abc.ABC):
    """The mean cost per sequence, over all batches since `reset_state`. Subclasses define `cost`.

    The metric takes targets [B, T, O] and logits [B, T, O]. The weight of a step is the product of Keras's mask of the
    logits and `sample_weight` [B, T]. `sample_weight` [B] weights the sequences: the mean then divides by the sum
    of these weights.

    Keras passes `sample_weight` to the metrics in `compile(weighted_metrics=[...])`, not to `compile(metrics=[...])`.

    Args:
        name: the metric's name.
        dtype: the dtype of the computation; None for Keras's default, whatever the dtype of the logits is.

    Raises:
        ValueError: targets, logits or `sample_weight` have the wrong shape.
    """

    def __init__(self, name: str, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        self._direction = "down"  # EarlyStopping and ModelCheckpoint read here that less is better

    @staticmethod
    @abc.abstractmethod
    def cost(targets, logits, mask):
        """The cost of each sequence.

        Args:
            targets: [B, T, O], 0 or 1.
            logits: [B, T, O].
            mask: [B, T], the weight of each step.

        Returns:
            [B].
        """

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch."""
        step_weight, sequence_weight = sample_weight, None
        if sample_weight is not None and len(sample_weight.shape) == 1:
            step_weight, sequence_weight = None, sample_weight
        weights = step_weights(y_pred, step_weight, self.dtype)
        targets, logits = tf.cast(y_true, self.dtype), tf.cast(y_pred, self.dtype)
        check_same_shape(targets, logits)
        super().update_state(self.cost(targets, logits, weights), sequence_weight)


@keras.saving.register_keras_serializable(package="ntm")
class HammingDistance(SequenceMean):
    """`hamming_distance` as a Keras metric: the mean number of wrong bits per sequence. See `SequenceMean`."""

    cost = staticmethod(hamming_distance)

    def __init__(self, name: str = "hamming_distance", dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)


@keras.saving.register_keras_serializable(package="ntm")
class BitsPerSequence(SequenceMean):
    """`bits_per_sequence` as a Keras metric: the mean cost in bits per sequence. See `SequenceMean`."""

    cost = staticmethod(bits_per_sequence)

    def __init__(self, name: str = "bits_per_sequence", dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)


def step_weights(logits, sample_weight, dtype):
    """The weight of each step in a Keras loss or metric, [B, T].

    Args:
        logits: [B, T, O], with a mask [B, T] if Keras attached one.
        sample_weight: [B], [B, T] or None.
        dtype: the dtype of the result.

    Raises:
        ValueError: `logits` or `sample_weight` has the wrong shape.
    """
    check_shape("logits", logits, "B T O")
    weights = tf.ones(tf.shape(logits)[:2], dtype)
    mask = getattr(logits, "_keras_mask", None)
    if mask is not None:
        weights *= tf.cast(mask, dtype)
    if sample_weight is not None:
        sample_weight = tf.cast(sample_weight, dtype)
        batch_size, length, _ = logits.shape
        if len(sample_weight.shape) == 1:
            check_shape("sample_weight", sample_weight, "B", B=batch_size)
            sample_weight = sample_weight[:, tf.newaxis]
        else:
            check_shape("sample_weight", sample_weight, "B T", B=batch_size, T=length)
        weights *= sample_weight
    return weights


def check_same_shape(targets, logits):
    """Raises ValueError if targets and logits differ in shape. TensorFlow might broadcast one to the other's shape."""
    check_shape("targets", targets, "B T O", **dict(zip("BTO", logits.shape)))
