"""The callback that draws a memory map each epoch."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import event_files
from ntm import NTM, NTMLayer, plots
from ntm.callbacks import MemoryMap

SMALL = {"controller_units": 6, "memory_locations": 9, "memory_width": 4}
T = 5


def network_around(model):
    sequence = keras.Input((None, 2))
    return keras.Model(sequence, keras.layers.Dense(1)(model(keras.layers.Masking()(2 * sequence))))


def fit(network, callback, epochs=2):
    rng = np.random.default_rng(1)
    network.compile("adam", "mse")
    network.fit(rng.normal(size=(4, T, 2)), rng.normal(size=(4, T, 1)), epochs=epochs, callbacks=[callback], verbose=0)


@pytest.fixture
def sequence(rng):
    return rng.normal(size=(T, 2)).astype(np.float32)


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of every call of plots.memory_map."""
    calls, draw = [], plots.memory_map
    monkeypatch.setattr(plots, "memory_map", lambda *arguments: calls.append(arguments) or draw(*arguments))
    return calls


@pytest.mark.parametrize("functional", [False, True])
def test_every_epoch_draws_the_trained_models_weightings(functional, eager_functions, sequence, drawn, tmp_path):
    model = NTM(output_size=1, **SMALL)
    network = network_around(model) if functional else model
    callback = MemoryMap(sequence, tmp_path / "maps", log_dir=tmp_path / "log", answer_at=3)
    fit(network, callback)
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["memory_map.png"]
    assert tf.io.decode_png((tmp_path / "maps" / "memory_map.png").read_bytes()).shape[:2] == (420, 800)
    assert [(step, value.tag) for step, value in event_files.values(tmp_path / "log")] == [
        (0, "memory_map"),
        (1, "memory_map"),
    ]
    assert [(answer_at, title) for _, _, answer_at, title in drawn] == [(3, "after epoch 1"), (3, "after epoch 2")]
    _, trace = model.trace(2 * sequence[np.newaxis] if functional else sequence[np.newaxis])
    _, (write_weightings, read_weightings, *_) = drawn
    np.testing.assert_allclose(write_weightings, trace.state.write_weightings[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(read_weightings, trace.state.read_weightings[0], rtol=1e-5, atol=1e-7)
    assert np.abs(drawn[0][1] - read_weightings).max() > 0  # the second epoch changed the weights


def test_the_memory_map_of_a_layer_in_a_sequential_model_needs_no_log_dir(eager_functions, sequence, drawn, tmp_path):
    layer = NTMLayer(6, memory_locations=9, memory_width=4, return_sequences=True, go_backwards=True)
    dense = keras.layers.Dense(3)
    fit(keras.Sequential([dense, layer, keras.layers.Dense(1)]), MemoryMap(sequence, tmp_path))
    assert len(drawn) == 2 and (tmp_path / "memory_map.png").exists()
    hidden = dense(sequence[np.newaxis])
    outputs, trace = layer.trace(hidden)
    np.testing.assert_allclose(outputs, layer(hidden), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(drawn[-1][0], trace.state.write_weightings[0], rtol=1e-5, atol=1e-7)
    assert trace.stages.content.shape == (1, T, 2, 9)


def test_drawing_the_map_changes_no_random_number_of_training(eager_functions, sequence, tmp_path):
    weights = []
    for callbacks in ([], [MemoryMap(sequence, tmp_path)]):
        keras.utils.set_random_seed(5)
        model = NTM(output_size=1, initial_state="random", **SMALL)
        fit(model, *(callbacks or [keras.callbacks.Callback()]))
        weights.append(model.get_weights())
    for without, with_map in zip(*weights):
        np.testing.assert_array_equal(without, with_map)


def two_ntms():
    sequence = keras.Input((None, 2))
    return keras.Model(sequence, NTM(output_size=1, **SMALL)(NTM(output_size=2, **SMALL)(sequence)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.ntm = NTM(output_size=1, **SMALL)

    def call(self, inputs):
        return self.ntm(inputs)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: keras.Sequential([keras.layers.Dense(1)]), "exactly one NTM; .* has 0"),
        (two_ntms, "exactly one NTM; .* has 2"),
        (Subclassed, "needs a functional or Sequential model"),
    ],
)
def test_a_model_is_refused_unless_it_has_exactly_one_ntm_that_can_be_found(
    make, message, eager_functions, sequence, drawn, tmp_path
):
    with pytest.raises(ValueError, match=message):
        fit(make(), MemoryMap(sequence, tmp_path))
    assert drawn == []


def test_without_matplotlib_the_message_names_the_extra(sequence, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib" or name == "ntm.plots"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("ntm.plots")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    callback = MemoryMap(sequence, tmp_path)
    with pytest.raises(ImportError, match=r"extra plots: pip install 'ntm-tensorflow\[plots\]'"):
        fit(NTM(output_size=1, **SMALL), callback)
