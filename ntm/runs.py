"""The run directory: a run's configuration, metrics, events and checkpoints, safe against a kill at any moment.

config.json               all that the run was asked to do
metrics.csv               one row each --log-every iterations
solved.json               when the task was first done without an error, if it was: iteration and sequences
events.out.tfevents.*     the same for TensorBoard
details/                  TensorBoard events of another kind: histograms of gradients, figures
*.png                     figures, as they were last drawn
model.keras               the model as training ended, for keras.saving.load_model and evaluate.py --weights
checkpoints/step-N/       weights, optimizer and counters after N iterations, in TensorFlow's checkpoint format
.lock                     held by the train.py that is writing here
"""

import contextlib
import csv
import json
import os
import re
import shutil
from pathlib import Path

import filelock
import numpy as np
import tensorflow as tf

from ntm.checkpoints import write_tensors

KEPT_CHECKPOINTS = 5
PREFIX = "model.ckpt"  # of the files in a checkpoint's directory
MODEL = "model.keras"
METRICS = ("iteration", "sequences", "seconds", "loss", "hamming_distance", "bits_per_sequence", "gradient_norm")


class RunError(Exception):
    """A run directory cannot be used; the message says which, and why."""


class RunDirectory:
    """A run directory that this process alone writes to, from construction to the end of a `with`.

    Args:
        path: the directory.
        config: a new run's configuration, a dict for config.json; None to go on with the run that is there.

    Raises:
        RunError: the directory holds something and a configuration was given, holds no run and none was, cannot be
            written, or belongs to a live train.py.
    """

    def __init__(self, path, config=None):
        self.path = Path(path)
        if config is None:
            self.config = read_config(self.path)
        self._events = self._details = None
        self.solved = None  # known from `start_metrics` on
        try:
            if config is not None and self.path.is_dir():
                self._refuse_unless_empty()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
            if config is not None:
                self._refuse_unless_empty()
                self.write_config(config)
            (self.path / "checkpoints").mkdir(exist_ok=True)
        except filelock.Timeout:
            raise RunError(f"{self.path} is in use by another train.py") from None
        except OSError as error:
            raise RunError(f"{self.path} cannot be written: {error.strerror}") from None

    def _refuse_unless_empty(self):
        present = {entry.name for entry in self.path.iterdir()} - {".lock"}
        if present:
            what = "holds a run: --resume goes on with it" if "config.json" in present else "is not empty"
            raise RunError(f"{self.path} {what}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Lets another process have the directory."""
        for writer in (self._events, self._details):
            if writer:
                writer.close()
        self._lock.release()

    def write_config(self, config):
        """Makes `config` the run's, all of it or none."""
        self.config = config
        write_aside(self.path / "config.json", json.dumps(config, indent=2).encode() + b"\n")

    def record_solved(self, when):
        """Notes in solved.json when the task was solved: a dict of iteration and sequences."""
        self.solved = when
        write_aside(self.path / "solved.json", json.dumps(when).encode() + b"\n")

    def start_metrics(self, iteration):
        """Readies metrics.csv and the events for rows after `iteration`.

        Of the rows there are, those go that a run cut short wrote past it, and one that a shorter run ended with before
        `log_every` iterations were full. So do a solved.json and details of later iterations, and what the end of a run
        is to make anew: model.keras and the figures.
        """
        solved = read_solved(self.path)
        self.solved = solved if solved and solved["iteration"] <= iteration else None
        if self.solved is None:
            (self.path / "solved.json").unlink(missing_ok=True)
        path, every = self.path / "metrics.csv", self.config["log_every"]
        rows = _whole_rows(path) if path.exists() else []
        rows = [row for row in rows if int(row[0]) <= iteration and int(row[0]) % every == 0]
        write_aside(path, "".join(",".join(row) + "\n" for row in [METRICS, *rows]).encode())
        for made_at_the_end in (self.path / MODEL, *self.path.glob("*.png")):
            made_at_the_end.unlink(missing_ok=True)
        # TensorBoard would draw both what was written before a kill and what is written again.
        for details in (self.path / "details").glob("events.out.tfevents.*"):
            _drop_events_after(details, iteration)
        for old in self.path.glob("events.out.tfevents.*"):
            old.unlink()
        self._events = tf.summary.create_file_writer(str(self.path))
        self._details = tf.summary.create_file_writer(str(self.path / "details"))
        for row in rows:
            self._write_events(int(row[0]), map(float, row[3:]))
        self._events.flush()

    def log(self, row):
        """Appends a row, a dict of METRICS, to metrics.csv and to the events."""
        with (self.path / "metrics.csv").open("a") as file:
            # Nine digits tell any two float32 apart.
            file.write(
                ",".join(f"{row[name]:.9g}" if name in METRICS[3:] else str(row[name]) for name in METRICS) + "\n"
            )
        self._write_events(row["iteration"], [row[name] for name in METRICS[3:]])
        self._events.flush()

    def _write_events(self, iteration, values):
        with self._events.as_default(step=iteration):
            for name, value in zip(METRICS[3:], values):
                tf.summary.scalar(name, value)

    def add_histograms(self, tensors, iteration):
        """Writes a dict of tensors to details/ as histograms."""
        with self._details.as_default(step=iteration):
            for name, tensor in tensors.items():
                tf.summary.histogram(name, tensor)
        self._details.flush()

    def add_figure(self, name, png, iteration):
        """Writes the bytes of a PNG file to NAME.png, in place of the one before, and to details/."""
        write_aside(self.path / f"{name}.png", png)
        with self._details.as_default(step=iteration):
            tf.summary.image(name, tf.image.decode_png(png)[tf.newaxis])
        self._details.flush()

    def save(self, variables, iteration):
        """Writes a dict of variables to checkpoints/step-ITERATION, whole or not at all, and drops the oldest.

        Returns:
            The checkpoint's directory.
        """
        directory = self.path / "checkpoints" / f"step-{iteration}"
        aside = directory.with_name(f".{directory.name}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        write_tensors(aside / PREFIX, variables)
        if directory.exists():
            shutil.rmtree(directory)
        aside.rename(directory)
        for old in checkpoints(self.path)[KEPT_CHECKPOINTS:]:
            shutil.rmtree(old)
        return directory

    def save_model(self, model):
        """Writes a Keras model to model.keras, whole or not at all."""
        aside = self.path / f".{MODEL}"
        model.save(aside)
        aside.replace(self.path / MODEL)

    def drop_checkpoints_after(self, iteration):
        """Removes the checkpoints of later iterations: those that going back makes anew."""
        for directory in checkpoints(self.path):
            if _iteration_of(directory) > iteration:
                shutil.rmtree(directory)


def read_config(path):
    """The configuration of the run in a directory.

    Raises:
        RunError: there is none.
    """
    try:
        return json.loads((Path(path) / "config.json").read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"{path} holds no run: its config.json cannot be read ({reason})") from None


def read_solved(path):
    """When the run in a directory was solved: what its solved.json holds, or None."""
    try:
        solved = json.loads((Path(path) / "solved.json").read_text())
        return {key: int(solved[key]) for key in ("iteration", "sequences")}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_metrics(path):
    """The metrics.csv of the run in a directory: a dict of METRICS, each a float64 array.

    Raises:
        RunError: there is none.
    """
    try:
        rows = _whole_rows(Path(path) / "metrics.csv")
    except OSError as error:
        raise RunError(f"{path} holds no metrics.csv ({error.strerror})") from None
    return dict(zip(METRICS, np.array(rows, np.float64).reshape(-1, len(METRICS)).T))


def checkpoints(path):
    """The directories of a run's checkpoints, newest first."""
    found = [entry for entry in (Path(path) / "checkpoints").glob("step-*") if re.fullmatch(r"step-\d+", entry.name)]
    return sorted(found, key=_iteration_of, reverse=True)


def newest_run(root):
    """The run directory under `root` that was configured last.

    Raises:
        RunError: there is none.
    """
    configs = sorted(Path(root).glob("*/config.json"), key=lambda config: config.stat().st_mtime)
    if not configs:
        raise RunError(f"no run in {root}/")
    return configs[-1].parent


def new_directory(root, name):
    """Makes `root`/`name`, or the first of `root`/`name`-2, -3 ... that does not exist, and returns its path."""
    path, number = Path(root) / name, 1
    while True:
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1
            path = Path(root) / f"{name}-{number}"


def _iteration_of(directory):
    return int(directory.name.removeprefix("step-"))


def _whole_rows(path):
    """The rows of a metrics.csv, lists of text, without the header and without one that a kill cut short."""
    with path.open(newline="") as file:
        return [row for row in csv.reader(file) if _is_whole_row(row)]


def _is_whole_row(row):
    try:
        return len([float(value) for value in row]) == len(METRICS) and row[0].isdigit()
    except ValueError:
        return False


def _drop_events_after(path, iteration):
    """Keeps of a file of events those up to an iteration, as far as the file is whole."""
    aside = path.with_name(f".{path.name}")
    with tf.io.TFRecordWriter(str(aside)) as kept, contextlib.suppress(tf.errors.DataLossError):
        for record in tf.data.TFRecordDataset(str(path)):
            if tf.compat.v1.Event.FromString(record.numpy()).step <= iteration:
                kept.write(record.numpy())
    aside.replace(path)


def write_aside(path, content):
    """Writes a file, of those bytes, that is whole or not there, or still the one before, whatever happens."""
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
