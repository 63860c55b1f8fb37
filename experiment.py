"""From a run's configuration to its task, model and trainer: the one place where `ntm` meets `tasks`.

A configuration is what config.json holds: preset, seed, iterations, log_every, checkpoint_every, stop_when_solved,
figures and the checkpoint that the weights started from, if one; and the sections `task` and `model` (each with a name
and constructor arguments), `optimizer` and `training` (see presets.py).
"""

import contextlib
import dataclasses
import inspect
from pathlib import Path

import keras
import tensorflow as tf

from ntm import LSTM, NTM, NTMCell
from ntm.checkpoints import CheckpointError, first_line, model_variables, restore
from ntm.reference import load_reference_checkpoint
from ntm.runs import MODEL, PREFIX, RunError, checkpoints, read_config
from ntm.training import Trainer
from presets import sections
from tasks import TASKS

MODELS = {
    "ntm-lstm": (NTM, {"controller": "lstm"}),
    "ntm-feedforward": (NTM, {"controller": "feedforward"}),
    "lstm": (LSTM, {}),
}


# What each takes, as inspect.signature has it.
_PARAMETERS = {
    NTM: {**inspect.signature(NTMCell).parameters, **inspect.signature(NTM).parameters},
    LSTM: {**inspect.signature(LSTM).parameters},
}


def default_config(preset="paper", task="copy", model="ntm-lstm"):
    """The configuration that a preset gives for a task and a model."""
    settings = sections(preset, task, model)
    return {
        "preset": preset,
        "seed": 0,
        "iterations": 100_000,
        "log_every": 100,
        "checkpoint_every": 1000,
        "stop_when_solved": False,
        "figures": False,
        "checkpoint": None,
        "task": {"name": task, **settings["task"]},
        "model": {"name": model, **settings["model"]},
        "optimizer": settings["optimizer"],
        "training": settings["training"],
    }


def class_default(option):
    """The default of a model's option: the NTM's or, of what that does not have, the LSTM's."""
    return {**_PARAMETERS[LSTM], **_PARAMETERS[NTM]}[option].default


def refuse_strangers(config):
    """Raises ValueError where a configuration's task or model is given what it does not have."""
    task, model = config["task"]["name"], config["model"]["name"]
    for section, what, known in (
        (config["task"], f"the task {task}", TASKS[task].fields()),
        (config["model"], f"the model {model}", _PARAMETERS[MODELS[model][0]].keys()),
    ):
        for key in section.keys() - known - {"name"}:
            raise ValueError(f"{key}={section[key]} means nothing to {what}")


def build_task(config):
    """The Task of a configuration.

    Raises:
        ValueError: an argument is out of range.
    """
    arguments = {key: value for key, value in config["task"].items() if key != "name"}
    return TASKS[config["task"]["name"]](**arguments)


def build_model(config):
    """The model of a configuration, its weights drawn from the configuration's seed.

    Raises:
        ValueError: an argument is out of range.
    """
    task = build_task(config)
    keras.utils.set_random_seed(config["seed"])
    arguments = {key: value for key, value in config["model"].items() if key != "name"}
    kind, settled = MODELS[config["model"]["name"]]
    model = kind(**{"output_size": task.output_size, **arguments, **settled})
    model.build((None, None, task.input_size))
    return model


def build_trainer(config):
    """The Trainer of a configuration, and with it task and model.

    Raises:
        ValueError: an argument is out of range.
    """
    settings = dict(config["optimizer"])
    initial_velocity = settings.pop("initial_velocity", 0.0)
    if not settings.get("weight_decay", 0.0) >= 0:
        raise ValueError(f"weight_decay={settings['weight_decay']} must be at least 0")
    if decay_steps := settings.pop("decay_steps", None):
        rate = keras.optimizers.schedules.InverseTimeDecay(settings["learning_rate"], decay_steps, decay_rate=1.0)
        settings["learning_rate"] = rate
    optimizer = keras.optimizers.RMSprop(**settings)
    trainer = Trainer(build_model(config), build_task(config), optimizer, seed=config["seed"], **config["training"])
    for variable in optimizer.variables:
        if variable.name.endswith("_velocity"):
            variable.assign(tf.fill(variable.shape, initial_velocity))
    return trainer


