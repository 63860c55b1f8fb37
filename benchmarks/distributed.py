"""Checks training on several devices and processes: `python -m benchmarks.distributed --check=losses`.

losses   compares two devices with one device, and two processes with two devices, update by update, for several tasks
kills    kills a random process of a run at a random moment and resumes the run, many times
speed    compares two processes, each pinned to a core of its own, with one process on one core
sweep    compares six seeds on two Dask workers with six seeds without Dask, and kills a worker during further sweeps
"""

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from experiment.command_line import Parser, file_path, start, whole_number

with start():
    import numpy as np

    from benchmarks import convergence, processes, sweep
    from experiment.build import build_trainer
    from experiment.config import default_config
    from experiment.metrics_file import read_metrics
    from experiment.team import form_team

SETTINGS = {  # task and model
    "copy": ("copy", "ntm-lstm"),
    "recall": ("associative-recall", "ntm-lstm"),
    "sort": ("priority-sort", "ntm-lstm"),
    "feedforward": ("copy", "ntm-feedforward"),
}
TOLERANCE = 1e-5
SMALL = ("--controller-units=8", "--memory-locations=9", "--memory-width=5", "--max-length=3", "--batch-size=4")


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.distributed", description=__doc__.splitlines()[0])
    parser.add_argument("--check", choices=CHECKS, required=True, help="what to check")
    parser.add_argument("--dir", type=file_path, default="runs/distributed", help="directory of the runs (%(default)s)")
    parser.add_argument(
        "--count",
        type=whole_number(1),
        default=20,
        metavar="N",
        help="number of kills, or of sweeps in which a worker is killed (%(default)s)",
    )
    parser.add_argument("--updates", type=whole_number(2), default=300, metavar="N", help="updates (%(default)s)")
    parser.add_argument("--batch-size", type=whole_number(2), metavar="N", help="batch (losses: 32, speed: 64)")
    parser.add_argument("--setting", choices=SETTINGS, help="losses: the only task and model to check (all)")
    arguments = parser.parse_args(argv)
    parser.make_directory("--dir", arguments.dir)
    return CHECKS[arguments.check](arguments)


def check_losses(arguments) -> int:
    """Compares two devices with one device, and two processes with two devices."""
    team = form_team("mirrored", "cpu", 2, "benchmarks.distributed")
    size = arguments.batch_size or 32
    for name, (task, model) in SETTINGS.items():
        if arguments.setting not in (None, name):
            continue
        config = default_config(task=task, model=model).replace(training={"batch_size": size})
        _compare_updates(name, config, team, arguments.updates)
        _compare_processes(name, ["--task=" + task, "--model=" + model], size, arguments)
    return 0


def _compare_updates(name, config, team, updates):
    """Prints how far two devices differ from one device.

    Two devices round sums differently, and training amplifies such a small difference without limit. To show how fast
    the difference grows, a second trainer on one device starts from weights that differ by 1e-7 of their size, like
    rounding errors.

    A second trainer on two devices shows the difference of single updates. Before each update, it gets the weights of
    the first trainer on one device.
    """
    one, two, single = build_trainer(config), build_trainer(config, team=team), build_trainer(config, team=team)
    moved = build_trainer(config)
    generator = np.random.default_rng(0)
    for weight in moved.model.trainable_variables:
        weight.assign(weight * (1 + 1e-7 * generator.standard_normal(weight.shape)))
    alone, together, perturbed, gradients = [], [], [], []
    for update in range(1, updates + 1):
        for variable, value in zip(single.variables().values(), one.variables().values()):
            variable.assign(value)
        for trainer in (one, two, single, moved):
            trainer.start_metrics()
            trainer.advance(update)
        loss = one.metrics().loss
        for trainer, found in ((single, alone), (two, together), (moved, perturbed)):
            found.append(abs(trainer.metrics().loss - loss) / abs(loss))
        expected, found = (_vector(trainer.gradients()) for trainer in (one, single))
        gradients.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    print(f"{name}, {updates} updates, two devices against one, largest relative differences:")
    print(f"  each update from equal weights: loss {max(alone):.1e}, gradient {max(gradients):.1e}")
    for found, what in ((together, "two devices"), (perturbed, "one device, initial weights moved by 1e-7")):
        beyond = next((i for i, value in enumerate(found, 1) if value > TOLERANCE), None)
        until = "in all updates" if beyond is None else f"up to update {beyond - 1}"
        print(f"  {what}: loss differs by at most {TOLERANCE:.0e} {until}, {max(found):.1e} overall", flush=True)


def _vector(gradients):
    return np.concatenate([np.ravel(gradient) for gradient in gradients.values()])


def _compare_processes(name, options, size, arguments):
    """Prints how far a run of two processes differs from a run of one process with two devices."""
    root = Path(arguments.dir)
    common = [*options, f"--batch-size={size}", f"--iterations={arguments.updates}", "--log-every=1"]
    mirrored, workers = root / f"{name}-mirrored-{time.time_ns()}", root / f"{name}-workers-{time.time_ns()}"
    processes.end_well(
        [processes.start_training([*common, "--distribute=mirrored", "--devices=2", f"--run-dir={mirrored}"])]
    )
    processes.end_well([process for process, _ in processes.start_workers([*common, f"--run-dir={workers}"])])
    loss, weight = processes.differences(workers, mirrored)
    print(f"  two processes against two devices: loss {loss:.1e}, final weights {weight:.1e}", flush=True)


