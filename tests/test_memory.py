import re

import numpy as np
import pytest
import tensorflow as tf

import oracle
from ntm import memory as memory_ops

B, N, W = 2, 7, 4


@pytest.fixture
def values(rng):
    def make(heads):
        return (
            rng.normal(size=(B, N, W)),
            rng.dirichlet(np.ones(N), size=(B, heads)),
            rng.uniform(size=(B, heads, W)),
            rng.normal(size=(B, heads, W)),
        )

    return make


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_agrees_with_the_oracle(heads, compiled, values):
    memory, weightings, erase_vectors, add_vectors = values(heads)
    read, write = memory_ops.read, memory_ops.write
    if compiled:
        read, write = tf.function(read, jit_compile=True), tf.function(write, jit_compile=True)
    np.testing.assert_allclose(read(memory, weightings), oracle.read(memory, weightings), rtol=1e-10)
    np.testing.assert_allclose(
        write(memory, weightings, erase_vectors, add_vectors),
        oracle.write(memory, weightings, erase_vectors, add_vectors),
        rtol=1e-10,
    )


@pytest.mark.parametrize("heads", [1, 3])
def test_gradients_agree_with_finite_differences(heads, values):
    memory, weightings, erase_vectors, add_vectors = map(tf.constant, values(heads))
    for function, arguments in (
        (memory_ops.read, [memory, weightings]),
        (memory_ops.write, [memory, weightings, erase_vectors, add_vectors]),
    ):
        for one, other in zip(*tf.test.compute_gradient(function, arguments, delta=1e-6)):
            np.testing.assert_allclose(one, other, atol=1e-8)


def test_writing_nothing_leaves_the_memory_as_it_was(values):
    memory, weightings, erase_vectors, add_vectors = values(2)
    np.testing.assert_array_equal(memory_ops.write(memory, weightings, 0 * erase_vectors, 0 * add_vectors), memory)


def test_a_full_erase_at_one_location_replaces_it(values):
    memory, _, _, add_vectors = values(1)
    weightings = np.tile(np.eye(N)[3], (B, 1, 1))
    written = memory_ops.write(memory, weightings, np.ones((B, 1, W)), add_vectors).numpy()
    np.testing.assert_allclose(written[:, 3], add_vectors[:, 0])
    np.testing.assert_array_equal(np.delete(written, 3, axis=1), np.delete(memory, 3, axis=1))
    np.testing.assert_allclose(memory_ops.read(tf.constant(written), tf.constant(weightings)), add_vectors)


def test_arrays_of_float32_give_the_result_of_tensors(values):
    memory, weightings, *vectors = (value.astype(np.float32) for value in values(2))
    for function, arguments in (
        (memory_ops.read, [memory, weightings]),
        (memory_ops.write, [memory, weightings, *vectors]),
    ):
        np.testing.assert_array_equal(function(*arguments), function(*map(tf.constant, arguments)))
        mixed = function(*arguments[:1], *map(tf.constant, arguments[1:]))
        np.testing.assert_array_equal(mixed, function(*arguments))


@pytest.mark.parametrize(
    "name, expected",
    [
        ("memory", "[B, N, W], not [7, 4]"),
        ("weightings", "[B, Q, N] with B=2 and N=7, not [2, 7]"),
        ("erase_vectors", "[B, Q, W] with B=2 and Q=2 and W=4, not [2, 4]"),
        ("add_vectors", "[B, Q, W] with B=2 and Q=2 and W=4, not [2, 4]"),
    ],
)
def test_an_argument_of_the_wrong_rank_is_named(name, expected, values):
    arguments = dict(zip(("memory", "weightings", "erase_vectors", "add_vectors"), values(2)))
    arguments[name] = arguments[name][0]
    with pytest.raises(ValueError, match=re.escape(f"{name} must have the shape {expected}")):
        memory_ops.write(**arguments)
    if name in ("memory", "weightings"):
        with pytest.raises(ValueError, match=f"^{name} must have the shape"):
            memory_ops.read(arguments["memory"], arguments["weightings"])
