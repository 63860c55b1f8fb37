"""One conformance suite over TASKS, then what is each task's own."""

import numpy as np
import pytest
import tensorflow as tf

from tasks import TASKS, CopyTask

SEED = [3, 4]


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]()


def test_name_is_the_registrys(task):
    assert TASKS[task.name] is type(task)


def test_shapes_and_dtypes(task):
    batch = task.batch(SEED, 3)
    assert batch.inputs.shape == (3, task.max_steps, task.input_size)
    assert batch.targets.shape == (3, task.max_steps, task.output_size)
    assert batch.mask.shape == (3, task.max_steps)
    assert batch.steps.shape == batch.answer_at.shape == ()
    assert [tensor.dtype for tensor in batch] == [tf.float32] * 3 + [tf.int32] * 2


def test_same_seed_same_batch_in_every_mode(task):
    def batch(seed):
        return task.batch(seed, 2)

    expected = batch(tf.constant(SEED))
    for how in (tf.function(batch), tf.function(batch, jit_compile=True)):
        for one, other in zip(how(tf.constant(SEED)), expected):
            np.testing.assert_array_equal(one, other)
    assert any(np.any(one != other) for one, other in zip(batch([3, 5]).inputs, expected.inputs))


def test_rows_of_a_batch_differ(task):
    inputs = task.batch(SEED, 2, task.max_length).inputs
    assert np.any(inputs[0] != inputs[1])


def test_nothing_lies_past_the_steps_or_outside_the_mask(task):
    for i in range(20):
        batch = task.batch([3, i], 2)
        mask, steps = batch.mask.numpy(), int(batch.steps)
        assert set(np.unique(mask)) <= {0, 1} and mask[:, :steps].any(axis=1).all()
        assert not mask[:, steps:].any()
        assert not batch.inputs[:, steps:].numpy().any()
        assert not batch.targets.numpy()[mask == 0].any()
        assert set(np.unique(batch.targets)) <= {0, 1}


@pytest.mark.parametrize("length", [1, 3])
def test_a_given_length_is_the_batchs(task, length):
    eager = task.batch(SEED, 2, length)
    compiled = tf.function(lambda length: task.batch(SEED, 2, length), jit_compile=True)(tf.constant(length))
    for one, other in zip(eager, compiled):
        np.testing.assert_array_equal(one, other)
    assert int(task.batch(SEED, 2, length + 1).steps) > int(eager.steps)


def test_reaching_moves_the_bound(task):
    longer = task.reaching(task.max_length + 5)
    assert longer.max_length == task.max_length + 5
    assert longer.batch(SEED, 1, longer.max_length).steps <= longer.max_steps
    assert task.reaching(1).max_length == 1


# The copy task.


def test_copy_layout():
    inputs, targets, mask, steps, answer_at = (np.asarray(value) for value in CopyTask(1, 5).batch(SEED, 2, 3))
    assert (steps, answer_at) == (8, 5)
    expected_mask = [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(mask, [expected_mask] * 2)
    start_flag, bits, end_flag = inputs[:, :, 0], inputs[:, :, 1:9], inputs[:, :, 9]
    np.testing.assert_array_equal(start_flag, [np.eye(12)[0]] * 2)
    np.testing.assert_array_equal(end_flag, [np.eye(12)[4]] * 2)
    np.testing.assert_array_equal(targets[:, 5:8], bits[:, 1:4])
    assert not bits[:, 4:].any() and not bits[:, 0].any() and not targets[:, :5].any()


def test_copy_scored_at_every_step():
    plain, scored = CopyTask(1, 5).batch(SEED, 2, 3), CopyTask(1, 5, every_step=True).batch(SEED, 2, 3)
    np.testing.assert_array_equal(scored.inputs, plain.inputs)
    np.testing.assert_array_equal(scored.targets[..., 1:9], plain.targets)
    assert not scored.targets[..., 0].numpy().any() and not scored.targets[..., 9].numpy().any()
    np.testing.assert_array_equal(scored.mask, [[1] * 8 + [0] * 4] * 2)


def test_copy_draws_every_length_evenly_and_bits_evenly():
    task = CopyTask(3, 6)
    draw = tf.function(lambda i: task.batch(tf.stack([9, i]), 1))
    batches = [draw(i) for i in tf.range(2000)]
    lengths = np.array([(int(batch.steps) - 2) // 2 for batch in batches])
    counts = np.bincount(lengths, minlength=7)[3:]
    # 500 each, of standard deviation 19: six of them.
    assert len(counts) == 4 and np.abs(counts - 500).max() < 6 * 19
    ones = np.concatenate([batch.targets[batch.mask == 1].numpy().ravel() for batch in batches])
    assert abs(ones.mean() - 0.5) < 6 * 0.5 / np.sqrt(ones.size)


def test_copy_draws_its_bits_apart_from_its_length():
    """With one seed for both, the first bits would tell the length."""
    task = CopyTask(1, 20)
    draw = tf.function(lambda i: task.batch(tf.stack([9, i]), 1))
    batches = [draw(i) for i in tf.range(2000)]
    lengths = np.array([int(batch.steps) for batch in batches])
    first_bits = np.array([batch.inputs[0, 1, 1:9].numpy() for batch in batches])
    for bit in range(8):
        counts = np.array(
            [np.bincount(first_bits[lengths == length, bit].astype(int), minlength=2) for length in range(4, 43, 2)]
        )
        expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
        # Chi-squared, 19 degrees of freedom: mean 19, deviation 6.2. A bit that the length settles gives 2000.
        assert ((counts - expected) ** 2 / expected).sum() < 19 + 6 * 6.2


@pytest.mark.parametrize("bounds, message", [((0, 5), "min_length=0"), ((6, 5), "max_length=5 is below min_length=6")])
def test_copy_refuses_impossible_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        CopyTask(*bounds)
