"""Loads the published weights of the reference, camigord/Neural-Turing-Machine, from a TensorFlow 0.12 checkpoint."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiment.checkpoints import read_tensors
from experiment.errors import CheckpointError
from ntm import NTM
from ntm.addressing import AddressingParameters
from ntm.heads import HeadParameters
from ntm.options import group_initial_values

# Options of the NTM that give the reference's architecture. The checkpoint determines the other sizes,
# except N, the number of memory locations.
ARCHITECTURE = {
    "read_heads": 1,
    "write_heads": 1,
    "shift_range": 1,
    "output_reads": False,
    "output_bias": False,
    "heads_bias": False,
    "bounded_vectors": False,
    "smallest_strength": 1.0,
    "forget_bias": 1.0,
    "read_strength_bias": 0.0,
    "read_gate_bias": 0.0,
    "write_gate_bias": 0.0,
    "write_sharpness_bias": 0.0,
    "initial_state": "random",
}

_LSTM = "Sequence_Loop/BasicLSTMCell/Linear"
_NAMES = (f"{_LSTM}/Matrix", f"{_LSTM}/Bias", "controller/interface_weights", "controller/nn_output_weights")


def load_reference_checkpoint(prefix: str | Path, memory_locations: int = 128) -> NTM:
    """Loads the weights that the reference trained.

    Args:
        prefix: the path of the checkpoint's files without ".index" and ".data-00000-of-00001".
        memory_locations: N, which the checkpoint does not contain. The reference has 128.

    Returns:
        NTM, built.

    Raises:
        CheckpointError: a file is missing or damaged, or the checkpoint is not the reference's.
        ValueError: memory_locations is less than 3, the number of shifts.
    """
    weights = _read_weights(prefix)
    units, width = weights.units, weights.width
    input_size = weights.matrix.shape[0] - width - units
    model = NTM(
        output_size=weights.output.shape[1],
        controller="lstm",
        controller_units=units,
        memory_locations=memory_locations,
        memory_width=width,
        **group_initial_values(ARCHITECTURE),
    )
    model.build((None, None, input_size))
    controller = model.cell.controller
    # The rows of `matrix` belong to the input, the read vector and the previous output. The gates have the same order
    # as in ntm. At every step, the reference adds 1 to the forget gate's pre-activation.
    controller.kernel.assign(weights.matrix[:input_size])
    controller.recurrent_kernel.assign(weights.matrix[input_size:])
    controller.bias.assign(weights.bias + np.repeat(np.float32([0, 0, 1, 0]), units))
    model.cell.heads.kernel.assign(weights.interface[:, _interface_columns(width)])
    model.output_layer.kernel.assign(weights.output)
    return model


class _Weights(NamedTuple):
    """The reference's weights, in the order of _NAMES, and two sizes that follow from their shapes."""

    matrix: np.ndarray
    bias: np.ndarray
    interface: np.ndarray
    output: np.ndarray
    units: int  # U
    width: int  # W


def _read_weights(prefix):
    """Reads and checks the _Weights."""
    tensors = read_tensors(prefix)
    for name in _NAMES:
        if name not in tensors:
            raise CheckpointError(f"checkpoint {prefix} is not the reference's: it has no {name}")
        if tensors[name].dtype != np.float32 or tensors[name].ndim != (1 if name.endswith("Bias") else 2):
            raise CheckpointError(f"checkpoint {prefix} is not the reference's: {name} is no float32 matrix or bias")
    matrix, bias, interface, output = (tensors[name] for name in _NAMES)
    units = interface.shape[0]
    # 2 (W + 6) columns for keys, strengths, gates, 3 shifts and sharpness; 2 W columns for the erase and add vectors.
    width = (interface.shape[-1] - 12) // 4
    input_size = matrix.shape[0] - width - units
    expected = (
        (input_size + width + units, 4 * units),
        (4 * units,),
        (units, 4 * width + 12),
        (units, output.shape[-1]),
    )
    for name, shape in zip(_NAMES, expected):
        if tensors[name].shape != shape or min(*shape, width, input_size) < 1:
            raise CheckpointError(
                f"checkpoint {prefix} is not the reference's: {name} has the shape {list(tensors[name].shape)}"
            )
    return _Weights(matrix=matrix, bias=bias, interface=interface, output=output, units=units, width=width)


def _interface_columns(width):
    """For each column of our heads' kernel, the index of the same column in the reference's interface weights."""
    heads = np.array([0, width + 6])[:, np.newaxis]  # first columns of the read head and of the write head
    vectors = np.arange(width)
    columns = HeadParameters(
        addressing=AddressingParameters(
            keys=heads + vectors,
            strengths=heads + width,
            gates=heads + width + 1,
            shifts=heads + width + [5, 4, 3],  # the reference's first shift weight is for offset +1
            sharpness=heads + width + 2,
        ),
        erase_vectors=2 * (width + 6) + vectors,
        add_vectors=2 * (width + 6) + width + vectors,
    )
    return np.concatenate([part.ravel() for part in (*columns.addressing, columns.erase_vectors, columns.add_vectors)])
