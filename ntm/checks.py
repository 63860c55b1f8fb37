"""Checks of what callers hand over: each refusal names the argument, the shape expected and the shape received."""

import tensorflow as tf


def check_shape(name, tensor, expected):
    """Refuses a tensor of another shape. Sizes that are not known yet pass.

    Args:
        name: the argument's name.
        tensor: a tensor or an array.
        expected: a dict from names of axes to their sizes, None for any size.

    Raises:
        ValueError: the rank or a size differs.
    """
    shape = tf.TensorShape(tensor.shape)
    if not shape.is_compatible_with(list(expected.values())):
        wanted = ", ".join(axis if size is None else f"{axis}={size}" for axis, size in expected.items())
        raise ValueError(f"{name} must have the shape [{wanted}], not {shape}")


def check_inputs(inputs, input_size=None):
    """Refuses inputs that are not [B, T, I]."""
    check_shape("inputs", inputs, {"batch": None, "time": None, "features": input_size})


def check_mask(mask, inputs):
    """Refuses a mask that is not [B, T], for inputs [B, T, I]."""
    if mask is not None:
        batch_size, length, _ = inputs.shape
        check_shape("mask", mask, {"batch": batch_size, "time": length})


def check_steps(steps, inputs):
    """Refuses a number of steps that is not from 0 to T, where both are known. Returns it as an int32 scalar."""
    if steps is None:
        return None
    steps = tf.cast(steps, tf.int32)
    check_shape("steps", steps, {})
    value, length = tf.get_static_value(steps), inputs.shape[1]
    if value is not None and (value < 0 or (length is not None and value > length)):
        raise ValueError(f"steps={value} must be from 0 to the {length} steps of the inputs")
    return steps


def check_state(state, expected, batch_size):
    """Refuses an initial state of another structure or other shapes.

    Args:
        state: a structure of tensors.
        expected: the same structure of shapes of one sequence's state.
        batch_size: B, or None.

    Raises:
        ValueError: the structure or a shape differs.
    """
    try:
        tf.nest.assert_same_structure(state, tf.nest.map_structure_up_to(state, lambda _: 0, expected))
    except (TypeError, ValueError):
        raise ValueError(f"initial_state must be {type(expected).__name__} with the model's controller state") from None
    for name, tensor, shape in zip(expected._fields, state, expected):
        tensors, shapes = (tensor, shape) if name == "controller" else ([tensor], [shape])
        for part, sizes in zip(tensors, shapes):
            check_shape(
                f"initial_state.{name}",
                part,
                {"batch": batch_size, **{f"axis {i + 1}": size for i, size in enumerate(sizes)}},
            )
