"""The comparison with an NTM in JAX. Without JAX, the tests of benchmarks/jax_peer.py are skipped."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import jax_speed, speed
from benchmarks.turns import Worker, WorkerError
from experiment.seeds import TRAINING, stream
from ntm import NTM
from tasks import CopyTask

# A worker. Each of its jobs appends the job's name to a file.
WORKER = """
import sys
from benchmarks.turns import serve

def make(name, fails=False):
    def run():
        if fails:
            sys.exit("out of luck")
        with open(sys.argv[1], "a") as file:
            file.write(f"{name} ")
    return run

serve(make)
"""


@pytest.fixture
def jax_peer():
    for package in jax_speed.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed")
    from benchmarks import jax_peer

    return jax_peer


def test_the_peers_logits_and_gradients_equal_the_ntms(jax_peer, rng):
    model = NTM(8, controller_units=6, memory_locations=7, memory_width=4, shift_range=2)
    model.build((None, None, 10))
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    batch = CopyTask(max_length=3).batch(stream(0, TRAINING), 2, size=2)
    # float32: the sums of both programs have different orders
    assert jax_speed.largest_difference(model, batch) < 1e-4


def test_the_peers_batches_have_the_layout_of_the_copy_task(jax_peer, monkeypatch):
    inputs, targets, mask = jax_peer.copy_batch(jax_peer.jax.random.key(0), 3, 2, 4)
    vectors = tf.constant(np.asarray(inputs)[:, 1:5, 1:9])
    assert 0 < np.mean(vectors[:, :2]) < 1
    monkeypatch.setattr("tasks.copy_task.random_vectors", lambda *_: vectors)
    expected = CopyTask(max_length=4).batch(stream(0, TRAINING), 3, size=2)
    np.testing.assert_array_equal(inputs, expected.inputs)
    np.testing.assert_array_equal(targets, expected.targets)
    np.testing.assert_array_equal(np.tile(mask, [3, 1]), expected.mask)


def test_the_section_prints_one_line_without_jax(monkeypatch, capsys):
    monkeypatch.setattr(jax_speed, "PACKAGES", ("no_such_package",))
    assert speed.run_section("jax", 5) == []
    _, title, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("jax: ")
    assert lines == ["  not measured, because no_such_package is missing: pip install -r requirements-jax.txt"]


@pytest.mark.parametrize("difference", [2e-3, float("nan")])
def test_a_peer_that_computes_something_else_ends_the_command(difference, tmp_path, monkeypatch, capsys):
    def section(repeats):
        """a section"""
        yield jax_speed.check_difference(difference)

    monkeypatch.setitem(speed.SECTIONS, "jax", section)
    assert speed.main(["--sections=jax", f"--json={tmp_path / 'bench.json'}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.speed: error: nothing was timed") and f"by {difference:.2g}" in line


def test_workers_run_their_jobs_in_turns_and_report_failures(tmp_path):
    order = tmp_path / "order"
    one, other = (Worker(["-c", WORKER, str(order)]) for _ in range(2))
    try:
        jobs = {"a": (one, {"name": "a"}), "b": (other, {"name": "b"}), "c": (one, {"name": "c"})}
        seconds = jax_speed.in_turns(jobs, 3)
        assert {key: len(values) for key, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}
        assert order.read_text().split()[3:] == ["a", "b", "c"] * 3
        one.begin({"name": "a", "fails": True})
        with pytest.raises(WorkerError, match="a worker has ended: out of luck"):
            one.seconds()
        one.begin({"name": "a"})
        with pytest.raises(WorkerError):
            one.seconds()
    finally:
        one.end()
        other.end()
