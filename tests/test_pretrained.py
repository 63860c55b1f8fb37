"""The weights that come with the code do what pretrained/README.md says of them."""

import json
from pathlib import Path

import evaluate
from experiment import default_config
from ntm import runs

COPY = Path(__file__).parent.parent / "pretrained" / "copy"


def test_copy_is_exact_at_the_longest_length_of_training_and_at_six_times_that(capsys):
    arguments = ["--lengths=20,120", "--sequences=200", "--seed=1", "--format=json"]
    assert evaluate.main([f"--weights={COPY / 'model.keras'}", *arguments]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["length"] for row in rows] == [20, 120]
    assert [row["exact_sequences"] for row in rows] == [1, 1]


def test_copy_is_what_is_left_of_a_run_of_the_default_recipe():
    config, default = runs.read_config(COPY), default_config()
    assert config["optimizer"] == default["optimizer"] and config["training"] == default["training"]
    assert runs.read_solved(COPY)
    assert set(runs.read_metrics(COPY)) == set(runs.METRICS)
    assert all(path.stat().st_size < 2**20 for path in COPY.iterdir())
