"""metrics.csv: the metrics of training, a row every --log-every iterations."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiment import atomic
from experiment.errors import RunError


class Metrics(NamedTuple):
    """Means over the updates since `Trainer.start_metrics`."""

    loss: float
    hamming_distance: float  # wrong bits per sequence
    bits_per_sequence: float
    gradient_norm: float  # before clipping


COLUMNS = ("iteration", "sequences", "seconds", *Metrics._fields)


def read_metrics(run_dir) -> dict:
    """Reads the metrics.csv of a run.

    Returns:
        A dict from COLUMNS to float64 arrays with an element for each row.

    Raises:
        RunError: there is no metrics.csv.
    """
    try:
        rows = read_rows(Path(run_dir) / "metrics.csv")
    except OSError as error:
        raise RunError(f"{run_dir} holds no metrics.csv ({error.strerror})") from None
    return dict(zip(COLUMNS, np.array(rows, np.float64).reshape(-1, len(COLUMNS)).T))


def read_rows(path: Path) -> list:
    """The rows of a metrics.csv as lists of text, without the header and without incomplete rows that a kill left."""
    with path.open(newline="") as file:
        return [row for row in csv.reader(file) if _is_complete(row)]


def _is_complete(row):
    try:
        return len([float(value) for value in row]) == len(COLUMNS) and row[0].isdigit()
    except ValueError:
        return False


def write_rows(path: Path, rows: list):
    """Atomically replaces a metrics.csv by the header and `rows`, lists of text."""
    atomic.write_file(path, "".join(",".join(row) + "\n" for row in [COLUMNS, *rows]).encode())


def append_row(path: Path, row: dict):
    """Appends a row, a dict from COLUMNS to numbers."""
    # Nine digits distinguish any two float32 numbers.
    texts = (f"{row[name]:.9g}" if name in Metrics._fields else str(row[name]) for name in COLUMNS)
    with path.open("a") as file:
        file.write(",".join(texts) + "\n")
