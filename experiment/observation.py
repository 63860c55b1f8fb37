"""Observes a model step by step on single sequences."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from experiment.evaluation import size_text
from experiment.seeds import batch_and_state_seeds, seed_of_size
from ntm import Trace
from ntm.model import SequenceModel
from tasks import Task
from tasks.sampling import Seed


class Observation(NamedTuple):
    """A sequence, and the outputs and states of a model that has read it. The arrays have no batch axis."""

    size: str  # see `size_text`
    answer_at: int  # the step at which the answer begins
    inputs: np.ndarray  # [T, I]
    targets: np.ndarray  # [T, O]
    outputs: np.ndarray  # [T, O], probabilities
    mask: np.ndarray  # [T]
    trace: Trace | None  # None for a model without heads
    previous_weightings: np.ndarray | None  # [T, R + Q, N], before each step; the read heads first

    def answer(self):
        """The answer as an `ntm.plots.Example`, for `ntm.plots.generalisation`."""
        from ntm.plots import Example  # not at the top of the file: it imports matplotlib

        return Example(
            title=f"length {self.size}",
            targets=self.targets[self.answer_at :],
            outputs=self.outputs[self.answer_at :],
        )

    @property
    def write_weightings(self) -> np.ndarray:
        """[T, Q, N]. Needs a model with heads."""
        return self.trace.state.write_weightings

    @property
    def read_weightings(self) -> np.ndarray:
        """[T, R, N]. Needs a model with heads."""
        return self.trace.state.read_weightings

    def addressing(self, step: int, kind: str, head: int = 0) -> dict:
        """The stages of a head's addressing at a step.

        Args:
            step: a step.
            kind: "read" or "write".
            head: the index among the heads of this kind.

        Returns:
            The keyword arguments of `ntm.plots.addressing`.
        """
        now = step, head + (self.read_weightings.shape[1] if kind == "write" else 0)
        heads, stages = self.trace.heads, self.trace.stages
        return {
            "previous": self.previous_weightings[now],
            "content": stages.content[now],
            "gated": stages.gated[now],
            "shifted": stages.shifted[now],
            "weighting": stages.weightings[now],
            "gate": heads.gates[now],
            "shifts": heads.shifts[now],
            "sharpness": heads.sharpness[now],
        }


class Observer:
    """Runs a model on single sequences and records its outputs and states.

    It does not use XLA: compilation would take longer than the sequences.

    Args:
        model: an NTM or an LSTM, built.
        task: Task.
    """

    def __init__(self, model: SequenceModel, task: Task):
        self._model, self._task = model, task

    @functools.cached_property
    def _trace(self):
        """The model's `trace` as one graph for sequences of any size."""
        state = self._model.initial_state(1, seed=tf.constant([0, 0]))
        inputs = tf.TensorSpec([1, None, self._task.input_size])
        states = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), state)
        run = tf.function(lambda inputs, state: self._model.trace(inputs, initial_state=state), autograph=False)
        # With several models, TensorFlow would warn of retracing. A concrete function avoids the warning.
        return run.get_concrete_function(inputs, states)

    def compile(self):
        """Makes the graph of `observe`. Without this, the first call of `observe` makes it."""
        return self._trace

    def observe(self, size: tuple, seed: Seed) -> Observation:
        """Observes the sequence that a size and a seed determine. The seed is [2], see seeds.py."""
        batch_seed, state_seed = batch_and_state_seeds(seed_of_size(seed, size))
        batch = self._task.batch(batch_seed, 1, size, size)
        initial = self._model.initial_state(1, seed=state_seed)
        logits, trace = self._trace(batch.inputs, initial)
        previous = None
        if trace is not None:
            first = np.concatenate([initial.read_weightings, initial.write_weightings], axis=1)
            trace = tf.nest.map_structure(lambda tensor: tensor[0].numpy(), trace)
            previous = np.concatenate([first, trace.stages.weightings[:-1]])
        return Observation(
            size=size_text(size),
            answer_at=int(batch.answer_at),
            inputs=batch.inputs[0].numpy(),
            targets=batch.targets[0].numpy(),
            outputs=tf.sigmoid(logits)[0].numpy(),
            mask=batch.mask[0].numpy(),
            trace=trace,
            previous_weightings=previous,
        )
