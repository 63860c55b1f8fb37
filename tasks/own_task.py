"""Loads a task class from a file outside this repository, named as FILE:CLASS."""

import dataclasses
import functools
import importlib.util
import inspect
import re
import sys
import traceback
from pathlib import Path

import tensorflow as tf

from tasks.task import Task

_OPTION_TYPES = int, float, bool
_CONSTANTS = "name", "input_size", "output_size"  # what a class must define besides its methods


class TaskError(ValueError):
    """A task cannot be loaded or used. The message has one line. It names the task, its file and the reason."""


def load_class(reference: str) -> type[Task]:
    """Loads a task class from a file. Sets the class's `source` to FILE:CLASS with the absolute path of the file.

    Args:
        reference: FILE:CLASS, such as "examples/my_task.py:Parity".

    Raises:
        TaskError: the file is missing or raises an exception, or the class is missing or is no usable task.
    """
    file, _, class_name = reference.rpartition(":")
    path = Path(file).resolve()
    module = _load_module(path)
    task_class = getattr(module, class_name, None)
    if getattr(task_class, "__module__", None) != module.__name__ or not inspect.isclass(task_class):
        raise TaskError(f"{path} defines no class {class_name!r}")
    if not issubclass(task_class, Task):
        raise TaskError(f"{path}: {class_name} is no task, because it is no subclass of tasks.Task")
    _check_class(task_class, f"{path}: {class_name}")
    task_class.source = f"{path}:{class_name}"
    _check_defaults(task_class, path)
    return task_class


@functools.cache
def _load_module(path):
    """Executes a file once. Returns its module."""
    if not path.is_file():
        raise TaskError(f"{path} is not a file")
    spec = importlib.util.spec_from_file_location(f"own_task:{path}", path)
    if spec is None:
        raise TaskError(f"{path} is no Python file: its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look up the module of a class here
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise TaskError(f"{path} cannot be imported: {_describe(error, path)}") from error
    return module


def _check_class(task_class, owner):
    missing = [*getattr(task_class, "__abstractmethods__", ())]
    missing += [name for name in _CONSTANTS if not hasattr(task_class, name)]
    if missing:
        raise TaskError(f"{owner} lacks {', '.join(sorted(missing))}")
    if not isinstance(task_class.name, str) or not re.fullmatch(r"[\w.-]+", task_class.name):
        raise TaskError(f"{owner}.name is {task_class.name!r}; it must consist of letters, digits, '-', '_' and '.'")
    if "__dataclass_params__" not in vars(task_class):
        raise TaskError(f"{owner} is no dataclass: write @dataclasses.dataclass(frozen=True) above it")
    for field in dataclasses.fields(task_class):
        if field.type not in _OPTION_TYPES:
            type_name = getattr(field.type, "__name__", field.type)
            raise TaskError(
                f"{owner}.{field.name} has the type {type_name}; an option has the type int, float or bool, and a "
                "constant is a ClassVar"
            )


def _check_defaults(task_class, path):
    """Makes the task with the default options, and checks its report sizes."""
    try:
        task = task_class()
        for size in task.report_sizes:
            task.check(size)
    except Exception as error:  # whatever the user's code raises
        raise TaskError(f"{task_class.source} cannot be used: {_describe(error, path)}") from error


@functools.cache
def check_batch(task: Task):
    """Makes a batch of a task from a file, checks its shapes, and traces its TensorFlow graph.

    Call this function after the devices are chosen, because it runs TensorFlow operations. The tasks of this repository
    are not checked.

    Raises:
        TaskError: the task makes no batch, or a batch of wrong shapes.
    """
    if task.source is None:
        return
    path = Path(task.source.rpartition(":")[0])
    try:
        batch = task.batch([0, 0], 2)
        steps = task.num_steps(*task.largest)
        found = {name: tuple(getattr(batch, name).shape) for name in ("inputs", "targets", "mask")}
    except Exception as error:  # whatever the user's code raises
        raise TaskError(f"{task.source} makes no batch: {_describe(error, path)}") from error
    expected = {
        "inputs": (2, steps, task.input_size),
        "targets": (2, steps, task.output_size),
        "mask": (2, steps),
    }
    for name, shape in expected.items():
        if found[name] != shape:
            raise TaskError(f"{task.source} makes {name} of the shape {found[name]}, not {shape}")
    try:
        graph = tf.function(lambda seed: task.batch(seed, 2), autograph=False)
        graph.get_concrete_function(tf.TensorSpec([2], tf.int32))
    except Exception as error:  # whatever the user's code raises
        reason = _describe(error, path)
        raise TaskError(f"{task.source} makes no batch in training, where sizes are tensors: {reason}") from error


def _describe(error, path):
    """The type and the message of an exception, as one line of text.

    If the exception comes from the file `path`, the text ends with a line number: the line of the syntax error, or the
    last line of the file in the traceback.
    """
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = error.lineno
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = lines[-1] if lines else None
    message = str(error.msg if isinstance(error, SyntaxError) else error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {message}" + (f" (line {line})" if line else "")
