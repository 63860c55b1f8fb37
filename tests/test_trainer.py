import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.laboratory import all_variables
from commands import running_eagerly
from experiment.build import build_trainer
from experiment.config import default_config
from experiment.evaluation import Evaluator
from experiment.seeds import REPORT, TRAINING, VALIDATION, stream
from experiment.trainer import Trainer, draws_of_update
from ntm import NTM
from tasks import CopyTask

SMALL = {"controller_units": 12, "memory_locations": 10, "memory_width": 8}


def small_trainer(seed=0, **options):
    keras.utils.set_random_seed(seed)
    task = CopyTask(1, 4)
    model = NTM(task.output_size, **SMALL)
    model.build((None, None, task.input_size))
    optimizer = keras.optimizers.RMSprop(1e-3, momentum=0.9, epsilon=1e-4, centered=True)
    return Trainer(model, task, optimizer, seed=seed, **options)


def weights(trainer):
    return [weight.numpy() for weight in trainer.model.trainable_variables]


@pytest.fixture(scope="module")
def fresh():
    """Makes small trainers in their initial states. Calls with equal options share one trainer, compiled once."""
    made = {}

    def fresh(**options):
        key = tuple(options.items())
        if key not in made:
            trainer = small_trainer(**options)
            made[key] = trainer, [(variable, variable.numpy()) for variable in all_variables(trainer)]
        trainer, initial_values = made[key]
        for variable, value in initial_values:
            variable.assign(value)
        return trainer

    return fresh


@pytest.fixture
def trainer(fresh):
    return fresh()


@pytest.mark.parametrize(
    "name, values",
    [
        ("loss", ["median", 1, ["sum"]]),
        ("batch_size", [0, 1.5, float("nan"), "x", True]),
        ("seed", [0.5, "x", None]),
        ("weight_noise", [-1.0, float("nan"), float("inf"), "x"]),
        ("clip_ratio", [-1.0, float("nan"), float("inf"), None]),
    ],
)
def test_arguments_out_of_range_are_named(trainer, name, values):
    for value in values:
        with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
            Trainer(trainer.model, trainer.task, keras.optimizers.RMSprop(), **{name: value})


