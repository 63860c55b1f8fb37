"""Compares the results of the Trainer and of benchmarks/jax_peer.py, then times their updates in alternation.

`python -m benchmarks.jax_speed BATCH_SIZE` is a worker that runs the Trainer as train.py does.
"""

import collections
import contextlib
import importlib.util
import statistics
import sys
import tempfile
from pathlib import Path

from experiment.command_line import run, start

with start():
    import numpy as np
    import tensorflow as tf

    from benchmarks.measure import UPDATES, Row, make_trainer
    from benchmarks.turns import Worker, one_core, serve
    from experiment.checkpoints import variable_name
    from experiment.devices import choose_threads
    from experiment.seeds import TRAINING, batch_and_state_seeds, fold_in, stream
    from experiment.team import form_team
    from ntm.metrics import summed_loss

PACKAGES = ("jax", "optax")  # requirements-jax.txt
BATCH_SIZES = (1, 16)
LENGTHS = (None, 10)  # None for the task's bounds
TRAINER, ONE_PROGRAM, EACH_LENGTH = "Trainer", "JAX", "JAX, each length"
FORMS = {  # arguments of jax_peer.make_job for each form of the peer; none for the Trainer
    TRAINER: {},
    ONE_PROGRAM: {"each_length": False, "remat": False},
    f"{ONE_PROGRAM}, remat": {"each_length": False, "remat": True},
    EACH_LENGTH: {"each_length": True, "remat": False},
    f"{EACH_LENGTH}, remat": {"each_length": True, "remat": True},
}
# The largest allowed difference, relative to the largest value of a tensor. Both programs compute in float32 but add in
# different orders. After 42 steps, this makes differences of up to about 1e-4. A wrong term makes far larger ones.
TOLERANCE = 1e-3


class PeerError(Exception):
    """The peer and the NTM compute different results."""


def jax_updates(repeats: int):
    """an update of the Trainer and of benchmarks/jax_peer.py, in turns; copy, memory 128 x 20, LSTM of 100 units"""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        print(f"  not measured, because {missing[0]} is missing: pip install -r requirements-jax.txt", flush=True)
        return
    trainer = make_trainer()
    difference = largest_difference(trainer.model, trainer.task.batch(stream(0, TRAINING), 2))
    check_difference(difference)
    yield Row("logits and gradients: largest relative difference", difference, "")
    lengths = lengths_of_updates(trainer.task)
    for batch_size in BATCH_SIZES:
        with _workers(peer_weights(trainer.model), batch_size) as workers:
            for length in LENGTHS:
                updates = lengths if length is None else {length: UPDATES}
                yield from _rows(_case(batch_size, updates), _compare(batch_size, updates, workers, repeats))


def largest_difference(model, batch) -> float:
    """Compares the NTM with the peer, with and without remat.

    Args:
        model: NTM with one head of each kind.
        batch: Batch of a task.

    Returns:
        The largest difference in a logit or a gradient, relative to the largest value of the same tensor.
    """
    from benchmarks import jax_peer  # needs JAX

    @tf.function(jit_compile=True)
    def results():
        with tf.GradientTape() as tape:
            logits, _ = model.run(batch.inputs, steps=batch.num_steps)
            loss = summed_loss(batch.targets, logits, batch.mask)
        return logits, tape.gradient(loss, model.trainable_variables)

    logits, gradients = results()
    weights, steps = peer_weights(model), int(batch.num_steps)
    arrays = batch.inputs.numpy(), batch.targets.numpy(), batch.mask.numpy()[0]
    differences = []
    for remat in (False, True):
        peer_logits, peer_gradients = jax_peer.logits_and_gradients(weights, arrays, remat)
        pairs = [(logits[:, :steps], peer_logits[:, :steps])]
        pairs += [(gradient, peer_gradients[name]) for name, gradient in zip(weights, gradients)]
        differences += [np.max(np.abs(ours - peers)) / np.max(np.abs(ours)) for ours, peers in pairs]
    return float(np.max(differences))


def check_difference(difference):
    """Raises PeerError if the result of `largest_difference` is above TOLERANCE or NaN."""
    if not difference <= TOLERANCE:
        raise PeerError(
            "nothing was timed, because logits or gradients of the JAX peer and of the NTM differ "
            f"by {difference:.2g} of a tensor's largest value; at most {TOLERANCE:g} is allowed"
        )


def peer_weights(model) -> dict:
    """The model's weights for the peer: a dict from names such as "heads/kernel" to arrays, in the model's order."""
    names = [variable_name(variable).removeprefix("model/") for variable in model.trainable_variables]
    return {name.removeprefix("cell/"): variable.numpy() for name, variable in zip(names, model.trainable_variables)}


