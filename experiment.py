"""From a run's configuration to its task, model and trainer: the one place where `ntm` meets `tasks`.

A configuration is what config.json holds: preset, seed, iterations, log_every and checkpoint_every, and the sections
`task` and `model` (each with a name and constructor arguments), `optimizer` and `training` (see presets.py).
"""

import copy
import dataclasses
from pathlib import Path

import keras
import tensorflow as tf

from ntm import NTM
from ntm.checkpoints import first_line, restore
from ntm.reference import load_reference_checkpoint
from ntm.runs import PREFIX, RunError, checkpoints, read_config
from ntm.training import Trainer
from presets import PRESETS
from tasks import TASKS

MODELS = {"ntm-lstm": {"controller": "lstm"}, "ntm-feedforward": {"controller": "feedforward"}}


def default_config(preset="paper", task="copy", model="ntm-lstm"):
    """The configuration that a preset gives for a task and a model."""
    sections = copy.deepcopy(PRESETS[preset])
    return {
        "preset": preset,
        "seed": 0,
        "iterations": 100_000,
        "log_every": 100,
        "checkpoint_every": 1000,
        "task": {"name": task, **sections["task"]},
        "model": {"name": model, **MODELS[model], **sections["model"]},
        "optimizer": sections["optimizer"],
        "training": sections["training"],
    }


def build_task(config):
    """The Task of a configuration.

    Raises:
        ValueError: an argument is out of range.
    """
    arguments = {key: value for key, value in config["task"].items() if key != "name"}
    return TASKS[config["task"]["name"]](**arguments)


def build_model(config):
    """The NTM of a configuration, its weights drawn from the configuration's seed.

    Raises:
        ValueError: an argument is out of range.
    """
    task = build_task(config)
    keras.utils.set_random_seed(config["seed"])
    arguments = {key: value for key, value in config["model"].items() if key != "name"}
    model = NTM(**{"output_size": task.output_size, **arguments})
    model.build((None, None, task.input_size))
    return model


def build_trainer(config):
    """The Trainer of a configuration, and with it task and model.

    Raises:
        ValueError: an argument is out of range.
    """
    settings = dict(config["optimizer"])
    initial_velocity = settings.pop("initial_velocity", 0.0)
    optimizer = keras.optimizers.RMSprop(**settings)
    trainer = Trainer(build_model(config), build_task(config), optimizer, seed=config["seed"], **config["training"])
    for variable in optimizer.variables:
        if variable.name.endswith("_velocity"):
            variable.assign(tf.fill(variable.shape, initial_velocity))
    return trainer


def complete(config, trainer):
    """The configuration with every argument of its task and model in it, defaults included."""
    task = {"name": config["task"]["name"], **dataclasses.asdict(trainer.task)}
    return {**config, "task": task, "model": {"name": config["model"]["name"], **trainer.model.options}}


def load_run(run_dir, checkpoint=None):
    """The task and the trained model of a run.

    Args:
        run_dir: a run directory.
        checkpoint: "step-N", or None for the newest.

    Raises:
        RunError: the run is missing or damaged.
        CheckpointError: the checkpoint is.
    """
    config = read_config(run_dir)
    found = [Path(run_dir) / "checkpoints" / checkpoint] if checkpoint else checkpoints(run_dir)
    if not found:
        raise RunError(f"{run_dir} holds no checkpoint yet")
    try:
        task, model = build_task(config), build_model(config)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run_dir}/config.json: {error}") from None
    restore(tf.train.Checkpoint(model=model), found[0] / PREFIX)
    return task, model


def load_weights(path, task):
    """The task of that name and the model in a .keras file.

    Raises:
        RunError: the file is missing, damaged, holds something else, or does not fit the task.
    """
    try:
        model = keras.saving.load_model(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read as a model: {first_line(error)}") from None
    task = TASKS[task]()
    if not isinstance(model, NTM) or model.options["output_size"] != task.output_size:
        raise RunError(f"{path} holds no NTM with the {task.output_size} outputs of the {task.name} task")
    return task, model


def load_reference(prefix):
    """The task of the reference's checkpoint and its model.

    Raises:
        CheckpointError: it is missing, damaged or not the reference's.
    """
    return TASKS["copy"](**PRESETS["reference"]["task"]), load_reference_checkpoint(prefix)
