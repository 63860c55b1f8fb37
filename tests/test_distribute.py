"""Training on several devices and in several processes: train.py --distribute."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf

import train
from benchmarks import processes
from commands import Fork, losses, refused, tensors
from experiment.build import build_trainer
from experiment.cluster import Cluster, Member, lost, read_cluster
from experiment.config import default_config
from experiment.devices import LARGE_BATCH, choose_threads
from experiment.team import Team, form_team

RUN = {
    "model": {"controller_units": 8, "memory_locations": 9, "memory_width": 5, "initial_state": "random"},
    "task": {"max_length": 3},
    "training": {"batch_size": 4, "weight_noise": 0.01},
    "run": {"iterations": 200, "log_every": 20, "checkpoint_every": 100},
}
MIRRORED = ["--distribute=mirrored", "--devices=2"]
TWO = {"worker": ["127.0.0.1:5001", "127.0.0.1:5002"]}


def advance(trainer, iterations):
    """Trains, and returns the metrics of every 20 updates."""
    found = []
    for iteration in iterations:
        trainer.start_metrics()
        assert trainer.advance(iteration)
        found.append(trainer.metrics())
    return found


@pytest.fixture(scope="module")
def mirrored():
    """A trainer after 200 updates on two devices, its metrics, and its weights after 20 updates."""
    team = form_team("mirrored", "cpu", 2, "test")
    trainer = build_trainer(default_config().replace(**RUN), team=team)
    metrics = advance(trainer, [20])
    weights = [weight.numpy() for weight in trainer.model.weights]
    return trainer, metrics + advance(trainer, range(40, 201, 20)), weights


def test_two_devices_train_like_one(mirrored):
    """Only the rounding of sums differs. Within 100 updates, training amplifies this beyond every tolerance."""
    one = build_trainer(default_config().replace(**RUN))
    np.testing.assert_allclose(mirrored[1][0], advance(one, [20])[0], rtol=1e-5)
    for found, expected in zip(mirrored[2], one.model.weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_killed_worker_ends_the_chief_and_both_resume_bit_for_bit(mirrored, workspace, monkeypatch):
    """Two processes compute the same numbers as two devices of one process."""
    monkeypatch.setattr(subprocess, "Popen", Fork)
    run_dir = workspace / "killed"
    options = [f"--{k.replace('_', '-')}={v}" for section in RUN.values() for k, v in section.items()]
    (chief, _), (worker, address) = processes.start_workers([*options, f"--run-dir={run_dir}"])
    try:
        while not (run_dir / "checkpoints" / "step-100").exists():
            assert chief.poll() is None, chief.communicate()
            time.sleep(0.001)
        worker.kill()
        _, err = chief.communicate(timeout=60)
    finally:
        chief.kill()
        worker.kill()
        worker.communicate()
    assert not (run_dir / "model.keras").exists()
    message = f"worker 1 ({address}) has gone; start all processes again, with --resume"
    assert (chief.returncode, err) == (1, f"train.py: error: {message}\n")
    started = processes.start_workers(["--resume", f"--run-dir={run_dir}"])
    processes.end_well([process for process, _ in started])
    trainer, metrics, _ = mirrored
    for row, expected in zip(losses(run_dir), metrics, strict=True):
        assert {name: float(row[name]) for name in expected._fields} == pytest.approx(expected._asdict(), rel=1e-8)
    found = tensors(run_dir, 200)
    for name, variable in trainer.variables().items():
        if name not in ("seconds", "totals", "updates_in_totals"):
            np.testing.assert_array_equal(found[name], variable, err_msg=name)


def cluster(index, *processes):
    """A Cluster of processes, each given as its job, its number and its address."""
    members = [Member(job=job, number=number, address=address) for job, number, address in processes]
    return Cluster(members=members, index=index)


def test_other_options_than_the_chiefs_are_refused():
    team = Team(None, cluster(1, ("worker", 0, "a:1"), ("worker", 1, "b:1")))
    team.gather = lambda text: ['{"seed": 0, "loss": "sum"}', text]
    with pytest.raises(ValueError, match=r"worker 1 \(b:1\) has seed=3, the chief has 0"):
        team.refuse_other_options({"seed": 3, "loss": "sum"})
    team.refuse_other_options({"seed": 0, "loss": "sum"})


def test_a_workers_signal_is_raised_in_the_chief_unless_the_training_has_ended(monkeypatch):
    team = Team(None, cluster(0, ("worker", 0, "a:1"), ("worker", 1, "b:1")))
    monkeypatch.setattr(team, "_sum", lambda row: row + np.array([0, 0, signal.SIGUSR1]))
    received = []
    previous = signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
    try:
        assert (team.agree(20), received) == (20, [signal.SIGUSR1])
        assert (team.agree(0), received) == (0, [signal.SIGUSR1])
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_lost_process_is_named(monkeypatch):
    three = cluster(1, ("chief", 0, "a:1"), ("worker", 0, "b:1"), ("worker", 1, "c:1"))
    monkeypatch.setattr(Member, "answers", lambda member: member.address != "c:1")
    error = RuntimeError("aborted by /job:chief/replica:0/task:0")  # the error names only the chief; worker 1 has gone
    assert str(lost(three, error)).startswith("worker 1 (c:1) has gone")
    monkeypatch.setattr(Member, "answers", lambda member: True)
    assert str(lost(three, error)).startswith("chief 0 (a:1) has gone")


def test_the_chief_comes_first(monkeypatch):
    config = {"cluster": {"worker": ["b:1", "c:1"], "chief": ["a:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    cluster = read_cluster()
    assert [str(member) for member in cluster.members] == ["chief 0 (a:1)", "worker 0 (b:1)", "worker 1 (c:1)"]
    assert cluster.index == 2 and not cluster.is_chief


@pytest.mark.parametrize(
    "config, words",
    [
        (None, ["--distribute=multi-worker needs", "TF_CONFIG"]),
        ("{", ["TF_CONFIG is not JSON"]),
        ([], ["TF_CONFIG", '"cluster"']),
        ({"cluster": {"ps": ["a:1"]}}, ["TF_CONFIG", '"cluster"', "ps"]),
        ({"cluster": {"worker": "a:1"}}, ["TF_CONFIG", '"worker"', "a:1"]),
        ({"cluster": {"worker": ["a", "b:1"]}}, ["TF_CONFIG", '"worker"', "'a'"]),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, ["TF_CONFIG names an address twice"]),
        ({"cluster": TWO}, ["TF_CONFIG", '"task"']),
        ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, ["TF_CONFIG", '"task"', "2"]),
        ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, ["TF_CONFIG", '"task"', "chief"]),
    ],
)
def test_a_malformed_cluster_is_refused(config, words, monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    line = refused(capsys, train.main, "--distribute=multi-worker")
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--distribute=mirrored"], ["--distribute=mirrored", "--devices=N"]),
        (["--devices=2"], ["--devices=2", "--distribute=mirrored"]),
        (["--device=gpu"], ["--device=gpu", "no GPU"]),
        (["--device=tpu"], ["--device", "tpu"]),
        ([*MIRRORED, "--device=gpu"], ["--devices=2", "--device=gpu"]),
        ([*MIRRORED, "--batch-size=3"], ["--batch-size=3", "replicas, 2"]),
        ([*MIRRORED, "--profile=x"], ["--profile", "--distribute"]),
        (["--distribute=all"], ["--distribute", "'all'"]),
    ],
)
def test_devices_that_do_not_exist_are_refused(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, train.main, *arguments)
    assert all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


def test_small_batches_use_one_thread_unless_the_environment_sets_the_number(monkeypatch):
    chosen = []
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", chosen.append)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    choose_threads(LARGE_BATCH)
    assert chosen == []
    choose_threads(LARGE_BATCH - 1)
    assert chosen == [1]
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    choose_threads(1)
    assert chosen == [1]
