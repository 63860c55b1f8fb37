"""Times calls, `predict` and `fit` of a Keras model, and compares an NTMLayer and an LSTM with Keras's own layers."""

import functools
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks.measure import UPDATES, Row, make_trainer, median_time, median_times
from experiment.evaluation import Evaluator
from experiment.seeds import REPORT, stream
from ntm import LSTM, NTM, NTMCell, NTMLayer
from tasks import CopyTask

CALLS = 20  # per repeat
LENGTH = 20  # vectors in each copied sequence, which has 42 steps


def keras_use(repeats: int):
    """what a Keras user runs: calls, predict, fit, layers, import; copy of length 20, memory 128 x 20, LSTM of 100"""
    task, model = CopyTask(), NTM(8)
    one, hundred = (task.batch(stream(0, REPORT), size, LENGTH).inputs for size in (1, 100))
    model(one)
    compiled = _milliseconds(tf.function(lambda x: model.run(x)[0], jit_compile=True), one, repeats)
    yield Row("tf.function(jit_compile=True), batch 1", compiled, "ms")
    eager = _milliseconds(model, one, repeats)
    yield Row("model(x), eager, batch 1", eager, "ms", eager / compiled, "tf.function(jit_compile=True)")
    graph = _milliseconds(tf.function(lambda x: model(x)), one, repeats)
    yield Row("model(x) under tf.function, batch 1", graph, "ms", graph / compiled, "tf.function(jit_compile=True)")

    evaluator = Evaluator(model, task, (LENGTH,), 1000, stream(0, REPORT))
    evaluated = median_time(lambda: evaluator.measure((LENGTH,)), repeats)
    yield Row("Evaluator, per sequence", evaluated, "ms")
    inputs = hundred.numpy()
    predicted = 10 * median_time(lambda: model.predict(inputs, batch_size=100, verbose=0), repeats)
    yield Row("model.predict, 100 sequences, per sequence", predicted, "ms", predicted / evaluated, "Evaluator")
    many = np.tile(inputs, [10, 1, 1])
    predicted = median_time(lambda: model.predict(many, batch_size=100, verbose=0), repeats)
    yield Row("model.predict, 10 batches of 100, per sequence", predicted, "ms", predicted / evaluated, "Evaluator")
    dense = keras.Sequential([keras.layers.Dense(8)])  # shows the time that Keras itself takes
    alone = 10 * median_time(lambda: dense.predict(inputs, batch_size=100, verbose=0), repeats)
    yield Row("predict of a Dense layer alone, per sequence", alone, "ms", alone / evaluated, "Evaluator")

    fitted, trained = _fit_and_trainer_times(model, task, repeats)
    yield Row("Trainer, batch 16, an update", trained, "ms")
    yield Row("fit, batch 16, jit_compile='auto', an update", fitted, "ms", fitted / trained, "Trainer")
    alone, trained = _fit_and_trainer_times(dense, task, repeats)
    yield Row("fit of a Dense layer alone, an update", alone, "ms", alone / trained, "Trainer")
    yield from _layers(one, repeats)
    yield from _lstms(repeats)
    yield from _imports(repeats)


def _milliseconds(function, inputs, repeats):
    def run():
        for _ in range(CALLS):
            result = function(inputs)
        return tf.nest.flatten(result)[-1].numpy()

    return 1e3 * median_time(run, repeats) / CALLS


def _fit_and_trainer_times(model, task, repeats):
    """Milliseconds per update of `fit` and of a Trainer.

    They take turns: `fit` makes an epoch of 100 updates, then the Trainer makes 100 updates.
    """
    batch = task.batch(stream(1, REPORT), 16 * UPDATES, LENGTH)
    inputs, targets = batch.inputs.numpy(), batch.targets.numpy()
    model.compile("rmsprop", keras.losses.BinaryCrossentropy(from_logits=True))
    trainer = make_trainer(batch_size=16, length=LENGTH)
    times = []

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            end = time.perf_counter()
            trainer.advance((epoch + 1) * UPDATES)
            times.append((end - self.begin, time.perf_counter() - end))

    model.fit(inputs, targets, batch_size=16, epochs=repeats + 1, verbose=0, callbacks=[Turns()])
    return 1e3 * np.median(times[1:], axis=0) / UPDATES  # the first epoch compiles


