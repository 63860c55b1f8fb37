import numpy as np
import pytest
import tensorflow as tf

from ntm import InitialValues
from ntm.heads import HeadParameters, Heads

NAMES = ("keys", "strengths", "gates", "shifts", "sharpness", "erase_vectors", "add_vectors")


@pytest.fixture
def heads():
    layer = Heads(memory_width=5, read_heads=2, write_heads=1, shift_range=2)
    layer.build((None, 6))
    return layer


def test_every_column_belongs_to_one_parameter(heads):
    columns = sum(heads.sizes)
    split = heads.split(tf.range(columns, dtype=tf.float32)[tf.newaxis])
    seen = np.concatenate([part.numpy().ravel() for part in tf.nest.flatten(split)])
    np.testing.assert_array_equal(seen, np.arange(columns))
    assert [tuple(getattr(split, name).shape[1:]) for name in NAMES] == [
        (3, 5),
        (3,),
        (3,),
        (3, 5),
        (3,),
        (1, 5),
        (1, 5),
    ]


@pytest.mark.parametrize("leading", [(4,), (4, 7)])
def test_parameters_are_in_their_ranges(heads, leading, rng):
    parameters = heads(tf.constant(20 * rng.normal(size=(*leading, 6)), tf.float32))
    assert isinstance(parameters, HeadParameters)
    assert parameters.keys.shape == (*leading, 3, 5)
    for name, low, high in (
        ("keys", -1, 1),
        ("strengths", 1, np.inf),
        ("gates", 0, 1),
        ("shifts", 0, 1),
        ("sharpness", 1, np.inf),
        ("erase_vectors", 0, 1),
        ("add_vectors", -1, 1),
    ):
        values = getattr(parameters, name).numpy()
        assert values.min() >= low and values.max() <= high, name
    np.testing.assert_allclose(parameters.shifts.numpy().sum(-1), 1, rtol=1e-5)


def test_linear_vectors_and_other_strengths():
    heads = Heads(3, 1, 1, 1, bounded_vectors=False, smallest_strength=0.0, use_bias=False)
    heads.build((None, 2))
    assert len(heads.trainable_variables) == 1
    raw = tf.constant(np.linspace(-9, 9, sum(heads.sizes))[np.newaxis], tf.float32)
    split, parameters = heads.split(raw), heads.activate(raw)
    np.testing.assert_array_equal(parameters.keys, split.keys)
    np.testing.assert_array_equal(parameters.add_vectors, split.add_vectors)
    np.testing.assert_allclose(parameters.strengths, np.logaddexp(0, split.strengths), rtol=1e-5)


def test_given_biases_have_their_initial_values_and_the_others_are_0():
    sizes = {"memory_width": 5, "read_heads": 2, "write_heads": 1, "shift_range": 2}
    biased = {"read_strength_bias": 1.0, "read_gate_bias": 0.5, "write_gate_bias": -2.0}
    biased |= {"write_sharpness_bias": 3.0, "read_shift_bias": 1.5, "write_shift_bias": 4.0}
    biased = InitialValues(**biased)
    layer = Heads(**sizes, initial_values=biased)
    layer.build((None, 6))
    biases = layer.split(layer.bias[tf.newaxis])
    np.testing.assert_array_equal(biases.strengths, [[1, 1, 0]])
    np.testing.assert_array_equal(biases.gates, [[0.5, 0.5, -2.0]])
    np.testing.assert_array_equal(biases.sharpness, [[0, 0, 3.0]])
    np.testing.assert_array_equal(biases.shifts, [[[0, 0, 0, 1.5, 0]] * 2 + [[0, 0, 0, 4, 0]]])  # shifts -2 to +2
    for name in ("keys", "erase_vectors", "add_vectors"):
        assert not getattr(biases, name).numpy().any(), name
    still = Heads(**{**sizes, "shift_range": 0}, initial_values=biased)
    still.build((None, 6))
    assert not still.split(still.bias[tf.newaxis]).shifts.numpy().any()
    without = Heads(**sizes, initial_values=biased, use_bias=False)
    without.build((None, 6))
    assert not np.any(without.bias)
