"""train.py and evaluate.py from the command line, good input and bad."""

import collections
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import evaluate
import event_files
import train
from experiment import load_run
from ntm import NTM, runs
from ntm.training import Trainer

ROOT = Path(__file__).parent.parent
SMALL = [
    "--controller-units=8",
    "--memory-locations=9",
    "--memory-width=5",
    "--max-length=3",
    "--log-every=20",
    "--checkpoint-every=100",
]


def start(script, *arguments, cwd, **environment):
    return subprocess.Popen(
        [sys.executable, ROOT / script, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(run_dir):
    with (run_dir / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def tensors(run_dir, step):
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / f"step-{step}" / "model.ckpt"))
    names = [
        name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name and "seconds" not in name
    ]
    return {name: reader.get_tensor(name) for name in names}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def finished(workspace):
    """A run of 600 iterations without an interruption, in a process of its own, and what it printed."""
    process = start(
        "train.py",
        *SMALL,
        "--iterations=600",
        "--run-dir=whole",
        "--figures",
        cwd=workspace,
        XLA_FLAGS=f"--xla_dump_to={workspace / 'xla'}",
        TF_XLA_FLAGS="",  # what the cache of programs has is not dumped
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return workspace / "whole", out, err


def test_a_run_leaves_all_it_promises(finished):
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
    checkpoints = list(range(100, 601, 100))
    for figure in ("memory_map", "sequence", "learning_curves"):
        assert steps[figure] == checkpoints
    trained = {name for name in tensors(run_dir, 600) if name.startswith("model/") and "seed" not in name}
    assert {tag.removeprefix("gradient/") for tag in steps if tag.startswith("gradient/")} == trained
    assert all(steps[f"gradient/{name}"] == checkpoints for name in trained)


def test_all_lengths_are_trained_in_one_compilation(finished, workspace):
    compiled = {path.name.split(".")[1] for path in (workspace / "xla").glob("*before_optimizations.txt")}
    advances = [path for path in (workspace / "xla").glob("*_train_to*before_optimizations.txt")]
    assert len(advances) == 1, compiled
    evaluations = [path for path in (workspace / "xla").glob("*_run_batch*before_optimizations.txt")]
    assert len(evaluations) == 1, compiled


LONG = [*SMALL, "--iterations=6000"]


@pytest.fixture(scope="module")
def long(workspace):
    assert train.main([*LONG, f"--run-dir={workspace / 'long'}"]) == 0
    return workspace / "long"


@pytest.mark.parametrize("earliest", [20, 1000])
def test_a_killed_run_resumes_bit_for_bit(long, workspace, earliest):
    run_dir = workspace / f"killed-{earliest}"
    process = start("train.py", *LONG, f"--run-dir={run_dir.name}", cwd=workspace)
    try:
        while not (run_dir / "metrics.csv").exists() or len(losses(run_dir)) < earliest / 20:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
    finally:
        process.kill()
    process.communicate()
    assert not (run_dir / "checkpoints" / "step-6000").exists()
    resumed = start("train.py", "--resume", f"--run-dir={run_dir.name}", cwd=workspace)
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    assert losses(run_dir) == losses(long)
    expected = tensors(long, 6000)
    for name, tensor in tensors(run_dir, 6000).items():
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)


def test_a_second_process_is_refused_and_a_reader_that_leaves_ends_the_run(workspace):
    process = start("train.py", *SMALL, "--iterations=10000000", "--run-dir=piped", cwd=workspace)
    assert process.stdout.readline() and process.stdout.readline()
    second = start("train.py", "--resume", "--run-dir=piped", cwd=workspace)
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out, err) == (2, "", "train.py: error: piped is in use by another train.py\n")
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    assert runs.checkpoints(workspace / "piped")


def test_another_architectures_checkpoint_is_refused_in_one_line(finished, workspace):
    process = start("train.py", "--checkpoint=whole/checkpoints/step-600", cwd=workspace)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert "whole/checkpoints/step-600" in err and "another architecture" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_checkpoint_to_resume(workspace, number):
    run_dir = workspace / number.name
    process = start("train.py", *SMALL, "--iterations=10000000", f"--run-dir={run_dir.name}", cwd=workspace)
    while not (run_dir / "metrics.csv").exists() or not losses(run_dir):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and err == ""
    assert f"python train.py --run-dir={run_dir.name} --resume" in out
    iteration = int(re.search(rf"stopped by {number.name} after iteration (\d+)", out)[1])
    assert (run_dir / "checkpoints" / f"step-{iteration}").is_dir()


