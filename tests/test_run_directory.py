import json
import os

import numpy as np
import pytest
import tensorflow as tf

import event_files
from experiment.checkpoints import PREFIX, checkpoints, restore
from experiment.config_file import read_config
from experiment.errors import RunError
from experiment.metrics_file import COLUMNS, Metrics, read_metrics
from experiment.run_directory import RunDirectory, new_directory, newest_run
from ntm import plots

CONFIG = {"seed": 1, "log_every": 100}
ROW = dict.fromkeys(COLUMNS, 0.1)


def variables(value):
    return {"weight": tf.Variable(np.full(3, value, np.float32))}


def events(run):
    """The step and the tag of every event in a run's event files."""
    return [(step, value.tag) for step, value in event_files.values(run.path)]


@pytest.fixture
def run(tmp_path):
    with RunDirectory(tmp_path / "run", CONFIG) as run:
        yield run


def test_config_is_read_back(run):
    assert read_config(run.path) == CONFIG


def test_a_directory_in_use_is_refused(run):
    with pytest.raises(RunError, match="in use by another"):
        RunDirectory(run.path)
    run.close()
    RunDirectory(run.path).close()


def test_a_run_and_a_directory_of_other_files_are_not_overwritten(run, tmp_path):
    with pytest.raises(RunError, match="holds a run"):
        RunDirectory(run.path, {"seed": 2})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(RunError, match="mine is not empty"):
        RunDirectory(tmp_path / "mine", {"seed": 2})
    assert [entry.name for entry in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_directory_without_a_run_is_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(RunError, match="holds no run"):
            RunDirectory(path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(RunError, match="no run in"):
        newest_run(tmp_path)


def test_an_unwritable_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file/run cannot be written"):
        RunDirectory(tmp_path / "file" / "run", {})


def test_the_last_five_checkpoints_stay(run):
    for iteration in range(100, 900, 100):
        run.save(variables(iteration), iteration)
    names = [directory.name for directory in checkpoints(run.path)]
    assert names == ["step-800", "step-700", "step-600", "step-500", "step-400"]
    restored = variables(0)
    restore(restored, run.path / "checkpoints" / "step-600" / PREFIX)
    np.testing.assert_array_equal(restored["weight"], [600] * 3)
    run.delete_checkpoints_after(600)
    assert [directory.name for directory in checkpoints(run.path)] == ["step-600", "step-500", "step-400"]


def test_metrics_go_to_the_file_and_to_the_events(run):
    run.start_metrics(0)
    run.log({**ROW, "iteration": 100, "sequences": 200, "seconds": 1.5, "loss": np.float32(1 / 3)})
    header, row = (run.path / "metrics.csv").read_text().splitlines()
    assert header.split(",") == list(COLUMNS)
    assert row.split(",")[:3] == ["100", "200", "1.5"]
    assert np.float32(row.split(",")[3]) == np.float32(1 / 3)
    run.close()
    assert events(run) == [(100, name) for name in Metrics._fields]


def test_rows_after_the_checkpoint_and_incomplete_rows_are_deleted(run):
    run.start_metrics(0)
    for iteration in (100, 200, 300):
        run.log({**ROW, "iteration": iteration})
    with (run.path / "metrics.csv").open("a") as file:
        file.write("400,400,1.2,0.")
    run.start_metrics(200)
    rows = (run.path / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["iteration", "100", "200"]


def test_a_last_row_that_covers_fewer_iterations_is_deleted(run):
    run.start_metrics(0)
    for iteration in (100, 150):
        run.log({**ROW, "iteration": iteration})
    run.start_metrics(150)
    assert [row.split(",")[0] for row in (run.path / "metrics.csv").read_text().splitlines()] == ["iteration", "100"]


def test_events_hold_each_row_once_after_going_back(run):
    run.start_metrics(0)
    for iteration in (100, 200):
        run.log({**ROW, "iteration": iteration})
    run.start_metrics(100)
    run.log({**ROW, "iteration": 200})
    run.close()
    assert [step for step, tag in events(run) if tag == "loss"] == [100, 200]


def test_a_directory_that_holds_only_a_lock_counts_as_empty(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("")
    RunDirectory(tmp_path / "run", CONFIG).close()


def test_new_directories_count_up(tmp_path):
    paths = [new_directory(tmp_path, "copy") for _ in range(3)]
    assert paths == [tmp_path / "copy", tmp_path / "copy-2", tmp_path / "copy-3"]
    assert all(path.is_dir() for path in paths)


def test_the_newest_run_is_the_one_configured_last(tmp_path):
    for age, name in enumerate(("b", "a", "c")):
        (tmp_path / name).mkdir()
        config = tmp_path / name / "config.json"
        config.write_text(json.dumps({}))
        os.utime(config, (1000 - age, 1000 - age))
    assert newest_run(tmp_path) == tmp_path / "b"


def test_metrics_are_read_back_as_columns(run):
    run.start_metrics(0)
    for iteration in (100, 200):
        run.log({**ROW, "iteration": iteration, "sequences": 2 * iteration, "loss": iteration / 3})
    columns = read_metrics(run.path)
    assert tuple(columns) == COLUMNS
    assert columns["sequences"].tolist() == [200, 400]
    np.testing.assert_allclose(columns["loss"], [100 / 3, 200 / 3], rtol=1e-8)
    with pytest.raises(RunError, match="nowhere holds no metrics"):
        read_metrics(run.path / "nowhere")


def test_a_figure_replaces_the_file_and_stays_in_the_events(run):
    run.start_metrics(0)
    for iteration in (100, 200):
        png = plots.to_png(plots.learning_curves([0, iteration], [2, 1], [8, 0]))
        run.add_figure("curves", png, iteration)
    assert (run.path / "curves.png").read_bytes().startswith(b"\x89PNG")
    written = [
        (step, value.tag, value.tensor.string_val[0], value.tensor.string_val[1])
        for step, value in event_files.values(run.path / "details")
    ]
    height, width, _ = tf.image.decode_png(png).shape  # the height depends on matplotlib's version
    assert written == [(step, "curves", b"%d" % width, b"%d" % height) for step in (100, 200)]


def test_histograms_are_those_of_tensorflow(run, tmp_path, rng):
    tensor = tf.constant(rng.normal(size=(7, 5)))
    run.start_metrics(0)
    run.add_histograms({"gradient": tensor}, 100)
    with tf.summary.create_file_writer(str(tmp_path / "expected")).as_default(step=100):
        tf.summary.histogram("gradient", tensor)
    assert [*event_files.values(run.path / "details")] == [*event_files.values(tmp_path / "expected")]


def test_going_back_deletes_everything_later(run):
    run.start_metrics(0)
    for iteration in (100, 200, 300):
        run.add_histograms({"gradient": tf.range(3.0)}, iteration)
    run.add_figure("curves", plots.to_png(plots.learning_curves([0, 1], [2, 1], [8, 0])), 300)
    (run.path / "model.keras").write_text("as training ended")
    run.write_report(b"as training ended")
    run.close()
    (details,) = (run.path / "details").iterdir()
    details.write_bytes(details.read_bytes()[:-5])  # an event that a kill left incomplete
    with RunDirectory(run.path) as again:
        again.start_metrics(200)
        again.add_histograms({"gradient": tf.range(3.0)}, 300)
    assert not any((run.path / name).exists() for name in ("curves.png", "model.keras", "report.html"))
    assert sorted(step for step, _ in event_files.values(run.path / "details")) == [100, 200, 300]
