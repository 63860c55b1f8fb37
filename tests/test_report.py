"""report.html of a run: what it holds, that it opens in Chromium, and the command that repeats the run."""

import contextlib
import json
import re

import keras
import numpy as np
import pytest

import train
from chromium import launched, opened, served
from commands import ROOT, running_eagerly
from experiment import report
from experiment.build import build_trainer
from experiment.config import default_config
from experiment.metrics_file import write_rows
from experiment.observation import Observer
from experiment.options import config_from_arguments
from experiment.run_directory import RunDirectory
from experiment.start_or_resume import Run

HOSTILE = "<img src=x onerror=alert(1)>"
SMALL = {
    "ntm-lstm": {"controller_units": 8, "memory_locations": 9, "memory_width": 5, "write_heads": 2},
    "lstm": {"controller_units": 4, "controller_layers": 1},
}
ROW = {"loss": 9.0, "hamming_distance": 4.0, "bits_per_sequence": 13.0, "gradient_norm": 1.0, "seconds": 1.0}
COUNT_OF_BLUE = """(canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.filter((red, i) => i % 4 === 0 && pixels[i + 2] > red + 80).length;
}"""
ERRORS = {
    "size": "3",
    "sequences": 1000,
    "bit_errors_per_sequence": 1.5,
    "bit_error_rate": 0.0625,
    "exact_sequences": 0.25,
    "bits_per_sequence": 4.0,
    "least_bits_per_sequence": 0.0,
}


@contextlib.contextmanager
def small_run(path, task="copy", model="ntm-lstm", bounds=None):
    """An untrained run, and the observation for its report."""
    config = default_config(task=task, model=model).replace(task=bounds or {}, model=SMALL[model])
    with running_eagerly(), RunDirectory(path, config.to_json()) as directory:
        trainer = build_trainer(config)
        directory.start_metrics(0)
        for row in range(1, 6):
            directory.log({**ROW, "iteration": 100 * row, "sequences": 100 * row, "loss": 9.0 / row})
        directory.record_solved({"iteration": 400, "sequences": 400})
        observer = Observer(trainer.model, trainer.task)
        yield Run(directory=directory, config=config, trainer=trainer), observer


@pytest.fixture(scope="module")
def run_and_observer(tmp_path_factory):
    with small_run(tmp_path_factory.mktemp("runs") / HOSTILE, bounds={"max_length": 3}) as (run, observer):
        yield run, observer


@pytest.fixture(scope="module")
def path(run_and_observer):
    """The path of a small run's report."""
    run, observer = run_and_observer
    report.write_report(run, observer, [ERRORS])
    return run.directory.path / "report.html"


@pytest.fixture(scope="module")
def seen(run_and_observer):
    run, observer = run_and_observer
    return observer.observe(run.config.task.largest, [0, 0])


def numbers(text):
    """The numbers that a report holds."""
    return json.loads(re.search(r'<script type="application/json" id="run">(.*?)</script>', text)[1])


def test_a_report_holds_the_run(path):
    text = path.read_text()
    run = numbers(text)
    assert run["curves"]["sequences"] == [100, 200, 300, 400, 500] and run["solved"] == 400
    np.testing.assert_allclose(run["curves"]["loss"], [9, 4.5, 3, 2.25, 1.8])
    steps = run["sequence"]["steps"]
    assert len(steps) == 8 and len(run["sequence"]["inputs"]) == 8 and run["sequence"]["answerAt"] == 5
    assert [head["name"] for head in steps[0]["heads"]] == ["read head 1", "write head 1", "write head 2"]
    assert [head["writes"] for head in steps[0]["heads"]] == [False, True, True]
    assert np.shape(steps[0]["memory"]) == (9, 5) and np.shape(steps[7]["output"]) == (8,)
    assert steps[3]["heads"][0]["previous"] == steps[2]["heads"][0]["weighting"]
    for cells in ("model.memory_locations</td><td>9", f"Keras</td><td>{keras.__version__}", "<td>1.500</td>"):
        assert cells in text
    assert "python train.py --max-length=3 --controller-units=8 --memory-locations=9" in text
    assert path.stat().st_size < 2e6