# The rest runs in this process: importing TensorFlow takes longer than it does.


@pytest.fixture
def here(workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    return workspace


def refused(capsys, main, *arguments):
    """The one line with which a command line is refused."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.endswith("\n"), err
    return err


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
        (["--clip-ratio=nan"], ["--clip-ratio", "'nan'", "neither 0 nor"]),
        (["--learning-rate=nan"], ["--learning-rate", "'nan'"]),
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
        (["--model=lstm", "--memory-width=5"], ["--memory-width=5", "model lstm"]),
        (["--controller-layers=2"], ["--controller-layers=2", "model ntm-lstm"]),
        (["--iteration=5"], ["--iteration=5"]),
        (["--speed=11"], ["--speed=11"]),
        (["--resume", "--run-dir=nowhere"], ["nowhere holds no run"]),
        (["--run-dir=whole"], ["whole holds a run", "--resume"]),
        (["--run-dir=whole/config.json/x"], ["whole/config.json/x cannot be written"]),
        (["--resume", "--run-dir=whole", "--seed=3"], ["--seed=3", "whole/config.json", "0"]),
        (["--resume", "--run-dir=whole", "--max-length=9"], ["--max-length=9", "whole/config.json", "3"]),
        (["--resume", "--run-dir=whole", "--model=ntm-feedforward"], ["--model=ntm-feedforward", "ntm-lstm"]),
        (["--resume", "--run-dir=whole", "--iterations=599"], ["--iterations=599", "600"]),
        (["--resume", "--run-dir=whole", "--checkpoint=step-7"], ["whole/checkpoints/step-7/model.ckpt.index"]),
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


def test_resume_without_any_run_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "no run in runs/" in refused(capsys, train.main, "--resume")
    assert not list(tmp_path.iterdir())


def test_a_live_run_is_not_touched(finished, here, capsys):
    with runs.RunDirectory(here / "live", {"seed": 0}):
        assert "live is in use by another train.py" in refused(capsys, train.main, "--resume", "--run-dir=live")


def test_a_trained_model_without_checkpoints_is_not_trained_over(finished, here, capsys):
    (here / "left").mkdir()
    for kept in ("config.json", "metrics.csv", "model.keras"):
        shutil.copy(here / "whole" / kept, here / "left" / kept)
    with pytest.raises(SystemExit, match="2"):
        train.main(["--resume", "--run-dir=left"])
    assert "left holds a trained model and no checkpoint" in capsys.readouterr().err
    assert losses(here / "left") == losses(finished[0])
    assert len(list((here / "left").iterdir())) == 3
    assert evaluate.main(["--run-dir=left", "--lengths=3", "--sequences=20"]) == 0


def test_a_figure_that_cannot_be_written_costs_nothing_else(here, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs.RunDirectory, "add_figure", full)
    monkeypatch.setattr(train, "SEQUENCES", 2)
    assert train.main([*SMALL, "--iterations=40", "--run-dir=no-figures"]) == 0
    out, err = capsys.readouterr()
    assert "no-figures/memory_map.png cannot be written" in err and err.count("\n") == 1
    assert (here / "no-figures" / "model.keras").exists() and "120" in out


def test_resume_falls_back_to_the_newest_whole_checkpoint(finished, here, capsys):
    run_dir = here / "damaged"
    train.main([*SMALL, "--iterations=200", "--run-dir=damaged"])
    data = run_dir / "checkpoints" / "step-200" / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    capsys.readouterr()
    assert train.main(["--resume", "--run-dir=damaged", "--iterations=300"]) == 0
    assert "checkpoint damaged/checkpoints/step-200/model.ckpt is damaged" in capsys.readouterr().err
    assert losses(run_dir) == losses(finished[0])[:15]
    for name, tensor in tensors(run_dir, 300).items():
        np.testing.assert_array_equal(tensor, tensors(finished[0], 300)[name], err_msg=name)


def test_new_runs_get_directories_of_their_own_and_resume_takes_the_newest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "SEQUENCES", 2)
    (tmp_path / "runs" / "copy-ntm-lstm-seed4").mkdir(parents=True)
    assert train.main([*SMALL, "--iterations=3", "--seed=4"]) == 0
    assert not list((tmp_path / "runs" / "copy-ntm-lstm-seed4").iterdir())
    capsys.readouterr()
    assert train.main(["--resume", "--iterations=5"]) == 0
    assert "runs/copy-ntm-lstm-seed4-2" in capsys.readouterr().out
    newest = tmp_path / "runs" / "copy-ntm-lstm-seed4-2"
    assert json.loads((newest / "config.json").read_text())["iterations"] == 5
    # A checkpoint by name is the newest run's; its weights are where the new run starts.
    assert train.main([*SMALL, "--iterations=1", "--learning-rate=1e-30", "--checkpoint=step-5"]) == 0
    started = tmp_path / "runs" / "copy-ntm-lstm-seed0"
    for one, other in zip(load_run(started)[1].weights, load_run(newest)[1].weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_from_other_weights_resumes_from_them(finished, here, monkeypatch):
    """Killed before its first checkpoint, that is, with step-0 alone."""
    monkeypatch.setattr(train, "SEQUENCES", 2)
    arguments = [*SMALL, "--iterations=40", "--checkpoint=whole/checkpoints/step-600"]
    assert train.main([*arguments, "--run-dir=warm"]) == 0
    assert json.loads((here / "warm" / "config.json").read_text())["checkpoint"] == "whole/checkpoints/step-600"
    before = losses(here / "warm")
    assert train.main(["--resume", "--run-dir=warm", "--checkpoint=step-0"]) == 0
    assert losses(here / "warm") == before
    assert float(before[0]["loss"]) < float(losses(finished[0])[0]["loss"])


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
    assert [directory.name for directory in runs.checkpoints(here / "broken")] == ["step-40", "step-20"]
    assert all(np.isfinite(weight).all() for weight in load_run(here / "broken")[1].weights)


def test_stop_when_solved(here, capsys):
    arguments = ["--controller-units=20", "--memory-locations=6", "--memory-width=12", "--max-length=1"]
    assert (
        train.main([*arguments, "--learning-rate=1e-3", "--iterations=30000", "--stop-when-solved", "--run-dir=s"]) == 0
    )
    solved = int(re.search(r"solved after (\d+) iterations", capsys.readouterr().out)[1])
    assert solved < 30000
    assert runs.read_solved(here / "s") == {"iteration": solved, "sequences": solved}
    assert losses(here / "s")[-1]["iteration"] == str(solved)
    assert train.main(["--resume", "--run-dir=s"]) == 0
    assert losses(here / "s")[-1]["iteration"] == str(solved)
    capsys.readouterr()
    assert evaluate.main(["--run-dir=s", "--lengths=1", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["bit_errors_per_sequence"] < 0.1


def test_going_back_behind_the_solution_forgets_it(here):
    assert train.main([*SMALL, "--iterations=300", "--run-dir=back"]) == 0
    (here / "back" / "solved.json").write_text('{"iteration": 250, "sequences": 250}')
    assert train.main(["--resume", "--run-dir=back", "--iterations=300"]) == 0
    assert runs.read_solved(here / "back") == {"iteration": 250, "sequences": 250}
    assert train.main(["--resume", "--run-dir=back", "--checkpoint=step-200"]) == 0
    assert runs.read_solved(here / "back") is None


def test_profile_shows_kernels_and_makes_no_run(here, capsys):
    before = {path.name for path in here.iterdir()}
    assert train.main([*SMALL, "--profile=profile"]) == 0
    header, *rows, total = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["us/update", "calls/update", "us/call"]
    assert len(rows) == train.SHOWN_KERNELS and float(rows[0].split()[0]) >= float(rows[-1].split()[0]) > 0
    assert re.match(r"\d+ kernels in all", total)
    assert {path.name for path in here.iterdir()} - before == {"profile"}
    assert list((here / "profile").rglob("*.xplane.pb"))


def test_profile_refuses_what_belongs_to_a_run(here, capsys):
    assert "--resume means nothing" in refused(capsys, train.main, "--profile=p", "--resume")
    (here / "taken").write_text("")
    assert "--profile: taken" in refused(capsys, train.main, "--profile=taken")


# evaluate.py


def test_evaluate_prints_a_table_or_json(finished, here, capsys):
    assert evaluate.main(["--run-dir=whole", "--lengths=2,4", "--sequences=30"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in rows] == [["2", "30"], ["4", "30"]]
    assert evaluate.main(["--run-dir=whole", "--lengths=2,4", "--sequences=30", "--format=json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sorted(row) for row in objects] == [
        [
            "bit_error_rate",
            "bit_errors_per_sequence",
            "bits_per_sequence",
            "exact_sequences",
            "least_bits_per_sequence",
            "length",
            "sequences",
            "task",
        ]
    ] * 2
    assert f"{objects[0]['bit_errors_per_sequence']:.3f}" == rows[0].split()[2]


def test_evaluate_reads_what_training_wrote(finished, here, capsys):
    """The run's own table, of the same seed, again."""
    _, out, _ = finished
    assert evaluate.main(["--run-dir=whole"]) == 0
    table = capsys.readouterr().out
    assert table in out
    assert evaluate.main(["--run-dir=whole", "--checkpoint=step-200"]) == 0
    assert capsys.readouterr().out not in out


def test_evaluate_reads_a_saved_model(finished, here, capsys):
    assert evaluate.main(["--weights=whole/model.keras", "--lengths=3", "--sequences=20"]) == 0
    saved = capsys.readouterr().out
    assert evaluate.main(["--run-dir=whole", "--lengths=3", "--sequences=20"]) == 0
    assert capsys.readouterr().out == saved


def test_a_task_of_two_sizes_and_a_model_without_memory(here, capsys, monkeypatch):
    monkeypatch.setattr(train, "SEQUENCES", 2)
    small = "--controller-units=8", "--controller-layers=2", "--max-length=2", "--max-repeats=3"
    assert train.main(["--task=repeat-copy", "--model=lstm", *small, "--iterations=20", "--run-dir=lstm"]) == 0
    assert "10x20" in capsys.readouterr().out
    drawn = {path.stem for path in (here / "lstm").glob("*.png")}
    assert drawn == {"sequence", "learning_curves"}
    for source in ("--run-dir=lstm", "--weights=lstm/model.keras"):
        wanted = [source, "--task=repeat-copy", "--lengths=1x2,3x1", "--sequences=5", "--format=json"]
        assert evaluate.main(wanted) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(row["task"], row["length"], row["repeats"]) for row in rows] == [
            ("repeat-copy", 1, 2),
            ("repeat-copy", 3, 1),
        ]
    assert "--lengths: 3: a size of repeat-copy is length x repeats" in refused(
        capsys, evaluate.main, "--run-dir=lstm", "--lengths=3"
    )


