"""train.py from the command line, with valid and invalid options. test_resume.py tests --resume."""

import collections
import json
import re
import shutil

import numpy as np
import pytest

import evaluate
import event_files
import train
from commands import SMALL, Fork, losses, refused, start, tensors
from experiment import profiling, solved
from experiment.checkpoints import checkpoints
from experiment.config import default_config
from experiment.load import load_run
from experiment.run_directory import RunDirectory
from experiment.trainer import Trainer


def test_a_run_leaves_all_files_that_it_promises(finished):
    run_dir, out, err = finished
    assert {entry.name for entry in run_dir.iterdir() if not entry.name.startswith("events")} == {
        ".lock",
        "checkpoints",
        "config.json",
        "details",
        "learning_curves.png",
        "memory_map.png",
        "metrics.csv",
        "model.keras",
        "report.html",
        "sequence.png",
    }
    assert [int(row["iteration"]) for row in losses(run_dir)] == list(range(20, 601, 20))
    kept = {entry.name for entry in (run_dir / "checkpoints").iterdir()}
    assert kept == {f"step-{n}" for n in (200, 300, 400, 500, 600)}
    config = json.loads((run_dir / "config.json").read_text())
    assert config["model"]["memory_locations"] == 9 and config["task"]["max_length"] == 3 and config["seed"] == 0
    assert err == ""
    assert re.search(r"iteration 600/600: loss [\d.]+, Hamming distance [\d.]+, \d+ sequences/s, 00:00 left", out)
    assert [line.split()[0] for line in out.splitlines() if re.match(r"\s+\d", line)] == ["10", "20", "30", "50", "120"]
    assert "\r" not in out


def test_details_hold_figures_and_gradients_of_every_checkpoint(finished):
    run_dir, *_ = finished
    steps = collections.defaultdict(list)
    assert len(list((run_dir / "details").iterdir())) == 1
    for step, value in event_files.values(run_dir / "details"):
        steps[value.tag].append(step)
    iterations = list(range(100, 601, 100))
    for figure in ("memory_map", "sequence", "learning_curves"):
        assert steps[figure] == iterations
    trained = {name for name in tensors(run_dir, 600) if name.startswith("model/") and "seed" not in name}
    assert {tag.removeprefix("gradient/") for tag in steps if tag.startswith("gradient/")} == trained
    assert all(steps[f"gradient/{name}"] == iterations for name in trained)


def test_all_lengths_are_trained_and_evaluated_in_one_compilation_each(finished, workspace):
    assert len([*(workspace / "programs").iterdir()]) == 2


