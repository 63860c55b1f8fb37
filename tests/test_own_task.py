"""A task in a file outside the repository: `--task=FILE:CLASS` of train.py and evaluate.py."""

import json
import shutil

import pytest

import evaluate
import train
from commands import ROOT, Fork, refused, start
from experiment.metrics_file import read_rows
from tasks import CopyTask, own_task, task_class

EXAMPLE = ROOT / "examples" / "my_task.py"


def test_a_run_remembers_a_task_of_its_own_and_needs_its_file(here, capsys):
    shutil.copy(EXAMPLE, here / "mine.py")
    options = ["--model=lstm", "--controller-units=8", "--controller-layers=1", "--max-length=3", "--log-every=10"]
    assert train.main(["--task=mine.py:Parity", *options, "--iterations=10", "--run-dir=own"]) == 0
    config = json.loads((here / "own" / "config.json").read_text())
    assert config["task"] == {"name": f"{here / 'mine.py'}:Parity", "min_length": 1, "max_length": 3}
    resume = ["--resume", "--run-dir=own", "--iterations=20"]
    capsys.readouterr()
    assert "--task=copy contradicts own/config.json" in refused(capsys, train.main, *resume, "--task=copy")
    assert train.main([*resume, "--task=mine.py:Parity", "--max-length=3"]) == 0
    assert [row[0] for row in read_rows(here / "own" / "metrics.csv")] == ["10", "20"]
    capsys.readouterr()
    found = []
    shutil.copy(here / "own" / "model.keras", here / "alone.keras")
    for source in (["--run-dir=own"], ["--weights=alone.keras", "--task=mine.py:Parity"]):
        assert evaluate.main([*source, "--lengths=2", "--sequences=5", "--format=json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1] and found[0]["task"] == "parity"
    (here / "mine.py").rename(here / "moved.py")
    own_task._load_module.cache_clear()  # as in a new process
    for main, source in ((train.main, resume), (evaluate.main, ["--run-dir=own"])):
        line = refused(capsys, main, *source)
        assert f"own/config.json has a task that cannot be loaded: {here / 'mine.py'} is not a file" in line
    config["task"]["name"] = f"{here / 'moved.py'}:Parity"
    (here / "own" / "config.json").write_text(json.dumps(config))
    for main, source in ((train.main, resume), (evaluate.main, ["--run-dir=own"])):
        line = refused(capsys, main, *source)
        assert f"step-20 was written with a task that cannot be loaded: {here / 'mine.py'} is not a file" in line


HEAD = """
import dataclasses
from typing import ClassVar
import tensorflow as tf
from tasks import CopyTask, Task
from tasks.task import option
"""
COPY = "@dataclasses.dataclass(frozen=True)\nclass Mine(CopyTask):\n"


@pytest.mark.parametrize(
    "reference, source, words",
    [
        ("missing.py:Mine", "", ["missing.py is not a file"]),
        ("mine.py", "", ["no task is named 'mine.py'", "FILE:CLASS"]),
        ("mine.py:Mine", "", ["mine.py defines no class 'Mine'"]),
        ("mine.py:CopyTask", "", ["mine.py defines no class 'CopyTask'"]),
        ("mine.py:", "", ["mine.py defines no class ''"]),
        ("mine.txt:Mine", "", ["mine.txt is no Python file"]),
        ("mine.py:Mine", "import nothing_here", ["mine.py cannot be imported: ModuleNotFoundError", "(line 7)"]),
        ("mine.py:Mine", "raise SystemExit(0)", ["mine.py cannot be imported: SystemExit: 0", "(line 7)"]),
        ("mine.py:Mine", "def f(:", ["mine.py cannot be imported: SyntaxError", "(line 7)"]),
        ("mine.py:Mine", "class Mine: pass", ["Mine is no task"]),
        ("mine.py:Mine", "class Mine(Task): pass", ["Mine lacks input_size, name, num_steps, output_size, sequences"]),
        ("mine.py:Mine", "class Mine(CopyTask): pass", ["Mine is no dataclass"]),
        ("mine.py:Mine", COPY + "    name: str = 'x'", ["Mine.name has the type str"]),
        ("mine.py:Mine", COPY + "    name: ClassVar[str] = 'a/b'", ["Mine.name is 'a/b'"]),
        (
            "mine.py:Mine",
            COPY + "    def num_steps(self, length):\n        return 1 // 0",
            ["mine.py:Mine cannot be used: ZeroDivisionError", "(line 10)"],
        ),
        (
            "mine.py:Mine",
            COPY + "    report_sizes: ClassVar[tuple] = (20, 40)",
            ["mine.py:Mine cannot be used: TypeError"],
        ),
        (
            "mine.py:Mine",
            COPY + "    report_sizes: ClassVar[tuple] = ((0,),)",
            ["mine.py:Mine cannot be used: ValueError: each number in a size of copy must be at least 1"],
        ),
        ("mine.py:Mine", COPY + "    seed: int = option(3, 'x')", ["--seed"]),
    ],
)
def test_a_task_that_cannot_be_loaded_is_refused_in_one_line(tmp_path, monkeypatch, capsys, reference, source, words):
    for line in refusals(tmp_path, monkeypatch, capsys, reference, source, with_evaluate=words != ["--seed"]):
        for word in ["argument --task: ", *words]:
            assert word in line


@pytest.mark.parametrize(
    "source, words",
    [
        ("    input_size: ClassVar[int] = 3", ["makes inputs of the shape (2, 42, 10), not (2, 42, 3)"]),
        ("    def sequences(self, *arguments):\n        return 1 // 0", ["makes no batch: ZeroDiv", "(line 10)"]),
        (
            "    def sequences(self, seed, *sizes):\n        return range(sizes[1][0]) and CopyTask().batch(seed, 2)",
            ["makes no batch in training, where sizes are tensors", "(line 10)"],
        ),
    ],
)
def test_a_task_that_makes_no_batch_is_refused_in_one_line(tmp_path, monkeypatch, capsys, source, words):
    for line in refusals(tmp_path, monkeypatch, capsys, "mine.py:Mine", COPY + source):
        for word in [": error: ", *words]:
            assert word in line
    assert not (tmp_path / "runs").exists()


def refusals(tmp_path, monkeypatch, capsys, reference, source, with_evaluate=True):
    """The lines with which train.py and evaluate.py refuse a task in the file mine.py or mine.txt."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "mine.txt"):
        (tmp_path / name).write_text(HEAD + source)
    lines = [refused(capsys, train.main, f"--task={reference}", "--iterations=1")]
    if with_evaluate:  # evaluate.py has no options of tasks
        lines.append(refused(capsys, evaluate.main, f"--task={reference}", "--weights=x.keras"))
    return lines


def test_the_devices_are_chosen_before_a_task_in_a_file_makes_a_batch(tmp_path):
    """In a process of its own, because TensorFlow's devices are chosen once."""
    mirrored = ["--distribute=mirrored", "--devices=2", "--batch-size=3"]
    process = start("train.py", f"--task={EXAMPLE}:Parity", *mirrored, cwd=tmp_path, popen=Fork)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, ""), err
    assert err == "train.py: error: --batch-size=3 is no multiple of the number of replicas, 2\n"


def test_help_shows_the_options_of_a_task_in_a_file(capsys):
    with pytest.raises(SystemExit):
        train.main([f"--task={EXAMPLE}:Parity", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "smallest number of bits" in text and f"{EXAMPLE}:Parity: 20" in text


def test_the_identifier_of_a_task_of_the_repository_is_its_name():
    assert task_class("copy") is CopyTask and CopyTask.identifier() == "copy"
