"""The models that can be trained, and their options. Turns the options into arguments of the constructors in ntm."""

import dataclasses
from typing import NamedTuple

import keras

from experiment.command_line import COUNT, number, number_from_zero, whole_number
from experiment.fields import defaults_of, option
from ntm import LSTM, NTM, InitialValues, NTMCell
from ntm.model import SequenceModel
from ntm.options import group_initial_values


@dataclasses.dataclass(frozen=True)
@defaults_of(NTMCell, NTM, InitialValues)
class NTMOptions:
    """The options of `ntm.NTM`, initial values included. NTM, NTMCell and InitialValues explain them."""

    name: str  # "ntm-lstm" or "ntm-feedforward"
    output_bias: bool = option(None, "give the output layer a bias")
    controller_units: int = option(COUNT, "width of the controller, or of each layer of the LSTM")
    memory_locations: int = option(COUNT, "number of memory locations, N")
    memory_width: int = option(COUNT, "width of a memory location, W")
    read_heads: int = option(COUNT, "number of read heads, R")
    write_heads: int = option(COUNT, "number of write heads, Q")
    shift_range: int = option(
        whole_number(0, 2**20), "largest shift of a head in either direction; 2N+1 is at most --memory-locations"
    )
    output_reads: bool = option(None, "pass the read vectors to the output layer")
    heads_bias: bool = option(None, "give the heads' layer a bias")
    bounded_vectors: bool = option(None, "pass keys and add vectors through tanh")
    smallest_strength: float = option(number_from_zero, "smallest key strength")
    forget_bias: float = option(number, "initial bias of the LSTM's forget gates")
    recurrent_std: float = option(number_from_zero, "std of the controller's initial recurrent weights")
    heads_std: float = option(number_from_zero, "std of the initial weights of the heads' layer")
    read_strength_bias: float = option(number, "initial bias of the read heads' key strengths")
    read_gate_bias: float = option(number, "initial bias of the read heads' gates")
    write_gate_bias: float = option(number, "initial bias of the write heads' gates")
    write_sharpness_bias: float = option(number, "initial bias of the write heads' sharpness")
    read_shift_bias: float = option(number, "initial bias of the read heads' shift by +1")
    write_shift_bias: float = option(number, "initial bias of the write heads' shift by +1")
    initial_state: str = option(("learned", "random"), "state before the first step")
    memory_std: float = option(number_from_zero, "std of the learned memory's initial values")
    location_rows: bool = option(None, "give each location of the learned memory an initial row of its own")
    write_peak: float = option(number, "initial logit of location 0 in the learned write weightings")
    gradient_clip: float = option(
        number_from_zero, "clip gradients inside an NTM's steps to +-N, element by element; 0: do not clip"
    )


@dataclasses.dataclass(frozen=True)
@defaults_of(LSTM)
class LSTMOptions:
    """The options of `ntm.LSTM`."""

    name: str  # "lstm"
    controller_units: int = option(COUNT, "width of the controller, or of each layer of the LSTM")
    controller_layers: int = option(COUNT, "number of layers")
    forget_bias: float = option(number, "initial bias of the LSTM's forget gates")


class ModelKind(NamedTuple):
    """What a value of --model selects: the class of the model, the class of its options, and fixed arguments."""

    model_class: type
    options_class: type
    fixed: dict  # arguments of the model's constructor that --model determines, by name


MODELS = {
    "ntm-lstm": ModelKind(model_class=NTM, options_class=NTMOptions, fixed={"controller": "lstm"}),
    "ntm-feedforward": ModelKind(model_class=NTM, options_class=NTMOptions, fixed={"controller": "feedforward"}),
    "lstm": ModelKind(model_class=LSTM, options_class=LSTMOptions, fixed={}),
}


def make_model(
    options: NTMOptions | LSTMOptions,
    input_size: int,
    output_size: int,
    seed: int,
    model_class: type[SequenceModel] | None = None,
) -> keras.Model:
    """Makes a model and its initial weights.

    Args:
        options: NTMOptions or LSTMOptions.
        input_size: I.
        output_size: O.
        seed: determines the initial weights.
        model_class: a subclass of the model's class, to be used in place of that class.

    Raises:
        ValueError: an option is out of range.
    """
    kind = MODELS[options.name]
    arguments = dataclasses.asdict(options)
    del arguments["name"]
    if isinstance(options, NTMOptions):
        arguments = group_initial_values(arguments)
    keras.utils.set_random_seed(seed)
    model = (model_class or kind.model_class)(output_size=output_size, **kind.fixed, **arguments)
    model.build((None, None, input_size))
    return model
