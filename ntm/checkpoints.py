"""Checkpoints in TensorFlow's format, every error told in one line."""

from pathlib import Path

import tensorflow as tf


class CheckpointError(Exception):
    """A checkpoint is missing, damaged or of another architecture; the message says which file, and what."""


def read_tensors(prefix):
    """All tensors of a checkpoint, their checksums verified.

    Args:
        prefix: the path of the checkpoint's files up to ".index" and ".data-00000-of-00001".

    Returns:
        A dict from names to arrays.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    for suffix in (".index", ".data-00000-of-00001"):
        if not Path(f"{prefix}{suffix}").is_file():
            raise CheckpointError(f"checkpoint file {prefix}{suffix} is missing")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise CheckpointError(f"checkpoint {prefix} is damaged: {first_line(error)}") from None


def write_tensors(prefix, tensors):
    """Writes a checkpoint that `read_tensors` reads.

    Args:
        prefix: as for `read_tensors`.
        tensors: a dict from names to tensors or variables.
    """
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.convert_to_tensor(tensor) for tensor in tensors.values()],
    )


def restore(variables, prefix):
    """Assigns a checkpoint's tensors to variables, all of them or none.

    Args:
        variables: a dict from names to variables; the checkpoint may hold more.
        prefix: as for `read_tensors`.

    Raises:
        CheckpointError: a file is missing or damaged, or the checkpoint lacks a variable or has it in another shape.
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


def variable_name(variable):
    """The name that checkpoints give a model's variable, the same for every model of one architecture."""
    return f"model/{variable.path.partition('/')[2]}"


def model_variables(model):
    """A model's variables by the names that checkpoints give them."""
    return {variable_name(variable): variable for variable in model.variables}


def first_line(error):
    """The first line of an exception's message."""
    return str(error).strip().partition("\n")[0]
