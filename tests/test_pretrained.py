"""The weights in pretrained/ have the errors that pretrained/README.md states."""

import dataclasses
import json
from pathlib import Path

import pytest

import evaluate
from experiment.config import Config, default_config
from experiment.config_file import read_config
from experiment.metrics_file import COLUMNS, read_metrics
from experiment.solved import read_solved

PRETRAINED = Path(__file__).parent.parent / "pretrained"
KEPT = sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir())


# Changes to the default recipe of the task and the model.
CHANGES = {
    "repeat-copy-feedforward": {"model": {"memory_locations": 48}},
    "ngrams-feedforward": {
        "model": {"gradient_clip": 1.0},
        "optimizer": {"learning_rate": 3e-4, "decay_steps": 50_000, "hold_steps": 0},
    },
    "associative-recall-feedforward": {
        "model": {"memory_locations": 36, "location_rows": False, "memory_std": 0.25},
        "training": {"weight_noise": 0.05},
    },
    "copy-feedforward": {
        "model": {"memory_locations": 24, "read_gate_bias": 4.0, "memory_std": 0.25},
        "optimizer": {"epsilon": 1e-4, "weight_decay": 0.005},
        "training": {"weight_noise": 0.08},
    },
}


def measure(capsys, name, lengths, sequences, *more):
    options = [f"--lengths={lengths}", f"--sequences={sequences}", "--seed=1", "--format=json", *more]
    assert evaluate.main([f"--weights={PRETRAINED / name / 'model.keras'}", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_copy_is_exact_at_the_longest_trained_length_and_at_six_times_that_length(capsys):
    rows = measure(capsys, "copy", "20,120", 200)
    assert [row["length"] for row in rows] == [20, 120]
    assert [row["exact_sequences"] for row in rows] == [1, 1]


@pytest.mark.parametrize("name, size", [("copy-feedforward", "120"), ("associative-recall-feedforward", "20")])
def test_a_feedforward_controller_is_exact_far_beyond_its_training_sizes_in_a_longer_memory(capsys, name, size):
    (row,) = measure(capsys, name, size, 100, "--memory-locations=128")
    assert row["exact_sequences"] == 1


@pytest.mark.parametrize(
    "name, size, wrong",
    [
        # One sequence in 1,000 had errors: about a hundred wrong bits.
        ("repeat-copy", "10x10", 5),
        # No sequence in 1,000 had errors.
        ("repeat-copy-feedforward", "10x10", 0.001),
        # No sequence in 1,000 had errors. A sequence with errors has 9 wrong bits.
        ("associative-recall", "12", 0.4),
        # The mean of 10,000 sequences was 1.9. The means of five times 100 sequences had a std of 0.4. The limit is
        # five of these stds above the mean.
        ("priority-sort", "20", 3.9),
        # The mean of 10,000 sequences was 10.0. The means of five times 100 sequences had a std of 1.0.
        ("priority-sort-feedforward", "20", 15),
    ],
)
def test_the_errors_on_other_tasks_are_no_larger_than_documented(capsys, name, size, wrong):
    (row,) = measure(capsys, name, size, 100)
    assert row["bit_errors_per_sequence"] < wrong


@pytest.mark.parametrize("name", ["ngrams", "ngrams-feedforward"])
def test_ngrams_are_close_to_the_lowest_achievable_cost(capsys, name):
    (row,) = measure(capsys, name, "200", 100)
    assert row["least_bits_per_sequence"] < row["bits_per_sequence"] < row["least_bits_per_sequence"] + 4


@pytest.mark.parametrize("name", KEPT)
def test_each_model_comes_from_the_run_that_the_readme_names(name):
    config, kept = Config.from_json(read_config(PRETRAINED / name)), PRETRAINED / name
    default = default_config(task=config.task.name, model=config.model.name).replace(**CHANGES.get(name, {}))
    assert dataclasses.replace(config, run=default.run) == default
    assert set(read_metrics(kept)) == set(COLUMNS)
    assert all(path.stat().st_size < 2**20 for path in kept.iterdir())
    lines = (PRETRAINED / "README.md").read_text().splitlines()
    (title,) = (line for line in lines if line.startswith(f"| `{name}/`"))
    assert f"--seed={config.run.seed}" in title and f"--iterations={config.run.iterations}" in title
    if (solved := read_solved(kept)) is not None:
        assert f"solved after {solved['sequences']:,}" in title
