"""metrics.csv: the metrics of training, a row every --log-every iterations."""

import errno
import os
import re
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


def read_metrics(run_dir: str | Path) -> dict:
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
    numbers = [[float(value) for value in row] for row in rows]
    return dict(zip(COLUMNS, np.array(numbers, np.float64).reshape(-1, len(COLUMNS)).T))


def read_rows(path: Path) -> list:
    """The whole rows of a metrics.csv as lists of text, without the header.

    Skips a row that a killed process left incomplete. Also skips a row that is not numbers or not UTF-8.
    """
    content = atomic.read_file(path).decode("utf-8", "replace")
    # A line without a line break may be cut inside its last number.
    return [row for line in content.split("\n")[:-1] if _is_whole(row := line.rstrip("\r").split(","))]


def _is_whole(row):
    try:
        return len([float(value) for value in row]) == len(COLUMNS) and re.fullmatch("[0-9]{1,10}", row[0])
    except ValueError:
        return False


def write_rows(path: Path, rows: list):
    """Atomically replaces a metrics.csv by the header and `rows`, lists of text."""
    atomic.write_file(path, "".join(f"{row_text(row)}\n" for row in [COLUMNS, *rows]).encode())


def append_row(path: Path, row: dict) -> list:
    """Appends a row, a dict from COLUMNS to numbers. Returns it as a list of text.

    Raises:
        OSError: the row cannot be written; the file is as it was.
    """
    # Nine digits distinguish any two float32 numbers.
    texts = [f"{row[name]:.9g}" if name in Metrics._fields else str(row[name]) for name in COLUMNS]
    with open(path, "r+b", buffering=0) as file:  # a file that somebody deleted is not created anew
        size = file.seek(0, os.SEEK_END)
        try:
            line = f"{row_text(texts)}\n".encode()
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            file.truncate(size)
            error.filename = str(path)
            raise
    return texts


def row_text(row: list) -> str:
    """A row as it stands in the file, without the line break."""
    return ",".join(row)
