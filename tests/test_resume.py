"""Tests --resume: a run may end early in many ways."""

import json
import random
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import train
from commands import SMALL, Fork, losses, refused, start, tensors
from experiment import loop
from experiment.checkpoints import checkpoints
from experiment.metrics_file import COLUMNS, read_metrics
from experiment.solved import read_solved

OLD_RUN = Path(__file__).parent / "data" / "old_run"
LONG = [*SMALL, "--iterations=2000"]


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    """Saves the time to draw figures, which test_train.py tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "draw_figures", lambda *arguments: None)
        yield


@pytest.fixture(scope="module")
def long(workspace, compiled_once):
    assert train.main([*LONG, f"--run-dir={workspace / 'long'}"]) == 0
    return workspace / "long"


def kill(process, run_dir, rows):
    """Kills a training process at a random moment after `rows` rows of metrics."""
    try:
        while not (run_dir / "metrics.csv").exists() or len(losses(run_dir)) < rows:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        assert process.poll() is None, process.communicate()
    finally:
        process.kill()
    process.communicate()
    assert not (run_dir / "checkpoints" / "step-2000").exists()


def test_a_run_that_is_killed_twice_resumes_bit_for_bit(long, here):
    """The first kill comes before or near the first checkpoint."""
    run_dir = here / "killed"
    kill(start("train.py", *LONG, "--run-dir=killed", cwd=here, popen=Fork), run_dir, rows=1)
    kill(start("train.py", "--resume", "--run-dir=killed", cwd=here, popen=Fork), run_dir, rows=40)
    assert train.main(["--resume", "--run-dir=killed"]) == 0
    assert losses(run_dir) == losses(long)
    expected = tensors(long, 2000)
    for name, tensor in tensors(run_dir, 2000).items():
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)


def test_a_second_command_is_refused_and_closed_output_ends_the_run(here, capsys):
    process = start("train.py", *SMALL, "--iterations=10000000", "--run-dir=piped", cwd=here, popen=Fork)
    assert process.stdout.readline() and process.stdout.readline()
    line = refused(capsys, train.main, "--resume", "--run-dir=piped")
    assert line == "train.py: error: piped is in use by another train.py\n"
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    assert checkpoints(here / "piped")


def test_closed_output_and_a_signal_together_end_the_run_without_a_message(workspace):
    process = start("train.py", *SMALL, "--iterations=10000000", "--run-dir=deserted", cwd=workspace, popen=Fork)
    assert process.stdout.readline() and process.stdout.readline()
    process.stdout.close()
    process.terminate()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    assert checkpoints(workspace / "deserted")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_checkpoint_to_resume(workspace, number):
    run_dir = workspace / number.name
    process = start("train.py", *SMALL, "--iterations=10000000", f"--run-dir={run_dir.name}", cwd=workspace, popen=Fork)
    while not (run_dir / "metrics.csv").exists() or not losses(run_dir):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and err == ""
    assert f"python train.py --run-dir={run_dir.name} --resume" in out
    iteration = int(re.search(rf"stopped by {number.name} after iteration (\d+)", out)[1])
    assert (run_dir / "checkpoints" / f"step-{iteration}").is_dir()


def test_resume_without_any_run_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "no run in runs/" in refused(capsys, train.main, "--resume")
    assert not list(tmp_path.iterdir())


def test_resume_falls_back_to_the_newest_undamaged_checkpoint(finished, here, capsys):
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


def test_new_runs_get_directories_of_their_own_and_resume_takes_the_newest(here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "copy-ntm-lstm-seed4").mkdir(parents=True)
    assert train.main([*SMALL, "--iterations=3", "--seed=4"]) == 0
    assert not list((tmp_path / "runs" / "copy-ntm-lstm-seed4").iterdir())
    capsys.readouterr()
    assert train.main(["--resume", "--iterations=5"]) == 0
    assert "runs/copy-ntm-lstm-seed4-2" in capsys.readouterr().out
    newest = tmp_path / "runs" / "copy-ntm-lstm-seed4-2"
    assert json.loads((newest / "config.json").read_text())["iterations"] == 5
    # --checkpoint=step-5 means the newest run's checkpoint. The new run starts with the weights in it.
    assert train.main([*SMALL, "--iterations=1", "--checkpoint=step-5"]) == 0
    started = tensors(tmp_path / "runs" / "copy-ntm-lstm-seed0", 0)
    for name, tensor in tensors(newest, 5).items():
        if name.startswith("model/"):
            np.testing.assert_array_equal(started[name], tensor, err_msg=name)


def test_a_run_that_started_from_a_checkpoint_can_resume_at_step_0(finished, here):
    """If such a run is killed before it writes a checkpoint, only step-0 is there to resume from."""
    arguments = [*SMALL, "--iterations=40", "--checkpoint=whole/checkpoints/step-600"]
    assert train.main([*arguments, "--run-dir=warm"]) == 0
    assert json.loads((here / "warm" / "config.json").read_text())["checkpoint"] == "whole/checkpoints/step-600"
    before = losses(here / "warm")
    assert train.main(["--resume", "--run-dir=warm", "--checkpoint=step-0"]) == 0
    assert losses(here / "warm") == before
    assert float(before[0]["loss"]) < float(losses(finished[0])[0]["loss"])


def test_an_option_that_an_old_run_lacks_has_its_default(here, capsys, monkeypatch):
    monkeypatch.setattr(train, "train_run", lambda team, run: run.directory.close() or 0)  # the run is not trained
    assert train.main([*SMALL, "--weight-decay=0", "--iterations=20", "--run-dir=old"]) == 0
    path = here / "old" / "config.json"
    config = json.loads(path.read_text())
    del config["model"]["gradient_clip"], config["optimizer"]["weight_decay"]
    path.write_text(json.dumps(config))
    capsys.readouterr()
    for option in ("gradient-clip", "weight-decay"):
        line = refused(capsys, train.main, "--resume", "--run-dir=old", f"--{option}=1")
        assert f"--{option}=1.0" in line and "which has 0.0" in line
    assert train.main(["--resume", "--run-dir=old", "--gradient-clip=0", "--weight-decay=0", "--iterations=21"]) == 0


def test_a_run_of_an_earlier_version_resumes_with_the_same_results(tmp_path, here):
    """data/old_run was trained by commit 7524a5b. That commit also made expected_metrics.csv, by resuming the run."""
    shutil.copytree(OLD_RUN, tmp_path / "old")
    (tmp_path / "old" / "expected_metrics.csv").unlink()
    assert train.main(["--resume", f"--run-dir={tmp_path / 'old'}", "--iterations=200"]) == 0
    found, expected = read_metrics(tmp_path / "old"), np.genfromtxt(OLD_RUN / "expected_metrics.csv", delimiter=",")[1:]
    for name, column in zip(COLUMNS, expected.T):
        if name != "seconds":
            # The numbers are equal on the machine that made them. Other processors may round sums in another way.
            np.testing.assert_allclose(found[name], column, rtol=1e-3, err_msg=name)


def test_going_back_to_before_the_task_was_solved_deletes_solved_json(here):
    assert train.main([*SMALL, "--iterations=300", "--run-dir=back"]) == 0
    (here / "back" / "solved.json").write_text('{"iteration": 250, "sequences": 250}')
    for record in (here / "back" / "checkpoints").glob("*/record.json"):
        record.unlink()  # the records say that the task is not solved
    assert train.main(["--resume", "--run-dir=back", "--iterations=300"]) == 0
    assert read_solved(here / "back") == {"iteration": 250, "sequences": 250}
    assert train.main(["--resume", "--run-dir=back", "--checkpoint=step-200"]) == 0
    assert read_solved(here / "back") is None
