"""One suite for all TASKS, then tests of single tasks."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from tasks import TASKS, AssociativeRecall, CopyTask, NGrams, PrioritySort, RepeatCopy

SEED = [3, 4]

# Small bounds with several sizes, in place of the defaults.
BOUNDS = {
    "copy": CopyTask(1, 6),
    "repeat-copy": RepeatCopy(1, 3, 2, 4),
    "associative-recall": AssociativeRecall(2, 5),
    "ngrams": NGrams(3, 12, 2),
    "priority-sort": PrioritySort(3, 7, 3),
}


@pytest.fixture(params=TASKS)
def task(request):
    return BOUNDS.get(request.param) or TASKS[request.param]()


def sizes(task):
    """The smallest and the largest size."""
    return tuple(getattr(task, f"min_{name}") for name in task.size_names), task.largest


def test_name_is_the_key_in_tasks(task):
    assert TASKS[task.name] is type(task)


def test_default_bounds_and_report_sizes_are_valid():
    for kind in TASKS.values():
        task = kind()
        for size in (task.largest, *task.report_sizes):
            task.check(size)


def test_shapes_and_dtypes(task):
    batch = task.batch(SEED, 3)
    steps = task.num_steps(*task.largest)
    assert batch.inputs.shape == (3, steps, task.input_size)
    assert batch.targets.shape == (3, steps, task.output_size)
    assert batch.mask.shape == (3, steps)
    assert batch.num_steps.shape == batch.answer_at.shape == ()
    assert [tensor.dtype for tensor in batch] == [tf.float32] * 3 + [tf.int32] * 2


def test_same_seed_same_batch_in_every_mode(task):
    def batch(seed):
        return task.batch(seed, 2)

    expected = batch(tf.constant(SEED))
    for compiled in (False, True):
        again = tf.function(batch, jit_compile=compiled, autograph=False)(tf.constant(SEED))
        for one, other in zip(again, expected):
            np.testing.assert_array_equal(one, other)
    largest = [task.batch(seed, 2, task.largest).inputs for seed in (SEED, [3, 5], [4, 4])]
    assert np.any(largest[0] != largest[1]) and np.any(largest[0] != largest[2])


def test_rows_of_a_batch_differ(task):
    batch = task.batch(SEED, 2, task.largest)
    assert np.any(batch.inputs[0] != batch.inputs[1]) and np.any(batch.targets[0] != batch.targets[1])


def test_nothing_lies_past_the_steps_or_outside_the_mask(task):
    draw = tf.function(lambda i: task.batch(tf.stack([3, i]), 2))
    for i in tf.range(20):
        batch = draw(i)
        mask, steps, answer_at = batch.mask.numpy(), int(batch.num_steps), int(batch.answer_at)
        assert set(np.unique(mask)) <= {0, 1} and mask[:, :steps].any(axis=1).all()
        assert not mask[:, steps:].any() and not mask[:, :answer_at].any() and mask[:, answer_at].all()
        assert not batch.inputs[:, steps:].numpy().any()
        assert not batch.targets.numpy()[mask == 0].any()
        assert set(np.unique(batch.targets)) <= {0, 1}


def test_a_batch_has_the_given_size(task):
    compiled = tf.function(lambda size: task.batch(SEED, 2, size), jit_compile=True)
    for size in sizes(task):
        eager = task.batch(SEED, 2, size)
        for one, other in zip(eager, compiled(tf.constant(size))):
            np.testing.assert_array_equal(one, other)
        assert int(eager.num_steps) == task.num_steps(*size)


def test_padding_changes_nothing_but_the_zeros_at_the_end(task):
    """The size exceeds the task's bounds, as in measurements at greater lengths."""
    size = tuple(number + 2 for number in task.largest)
    exact, padded_batch = (task.batch(SEED, 2, size, padded) for padded in (size, tuple(number + 3 for number in size)))
    steps = int(exact.num_steps)
    assert exact.inputs.shape[1] == steps and padded_batch.inputs.shape[1] > steps
    for one, other in zip(exact[:3], padded_batch[:3]):
        np.testing.assert_array_equal(one, other[:, :steps])
        assert not np.any(other[:, steps:])