def check_kills(arguments) -> int:
    """Kills processes and resumes their runs.

    Returns:
        1 if a process did not end as `kill_one` demands, or if a resumed run differs from a run without a kill; else 0.
    """
    root = Path(arguments.dir)
    common = [*SMALL, f"--iterations={arguments.updates}", "--log-every=20", "--checkpoint-every=100"]
    whole = root / f"whole-{time.time_ns()}"
    begin = time.perf_counter()
    processes.end_well([process for process, _ in processes.start_workers([*common, f"--run-dir={whole}"])])
    duration = time.perf_counter() - begin
    failures, longest = 0, 0.0
    for number in range(arguments.count):
        run_dir = root / f"killed-{time.time_ns()}"
        victim, moment = random.randrange(2), random.uniform(0, duration)
        seconds, message = kill_one([*common, f"--run-dir={run_dir}"], victim, moment)
        what = ["--resume"] if (run_dir / "config.json").exists() else common
        processes.end_well([process for process, _ in processes.start_workers([*what, f"--run-dir={run_dir}"])])
        equal = processes.differences(run_dir, whole) == (0, 0)
        failures += seconds is None or not equal
        longest = max(longest, seconds or 0)
        print(f"{number + 1}: worker {victim} killed after {moment:.1f} s: {message}; equal: {equal}", flush=True)
    print(f"{arguments.count} kills: {failures} failures; the other process ended after at most {longest:.1f} s")
    return int(failures > 0)


def kill_one(options: list, victim: int, moment: float, limit: float = 60.0) -> tuple:
    """Starts two processes and kills one.

    Args:
        options: options of train.py.
        victim: the number of the process to kill.
        moment: when to kill it, in seconds after the start.
        limit: seconds within which the other process must end.

    Returns:
        The seconds after which the other process ended, and its message. After a failure, the seconds are None.

        The other process must end within the limit, with one line that names the victim, and with the right status.
        If it does not, the kill counts as a failure. The right status is 1. If the victim had not joined yet, the right
        status is the status of SIGKILL, because the other process cannot end itself while it waits for the victim.
        Within the limit, any message and status are right if the victim had ended by itself before the kill. If the
        other process ends with status 0, any message is right.
    """
    started = processes.start_workers(options)
    (lost, address), (other, _) = started[victim], started[1 - victim]
    try:
        time.sleep(moment)
        alive = lost.poll() is None
        lost.kill()
        begin = time.perf_counter()
        _, err = other.communicate(timeout=limit)
        seconds, message = time.perf_counter() - begin, err.strip()
        status = -signal.SIGKILL if "has not joined" in message else 1
        good = address in message and message.count("\n") == 0 and other.returncode == status
        return (seconds if good or not alive or other.returncode == 0 else None), f"{seconds:.1f} s, {message}"
    except processes.subprocess.TimeoutExpired:
        return None, "did not end"
    finally:
        for process, _ in started:
            process.kill()
            process.communicate()


def check_speed(arguments) -> int:
    """Measures one process and two processes in alternation. Prints their updates per second."""
    root, size = Path(arguments.dir), arguments.batch_size or 64
    common = [f"--batch-size={size}", f"--iterations={arguments.updates}", f"--log-every={arguments.updates // 2}"]
    ratios = []
    for _ in range(3):
        one, two = (root / f"speed-{kind}-{time.time_ns()}" for kind in ("one", "two"))
        processes.end_well([processes.start_training([*common, f"--run-dir={one}"], core=0)])
        started = processes.start_workers([*common, f"--run-dir={two}"], cores=[0, 1])
        processes.end_well([process for process, _ in started])
        rates = []
        for run_dir in (one, two):  # the first half of the updates includes the compilation
            first, second = read_metrics(run_dir)["seconds"][:2]
            rates.append((arguments.updates - arguments.updates // 2) / (second - first))
        ratios.append(rates[1] / rates[0])
        print(f"batch {size}: one process {rates[0]:.1f} updates/s, two {rates[1]:.1f}, ratio {ratios[-1]:.2f}")
    print(f"median ratio {np.median(ratios):.2f}")
    return 0


def check_sweep(arguments) -> int:
    """Compares sweeps on Dask with a sweep without Dask. Returns 1 if their rows differ, else 0."""
    import distributed

    begin = time.perf_counter()
    expected = _rows(arguments, "local")
    duration = time.perf_counter() - begin
    failures = 0
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        for number in range(arguments.count + 1):
            moment = random.uniform(0.1, 0.9) * duration
            killer = threading.Timer(moment, _kill_worker, [client])
            if number:
                killer.start()
            equal = _rows(arguments, f"dask-{number}", client) == expected
            killer.cancel()
            killed = f"a worker killed after {moment:.0f} s" if number else "no worker killed"
            print(f"six seeds on two Dask workers, {killed}: the same rows: {equal}", flush=True)
            failures += not equal
    print(f"{arguments.count + 1} sweeps: {failures} failures")
    return int(failures > 0)


def _rows(arguments, name, client=None):
    """The rows of a sweep over six seeds. Their column "seconds", which varies, is set to 0."""
    root = Path(arguments.dir).resolve() / f"{name}-{time.time_ns()}"
    options = (*SMALL, f"--iterations={arguments.updates}", "--log-every=20", "--checkpoint-every=100")
    jobs = [sweep.Job(run_dir=root / f"seed-{seed}", seed=seed, options=options, sequences=100) for seed in range(6)]
    rows = [convergence.read_row(job.run_dir) for job in sweep.finished(jobs, 2, client, snapshot_seconds=2)]
    return sorted(({**row, "seconds": 0} for row in rows), key=lambda row: row["seed"])


def _kill_worker(client):
    os.kill(random.choice(list(client.run(os.getpid).values())), signal.SIGKILL)


CHECKS = {"losses": check_losses, "kills": check_kills, "speed": check_speed, "sweep": check_sweep}

if __name__ == "__main__":
    sys.exit(main())
