"""Compares the unroll with a plain loop over the same cell."""

import numpy as np
import pytest
import tensorflow as tf

from ntm import NTMCell, NTMState
from ntm.backward import CHUNK_STEPS
from ntm.unroll import trace, unroll

B, T, I = 3, 6, 2
LENGTHS = [6, 2, 4]


@pytest.fixture(scope="module", params=["lstm", "feedforward", "reference", "clipped"])
def cell(request):
    variant = {
        "lstm": {},
        "feedforward": {"controller": "feedforward"},
        "reference": {"output_reads": False, "heads_bias": False, "bounded_vectors": False},
        "clipped": {"gradient_clip": 0.1},
    }[request.param]
    cell = NTMCell(
        controller_units=5,
        memory_locations=7,
        memory_width=4,
        read_heads=2,
        write_heads=2,
        shift_range=2,
        dtype="float64",
        **variant,
    )
    cell.build((None, I))
    return cell


@pytest.fixture
def inputs(rng):
    return tf.constant(rng.normal(size=(B, T, I)))


@pytest.fixture
def mask():
    return tf.sequence_mask(LENGTHS, T)


def initial_state(cell):
    return cell.initial_state(B)


def plain_loop(cell, inputs, state, mask=None):
    outputs, state = [], state.to_keras()
    for t in range(inputs.shape[1]):
        output, stepped = cell(inputs[:, t], state)
        if mask is not None:
            on = mask[:, t]
            stepped = [
                tf.where(tf.reshape(on, [-1] + [1] * (new.shape.rank - 1)), new, old)
                for new, old in zip(stepped, state)
            ]
            output = tf.where(on[:, tf.newaxis], output, 0)
        outputs.append(output)
        state = stepped
    return tf.stack(outputs, axis=1), cell.from_keras(state)


def assert_close(one, other):
    for x, y in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


