"""The run directory: everything that a run leaves on disk. After a kill at any moment the run can be resumed.

config.json               the configuration, see config.py
metrics.csv               a row every --log-every iterations, see metrics_file.py
solved.json               the iteration at which the task was solved, if it was, see solved.py
events.out.tfevents.*     the metrics for TensorBoard, see events.py
details/                  histograms of gradients, and figures, for TensorBoard
*.png                     the newest figures, see figures.py
model.keras               the model at the end of training, for keras.saving.load_model and evaluate.py --weights
checkpoints/step-N/       weights, optimizer and counters after N iterations, see checkpoints.py
.lock                     locked by the train.py that writes to the directory
"""

import json
from pathlib import Path

import filelock

from experiment import atomic
from experiment.checkpoints import delete_checkpoints_after, save_checkpoint
from experiment.errors import RunError
from experiment.events import Events
from experiment.metrics_file import append_row, read_rows, write_rows
from experiment.solved import delete_solved, read_solved, write_solved

MODEL = "model.keras"


class RunDirectory:
    """A run directory, locked against other processes until it is closed.

    Args:
        path: the directory.
        config: the configuration of a new run, a dict for config.json. None opens a run that exists.

    Attributes:
        path: the directory.
        config: the content of config.json, a dict.
        solved: the result of `read_solved`. It is valid after `start_metrics`.

    Raises:
        RunError: the directory cannot be written or is in use. If `config` is given: the directory is not empty. If
            `config` is None: the directory holds no run.
    """

    def __init__(self, path, config: dict | None = None):
        self.path = Path(path)
        if config is None:
            self.config = read_config(self.path)
        self._events = None
        self.solved = None
        try:
            # This check precedes the lock, so that a directory of other files gets no .lock. The check is repeated
            # under the lock, because another process may have started a run.
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
            reason = "holds a run: use --resume to continue it" if "config.json" in present else "is not empty"
            raise RunError(f"{self.path} {reason}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Unlocks the directory."""
        if self._events:
            self._events.close()
        self._lock.release()

    def write_config(self, config: dict):
        """Atomically replaces config.json."""
        self.config = config
        atomic.write_file(self.path / "config.json", json.dumps(config, indent=2).encode() + b"\n")

    def record_solved(self, when: dict):
        """Writes solved.json. `when` has the keys "iteration" and "sequences"."""
        self.solved = when
        write_solved(self.path, when)

    def start_metrics(self, iteration: int):
        """Prepares the directory for training from `iteration` on.

        Deletes everything written after `iteration`. Also deletes model.keras, the figures, and a last row of
        metrics.csv that covers fewer than `log_every` iterations.
        """
        solved = read_solved(self.path)
        self.solved = solved if solved and solved["iteration"] <= iteration else None
        if self.solved is None:
            delete_solved(self.path)
        path, log_every = self.path / "metrics.csv", self.config["log_every"]
        rows = read_rows(path) if path.exists() else []
        rows = [row for row in rows if int(row[0]) <= iteration and int(row[0]) % log_every == 0]
        write_rows(path, rows)
        for outdated in (self.path / MODEL, *self.path.glob("*.png")):
            outdated.unlink(missing_ok=True)
        if self._events:
            self._events.close()
        self._events = Events(self.path, iteration, rows)

    def log(self, row: dict):
        """Appends a row to metrics.csv and to the events. `row` is a dict from COLUMNS to numbers."""
        append_row(self.path / "metrics.csv", row)
        self._events.add_metrics(row)

    def add_histograms(self, tensors: dict, iteration: int):
        """Writes a histogram of each tensor of a dict to details/."""
        self._events.add_histograms(tensors, iteration)

    def add_figure(self, name: str, png: bytes, iteration: int):
        """Writes a figure, given as the content of a PNG file, to NAME.png and to details/."""
        atomic.write_file(self.path / f"{name}.png", png)
        self._events.add_figure(name, png, iteration)

    def save(self, variables: dict, iteration: int):
        """Writes a checkpoint, see `save_checkpoint`."""
        save_checkpoint(self.path, variables, iteration)

    def save_model(self, model):
        """Atomically writes a Keras model to model.keras."""
        with atomic.replacing(self.path / MODEL) as aside:
            model.save(aside)

    def delete_checkpoints_after(self, iteration: int):
        """Deletes all checkpoints that were written after `iteration`."""
        delete_checkpoints_after(self.path, iteration)


def read_config(run_dir) -> dict:
    """Reads the config.json of a run.

    Raises:
        RunError: the file is missing, or it is not JSON.
    """
    try:
        return json.loads((Path(run_dir) / "config.json").read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"{run_dir} holds no run: its config.json cannot be read ({reason})") from None


def newest_run(root) -> Path:
    """The run directory under `root` whose config.json was written last.

    Raises:
        RunError: there is no run.
    """
    configs = sorted(Path(root).glob("*/config.json"), key=lambda config: config.stat().st_mtime)
    if not configs:
        raise RunError(f"no run in {root}/")
    return configs[-1].parent


def new_directory(root, name: str) -> Path:
    """Makes the directory `root`/`name`, or `root`/`name`-2, -3, ... if it exists. Returns its path."""
    path, number = Path(root) / name, 1
    while True:
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1
            path = Path(root) / f"{name}-{number}"
