import re

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

import oracle
from ntm import addressing
from ntm.addressing import AddressingParameters

# Batch, heads, locations, width and shift range. No tensor has two axes of one size, so that swapped axes cannot pass.
B, H, N, W, S = 2, 3, 7, 4, 2


def simplex(rng, *shape):
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


@pytest.fixture
def given_values(rng):
    return {
        "memory": rng.normal(size=(B, N, W)),
        "previous_weightings": simplex(rng, B, H, N),
        "keys": rng.normal(size=(B, H, W)),
        "strengths": rng.uniform(0, 5, size=(B, H)),
        "gates": rng.uniform(size=(B, H)),
        "shifts": simplex(rng, B, H, 2 * S + 1),
        "sharpness": rng.uniform(1, 5, size=(B, H)),
    }


STAGES = {
    "content_weighting": ("memory", "keys", "strengths"),
    "interpolate": ("content", "previous_weightings", "gates"),
    "shift": ("previous_weightings", "shifts"),
    "sharpen": ("previous_weightings", "sharpness"),
    "address": ("memory", "previous_weightings", "keys", "strengths", "gates", "shifts", "sharpness"),
}


def address(memory, previous_weightings, keys, strengths, gates, shifts, sharpness):
    """`addressing.address` with separate parameters, as the oracle and finite differences need them."""
    parameters = AddressingParameters(keys=keys, strengths=strengths, gates=gates, shifts=shifts, sharpness=sharpness)
    return addressing.address(memory, previous_weightings, parameters)


def function_of(stage):
    return address if stage == "address" else getattr(addressing, stage)


def arguments_of(stage, values, rng):
    values = {**values, "content": simplex(rng, B, H, N)}
    return [values[name] for name in STAGES[stage]]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("stage", STAGES)
def test_agrees_with_the_oracle(stage, compiled, given_values, rng):
    arguments = arguments_of(stage, given_values, rng)
    function = tf.function(function_of(stage), jit_compile=True) if compiled else function_of(stage)
    np.testing.assert_allclose(function(*map(tf.constant, arguments)), getattr(oracle, stage)(*arguments), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stage", STAGES)
def test_arrays_give_the_result_of_tensors(stage, dtype, given_values, rng):
    values = [argument.astype(dtype) for argument in arguments_of(stage, given_values, rng)]
    expected = function_of(stage)(*map(tf.constant, values))
    assert expected.dtype == dtype
    for mixed in (values, [tf.constant(values[0]), *(array.astype(np.float64) for array in values[1:])]):
        result = function_of(stage)(*mixed)
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result, expected, rtol=1e-6)


