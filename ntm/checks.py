"""Checks of callers' arguments. Every message names the argument, the expected shape or value, and the received one."""

import numpy as np
import tensorflow as tf


def check_shape(name: str, tensor, axes: str, **sizes):
    """Refuses a tensor whose shape does not fit `axes` and `sizes`. Unknown sizes are accepted.

    Args:
        name: the argument's name.
        tensor: a tensor or an array.
        axes: the names of its axes, such as "B H N".
        **sizes: sizes of axes; None for any size.

    Raises:
        ValueError: the rank or a size differs.
    """
    shape, axes = tf.TensorShape(tensor.shape), axes.split()
    if not shape.is_compatible_with([sizes.get(axis) for axis in axes]):
        known = " and ".join(f"{axis}={sizes[axis]}" for axis in axes if sizes.get(axis) is not None)
        expected = f"[{', '.join(axes)}]" + (f" with {known}" if known else "")
        raise ValueError(
            f"{name} must have the shape {expected}, not {list(shape) if shape.rank is not None else shape}"
        )


def checked_tensors(**arguments):
    """Converts a function's arguments to tensors and checks their shapes. A size that is not known fits every size.

    Args:
        **arguments: a pair for each argument: a tensor or an array, and the names of its axes, such as "B H N". Axes
            with the same name must have the same size. An array gets the dtype of the first tensor. If there is no
            tensor, all arrays get their common float type.

    Returns:
        A list of tensors.

    Raises:
        ValueError: an argument has the wrong shape; the message names the argument and both shapes.
    """
    tensors = _as_tensors([value for value, _ in arguments.values()])
    sizes = {}
    for tensor, (name, (_, axes)) in zip(tensors, arguments.items()):
        check_shape(name, tensor, axes, **sizes)
        if tensor.shape.rank is not None:
            sizes.update({axis: size for axis, size in zip(axes.split(), tensor.shape) if size is not None})
    return tensors


def _as_tensors(values):
    tensors = [tf.convert_to_tensor(value) for value in values if not isinstance(value, np.ndarray)]
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    dtype = tensors[0].dtype if tensors else np.result_type(np.float16, *arrays)
    return [tf.cast(value, dtype) if isinstance(value, np.ndarray) else tf.convert_to_tensor(value) for value in values]


def check_inputs(inputs, input_size: int | None = None, name: str = "inputs"):
    """Refuses inputs that are ragged or not [B, T, I]. `name` is the argument's name."""
    if isinstance(inputs, tf.RaggedTensor):
        raise ValueError(
            f"{name} must be a dense tensor, not a RaggedTensor: pass {name}.to_tensor() and "
            f"mask=tf.sequence_mask({name}.row_lengths())"
        )
    check_shape(name, inputs, "batch time features", features=input_size)


def check_mask(mask, inputs):
    """Refuses a mask that is not [B, T], for inputs [B, T, I]."""
    if mask is not None:
        batch_size, length, _ = inputs.shape
        check_shape("mask", mask, "batch time", batch=batch_size, time=length)


def check_steps(steps, inputs):
    """Refuses a number of steps that is known to be negative or above T. Returns the number as an int32 scalar."""
    if steps is None:
        return None
    steps = tf.cast(steps, tf.int32)
    check_shape("steps", steps, "")
    value, length = tf.get_static_value(steps), inputs.shape[1]
    if value is not None and (value < 0 or (length is not None and value > length)):
        allowed = "at least 0" if length is None else f"from 0 to the number of steps in the inputs, T={length}"
        raise ValueError(f"steps={value} must be {allowed}")
    return steps


def check_state(state, expected, batch_size: int | None):
    """Refuses an initial state of the wrong structure or with wrong shapes.

    Args:
        state: a structure of tensors.
        expected: the expected structure. In place of each tensor it holds the tensor's shape without the batch axis.
        batch_size: B, or None.

    Raises:
        ValueError: the structure or a shape differs.
    """
    check_state_type(state, type(expected))
    if len(state.controller) != len(expected.controller):
        raise ValueError(
            f"initial_state.controller must hold {len(expected.controller)} tensors, not {len(state.controller)}"
        )
    for name, tensor, shape in zip(expected._fields, state, expected):
        tensors, shapes = (tensor, shape) if name == "controller" else ([tensor], [shape])
        for part, sizes in zip(tensors, shapes):
            axes = [f"axis{i + 1}" for i in range(len(sizes))]
            check_shape(
                f"initial_state.{name}", part, " ".join(["batch", *axes]), batch=batch_size, **dict(zip(axes, sizes))
            )


def check_state_type(state, expected: type):
    """Raises ValueError unless an initial state is of the type `expected`."""
    if not isinstance(state, expected):
        raise ValueError(f"initial_state must be of type {expected.__name__}, not {type(state).__name__}")


def check_keras_state(tensors: list, sizes: list, batch_size: int | None, name: str):
    """Refuses a state in Keras's form that does not hold a tensor [B, size] for each size.

    Args:
        tensors: a list of tensors.
        sizes: the cell's `state_size`.
        batch_size: B, or None.
        name: the state's name in messages.

    Raises:
        ValueError: the number of tensors or a shape differs.
    """
    if not isinstance(tensors, (list, tuple)) or len(tensors) != len(sizes):
        received = f"{len(tensors)} tensors" if isinstance(tensors, (list, tuple)) else type(tensors).__name__
        raise ValueError(f"{name} must be a list of {len(sizes)} tensors, not {received}")
    for position, (tensor, size) in enumerate(zip(tensors, sizes)):
        check_shape(f"{name}[{position}]", tensor, "batch size", batch=batch_size, size=size)
