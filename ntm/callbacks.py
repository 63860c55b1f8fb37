"""Keras callbacks for models with an NTM."""

import os
from pathlib import Path

import keras
import tensorflow as tf

FILE_NAME = "memory_map.png"


class MemoryMap(keras.callbacks.Callback):
    """At the end of each epoch, draws the memory map of one sequence: which locations each head reads and writes.

    The model is an `ntm.NTM`, or a functional or Sequential model that has exactly one `NTM` or `NTMLayer` among its
    layers. Below, "the NTM" is this `ntm.NTM` or this layer. Any layers may stand before the NTM and after it.
    The NTM starts in its own initial state. It runs masked steps too, so give a sequence without padding. The
    callback needs matplotlib, which the extra `plots` installs.

    Args:
        inputs: one sequence, the model's input without the batch axis: [T, ...], such as [T, I].
        directory: the directory of memory_map.png, made if it does not exist. Each epoch atomically replaces the file.
        log_dir: the directory of TensorBoard's event files, or None for no files. TensorBoard shows the maps of
            all epochs.
        answer_at: the step at which the answer begins, marked by a line; None for no line.

    Raises:
        ImportError: matplotlib is not installed. Raised when training begins.
        ValueError: the model has no NTM or several, is subclassed, or calls its NTM twice. Raised after one batch.
    """

    def __init__(self, inputs, directory: str | Path, log_dir: str | Path | None = None, answer_at: int | None = None):
        super().__init__()
        self._inputs = tf.convert_to_tensor(inputs)[tf.newaxis]
        self._directory, self._log_dir, self._answer_at = Path(directory), log_dir, answer_at
        self._writer = None

    def on_train_begin(self, logs=None):
        _plots()  # fails before the first epoch, not after it
        self._directory.mkdir(parents=True, exist_ok=True)
        self._trace = None
        if self._log_dir is not None:
            self._writer = tf.summary.create_file_writer(str(self._log_dir))

    def on_train_batch_end(self, batch, logs=None):
        if self._trace is None:  # a Sequential model without an Input has no inputs before its first batch
            self._ntm, self._before = _find_ntm(self.model)
            # The trace runs as a graph: eager code would run every operation of every step from Python.
            self._trace = tf.function(self._trace_heads, autograph=False)

    def on_epoch_end(self, epoch, logs=None):
        plots = _plots()
        state = self._trace().state
        weightings = [
            tf.cast(heads[0], tf.float32).numpy() for heads in (state.write_weightings, state.read_weightings)
        ]
        png = plots.to_png(plots.memory_map(*weightings, self._answer_at, f"after epoch {epoch + 1}"))
        aside = self._directory / f".{FILE_NAME}"
        aside.write_bytes(png)
        os.replace(aside, self._directory / FILE_NAME)
        if self._writer is not None:
            with self._writer.as_default(step=epoch):
                tf.summary.image("memory_map", tf.image.decode_png(png)[tf.newaxis])
            self._writer.flush()

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()

    def _trace_heads(self):
        # Training takes its seeds from a generator. A seed drawn here would advance it, so this seed is fixed.
        state = self._ntm.initial_state(1, seed=tf.constant([0, 0]))
        _, trace = self._ntm.trace(self._before(self._inputs), initial_state=state)
        return trace


def _plots():
    """Imports ntm.plots here, not at the top of the file: without matplotlib, this import raises ImportError."""
    from ntm import plots

    return plots


def _find_ntm(model):
    """Finds the NTM in a model.

    Returns:
        The NTM, and a function from the model's inputs to the NTM's inputs.

    Raises:
        ValueError: there is no NTM, there are several, or the NTM's inputs cannot be found in the model.
    """
    if _is_ntm(model):
        return model, tf.identity
    found = [layer for layer in getattr(model, "layers", []) if _is_ntm(layer)]
    if len(found) != 1:
        raise ValueError(f"MemoryMap needs a model with exactly one NTM; {model.name} has {len(found)}")
    try:
        inputs, *_ = keras.tree.flatten(found[0].input)  # the mask comes after the inputs
        return found[0], keras.Model(model.inputs, inputs)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"MemoryMap needs a functional or Sequential model that calls its NTM once; {model.name} is not one"
        ) from error


def _is_ntm(layer):
    return hasattr(layer, "trace") and hasattr(layer, "cell")
