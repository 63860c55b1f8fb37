"""A Neural Turing Machine (Graves, Wayne and Danihelka 2014, arXiv 1410.5401) in TensorFlow and Keras."""

from ntm import keras_backend  # noqa: F401, checks the backend before other modules need it
from ntm.cell import NTMCell
from ntm.layer import NTMLayer
from ntm.lstm import LSTM
from ntm.metrics import BitsPerSequence, HammingDistance, SequenceCrossEntropy
from ntm.model import NTM
from ntm.options import InitialValues
from ntm.state import NTMState
from ntm.unroll import Trace

__version__ = "0.1.0"  # the package's version; pyproject.toml reads it here

__all__ = [
    "LSTM",
    "NTM",
    "BitsPerSequence",
    "HammingDistance",
    "InitialValues",
    "NTMCell",
    "NTMLayer",
    "NTMState",
    "SequenceCrossEntropy",
    "Trace",
]
