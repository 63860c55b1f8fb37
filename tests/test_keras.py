"""Tests NTMLayer, NTM and NTMCell as Keras users use them, one use in each test.

Compilation takes most of the time. The tests therefore share layers: XLA compiles a layer's program once for each kind
of arguments, however many models hold the layer.
"""

import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from ntm import NTM, NTMCell, NTMLayer
from ntm.unroll import unroll

B, T, I, UNITS = 4, 4, 2, 4
SIZES = {"memory_locations": 6, "memory_width": 3}
WIDTH = UNITS + SIZES["memory_width"]  # of the layer's output
RNG = np.random.default_rng(7)
INPUTS = tf.constant(RNG.normal(size=(2 * B, T, I)), tf.float32)
INPUT_ARRAY = INPUTS.numpy()
TARGETS = RNG.integers(0, 2, (2 * B, 1)).astype("float32")
LOSS = keras.losses.BinaryCrossentropy(from_logits=True)


def layer(**options):
    return NTMLayer(UNITS, **{**SIZES, **options})


def compiled(model, jit_compile=False, **options):
    model.compile(keras.optimizers.Adam(0.01), LOSS, jit_compile=jit_compile, **options)
    return model


def sequential(*layers):
    return keras.Sequential([keras.Input((None, I)), *layers, keras.layers.Dense(1)])


def functional(shared):
    sequences = keras.Input((None, I))
    return keras.Model(sequences, keras.layers.Dense(1)(shared(sequences)))


class Subclassed(keras.Model):
    def __init__(self, shared):
        super().__init__()
        self.shared, self.dense = shared, keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(self.shared(inputs))


def losses(model, inputs=INPUT_ARRAY, targets=TARGETS, epochs=1, **options):
    history = model.fit(inputs, targets, batch_size=B, epochs=epochs, verbose=0, shuffle=False, **options).history
    assert all(np.isfinite(values).all() for values in history.values())
    return history["loss"]


def of_shape(size, length):
    return tf.constant(np.resize(INPUTS, (size, length, I)))


def close(one, other, tolerance=1e-5):
    for x, y in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def reference(model, inputs):
    """The logits of a `functional` model, computed without the layer's own program, operation by operation."""
    _, layer, dense = model.layers
    outputs, _ = unroll(layer.cell, tf.constant(inputs), layer.cell.initial_state(len(inputs)))
    return dense(outputs[:, -1])


@pytest.fixture(scope="module")
def shared():
    """One layer for all tests without a mask, so that they share its compiled programs."""
    return layer()


@pytest.fixture(scope="module")
def model(shared):
    """A model that is compiled without jit_compile. Tests may train it further."""
    return compiled(functional(shared), weighted_metrics=[])


# Models


@pytest.mark.parametrize("make, eagerly", [(functional, False), (sequential, True), (Subclassed, True)])
def test_a_model_of_every_kind_learns_and_computes_the_same_in_a_call_in_predict_and_in_evaluate(
    make, eagerly, shared, request
):
    if eagerly:  # only one kind is compiled, to save time
        request.getfixturevalue("eager_functions")
    model = compiled(make(shared))
    before, *_, after = losses(model, epochs=4)
    assert after < before
    logits = model(INPUTS[:B])
    close(model.predict(INPUTS[:B], verbose=0), logits)
    expected = LOSS(TARGETS[:B], logits)
    close(model.evaluate(INPUTS[:B], TARGETS[:B], batch_size=B, verbose=0), expected)


