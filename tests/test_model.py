import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from ntm import NTM, InitialValues, NTMState
from ntm.addressing import content_weighting, interpolate, shift

SMALL = {"controller_units": 6, "memory_locations": 9, "memory_width": 4, "read_heads": 2, "shift_range": 2}


@pytest.fixture
def inputs(rng):
    return tf.constant(rng.normal(size=(3, 5, 2)), tf.float32)


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_a_saved_model_is_the_model(controller, inputs, tmp_path):
    model = NTM(output_size=4, controller=controller, **SMALL)
    logits = model(inputs)
    assert logits.shape == (3, 5, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), logits)
    assert loaded.get_config() == model.get_config()


def test_a_model_that_was_saved_before_initial_values_were_grouped_loads(inputs, eager_functions, tmp_path):
    values = InitialValues(read_gate_bias=4.0, memory_std=0.25)
    model = NTM(output_size=4, initial_values=values, **SMALL)
    logits = model(inputs)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as source, zipfile.ZipFile(tmp_path / "old.keras", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                saved = json.loads(content)
                ungrouped = saved["config"].pop("initial_values")
                del ungrouped["location_rows"]  # added later
                saved["config"].update(ungrouped)
                content = json.dumps(saved)
            target.writestr(name, content)
    loaded = keras.saving.load_model(tmp_path / "old.keras")
    np.testing.assert_array_equal(loaded(inputs), logits)
    assert loaded.options == model.options


def test_a_single_batch_is_predicted_as_by_keras(inputs, monkeypatch):
    model, sequences = NTM(output_size=4, **SMALL), inputs.numpy()
    expected = keras.Model.predict(model, sequences, verbose=0)
    monkeypatch.setattr(keras.Model, "predict", lambda *_, **__: "by Keras", raising=False)
    for dtype in ("float32", "float64"):
        found = model.predict(sequences.astype(dtype), verbose=0)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    for options in ({"batch_size": 2, "verbose": 0}, {"verbose": 1}, {}):
        assert model.predict(sequences, **options) == "by Keras"


def test_trace_returns_the_logits_of_a_call_and_the_state_after_every_step(inputs):
    model = NTM(output_size=4, write_heads=3, **SMALL)
    logits, trace = model.trace(inputs)
    np.testing.assert_allclose(model(inputs), logits, rtol=1e-6)
    assert trace.state.memory.shape == (3, 5, 9, 4)
    assert trace.state.read_weightings.shape == (3, 5, 2, 9)
    assert trace.state.write_weightings.shape == (3, 5, 3, 9)
    assert trace.heads.keys.shape == (3, 5, 5, 4)
    assert trace.heads.add_vectors.shape == (3, 5, 3, 4)


def test_trace_returns_each_stage_of_the_addressing_of_every_head(inputs):
    model = NTM(output_size=4, write_heads=3, **SMALL)
    _, trace = model.trace(inputs)
    weightings = tf.concat([trace.state.read_weightings, trace.state.write_weightings], axis=2)
    np.testing.assert_allclose(trace.stages.weightings, weightings, rtol=1e-5, atol=1e-7)
    before, now = 2, 3  # write heads compare with the memory after step 2, read heads after step 3
    for heads, memory in ((slice(0, 2), now), (slice(2, 5), before)):
        content = content_weighting(
            trace.state.memory[:, memory], trace.heads.keys[:, now, heads], trace.heads.strengths[:, now, heads]
        )
        gated = interpolate(content, weightings[:, before, heads], trace.heads.gates[:, now, heads])
        np.testing.assert_allclose(trace.stages.content[:, now, heads], content, rtol=1e-5)
        np.testing.assert_allclose(trace.stages.gated[:, now, heads], gated, rtol=1e-5)
        shifted = shift(gated, trace.heads.shifts[:, now, heads])
        np.testing.assert_allclose(trace.stages.shifted[:, now, heads], shifted, rtol=1e-5)


def test_a_model_starts_from_a_given_state(inputs):
    model = NTM(output_size=4, **SMALL)
    whole = model(inputs)
    _, trace = model.trace(inputs)
    after_two = tf.nest.map_structure(lambda tensor: tensor[:, 1], trace.state)
    np.testing.assert_allclose(model(inputs[:, 2:], initial_state=after_two), whole[:, 2:], rtol=1e-5, atol=1e-6)
    continued, _ = model.trace(inputs[:, 2:], initial_state=after_two)
    np.testing.assert_allclose(continued, whole[:, 2:], rtol=1e-5, atol=1e-6)


def test_initial_state_has_the_public_shapes(inputs):
    model = NTM(output_size=4, **SMALL)
    model(inputs)
    state = model.initial_state(7)
    assert isinstance(state, NTMState)
    assert state.memory.shape == (7, 9, 4)
    assert state.read_weightings.shape == (7, 2, 9)
    assert state.write_weightings.shape == (7, 1, 9)
    assert state.read_vectors.shape == (7, 2, 4)
    assert [tensor.shape for tensor in state.controller] == [(7, 6), (7, 6)]


def test_keras_fits_the_model_on_masked_batches(eager_functions, rng):
    model = NTM(output_size=1, **SMALL)
    sequence = keras.Input((None, 2))
    network = keras.Model(sequence, model(keras.layers.Masking()(sequence)))
    network.compile("adam", "mse")
    inputs = rng.normal(size=(8, 5, 2))
    inputs[:4, 3:] = 0
    losses = network.fit(inputs, rng.normal(size=(8, 5, 1)), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    short = network.predict(inputs[:4, :3], verbose=0)
    np.testing.assert_allclose(network.predict(inputs[:4], verbose=0)[:, :3], short, rtol=1e-5, atol=1e-6)


def test_a_wrong_output_size_is_named():
    with pytest.raises(ValueError, match="output_size=0"):
        NTM(output_size=0)
