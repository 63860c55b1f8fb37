"""Distributes updates with tf.distribute: several devices or machines share the sequences of a batch."""

import keras
import tensorflow as tf

from experiment.team import Team
from experiment.trainer import Measured, Trainer
from ntm.model import SequenceModel
from tasks import Task


class DistributedTrainer(Trainer):
    """A Trainer whose updates are distributed over the replicas of a tf.distribute strategy.

    A replica is a copy of the computation on one device. Each replica draws the whole batch of an update from the
    update's seed. This takes little time. Each replica then measures its own share of the sequences. The result of an
    update is therefore the same as in a Trainer, except for rounding in sums. A compiled program computes the gradient
    of a share. The mean over the replicas and the optimizer run outside this program. Every process runs the optimizer
    on its own copy of the weights.

    Args:
        model, task, optimizer: as for `Trainer`.
        team: Team with a strategy. When the chief calls `advance`, all processes of the team advance.
        batch_size: B, the sequences of all replicas in an update.
        **options: further arguments of `Trainer`.

    Raises:
        ValueError: an argument is out of range, or `batch_size` is not a multiple of the number of replicas.
    """

    def __init__(
        self,
        model: SequenceModel,
        task: Task,
        optimizer: keras.optimizers.Optimizer,
        *,
        team: Team,
        batch_size: int = 1,
        **options,
    ):
        replicas = team.strategy.num_replicas_in_sync
        if batch_size % replicas:
            raise ValueError(f"batch_size={batch_size} is no multiple of the number of replicas, {replicas}")
        self._team, self._share_size = team, batch_size // replicas
        self._measure_share = tf.function(self._measure_rows, jit_compile=True, autograph=False)
        self._apply_program = tf.function(self._apply_vector, jit_compile=True, autograph=False)
        super().__init__(model, task, optimizer, batch_size=batch_size, **options)

    def advance(self, iteration: int) -> bool:
        if self._team.is_chief:
            self._team.agree(iteration)
        return super().advance(iteration)

    def _make_program(self):
        return tf.function(self._train_to, autograph=False)

    def _update(self, draws):
        def measure(weights, seed):
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return self._measure_share(weights, seed, tf.convert_to_tensor(replica))

        shares = self._team.strategy.run(measure, args=(self._noisy_weights(draws.noise_offset), draws.seed))
        return self._apply_program(self._team.strategy.reduce(tf.distribute.ReduceOp.MEAN, shares, axis=None))

    def _measure_rows(self, weights, seed, replica):
        """The results of `_measure` for the share of a replica, as one vector: one reduction is then enough."""

        def share(tensor):
            begin = [replica * self._share_size] + [0] * (tensor.shape.rank - 1)
            return tf.slice(tensor, begin, [self._share_size, *tensor.shape[1:]])

        measured, gradient = self._measure(weights, seed, share)
        return tf.concat([tf.stack(measured), gradient], axis=0)

    def _apply_vector(self, means):
        numbers = len(Measured._fields)
        return self._apply(Measured._make(tf.unstack(means[:numbers])), means[numbers:])