def _layers(inputs, repeats):
    """Times each layer at batch 1. Eager code calls a tf.function, which computes the outputs and all gradients."""
    times = {}
    layers = {
        "ntm.NTMLayer": NTMLayer(return_sequences=True),
        "keras.layers.RNN(NTMCell)": keras.layers.RNN(NTMCell(), return_sequences=True),
    }
    for name, layer in layers.items():
        layer(inputs)
        times[name] = _milliseconds(_gradients(layer), inputs, repeats)
    for name, milliseconds in times.items():
        ratio = milliseconds / times["ntm.NTMLayer"]
        yield Row(f"{name}, outputs and gradients", milliseconds, "ms", ratio, "ntm.NTMLayer")


def _lstms(repeats):
    """Times the outputs and all gradients of `ntm.LSTM` and of Keras's LSTMs, which get the same weights."""
    for batch_size in (1, 16):
        inputs = tf.random.stateless_normal([batch_size, 2 * LENGTH + 2, 10], [0, 0])
        ours = LSTM(8)
        expected = ours(inputs)
        models = {"ntm.LSTM": ours}
        for unroll in (False, True):
            models[f"keras.layers.LSTM(unroll={unroll})"] = _keras_lstm(ours, inputs.shape, unroll)
        runs = {}
        for name, model in models.items():
            np.testing.assert_allclose(model(inputs), expected, atol=1e-5)
            runs[name] = functools.partial(_gradients(model, jit_compile=True), inputs)
        times = median_times(runs, repeats)
        for name, seconds in times.items():
            what = f"{name}, gradients, batch {batch_size}"
            yield Row(what, 1e3 * seconds, "ms", seconds / times["ntm.LSTM"], "ntm.LSTM")


def _keras_lstm(ours, shape, unroll):
    """A model of Keras's layers with the weights of an `ntm.LSTM`."""
    inputs = keras.Input(batch_shape=shape)
    outputs = []
    for controller in ours.stack:
        layer = keras.layers.LSTM(controller.units, return_sequences=True, use_cudnn=False, unroll=unroll)
        outputs.append(layer(keras.ops.concatenate([inputs, *outputs[-1:]], axis=-1)))
        weights = controller.kernel, controller.recurrent_kernel, controller.bias
        # Keras has the forget gate before the candidate.
        gates = [np.split(np.asarray(weight), 4, axis=-1) for weight in weights]
        layer.set_weights([np.concatenate([i, f, j, o], axis=-1) for i, j, f, o in gates])
    output_layer = keras.layers.Dense(ours.options["output_size"])
    model = keras.Model(inputs, output_layer(keras.ops.concatenate(outputs, axis=-1)))
    output_layer.set_weights(ours.output_layer.get_weights())
    return model


def _gradients(model, jit_compile=None):
    """A tf.function from inputs to a loss and the gradients of all weights of a model or a layer."""

    @tf.function(jit_compile=jit_compile)
    def run(inputs):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.sin(model(inputs)))
        return value, tape.gradient(value, model.trainable_variables)

    return run


def _imports(repeats):
    """Times `import keras` and `import ntm` in new processes, in alternation. The first pair is not measured."""
    times = median_times(
        {
            statement: functools.partial(
                subprocess.run, [sys.executable, "-c", statement], stderr=subprocess.DEVNULL, check=True
            )
            for statement in ("import keras", "import ntm")
        },
        repeats,
    )
    keras_alone, ntm = times.values()
    yield Row("import keras, in a new process", keras_alone, "s")
    yield Row("import ntm, in a new process", ntm, "s", ntm / keras_alone, "import keras")
