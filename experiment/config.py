"""The configuration of a run: five typed sections, for the run, the task, the model, the optimizer and training.

options.py derives the options of train.py from the fields. presets.py has the values of every recipe. In
config.json, the fields of the section `run` are at the top level. Every other section is an object.
"""

import dataclasses

import keras

from experiment.command_line import COUNT, fraction, number_from_zero, positive_number, whole_number
from experiment.fields import check_values, defaults_of, names, option
from experiment.models import MODELS, LSTMOptions, NTMOptions
from experiment.presets import PRESETS, sections
from experiment.solved import SEQUENCES
from experiment.trainer import Trainer
from ntm.metrics import LOSSES
from tasks import Task, task_class


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How long a run trains and what it writes."""

    preset: str = option(tuple(PRESETS), "set of defaults for all other options", "paper")
    seed: int = option(whole_number(0), "determines the initial weights and the data", 0)
    iterations: int = option(whole_number(1), "number of updates of the weights", 100_000)
    log_every: int = option(whole_number(1), "iterations per row of metrics.csv", 100)
    checkpoint_every: int = option(whole_number(1), "iterations per checkpoint", 1000)
    stop_when_solved: bool = option(
        None,
        f"stop when the task is solved: no wrong bit in {SEQUENCES} sequences of the largest size; tested when a row "
        "of metrics.csv shows no wrong bit",
        False,
    )
    figures: bool = option(
        None, "draw the figures at every checkpoint, not only at the end; TensorBoard shows all of them", False
    )
    checkpoint: str | None = None  # the checkpoint whose weights the run started from


@dataclasses.dataclass(frozen=True)
@defaults_of(keras.optimizers.RMSprop)
class OptimizerOptions:
    """The options of `keras.optimizers.RMSprop`, with a learning rate that decays."""

    weight_decay: float = option(
        number_from_zero, "each update subtracts N * learning rate * weight from a weight; 0: none", 0.0
    )
    learning_rate: float = option(positive_number, "initial learning rate")
    decay_steps: int | None = option(
        whole_number(0),
        "updates in which the learning rate halves: rate / (1 + U / N), where U counts from --hold-steps on; 0: never",
        None,
    )
    hold_steps: int = option(whole_number(0), "updates before the learning rate starts to fall", 0)
    rho: float = option(fraction, "decay rate of the running means of the gradient and of its square")
    momentum: float = option(fraction, "momentum")
    epsilon: float = option(number_from_zero, "number added to the variance, under the square root")
    centered: bool = option(None, "divide by the std of the gradient, not by its root mean square")
    global_clipnorm: float | None = option(number_from_zero, "clip the gradient norm to N; 0: do not clip")
    clipvalue: float | None = option(number_from_zero, "clip each element of the gradient to +-N; 0: do not clip")
    initial_velocity: float | None = option(
        number_from_zero, "initial running mean of the squared gradient; 0 if not given", None
    )


@dataclasses.dataclass(frozen=True)
@defaults_of(Trainer)
class TrainingOptions:
    """The options of `Trainer`."""

    loss: str = option(tuple(LOSSES), "training loss; sum: nats per sequence, mean: nats per bit")
    batch_size: int = option(COUNT, "sequences per update")
    weight_noise: float = option(number_from_zero, "std of the noise on the weights during an update")
    clip_ratio: float = option(
        number_from_zero, "clip the gradient norm to N times a running mean of past clipped norms; 0: do not clip"
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run."""

    run: RunOptions
    task: Task
    model: NTMOptions | LSTMOptions
    optimizer: OptimizerOptions
    training: TrainingOptions

    def replace(self, **values: dict) -> "Config":
        """A copy with other values.

        Args:
            **values: for each section to change, a dict from names of its fields to values.

        Raises:
            ValueError: the section has no such field, or a value is of the wrong type or out of range.
        """
        changed = {}
        for section_name, section_values in values.items():
            section = getattr(self, section_name)
            check_values(section, section_values, _owner(section_name, getattr(section, "name", "")))
            changed[section_name] = dataclasses.replace(section, **section_values)
        return dataclasses.replace(self, **changed)

    def to_json(self) -> dict:
        """The content of config.json."""
        return {
            **dataclasses.asdict(self.run),
            "task": {"name": self.task.identifier(), **dataclasses.asdict(self.task)},
            "model": {
                "name": self.model.name,
                "output_size": self.task.output_size,
                **MODELS[self.model.name].fixed,
                **dataclasses.asdict(self.model),
            },
            "optimizer": {
                name: value for name, value in dataclasses.asdict(self.optimizer).items() if value is not None
            },
            "training": dataclasses.asdict(self.training),
        }

    @classmethod
    def from_json(cls, content: dict) -> "Config":
        """The configuration in a config.json. A missing field gets its default, except in the section `run`.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: the content is not a configuration.
            TaskError: the task cannot be loaded.
        """
        expected = [*names(RunOptions), "task", "model", "optimizer", "training"]
        if not isinstance(content, dict) or set(content) != set(expected):
            raise ValueError(f"the keys must be {', '.join(expected)}")
        run = {name: content[name] for name in names(RunOptions)}
        name, model = _named_section("model", content)
        if name not in MODELS:
            raise ValueError(f"no model is named {name!r}; choose from {', '.join(MODELS)}")
        kind, task = MODELS[name], task_from_json(content)
        for determined, value in {"output_size": task.output_size, **kind.fixed}.items():
            if model.pop(determined, value) != value:
                raise ValueError(f"{determined} must be {value}")
        return cls(
            run=_section("run", RunOptions, run),
            task=task,
            model=_section("model", kind.options_class, model, name=name),
            optimizer=_section("optimizer", OptimizerOptions, content["optimizer"]),
            training=_section("training", TrainingOptions, content["training"]),
        )


def task_from_json(content: dict) -> Task:
    """The task in a config.json. Raises as `Config.from_json` does."""
    name, values = _named_section("task", content)
    check_values(task_class(name), values, _owner("task", name))
    return task_class(name)(**values)


def flat_values(content: dict) -> dict:
    """The values in a config.json, by names such as "seed" and "model.memory_width"."""
    flat = {}
    for name, value in content.items():
        flat |= {f"{name}.{field}": part for field, part in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def default_config(preset: str = "paper", task: str = "copy", model: str = "ntm-lstm") -> Config:
    """The configuration that a preset gives for a task and a model.

    Args:
        preset: a key of PRESETS.
        task: a key of TASKS, or FILE:CLASS.
        model: a key of MODELS.

    Raises:
        TaskError: the task cannot be loaded.
    """
    values = sections(preset, task, model)
    return Config(
        run=RunOptions(preset=preset, **values["run"]),
        task=task_class(task)(**values["task"]),
        model=MODELS[model].options_class(name=model, **values["model"]),
        optimizer=OptimizerOptions(**values["optimizer"]),
        training=TrainingOptions(**values["training"]),
    )


def _named_section(section_name, content):
    """The name in a section of a config.json, and the section's other values."""
    values = content.get(section_name) if isinstance(content, dict) else None
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise ValueError(f"{section_name} must be an object with a name")
    return values["name"], {name: value for name, value in values.items() if name != "name"}


def _section(section_name, options_class, values, **identity):
    if not isinstance(values, dict):
        raise ValueError(f"{section_name} must be an object")
    check_values(options_class, values, _owner(section_name, identity.get("name", "")))
    return options_class(**identity, **values)


def _owner(section_name, name):
    """How messages name a section: "the task copy", "the model lstm", "the optimizer"."""
    return f"the {section_name} {name}".rstrip()
