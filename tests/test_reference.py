"""Loads checkpoints of the reference, camigord/Neural-Turing-Machine.

The tests write checkpoints of their own, and also load the published files if these are available.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import evaluate
import oracle
from experiment.build import build_model, build_trainer
from experiment.config import default_config
from experiment.errors import CheckpointError
from experiment.models import MODELS
from experiment.presets import PRESETS
from experiment.reference import load_reference_checkpoint
from ntm import NTMState, addressing
from ntm.controller import FeedforwardController, LSTMController

LSTM = "Sequence_Loop/BasicLSTMCell/Linear"
I, O, U, W, N = 4, 3, 5, 6, 9


def write_checkpoint(prefix, tensors):
    """Writes a dict from names to arrays as a checkpoint in the format of TensorFlow 0.12."""
    names = list(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(tensors[name], tf.float32) for name in names],
    )


def random_tensors(rng, inputs, outputs):
    return {
        f"{LSTM}/Matrix": rng.normal(size=(inputs + W + U, 4 * U)),
        f"{LSTM}/Bias": rng.normal(size=4 * U),
        "controller/interface_weights": rng.normal(size=(U, 4 * W + 12)),
        "controller/nn_output_weights": rng.normal(size=(U, outputs)),
        "controller/mem_output_weights": rng.normal(size=(W, outputs)),  # unused by the reference's graph
    }


@pytest.fixture
def tensors(rng):
    return random_tensors(rng, I, O)


def reference_step(tensors, x, state):
    """One step of the reference, as in its source: its order of columns and gates, its shift and its sharpening."""
    memory, read_weightings, write_weightings, read_vectors, h, c = state
    gates = np.concatenate([x, read_vectors[:, 0], h], 1) @ tensors[f"{LSTM}/Matrix"] + tensors[f"{LSTM}/Bias"]
    i, j, f, o = np.split(gates, 4, axis=1)
    c = oracle.sigmoid(f + 1) * c + oracle.sigmoid(i) * np.tanh(j)
    h = oracle.sigmoid(o) * np.tanh(c)
    interface = h @ tensors["controller/interface_weights"]

    def address(memory, weightings, start):
        columns = interface[:, start : start + W + 6]
        content = oracle.content_weighting(
            memory, columns[:, np.newaxis, :W], 1 + oracle.softplus(columns[:, W : W + 1])
        )
        gated = oracle.interpolate(content, weightings, oracle.sigmoid(columns[:, W + 1 : W + 2]))
        shifts = np.apply_along_axis(oracle.softmax, 1, columns[:, W + 3 : W + 6])
        shifted = oracle.reference_shift(gated, shifts[:, np.newaxis])
        return oracle.sharpen(shifted, 1 + oracle.softplus(columns[:, W + 2 : W + 3]))

    write_weightings = address(memory, write_weightings, W + 6)
    erase_vectors, add_vectors = interface[:, 2 * W + 12 : 3 * W + 12], interface[:, 3 * W + 12 :]
    memory = oracle.write(
        memory, write_weightings, oracle.sigmoid(erase_vectors)[:, np.newaxis], add_vectors[:, np.newaxis]
    )
    read_weightings = address(memory, read_weightings, 0)
    read_vectors = oracle.read(memory, read_weightings)
    return h @ tensors["controller/nn_output_weights"], (memory, read_weightings, write_weightings, read_vectors, h, c)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_checkpoint_gives_the_results_of_the_reference_in_numpy(tensors, batch, rng, tmp_path):
    write_checkpoint(tmp_path / "model.ckpt", tensors)
    model = load_reference_checkpoint(tmp_path / "model.ckpt", memory_locations=N)
    inputs = rng.integers(0, 2, size=(batch, 7, I)).astype(np.float32)
    state = [tensor.numpy() for tensor in model.initial_state(batch, seed=[1, 2]).flat()]
    state[4:] = rng.uniform(-1, 1, size=(2, batch, U)).astype(np.float32)
    logits, trace = model.trace(inputs, initial_state=NTMState.from_flat(state))
    for t in range(7):
        expected, state = reference_step(tensors, inputs[:, t], state)
        # Rounding errors of float32 over up to seven steps, with logits of about 5.
        np.testing.assert_allclose(logits[:, t], expected, atol=1e-4)
        np.testing.assert_allclose(trace.state.memory[:, t], state[0], atol=1e-4)
        np.testing.assert_allclose(trace.state.read_weightings[:, t], state[1], atol=1e-4)
        np.testing.assert_allclose(trace.state.write_weightings[:, t], state[2], atol=1e-4)


def test_evaluate_starts_from_the_initial_or_the_carried_controller_state(rng, tmp_path, capsys):
    write_checkpoint(tmp_path / "model.ckpt", random_tensors(rng, 10, 10))
    arguments = [f"--reference-checkpoint={tmp_path / 'model.ckpt'}", "--lengths=3", "--sequences=20", "--format=json"]
    assert evaluate.main(arguments) == 0
    from_zero = json.loads(capsys.readouterr().out)
    assert evaluate.main([*arguments, "--carry-state"]) == 0
    carried = json.loads(capsys.readouterr().out)
    assert from_zero["length"] == carried["length"] == 3
    assert from_zero["bits_per_sequence"] != carried["bits_per_sequence"]


def test_a_checkpoint_of_another_task_is_refused(tensors, tmp_path, capsys):
    write_checkpoint(tmp_path / "model.ckpt", tensors)
    with pytest.raises(SystemExit) as stop:
        evaluate.main([f"--reference-checkpoint={tmp_path / 'model.ckpt'}"])
    assert stop.value.code == 2
    assert f"has {I} inputs and {O} outputs" in capsys.readouterr().err


def test_missing_files_are_named(tensors, tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere.index is missing"):
        load_reference_checkpoint(tmp_path / "nowhere")
    write_checkpoint(tmp_path / "model.ckpt", tensors)
    (tmp_path / "model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match=r"model.ckpt.data-00000-of-00001 is missing"):
        load_reference_checkpoint(tmp_path / "model.ckpt")


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_a_truncated_checkpoint_is_named(tensors, suffix, tmp_path):
    write_checkpoint(tmp_path / "model.ckpt", tensors)
    file = tmp_path / f"model.ckpt{suffix}"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model.ckpt is damaged"):
        load_reference_checkpoint(tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    "name, shape",
    [
        (f"{LSTM}/Matrix", (I + W + U, 4 * U + 4)),
        (f"{LSTM}/Matrix", (W + U, 4 * U)),
        (f"{LSTM}/Bias", (3 * U,)),
        ("controller/interface_weights", (U, 4 * W + 13)),
        ("controller/interface_weights", (U,)),
        ("controller/nn_output_weights", (U + 1, O)),
        ("controller/nn_output_weights", None),
        ("controller/interface_weights", ()),
        ("controller/interface_weights", (U, 12)),
    ],
)
def test_a_different_checkpoint_is_named(tensors, name, shape, tmp_path):
    if shape is None:
        del tensors[name]
    else:
        tensors[name] = np.zeros(shape)
    write_checkpoint(tmp_path / "model.ckpt", tensors)
    with pytest.raises(CheckpointError, match="is not the reference's"):
        load_reference_checkpoint(tmp_path / "model.ckpt")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("model", MODELS)
def test_every_preset_takes_every_model(preset, model):
    built = build_model(default_config(preset=preset, model=model))
    controller = built.stack[-1] if model == "lstm" else built.cell.controller
    assert isinstance(controller, FeedforwardController if model == "ntm-feedforward" else LSTMController)


def test_the_preset_has_the_sizes_and_initial_values_of_the_reference():
    trainer = build_trainer(default_config(preset="reference"))
    assert sum(weight.shape.num_elements() for weight in trainer.model.trainable_variables) == 62_600
    assert (trainer.task.min_length, trainer.task.max_length) == (1, 10)
    forget_bias = np.split(np.asarray(trainer.model.cell.controller.bias), 4)[2]
    np.testing.assert_array_equal(forget_bias, np.ones(100))
    (velocity,) = [variable for variable in trainer.optimizer.variables if variable.name.endswith("_velocity")]
    np.testing.assert_array_equal(velocity, np.ones(62_600))


def test_the_update_of_the_preset_is_the_one_of_tensorflow_1():
    """RMSProp with momentum, by the formula of TensorFlow 1's documentation, on clipped gradients."""
    trainer = build_trainer(default_config(preset="reference"))
    value, mean_square, momentum = trainer.weights.numpy(), np.ones(62_600), np.zeros(62_600)
    rng = np.random.default_rng(1)
    for _ in range(3):
        gradient = 20 * rng.normal(size=value.shape).astype(np.float32)
        trainer.optimizer.apply([tf.constant(gradient)], [trainer.weights])
        clipped = np.clip(gradient, -10, 10)
        mean_square = 0.9 * mean_square + 0.1 * clipped**2
        momentum = 0.9 * momentum + 1e-4 * clipped / np.sqrt(mean_square + 1e-10)
        value = value - momentum
        np.testing.assert_allclose(trainer.weights, value, rtol=1e-5, atol=1e-7)


