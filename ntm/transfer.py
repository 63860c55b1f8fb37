"""Transfer: copies the weights of a trained NTM into an NTM with a longer memory."""

import numpy as np

from ntm.model import NTM


def with_locations(model: NTM, locations: int) -> NTM:
    """Copies a trained NTM into one with more memory locations.

    The logits [H, N] of the learned initial weightings are cut in the middle, at N/2, and padded there with the mean of
    the two logits beside the cut. Location 0 keeps its neighbours on both sides. No other weight depends on N, except
    the initial memory of a model with `location_rows`.

    Args:
        model: an NTM, built.
        locations: the new N, at least the model's.

    Returns:
        NTM, built.

    Raises:
        ValueError: `locations` is below the model's number of locations. Or it is above that number, and the model has
            `location_rows`: the added locations would have no trained row.
    """
    present = model.options["memory_locations"]
    if locations < present:
        raise ValueError(f"memory_locations={locations} is below the model's {present}")
    if locations > present and model.options["initial_values"].location_rows:
        raise ValueError(
            f"memory_locations={locations} must be {present}: with location_rows, the model has one trained row "
            f"for each of its {present} locations"
        )
    longer = type(model)(**{**model.options, "memory_locations": locations}, dtype=model.dtype_policy)
    longer.build((None, None, model.input_size))
    for variable, trained in zip(longer.variables, model.variables):
        values = np.asarray(trained)
        variable.assign(values if values.shape == tuple(variable.shape) else _pad_in_the_middle(values, locations))
    return longer


def _pad_in_the_middle(logits, locations):
    """[H, N] -> [H, locations]."""
    middle = logits.shape[1] // 2
    padding = np.mean(logits[:, middle - 1 : middle + 1], axis=1, keepdims=True)
    padding = np.repeat(padding, locations - logits.shape[1], axis=1)
    return np.concatenate([logits[:, :middle], padding, logits[:, middle:]], axis=1)
