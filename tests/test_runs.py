import json
import os

import numpy as np
import pytest
import tensorflow as tf

from ntm import runs

ROW = dict.fromkeys(runs.METRICS, 0.1)


def checkpoint_of(value, shape=(3,)):
    return tf.train.Checkpoint(weight=tf.Variable(np.full(shape, value, np.float32)))


@pytest.fixture
def run(tmp_path):
    with runs.RunDirectory(tmp_path / "run", {"seed": 1}) as run:
        yield run


def test_config_is_read_back(run):
    assert runs.read_config(run.path) == {"seed": 1}


def test_a_directory_in_use_is_refused(run):
    with pytest.raises(runs.RunError, match="in use by another"):
        runs.RunDirectory(run.path)
    run.close()
    runs.RunDirectory(run.path).close()


def test_a_run_and_a_strangers_directory_are_not_overwritten(run, tmp_path):
    with pytest.raises(runs.RunError, match="holds a run"):
        runs.RunDirectory(run.path, {"seed": 2})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(runs.RunError, match="mine is not empty"):
        runs.RunDirectory(tmp_path / "mine", {"seed": 2})
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_no_run_no_resume(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(runs.RunError, match="holds no run"):
            runs.RunDirectory(path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(runs.RunError, match="no run in"):
        runs.newest_run(tmp_path)


def test_an_unwritable_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(runs.RunError, match="file/run cannot be written"):
        runs.RunDirectory(tmp_path / "file" / "run", {})


def test_the_last_five_checkpoints_stay(run):
    for iteration in range(100, 900, 100):
        run.save(checkpoint_of(iteration), iteration)
    names = [directory.name for directory in runs.checkpoints(run.path)]
    assert names == ["step-800", "step-700", "step-600", "step-500", "step-400"]
    restored = checkpoint_of(0)
    runs.restore(restored, run.path / "checkpoints" / "step-600")
    np.testing.assert_array_equal(restored.weight, [600] * 3)
    run.drop_checkpoints_after(600)
    assert [directory.name for directory in runs.checkpoints(run.path)] == ["step-600", "step-500", "step-400"]


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_checkpoint_is_named_and_changes_nothing(run, suffix, damage):
    directory = run.save(checkpoint_of(5, (1000,)), 100)
    file = directory / f"model.ckpt{suffix}"
    content = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    restored = checkpoint_of(0, (1000,))
    with pytest.raises(runs.RunError, match=f"step-100.*{damage if damage == 'missing' else 'damaged'}"):
        runs.restore(restored, directory)
    assert not restored.weight.numpy().any()


@pytest.mark.parametrize("other", [checkpoint_of(0, (4,)), tf.train.Checkpoint(bias=tf.Variable([0.0]))])
def test_another_architectures_checkpoint_is_named(run, other):
    directory = run.save(checkpoint_of(5), 100)
    with pytest.raises(runs.RunError, match=r"step-100.* is of another architecture"):
        runs.restore(other, directory)


def test_metrics_go_to_the_file_and_to_the_events(run):
    run.start_metrics(0)
    run.log({**ROW, "iteration": 100, "sequences": 200, "seconds": 1.5, "loss": np.float32(1 / 3)})
    header, row = (run.path / "metrics.csv").read_text().splitlines()
    assert header.split(",") == list(runs.METRICS)
    assert row.split(",")[:3] == ["100", "200", "1.5"]
    assert np.float32(row.split(",")[3]) == np.float32(1 / 3)
    run.close()
    events = [
        (event.step, value.tag)
        for path in run.path.glob("events*")
        for record in tf.data.TFRecordDataset(str(path))
        if (event := tf.compat.v1.Event.FromString(record.numpy())).step
        for value in event.summary.value
    ]
    assert events == [(100, name) for name in runs.METRICS[3:]]


def test_rows_past_the_checkpoint_and_half_rows_go(run):
    run.start_metrics(0)
    for iteration in (100, 200, 300):
        run.log({**ROW, "iteration": iteration})
    with (run.path / "metrics.csv").open("a") as file:
        file.write("400,400,1.2,0.")
    run.start_metrics(200)
    rows = (run.path / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["iteration", "100", "200"]


def test_unused_directory_counts_up(tmp_path):
    for expected in ("copy", "copy-2", "copy-3"):
        path = runs.unused_directory(tmp_path, "copy")
        assert path == tmp_path / expected
        path.mkdir()


def test_the_newest_run_is_the_one_configured_last(tmp_path):
    for age, name in enumerate(("b", "a", "c")):
        (tmp_path / name).mkdir()
        config = tmp_path / name / "config.json"
        config.write_text(json.dumps({}))
        os.utime(config, (1000 - age, 1000 - age))
    assert runs.newest_run(tmp_path) == tmp_path / "b"
