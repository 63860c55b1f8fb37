"""The run directory: everything that a run leaves on disk. After a kill at any moment the run can be resumed.

config.json               the configuration, see config.py
metrics.csv               a row every --log-every iterations, see metrics_file.py
solved.json               the iteration at which the task was solved, if it was, see solved.py
events.out.tfevents.*     the metrics for TensorBoard, see events.py
details/                  histograms of gradients, and figures, for TensorBoard
*.png                     the newest figures, see figures.py
report.html               the report at the end of training, see report.py
model.keras               the model at the end of training, for keras.saving.load_model and evaluate.py --weights
checkpoints/step-N/       weights, optimizer and counters after N iterations, see checkpoints.py;
                          record.json describes the other files at that time, see record.py
.lock                     locked by the train.py that writes to the directory
"""

import errno
import json
from pathlib import Path

import filelock
import keras

from experiment import atomic, restoring
from experiment.checkpoints import delete_checkpoints_after, save_checkpoint
from experiment.config_file import read_config
from experiment.errors import RunError, file_and_reason, first_line
from experiment.events import Events
from experiment.metrics_file import append_row, row_text, write_rows
from experiment.record import Record, read_record, row_checksum
from experiment.solved import write_solved
from experiment.streams import warn

MODEL, REPORT = "model.keras", "report.html"


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

    def __init__(self, path: str | Path, config: dict | None = None):
        self.path = Path(path)
        if config is None:
            self.config = read_config(self.path)
        self._events, self._rows = None, {}
        self.solved = None
        try:
            # This check precedes the lock, so that a directory of other files gets no .lock. The check is repeated
            # under the lock, because another process may have started a run.
            if config is not None and self.path.is_dir():
                self._refuse_unless_empty()
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunError(f"{self.path} is in use by another train.py") from None
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            if config is not None:
                self._refuse_unless_empty()
                self.write_config(config)
            atomic.discard_leftovers(self.path, ["config.json", "metrics.csv", "solved.json", MODEL, REPORT, "*.png"])
            (self.path / "checkpoints").mkdir(exist_ok=True)
        except OSError as error:
            self.close()
            raise self._unwritable(error) from None
        except BaseException:
            self.close()
            raise

    def _refuse_unless_empty(self):
        present = {entry.name for entry in self.path.iterdir()} - {".lock", ".config.json"}  # a kill may leave these
        if present:
            reason = "holds a run: use --resume to continue it" if "config.json" in present else "is not empty"
            raise RunError(f"{self.path} {reason}")

    def _unwritable(self, error):
        """A RunError for an OSError."""
        of_path = error.filename in (None, self.path, str(self.path))
        return RunError(f"{self.path} cannot be written: {error.strerror if of_path else file_and_reason(error)}")

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

    def start_metrics(self, iteration: int, checkpoint: Path | None = None):
        """Prepares the directory for training from `iteration` on.

        Deletes everything written after `iteration`. Also deletes model.keras, report.html, the figures, and a last row
        of metrics.csv that covers fewer than `log_every` iterations. Says on standard error what has been lost or
        changed since the checkpoint was written.

        Args:
            iteration: the number of updates so far.
            checkpoint: the directory of the checkpoint that the run resumes from; None if it does not resume from one.
        """
        record = None
        try:
            if checkpoint is not None:
                record = read_record(checkpoint)
        except ValueError as error:
            warn(f"train.py: {error}")
        self.solved = restoring.restore_solved(self.path, iteration, record)
        rows = restoring.restore_rows(self.path, iteration, self.config["log_every"], record)
        write_rows(self.path / "metrics.csv", rows)
        self._rows = {int(row[0]): row_checksum(row_text(row)) for row in rows}
        for outdated in (self.path / MODEL, self.path / REPORT, *self.path.glob("*.png")):
            outdated.unlink(missing_ok=True)
        if self._events:
            self._events.close()
        self._events = Events(self.path, iteration, rows)
        restoring.report_missing_details(self.path, self._events, record)

    def log(self, row: dict):
        """Appends a row to metrics.csv and to the events. `row` is a dict from COLUMNS to numbers."""
        texts = append_row(self.path / "metrics.csv", row)
        if row["iteration"] % self.config["log_every"] == 0:  # a resumed run deletes the other rows
            self._rows[row["iteration"]] = row_checksum(row_text(texts))
        self._events.add_metrics(row)

    def add_histograms(self, tensors: dict, iteration: int):
        """Writes a histogram of each tensor of a dict to details/."""
        self._events.add_histograms(tensors, iteration)

    def add_figure(self, name: str, png: bytes, iteration: int):
        """Writes a figure, given as the content of a PNG file, to NAME.png and to details/."""
        atomic.write_file(self.path / f"{name}.png", png)
        self._events.add_figure(name, png, iteration)

    def write_report(self, html: bytes):
        """Atomically replaces report.html."""
        atomic.write_file(self.path / REPORT, html)

    def save(self, variables: dict, iteration: int):
        """Writes a checkpoint, see `save_checkpoint`, with a record of what the directory holds now.

        Histograms and figures of `iteration` must be written first. If the process is killed before the checkpoint is
        complete, the resumed run writes them again.
        """
        details = self._events.details() if self._events else {}
        record = Record(config=self.config, rows=self._rows, solved=self.solved, details=details)
        save_checkpoint(self.path, variables, iteration, record)

    def save_model(self, model: keras.Model):
        """Atomically writes a Keras model to model.keras.

        Raises:
            OSError: the file cannot be written.
        """
        path = self.path / MODEL
        with atomic.replacing(path) as aside:
            try:
                model.save(aside)
            except OSError:
                raise
            except Exception as error:  # with a full disk, Keras and h5py raise exceptions of many types
                raise OSError(errno.EIO, first_line(error), str(path)) from None

    def delete_checkpoints_after(self, iteration: int):
        """Deletes all checkpoints that were written after `iteration`."""
        delete_checkpoints_after(self.path, iteration)


def newest_run(root: str | Path) -> Path:
    """The run directory under `root` whose config.json was written last.

    Raises:
        RunError: there is no run.
    """
    configs = [config for config in Path(root).glob("*/config.json") if config.is_file()]
    if not configs:
        raise RunError(f"no run in {root}/")
    return max(configs, key=lambda config: config.stat().st_mtime).parent


def new_directory(root: str | Path, name: str) -> Path:
    """Makes the directory `root`/`name`, or `root`/`name`-2, -3, ... if it exists. Returns its path.

    Raises:
        RunError: no directory can be made there.
    """
    path, number = Path(root) / name, 1
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"no run can be made in {root}/: {root} is not a directory") from None
    except OSError as error:
        raise RunError(f"no run can be made in {root}/: {error.strerror}") from None
    while True:
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1
            path = Path(root) / f"{name}-{number}"
        except OSError as error:
            raise RunError(f"no run can be made in {root}/: {error.strerror}") from None
