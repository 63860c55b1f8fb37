"""The trained networks from which the paper's figures are drawn."""

import functools
from pathlib import Path

from experiment.config_file import load_config
from experiment.errors import RunError
from experiment.load import load_run
from experiment.metrics_file import read_metrics
from experiment.models import MODELS

NTMS = ("ntm-lstm", "ntm-feedforward")  # the models with a memory


class MissingRunError(RunError):
    """No directory holds a run that a figure needs."""


class Runs:
    """The runs in some directories, by task and model.

    Args:
        roots: paths. Each is a run directory, or holds run directories at any depth.
    """

    def __init__(self, roots: list):
        self._roots = roots

    @functools.cached_property
    def _found(self):
        """A dict from pairs of task and model to run directories, in the order of the roots."""
        found = {}
        for root in self._roots:
            for path in sorted(Path(root).rglob("config.json")):
                config = load_config(path.parent)
                found.setdefault((config.task.name, config.model.name), []).append(path.parent)
        return found

    def network(self, task: str, models: tuple = NTMS):
        """Loads the first run of a task.

        Args:
            task: the task's name.
            models: names of models. The first model that has a run of this task is used.

        Returns:
            The Task and the trained model.

        Raises:
            MissingRunError: no directory holds a run of this task and of one of these models.
            RunError, CheckpointError: as for `load_run`.
        """
        for model in models:
            if (task, model) in self._found:
                return load_run(self._found[task, model][0])
        raise self._missing(task, models)

    def networks(self, task: str, models: tuple = tuple(MODELS)):
        """Loads all runs of a task. Yields the model's name, the Task and the trained model of each run.

        Args:
            task: the task's name.
            models: names of the models to load.

        Raises:
            MissingRunError: no directory holds a run of this task and of one of these models.
            RunError, CheckpointError: as for `load_run`.
        """
        for model, directories in self._of_task(task, models).items():
            for directory in directories:
                yield model, *load_run(directory)

    def curves(self, task: str) -> dict:
        """Learning curves: a dict from each model to a list with a pair of arrays for each run.

        The arrays are the sequences [K] and the bits per sequence [K].

        Raises:
            MissingRunError: there is no run of this task.
            RunError: a run has no metrics.csv.
        """
        curves = {}
        for model, directories in self._of_task(task, tuple(MODELS)).items():
            metrics = map(read_metrics, directories)
            curves[model] = [(columns["sequences"], columns["bits_per_sequence"]) for columns in metrics]
        return curves

    def _of_task(self, task, models):
        directories = {model: self._found[task, model] for model in models if (task, model) in self._found}
        if not directories:
            raise self._missing(task, models)
        return directories

    def _missing(self, task, models):
        which = "" if models == tuple(MODELS) else f", {' or '.join(models)}"
        return MissingRunError(f"{', '.join(map(str, self._roots))} holds no run of {task}{which}")
