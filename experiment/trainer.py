"""The compiled training step: one call makes many updates and the batches that they need."""

import math
import time
from typing import NamedTuple

import keras
import tensorflow as tf

from experiment.checkpoints import model_variables, variable_name
from experiment.metrics_file import Metrics
from experiment.seeds import NOISE, TRAINING, batch_and_state_seeds, fold_in, noise_seed, stream
from ntm.metrics import LOSSES, bits_per_sequence, hamming_distance
from ntm.model import SequenceModel
from ntm.options import check_choice, check_integer, check_number
from tasks import Task
from tasks.sampling import Seed, random_integers

# The noise on the weights is a slice of a table, at a random offset below this number. New draws would double an
# update's time.
_NOISE_OFFSETS = 2**20

# Gradient clipping compares a norm with a running mean of past clipped norms. The mean covers about 100 updates.
# When nearly all sequences are easy, the mean becomes very small. Its lower bound, _LEAST_NORM, then keeps the gradient
# of a rare hard sequence large enough to be useful.
_NORM_DECAY, _LEAST_NORM = 0.99, 0.01


_LOSS = Metrics._fields.index("loss")


class Measured(NamedTuple):
    """What an update measures on its batch: all fields of Metrics except the gradient norm. Each is a scalar."""

    loss: tf.Tensor
    hamming_distance: tf.Tensor
    bits_per_sequence: tf.Tensor


class Draws(NamedTuple):
    """The random numbers that determine an update."""

    seed: tf.Tensor  # [2], of the batch and its initial state
    noise_offset: tf.Tensor  # [1], where the noise begins in the table


