"""Checkpoints: tensors on disk in TensorFlow's format, and the checkpoints that a run keeps.

A run's checkpoint is the directory checkpoints/step-N. It holds the tensors, in files whose names begin with
model.ckpt, and a record of the other files of the run, see record.py.
"""

import contextlib
import re
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from experiment import atomic
from experiment.errors import CheckpointError, first_line
from experiment.record import Record, write_record

KEPT_CHECKPOINTS = 5  # number of checkpoints that a run keeps, the newest ones
PREFIX = "model.ckpt"


def save_checkpoint(run_dir: Path, variables: dict, iteration: int, record: Record | None = None):
    """Atomically writes a checkpoint of a run, then deletes all but the newest KEPT_CHECKPOINTS.

    Args:
        run_dir: the run directory.
        variables: a dict from names to variables.
        iteration: the number of updates so far.
        record: what the run directory holds now.

    Raises:
        OSError, tf.errors.OpError: the checkpoint cannot be written.
    """
    with atomic.creating_directory(checkpoint_path(run_dir, f"step-{iteration}")) as directory:
        write_tensors(directory / PREFIX, variables)
        if record is not None:
            write_record(directory, record)
    for surplus in checkpoints(run_dir)[KEPT_CHECKPOINTS:]:
        atomic.delete_directory(surplus)


def delete_checkpoints_after(run_dir: Path, iteration: int):
    """Deletes all checkpoints that were written after `iteration`, and the unfinished files of killed processes."""
    atomic.discard_leftovers(Path(run_dir) / "checkpoints", ["step-*"])
    for directory in checkpoints(run_dir):
        if iteration_of(directory) > iteration:
            atomic.delete_directory(directory)


def checkpoints(run_dir: Path) -> list:
    """The directories of a run's checkpoints, newest first."""
    found = [entry for entry in (Path(run_dir) / "checkpoints").glob("step-*") if _is_name(entry.name)]
    return sorted(found, key=iteration_of, reverse=True)


def candidates(run_dir: Path, name: str | None) -> list:
    """The directory of the named checkpoint. If `name` is None: the directories of all checkpoints, newest first.

    Raises:
        ValueError: `name` is not step-N. Paths are refused, because a path could lead to a checkpoint of another run.
        CheckpointError: the run has no checkpoint `name`.
    """
    found = checkpoints(run_dir)
    if name is None:
        return found
    if not _is_name(name):
        raise ValueError(f"checkpoint={name} is not the name of a checkpoint of {run_dir}; the names are step-N")
    named = checkpoint_path(run_dir, name)
    if not named.is_dir():
        kept = ", ".join(directory.name for directory in found) or "no checkpoint"
        raise CheckpointError(f"checkpoint {named} is missing; {run_dir} has {kept}")
    return [named]


def checkpoint_path(run_dir: Path, name: str) -> Path:
    """The directory of the checkpoint `name`, "step-N"."""
    return Path(run_dir) / "checkpoints" / name


def iteration_of(directory: Path) -> int:
    """The iteration N of a checkpoint's directory step-N."""
    return int(directory.name.removeprefix("step-"))


def _is_name(name):
    return re.fullmatch(r"step-(0|[1-9][0-9]{0,9})", name) is not None


def read_tensors(prefix: str | Path) -> dict:
    """Reads all tensors of a checkpoint and verifies their checksums.

    Args:
        prefix: the path of the checkpoint's files without ".index" and ".data-00000-of-00001".

    Returns:
        A dict from names to arrays.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    for suffix in (".index", ".data-00000-of-00001"):
        if not Path(f"{prefix}{suffix}").is_file():
            raise CheckpointError(f"checkpoint file {prefix}{suffix} is missing")
    try:
        with _without_pattern(Path(prefix)) as readable:
            reader = tf.train.load_checkpoint(str(readable))
            return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, OSError, ValueError, RuntimeError, IndexError) as error:
        raise CheckpointError(f"checkpoint {prefix} is damaged: {first_line(error)}") from None


@contextlib.contextmanager
def _without_pattern(prefix):
    """Yields a path to a checkpoint's files. The path contains no *, ?, [ and no backslash.

    TensorFlow's reader treats a path with one of these characters as a pattern, and then finds no file.
    """
    if not re.search(r"[*?\[\\]", str(prefix)):
        yield prefix
        return
    with tempfile.TemporaryDirectory() as directory:
        link = Path(directory) / "checkpoint"
        link.symlink_to(prefix.parent.absolute(), target_is_directory=True)
        yield link / prefix.name


def write_tensors(prefix: str | Path, tensors: dict):
    """Writes a checkpoint that `read_tensors` can read.

    Args:
        prefix: as in `read_tensors`.
        tensors: a dict from names to tensors or variables.
    """
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.convert_to_tensor(tensor) for tensor in tensors.values()],
    )


def restore(variables: dict, prefix: str | Path):
    """Assigns the tensors of a checkpoint to variables. If it raises, no variable has changed.

    Args:
        variables: a dict from names to variables. The checkpoint may hold other tensors too.
        prefix: as in `read_tensors`.

    Raises:
        CheckpointError: a file is missing or damaged, the checkpoint lacks a variable, or a tensor has another shape
            than its variable.
    """
    tensors = read_tensors(prefix)
    for name, variable in variables.items():
        found = list(tensors[name].shape) if name in tensors else "missing"
        if found != list(variable.shape):
            raise CheckpointError(
                f"checkpoint {prefix} is of another architecture: {name} is {found}, not {list(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(tensors[name])


def variable_name(variable: keras.Variable) -> str:
    """The name of a model's variable in checkpoints. Models of the same architecture have the same variable names."""
    return f"model/{variable.path.partition('/')[2]}"


def model_variables(model: keras.Model) -> dict:
    """A dict from the names in checkpoints to a model's variables."""
    return {variable_name(variable): variable for variable in model.variables}