class Times(keras.callbacks.Callback):
    """Records how long the processor takes for each batch."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.begin = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.process_time() - self.begin)


def test_fit_and_eager_training_make_the_same_updates_with_and_without_jit_compile(shared):
    results, times = [], {}
    model = functional(shared)
    start = model.get_weights()
    for options in ({"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True}):
        model.set_weights(start)
        (name,) = options
        times[name] = Times()
        results.append([losses(compiled(model, **options), callbacks=[times[name]]), *model.get_weights()])
    close(results[0], results[1], 1e-3)
    close(results[0], results[2], 1e-3)
    # With jit_compile, the second update compiles nothing. A compilation takes seconds, an update milliseconds.
    first, second = times["jit_compile"].seconds
    assert second < first / 4


def test_summary_has_shapes(shared):
    lines = []
    model = sequential(layer(return_sequences=True), shared)
    model.summary(print_fn=lambda line, **_: lines.append(line))
    assert f"(None, None, {WIDTH})" in "".join(lines) and f"(None, {WIDTH})" in "".join(lines)


# Data


def test_an_embedding_and_a_masking_layer_hand_their_mask_to_the_layer():
    masked = layer()
    numbers = np.array([[1, 2, 0, 0], [2, 1, 2, 0], [1, 1, 1, 1], [2, 0, 0, 0]])
    embedded = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(3, I, mask_zero=True), masked])
    vectors = embedded.layers[0](numbers)
    for row, length in enumerate([2, 3, 4, 1]):
        alone, _ = unroll(masked.cell, vectors[row : row + 1, :length], masked.cell.initial_state(1))
        close(embedded(numbers)[row], alone[0, -1])
    masking = keras.Sequential([keras.Input((None, I)), keras.layers.Masking(), masked])
    padded = np.where(numbers[..., np.newaxis] == 0, 0, vectors)
    close(masking(padded), embedded(numbers))
    model = compiled(keras.Sequential([embedded, keras.layers.Dense(1)]))
    before, *_, after = losses(model, numbers, TARGETS[:B], epochs=4)
    assert after < before


def test_sample_weights_and_class_weights_scale_the_loss(model):
    weights = model.get_weights()
    scales = np.where(TARGETS == 1, 3.0, 0.5)
    each = keras.ops.binary_crossentropy(TARGETS[:B], model(INPUTS[:B]), from_logits=True)
    for options in ({"sample_weight": scales[:B, 0]}, {"class_weight": {0: 0.5, 1: 3.0}}):
        model.set_weights(weights)
        (loss,) = losses(model, INPUTS[:B].numpy(), TARGETS[:B], **options)
        close(loss, np.mean(scales[:B] * each))


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # the generator ends after one epoch
def test_tf_data_has_batches_of_unknown_size_and_length(shared):
    def batches():
        for size, length in [(B, 2), (B, 4)]:
            yield INPUTS[:size, :length], TARGETS[:size]

    signature = (tf.TensorSpec((None, None, I)), tf.TensorSpec((None, 1)))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    model = compiled(functional(shared))
    history = model.fit(data, verbose=0, shuffle=False, epochs=1).history
    assert np.isfinite(history["loss"]).all()
    fewer = INPUTS[:3, :2]
    close(model.predict(tf.data.Dataset.from_tensors(fewer), verbose=0), reference(model, fewer))


def test_lengths_1_to_20_compile_few_programs():
    mixed = layer()
    mixed.build((None, None, I))
    seconds = []
    for length in RNG.permutation(np.arange(1, 21)):
        sequences = of_shape(1, length)
        start = time.perf_counter()
        outputs = mixed(sequences)
        seconds.append(time.perf_counter() - start)
        if length in (1, 16, 17):
            close(outputs, unroll(mixed.cell, sequences, mixed.cell.initial_state(1))[0][:, -1])
    assert mixed._compiled._program.experimental_get_tracing_count() <= 6
    # XLA may compile one trace several times. A call takes 3 ms, a compilation about a second.
    assert sum(np.array(seconds) > 0.4) <= 6


# Training


def test_callbacks_run_and_a_backup_resumes(model, tmp_path):
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.EarlyStopping(patience=1),
        keras.callbacks.TensorBoard(tmp_path / "events", histogram_freq=1),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
    ]
    data = (INPUTS[B:], TARGETS[B:])
    model.stop_training = False
    assert len(losses(model, INPUTS[:B], TARGETS[:B], epochs=2, validation_data=data, callbacks=callbacks)) == 2
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    assert [*(tmp_path / "events").rglob("*tfevents*")]
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    assert np.isfinite(reference(loaded, INPUTS)).all()

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise InterruptedError

    backup = keras.callbacks.BackupAndRestore(tmp_path / "other")
    with pytest.raises(InterruptedError):
        losses(model, epochs=3, callbacks=[backup, Interrupt()])
    assert len(losses(model, epochs=3, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "other")])) == 2


def test_gradients_accumulate(shared):
    model = functional(shared)
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), LOSS, jit_compile=False)
    before = model.get_weights()
    model.train_on_batch(INPUTS[:B], TARGETS[:B])
    close(model.get_weights(), before)
    model.train_on_batch(INPUTS[B:], TARGETS[B:])
    assert all(np.abs(one - other).max() > 0 for one, other in zip(model.get_weights()[-2:], before[-2:]))


def test_a_frozen_layer_keeps_its_weights(shared):
    model = functional(shared)
    shared.trainable = False
    try:
        compiled(model)
        before = [value.copy() for value in shared.get_weights()]
        dense = model.layers[-1].get_weights()
        losses(model)
        for one, other in zip(shared.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)
        assert np.abs(model.layers[-1].get_weights()[0] - dense[0]).max() > 0
    finally:
        shared.trainable = True


# Save, load and export


def test_saved_models_and_weights_and_configs_rebuild_the_model(shared, tmp_path):
    model = functional(shared)
    logits = reference(model, INPUTS)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = keras.Model.from_config(model.get_config())
    again.load_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, again, clone):
        assert other.layers[1].get_config() == shared.get_config()
        np.testing.assert_array_equal(reference(other, INPUTS), logits)


LOAD = """
import sys
import keras, numpy as np, tensorflow as tf
import ntm
tf.config.run_functions_eagerly(True)  # saves a compilation
model = keras.saving.load_model(sys.argv[1] + "/model.keras")
inputs, logits = (np.load(f"{sys.argv[1]}/{name}.npy") for name in ("inputs", "logits"))
np.testing.assert_allclose(model(inputs), logits, rtol=1e-5, atol=1e-6)
"""


def test_a_saved_model_loads_in_another_process(shared, tmp_path):
    model = functional(shared)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "inputs.npy", INPUTS[:B])
    np.save(tmp_path / "logits.npy", model(INPUTS[:B]))
    subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], check=True, timeout=120)


@pytest.mark.parametrize("kind, sizes", [("functional", [(2, 3), (1, 17)]), ("NTM", [(1, 3)])])
def test_an_exported_model_serves_any_batch_size_and_any_length(kind, sizes, shared, tmp_path):
    model = NTM(1, controller_units=UNITS, **SIZES) if kind == "NTM" else functional(shared)
    model.build((None, None, I))
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    for size, length in sizes:
        inputs = of_shape(size, length)
        close(served.serve(inputs), model.run(inputs)[0] if kind == "NTM" else reference(model, inputs))


def test_weights_move_to_a_longer_memory(shared):
    functional(shared)
    small, large = shared.cell, NTMCell(controller_units=UNITS, memory_width=3, memory_locations=9)
    large.build((None, I))
    for new, old in zip(large.weights, small.weights, strict=True):
        if new.shape == old.shape:
            new.assign(old)
    different = [new.name for new, old in zip(large.weights, small.weights) if new.shape != old.shape]
    # Only the weightings depend on the number of locations.
    assert different == ["initial_read_weightings", "initial_write_weightings"]
    assert np.isfinite(unroll(large, INPUTS, large.initial_state(2 * B))[0]).all()


# Layers around layers


def test_layers_stack_and_run_in_both_directions(eager_functions):
    both = keras.layers.Bidirectional(layer())
    stack = sequential(layer(return_sequences=True), both)
    assert losses(compiled(stack, run_eagerly=True), epochs=1)
    hidden = stack.layers[0](INPUTS)
    forward, backward = both.forward_layer.cell, both.backward_layer.cell
    expected, _ = unroll(forward, hidden, forward.initial_state(2 * B))
    reversed_expected, _ = unroll(backward, tf.reverse(hidden, [1]), backward.initial_state(2 * B))
    close(both(hidden), tf.concat([expected[:, -1], reversed_expected[:, -1]], axis=1))


def test_time_distributed_runs_the_layer_over_a_further_axis():
    many = keras.layers.TimeDistributed(layer())
    inputs = tf.stack([INPUTS, 2 * INPUTS], axis=1)
    outputs = many(inputs)
    assert outputs.shape == (2 * B, 2, WIDTH)
    cell = many.layer.cell
    for part in (0, 1):
        close(outputs[:, part], unroll(cell, inputs[:, part], cell.initial_state(2 * B))[0][:, -1])


def test_an_rnn_over_the_cell_returns_its_state_in_a_functional_model():
    sequences = keras.Input((None, I))
    rnn = keras.layers.RNN(NTMCell(controller_units=UNITS, **SIZES), return_state=True)
    model = keras.Model(sequences, rnn(sequences))
    assert [tensor.shape for tensor in model.outputs] == [(None, WIDTH), *((None, n) for n in rnn.cell.state_size)]
    outputs, *state = model(INPUTS)
    expected, final_state = unroll(rnn.cell, INPUTS, rnn.cell.initial_state(2 * B))
    close([outputs, state], [expected[:, -1], final_state.to_keras()])


def stateful_rnn():
    return keras.layers.RNN(NTMCell(controller_units=UNITS, **SIZES), stateful=True)


@pytest.mark.parametrize("make", [lambda: layer(stateful=True), stateful_rnn], ids=["NTMLayer", "RNN"])
def test_a_stateful_layer_goes_on_where_it_ended_and_resets_to_the_initial_state(make):
    stateful = make()
    stateful.build((B, None, I))
    cell, inputs = stateful.cell, INPUTS[:B]
    stateful.reset_state()
    whole, _ = unroll(cell, tf.concat([inputs, inputs], axis=1), cell.initial_state(B))
    close(stateful(inputs), whole[:, T - 1])
    close(stateful(inputs), whole[:, -1])
    stateful.reset_state()
    cell.trainable_variables[-1].assign_add(tf.ones_like(cell.trainable_variables[-1]))
    changed, _ = unroll(cell, inputs, cell.initial_state(B))
    close(stateful(inputs), changed[:, -1])


def test_a_random_initial_state_is_drawn_anew_at_each_call():
    random = layer(initial_state="random")
    assert np.abs(random(INPUTS[:B]) - random(INPUTS[:B])).max() > 1e-4


def test_outputs_and_gradients_are_those_of_a_keras_rnn():
    options = {"return_sequences": True, "return_state": True}
    one = layer(**options)
    one.build((None, None, I))
    other = keras.layers.RNN(one.cell, zero_output_for_mask=True, **options)
    inputs, mask = tf.constant(INPUTS[:B]), tf.sequence_mask([4, 1, 3, 2], T)
    _, start = unroll(one.cell, inputs[:, :2], one.cell.initial_state(B))

    def results(rnn):
        with tf.GradientTape() as tape:
            state = start.to_keras()
            tape.watch([inputs, *state])
            outputs, *final = rnn(inputs, mask=mask, initial_state=state)
            value = tf.reduce_sum(tf.sin(outputs)) + sum(tf.reduce_sum(tf.sin(3 * tensor)) for tensor in final[:-1])
        weights = [weight for weight in one.trainable_variables if not weight.name.startswith("initial_")]
        return [outputs, *final], tape.gradient(value, [inputs, *state[:-1], *weights])

    for go_backwards in (False, True):
        one.go_backwards = other.go_backwards = go_backwards
        (outputs, gradients), (expected_outputs, expected_gradients) = results(one), results(other)
        close(outputs, expected_outputs)
        close(gradients, expected_gradients, 1e-4)


# Types


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "mixed_float16"])
def test_losses_and_weights_are_finite_in_every_type(dtype, request):
    eagerly = dtype != "mixed_float16"
    if eagerly:
        request.getfixturevalue("eager_functions")
    typed = layer(dtype=dtype)
    model = compiled(sequential(typed), run_eagerly=eagerly)
    losses(model, 10 * INPUT_ARRAY, epochs=2)
    assert typed.cell.loop_dtype == ("float64" if dtype == "float64" else "float32")
    assert all(np.isfinite(weight.astype("float64")).all() for weight in model.get_weights())


def test_copy_learns_under_mixed_bfloat16():
    bits = RNG.integers(0, 2, (2000, 2, 2)).astype("float32")
    inputs = np.concatenate([bits, np.zeros_like(bits)], axis=1)
    policy = "mixed_bfloat16"
    copier = keras.Sequential(
        [
            keras.Input((None, 2)),
            layer(return_sequences=True, dtype=policy),
            keras.layers.Dense(2, dtype="float32"),
        ]
    )
    copier.compile(keras.optimizers.Adam(0.02), LOSS, jit_compile=False)
    targets = np.concatenate([np.zeros_like(bits), bits], axis=1)
    history = copier.fit(inputs, targets, batch_size=20, epochs=4, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    # Half of the targets are random bits. A model that guesses these bits has the loss 0.35, half of ln 2. A model
    # that copies one of the two vectors has the loss 0.35 / 2.
    assert history[0] > 0.2 and history[-1] < 0.35 / 2


# Refusals


@pytest.fixture(scope="module")
def built():
    one = layer()
    one.build((None, None, I))
    return one


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda one: one(INPUTS[0]),
            r"sequences must have the shape \[batch, time, features\] with features=2, not \[4, 2\]",
        ),
        (lambda one: layer()(INPUTS[0]), r"sequences must have the shape \[batch, time, features\], not \[4, 2\]"),
        (lambda one: one(INPUTS[..., :1]), r"features=2, not \[8, 4, 1\]"),
        (
            lambda one: one(INPUTS[:T], mask=tf.ones([T], tf.bool)),
            r"mask must have the shape \[batch, time\] with batch=4 and time=4",
        ),
        (lambda one: one(INPUTS, mask=tf.ones([2 * B, 3], tf.bool)), r"mask .* time=4, not \[8, 3\]"),
        (lambda one: one(INPUTS, initial_state=[tf.zeros([2 * B, 1])]), "initial_state must be a list of 7 tensors"),
        (lambda one: one(INPUTS, initial_state=one.get_initial_state(3)), r"initial_state\[0\] .* not \[3, 18\]"),
        (lambda one: one(tf.RaggedTensor.from_tensor(INPUTS)), "sequences must be a dense tensor, not a RaggedTensor"),
    ],
)
def test_a_wrong_argument_of_the_layer_is_named_in_one_line(built, call, message):
    with pytest.raises(ValueError, match=message):
        call(built)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 5}, "steps=5 must be from 0 to the number of steps in the inputs, T=4"),
        ({"steps": -1}, "steps=-1"),
        ({"steps": [1, 2]}, "steps must have the shape"),
        ({"mask": np.ones([2 * B], bool)}, "mask must have the shape"),
        ({"initial_state": [np.zeros((2 * B, 6, 3))] * 5}, "initial_state must be of type NTMState, not list"),
    ],
)
def test_a_wrong_argument_of_the_model_is_named_in_one_line(options, message):
    with pytest.raises(ValueError, match=message):
        NTM(1, controller_units=UNITS, **SIZES)(INPUTS, **options)


def test_a_keras_rnn_runs_a_cell_with_a_random_initial_state_in_a_graph():
    cell = NTMCell(controller_units=UNITS, initial_state="random", **SIZES)
    layer = keras.layers.RNN(cell)
    assert np.isfinite(tf.function(lambda inputs: layer(inputs))(INPUTS)).all()