def test_a_checkpoint_of_another_architecture_is_refused_in_one_line(finished, workspace):
    process = start("train.py", "--checkpoint=whole/checkpoints/step-600", cwd=workspace, popen=Fork)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert "whole/checkpoints/step-600" in err and "another architecture" in err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--iterations=0"], ["--iterations", "'0'"]),
        (["--iterations=-5"], ["--iterations", "'-5'"]),
        (["--iterations=1.5"], ["--iterations", "'1.5'"]),
        (["--iterations=abc"], ["--iterations", "'abc'"]),
        (["--iterations"], ["--iterations"]),
        (["--batch-size=0"], ["--batch-size", "'0'"]),
        (["--learning-rate=0"], ["--learning-rate", "'0'"]),
        (["--weight-noise=-1"], ["--weight-noise", "'-1'", "neither 0 nor"]),
        (["--weight-decay=-1"], ["--weight-decay", "'-1'", "neither 0 nor"]),
        (["--gradient-clip=x"], ["--gradient-clip", "'x'", "neither 0 nor"]),
        (["--clip-ratio=nan"], ["--clip-ratio", "'nan'", "neither 0 nor"]),
        (["--learning-rate=nan"], ["--learning-rate", "'nan'"]),
        (["--momentum=1.5"], ["--momentum", "'1.5'", "from 0 to 1"]),
        (["--seed=-1"], ["--seed", "'-1'"]),
        (["--seed=99999999999"], ["--seed", "'99999999999'"]),
        (["--min-length=8", "--max-length=7"], ["--max-length=7", "--min-length=8"]),
        (["--shift-range=5", "--memory-locations=10"], ["--shift-range=5", "--memory-locations=10"]),
        (["--task=knitting"], ["--task", "'knitting'"]),
        (["--preset=best"], ["--preset", "'best'"]),
        (["--model=gru"], ["--model", "'gru'"]),
        (["--min-items=3"], ["--min-items=3", "task copy"]),
        (["--task=associative-recall", "--min-items=1"], ["--min-items=1", "at least 2"]),
        (["--task=priority-sort", "--highest=21"], ["--highest=21"]),
        (
            ["--task=repeat-copy", "--max-length=99999", "--max-repeats=999"],
            ["--max-length=99999", "--max-repeats=999"],
        ),
        (["--model=lstm", "--memory-width=5"], ["--memory-width=5", "model lstm"]),
        (["--controller-layers=2"], ["--controller-layers=2", "model ntm-lstm"]),
        (["--iteration=5"], ["--iteration=5"]),
        (["--speed=11"], ["--speed=11"]),
        (["--resume", "--run-dir=nowhere"], ["nowhere holds no run"]),
        (["--run-dir=whole"], ["whole holds a run", "--resume"]),
        (["--run-dir=whole/config.json/x"], ["whole/config.json/x cannot be written"]),
        (["--resume", "--run-dir=whole", "--seed=3"], ["--seed=3", "whole/config.json", "0"]),
        (["--resume", "--run-dir=whole", "--min-items=3"], ["--min-items=3 means nothing"]),
        (["--resume", "--run-dir=whole", "--max-length=9"], ["--max-length=9", "whole/config.json", "3"]),
        (["--resume", "--run-dir=whole", "--model=ntm-feedforward"], ["--model=ntm-feedforward", "ntm-lstm"]),
        (["--resume", "--run-dir=whole", "--iterations=599"], ["--iterations=599", "600"]),
        (["--resume", "--run-dir=whole", "--checkpoint=step-7"], ["whole/checkpoints/step-7 is missing", "step-600"]),
        (["--checkpoint=whole/checkpoints/step-600"], ["whole/checkpoints/step-600", "another architecture"]),
        (["--checkpoint=missing/step-1"], ["missing/step-1"]),
        (["--checkpoint="], ["--checkpoint", "''"]),
        (["--run-dir="], ["--run-dir", "''"]),
        (["--max-length=99999999"], ["--max-length", "'99999999'"]),
        (["--learning-rate=1e39"], ["--learning-rate", "'1e39'"]),
    ],
)
def test_train_refuses_in_one_line(finished, here, capsys, arguments, words):
    before = sorted(here.rglob("*")), json.loads((here / "whole" / "config.json").read_text())
    line = refused(capsys, train.main, *arguments)
    for word in words:
        assert word in line
    assert (sorted(here.rglob("*")), json.loads((here / "whole" / "config.json").read_text())) == before


@pytest.mark.parametrize(
    "damage",
    [
        {"iterations": "many"},
        {"iterations": None},
        {"task": "copy"},
        {"task": {"name": "knitting"}},
        {"task": {"name": "copy", "colour": "red"}},
        {"model": {"name": "ntm-lstm", "memory_width": "wide"}},
        {"optimizer": {"speed": 11}},
        {"training": {"loss": "x"}},
        {"colour": "red"},
    ],
)
def test_a_damaged_configuration_is_named(finished, here, capsys, damage):
    (here / "bad").mkdir(exist_ok=True)
    config = json.loads((here / "whole" / "config.json").read_text())
    (here / "bad" / "config.json").write_text(json.dumps({**config, **damage}))
    assert "bad/config.json" in refused(capsys, train.main, "--resume", "--run-dir=bad")


def test_a_run_in_use_is_not_touched(finished, here, capsys):
    with RunDirectory(here / "live", {"seed": 0}):
        assert "live is in use by another train.py" in refused(capsys, train.main, "--resume", "--run-dir=live")


def test_a_trained_model_without_checkpoints_is_not_overwritten(finished, here, capsys):
    (here / "left").mkdir()
    for kept in ("config.json", "metrics.csv", "model.keras"):
        shutil.copy(here / "whole" / kept, here / "left" / kept)
    with pytest.raises(SystemExit, match="2"):
        train.main(["--resume", "--run-dir=left"])
    assert "left holds a trained model and no checkpoint" in capsys.readouterr().err
    assert losses(here / "left") == losses(finished[0])
    assert len(list((here / "left").iterdir())) == 3
    assert evaluate.main(["--run-dir=left", "--lengths=3", "--sequences=20"]) == 0


def test_a_figure_that_cannot_be_written_does_not_stop_the_run(here, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunDirectory, "add_figure", full)
    assert train.main([*SMALL, "--iterations=40", "--run-dir=no-figures"]) == 0
    out, err = capsys.readouterr()
    assert "no-figures/sequence.png cannot be written" in err and err.count("\n") == 1
    assert (here / "no-figures" / "model.keras").exists() and "120" in out


