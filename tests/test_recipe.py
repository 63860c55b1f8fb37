"""The recipe for users of `fit` is the recipe that train.py uses for copy."""

import dataclasses

import keras
import numpy as np
import pytest

from experiment.build import build_trainer
from experiment.config import default_config
from ntm import NTM, InitialValues
from ntm.recipe import recipe_initial_values, recipe_optimizer


def test_train_py_uses_the_same_optimizer():
    expected = build_trainer(default_config()).optimizer.get_config()
    found = recipe_optimizer().get_config()
    assert {**found, "name": None} == {**expected, "name": None}


def test_train_py_uses_the_same_initial_values():
    model = default_config().model
    expected = {field.name: getattr(model, field.name) for field in dataclasses.fields(InitialValues)}
    assert dataclasses.asdict(recipe_initial_values()) == expected


def test_the_recipe_is_the_one_that_was_measured():
    optimizer = recipe_optimizer()
    assert (optimizer.rho, optimizer.momentum, optimizer.epsilon, optimizer.centered) == (0.95, 0.9, 1e-4, True)
    assert (optimizer.weight_decay, optimizer.global_clipnorm, optimizer.clipvalue) == (0.005, 10.0, None)
    optimizer.build([keras.Variable(0.0)])
    assert float(optimizer.learning_rate) == np.float32(1e-3)
    optimizer.iterations.assign(10_000)
    assert float(optimizer.learning_rate) == np.float32(5e-4)


def test_a_rate_is_held_before_it_falls():
    optimizer = recipe_optimizer(learning_rate=1.0, decay_steps=10, hold_steps=100)
    optimizer.build([keras.Variable(0.0)])
    rates = []
    for iterations in (0, 100, 110, 130):
        optimizer.iterations.assign(iterations)
        rates.append(float(optimizer.learning_rate))
    assert rates == [1, 1, 1 / 2, 1 / 4]


@pytest.mark.parametrize("hold_steps", [-1, 5.5, "5"])
def test_a_number_of_steps_to_hold_the_rate_is_an_integer_from_0(hold_steps):
    with pytest.raises(ValueError, match=r"hold_steps=.* must be"):
        recipe_optimizer(hold_steps=hold_steps)


def test_an_argument_changes_the_recipe():
    optimizer = recipe_optimizer(learning_rate=3e-4, decay_steps=None, weight_decay=None, global_clipnorm=2.0)
    assert (float(optimizer.learning_rate), optimizer.weight_decay) == (np.float32(3e-4), None)
    assert (optimizer.global_clipnorm, optimizer.epsilon) == (2.0, 1e-4)


def test_a_model_saved_with_the_recipe_is_loaded_with_it(eager_functions, tmp_path):
    model = NTM(output_size=1, controller_units=4, initial_values=recipe_initial_values())
    model.compile(recipe_optimizer(hold_steps=5), "mse")
    model.fit(np.zeros([1, 2, 2]), np.zeros([1, 2, 1]), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.get_config()["learning_rate"]["config"]["hold_steps"] == 5