SHAPES = {
    "memory": "[B, N, W]",
    "content": "[B, H, N]",
    "previous_weightings": "[B, H, N]",
    "keys": "[B, H, W]",
    "strengths": "[B, H]",
    "gates": "[B, H]",
    "shifts": "[B, H, 2S+1]",
    "sharpness": "[B, H]",
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("stage, name", [(stage, name) for stage in STAGES for name in STAGES[stage]])
def test_an_argument_of_the_wrong_rank_is_named(stage, name, compiled, given_values, rng):
    position, arguments = STAGES[stage].index(name), arguments_of(stage, given_values, rng)
    called = {"content": "content_weightings"}.get(name, name)
    if stage in ("shift", "sharpen") and position == 0:
        called = "weightings"
    function = tf.function(function_of(stage), jit_compile=True) if compiled else function_of(stage)
    without_batch = arguments[position][0]
    arguments[position] = without_batch
    with pytest.raises(ValueError, match=re.escape(f"{called} must have the shape {SHAPES[name]}")) as raised:
        function(*arguments)
    assert str(list(without_batch.shape)) in str(raised.value)


def test_the_message_has_the_sizes_that_the_other_arguments_determine(given_values):
    memory, keys, strengths = (given_values[name] for name in STAGES["content_weighting"])
    message = f"keys must have the shape [B, H, W] with B={B} and W={W}, not [1, {H}, {W}]"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        addressing.content_weighting(memory, keys[:1], strengths)


def test_unknown_sizes_are_accepted(given_values, rng):
    for stage in STAGES:
        arguments = arguments_of(stage, given_values, rng)
        for unknown in ([None] * 2, None):
            signature = [
                tf.TensorSpec(unknown and [None] * (argument.ndim - 1) + [argument.shape[-1]], tf.float64)
                for argument in arguments
                if unknown or stage in ("sharpen", "interpolate")
            ]
            if signature:
                result = tf.function(function_of(stage), input_signature=signature)(*arguments)
                np.testing.assert_allclose(result, function_of(stage)(*arguments), rtol=1e-10)


@pytest.mark.parametrize("stage", STAGES)
def test_gradients_agree_with_finite_differences(stage, given_values, rng):
    arguments = [tf.constant(argument) for argument in arguments_of(stage, given_values, rng)]
    analytic, numeric = tf.test.compute_gradient(function_of(stage), arguments, delta=1e-6)
    for one, other in zip(analytic, numeric):
        # Central differences of step 1e-6 leave about 1e-10 of rounding in float64.
        np.testing.assert_allclose(one, other, atol=1e-8)


@given(seed=st.integers(0, 2**16), scale=st.floats(1e-3, 1e3), locations=st.integers(5, 40))
def test_weightings_stay_on_the_simplex(seed, scale, locations):
    rng = np.random.default_rng(seed)
    weightings = address(
        *map(
            tf.constant,
            (
                scale * rng.normal(size=(B, locations, W)),
                simplex(rng, B, H, locations),
                scale * rng.normal(size=(B, H, W)),
                scale * rng.uniform(size=(B, H)),
                rng.uniform(size=(B, H)),
                simplex(rng, B, H, 2 * S + 1),
                1 + scale * rng.uniform(size=(B, H)),
            ),
        )
    ).numpy()
    assert (weightings >= 0).all()
    np.testing.assert_allclose(weightings.sum(-1), 1, rtol=1e-12)


def test_strength_0_gives_uniform_weightings(given_values):
    weightings = addressing.content_weighting(given_values["memory"], given_values["keys"], np.zeros((B, H)))
    np.testing.assert_allclose(weightings, np.full((B, H, N), 1 / N))


def test_a_large_strength_finds_the_location_of_the_key(given_values):
    memory = given_values["memory"]
    keys = 3 * memory[:, [4, 0, 6]]  # cosine similarity ignores the length
    weightings = addressing.content_weighting(memory, keys, np.full((B, H), 1e4))
    np.testing.assert_allclose(weightings, np.tile(np.eye(N)[[4, 0, 6]], (B, 1, 1)), atol=1e-12)


def test_gate_chooses_between_previous_and_content_weightings(given_values, rng):
    content, previous = simplex(rng, B, H, N), given_values["previous_weightings"]
    np.testing.assert_array_equal(addressing.interpolate(content, previous, np.zeros((B, H))), previous)
    np.testing.assert_array_equal(addressing.interpolate(content, previous, np.ones((B, H))), content)


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("location", [0, 3, N - 1])
def test_shift_moves_a_one_hot_by_its_offset_and_wraps(offset, location):
    one_hot = np.eye(N)[location].reshape(1, 1, N)
    shifts = np.eye(2 * S + 1)[offset + S].reshape(1, 1, 2 * S + 1)
    expected = np.eye(N)[(location + offset) % N].reshape(1, 1, N)
    np.testing.assert_array_equal(addressing.shift(tf.constant(one_hot), tf.constant(shifts)), expected)


def test_shift_agrees_with_both_forms_of_the_reference(given_values):
    """The two forms in camigord/Neural-Turing-Machine have opposite orders of the offsets."""
    weightings, shifts = given_values["previous_weightings"], given_values["shifts"]
    shifted = addressing.shift(weightings, tf.constant(shifts))
    np.testing.assert_allclose(shifted, oracle.reference_looped_shift(weightings, shifts), rtol=1e-12)
    np.testing.assert_allclose(shifted, oracle.reference_shift(weightings, shifts[..., ::-1]), rtol=1e-12)


@given(
    weighting=arrays.arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)),
    reach=st.integers(0, 5),
    seed=st.integers(0, 2**16),
)
def test_shift_of_any_size(weighting, reach, seed):
    shifts = simplex(np.random.default_rng(seed), 1, 1, 2 * reach + 1)
    weightings = weighting.reshape(1, 1, -1)
    if 2 * reach + 1 > len(weighting):
        with pytest.raises(ValueError, match=f"number of shifts, {2 * reach + 1}, must"):
            addressing.shift(tf.constant(weightings), tf.constant(shifts))
    else:
        shifted = addressing.shift(tf.constant(weightings), tf.constant(shifts))
        np.testing.assert_allclose(shifted, oracle.shift(weightings, shifts), atol=1e-12)


