"""Every task and model can be built from a preset, with the number of parameters in docs/fidelity.md."""

import re
from pathlib import Path

import pytest

from experiment.build import build_model, build_trainer
from experiment.config import Config, default_config
from experiment.models import MODELS
from experiment.presets import RECIPES, sections
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
def test_every_model_has_the_documented_number_of_parameters(task):
    line = rf"^\| {ROWS[task]} \|" + r" ([\d,]+) \| [\d,]+ \|" * len(MODELS) + "$"
    (row,) = re.findall(line, FIDELITY.read_text(), re.MULTILINE)
    for model, documented in zip(MODELS, row, strict=True):
        config = default_config(task=task, model=model)
        assert Config.from_json(config.to_json()) == config
        assert f"{build_model(config).count_params():,}" == documented


def flat_options(model):
    """The options of a model as a flat dict, initial values included."""
    options = dict(model.options)
    return {**options, **vars(options.pop("initial_values"))} if "initial_values" in options else options


@pytest.mark.parametrize("task, model", RECIPES)
def test_a_trainer_has_the_values_of_its_recipe(task, model):
    config = default_config(task=task, model=model)
    for name, values in RECIPES[task, model].items():
        assert values.items() <= vars(getattr(config, name)).items()
    trainer = build_trainer(config)
    given = flat_options(trainer.model)
    for name, value in RECIPES[task, model].get("model", {}).items():
        assert given[name] == value
    settings = {"learning_rate": 1e-3, **RECIPES[task, model].get("optimizer", {})}
    for name in ("decay_steps", "hold_steps"):
        if steps := settings.pop(name, None):
            assert trainer.optimizer.get_config()["learning_rate"]["config"][name] == steps
    for name, value in settings.items():
        assert float(getattr(trainer.optimizer, name)) == pytest.approx(value), name


def test_a_weight_decay_below_0_is_refused():
    with pytest.raises(ValueError, match=r"weight_decay: '-1\.0' is neither 0 nor a number"):
        default_config().replace(optimizer={"weight_decay": -1.0})


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "momentum", "clipvalue"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_optimizer_option_that_is_not_finite_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name}: '{value}' is "):
        default_config().replace(optimizer={name: value})


def test_recipes_belong_to_the_paper_preset_only():
    assert "forget_bias" in RECIPES["copy", "ntm-lstm"]["model"]
    assert sections("reference", "copy", "ntm-lstm")["model"]["forget_bias"] == 1
    changed = sections("paper", "copy", "ntm-lstm")
    changed["optimizer"]["learning_rate"] = 7
    assert sections("paper", "copy", "ntm-lstm")["optimizer"]["learning_rate"] < 1