# The reference's sharpening cannot normalise these weightings in float32. They occur in training: the initial
# write weightings are 1e-6, and gamma grows.
@pytest.mark.parametrize("weight, gamma", [(1e-6, 8.0), (1e-20, 2.5), (1e-30, 1.5)])
def test_the_literal_sharpening_breaks_where_ours_does_not(weight, gamma):
    weightings = tf.fill([1, 1, 128], tf.constant(weight))
    sharpness = tf.constant([[gamma]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([weightings, sharpness])
        powers = weightings ** sharpness[..., tf.newaxis]
        literal = powers / tf.reduce_sum(powers, axis=-1, keepdims=True)
        ours = addressing.sharpen(weightings, sharpness)
    assert np.isnan(literal).all()
    np.testing.assert_allclose(ours, np.full((1, 1, 128), 1 / 128), rtol=1e-5)
    for gradient in tape.gradient(ours, [weightings, sharpness]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("gamma", [1.0, 1.7, 6.0])
def test_our_sharpening_agrees_with_the_literal_one_if_the_literal_one_is_finite(gamma, rng):
    weightings = rng.dirichlet(np.ones(20), size=(2, 3))
    sharpness = np.full((2, 3), gamma)
    np.testing.assert_allclose(
        addressing.sharpen(tf.constant(weightings), sharpness), oracle.sharpen(weightings, sharpness), rtol=1e-10
    )


# The reference's own files have no licence. They are not in this repository.

PREFIX = os.environ.get("NTM_REFERENCE_CHECKPOINT")
needs_reference = pytest.mark.skipif(
    not PREFIX, reason="NTM_REFERENCE_CHECKPOINT does not name the reference's checkpoint (its path up to .index)"
)


@needs_reference
def test_the_published_weights_give_the_same_results_as_in_the_reference():
    """golden.npz has the logits and weightings of the reference's own graph, and the initial state that it drew."""
    golden = np.load(Path(PREFIX).parent / "golden.npz")
    model = load_reference_checkpoint(PREFIX, memory_locations=golden["memory"].shape[1])
    state = NTMState(
        memory=golden["memory"],
        read_weightings=golden["read_weightings"],
        write_weightings=golden["write_weightings"],
        read_vectors=golden["read_vectors"],
        controller=(golden["lstm_h"], golden["lstm_c"]),
    )
    logits, trace = model.trace(golden["inputs"], initial_state=state)
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-4)
    np.testing.assert_allclose(trace.state.read_weightings, golden["trace_read_weightings"], atol=1e-4)
    np.testing.assert_allclose(trace.state.write_weightings, golden["trace_write_weightings"], atol=1e-4)
    np.testing.assert_allclose(model(golden["inputs"], initial_state=state), golden["logits"], atol=1e-4)