def test_calls_of_any_size_make_the_same_updates(fresh):
    trainer = fresh()
    assert trainer.advance(20)
    expected, metrics = weights(trainer), trainer.metrics()
    trainer = fresh()
    for iteration in (3, 4, 11, 20):
        assert trainer.advance(iteration)
    for one, two in zip(weights(trainer), expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert trainer.metrics() == metrics
    assert int(trainer.iteration) == 20


def test_an_update_is_a_step_of_the_optimizer_on_the_batchs_loss():
    """Compares with an eager update. The gradient comes from the noisy weights. The step changes the clean weights."""
    trained, other = (small_trainer(weight_noise=0.03, clip_ratio=0.5) for _ in range(2))
    seed = tf.random.fold_in(stream(0, TRAINING), 0, alg="philox")
    batch = other.task.batch(tf.random.split(seed, 2, alg="philox")[0], 1)
    noisy = other._noisy_weights(draws_of_update(stream(0, TRAINING), 0).noise_offset)
    noise = noisy - other.weights.value
    # The std of n draws has a relative std of 1 / sqrt(2n).
    np.testing.assert_allclose(tf.math.reduce_std(noise), 0.03, rtol=5 / np.sqrt(2 * len(noise)))
    for variable, value in zip(other.model.trainable_variables, other._split(noisy)):
        variable.assign(value)
    with running_eagerly(), tf.GradientTape() as tape:
        logits = other.model(batch.inputs, steps=batch.num_steps)
        loss = tf.reduce_sum(
            tf.nn.sigmoid_cross_entropy_with_logits(batch.targets, logits) * batch.mask[..., tf.newaxis]
        )
    gradients = tape.gradient(loss, other.model.trainable_variables)
    gradient = tf.concat([tf.reshape(part, [-1]) for part in gradients], axis=0)
    assert tf.norm(gradient) > 1
    other.optimizer.apply([0.5 * gradient / tf.norm(gradient)], [other.weights])
    trained.advance(1)
    updated = np.concatenate([weight.ravel() for weight in weights(trained)])
    np.testing.assert_allclose(updated, other.weights, rtol=1e-4, atol=1e-6)
    for found, expected in zip(trained.gradients().values(), gradients, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    metrics = trained.metrics()
    np.testing.assert_allclose(metrics.loss, loss, rtol=1e-5)
    np.testing.assert_allclose(metrics.gradient_norm, tf.norm(gradient), rtol=1e-4)


def test_every_update_has_noise_of_its_own():
    trainer = small_trainer(weight_noise=0.03)
    draws = [draws_of_update(stream(0, TRAINING), iteration) for iteration in range(2)]
    one, two = ((trainer._noisy_weights(drawn.noise_offset) - trainer.weights.value).numpy() for drawn in draws)
    assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(len(one))


def test_the_offset_of_the_noise_is_drawn_once_and_not_for_each_weight():
    """No kernel that reads the table of noise contains Philox, whose multiplier is 0xD2511F53."""
    model = {"controller_units": 8, "memory_locations": 9, "memory_width": 5}
    trainer = build_trainer(default_config(task="priority-sort").replace(model=model))
    kernels = re.findall(r"^%fused_computation.*?^}", trainer.compiled_program(), re.DOTALL | re.MULTILINE)
    reading = [kernel for kernel in kernels if f"f32[{trainer._noise.shape[0]}]" in kernel]
    assert reading and not any(str(0xD2511F53) in kernel for kernel in reading)


def test_a_gradient_far_above_the_running_mean_is_clipped_and_counts_as_clipped(fresh):
    trainer = fresh(clip_ratio=100.0)
    direction = tf.ones(25) / 5
    # The running mean starts at 1 and follows the clipped norms.
    for norm, kept in ((0.5, 0.5), (1e6, 99.5), (np.float32(2e-7), 2e-7), (1e6, 100 * 0.99 * (0.99 * 0.995 + 0.995))):
        gradient = norm * direction
        np.testing.assert_allclose(trainer._clip(gradient, tf.norm(gradient)), kept * direction, rtol=1e-5)
    np.testing.assert_array_equal(trainer._clip(tf.zeros(3), tf.constant(0.0)), tf.zeros(3))


def test_a_gradient_that_is_not_finite_counts_as_0(fresh):
    trainer = fresh(clip_ratio=100.0)
    for broken in (np.inf, np.nan):
        gradient = tf.constant([1.0, broken])
        np.testing.assert_array_equal(trainer._clip(gradient, tf.norm(gradient)), [0, 0])
    assert float(trainer._usual_norm) == 1


@pytest.mark.parametrize("clip_ratio, goes_on", [(100.0, True), (0.0, False)])
def test_a_gradient_that_is_not_finite_ends_training_only_without_clipping(eager_functions, clip_ratio, goes_on):
    trainer = small_trainer(clip_ratio=clip_ratio)
    trainer.loss = lambda targets, logits, mask: tf.sqrt(
        0 * tf.reduce_sum(logits)
    )  # the value is 0, its gradient is 0 times infinity
    before = trainer.weights.numpy()
    assert trainer.advance(2) is goes_on
    assert (not goes_on) or np.array_equal(trainer.weights, before)


def test_a_gradient_of_norm_1_is_never_clipped_by_a_ratio_of_100(fresh):
    trainer = fresh(clip_ratio=100.0)
    trainer._usual_norm.assign(1e-9)
    for norm, kept in ((1.0, 1.0), (1.5, 1.0)):
        np.testing.assert_allclose(
            trainer._clip(tf.fill([25], norm / 5), tf.constant(norm)), [kept / 5] * 25, rtol=1e-5
        )


def test_lengths_share_one_trace(trainer):
    trainer.advance(int(trainer.iteration) + 30)
    assert trainer._advance.experimental_get_tracing_count() == 1


def test_a_weight_that_is_not_finite_stops_training_at_once(trainer):
    assert trainer.advance(5)
    trainer.model.output_layer.bias.assign([np.nan] * 8)
    assert not trainer.advance(50)
    assert int(trainer.iteration) == 6


def test_weights_that_the_last_update_made_infinite_are_noticed(trainer):
    """The loss is finite, because it is computed before the update."""
    trainer.optimizer.learning_rate.assign(3e38)
    assert not trainer.advance(1)


def test_streams_of_one_seed_have_different_sequences():
    task = CopyTask(1, 20)
    first = [task.batch(stream(0, purpose), 1, 20).inputs.numpy() for purpose in (TRAINING, VALIDATION, REPORT)]
    assert all(np.any(first[i] != first[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_the_recipe_learns():
    """The default recipe trains a small NTM to copy short sequences without an error."""
    small = {"controller_units": 32, "memory_locations": 16, "memory_width": 12}
    config = default_config().replace(task={"max_length": 5}, model=small)
    trainer = build_trainer(config)
    evaluator = Evaluator(trainer.model, trainer.task, (5,), 200, stream(config.run.seed, VALIDATION))
    for iteration in range(1000, 16_001, 1000):
        assert trainer.advance(iteration)
        if trainer.metrics().hamming_distance < 0.1 and evaluator.is_exact((5,)):
            assert evaluator.measure((5,))["exact_sequences"] == 1
            return
        trainer.start_metrics()
    pytest.fail(f"after {iteration} sequences: {evaluator.measure((5,))}")