def test_sizes_are_drawn_uniformly_within_the_bounds(task):
    draw = tf.function(lambda i: task.batch(tf.stack([9, i]), 1).num_steps)
    steps = np.array([int(draw(i)) for i in tf.range(1000)])
    choices = [range(low, high + 1) for low, high in zip(*sizes(task))]
    expected = np.bincount(
        [task.num_steps(*size) for size in np.stack(np.meshgrid(*choices), -1).reshape(-1, len(choices))]
    )
    expected = 1000 * expected / expected.sum()
    counts = np.bincount(steps, minlength=len(expected))
    assert not counts[expected == 0].any()
    assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected) + 1)


def test_impossible_bounds_are_refused(task):
    name = task.size_names[-1]
    low = sizes(task)[0][-1]
    with pytest.raises(ValueError, match=f"max_{name}={low - 1} is below min_{name}={low}"):
        dataclasses.replace(task, **{f"max_{name}": low - 1})
    with pytest.raises(ValueError, match=f"min_{name}={task.smallest - 1}"):
        dataclasses.replace(task, **{f"min_{name}": task.smallest - 1})


def test_sizes_that_no_sequence_has_are_refused(task):
    with pytest.raises(ValueError, match="must be at least"):
        task.check((task.smallest - 1,) * len(task.size_names))
    with pytest.raises(ValueError, match=" x ".join(task.size_names)):
        task.check((*task.largest, 3))


def test_the_optimal_cost_is_not_far_above_one_bit_per_target_bit(task):
    batch = task.batch(SEED, 3)
    least = task.optimal_bits(batch).numpy()
    assert least.shape == (3,) and np.all(least >= 0)
    # The best estimator may be worse than chance on a single sequence.
    assert np.all(least <= 1.5 * batch.targets.shape[-1] * tf.reduce_sum(batch.mask, axis=1))


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


def test_copy_draws_bits_uniformly_and_independently_of_the_length():
    """If the bits and the length had the same seed, the first bits would reveal the length."""
    task = CopyTask(1, 20)
    draw = tf.function(lambda i: task.batch(tf.stack([9, i]), 1))
    batches = [draw(i) for i in tf.range(2000)]
    lengths = np.array([int(batch.num_steps) for batch in batches])
    first_bits = np.array([batch.inputs[0, 1, 1:9].numpy() for batch in batches])
    # The mean of n fair bits has a std of 1 / (2 sqrt(n)). The tolerance is six stds.
    assert abs(first_bits.mean() - 0.5) < 6 * 0.5 / np.sqrt(first_bits.size)
    for bit in range(8):
        counts = np.array(
            [np.bincount(first_bits[lengths == length, bit].astype(int), minlength=2) for length in range(4, 43, 2)]
        )
        expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
        # Chi-squared with 19 degrees of freedom: mean 19, std 6.2. A bit that depends on the length would give 2000.
        assert ((counts - expected) ** 2 / expected).sum() < 19 + 6 * 6.2


# The repeat copy task.


def test_repeat_copy_layout():
    task = RepeatCopy(1, 4, 1, 5)
    inputs, targets, mask, steps, answer_at = (np.asarray(value) for value in task.batch(SEED, 2, (2, 3)))
    assert (steps, answer_at) == (11, 4) and inputs.shape[1] == 4 * 6 + 3
    time = np.arange(inputs.shape[1])
    np.testing.assert_array_equal(inputs[..., 0], [time == 0] * 2)
    np.testing.assert_array_equal(inputs[..., 9], [time == 3] * 2)
    np.testing.assert_array_equal(mask, [(time >= 4) & (time < 11)] * 2)
    np.testing.assert_array_equal(targets[..., 8], [time == 10] * 2)
    vectors = inputs[:, 1:3, 1:9]
    assert vectors.any() and not inputs[:, 3:, 1:9].any()
    np.testing.assert_array_equal(targets[:, 4:10, :8], np.tile(vectors, [1, 3, 1]))
    assert not targets[:, 10, :8].any()


