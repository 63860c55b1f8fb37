"""The options of an NTMCell: the initial values, and the allowed range of each option."""

import dataclasses
import math
import numbers
from collections.abc import Iterable

import numpy as np

from ntm.controller import CONTROLLERS


@dataclasses.dataclass(frozen=True)
class InitialValues:
    """Initial values of an `NTMCell`'s weights and of its learned initial state.

    By default, an untrained read head finds locations by content, and an untrained write head moves by location. Biases
    of the heads have no effect in a cell without `heads_bias`. Shift biases have no effect if `shift_range` is 0.

    All locations of a learned memory start with the same row by default. A sequence may then begin anywhere and go on
    to locations that training never reached. With `location_rows`, each location starts with a row of its own. A head
    can then find a location by content before anything is written there. Priority sort needs this to order vectors by
    priority. N-grams needs it to keep a table of contexts.

    Raises:
        ValueError: a value is not a finite number, a std is negative, or `location_rows` is no boolean; the message
            names the field and its value.
    """

    forget_bias: float = 0.0  # bias of the LSTM controller's forget gate
    recurrent_std: float = 0.1  # std of the controller's weights for read vectors and for its own previous output
    heads_std: float = 0.1  # std of the weights of the heads' layer
    read_strength_bias: float = 2.0  # bias of the read heads' strengths, before softplus
    read_gate_bias: float = 2.0  # bias of the read heads' gates, before sigmoid; above 0 favours content
    write_gate_bias: float = -4.0  # bias of the write heads' gates, before sigmoid; below 0 favours location
    write_sharpness_bias: float = 2.0  # bias of the write heads' sharpness, before softplus
    read_shift_bias: float = 0.0  # bias of the read heads' shift by +1, before softmax
    write_shift_bias: float = 0.0  # bias of the write heads' shift by +1; a bias of 4 moves 0.96 of the weight if S = 1
    memory_std: float = 1.0  # std of the initial values of a learned memory
    location_rows: bool = False  # whether each location of a learned memory has a row of its own
    write_peak: float = 6.0  # logit of location 0 minus the other locations' logits, in a learned write weighting

    def __post_init__(self):
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type is bool:
                check_boolean(name, value)
            else:
                check_number(name, value, smallest=0 if name.endswith("_std") else -math.inf)

    @classmethod
    def of(cls, values: "InitialValues | dict | None") -> "InitialValues":
        """Makes InitialValues from InitialValues, from a dict in a Keras config, or from None (the defaults).

        Raises:
            ValueError: `values` has another type, or one of its values is out of range.
        """
        if not isinstance(values, (cls, dict, type(None))):
            raise ValueError(f"initial_values={values!r} must be InitialValues, a dict or None")
        return values if isinstance(values, cls) else cls(**(values or {}))


def group_initial_values(config: dict) -> dict:
    """Moves the initial values of a Keras config into one dict under `initial_values`.

    Models that were saved before InitialValues existed have a separate key for each initial value.
    """
    names = {field.name for field in dataclasses.fields(InitialValues)} & config.keys()
    if not names:
        return config
    others = {name: value for name, value in config.items() if name not in names}
    return {**others, "initial_values": {name: config[name] for name in names}}


def serializable_options(options: dict) -> dict:
    """The options for a Keras config, with the InitialValues as a dict."""
    return {**options, "initial_values": dataclasses.asdict(options["initial_values"])}


def check_options(options: dict):
    """Checks that every option is in its range.

    Args:
        options: a dict of `NTMCell`'s arguments.

    Raises:
        ValueError: an option is out of range; the message names it and its value.
    """
    for name in ("controller_units", "memory_locations", "memory_width", "read_heads", "write_heads"):
        check_integer(name, options[name], smallest=1)
    check_choice("controller", options["controller"], CONTROLLERS)
    check_choice("initial_state", options["initial_state"], ("learned", "random"))
    shift_range, locations = options["shift_range"], options["memory_locations"]
    check_integer("shift_range", shift_range, smallest=0)
    if 2 * shift_range + 1 > locations:
        raise ValueError(
            f"shift_range={shift_range} means {2 * shift_range + 1} shifts, more than memory_locations={locations}"
        )
    for name in ("output_reads", "heads_bias", "bounded_vectors"):
        check_boolean(name, options[name])
    for name in ("smallest_strength", "gradient_clip"):
        check_number(name, options[name], smallest=0)


def check_integer(name: str, value, smallest: float = -math.inf):
    """Raises ValueError unless the value of the option `name` is an integer and at least `smallest`."""
    if _is_boolean(value) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name}={value!r} must be an integer")
    if value < smallest:
        raise ValueError(f"{name}={value} must be at least {smallest}")


def check_number(name: str, value, smallest: float = -math.inf):
    """Raises ValueError unless the value of the option `name` is a finite number and at least `smallest`."""
    if _is_boolean(value) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name}={value!r} must be a number")
    if not math.isfinite(value):
        raise ValueError(f"{name}={value} must be finite")
    if value < smallest:
        raise ValueError(f"{name}={value} must be at least {smallest}")


def check_boolean(name: str, value):
    """Raises ValueError unless the value of the option `name` is True or False."""
    if not _is_boolean(value):
        raise ValueError(f"{name}={value!r} must be True or False")


def check_choice(name: str, value, choices: Iterable):
    """Raises ValueError unless the value of the option `name` is one of `choices`, which are strings."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")


def _is_boolean(value):
    return isinstance(value, (bool, np.bool_))