class Trainer:
    """Trains a model on a task.

    The batch of update i is a function of the seed and i alone. Training that was interrupted and resumed therefore
    gives the same weights as training that was not.

    While `advance` runs, the weights are one long vector, `weights`. The optimizer treats every element alike. On
    one vector, it needs a few large operations instead of a dozen for each weight. This runs and compiles faster.

    Args:
        model: an NTM or an LSTM, built.
        task: Task.
        optimizer: a Keras optimizer, not built.
        loss: "sum" or "mean", see `LOSSES`.
        batch_size: B.
        weight_noise: std of the normal noise that each update adds to the weights for its forward and backward pass
            (Graves, Mohamed and Hinton 2013, "Speech recognition with deep recurrent neural networks"). The metrics are
            measured with the noise.
        clip_ratio: clips the gradient norm to `clip_ratio` times a running mean of past clipped norms (at least 0.01).
            0: no clipping. Once a task is learned, the norms are small. The gradient of one hard sequence may then be a
            million times larger, and would destroy the weights without clipping. With clipping, a gradient that is not
            finite counts as 0, and so does a gradient whose norm overflows (from 1e19 on).
        seed: the run's seed.

    Attributes:
        iteration: the number of updates so far, an int32 variable.
        seconds: the time spent in `advance`, a float64 variable.

    Raises:
        ValueError: an argument is out of range; the message names it and its value.
    """

    def __init__(
        self,
        model: SequenceModel,
        task: Task,
        optimizer: keras.optimizers.Optimizer,
        *,
        loss: str = "sum",
        batch_size: int = 1,
        weight_noise: float = 0.0,
        clip_ratio: float = 0.0,
        seed: int = 0,
    ):
        check_choice("loss", loss, LOSSES)
        check_integer("batch_size", batch_size, smallest=1)
        check_integer("seed", seed)
        check_number("weight_noise", weight_noise, smallest=0)
        check_number("clip_ratio", clip_ratio, smallest=0)
        self.model, self.task, self.optimizer = model, task, optimizer
        self.weights = keras.Variable(_flatten(model.trainable_variables), name="weights")
        optimizer.build([self.weights])
        self.loss, self.batch_size = LOSSES[loss], batch_size
        self.seed = tf.Variable(stream(seed, TRAINING), trainable=False)
        self.clip_ratio = clip_ratio
        self._noise = None
        if weight_noise > 0:
            length = _NOISE_OFFSETS + self.weights.shape[0]
            noise = tf.random.stateless_normal([length], stream(seed, NOISE), alg="philox")
            # The table is a variable. A constant would become part of the compiled program, which would then be
            # compiled again for each seed.
            self._noise = tf.Variable(weight_noise * noise, trainable=False)
        self._usual_norm = tf.Variable(1.0, name="usual_gradient_norm")
        self.iteration = tf.Variable(0, name="iteration")
        self.seconds = tf.Variable(0.0, dtype=tf.float64, name="seconds")
        self._totals = tf.Variable(tf.zeros(len(Metrics._fields)), name="totals")
        self._updates_in_totals = tf.Variable(0.0, name="updates_in_totals")
        self._gradient = tf.Variable(tf.zeros_like(self.weights))
        self._advance = self._make_program()

    def variables(self) -> dict:
        """Everything that determines how training continues: a dict from the names in checkpoints to variables."""
        own = [self.iteration, self.seconds, self._totals, self._updates_in_totals]
        if self.clip_ratio:
            own.append(self._usual_norm)
        return {
            **model_variables(self.model),
            **{f"optimizer/{i}": variable for i, variable in enumerate(self.optimizer.variables)},
            **{variable.name.removesuffix(":0"): variable for variable in own},
        }

    def advance(self, iteration: int) -> bool:
        """Trains up to an iteration.

        Returns:
            Whether every loss, every gradient that was used and the final weights were finite. If not, training has
            stopped right after the update that was not finite, and the weights are useless.
        """
        start = time.perf_counter()
        finite, reached = self._advance(*self._advance_arguments(iteration))
        self.iteration.assign(reached)
        finite = bool(finite)
        self.seconds.assign_add(time.perf_counter() - start)
        return finite

    def compiled_program(self) -> str:
        """The program that `advance` runs, as XLA's text."""
        return self._advance.experimental_get_compiler_ir(*self._advance_arguments(1))(stage="optimized_hlo")

    def metrics(self) -> Metrics:
        """The metrics of the updates since `start_metrics`."""
        means = (self._totals / self._updates_in_totals).numpy().tolist()
        return Metrics._make(means)

    def start_metrics(self):
        """Resets the means that `metrics` returns."""
        self._totals.assign(tf.zeros_like(self._totals))
        self._updates_in_totals.assign(0.0)

    def gradients(self) -> dict:
        """The last update's gradients, before clipping: a dict from the weights' names in checkpoints to tensors."""
        return dict(zip(map(variable_name, self.model.trainable_variables), self._split(self._gradient)))

    def _make_program(self):
        """Makes the function that `advance` calls. The function is compiled into one program."""
        return tf.function(self._train_to, jit_compile=True, autograph=False)

    def _advance_arguments(self, iteration):
        """The arguments of `_train_to`.

        The seed and the number of updates so far are arguments. A constant would become part of the compiled
        program, which would then be compiled again for each seed. An int32 variable cannot be part of a program on a
        GPU: TensorFlow keeps it in the CPU's memory.
        """
        return tf.constant(iteration), tf.identity(self.iteration), tf.identity(self.seed)

    def _train_to(self, stop, first, stream_seed):
        """Makes updates `first` + 1 to `stop`. Returns whether all were finite, and the number of updates so far."""

        def go_on(iteration, draws, totals, finite, gradient):
            return (iteration < stop) & finite

        def update(iteration, draws, totals, *_):
            metrics, gradient = self._update(draws)
            iteration += 1
            watched = metrics[_LOSS] if self.clip_ratio else metrics  # clipping replaces a gradient that is not finite
            finite = tf.reduce_all(tf.math.is_finite(watched))
            return iteration, draws_of_update(stream_seed, iteration), totals + metrics, finite, gradient

        variables = self.model.trainable_variables
        self.weights.assign(_flatten(variables))
        # The draws are loop variables, for two reasons. If the seed were constant in the loop, the offsets of the noise
        # would become constants of the compiled program, which would then be compiled again for each seed. If an update
        # computed its own offset, XLA would draw it again for each weight. This would double the time of a large model.
        draws = draws_of_update(stream_seed, first)
        start = first, draws, tf.identity(self._totals), True, tf.identity(self._gradient)
        iteration, _, totals, finite, gradient = tf.while_loop(go_on, update, start)
        self._gradient.assign(gradient)
        self._totals.assign(totals)
        self._updates_in_totals.assign_add(tf.cast(iteration - first, tf.float32))
        for variable, weight in zip(variables, self._split(self.weights)):
            variable.assign(weight)
        return finite & tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(self.weights))), iteration

    def _update(self, draws):
        """Makes one update of the weights. Returns the fields of Metrics as one tensor, and the gradient."""
        return self._apply(*self._measure(self._noisy_weights(draws.noise_offset), draws.seed))

    def _measure(self, weights, seed, share=None):
        """Measures the batch of an update, or a share of it.

        Args:
            weights: the vector of weights.
            seed: [2], the seed of the update.
            share: a function from a tensor [B, ...] to a part of its rows; None for all rows.

        Returns:
            Measured; and the gradient of the loss, a vector.
        """
        batch_seed, state_seed = batch_and_state_seeds(seed)
        batch = self.task.batch(batch_seed, self.batch_size)
        weights = self._split(weights)
        scope = keras.StatelessScope(zip(self.model.trainable_variables, weights))
        with tf.GradientTape() as tape, scope:
            tape.watch(weights)
            state = self.model.initial_state(self.batch_size, seed=state_seed)
            if share is not None:
                rows = {name: share(getattr(batch, name)) for name in ("inputs", "targets", "mask")}
                batch, state = batch._replace(**rows), tf.nest.map_structure(share, state)
            logits, _ = self.model.run(batch.inputs, initial_state=state, steps=batch.num_steps)
            loss = self.loss(batch.targets, logits, batch.mask)
        for variable in self.model.non_trainable_variables:  # the scope only records assignments
            if (value := scope.get_current_value(variable)) is not None:
                variable.assign(value)
        gradient = _flatten(tape.gradient(loss, weights))
        wrong = tf.reduce_mean(hamming_distance(batch.targets, logits, batch.mask))
        bits = tf.reduce_mean(bits_per_sequence(batch.targets, logits, batch.mask))
        return Measured(loss=loss, hamming_distance=wrong, bits_per_sequence=bits), gradient

    def _apply(self, measured, gradient):
        """Updates the weights with the gradient of the batch. Returns the Metrics as one tensor, and the gradient.

        Args:
            measured: Measured.
            gradient: the gradient of the loss, a vector.
        """
        norm = tf.norm(gradient)
        self.optimizer.apply([self._clip(gradient, norm)], [self.weights])
        return tf.stack(Metrics(**measured._asdict(), gradient_norm=norm)), gradient

    def _clip(self, gradient, norm):
        """Clips the gradient, see `clip_ratio`. Updates the running mean of the norms."""
        if not self.clip_ratio:
            return gradient
        clipped_norm = tf.minimum(norm, self.clip_ratio * tf.maximum(self._usual_norm, _LEAST_NORM))
        finite = tf.math.is_finite(norm)
        usual = _NORM_DECAY * self._usual_norm + (1 - _NORM_DECAY) * clipped_norm
        self._usual_norm.assign(tf.where(finite, usual, self._usual_norm))
        return tf.where(finite, gradient * tf.math.divide_no_nan(clipped_norm, norm), 0.0)

    def _noisy_weights(self, offset):
        """The vector of weights, with the noise that begins at an offset of the table."""
        weights = tf.convert_to_tensor(self.weights)
        if self._noise is None:
            return weights
        return weights + tf.slice(self._noise, offset, weights.shape)

    def _split(self, vector):
        """The inverse of `_flatten` for the model's trainable weights: a list of tensors with the weights' shapes."""
        shapes = [variable.shape for variable in self.model.trainable_variables]
        parts = tf.split(tf.convert_to_tensor(vector), [math.prod(shape) for shape in shapes])
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes)]


def _flatten(tensors):
    """Concatenates all elements of some tensors into one vector."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def draws_of_update(stream_seed: Seed, iteration: int | tf.Tensor) -> Draws:
    """The Draws of update `iteration` + 1. `stream_seed` is the seed of the training stream, [2]."""
    seed = fold_in(stream_seed, iteration)
    return Draws(seed=seed, noise_offset=random_integers([1], noise_seed(seed), 0, _NOISE_OFFSETS - 1))