def test_repeat_copy_gives_the_repeats_with_mean_0_and_variance_1():
    task = RepeatCopy(1, 2, 1, 10)
    said = np.array([float(task.batch(SEED, 1, (2, n)).inputs[0, 3, 10]) for n in range(1, 11)])
    np.testing.assert_allclose(said, (np.arange(1, 11) - 5.5) / math.sqrt(8.25), rtol=1e-6)
    # The number of repeats may exceed the bounds. The mean and the std stay the same.
    beyond = task.batch(SEED, 1, (2, 20), (2, 20))
    np.testing.assert_allclose(beyond.inputs[0, 3, 10], (20 - 5.5) / math.sqrt(8.25), rtol=1e-6)
    assert np.count_nonzero(beyond.inputs[0, :, 10]) == 1
    assert float(RepeatCopy(1, 2, 3, 3).batch(SEED, 1, (2, 3)).inputs[0, 3, 10]) == 0


# The associative recall task.


def test_associative_recall_layout():
    inputs, targets, mask, steps, answer_at = (
        np.asarray(value) for value in AssociativeRecall(2, 6).batch(SEED, 50, 4)
    )
    assert (steps, answer_at) == (24, 21) and inputs.shape[1] == 32
    time = np.arange(32)
    np.testing.assert_array_equal(inputs[..., 0], [np.isin(time, [0, 4, 8, 12])] * 50)
    np.testing.assert_array_equal(inputs[..., 1], [np.isin(time, [16, 20])] * 50)
    np.testing.assert_array_equal(mask, [(time >= 21) & (time < 24)] * 50)
    items = np.stack([inputs[:, 4 * i + 1 : 4 * i + 4, 2:] for i in range(4)], axis=1)
    assert not inputs[:, [0, 4, 8, 12, 16, *range(20, 32)], 2:].any()
    asked = []
    for row in range(50):
        (index,) = (i for i in range(4) if np.array_equal(items[row, i], inputs[row, 17:20, 2:]))
        np.testing.assert_array_equal(targets[row, 21:24], items[row, index + 1])
        asked.append(index)
    # Three items can be the query, each about 17 times with a std of 3.3.
    assert np.all(np.abs(np.bincount(asked, minlength=4)[:3] - 50 / 3) < 4 * 3.4) and max(asked) == 2


# The dynamic N-grams task.


def test_ngrams_layout():
    inputs, targets, mask, steps, answer_at = (np.asarray(value) for value in NGrams(3, 12, 2).batch(SEED, 2, 9))
    assert (steps, answer_at) == (9, 0)
    np.testing.assert_array_equal(inputs[..., 0], [np.arange(12) == 0] * 2)
    np.testing.assert_array_equal(inputs[:, 1:9, 1], targets[:, :8, 0])
    assert not inputs[:, 0, 1].any()
    np.testing.assert_array_equal(mask, [[1] * 9 + [0] * 3] * 2)


def long_ngrams(context):
    """Bits [200, 4000]."""
    task = NGrams(4000, 4000, context)
    return tf.function(lambda: task.batch(SEED, 200).targets)().numpy()[..., 0].astype(int)


