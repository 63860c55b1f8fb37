"""Runs train.py and evaluate.py inside one process, for faults.py. A command then takes milliseconds, not seconds.

The commands read and write files with their own code. `Fingerprint` replaces the evaluation. `count_up` replaces the
compiled update: it changes all variables without compilation. As in training, each value depends on earlier values. The
models are small: to find faults, no model needs to have learned its task.
"""

import base64
import contextlib
import dataclasses
import io
import shutil
import signal
from pathlib import Path
from unittest import mock

import tensorflow as tf

import evaluate
import train
from experiment import build, loop, solved, start_or_resume
from experiment.checkpoints import PREFIX, checkpoints, model_variables, read_tensors
from experiment.config import Config
from experiment.memory_needed import count_weights
from experiment.metrics_file import COLUMNS, read_rows
from experiment.trainer import Trainer
from tasks.copy_task import CopyTask

SOLVED_AT, LONGEST_SECONDS = 240, 300
SIZES = ["--max-length=3", "--controller-units=8", "--log-every=20", "--checkpoint-every=100"]
MODELS = {
    "lstm": ["--model=lstm", "--controller-layers=1"],
    "ntm-lstm": ["--memory-locations=9", "--memory-width=5"],
}
PNG = base64.b64decode(  # one pixel; it replaces the figures, which take seconds to draw
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


class TooLargeError(Exception):
    """An accepted command line asks for a model that is too large for this program."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The judgement of one try of faults.py."""

    ending: str  # one of faults.ENDINGS
    why: str = ""  # what happened, for a reader


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether the command ended with an error in one line, and status 1 or 2."""
        errors = [line for line in self.err.splitlines() if ": error: " in line]
        return self.status in (1, 2) and len(errors) == 1 and self.err.endswith("\n") and self.well_said

    @property
    def well_said(self) -> bool:
        """Whether every line on standard error is a message of the command."""
        return all(line.startswith(("train.py: ", "evaluate.py: ")) for line in self.err.splitlines())


@contextlib.contextmanager
def small_runs():
    """In a `with` block, runs do less work at checkpoints and at their end. Each run counts as solved at SOLVED_AT."""
    with (
        mock.patch.object(solved, "SEQUENCES", 2),
        mock.patch.object(CopyTask, "report_sizes", ((3,),)),
        mock.patch.object(loop, "draw_figures", _draw_a_pixel),
        mock.patch.object(loop, "write_report", _write_a_line),
        mock.patch.object(loop.Loop, "_test_solved", _solve),
        mock.patch.object(loop, "Evaluator", Fingerprint),
        mock.patch.object(evaluate, "Evaluator", Fingerprint),
    ):
        yield


def _draw_a_pixel(run, trainer, observer, seed):
    run.add_figure("sequence", PNG, int(trainer.iteration))


def _write_a_line(run, observer, errors):
    run.directory.write_report(b"a report\n")


def _solve(self, metrics):
    if self._iteration < SOLVED_AT or self._directory.solved is not None:
        return False
    self._directory.record_solved(self._progress_so_far())
    return True


def count_up(trainer, iteration: int) -> bool:
    """Replaces `Trainer.advance`. Each new value depends on the previous value and on the iteration."""
    updates = iteration - int(trainer.iteration)
    for variable in trainer.variables().values():
        if variable.dtype in (tf.float32, "float32"):
            variable.assign(tf.convert_to_tensor(variable) * 0.9 + 0.001 * (iteration % 97))
    trainer._updates_in_totals.assign(updates)
    trainer.iteration.assign(iteration)
    return True


class Laboratory:
    """Runs commands in this process. It changes the commands in its `with` block only.

    Attributes:
        trains: whether the runs make real updates instead of calling `count_up`.
    """

    def __init__(self):
        self.trains, self._trainers = False, {}
        self._changes = contextlib.ExitStack()

    def __enter__(self):
        self._changes.enter_context(small_runs())
        self._changes.enter_context(mock.patch.object(start_or_resume, "build_trainer", self._build_trainer))
        return self

    def __exit__(self, *exception):
        self._changes.close()

    def run(self, main, *arguments) -> Outcome:
        """Runs a command line. `main` is `train.main` or `evaluate.main`."""
        out, err = io.StringIO(), io.StringIO()
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(LONGEST_SECONDS)
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                mock.patch.object(Trainer, "advance", Trainer.advance if self.trains else count_up),
            ):
                status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        finally:
            signal.alarm(0)
        return Outcome(status=status, out=out.getvalue(), err=err.getvalue())

    def train(self, run_dir: Path, model: str, iterations: int, *options) -> Outcome:
        """Trains a new run."""
        sizes = [*SIZES, *MODELS[model], f"--iterations={iterations}"]
        return self.run(train.main, *sizes, f"--run-dir={run_dir}", *options)

    def resume(self, run_dir: Path, *options) -> Outcome:
        return self.run(train.main, "--resume", f"--run-dir={run_dir}", *options)

    def _build_trainer(self, config, team=None):
        """The compiled trainer of a configuration, in its initial state, on one device."""
        refuse_large(config)
        key = repr((config.task, config.model, config.optimizer, config.training, config.run.seed))
        if key not in self._trainers:
            trainer = build.build_trainer(config)
            self._trainers[key] = trainer, [(v, tf.identity(v)) for v in all_variables(trainer)]
        trainer, initial = self._trainers[key]
        for variable, value in initial:
            variable.assign(value)
        return trainer


def _too_long(number, frame):
    raise TimeoutError(f"more than {LONGEST_SECONDS} seconds")


def refuse_large(config: Config):
    """Raises TooLargeError for a configuration whose model is too large to build for each try."""
    if count_weights(vars(config.model), config.task.input_size, config.task.output_size) > 1e5:
        raise TooLargeError


def all_variables(trainer) -> list:
    """All variables of a Trainer: those in its checkpoints, then the seed, the noise and temporary variables."""
    own = [value for value in vars(trainer).values() if isinstance(value, tf.Variable)]
    return [*trainer.variables().values(), *own]


class Fingerprint:
    """Replaces Evaluator. "Measures" a number that depends on all weights."""

    def __init__(self, model, *arguments, **options):
        self._model = model

    def compile(self):
        pass

    def measure(self, size):
        sums = [float(tf.reduce_sum(tf.cast(v, tf.float64))) for v in model_variables(self._model).values()]
        numbers = ("bit_errors_per_sequence", "bit_error_rate", "exact_sequences", "bits_per_sequence")
        row = dict.fromkeys((*numbers, "least_bits_per_sequence"), hash(tuple(sums)))
        return {"task": "copy", "size": "3", "length": 3, "sequences": 2, **row}


def content(run_dir: Path) -> dict:
    """What a run has produced, without times: rows of metrics, weights, details and solved.json."""
    rows = [
        [text for name, text in zip(COLUMNS, row) if name != "seconds"] for row in read_rows(run_dir / "metrics.csv")
    ]
    newest = checkpoints(run_dir)[0]
    tensors = read_tensors(newest / PREFIX)
    solved_at = (run_dir / "solved.json").read_text() if (run_dir / "solved.json").exists() else None
    weights = {name: tensor.tobytes() for name, tensor in tensors.items() if name != "seconds"}
    return {"rows": rows, "step": newest.name, "weights": weights, "details": _details(run_dir), "solved": solved_at}


def _details(run_dir):
    events = []
    for path in filter(Path.is_file, (run_dir / "details").glob("events*")):  # a fault may have left a directory
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            events += [(event.step, value.tag) for value in event.summary.value]
    return sorted(events)


def copy_run(source: Path, target: Path) -> Path:
    """Copies a run directory. Replaces `target`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
