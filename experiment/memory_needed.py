"""Refuses sizes for which the machine's memory is too small, before the arrays are allocated.

The estimates count only the largest arrays, and no array twice. A size that is refused can therefore not work. A size
that is not refused may still be too large.
"""

import contextlib
import json
import os
import zipfile
from pathlib import Path

from experiment.config import Config
from experiment.errors import CheckpointError
from ntm import NTM
from ntm.model import SequenceModel
from tasks import Task

NUMBER = 4  # bytes of a float32
WEIGHT_COPIES = 4  # in training: the model's weights, `Trainer.weights`, the gradient, the optimizer's running means
EVALUATION_BATCH = 100  # sequences that run at the same time in an evaluation; limits its memory


def check_training(config: Config):
    """Refuses a configuration whose training cannot fit in memory.

    Raises:
        ValueError: the message names the sizes.
    """
    task, options, training = config.task, vars(config.model), config.training
    weights = WEIGHT_COPIES * NUMBER * count_weights(options, task.input_size, task.output_size)
    steps, batch = task.num_steps(*task.largest), training.batch_size
    history = NUMBER * batch * steps * _state_numbers(options)
    report = NUMBER * EVALUATION_BATCH * max(task.num_steps(*size) for size in (task.largest, *task.report_sizes))
    report *= _step_numbers(options, task)
    sizes = [f"batch_size={batch}"]
    sizes += [f"max_{name}={number}" for name, number in zip(task.size_names, task.largest)]
    sizes += [f"{name}={value}" for name, value in options.items() if name in _SIZES]
    _refuse_beyond_memory(f"training with {' '.join(sizes)}", weights + max(history, report))


def check_evaluation(model: SequenceModel, task: Task, largest: tuple, sequences: int):
    """Refuses sequences whose evaluation cannot fit in memory.

    Args:
        model: an NTM or an LSTM, built.
        task: Task.
        largest: the largest size, a tuple.
        sequences: the number of sequences of each size.

    Raises:
        ValueError: the message names the number of steps.
    """
    options, batch = model.options, min(sequences, EVALUATION_BATCH)
    steps = task.num_steps(*largest)
    numbers = batch * (steps * _step_numbers(options, task) + _state_numbers(options))
    _refuse_beyond_memory(f"measuring sequences of {steps} steps", NUMBER * numbers)


def check_locations(model: NTM, locations: int):
    """Refuses a number of memory locations if the NTM's state would then not fit in memory. Raises ValueError."""
    options = {**model.options, "memory_locations": locations}
    _refuse_beyond_memory(
        f"a batch with memory_locations={locations}", NUMBER * EVALUATION_BATCH * _state_numbers(options)
    )


def check_weights(options: dict, input_size: int, output_size: int):
    """Refuses a model whose weights cannot fit in memory. Raises ValueError. Arguments as in `count_weights`."""
    sizes = " ".join(f"{name}={value}" for name, value in options.items() if name in _SIZES)
    _refuse_beyond_memory(f"a model with {sizes}", NUMBER * count_weights(options, input_size, output_size))


def check_file(path: Path):
    """Refuses a .keras file with a model whose weights cannot fit in memory. Ignores a damaged file: Keras refuses it.

    Raises:
        CheckpointError: the message names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            options = json.loads(archive.read("config.json"))["config"]
        sizes = options, 1, options["output_size"]
        count_weights(*sizes)
    except Exception:  # damaged files make zipfile and json raise exceptions of many types
        return
    try:
        check_weights(*sizes)
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be loaded: {error}") from None


def count_weights(options: dict, input_size: int, output_size: int) -> int:
    """A lower bound of the number of a model's weights.

    Args:
        options: the options of an NTM or an LSTM, by name.
        input_size: I.
        output_size: O.
    """
    units = options["controller_units"]
    if "memory_width" not in options:
        layers = options["controller_layers"]
        from_layers = (2 * layers - 1) * units  # each layer's own outputs, and those of the layer below
        return 4 * units * (layers * input_size + from_layers) + layers * units * output_size
    width, reads, writes = options["memory_width"], options["read_heads"], options["write_heads"]
    controller = units * (input_size + reads * width)
    if options.get("controller", options.get("name")) in ("lstm", "ntm-lstm"):
        controller = 4 * (controller + units * units)
    heads = units * (reads * width + 3 * writes * width)
    initial = (reads + writes) * options["memory_locations"]
    return controller + heads + initial + units * output_size


_SIZES = ("controller_units", "controller_layers", "memory_locations", "memory_width", "read_heads", "write_heads")


def _state_numbers(options):
    """A lower bound of the number of elements in the state of a sequence, which training stores for each step."""
    units = options["controller_units"]
    if "memory_width" not in options:
        return units * options["controller_layers"]
    heads = options["read_heads"] + options["write_heads"]
    return units + options["memory_locations"] * (options["memory_width"] + heads)


def _step_numbers(options, task):
    """A lower bound of the number of elements that evaluation stores per step.

    Counts inputs, targets, logits, mask and controller outputs.
    """
    return task.input_size + 2 * task.output_size + 1 + options["controller_units"]


def _refuse_beyond_memory(what, needed):
    available = machine_memory()
    if needed > available:
        raise ValueError(f"{what} needs at least {_text(needed)} of memory; this machine has {_text(available)}")


def machine_memory() -> int:
    """Bytes of memory that this machine has, or that its control group allows."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(Path(path).read_text()))
    return min(limits)


def _text(size):
    """Bytes as a text with a unit."""
    return f"{size / 1e9:,.2f} GB"