def test_ngrams_obey_a_table_from_beta():
    """In long sequences, the fraction of ones after a context is close to the table's probability."""
    targets = long_ngrams(context=1)
    before, after = targets[:, :-1], targets[:, 1:]
    seen = np.concatenate([(before == value).sum(axis=1) for value in (0, 1)])
    ones = np.concatenate([(after * (before == value)).sum(axis=1) for value in (0, 1)])
    shares = np.sort(ones[seen > 200] / seen[seen > 200])
    assert len(shares) > 300
    # Kolmogorov's distance from Beta(1/2, 1/2), the arcsine law. It exceeds 2 / sqrt(n) with probability 0.0007. The
    # share of ones in 200 draws has a std of at most 0.5 / sqrt(200). This moves the distance by 0.02.
    law = 2 / np.pi * np.arcsin(np.sqrt(shares))
    assert np.abs(law - np.arange(1, len(law) + 1) / len(law)).max() < 2 / np.sqrt(len(law)) + 0.02


def test_ngrams_contexts_are_the_bits_before():
    """With a context of two bits, a third bit has no influence on the next one."""
    bits = long_ngrams(context=2)
    by_context = np.zeros([200, 8, 2])
    context = 4 * bits[:, :-3] + 2 * bits[:, 1:-2] + bits[:, 2:-1]
    for row in range(200):
        np.add.at(by_context[row], (context[row], bits[row, 3:]), 1)
    counts = by_context.sum(-1)
    shares = by_context[..., 1] / np.maximum(counts, 1)
    both = (counts[:, :4] > 100) & (counts[:, 4:] > 100)
    differences = (shares[:, :4] - shares[:, 4:])[both]
    stds = np.sqrt(0.25 / counts[:, :4][both] + 0.25 / counts[:, 4:][both])
    assert both.sum() > 50 and np.abs(differences / stds).max() < 5
    # The two bits of the context do have an influence.
    assert np.abs(shares[:, 0] - shares[:, 1]).max() > 0.5 and np.abs(shares[:, 0] - shares[:, 2]).max() > 0.5


def test_the_optimal_estimator_counts_the_bits_after_each_context():
    task = NGrams(1, 40, 2)
    batch = task.batch(SEED, 3, 33)
    found = task.optimal_bits(batch).numpy()
    for row, bits in enumerate(batch.targets.numpy()[:, :33, 0].astype(int)):
        counts, cost = np.zeros([2, 2, 2]), 0.0
        for t in range(33):
            if t < 2:
                cost += 1
                continue
            seen = counts[bits[t - 2], bits[t - 1]]
            cost -= math.log2((seen[bits[t]] + 0.5) / (seen.sum() + 1))
            seen[bits[t]] += 1
        np.testing.assert_allclose(found[row], cost, rtol=1e-5)


# The priority sort task.


def test_priority_sort_layout():
    inputs, targets, mask, steps, answer_at = (np.asarray(value) for value in PrioritySort(4, 9, 3).batch(SEED, 5, 7))
    assert (steps, answer_at) == (11, 8) and inputs.shape[1] == 13
    time = np.arange(13)
    np.testing.assert_array_equal(inputs[..., 9], [time == 7] * 5)
    np.testing.assert_array_equal(mask, [(time >= 8) & (time < 11)] * 5)
    assert not inputs[:, 7:, :9].any()
    for row in range(5):
        order = np.argsort(-inputs[row, :7, 8])[:3]
        np.testing.assert_array_equal(targets[row, 8:11], inputs[row, order, :8])


def test_priorities_are_uniform_from_minus_1_to_1():
    priorities = PrioritySort().batch(SEED, 500).inputs.numpy()[:, :20, 8].ravel()
    assert np.abs(priorities).max() < 1
    # Kolmogorov's distance, as in the test of N-grams.
    law = (np.sort(priorities) + 1) / 2
    assert np.abs(law - np.arange(1, len(law) + 1) / len(law)).max() < 2 / np.sqrt(len(law))


@pytest.mark.parametrize("highest", [0, 5])
def test_priority_sort_refuses_an_answer_longer_than_the_sequence(highest):
    with pytest.raises(ValueError, match=f"highest={highest}"):
        PrioritySort(4, 9, highest)
