"""The compiled training step: many updates a call, their data made in the graph."""

import math
import time
from typing import NamedTuple

import keras
import tensorflow as tf

from ntm.checkpoints import model_variables, variable_name
from ntm.losses import LOSSES
from ntm.metrics import bits_per_sequence, hamming_distance

# One seed serves several purposes; each draws from a stream of its own, so that no sequence is in two of them.
TRAINING, VALIDATION, REPORT, PICTURES, NOISE = range(5)

# Weight noise is a stretch of a table, from one of so many starts: to draw it anew would double the time of an update.
_NOISE_OFFSETS = 2**20

# Of the running mean that `clip_ratio` is measured against: it goes back a hundred updates, and counts as no less than
# so much, or the hard sequences would teach nothing once nearly all are easy.
_NORM_DECAY, _LEAST_NORM = 0.99, 0.01


class Metrics(NamedTuple):
    """Means over the updates since `Trainer.start_metrics`."""

    loss: float
    hamming_distance: float  # wrong bits a sequence
    bits_per_sequence: float
    gradient_norm: float  # before clipping


class Trainer:
    """Trains a model on a task.

    Update i draws its batch from (seed, i) alone, so that training cut anywhere and resumed is training not cut.

    While `advance` runs, the weights are one long vector, `weights`: the optimizer, which treats every element alike,
    then has a few large operations to do, and to compile, instead of a dozen for each weight.

    Args:
        model: an NTM or an LSTM, built.
        task: makes the batches, see tasks/task.py.
        optimizer: a Keras optimizer.
        loss: "sum" or "mean", see losses.py.
        batch_size: B.
        weight_noise: standard deviation of the normal noise that every update adds to the weights for its forward and
            backward pass, a regularizer (Graves, Mohamed and Hinton 2013, "Speech recognition with deep recurrent
            neural networks", once a sequence). It is a stretch of a table of 2^20 starts, not drawn anew. Metrics are
            those of the weights with noise.
        clip_ratio: a gradient longer than so many times the usual length, a running mean of what was left of the
            gradients before and at least 0.01, is shortened to that; 0 leaves it. Once a task is learned the usual
            length is small, and a single hard sequence, whose gradient may be a million times longer, would throw the
            weights far off. A gradient that is no number, or whose length overflows (from 1e19 on), counts as 0: heads
            that move by location alone for hundreds of steps may have such.
        seed: an integer.

    Raises:
        ValueError: weight_noise or clip_ratio is negative or no number.
    """

    def __init__(self, model, task, optimizer, loss="sum", batch_size=1, weight_noise=0.0, clip_ratio=0.0, seed=0):
        self.model, self.task, self.optimizer = model, task, optimizer
        self.weights = keras.Variable(_flatten(model.trainable_variables), name="weights")
        optimizer.build([self.weights])
        self.loss, self.batch_size = LOSSES[loss], batch_size
        # Variables, this and the noise: constants would be compiled in.
        self.seed = tf.Variable(stream(seed, TRAINING), trainable=False)
        for name, value in (("weight_noise", weight_noise), ("clip_ratio", clip_ratio)):
            if not value >= 0:
                raise ValueError(f"{name}={value} must be at least 0")
        self.clip_ratio = clip_ratio
        self._noise = None
        if weight_noise > 0:
            length = _NOISE_OFFSETS + self.weights.shape[0]
            noise = tf.random.stateless_normal([length], stream(seed, NOISE), alg="philox")
            self._noise = tf.Variable(weight_noise * noise, trainable=False)
        self._usual_norm = tf.Variable(1.0, name="usual_gradient_norm")
        self.iteration = tf.Variable(0, name="iteration")
        self.seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")  # spent in `advance`
        self._totals = tf.Variable(tf.zeros(len(Metrics._fields)), name="totals")
        self._updates_in_totals = tf.Variable(0.0, name="updates_in_totals")
        self._gradient = tf.Variable(tf.zeros_like(self.weights))
        self._advance = tf.function(self._train_to, jit_compile=True, autograph=False)

    def variables(self):
        """All that decides how training goes on, by the names that checkpoints give it."""
        own = [self.iteration, self.seconds, self._totals, self._updates_in_totals]
        if self.clip_ratio:
            own.append(self._usual_norm)
        return {
            **model_variables(self.model),
            **{f"optimizer/{i}": variable for i, variable in enumerate(self.optimizer.variables)},
            **{variable.name.removesuffix(":0"): variable for variable in own},
        }

    def advance(self, iteration):
        """Trains up to an iteration.

        Returns:
            Whether every loss, every gradient that was used and the weights at the end were finite. If not, training
            has stopped right after the update that was not, and the weights are of no use.
        """
        start = time.perf_counter()
        finite = bool(self._advance(tf.constant(iteration)))
        self.seconds.assign_add(time.perf_counter() - start)
        return finite

    def compiled_program(self):
        """What `advance` runs, as XLA's text."""
        return self._advance.experimental_get_compiler_ir(tf.constant(1))(stage="optimized_hlo")

    def metrics(self):
        """Metrics of the updates since `start_metrics`."""
        return Metrics(*(self._totals / self._updates_in_totals).numpy().tolist())

    def start_metrics(self):
        """Starts the means of `metrics` afresh."""
        self._totals.assign(tf.zeros_like(self._totals))
        self._updates_in_totals.assign(0.0)

    def gradients(self):
        """The gradient in the last update, before clipping: a dict from the weights' names in checkpoints."""
        return dict(zip(map(variable_name, self.model.trainable_variables), self._split(self._gradient)))

    def _train_to(self, stop):
        def go_on(iteration, seed, totals, finite, gradient):
            return (iteration < stop) & finite

        def update(iteration, seed, totals, *_):
            metrics, gradient = self._update(seed)
            iteration += 1
            watched = metrics[:1] if self.clip_ratio else metrics  # `_clip` sees to the gradient
            finite = tf.reduce_all(tf.math.is_finite(watched))
            return iteration, fold_in(self.seed, iteration), totals + metrics, finite, gradient

        variables = self.model.trainable_variables
        self.weights.assign(_flatten(variables))
        first = tf.identity(self.iteration)
        # The seed goes round the loop: were it the same in all turns, where noise starts would be compiled in, and each
        # seed a program of its own.
        start = first, fold_in(self.seed, first), tf.identity(self._totals), True, tf.identity(self._gradient)
        iteration, _, totals, finite, gradient = tf.while_loop(go_on, update, start)
        self.iteration.assign(iteration)
        self._gradient.assign(gradient)
        self._totals.assign(totals)
        self._updates_in_totals.assign_add(tf.cast(iteration - first, tf.float32))
        for variable, weight in zip(variables, self._split(self.weights)):
            variable.assign(weight)
        return finite & tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(self.weights)))

    def _update(self, seed):
        """One update of the weights. Returns the fields of Metrics as one tensor, and the gradient."""
        batch_seed, state_seed = batch_and_state_seeds(seed)
        batch = self.task.batch(batch_seed, self.batch_size)
        weights = self._split(self._with_noise(tf.convert_to_tensor(self.weights), fold_in(seed, NOISE)))
        scope = keras.StatelessScope(zip(self.model.trainable_variables, weights))
        with tf.GradientTape() as tape, scope:
            tape.watch(weights)
            state = self.model.initial_state(self.batch_size, seed=state_seed)
            logits = self.model(batch.inputs, initial_state=state, steps=batch.steps)
            loss = self.loss(batch.targets, logits, batch.mask)
        for variable in self.model.non_trainable_variables:  # what the model assigned, the scope has only noted
            if (value := scope.get_current_value(variable)) is not None:
                variable.assign(value)
        gradient = _flatten(tape.gradient(loss, weights))
        norm = tf.norm(gradient)
        self.optimizer.apply([self._clip(gradient, norm)], [self.weights])
        metrics = Metrics(
            loss=loss,
            hamming_distance=tf.reduce_mean(hamming_distance(batch.targets, logits, batch.mask)),
            bits_per_sequence=tf.reduce_mean(bits_per_sequence(batch.targets, logits, batch.mask)),
            gradient_norm=norm,
        )
        return tf.stack(metrics), gradient

    def _clip(self, gradient, norm):
        if not self.clip_ratio:
            return gradient
        kept = tf.minimum(norm, self.clip_ratio * tf.maximum(self._usual_norm, _LEAST_NORM))
        finite = tf.math.is_finite(norm)
        usual = _NORM_DECAY * self._usual_norm + (1 - _NORM_DECAY) * kept
        self._usual_norm.assign(tf.where(finite, usual, self._usual_norm))
        return tf.where(finite, gradient * tf.math.divide_no_nan(kept, norm), 0.0)

    def _with_noise(self, weights, seed):
        if self._noise is None:
            return weights
        start = tf.random.stateless_uniform([1], seed, maxval=_NOISE_OFFSETS, dtype=tf.int32, alg="philox")
        return weights + tf.slice(self._noise, start, weights.shape)

    def _split(self, vector):
        """The model's trainable weights, in its shapes, out of one vector."""
        shapes = [variable.shape for variable in self.model.trainable_variables]
        parts = tf.split(tf.convert_to_tensor(vector), [math.prod(shape) for shape in shapes])
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes)]


def _flatten(tensors):
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def stream(seed, purpose):
    """The seed, a pair, that a run's integer seed gives to one of the purposes above."""
    return tf.constant([seed, purpose])


def batch_and_state_seeds(seed):
    """The seed of a batch and that of its initial state, from one."""
    return tf.unstack(tf.random.split(seed, 2, alg="philox"))


def fold_in(seed, number):
    """A seed for the number-th draw of a stream."""
    return tf.random.fold_in(seed, number, alg="philox")
