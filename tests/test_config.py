"""Converts the configuration to JSON and back, and refuses wrong values."""

import argparse
import json

import pytest

from experiment import options
from experiment.build import build_trainer
from experiment.config import Config, default_config
from experiment.models import MODELS
from experiment.presets import PRESETS
from tasks import TASKS


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_a_configuration_survives_json(preset, task, model):
    config = default_config(preset=preset, task=task, model=model)
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_field_that_a_file_lacks_has_its_default():
    content = default_config().to_json()
    del content["model"]["read_shift_bias"], content["model"]["location_rows"], content["optimizer"]["weight_decay"]
    config = Config.from_json(content)
    assert (config.model.read_shift_bias, config.model.location_rows, config.optimizer.weight_decay) == (0, False, 0)


@pytest.mark.parametrize(
    "section, values, message",
    [
        ("task", {"min_items": 3}, "min_items=3 means nothing to the task copy"),
        ("model", {"controller_layers": 3}, "controller_layers=3 means nothing to the model ntm-lstm"),
        ("training", {"colour": "red"}, "colour=red means nothing to the training"),
        ("model", {"memory_width": "wide"}, "memory_width cannot be 'wide'"),
        ("model", {"memory_width": True}, "memory_width cannot be True"),
        ("run", {"iterations": None}, "iterations cannot be None"),
    ],
)
def test_a_wrong_value_is_refused(section, values, message):
    with pytest.raises(ValueError, match=message):
        default_config().replace(**{section: values})


def test_clipping_of_0_means_none():
    """Keras expects None, not 0."""
    config = default_config().replace(optimizer={"global_clipnorm": 0.0, "clipvalue": 3.0})
    optimizer = build_trainer(config).optimizer
    assert optimizer.global_clipnorm is None and optimizer.clipvalue == 3


def test_a_learning_rate_can_be_constant():
    parser = argparse.ArgumentParser()
    options.add_options(parser)
    arguments = parser.parse_args(["--decay-steps=0", "--learning-rate=3e-4"])
    optimizer = build_trainer(options.config_from_arguments(vars(arguments))).optimizer
    optimizer.iterations.assign(10**6)
    assert float(optimizer.learning_rate) == pytest.approx(3e-4)