def test_an_even_number_of_shifts_is_refused():
    with pytest.raises(ValueError, match="number of shifts, 4, must be odd"):
        addressing.shift(tf.ones([1, 1, 8]), tf.ones([1, 1, 4]))
    with pytest.raises(ValueError, match="number of shifts, 4, must be odd"):
        address(*map(tf.ones, [(1, 8, 3), (1, 1, 8), (1, 1, 3), (1, 1), (1, 1), (1, 1, 4), (1, 1)]))


def test_shift_of_any_batch_and_number_of_locations_is_one_graph():
    """No loop over batch, heads or locations, and no N x N matrix."""

    def operations(batch, heads, locations):
        graph = (
            tf.function(addressing.shift)
            .get_concrete_function(tf.TensorSpec([batch, heads, locations]), tf.TensorSpec([batch, heads, 3]))
            .graph
        )
        sizes = [np.prod(tensor.shape) for op in graph.get_operations() for tensor in op.outputs if tensor.shape.rank]
        return len(graph.get_operations()), max(sizes)

    few, _ = operations(1, 1, 8)
    many, largest = operations(5, 4, 1024)
    assert few == many
    assert largest == 5 * 4 * (1024 + 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "case", ["zero memory", "zero key", "one-hot, great sharpness", "all weight out of float range", "one location"]
)
def test_degenerate_input_has_finite_outputs_and_gradients(case, dtype, rng):
    locations = 1 if case == "one location" else N
    memory = rng.normal(size=(1, locations, W))
    keys = rng.normal(size=(1, 1, W))
    previous = simplex(rng, 1, 1, locations)
    gates, sharpness = np.full((1, 1), 0.5), np.full((1, 1), 2.0)
    shifts = np.array([[[1.0]]]) if case == "one location" else np.array([[[0.0, 1.0, 0.0]]])
    if case == "zero memory":
        memory *= 0
    elif case == "zero key":
        keys *= 0
    elif case == "one-hot, great sharpness":
        previous, gates, sharpness = np.eye(N)[2].reshape(1, 1, N), gates * 0, sharpness * 1e3
    elif case == "all weight out of float range":
        # Every w^gamma underflows to 0, and so their sum is 0. The literal form of equation (9) would give 0/0.
        previous, gates, sharpness = np.full((1, 1, N), 1e-30), gates * 0, np.full((1, 1), 40.0)
    inputs = [
        tf.constant(value, dtype) for value in (memory, previous, keys, np.full((1, 1), 3.0), gates, shifts, sharpness)
    ]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        weightings = address(*inputs)
        value = tf.reduce_sum(weightings * tf.range(locations, dtype=weightings.dtype))
    assert np.isfinite(weightings).all()
    np.testing.assert_allclose(tf.reduce_sum(weightings, -1), 1, rtol=1e-5)
    for gradient in tape.gradient(value, inputs):
        assert np.isfinite(gradient).all()
