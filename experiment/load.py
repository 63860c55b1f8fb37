"""Loads a task and a trained model: from a run, a .keras file, or the reference's checkpoint (see reference.py)."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from experiment.build import build_model
from experiment.checkpoints import PREFIX, candidates, model_variables, restore
from experiment.config import default_config, task_from_json
from experiment.config_file import load_config, read_config, refuse_changed_config, refusing_config
from experiment.errors import CheckpointError, RunError, first_line
from experiment.memory_needed import check_file, check_weights
from experiment.reference import load_reference_checkpoint
from experiment.run_directory import MODEL
from ntm import LSTM, NTM
from ntm.model import SequenceModel
from tasks import Task, check_batch, task_class


class Trained(NamedTuple):
    """A trained model and the task that it learned."""

    task: Task
    model: SequenceModel


def load_run(run_dir: str | Path, checkpoint: str | None = None) -> Trained:
    """Loads the task and the trained model of a run.

    Args:
        run_dir: a run directory, or a directory with config.json and model.keras, such as pretrained/copy.
        checkpoint: "step-N". None loads the newest checkpoint, or model.keras if there is no checkpoint.

    Returns:
        Trained.

    Raises:
        RunError: the run is missing or damaged.
        CheckpointError: the checkpoint is missing or damaged, or a weight is not finite.
        ValueError: `checkpoint` is not step-N.
    """
    config = load_config(run_dir)
    with refusing_config(run_dir):
        check_batch(config.task)
    found = candidates(run_dir, checkpoint)
    if found:
        with refusing_config(run_dir):
            check_weights(vars(config.model), config.task.input_size, config.task.output_size)
            model = build_model(config)
        restore(model_variables(model), found[0] / PREFIX)
        refuse_changed_config(config, found[0], run_dir)
        _refuse_not_finite(model, found[0])
        return Trained(task=config.task, model=model)
    saved = Path(run_dir) / MODEL
    if not saved.exists():
        raise RunError(f"{run_dir} holds no checkpoint yet")
    return Trained(task=config.task, model=_load_model(saved, config.task))


def load_weights(path: str | Path, task_name: str | None = None) -> Trained:
    """Loads a .keras file and its task.

    Args:
        path: the file. If a config.json is beside the file, it determines the task.
        task_name: the name of the task, or FILE:CLASS. Without a config.json, None means copy, and the task has its
            default bounds.

    Returns:
        Trained.

    Raises:
        CheckpointError: the file is missing or damaged, holds another kind of model, or does not fit the task; or a
            weight is not finite.
        RunError: the config.json is damaged, or has another task than `task_name`.
        TaskError: the task cannot make a batch of the right shapes.
    """
    run_dir = Path(path).parent
    if not (run_dir / "config.json").exists():
        task = task_class(task_name or "copy")()
        check_batch(task)
        return Trained(task=task, model=_load_model(path, task))
    content = read_config(run_dir)
    with refusing_config(run_dir):
        task = task_from_json(content)
        check_batch(task)
    if task_name not in (None, task.identifier()):
        raise RunError(f"{run_dir}/config.json has the task {task.identifier()}, not {task_name}")
    return Trained(task=task, model=_load_model(path, task))


def load_reference(prefix: str | Path) -> Trained:
    """Loads the reference's checkpoint and its task.

    Args:
        prefix: the path of the checkpoint's files without ".index" and ".data-00000-of-00001".

    Returns:
        Trained.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, is not the reference's checkpoint for the copy task, or
            holds a weight that is not finite.
    """
    task, model = default_config(preset="reference").task, load_reference_checkpoint(prefix)
    _refuse_misfit(task, model, prefix)
    _refuse_not_finite(model, prefix)
    return Trained(task=task, model=model)


def _load_model(path, task):
    if not Path(path).is_file():
        raise CheckpointError(f"{path} is not a file")
    check_file(path)
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # damaged files make Keras raise exceptions of many types
        raise CheckpointError(f"{path} cannot be read as a model: {first_line(error)}") from None
    if not isinstance(model, (NTM, LSTM)) or not model.built:
        raise CheckpointError(f"{path} holds no NTM or LSTM with weights")
    _refuse_misfit(task, model, path)
    _refuse_not_finite(model, path)
    return model


def _refuse_misfit(task, model, path):
    sizes = model.input_size, model.options["output_size"]
    if sizes != (task.input_size, task.output_size):
        raise CheckpointError(
            f"{path} has {sizes[0]} inputs and {sizes[1]} outputs, not the {task.input_size} and {task.output_size} of "
            f"the {task.name} task"
        )


def _refuse_not_finite(model, path):
    for name, variable in model_variables(model).items():
        if not np.isfinite(variable.numpy()).all():
            raise CheckpointError(f"{path} holds weights that are not finite, in {name}")
