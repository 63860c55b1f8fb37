"""A team: the devices and processes that share the batches of a run, and what they tell one another."""

import contextlib
import json
import signal

import numpy as np
import tensorflow as tf

from experiment.allocator import keep_freed_memory
from experiment.cluster import Cluster, limited_wait, lost, read_cluster
from experiment.devices import choose_devices
from experiment.errors import first_line

STRATEGIES = ("mirrored", "multi-worker")
_LOST = (  # the errors with which TensorFlow reports that another process has gone
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


class Team:
    """The devices and processes that share the batches of a run.

    Args:
        strategy: a tf.distribute strategy; None for one device.
        cluster: Cluster; None for one process. With None, `agree` exchanges nothing.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None, cluster: Cluster | None = None):
        self.strategy, self.cluster = strategy, cluster
        self._sum = tf.function(self._sum_over_processes, autograph=False, reduce_retracing=True)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run directory."""
        return self.cluster is None or self.cluster.is_chief

    @contextlib.contextmanager
    def noticing_losses(self):
        """Turns TensorFlow's errors about a lost process into ProcessLostError."""
        try:
            yield
        except _LOST as error:
            if self.cluster is None:
                raise
            raise lost(self.cluster, error) from None

    def refuse_other_options(self, chosen: dict):
        """Compares the options of all processes.

        Args:
            chosen: the options of this process, a dict from names to values.

        Raises:
            ValueError: a process has other options than the chief. All processes raise it.
        """
        chiefs, *others = map(json.loads, self.gather(json.dumps(chosen)))
        for member, values in zip(self.cluster.members[1:], others):
            for name in sorted(chiefs.keys() | values.keys()):
                if chiefs.get(name) != values.get(name):
                    raise ValueError(f"{member} has {name}={values.get(name)}, the chief has {chiefs.get(name)}")

    def broadcast(self, text: str = "") -> str:
        """Sends a text from the chief to all processes. All processes must call this. Returns the chief's text."""
        return self.gather(text if self.is_chief else "")[0]

    def broadcast_variables(self, variables: list):
        """Gives some variables the values that they have in the chief. All processes must call this."""
        values = tf.concat([tf.reshape(tf.cast(variable, tf.float64), [-1]) for variable in variables], axis=0)
        chiefs = self._sum(values if self.is_chief else tf.zeros_like(values))
        if not self.is_chief:
            sizes = [variable.shape.num_elements() for variable in variables]
            for variable, part in zip(variables, tf.split(chiefs, sizes)):
                variable.assign(tf.cast(tf.reshape(part, variable.shape), variable.dtype))

    def gather(self, text: str) -> list:
        """Collects a text from each process. All processes must call this. Returns the texts in the cluster's order."""
        content, (rows, index) = text.encode(), (len(self.cluster.members), self.cluster.index)
        lengths = np.zeros(rows)
        lengths[index] = len(content)
        lengths = self._sum(tf.constant(lengths)).numpy().astype(int)
        table = np.zeros([rows, lengths.max()])
        table[index, : len(content)] = np.frombuffer(content, np.uint8)
        table = self._sum(tf.constant(table.ravel())).numpy().astype(np.uint8).reshape(table.shape)
        return [row[:length].tobytes().decode() for row, length in zip(table, lengths)]

    def agree(self, iteration: int = 0, received: int = 0) -> int:
        """Agrees on the iteration up to which to train. All processes call this.

        Args:
            iteration: the chief's choice; 0 ends the training. Others leave it out.
            received: the signal that this process has received; 0 for none. The chief leaves it out. The
                signal is raised in the chief, if training goes on and the chief has a handler for the signal.

        Returns:
            The chief's choice.
        """
        if self.cluster is None:
            return iteration
        chosen, *signals = self._sum(tf.constant(self._own_row([iteration, received]))).numpy().astype(int)
        for number in filter(None, signals if chosen else ()):
            # After its first signal the chief has the default handlers again. A raised signal would then end the
            # chief.
            if self.is_chief and signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler):
                signal.raise_signal(number)
        return int(chosen)

    def _own_row(self, values):
        """[1 + number of processes]: the chief's iteration, and the signal of each process."""
        row = np.zeros(1 + len(self.cluster.members))
        row[0], row[1 + self.cluster.index] = values
        return row

    def _sum_over_processes(self, values):
        """The sum of a vector over all processes. Each process counts once, however many replicas it has."""
        replicas = self.strategy.num_replicas_in_sync // len(self.cluster.members)

        def first_replica(values):
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return tf.where(tf.equal(replica % replicas, 0), values, tf.zeros_like(values))

        parts = self.strategy.run(first_replica, args=(values,))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)


def form_team(distribute: str | None, device: str, devices: int | None, prog: str) -> Team:
    """Chooses the devices of this process and joins the other processes.

    To be called before TensorFlow runs its first operation.

    Args:
        distribute: one of STRATEGIES, or None for one device.
        device: one of `experiment.devices.DEVICES`.
        devices: the number of logical CPU devices, or None.
        prog: the command's name, for messages.

    Raises:
        ValueError: the options contradict one another or the machine.
    """
    cluster = read_cluster() if distribute == "multi-worker" else None
    names = choose_devices(device, distribute == "mirrored", devices)
    if distribute is None:
        return Team()
    keep_freed_memory()  # on several devices, every update calls a compiled program, which allocates memory
    if cluster is None:
        on_gpu = names[0].startswith("GPU")
        reduction = None if on_gpu else tf.distribute.ReductionToOneDevice()
        return Team(tf.distribute.MirroredStrategy(names, cross_device_ops=reduction))
    try:
        with limited_wait(cluster, prog):
            return Team(tf.distribute.MultiWorkerMirroredStrategy(), cluster)
    except (tf.errors.OpError, RuntimeError) as error:
        address = cluster.members[cluster.index].address
        raise ValueError(f"distribute=multi-worker: cannot start at {address}: {first_line(error)}") from None
