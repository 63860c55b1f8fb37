"""Times updates, gradients and outputs. Every time is the median of several repeats after a warm-up."""

import dataclasses
import statistics
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from experiment.build import build_trainer
from experiment.config import default_config
from experiment.trainer import Trainer

UPDATES = 100  # updates per repeat. They are the first ones of seed 0: all settings then have the same lengths.


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a benchmark's table.

    Args:
        what: what was measured.
        value: the result.
        unit: the unit of the value.
        ratio: the value divided by the value of another row, or None.
        compared_to: the name of the other row.
    """

    what: str
    value: float
    unit: str
    ratio: float | None = None
    compared_to: str = ""


def make_trainer(batch_size: int = 1, length: int | None = None, optimizer=None, **model) -> Trainer:
    """The default Trainer with some changes.

    Args:
        batch_size: B.
        length: the length of all sequences; None for the task's bounds.
        optimizer: a Keras optimizer, to be used in place of the default.
        **model: options of the model.
    """
    task = {} if length is None else {"min_length": length, "max_length": length}
    config = default_config().replace(training={"batch_size": batch_size}, model=model, task=task)
    return build_trainer(config, optimizer=optimizer)


def update_time(repeats: int, optimizer=None, **options) -> float:
    """Milliseconds per update. `optimizer` and `options` are the arguments of `make_trainer`."""
    trainer = make_trainer(optimizer=optimizer, **options)
    trainer.advance(2)
    begin = time.perf_counter()
    trainer.advance(4)
    # Updates are slow only in settings with a fixed length. A few updates are then enough, because all take the same
    # time.
    count = 4 if (time.perf_counter() - begin) / 2 > 0.1 else UPDATES

    def advance():
        trainer.iteration.assign(0)
        trainer.advance(count)

    return 1e3 * median_time(advance, repeats) / count


def without_optimizer():
    """The cheapest optimizer: plain gradient descent with a learning rate of 1e-30."""
    return keras.optimizers.SGD(1e-30)


def median_time(run: Callable, repeats: int) -> float:
    """The median time of a call in seconds. A first call is not measured."""
    return median_times({"": run}, repeats)[""]


def median_times(runs: dict[str, Callable], repeats: int) -> dict[str, float]:
    """As `median_time`, for several functions that take turns. A dict from their names to seconds."""
    times = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def repeated(function: Callable, count: int) -> Callable:
    """A compiled function that calls `function` `count` times. Each argument depends on the previous result."""

    @tf.function(jit_compile=True, autograph=False)
    def run(argument):
        def body(i, argument):
            return i + 1, argument * (1 - 1e-30 * tf.reduce_sum(function(argument)))

        return tf.while_loop(lambda i, argument: i < count, body, (0, argument))[1]

    return run


def gradient_time(model, repeats: int, count: int = 20) -> float:
    """Seconds for a model's outputs and the gradients of all its weights, at batch 1 and 42 steps."""

    def value_and_gradients(inputs):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.sin(model(inputs)))
        return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(value, model.trainable_variables)])

    inputs = tf.random.stateless_normal([1, 42, 10], [0, 0])
    model(inputs)
    run = repeated(value_and_gradients, count)
    return median_time(lambda: run(inputs).numpy(), repeats) / count
