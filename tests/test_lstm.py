import keras
import numpy as np
import pytest
import tensorflow as tf

from ntm import LSTM

UNITS, INPUTS, STEPS, BATCH = 5, 3, 7, 2


@pytest.fixture(scope="module")
def model():
    model = LSTM(4, controller_units=UNITS, controller_layers=2, dtype="float64")
    model.build((None, None, INPUTS))
    draw = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(draw.normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def keras_model(model):
    """A model of Keras's LSTM layers with the same weights."""
    inputs = keras.Input((None, INPUTS), dtype="float64")
    states = [keras.Input((UNITS,), dtype="float64") for _ in range(4)]
    layers = [keras.layers.LSTM(UNITS, return_sequences=True, return_state=True, dtype="float64") for _ in range(2)]
    first, *first_state = layers[0](inputs, initial_state=states[:2])
    second, *second_state = layers[1](keras.ops.concatenate([inputs, first], axis=-1), initial_state=states[2:])
    output = keras.layers.Dense(4, dtype="float64")
    logits = output(keras.ops.concatenate([first, second], axis=-1))
    built = keras.Model([inputs, *states], [logits, *first_state, *second_state])
    for ours, theirs in zip(model.stack, layers):
        # Our order is input gate, candidate, forget gate, output gate. Keras swaps candidate and forget gate.
        order = np.concatenate([np.arange(UNITS) + UNITS * gate for gate in (0, 2, 1, 3)])
        theirs.set_weights([weight.numpy()[..., order] for weight in (ours.kernel, ours.recurrent_kernel, ours.bias)])
    output.set_weights(model.output_layer.get_weights())
    return built


@pytest.mark.parametrize(
    "units, input_size, output_size, parameters",
    [
        (256, 10, 9, 1_352_969),
        (512, 8, 7, 5_312_007),
        (256, 8, 6, 1_344_518),
        (128, 1, 1, 331_905),
        (128, 10, 8, 348_424),  # the paper prints 384,424
    ],
    ids=["copy", "repeat-copy", "associative-recall", "ngrams", "priority-sort"],
)
def test_the_number_of_parameters_is_that_of_the_papers_table_3(units, input_size, output_size, parameters):
    """The paper does not name the sizes of inputs and outputs. docs/fidelity.md shows that these explain its counts."""
    model = LSTM(output_size, controller_units=units)
    model.build((None, None, input_size))
    assert model.count_params() == parameters


def results_and_gradients(call, *tensors):
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        results = call(*tensors)
        # Every element has a different weight, so that swapped elements change the loss.
        loss = sum(
            tf.reduce_sum(tf.reshape(tf.range(1.0, tf.size(result) + 1), result.shape) * result)
            for result in (tf.cast(result, tf.float32) for result in results)
        )
    return results, tape.gradient(loss, tensors)


@pytest.mark.parametrize("compiled", [False, True])
def test_results_and_gradients_are_those_of_keras(model, keras_model, rng, compiled):
    inputs = tf.constant(rng.normal(size=[BATCH, STEPS, INPUTS]))
    states = [tf.constant(rng.normal(size=[BATCH, UNITS])) for _ in range(4)]

    def ours(inputs, *states):
        initial = tf.nest.pack_sequence_as(model.initial_state(1), states)
        logits, final = model.run(inputs, initial_state=initial)
        return [logits, *tf.nest.flatten(final)]

    def run():
        return results_and_gradients(ours, inputs, *states)

    expected = results_and_gradients(lambda *tensors: keras_model([*tensors]), inputs, *states)
    found = tf.function(run, jit_compile=True, autograph=False)() if compiled else run()
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_steps_past_the_end_do_nothing(model, rng):
    inputs = tf.constant(rng.normal(size=[BATCH, STEPS, INPUTS]))

    def run(inputs, steps):
        with tf.GradientTape() as tape:
            logits, final = model.run(inputs, steps=steps)
            loss = tf.reduce_sum(tf.square(logits[:, :4])) + tf.reduce_sum(final.controller[0].cell)
        return logits[:, :4], final, tape.gradient(loss, model.trainable_variables)

    expected = run(inputs[:, :4], None)
    found = tf.function(run, jit_compile=True, autograph=False)(inputs, tf.constant(4))
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "width, steps, message",
    [
        (INPUTS, STEPS + 1, "steps=8 must be from 0 to the number of steps in the inputs, T=7"),
        (INPUTS, -1, "steps=-1"),
        (INPUTS + 1, None, r"features=3, not \[2, 7, 4\]"),
    ],
)
def test_wrong_arguments_are_named(model, width, steps, message):
    with pytest.raises(ValueError, match=message):
        model.run(tf.zeros([BATCH, STEPS, width], tf.float64), steps=steps)


def test_an_initial_state_of_another_type_is_named(model):
    state = tf.nest.flatten(model.initial_state(BATCH))
    with pytest.raises(ValueError, match="initial_state must be of type LSTMState, not list"):
        model.run(tf.zeros([BATCH, STEPS, INPUTS], tf.float64), initial_state=state)


def test_a_saved_model_is_the_model(model, rng, tmp_path):
    inputs = tf.constant(rng.normal(size=[BATCH, STEPS, INPUTS]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    assert loaded.input_size == INPUTS and loaded.options == model.options


@pytest.mark.parametrize("option", ["output_size", "controller_units", "controller_layers"])
@pytest.mark.parametrize("value", [0, 2.5, float("nan"), "x", True])
def test_a_size_that_is_not_a_positive_integer_is_named(option, value):
    with pytest.raises(ValueError, match=f"{option}={value!r}"):
        LSTM(**{"output_size": 4, option: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", None])
def test_a_forget_bias_that_is_not_a_finite_number_is_named(value):
    with pytest.raises(ValueError, match=f"forget_bias={value!r}"):
        LSTM(4, forget_bias=value)
