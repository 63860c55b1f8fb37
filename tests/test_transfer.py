import numpy as np
import pytest
import tensorflow as tf

from ntm import NTM
from ntm.transfer import with_locations


@pytest.fixture
def model(rng):
    model = NTM(3, controller_units=5, memory_locations=6, memory_width=4, read_heads=2)
    model.build((None, None, 2))
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    return model


def test_a_longer_memory_keeps_every_weight_and_both_neighbours_of_location_0(model):
    longer = with_locations(model, 11)
    assert longer.options == {**model.options, "memory_locations": 11}
    for variable, trained in zip(longer.variables, model.variables, strict=True):
        if variable.shape == trained.shape:
            np.testing.assert_array_equal(variable, trained)
        else:
            np.testing.assert_array_equal(variable[:, :3], trained[:, :3])
            np.testing.assert_array_equal(variable[:, -3:], trained[:, 3:])
            np.testing.assert_allclose(variable[:, 3:8], np.repeat(np.mean(trained[:, 2:4], 1, keepdims=True), 5, 1))


def test_the_same_memory_gives_the_same_outputs(eager_functions, model, rng):
    inputs = tf.constant(rng.normal(size=(2, 4, 2)), tf.float32)
    np.testing.assert_array_equal(with_locations(model, 6)(inputs), model(inputs))


def test_a_longer_memory_keeps_the_type():
    model = NTM(3, controller_units=5, memory_locations=6, memory_width=4, dtype="float64")
    model.build((None, None, 2))
    longer = with_locations(model, 11)
    assert longer.dtype_policy == model.dtype_policy
    np.testing.assert_array_equal(longer.output_layer.kernel, model.output_layer.kernel)


def test_a_shorter_memory_is_refused(model):
    with pytest.raises(ValueError, match="memory_locations=5 is below the model's 6"):
        with_locations(model, 5)


def test_with_location_rows_the_memory_can_be_copied_but_not_made_longer(eager_functions, rng):
    model = NTM(3, controller_units=5, memory_locations=6, memory_width=4, initial_values={"location_rows": True})
    model.build((None, None, 2))
    inputs = tf.constant(rng.normal(size=(2, 4, 2)), tf.float32)
    np.testing.assert_array_equal(with_locations(model, 6)(inputs), model(inputs))
    with pytest.raises(ValueError, match="memory_locations=7 must be 6"):
        with_locations(model, 7)
