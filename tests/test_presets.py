"""What a preset gives for every task and model can be built, and is what docs/fidelity.md says of it."""

import re
from pathlib import Path

import pytest

from experiment import MODELS, build_model, default_config, refuse_strangers
from presets import RECIPES, sections
from tasks import TASKS

FIDELITY = Path(__file__).parent.parent / "docs" / "fidelity.md"
ROWS = {
    "copy": "copy",
    "repeat-copy": "repeat copy",
    "associative-recall": "associative recall",
    "ngrams": "dynamic N-grams",
    "priority-sort": "priority sort",
}


@pytest.mark.parametrize("task", TASKS)
def test_every_model_has_as_many_parameters_as_documented(task):
    line = rf"^\| {ROWS[task]} \|" + r" ([\d,]+) \| [\d,]+ \|" * len(MODELS) + "$"
    (row,) = re.findall(line, FIDELITY.read_text(), re.MULTILINE)
    for model, documented in zip(MODELS, row, strict=True):
        config = default_config(task=task, model=model)
        refuse_strangers(config)
        assert f"{build_model(config).count_params():,}" == documented


def test_a_recipe_is_the_paper_presets_alone_and_of_what_there_is():
    assert all(task in TASKS and model in MODELS for task, model in RECIPES)
    assert sections("paper")["training"]["weight_noise"] > 0 == sections("reference")["training"]["weight_noise"]
    changed = sections("paper")
    changed["optimizer"]["learning_rate"] = 7
    assert sections("paper")["optimizer"]["learning_rate"] < 1
