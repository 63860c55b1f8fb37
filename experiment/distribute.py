"""Divides the batch of an update: over the cores of a CPU, or over several devices or machines with tf.distribute."""

import contextlib

import tensorflow as tf

from experiment.trainer import Trainer, some_rows

PART_SIZE = 8  # the least number of sequences in a part of a batch


def has_parts(batch_size: int) -> bool:
    """Whether a batch of one process is divided into parts, on a CPU."""
    return batch_size >= 2 * PART_SIZE


def choose_threads(batch_size: int):
    """Chooses the number of threads of this process. To be called before TensorFlow runs its first operation.

    An update of a small batch has many small matrix products. To divide a product over threads takes longer than to
    compute it in one. Once TensorFlow has run an operation, the number is fixed, and this function has no effect.
    """
    if not has_parts(batch_size):
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)


class DividedTrainer(Trainer):
    """A Trainer that divides each batch.

    Each replica measures its share of the sequences. On a CPU, a share is divided further, into parts of at least
    PART_SIZE sequences. TensorFlow runs the parts at the same time, on as many cores as there are. The parts depend on
    the size of the batch alone. A run therefore gives the same numbers on any number of cores.

    The result of an update is the same as in a Trainer, except for rounding in sums. The gradient of a part is a
    compiled program. The sum over the replicas runs outside compiled programs. Every process runs the optimizer on its
    own copy of the weights.

    Args:
        model, task, optimizer: as for `Trainer`.
        team: Team; None for a single replica. On a team's chief, `advance` makes all processes advance.
        batch_size: B, the sequences of all replicas in an update.
        **options: further arguments of `Trainer`.

    Raises:
        ValueError: an argument is out of range, or the replicas do not divide the batch.
    """

    def __init__(self, model, task, optimizer, *, team=None, batch_size=1, **options):
        self._team, self._strategy = team, team and team.strategy
        replicas = self._strategy.num_replicas_in_sync if self._strategy else 1
        if batch_size % replicas:
            raise ValueError(f"batch_size={batch_size} is no multiple of the number of replicas, {replicas}")
        self._share_size = batch_size // replicas
        self._draw_program = tf.function(self._draw, jit_compile=True, autograph=False)
        self._part_program = tf.function(self._measure_part, jit_compile=True, autograph=False)
        self._apply_program = tf.function(self._apply_parts, jit_compile=True, autograph=False)
        super().__init__(model, task, optimizer, batch_size=batch_size, **options)

    def advance(self, iteration: int) -> bool:
        if self._team is not None and self._team.is_chief:
            self._team.agree(iteration)
        return super().advance(iteration)

    def compiled_program(self) -> str:
        """The program that computes the gradient of a part, as XLA's text."""
        seed = tf.identity(self.seed)
        part = _part(*self._draw_program(seed), 0, self._part_sizes()[0])
        return self._part_program.experimental_get_compiler_ir(self._noisy_weights(seed), *part)(stage="optimized_hlo")

    def _make_program(self):
        return tf.function(self._train_to, autograph=False)

    def _update(self, seed):
        if self._strategy is None:
            return self._apply_program(self._measure_share(seed, tf.constant(0)))

        def measure(seed):
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return tf.add_n(self._measure_share(seed, tf.convert_to_tensor(replica)))

        shares = self._strategy.run(measure, args=(seed,))
        return self._apply_program([self._strategy.reduce(tf.distribute.ReduceOp.MEAN, shares, axis=None)])

    def _measure_share(self, seed, replica):
        """Measures the share of a replica. Returns a vector for each part. The sum of the vectors is the share's."""
        weights, (batch, state_seed) = self._noisy_weights(seed), self._draw_program(seed)
        first, results = replica * self._share_size, []
        for size in self._part_sizes():
            results.append(self._part_program(weights, *_part(batch, state_seed, first, size)))
            first += size
        return results

    def _part_sizes(self):
        """The number of sequences in each part of a share. A GPU computes a share at once."""
        parts = 1 if tf.config.get_visible_devices("GPU") else max(1, self._share_size // PART_SIZE)
        size, remainder = divmod(self._share_size, parts)
        return [size + 1] * remainder + [size] * (parts - remainder)

    def _measure_part(self, weights, part, state_seed, first):
        """The results of `_measure` as one vector, times the part's fraction of the share."""
        measured, gradient = self._measure(weights, part, state_seed, first)
        return tf.concat([measured, gradient], axis=0) * (part.inputs.shape[0] / self._share_size)

    def _apply_parts(self, parts):
        means = tf.add_n(parts)
        return self._apply(tf.unstack(means[:3]), means[3:])


def _part(batch, state_seed, first, size):
    """The arguments of `_measure_part` after the weights, for `size` sequences of a batch from `first` on."""
    rows = {name: some_rows(getattr(batch, name), first, size) for name in ("inputs", "targets", "mask")}
    return batch._replace(**rows), state_seed, tf.convert_to_tensor(first)
