"""The options of an NTMCell: the initial values, and the allowed range of each option."""

import dataclasses

from ntm.controller import CONTROLLERS


@dataclasses.dataclass(frozen=True)
class InitialValues:
    """Initial values of an `NTMCell`'s weights and of its learned initial state.

    By default, an untrained read head finds locations by content, and an untrained write head moves by location. Biases
    of the heads have no effect in a cell without `heads_bias`. Shift biases have no effect if `shift_range` is 0.
    """

    forget_bias: float = 0.0  # bias of the LSTM controller's forget gate
    recurrent_std: float = 0.1  # std of the controller's weights for read vectors and for its own previous output
    heads_std: float = 0.1  # std of the weights of the heads' layer
    read_strength_bias: float = 2.0  # bias of the read heads' strengths, before softplus
    read_gate_bias: float = 2.0  # bias of the read heads' gates, before sigmoid; above 0 favours content
    write_gate_bias: float = -4.0  # bias of the write heads' gates, before sigmoid; below 0 favours location
    write_sharpness_bias: float = 2.0  # bias of the write heads' sharpness, before softplus
    read_shift_bias: float = 0.0  # bias of the read heads' shift by +1, before softmax
    write_shift_bias: float = 0.0  # bias of the write heads' shift by +1; 4 moves 0.96 of the weight on if S = 1
    memory_std: float = 1.0  # std of the one row that all locations of a learned memory start with
    write_peak: float = 6.0  # logit of location 0 minus the other locations' logits, in a learned write weighting

    @classmethod
    def of(cls, values):
        """Makes InitialValues from InitialValues, from a dict in a Keras config, or from None (the defaults)."""
        return values if isinstance(values, cls) else cls(**(values or {}))


def group_initial_values(config):
    """Moves the initial values of a Keras config into one dict under `initial_values`.

    Models that were saved before InitialValues existed have a separate key for each initial value.
    """
    names = {field.name for field in dataclasses.fields(InitialValues)} & config.keys()
    if not names:
        return config
    others = {name: value for name, value in config.items() if name not in names}
    return {**others, "initial_values": {name: config[name] for name in names}}


def serializable_options(options):
    """The options for a Keras config, with the InitialValues as a dict."""
    return {**options, "initial_values": dataclasses.asdict(options["initial_values"])}


def check_options(options):
    """Checks that every option is in its range.

    Args:
        options: a dict of `NTMCell`'s arguments.

    Raises:
        ValueError: an option is out of range; the message names it and its value.
    """
    for name in ("controller_units", "memory_locations", "memory_width", "read_heads", "write_heads"):
        if options[name] < 1:
            raise ValueError(f"{name}={options[name]} must be at least 1")
    controller, initial_state = options["controller"], options["initial_state"]
    if controller not in CONTROLLERS:
        raise ValueError(f"controller={controller!r} must be one of {', '.join(CONTROLLERS)}")
    if initial_state not in ("learned", "random"):
        raise ValueError(f"initial_state={initial_state!r} must be 'learned' or 'random'")
    shift_range, locations = options["shift_range"], options["memory_locations"]
    if shift_range < 0:
        raise ValueError(f"shift_range={shift_range} must not be negative")
    if 2 * shift_range + 1 > locations:
        raise ValueError(
            f"shift_range={shift_range} means {2 * shift_range + 1} shifts, more than "
            f"memory_locations={locations} has locations"
        )
    if not options["gradient_clip"] >= 0:
        raise ValueError(f"gradient_clip={options['gradient_clip']} must be at least 0")