def value_and_gradients(run, cell, inputs):
    """The results of `run`, and the gradients of a scalar that depends on every element of these results."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, state = run()
        value = tf.reduce_sum(tf.sin(outputs))
        value += sum(tf.reduce_sum(tf.sin(3 * tensor)) for tensor in state.flat())
    return (outputs, state), tape.gradient(value, [inputs, *cell.trainable_variables])


@pytest.mark.parametrize("how, masked", [("eager", False), ("eager", True), ("graph", True), ("compiled", True)])
def test_outputs_and_gradients_are_those_of_a_plain_loop(cell, inputs, mask, masked, how):
    mask = mask if masked else None

    def fast():
        return value_and_gradients(lambda: unroll(cell, inputs, initial_state(cell), mask), cell, inputs)

    if how != "eager":
        fast = tf.function(fast, jit_compile=how == "compiled", autograph=False)
    plain = value_and_gradients(lambda: plain_loop(cell, inputs, initial_state(cell), mask), cell, inputs)
    assert_close(fast(), plain)


@pytest.mark.parametrize("cell, compiled", [("lstm", True), ("feedforward", False)], indirect=["cell"])
def test_chunks_of_the_gradient_join(cell, inputs, mask, compiled, monkeypatch):
    """Compares a single chunk with chunks of four steps, of which the last is half full."""
    assert T < CHUNK_STEPS

    def fast():
        return value_and_gradients(lambda: unroll(cell, inputs, initial_state(cell), mask), cell, inputs)

    whole = fast()
    monkeypatch.setattr("ntm.backward.CHUNK_STEPS", 4)
    monkeypatch.setattr("ntm.backward.CHUNK_ROWS", 1)
    if compiled:
        fast = tf.function(fast, jit_compile=True, autograph=False)
    assert_close(fast(), whole)


@pytest.mark.parametrize("cell", ["clipped"], indirect=True)
def test_clipping_changes_the_gradient_of_every_weight_and_no_output(cell, inputs, monkeypatch):
    def results():
        return value_and_gradients(lambda: unroll(cell, inputs, initial_state(cell)), cell, inputs)

    outputs, clipped = results()
    monkeypatch.setattr(cell, "gradient_clip", 0.0)
    same, whole = results()
    assert_close(outputs, same)
    for one, other in zip(clipped, whole, strict=True):
        assert np.abs(one - other).max() > 0.01 * np.abs(other).max()


@pytest.mark.parametrize("cell", ["lstm", "feedforward", "reference"], indirect=True)
def test_gradients_agree_with_finite_differences(cell, inputs, mask):
    """The expected gradients are finite differences of the loss, with step 1e-6."""
    weights = [cell.controller.recurrent_kernel, cell.heads.kernel]

    @tf.function(autograph=False)
    def loss(inputs, *values):
        for weight, value in zip(weights, values):
            weight.assign(value)
        outputs, state = unroll(cell, inputs, initial_state(cell), mask)
        return tf.reduce_sum(tf.sin(outputs)) + sum(tf.reduce_sum(tf.sin(3 * tensor)) for tensor in state.flat())

    @tf.function(autograph=False)
    def analytic(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = loss(inputs, *[tf.identity(weight.value) for weight in weights])
        return tape.gradient(value, [inputs, *(weight.value for weight in weights)])

    values = [inputs, *(tf.identity(weight.value) for weight in weights)]
    for position, gradient in enumerate(analytic(inputs)):
        # A few elements of each gradient: the test with the plain loop covers all elements.
        for index in np.random.default_rng(position).choice(gradient.numpy().size, 12, replace=False):
            index = np.unravel_index(index, gradient.shape)
            moved = []
            for step in (1e-6, -1e-6):
                value = values[position].numpy()
                value[index] += step
                moved.append(loss(*values[:position], tf.constant(value), *values[position + 1 :]).numpy())
            loss(*values)
            np.testing.assert_allclose(gradient[index], (moved[0] - moved[1]) / 2e-6, atol=1e-7)


def test_masking_a_sequence_equals_cutting_it(cell, inputs, mask):
    outputs, state = unroll(cell, inputs, initial_state(cell), mask)
    for row, length in enumerate(LENGTHS):
        alone = slice(row, row + 1)
        start = NTMState.from_flat([tensor[alone] for tensor in initial_state(cell).flat()])
        cut_outputs, cut_state = unroll(cell, inputs[alone, :length], start)
        assert_close(outputs[row, :length], cut_outputs[0])
        assert_close([tensor[alone] for tensor in state.flat()], cut_state)
    assert not np.asarray(outputs)[~np.asarray(mask)].any()


@pytest.mark.parametrize("cell", ["lstm", "reference"], indirect=True)  # the other cells use the same code as these two
def test_inputs_past_the_end_change_nothing(cell, inputs, mask):
    def results(inputs):
        (outputs, state), gradients = value_and_gradients(
            lambda: unroll(cell, inputs, initial_state(cell), mask), cell, inputs
        )
        return outputs, state, gradients

    clean = results(inputs)
    for rubbish in (1e3, np.inf, np.nan):
        dirty = results(tf.where(mask[..., tf.newaxis], inputs, rubbish))
        for one, other in zip(tf.nest.flatten(clean), tf.nest.flatten(dirty), strict=True):
            np.testing.assert_array_equal(one, other)
        assert not np.asarray(dirty[2][0])[~np.asarray(mask)].any()


@pytest.mark.parametrize(
    "cell, compiled",
    [("lstm", False), ("lstm", True), ("feedforward", False), ("reference", False), ("clipped", False)],
    indirect=["cell"],
)
def test_a_batch_of_padding_alone_stays_in_the_initial_state(cell, inputs, compiled):
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, I], tf.float64), tf.TensorSpec([None, None], tf.bool)],
        jit_compile=compiled,
        autograph=False,
    )
    def run(inputs, mask):
        return unroll(cell, inputs, cell.initial_state(tf.shape(inputs)[0]), mask)

    outputs, state = run(inputs, tf.zeros([B, T], tf.bool))
    assert not outputs.numpy().any()
    assert_close(state, initial_state(cell))


@pytest.mark.parametrize("cell", ["lstm"], indirect=True)  # only one cell, because compilation takes long
def test_steps_cut_every_sequence_in_one_compiled_program(cell, inputs):
    @tf.function(jit_compile=True, autograph=False)
    def run(steps):
        return value_and_gradients(lambda: unroll(cell, inputs, initial_state(cell), steps=steps), cell, inputs)

    for steps in (1, 4, T):
        (outputs, state), (d_inputs, *d_weights) = run(tf.constant(steps))
        (cut_outputs, cut_state), (d_cut_inputs, *d_cut_weights) = value_and_gradients(
            lambda: unroll(cell, inputs[:, :steps], initial_state(cell)), cell, inputs
        )
        assert_close(outputs[:, :steps], cut_outputs)
        assert not np.asarray(outputs[:, steps:]).any()
        assert_close(state, cut_state)
        assert_close([d_inputs, d_weights], [d_cut_inputs, d_cut_weights])
    assert run.experimental_get_tracing_count() == 1


def test_steps_and_mask_together_run_the_smaller_number_of_steps(cell, inputs, mask):
    both = unroll(cell, inputs, initial_state(cell), mask, steps=tf.constant(3))
    cut = unroll(cell, inputs, initial_state(cell), mask & (tf.range(T) < 3))
    assert_close(both, cut)
    outputs, state = unroll(cell, inputs, initial_state(cell), mask, steps=tf.constant(0))
    assert not outputs.numpy().any()
    assert_close(state, initial_state(cell))


def test_trace_returns_the_state_after_each_step(cell, inputs):
    outputs, seen = trace(cell, inputs, initial_state(cell))
    assert_close(outputs, unroll(cell, inputs, initial_state(cell))[0])
    state = initial_state(cell).to_keras()
    for t in range(T):
        output, state = cell(inputs[:, t], state)
        assert_close([tensor[:, t] for tensor in seen.state.flat()], cell.from_keras(state).flat())
        controller_output = output[:, : cell.controller_units]
        assert_close([tensor[:, t] for tensor in tf.nest.flatten(seen.heads)], cell.heads(controller_output))
