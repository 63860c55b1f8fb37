import numpy as np
import pytest
import tensorflow as tf

from experiment.checkpoints import read_tensors, restore, write_tensors
from experiment.errors import CheckpointError


def variables(value):
    return {"a": tf.Variable(tf.fill([1000], value)), "b/c": tf.Variable(tf.fill([2, 3], value))}


@pytest.fixture
def prefix(tmp_path):
    write_tensors(tmp_path / "model.ckpt", variables(5.0))
    return tmp_path / "model.ckpt"


def test_written_tensors_are_read_back(prefix):
    assert {name: (tensor.shape, set(tensor.ravel())) for name, tensor in read_tensors(prefix).items()} == {
        "a": ((1000,), {5}),
        "b/c": ((2, 3), {5}),
    }
    restored = variables(0.0)
    restore({"b/c": restored["b/c"]}, prefix)
    np.testing.assert_array_equal(restored["b/c"], np.full((2, 3), 5))


@pytest.mark.parametrize(
    "suffix, damage",
    [
        (".index", "missing"),
        (".index", "truncated"),
        (".data-00000-of-00001", "missing"),
        (".data-00000-of-00001", "truncated"),
        (".data-00000-of-00001", "changed"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_changes_nothing(prefix, suffix, damage):
    file = prefix.with_name(prefix.name + suffix)
    content = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    restored = variables(0.0)
    with pytest.raises(CheckpointError, match=rf"model.ckpt.* is {'missing' if damage == 'missing' else 'damaged'}"):
        restore(restored, prefix)
    assert not any(variable.numpy().any() for variable in restored.values())


@pytest.mark.parametrize(
    "name, shape, words",
    [("a", (1000, 1), r"a is \[1000\], not \[1000, 1\]"), ("d", (2,), r"d is missing, not \[2\]")],
)
def test_a_checkpoint_of_another_architecture_is_named_and_changes_nothing(prefix, name, shape, words):
    restored = {**variables(0.0), name: tf.Variable(tf.zeros(shape))}
    with pytest.raises(CheckpointError, match=f"model.ckpt is of another architecture: {words}"):
        restore(restored, prefix)
    assert not any(variable.numpy().any() for variable in restored.values())
