import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import oracle
from ntm import InitialValues, NTMCell, NTMState

B, I = 2, 3
SMALL = {
    "controller_units": 5,
    "memory_locations": 7,
    "memory_width": 4,
    "read_heads": 2,
    "write_heads": 3,
    "shift_range": 2,
}


def built_cell(**options):
    cell = NTMCell(**{**SMALL, **options}, dtype="float64")
    cell.build((None, I))
    return cell


def random_state(cell, rng):
    state = NTMState.from_flat([tf.constant(rng.normal(size=(B, *shape))) for shape in cell.state_shapes.flat()])
    simplex = [tf.nn.softmax(weightings) for weightings in (state.read_weightings, state.write_weightings)]
    return state._replace(read_weightings=simplex[0], write_weightings=simplex[1])


@pytest.mark.parametrize("heads", [(1, 1), (2, 3)])
def test_a_step_agrees_with_the_oracle(heads, rng):
    cell = built_cell(read_heads=heads[0], write_heads=heads[1])
    inputs, state = rng.normal(size=(B, I)), random_state(cell, rng)
    output, new_state = cell(tf.constant(inputs), state.to_keras())
    new_state = cell.from_keras(new_state).flat()
    expected_output, expected_state = oracle.step(cell, inputs, [tensor.numpy() for tensor in state.flat()])
    np.testing.assert_allclose(output, expected_output, rtol=1e-9)
    for one, other in zip(new_state, expected_state, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_a_keras_rnn_runs_the_cell(controller, rng):
    cell = built_cell(controller=controller)
    inputs = tf.constant(rng.normal(size=(B, 6, I)))
    outputs, *final_state = keras.layers.RNN(cell, return_sequences=True, return_state=True, dtype="float64")(inputs)
    state = cell.get_initial_state(B)
    for t in range(6):
        output, state = cell(inputs[:, t], state)
        np.testing.assert_allclose(outputs[:, t], output, rtol=1e-12)
    for one, other in zip(final_state, state, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    assert outputs.shape == (B, 6, cell.output_size)


def test_a_keras_model_trains_around_the_cell(rng):
    model = keras.Sequential(
        [keras.Input((None, I)), keras.layers.RNN(NTMCell(**SMALL), return_sequences=True), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", jit_compile=False)
    inputs, targets = rng.normal(size=(8, 5, I)), rng.normal(size=(8, 5, 1))
    losses = model.fit(inputs, targets, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_learned_state_is_equal_at_all_locations_except_for_write_heads_and_is_trained(rng):
    cell = built_cell(initial_values=InitialValues(write_peak=2.0))
    state = cell.initial_state(B)
    assert [tuple(tensor.shape[1:]) for tensor in state.flat()] == cell.state_shapes.flat()
    np.testing.assert_allclose(state.read_weightings, np.full((B, 2, 7), 1 / 7))
    rest = 1 / (6 + np.exp(2))
    np.testing.assert_allclose(state.write_weightings, np.full((B, 3, 7), [1 - 6 * rest] + [rest] * 6))
    np.testing.assert_array_equal(state.memory, np.broadcast_to(state.memory[0, 0], (B, 7, 4)))
    assert np.std(state.memory[0, 0]) > 0.01
    with tf.GradientTape() as tape:
        output, states = cell(tf.constant(rng.normal(size=(B, I))), cell.get_initial_state(B))
        total = tf.reduce_sum(output) + sum(tf.reduce_sum(tf.square(tensor)) for tensor in states)
    initial = [weight for weight in cell.trainable_variables if weight.name.startswith("initial_")]
    assert len(initial) == len(state.flat())
    for weight, gradient in zip(initial, tape.gradient(total, initial)):
        assert gradient is not None and np.abs(gradient).max() > 0, weight.name


def test_with_location_rows_every_location_starts_with_a_row_of_its_own_and_trains_it(rng):
    cell = built_cell(initial_values=InitialValues(location_rows=True, memory_std=0.5))
    memory = cell.initial_state(B).memory
    assert len(np.unique(memory[0], axis=0)) == 7 and 0.2 < np.std(memory[0]) < 0.8
    np.testing.assert_array_equal(memory[0], memory[1])
    (rows,) = (weight for weight in cell.trainable_variables if weight.shape == (7, 4))
    with tf.GradientTape() as tape:
        output, _ = cell(tf.constant(rng.normal(size=(B, I))), cell.get_initial_state(B))
    assert np.abs(tape.gradient(output, rows)).max(axis=1).min() > 0


def test_a_random_state_has_the_distribution_of_the_reference():
    cell = NTMCell(initial_state="random")
    cell.build((None, I))
    state = cell.initial_state(50, seed=[1, 2])
    # The normal distribution is truncated at two stds, which multiplies its std by 0.88.
    for tensor, mean, std in ((state.memory, 0.5, 0.2), (state.read_weightings, 0.4, 0.1)):
        assert abs(np.mean(tensor) - mean) < 0.01
        assert abs(np.std(tensor) - 0.88 * std) < 0.01
        assert np.abs(tensor - mean).max() <= 2 * std + 1e-6
    np.testing.assert_array_equal(state.write_weightings, np.full((50, 1, 128), 1e-6, np.float32))
    np.testing.assert_array_equal(state.read_vectors, np.full((50, 1, 20), 1e-6, np.float32))
    for tensor in state.controller:
        np.testing.assert_array_equal(tensor, np.zeros((50, 100)))
    again, other = cell.initial_state(50, seed=[1, 2]).memory, cell.initial_state(50, seed=[1, 3]).memory
    np.testing.assert_array_equal(state.memory, again)
    assert np.abs(state.memory - other).max() > 0.1
    assert np.abs(cell.initial_state(50).memory - cell.initial_state(50).memory).max() > 0.1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"shift_range": 4}, "shift_range=4 means 9 shifts, more than memory_locations=7"),
        ({"shift_range": -1}, "shift_range=-1"),
        ({"gradient_clip": -1.0}, "gradient_clip=-1.0"),
        ({"gradient_clip": float("nan")}, "gradient_clip=nan"),
        ({"memory_locations": 0}, "memory_locations=0"),
        ({"read_heads": 0}, "read_heads=0"),
        ({"write_heads": -2}, "write_heads=-2"),
        ({"controller_units": 0}, "controller_units=0"),
        ({"memory_width": 0}, "memory_width=0"),
        ({"controller": "gru"}, "controller='gru'"),
        ({"initial_state": "zero"}, "initial_state='zero'"),
        ({"controller": ["lstm"]}, r"controller=\['lstm'\]"),
        ({"memory_locations": 7.0}, "memory_locations=7.0 must be an integer"),
        ({"memory_width": float("nan")}, "memory_width=nan"),
        ({"read_heads": True}, "read_heads=True"),
        ({"shift_range": "1"}, "shift_range='1'"),
        ({"output_reads": "no"}, "output_reads='no' must be True or False"),
        ({"heads_bias": None}, "heads_bias=None"),
        ({"bounded_vectors": 2}, "bounded_vectors=2"),
        ({"smallest_strength": -5}, "smallest_strength=-5 must be at least 0"),
        ({"smallest_strength": float("inf")}, "smallest_strength=inf must be finite"),
        ({"gradient_clip": "x"}, "gradient_clip='x' must be a number"),
        ({"gradient_clip": float("inf")}, "gradient_clip=inf"),
        ({"initial_values": {"heads_std": float("nan")}}, "heads_std=nan"),
        ({"initial_values": {"location_rows": 1}}, "location_rows=1 must be True or False"),
        ({"initial_values": "zeros"}, "initial_values='zeros'"),
    ],
)
def test_arguments_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        NTMCell(**{**SMALL, **options})


NUMBERS = [field.name for field in dataclasses.fields(InitialValues) if field.type is float]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", None, True])
def test_an_initial_value_that_is_not_a_finite_number_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        InitialValues(**{name: value})


def test_negative_initial_values_are_allowed_unless_they_are_stds():
    for name in NUMBERS:
        if name.endswith("_std"):
            with pytest.raises(ValueError, match=f"{name}=-1 must be at least 0"):
                InitialValues(**{name: -1})
        else:
            InitialValues(**{name: -1})


def test_numpy_numbers_and_booleans_are_accepted_as_options():
    NTMCell(memory_locations=np.int64(7), output_reads=np.bool_(True), smallest_strength=np.float32(0))


def test_gradients_are_clipped_element_by_element_and_only_if_asked():
    gradient = tf.constant([-1.0, 0.05, 1.0])
    np.testing.assert_allclose(NTMCell(**SMALL, gradient_clip=0.1).clip_gradient(gradient), [-0.1, 0.05, 0.1])
    np.testing.assert_array_equal(NTMCell(**SMALL).clip_gradient(gradient), gradient)


@pytest.mark.parametrize(
    "name", ["read_strength", "read_gate", "read_shift", "write_gate", "write_sharpness", "write_shift"]
)
def test_heads_start_with_the_biases_that_the_cell_is_given(name):
    assert np.any(built_cell(initial_values={f"{name}_bias": 7.0}).heads.bias == 7)


def test_config_rebuilds_the_cell():
    values = InitialValues(memory_std=0.25, location_rows=True)
    cell = NTMCell(**SMALL, controller="feedforward", initial_state="random", initial_values=values)
    again = NTMCell.from_config(json.loads(json.dumps(cell.get_config())))
    assert again.get_config() == cell.get_config()
    assert again.options["initial_values"] == values


def test_a_config_from_before_initial_values_were_grouped_rebuilds_the_cell():
    config = NTMCell(**SMALL).get_config()
    flat = {name: value for name, value in config.items() if name != "initial_values"}
    cell = NTMCell.from_config({**flat, **config["initial_values"], "read_gate_bias": 4.0})
    assert cell.options["initial_values"] == InitialValues(read_gate_bias=4.0)
