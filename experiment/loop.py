"""Trains a run, and writes its metrics, checkpoints and figures. Stops at the end, when solved, or at a signal."""

import concurrent.futures
import shlex
import signal

from experiment import program_cache, solved
from experiment.checkpoints import checkpoints
from experiment.evaluation import Evaluator, enclosing, size_text, table
from experiment.figures import draw_figures, prepare_figures
from experiment.observation import Observer
from experiment.progress import Progress
from experiment.report import write_report
from experiment.seeds import REPORT, stream
from experiment.signals import StopSignals
from experiment.start_or_resume import Run
from experiment.streams import discard_output, say, warn

UPDATES_PER_CALL = 100  # updates in one call of `Trainer.advance`, at most; a signal takes effect after the call


def train_and_report(run: Run) -> int:
    """Trains a run, prints a table of errors, draws the figures and writes the report. Returns the exit status."""
    directory, config, trainer = run.directory, run.config, run.trainer
    say(f"{config.task.name}, {config.model.name}, {directory.path}")
    if (reached := int(trainer.iteration)) == config.run.iterations:
        say(f"the run has reached iteration {reached}; to go on, resume it with a larger --iterations")
    sizes = trainer.task.report_sizes
    largest = enclosing(trainer.task.largest, *sizes)
    report_seed = stream(config.run.seed, REPORT)
    evaluator = Evaluator(trainer.model, trainer.task, largest, solved.SEQUENCES, report_seed)
    observer = Observer(trainer.model, trainer.task)
    with StopSignals() as signals:
        status = Loop(run, evaluator, observer, signals).train()
    if status == 0:
        directory.save_model(trainer.model)
        errors = _print_errors(evaluator, sizes)
        draw_figures(directory, trainer, observer, config.run.seed)
        write_report(run, observer, errors)
        path = directory.path
        say(f"{path}/ holds config.json, metrics.csv, model.keras, figures, TensorBoard events and checkpoints/")
        say(f"all in one page, for a browser: {path}/report.html")
        lengths = ",".join(map(size_text, sizes[-2:]))
        say(f"errors at any lengths: python evaluate.py --run-dir={shlex.quote(str(path))} --lengths={lengths}")
    return status


def _print_errors(evaluator, sizes):
    """Prints a table of errors, each line as soon as it is measured. Returns the results of `Evaluator.measure`."""
    errors = []

    def measured():
        for size in sizes:
            errors.append(evaluator.measure(size))
            yield errors[-1]

    for line in table(measured()):
        say(line)
    return errors


class Loop:
    """The training loop of a run.

    Args:
        run: Run.
        evaluator: Evaluator of the run's model. It tests whether the task is solved.
        observer: Observer of the run's model.
        signals: StopSignals.
    """

    def __init__(self, run: Run, evaluator: Evaluator, observer: Observer, signals: StopSignals):
        self._directory, self._trainer, self._options = run.directory, run.trainer, run.config.run
        self._resumed_from = run.resumed_from
        self._evaluator, self._observer, self._signals = evaluator, observer, signals
        self._iteration = int(self._trainer.iteration)
        self._compilation = None

    def train(self) -> int:
        """Trains. Returns the exit status.

        The status is 1 if a loss or its gradient is not finite. If a signal stops training, the status is 128 plus the
        signal's number. Otherwise it is 0.
        """
        self._directory.start_metrics(self._iteration, self._resumed_from)
        with (
            Progress(self._options.iterations, self._iteration, self._trainer.batch_size) as progress,
            concurrent.futures.ThreadPoolExecutor(1) as background,
        ):
            stop = self._may_stop()
            while self._iteration < self._options.iterations and not stop:
                self._iteration = self._next_boundary()
                if not self._trainer.advance(self._iteration):
                    self._report_not_finite()
                    return 1
                self._compile(background)
                if self._is_due(self._options.log_every):
                    metrics = self._log_row()
                    self._show(progress, metrics, newly_solved=self._test_solved(metrics))
                stop = self._signals.received or self._may_stop()
                if stop or self._is_due(self._options.checkpoint_every):
                    self._save_checkpoint(stop)
        return self._report_signal()

    def _may_stop(self):
        """Whether the task is solved and --stop-when-solved is set."""
        return self._options.stop_when_solved and self._directory.solved is not None

    def _next_boundary(self):
        """The next iteration at which to log, to save a checkpoint or to look for signals."""
        periods = self._options.log_every, self._options.checkpoint_every, UPDATES_PER_CALL
        return min(self._options.iterations, *((self._iteration // period + 1) * period for period in periods))

    def _is_due(self, period):
        return self._iteration % period == 0 or self._iteration == self._options.iterations

    def _compile(self, background):
        """Compiles the evaluator's program, then prepares the figures, on another core while training goes on."""
        if self._compilation is None:
            program_cache.publish()  # now, because a process that is killed later stores no programs
            self._compilation = background.submit(self._evaluator.compile)
            background.submit(prepare_figures, self._observer)

    def _log_row(self):
        """Writes a row of metrics.csv. Returns its Metrics."""
        metrics = self._trainer.metrics()
        if self._iteration % self._options.log_every == 0:
            self._trainer.start_metrics()
        seconds = round(float(self._trainer.seconds), 3)
        self._directory.log({**self._progress_so_far(), "seconds": seconds, **metrics._asdict()})
        return metrics

    def _progress_so_far(self):
        return {"iteration": self._iteration, "sequences": self._iteration * self._trainer.batch_size}

    def _test_solved(self, metrics):
        """Tests whether the task is newly solved. No test is made if the metrics show a wrong bit."""
        if self._directory.solved is not None or metrics.hamming_distance != 0:
            return False
        self._compilation.result()
        if not solved.is_solved(self._evaluator, self._trainer.task, self._options.seed):
            return False
        self._directory.record_solved(self._progress_so_far())
        return True

    def _show(self, progress, metrics, newly_solved):
        try:
            progress.show(self._iteration, metrics)
            if newly_solved:
                sequences = self._progress_so_far()["sequences"]
                progress.say(f"solved after {self._iteration} iterations, {sequences} sequences")
        except BrokenPipeError:  # the reader of the output is gone: stop as if a signal had come
            discard_output()
            self._signals.received = signal.SIGPIPE

    def _save_checkpoint(self, stop):
        """Saves the histograms and figures, then the checkpoint.

        If the process is killed before the checkpoint is complete, the resumed run makes the histograms and figures
        again.
        """
        gradients = {f"gradient/{name}": gradient for name, gradient in self._trainer.gradients().items()}
        self._directory.add_histograms(gradients, self._iteration)
        if self._options.figures and not stop and self._iteration < self._options.iterations:
            draw_figures(self._directory, self._trainer, self._observer, self._options.seed)
        self._directory.save(self._trainer.variables(), self._iteration)

    def _report_not_finite(self):
        kept = checkpoints(self._directory.path)
        warn(
            f"train.py: error: the loss or its gradient is not finite at iteration {int(self._trainer.iteration)}; "
            + (f"the last good checkpoint is {kept[0]}" if kept else "there is no checkpoint before it")
        )

    def _report_signal(self):
        """Says how to resume if a signal stopped training. Returns the exit status."""
        received = self._signals.received
        if not received or self._iteration >= self._options.iterations:
            return 0
        say(f"stopped by {received.name} after iteration {self._iteration}; to go on:")
        say(f"python train.py --run-dir={shlex.quote(str(self._directory.path))} --resume")
        return 128 + received