def complete(config, trainer):
    """The configuration with every argument of its task and model in it, and the optimizer's, defaults included."""
    return {
        **config,
        "task": {"name": config["task"]["name"], **dataclasses.asdict(trainer.task)},
        "model": {"name": config["model"]["name"], **trainer.model.options},
        "optimizer": {"weight_decay": 0.0, **config["optimizer"]},
    }


def check_config(config):
    """Raises ValueError where a configuration has other keys than `default_config`, or values of another type."""
    expected = default_config()
    if not isinstance(config, dict) or set(config) != set(expected):
        raise ValueError(f"its keys must be {', '.join(expected)}")
    for key, value in expected.items():
        if value is not None and type(config[key]) is not type(value):
            raise ValueError(f"{key} cannot be {config[key]!r}")


@contextlib.contextmanager
def refusing_config(run_dir):
    """Turns what goes wrong with a damaged config.json into a RunError that names it."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run_dir}/config.json does not describe a run: {first_line(error)}") from None


def load_run(run_dir, checkpoint=None):
    """The task and the trained model of a run.

    Args:
        run_dir: a run directory, or what is left of one in pretrained/: config.json and model.keras.
        checkpoint: "step-N", or None for the newest, or model.keras where there is none.

    Raises:
        RunError: the run is missing or damaged.
        CheckpointError: the checkpoint is.
    """
    config = read_config(run_dir)
    with refusing_config(run_dir):
        check_config(config)
        task = build_task(config)
    found = checkpoints(run_dir) if checkpoint is None else [Path(run_dir) / "checkpoints" / checkpoint]
    if found:
        with refusing_config(run_dir):
            model = build_model(config)
        restore(model_variables(model), found[0] / PREFIX)
        return task, model
    saved = Path(run_dir) / MODEL
    if not saved.exists():
        raise RunError(f"{run_dir} holds no checkpoint yet")
    return task, _load_model(saved, task)


def load_weights(path, task_name=None):
    """The task and the model in a .keras file.

    Args:
        path: the file. If a run's config.json is beside it, the task is the run's.
        task_name: of a task with its default bounds, instead; None for the copy task where there is no run's.

    Raises:
        CheckpointError: the file is missing, damaged, holds something else, or does not fit the task.
        RunError: the config.json is damaged, or has another task.
    """
    run_dir = Path(path).parent
    if not (run_dir / "config.json").exists():
        task = TASKS[task_name or "copy"]()
        return task, _load_model(path, task)
    config = read_config(run_dir)
    with refusing_config(run_dir):
        task = build_task(config)
    if task_name not in (None, task.name):
        raise RunError(f"{run_dir}/config.json has the task {task.name}, not {task_name}")
    return task, _load_model(path, task)


def _load_model(path, task):
    if not Path(path).is_file():
        raise CheckpointError(f"{path} is not a file")
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # a damaged archive raises whatever the layer of Keras raises that meets the damage
        raise CheckpointError(f"{path} cannot be read as a model: {first_line(error)}") from None
    if not isinstance(model, (NTM, LSTM)) or not model.built:
        raise CheckpointError(f"{path} holds no NTM or LSTM with weights")
    _refuse_misfit(task, model, path)
    return model


def load_reference(prefix):
    """The task of the reference's checkpoint and its model.

    Raises:
        CheckpointError: it is missing, damaged, not the reference's or not the copy task's.
    """
    task, model = TASKS["copy"](**sections("reference")["task"]), load_reference_checkpoint(prefix)
    _refuse_misfit(task, model, prefix)
    return task, model


def _refuse_misfit(task, model, path):
    sizes = model.input_size, model.options["output_size"]
    if sizes != (task.input_size, task.output_size):
        raise CheckpointError(
            f"{path} has {sizes[0]} inputs and {sizes[1]} outputs, not the {task.input_size} and {task.output_size} of "
            f"the {task.name} task"
        )
