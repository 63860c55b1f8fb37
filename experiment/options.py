"""Derives the options of train.py from the fields of the configuration.

A field memory_width becomes the option --memory-width. Tasks that have fields of the same name share one option.
Models do so too. If --task names a class in a file (FILE:CLASS), the fields of this class become options too.
"""

import argparse
import dataclasses

from experiment.command_line import Parser, flag_of, number, whole_number
from experiment.config import Config, OptimizerOptions, RunOptions, TrainingOptions, default_config
from experiment.models import MODELS
from tasks import TASKS, TaskError, task_class

TASK_METAVAR = "NAME|FILE:CLASS"

_CLASSES = {  # the dataclasses of each section except "task"
    "run": [RunOptions],
    "model": [kind.options_class for kind in MODELS.values()],
    "optimizer": [OptimizerOptions],
    "training": [TrainingOptions],
}

# The task checks the range of its values itself.
_PARSERS_OF_TASKS = {int: whole_number(-(2**20), 2**20), float: number, bool: None}


def task_name(text: str) -> str:
    """An argument type: the name of a task of TASKS, or FILE:CLASS. FILE becomes an absolute path."""
    try:
        return task_class(text).identifier()
    except TaskError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_options(parser: Parser, argv: list | None = None):
    """Adds the options in groups, one for each section of the configuration.

    Args:
        parser: the parser that gets the options.
        argv: the command line that will be parsed (default: sys.argv[1:]). If its --task names a class in a file,
            the options of this class are added too.
    """
    early = Parser(prog=parser.prog, add_help=False)
    early.add_argument("--task", type=task_name)
    chosen = early.parse_known_args(argv)[0].task
    try:
        _add_groups(parser, dict.fromkeys([*TASKS, *([] if chosen is None else [chosen])]))
    except argparse.ArgumentError as error:
        parser.error(f"argument --task: {chosen} has a field whose name is taken by an option of train.py: {error}")


def _add_groups(parser, task_names):
    defaults = default_config()
    tasks = {name: default_config(task=name).task for name in task_names}
    models = {name: default_config(model=name).model for name in MODELS}
    _add_section(parser.add_argument_group("run"), defaults.run)
    group = parser.add_argument_group("task", "In brackets: the tasks that have the option, and their defaults.")
    group.add_argument(
        "--task",
        type=task_name,
        metavar=TASK_METAVAR,
        help=f"task to learn: {', '.join(TASKS)}, or a class in a file, such as examples/my_task.py:Parity "
        f"({defaults.task.name})",
    )
    _add_shared(group, tasks)
    group = parser.add_argument_group(
        "model", "In brackets: the models that have the option, and their defaults for the copy task."
    )
    group.add_argument("--model", choices=tuple(models), help=f"model that learns the task ({defaults.model.name})")
    _add_shared(group, models)
    _add_section(parser.add_argument_group("optimizer (RMSProp)"), defaults.optimizer)
    _add_section(parser.add_argument_group("training"), defaults.training)


def config_from_arguments(arguments: dict) -> Config:
    """The configuration that a command line asks for.

    Args:
        arguments: a dict from names of options to values; None for an option that was not given.

    Raises:
        ValueError: an option does not apply to the task or the model, or a value is out of range.
    """
    values = given_values(arguments)
    chosen = {section: values[section].pop("name") for section in ("task", "model") if "name" in values[section]}
    chosen |= {name: value for name, value in values["run"].items() if name == "preset"}
    return default_config(**chosen).replace(**values)


def given_values(arguments: dict) -> dict:
    """The options that were given, by section.

    Args:
        arguments: as in `config_from_arguments`.

    Returns:
        A dict from a section's name to a dict from names of fields to values. In the section "task", the
        key "name" holds the value of --task. In the section "model", it holds the value of --model.
    """
    values = {}
    tasks = [*TASKS.values()] if arguments["task"] is None else [*TASKS.values(), task_class(arguments["task"])]
    for section, classes in {**_CLASSES, "task": tasks}.items():
        names = {field.name for field in _option_fields(*classes)}
        values[section] = {name: arguments[name] for name in names if arguments[name] is not None}
        if arguments.get(section) is not None:
            values[section]["name"] = arguments[section]
    return values


def command_line(config: Config) -> list:
    """The options of train.py that give a configuration. An option is left out if it has the default of the preset, the
    task and the model.
    """
    start = {"preset": config.run.preset, "task": config.task.identifier(), "model": config.model.name}
    defaults, plain = default_config(**start), default_config()
    options = [
        f"--{name}={value}"
        for name, value, usual in zip(
            start, start.values(), (plain.run.preset, plain.task.identifier(), plain.model.name)
        )
        if value != usual
    ]
    for section in dataclasses.fields(Config):
        chosen, usual = getattr(config, section.name), getattr(defaults, section.name)
        for field in _option_fields(type(chosen)):
            value = getattr(chosen, field.name)
            if value != getattr(usual, field.name) and value is not None:
                flag = flag_of(field.name if value is not False else f"no_{field.name}")
                options.append(flag if isinstance(value, bool) else f"{flag}={value}")
    return options if config.run.checkpoint is None else [*options, f"--checkpoint={config.run.checkpoint}"]


def _option_fields(*classes):
    return [field for options_class in classes for field in dataclasses.fields(options_class) if field.metadata]


def _add_section(group, section):
    """Adds the options of a section that has only one class."""
    for field in _option_fields(section):
        default = getattr(section, field.name)
        _add_option(group, field, field.metadata["help"] + ("" if default is None else f" ({_text(default)})"))


def _add_shared(group, sections):
    """Adds the options of all tasks, or of all models. `sections` is a dict from names to default values."""
    owners = {}  # field name -> (help text, default) -> tasks or models with this help text and default
    for name, section in sections.items():
        for field in _option_fields(section):
            entry = field.metadata["help"], _text(getattr(section, field.name))
            owners.setdefault(field.name, {}).setdefault(entry, []).append((name, field))
    for entries in owners.values():
        texts = {}
        for (text, default), who in entries.items():
            texts.setdefault(text, []).append(f"{', '.join(name for name, _ in who)}: {default}")
        (_, field), *_ = next(iter(entries.values()))
        _add_option(group, field, "; ".join(f"{text} ({'; '.join(defaults)})" for text, defaults in texts.items()))


def _add_option(group, field, text):
    flag = flag_of(field.name)
    text = text.replace("%", "%%")  # argparse formats help texts with %
    parse = field.metadata["parse"] if "parse" in field.metadata else _PARSERS_OF_TASKS[field.type]
    if parse is None:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
    elif isinstance(parse, tuple):
        group.add_argument(flag, choices=parse, help=text)
    else:
        group.add_argument(flag, type=parse, metavar="N", help=text)


def _text(value):
    """A default value as help texts show it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