def test_a_report_opens_and_shows_its_pictures(path):
    with (
        launched() as browser,
        served(path.parent) as address,
        opened(browser, f"{address}/report.html") as (page, errors),
    ):
        assert HOSTILE in page.locator("h1").text_content()
        for curve in page.locator("[data-curve]").all():
            assert curve.evaluate(COUNT_OF_BLUE) > 100
        page.locator("[data-part=slider]").fill("3")
        page.locator("[data-part=map]").hover(position={"x": 400, "y": 40})
        assert re.match(
            r"step \d, location \d\nread head 1: 0\.\d{4}\n", page.locator(".ntm-tip:visible").text_content()
        )
        assert errors == []


@pytest.mark.parametrize("model, task", [("lstm", "copy"), ("ntm-lstm", f"{ROOT}/examples/my_task.py:Parity")])
def test_reports_of_other_models_and_of_own_tasks_hold_what_there_is(tmp_path, model, task):
    with small_run(tmp_path / "run", task, model, {"max_length": 3}) as (run, observer):
        text = report.report(run, observer.observe((2,), [0, 0]), [ERRORS])
    (step, *_) = numbers(text)["sequence"]["steps"]
    assert step["output"] and ("heads" in step) == (model == "ntm-lstm")


@pytest.mark.parametrize(
    "limit, missing", [(14000, "memory"), (7000, "memory, stages"), (2500, "memory, stages, heads")]
)
def test_parts_that_are_too_large_are_left_out(run_and_observer, seen, monkeypatch, limit, missing):
    monkeypatch.setattr(report, "MAX_SEQUENCE", limit)
    text = report.report(run_and_observer[0], seen, [ERRORS])
    (step, *_) = numbers(text)["sequence"]["steps"]
    assert "memory" not in step and ("heads" in step) == ("heads" not in missing)
    assert ("content" in step.get("heads", [{}])[0]) == ("stages" not in missing)
    assert f"Too large to show: {missing}." in text


def test_a_sequence_that_is_too_large_is_left_out(run_and_observer, seen, monkeypatch):
    monkeypatch.setattr(report, "MAX_SEQUENCE", 100)
    text = report.report(run_and_observer[0], seen, [ERRORS])
    assert numbers(text)["sequence"] is None and "It is too large to show." in text


def test_a_long_run_has_curves_of_1000_points(run_and_observer, seen):
    run, _ = run_and_observer
    metrics = run.directory.path / "metrics.csv"
    before = metrics.read_bytes()
    write_rows(metrics, [[str(100 * row), str(100 * row), *["1.0"] * 5] for row in range(1, 3001)])
    curves = numbers(report.report(run, seen, [ERRORS]))["curves"]
    metrics.unlink()
    without = numbers(report.report(run, seen, [ERRORS]))["curves"]
    metrics.write_bytes(before)
    assert {name: len(values) for name, values in curves.items()} == dict.fromkeys(curves, 1000)
    assert curves["sequences"][0] == 100 and curves["sequences"][-1] == 300_000
    assert without == {"sequences": []}


def test_a_report_that_cannot_be_written_is_one_line(run_and_observer, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunDirectory, "write_report", full)
    report.write_report(*run_and_observer, [ERRORS])
    err = capsys.readouterr().err
    assert "report.html cannot be written: No space left on device" in err and err.count("\n") == 1


def test_a_name_that_is_not_utf_8_does_not_stop_the_run(run_and_observer, monkeypatch):
    written = []
    monkeypatch.setattr(RunDirectory, "write_report", lambda self, html: written.append(html))
    monkeypatch.setattr(report, "report", lambda *arguments: "\udcff")
    report.write_report(*run_and_observer, [ERRORS])
    assert written == [rb"\udcff"]


CONFIGURATIONS = [
    default_config(),
    default_config("reference"),
    default_config(task="repeat-copy", model="lstm").replace(task={"min_repeats": 2}, training={"batch_size": 16}),
    default_config(task="priority-sort").replace(run={"seed": 7, "stop_when_solved": True, "checkpoint": "a b/step-3"}),
    default_config(task=f"{ROOT}/examples/my_task.py:Parity").replace(
        optimizer={"learning_rate": 1e-7, "centered": False}
    ),
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=lambda config: f"{config.run.preset} {config.task.name}")
def test_the_command_repeats_the_configuration(config):
    argv = report.command_line(config)
    arguments = vars(train._parser(argv).parse_args(argv))
    found = config_from_arguments(arguments).replace(run={"checkpoint": arguments["checkpoint"]})
    # Another test may have loaded the file of the task again, which makes another class.
    assert found.to_json() == config.to_json()
