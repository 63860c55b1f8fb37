"""Losses and metrics: the functions, which share their arguments, and the Keras objects made of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ntm import NTM, metrics

ROOT = Path(__file__).parent.parent
SMALL = {"controller_units": 6, "memory_locations": 9, "memory_width": 4}
OBJECTS = [metrics.SequenceCrossEntropy, metrics.HammingDistance, metrics.BitsPerSequence]
NAMES = "loss", "hamming_distance", "bits_per_sequence"
B, T, O = 3, 5, 4


@pytest.fixture
def answer(rng):
    targets = rng.integers(0, 2, size=(B, T, O)).astype(float)
    return targets, 3 * rng.normal(size=(B, T, O)), np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0.0]])


def slow_cross_entropy(targets, logits, mask):
    nats = np.zeros(B)
    for b, t, o in np.ndindex(B, T, O):
        p = 1 / (1 + np.exp(-logits[b, t, o]))
        nats[b] -= mask[b, t] * np.log(p if targets[b, t, o] else 1 - p)
    return nats


def test_cross_entropy_and_the_losses_made_from_it(answer):
    nats = slow_cross_entropy(*answer)
    tensors = [tf.constant(value) for value in answer]
    np.testing.assert_allclose(metrics.cross_entropy(*tensors), nats, rtol=1e-10)
    np.testing.assert_allclose(metrics.summed_loss(*tensors), nats.mean(), rtol=1e-10)
    np.testing.assert_allclose(metrics.mean_loss(*tensors), nats.sum() / (answer[2].sum() * O), rtol=1e-10)
    np.testing.assert_allclose(metrics.bits_per_sequence(*tensors), nats / np.log(2), rtol=1e-10)


def test_masking_equals_slicing(answer):
    targets, logits, mask = answer
    for function in (metrics.cross_entropy, metrics.hamming_distance, metrics.bits_per_sequence):
        masked = function(*map(tf.constant, answer))
        for b in range(B):
            kept = mask[b] == 1
            sliced = function(*(tf.constant(x[b : b + 1, kept]) for x in (targets, logits, mask)))
            np.testing.assert_allclose(masked[b], sliced[0], rtol=1e-10)


def test_hamming_distance_counts_wrong_bits_of_each_sequence(answer):
    targets, _, mask = answer
    logits = np.where(targets > 0.5, 0.1, -0.1)
    for b, t, o in ((0, 1, 0), (0, 2, 3), (1, 4, 1), (2, 4, 0)):  # the last position lies outside the mask
        logits[b, t, o] *= -1
    np.testing.assert_array_equal(metrics.hamming_distance(*map(tf.constant, (targets, logits, mask))), [2, 1, 0])


def test_large_logits_have_finite_losses_and_gradients(answer):
    targets, logits, mask = (tf.constant(value, tf.float32) for value in answer)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = metrics.summed_loss(targets, 1e30 * logits, mask)
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, logits)).all()


def masked_logits(logits, mask):
    """Logits with a mask, as a Keras model returns them."""
    logits = tf.constant(logits, tf.float32)
    logits._keras_mask = tf.constant(mask, tf.bool)
    return logits


def values_of_functions(targets, logits, mask):
    """The costs of each sequence, [3, B], in the order of OBJECTS. Each object should give the mean of one row."""
    tensors = [tf.cast(value, tf.float32) for value in (targets, logits, mask)]
    functions = metrics.cross_entropy, metrics.hamming_distance, metrics.bits_per_sequence
    return np.array([function(*tensors) for function in functions])


def values_of_objects(targets, logits, sample_weight=None):
    return np.array([kind()(targets, logits, sample_weight=sample_weight) for kind in OBJECTS])


@pytest.mark.parametrize("as_mask, as_weight", [(True, False), (False, True), (True, True)])
def test_keras_objects_count_steps_by_mask_and_by_sample_weight(answer, as_mask, as_weight):
    targets, logits, mask = answer
    given = masked_logits(logits, mask) if as_mask else tf.constant(logits, tf.float32)
    found = values_of_objects(targets, given, mask if as_weight else None)
    np.testing.assert_allclose(found, values_of_functions(*answer).mean(axis=1), rtol=1e-6)


def test_a_mask_and_weights_of_steps_are_multiplied(answer, rng):
    targets, logits, mask = answer
    weights = rng.uniform(size=(B, T))
    found = values_of_objects(targets, masked_logits(logits, mask), weights)
    np.testing.assert_allclose(found, values_of_functions(targets, logits, mask * weights).mean(axis=1), rtol=1e-6)


def test_one_weight_per_sequence_scales_the_whole_sequence(answer):
    targets, logits, mask = answer
    weights = np.array([0.5, 2, 0])
    loss, distance, bits = values_of_functions(*answer) @ weights
    found = values_of_objects(targets, masked_logits(logits, mask), weights)
    # As in Keras, the loss divides by B and the metrics divide by the sum of the weights.
    np.testing.assert_allclose(found, [loss / B, distance / weights.sum(), bits / weights.sum()], rtol=1e-6)


def test_reductions_of_the_loss(answer):
    targets, logits, mask = answer
    losses, *_ = values_of_functions(*answer)
    for reduction, expected in (("sum", losses.sum()), ("none", losses), ("sum_over_batch_size", losses.mean())):
        loss = metrics.SequenceCrossEntropy(reduction=reduction)
        np.testing.assert_allclose(loss(targets, masked_logits(logits, mask)), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="reduction='mean_with_sample_weight'"):
        metrics.SequenceCrossEntropy(reduction="mean_with_sample_weight")


def test_metrics_are_means_over_sequences_and_not_over_batches(answer):
    targets, logits, mask = answer
    for number, kind in enumerate(OBJECTS[1:], start=1):
        metric = kind()
        for part in (slice(0, 2), slice(2, 3)):
            metric.update_state(targets[part], masked_logits(logits[part], mask[part]))
        np.testing.assert_allclose(metric.result(), values_of_functions(*answer)[number].mean(), rtol=1e-6)
        metric.reset_state()
        assert metric.result() == 0


def test_integer_targets_and_bfloat16_logits_are_computed_in_float32(answer):
    targets, logits, _ = answer
    coarse = tf.cast(logits, tf.bfloat16)
    found = values_of_objects(targets.astype(int), coarse)
    expected = values_of_functions(targets, coarse, np.ones([B, T])).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_wrong_shape_is_refused(kind):
    measure, logits = kind(), tf.zeros([3, 5, 4])
    with pytest.raises(ValueError, match=r"targets must have the shape .* with B=3 and T=5 and O=4, not \[3, 5, 1\]"):
        measure(tf.zeros([3, 5, 1]), logits)
    with pytest.raises(ValueError, match=r"logits must have the shape \[B, T, O\], not \[3, 4\]"):
        measure(tf.zeros([3, 4]), tf.zeros([3, 4]))
    for shape in ([3, 1], [3, 5, 1], [5, 3]):
        with pytest.raises(ValueError, match="sample_weight must have the shape"):
            measure(logits, logits, sample_weight=tf.zeros(shape))


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_keras_object_is_made_again_from_its_configuration(kind):
    made = kind(name="other", dtype="float64")
    content = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    again = keras.saving.deserialize_keras_object(content)
    assert type(again) is kind and again.get_config() == made.get_config()
    assert again.dtype == "float64" and again.name == "other"


def small_rnn():
    """A layer that compiles faster than an NTM."""
    return keras.layers.SimpleRNN(O, return_sequences=True)


def compiled_network(layer, masking=True):
    """A model of one layer, compiled with the loss and both metrics.

    With `masking`, a Masking layer precedes the layer. Otherwise, the metrics use `sample_weight`.
    """
    sequence = keras.Input((None, 2))
    entry = keras.layers.Masking()(sequence) if masking else sequence
    network = keras.Model(sequence, layer(entry))
    network.compile(
        keras.optimizers.SGD(0.0),
        metrics.SequenceCrossEntropy(),
        **{"metrics" if masking else "weighted_metrics": [metrics.HammingDistance(), metrics.BitsPerSequence()]},
    )
    return network


@pytest.mark.parametrize("masking", [True, False])
def test_fit_and_evaluate_measure_what_the_functions_measure(masking, rng, request):
    if masking:
        request.getfixturevalue("eager_functions")  # an NTM would be compiled five times
    lengths = rng.integers(1, T + 1, size=7)
    mask = (np.arange(T) < lengths[:, np.newaxis]).astype(np.float32)
    inputs = (rng.uniform(1, 2, size=(7, T, 2)) * mask[..., np.newaxis]).astype(np.float32)
    targets = rng.integers(0, 2, size=(7, T, O)).astype(np.float32)
    network = compiled_network(NTM(output_size=O, **SMALL) if masking else small_rnn(), masking)
    expected = values_of_functions(targets, network(inputs), mask).mean(axis=1)
    weight = None if masking else mask
    history = network.fit(inputs, targets, sample_weight=weight, batch_size=3, shuffle=False, verbose=0).history
    np.testing.assert_allclose([history[name][0] for name in NAMES], expected, rtol=1e-5)
    found = network.evaluate(inputs, targets, sample_weight=weight, batch_size=3, verbose=0, return_dict=True)
    np.testing.assert_allclose([found[name] for name in NAMES], expected, rtol=1e-5)


def test_a_compiled_model_is_loaded_with_its_loss_and_metrics_in_another_process(rng, tmp_path):
    inputs = rng.normal(size=(3, T, 2)).astype(np.float32)
    targets = rng.integers(0, 2, size=(3, T, O)).astype(np.float32)
    network = compiled_network(small_rnn())
    network.fit(inputs, targets, verbose=0)
    network.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", inputs=inputs, targets=targets)
    script = (
        "import json, keras, numpy, ntm; data = numpy.load('data.npz');"
        "model = keras.saving.load_model('model.keras');"
        "print(json.dumps(model.evaluate(data['inputs'], data['targets'], verbose=0, return_dict=True)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout.splitlines()[-1])
    assert found == pytest.approx(network.evaluate(inputs, targets, verbose=0, return_dict=True))
    assert found.keys() == set(NAMES)


def test_early_stopping_knows_that_less_is_better(rng):
    network = compiled_network(small_rnn())
    stopping = keras.callbacks.EarlyStopping(monitor="hamming_distance", patience=1)
    inputs, targets = rng.normal(size=(3, T, 2)), rng.integers(0, 2, size=(3, T, O))
    network.fit(inputs, targets, epochs=4, callbacks=[stopping], verbose=0)
    assert stopping.stopped_epoch == 1  # the learning rate is 0, so the second epoch is no better than the first


def test_a_metric_must_define_its_cost():
    class Unfinished(metrics.SequenceMean):
        pass

    with pytest.raises(TypeError, match="cost"):
        Unfinished("unfinished")