def test_a_loss_that_is_not_finite_stops_the_run(here, capsys, monkeypatch):
    advance = Trainer.advance

    def poisoned(self, iteration):
        if iteration == 60:
            self.model.output_layer.bias.assign([np.inf] * 8)
        return advance(self, iteration)

    monkeypatch.setattr(Trainer, "advance", poisoned)
    assert train.main([*SMALL, "--iterations=200", "--checkpoint-every=20", "--run-dir=broken"]) == 1
    err = capsys.readouterr().err
    assert "iteration 41" in err and "broken/checkpoints/step-40" in err and err.count("\n") == 1
    assert [directory.name for directory in checkpoints(here / "broken")] == ["step-40", "step-20"]
    assert all(np.isfinite(weight).all() for weight in load_run(here / "broken").model.weights)


def test_stop_when_solved(here, capsys, monkeypatch):
    monkeypatch.setattr(solved, "SEQUENCES", 200)
    arguments = ["--controller-units=20", "--memory-locations=6", "--memory-width=12", "--max-length=1"]
    assert (
        train.main([*arguments, "--learning-rate=1e-3", "--iterations=30000", "--stop-when-solved", "--run-dir=s"]) == 0
    )
    iteration = int(re.search(r"solved after (\d+) iterations", capsys.readouterr().out)[1])
    assert iteration < 30000
    assert solved.read_solved(here / "s") == {"iteration": iteration, "sequences": iteration}
    assert losses(here / "s")[-1]["iteration"] == str(iteration)
    assert train.main(["--resume", "--run-dir=s"]) == 0
    assert losses(here / "s")[-1]["iteration"] == str(iteration)
    capsys.readouterr()
    assert evaluate.main(["--run-dir=s", "--lengths=1", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["bit_errors_per_sequence"] < 0.1


def test_profile_shows_kernels_and_makes_no_run(here, capsys):
    before = {path.name for path in here.iterdir()}
    assert train.main([*SMALL, "--profile=profile"]) == 0
    header, *rows, total = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["us/update", "calls/update", "us/call"]
    assert len(rows) == profiling.SHOWN_KERNELS and float(rows[0].split()[0]) >= float(rows[-1].split()[0]) > 0
    assert re.match(r"\d+ kernels in all", total)
    assert {path.name for path in here.iterdir()} - before == {"profile"}
    assert list((here / "profile").rglob("*.xplane.pb"))


def test_profile_refuses_options_of_a_run(here, capsys):
    assert "--resume means nothing" in refused(capsys, train.main, "--profile=p", "--resume")
    (here / "taken").write_text("")
    assert "--profile: taken" in refused(capsys, train.main, "--profile=taken")


def test_help_groups_options_and_shows_their_defaults_tasks_and_models(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "initial learning rate (0.001)" in text  # a default of the preset
    assert "number of read heads, R (ntm-lstm, ntm-feedforward: 1)" in text  # a default of the class
    assert "number of layers (lstm: 3)" in text
    assert "(copy, priority-sort: 20; repeat-copy: 10)" in text
    for heading in ("run:", "task:", "model:", "optimizer (RMSProp):", "training:"):
        assert heading in text


def test_every_field_of_the_configuration_is_an_option(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    text = capsys.readouterr().out
    config = default_config().to_json()
    fields = {*config, *(name for value in config.values() if isinstance(value, dict) for name in value)}
    determined = {"name", "optimizer", "training", "output_size", "controller"}
    for name in fields - determined:
        assert re.search(rf"^  --{name.replace('_', '-')}\b", text, re.MULTILINE), name


def test_options_set_numbers_of_every_section(here, capsys, monkeypatch):
    options = ["--write-gate-bias=-1", "--no-heads-bias", "--momentum=0.5", "--epsilon=0.01", "--loss=mean"]
    clipping = ["--global-clipnorm=0", "--clipvalue=3", "--initial-velocity=1"]
    monkeypatch.setattr(train, "train_run", lambda team, run: run.directory.close() or 0)  # the run is not trained
    assert train.main([*SMALL, *options, *clipping, "--every-step", "--iterations=3", "--run-dir=set"]) == 0
    config = json.loads((here / "set" / "config.json").read_text())
    assert config["model"]["write_gate_bias"] == -1 and config["model"]["heads_bias"] is False
    assert config["optimizer"]["momentum"] == 0.5 and config["optimizer"]["clipvalue"] == 3
    assert config["training"]["loss"] == "mean" and config["task"]["every_step"] is True
    capsys.readouterr()
    assert "--clipvalue=3.0 needs --global-clipnorm=0" in refused(capsys, train.main, "--clipvalue=3")