def test_evaluate_refuses_damaged_and_unfitting_models(finished, here, capsys):
    _, model = load_run(here / "whole")
    model.save(here / "good.keras")
    content = bytearray((here / "good.keras").read_bytes())
    for position in np.linspace(0, len(content) - 1, 12).astype(int):
        changed = content.copy()
        changed[position] ^= 0xFF
        (here / "changed.keras").write_bytes(changed)
        try:
            evaluate.main(["--weights=changed.keras", "--lengths=1", "--sequences=1"])  # not all of a zip is checked
        except SystemExit as stop:
            assert stop.code == 2
        assert "changed.keras" in (err := capsys.readouterr().err) or err == ""
    other = NTM(8, controller_units=5, memory_locations=9, memory_width=5)
    other.build((None, None, 3))
    other.save(here / "other.keras")
    assert "3 inputs" in refused(capsys, evaluate.main, "--weights=other.keras")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["--run-dir", "--weights"]),
        (["--run-dir=nowhere"], ["nowhere holds no run"]),
        (["--run-dir=whole", "--checkpoint=step-7"], ["step-7/model.ckpt.index is missing"]),
        (["--weights=nowhere.keras"], ["nowhere.keras"]),
        (["--reference-checkpoint=nowhere"], ["nowhere.index is missing"]),
        (["--weights=whole/config.json"], ["whole/config.json"]),
        (["--weights=whole"], ["whole is not a file"]),
        (["--weights=x.keras", "--checkpoint=step-7"], ["--checkpoint", "step-7", "--run-dir"]),
        (["--run-dir=whole", "--lengths=0"], ["--lengths", "'0'"]),
        (["--run-dir=whole", "--lengths=10,,20"], ["--lengths", "''"]),
        (["--run-dir=whole", "--lengths=10x2"], ["--lengths", "10x2", "length"]),
        (["--run-dir=whole", "--sequences=0"], ["--sequences", "'0'"]),
        (["--run-dir=whole", "--format=xml"], ["--format", "'xml'"]),
        (["--run-dir=whole", "--length=3"], ["--length=3"]),
    ],
)
def test_evaluate_refuses_in_one_line(finished, here, capsys, arguments, words):
    line = refused(capsys, evaluate.main, *arguments)
    for word in words:
        assert word in line