def lengths_of_updates(task) -> dict:
    """The lengths of the Trainer's first UPDATES updates with seed 0: a dict from a length to a number of updates."""
    seeds = [batch_and_state_seeds(fold_in(stream(0, TRAINING), i))[0] for i in range(UPDATES)]
    return dict(sorted(collections.Counter(int(task.batch(seed, 1).answer_at) - 2 for seed in seeds).items()))


@contextlib.contextmanager
def _workers(weights, batch_size):
    """Starts the workers for a batch size. Yields a dict from (program, cores) to Workers. Cores: "1" or "all"."""
    cores = {"all": None}
    if (core := one_core()) is not None:
        cores = {"1": core, **cores}
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        path = Path(directory, "weights.npz")
        np.savez(path, **weights)
        commands = {TRAINER: ["benchmarks.jax_speed", str(batch_size)], ONE_PROGRAM: ["benchmarks.jax_peer", str(path)]}
        workers = {}
        for program, command in commands.items():
            for number, core in cores.items():
                workers[program, number] = worker = Worker(["-m", *command], core)
                stack.callback(worker.end)
        yield workers


def _compare(batch_size, updates, workers, repeats):
    """Times the Trainer and the forms of the peer.

    Args:
        batch_size: B.
        updates: a dict from a length to a number of updates.
        workers: from `_workers`.
        repeats: rounds of the alternation.

    Returns:
        A dict from (form, number of cores) to the milliseconds of an update.
    """

    def times(keys, repeats):
        jobs = {
            (form, cores): (
                workers[form.partition(",")[0], cores],
                {"batch_size": batch_size, "updates": [*updates.items()], **FORMS[form]},
            )
            for form, cores in keys
        }
        seconds = in_turns(jobs, repeats)
        return {key: 1e3 * statistics.median(values) / sum(updates.values()) for key, values in seconds.items()}

    cores = [number for program, number in workers if program == TRAINER]
    peers = [(form, number) for form in (ONE_PROGRAM, f"{ONE_PROGRAM}, remat") for number in cores]
    if len(updates) > 1:
        # Programs for 20 lengths take minutes to compile. Therefore only one form is timed, on one number of cores: the
        # form and the number of cores with which the program for all lengths is fastest.
        once = times(peers, 1)
        faster, number = min(once, key=once.get)
        peers.append((faster.replace(ONE_PROGRAM, EACH_LENGTH), number))
    return times([(TRAINER, number) for number in cores] + peers, repeats)


def in_turns(jobs, repeats: int) -> dict:
    """Runs jobs one at a time, in rounds.

    First, every job runs once, all workers at the same time. These runs compile and are not measured.

    Args:
        jobs: a dict from any key to (Worker, the job).
        repeats: the number of rounds.

    Returns:
        A dict from each key to the list of seconds.
    """
    for worker, job in jobs.values():
        worker.begin(job)
    for worker, _ in jobs.values():
        worker.seconds()
    seconds = {key: [] for key in jobs}
    for _ in range(repeats):
        for key, (worker, job) in jobs.items():
            worker.begin(job)
            seconds[key].append(worker.seconds())
    return seconds


def _case(batch_size, updates):
    """The name of a case: "batch 1, lengths 1-20"."""
    low, high = min(updates), max(updates)
    return f"batch {batch_size}, {f'length {low}' if low == high else f'lengths {low}-{high}'}"


def _rows(case, times):
    """The rows of a case. They compare all cores with one core, and the fastest form of the peer with the Trainer.

    Args:
        case: the name of the case.
        times: from `_compare`.
    """
    for (form, cores), milliseconds in times.items():
        one = times.get((form, "1"))
        ratio = (milliseconds / one, "one core") if one and cores == "all" else ()
        yield Row(f"{case}: {form}, {'one core' if cores == '1' else 'all cores'}", milliseconds, "ms", *ratio)
    best, shipped = min(times[key] for key in times if key[0] != TRAINER), times[TRAINER, "all"]
    yield Row(f"{case}: the fastest JAX", best, "ms", best / shipped, f"{TRAINER}, all cores")


def _make_updates(batch_size, updates):
    """Makes a Trainer. Returns a function that makes the first updates of this Trainer.

    Args:
        batch_size: B.
        updates: pairs of a length and a number of updates, sorted.
    """
    (low, _), (high, _) = updates[0], updates[-1]
    trainer = make_trainer(batch_size, low if low == high else None)

    def run_updates():
        trainer.iteration.assign(0)
        trainer.advance(sum(number for _, number in updates))

    return run_updates


def main() -> int:
    choose_threads(int(sys.argv[1]))
    form_team(None, "cpu", None, "benchmarks.jax_speed")
    serve(_make_updates)
    return 0


if __name__ == "__main__":
    run(main)
