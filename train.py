"""Trains a Neural Turing Machine on a task: `python train.py --iterations=100000`."""

import concurrent.futures
import dataclasses
import shlex
import signal
import sys
import time
from pathlib import Path

import program_cache
from cli import Parser, name, nobody_reads_on, number_from_zero, positive_number, quiet_stderr, whole_number

program_cache.share()
with quiet_stderr():
    import tensorflow as tf
    from tqdm import tqdm

    from experiment import (
        MODELS,
        build_trainer,
        check_config,
        class_default,
        complete,
        default_config,
        refuse_strangers,
        refusing_config,
    )
    from ntm import plots, runs
    from ntm.checkpoints import CheckpointError, first_line, model_variables, restore
    from ntm.evaluation import Evaluator, Observer, enclosing, size_text, table
    from ntm.profiling import profile
    from ntm.training import PICTURES, REPORT, VALIDATION, stream
    from presets import PRESETS
    from tasks import TASKS

RUNS = Path("runs")
SEQUENCES = 1000  # of each size in the table that ends a run, and without a wrong bit in a task that is solved
PROFILED = 20  # updates that --profile looks at
SHOWN_KERNELS = 30  # of them, those that take longest
UPDATES_A_CALL = 100  # at most, so that a signal does not wait for long
ROWS_A_LINE = 10  # rows of metrics.csv between printed lines, where no terminal shows a progress bar

RESUMABLE = ("iterations", "stop_when_solved", "figures")  # what --resume may change

COUNT = whole_number(1, 2**20)


def _defaults_of_tasks(argument):
    """The tasks that take this argument, each with its default."""
    fields = [(task, field) for task in TASKS.values() for field in dataclasses.fields(task)]
    return [(task, field.default) for task, field in fields if field.name == argument]


# The options that settle a run: where in its configuration each goes, its type and its help.
SETTINGS = {
    "--iterations": ("iterations", whole_number(1), "updates of the weights"),
    "--seed": ("seed", whole_number(0), "settles the weights and the data"),
    "--batch-size": ("training.batch_size", COUNT, "sequences an update"),
    "--controller-units": ("model.controller_units", COUNT, "width of the controller, or of each layer of the LSTM"),
    "--controller-layers": ("model.controller_layers", COUNT, "of the LSTM that has no memory"),
    "--memory-locations": ("model.memory_locations", COUNT, "locations of the memory, N"),
    "--memory-width": ("model.memory_width", COUNT, "numbers in a location, W"),
    "--read-heads": ("model.read_heads", COUNT, "heads that read, R"),
    "--write-heads": ("model.write_heads", COUNT, "heads that write, Q"),
    "--shift-range": ("model.shift_range", whole_number(0, 2**20), "S: a head shifts by -S to +S locations; 2S+1 <= N"),
    "--learning-rate": ("optimizer.learning_rate", positive_number, "of RMSProp, at the start"),
    "--weight-noise": ("training.weight_noise", number_from_zero, "deviation of the noise on the weights in an update"),
    "--weight-decay": (
        "optimizer.weight_decay",
        number_from_zero,
        "share of each weight, in units of the learning rate, that an update takes off; 0: none",
    ),
    "--clip-ratio": (
        "training.clip_ratio",
        number_from_zero,
        "shorten gradients over so many times the usual length; 0: none",
    ),
    "--gradient-clip": (
        "model.gradient_clip",
        number_from_zero,
        "bound of a gradient's elements on their way back through an NTM's steps; 0: none",
    ),
    "--decay-steps": ("optimizer.decay_steps", whole_number(1), "updates after which the learning rate has halved"),
    "--log-every": ("log_every", whole_number(1), "iterations a row of metrics.csv"),
    "--checkpoint-every": ("checkpoint_every", whole_number(1), "iterations a checkpoint"),
    **{
        "--" + field.name.replace("_", "-"): (
            f"task.{field.name}",
            COUNT,
            "of " + " or ".join(f"{other.name} ({default})" for other, default in _defaults_of_tasks(field.name)),
        )
        for task in TASKS.values()
        for field in dataclasses.fields(task)
        if field.type is int
    },
}


# The options that choose among names, in the same form.
CHOICES = {
    "--task": ("task.name", TASKS, "what to learn"),
    "--model": ("model.name", MODELS, "what learns it"),
    "--preset": ("preset", PRESETS, "where all other defaults come from"),
}

# And those that switch something on.
SWITCHES = {
    "--stop-when-solved": (
        "stop_when_solved",
        f"end once {SEQUENCES} sequences of the largest size come out without a wrong bit, which is tried when "
        "training has none for --log-every iterations",
    ),
    "--figures": (
        "figures",
        "draw the figures at every checkpoint, not at the end alone; TensorBoard has them all",
    ),
}


def main(argv=None):
    """Runs the command line `argv`, sys.argv's by default. Returns the exit status."""
    parser = _parser()
    arguments = vars(parser.parse_args(argv))
    settings = {
        path: arguments[_destination(flag)]
        for flag, (path, *_) in {**SETTINGS, **CHOICES, **SWITCHES}.items()
        if arguments[_destination(flag)] is not None
    }
    try:
        if arguments["profile"] is not None:
            return _profile(parser, arguments, settings)
        start = _resume if arguments["resume"] else _start
        run, trainer = start(arguments["run_dir"], arguments["checkpoint"], settings)
    except ValueError as error:
        parser.refuse(error)
    except (runs.RunError, CheckpointError) as error:
        parser.error(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    with run:
        try:
            return _train_and_report(run, trainer)
        # Both outside training, which sees to them itself.
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except BrokenPipeError:
            return nobody_reads_on()


def _parser():
    parser = Parser(
        prog="train.py",
        description="Trains a Neural Turing Machine on a task. A default in brackets is copy's and its NTM's unless a "
        "task is named; other tasks, models and presets have some of their own.",
    )
    defaults = default_config()
    for flag, (path, names, text) in CHOICES.items():
        parser.add_argument(flag, choices=names, help=f"{text}: {', '.join(names)} (default {_get(defaults, path)})")
    for flag, (path, kind, text) in SETTINGS.items():
        default = _get(defaults, path)
        if default is None and path.startswith("model."):
            default = class_default(path.removeprefix("model."))
        known = "" if default is None else f" ({default:g})"
        parser.add_argument(flag, type=kind, metavar="N", help=text + known)
    for flag, (_, text) in SWITCHES.items():
        parser.add_argument(flag, action="store_true", default=None, help=text)
    parser.add_argument("--run-dir", type=name, metavar="DIR", help="where the run goes (default: a new one in runs/)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run-dir, or the newest in runs/")
    parser.add_argument(
        "--checkpoint",
        type=name,
        metavar="step-N",
        help="start a new run from these weights, a path or one of the newest run's; with --resume, go back",
    )
    parser.add_argument(
        "--profile",
        type=name,
        metavar="DIR",
        help=f"only show where the time of an update goes; the profiler's files go to DIR ({PROFILED} updates, no run)",
    )
    return parser


def _destination(flag):
    return flag.removeprefix("--").replace("-", "_")


def _configure(settings):
    """The configuration that options ask for."""
    chosen = {_destination(flag): settings[path] for flag, (path, *_) in CHOICES.items() if path in settings}
    config = default_config(**chosen)
    for path, value in settings.items():
        _put(config, path, value)
    refuse_strangers(config)
    return config


def _profile(parser, arguments, settings):
    """Prints where the time of an update goes. Returns the exit status."""
    for option in ("resume", "checkpoint", "run_dir"):
        if arguments[option]:
            parser.error(f"argument --profile: it makes no run; --{option.replace('_', '-')} means nothing beside it")
    parser.make_directory("--profile", arguments["profile"])
    trainer = build_trainer(_configure(settings))
    trainer.advance(PROFILED)
    kernels = profile(trainer, arguments["profile"], PROFILED)
    print(f"{'us/update':>10} {'calls/update':>12} {'us/call':>8}  kernel, and the TensorFlow operation it comes from")
    for kernel in kernels[:SHOWN_KERNELS]:
        calls = kernel.calls / PROFILED
        time_of = f"{calls * kernel.microseconds:10.1f} {calls:12.1f} {kernel.microseconds:8.2f}"
        print(f"{time_of}  {kernel.name}, {kernel.operation}")
    print(f"{len(kernels)} kernels in all; the profiler itself adds up to a microsecond to each call")
    return 0


def _start(run_dir, checkpoint, settings):
    """A new run: its RunDirectory and its Trainer."""
    config = _configure(settings)
    trainer = build_trainer(config)
    if checkpoint is not None:
        config["checkpoint"] = str(_find_checkpoint(checkpoint))
        restore(model_variables(trainer.model), Path(config["checkpoint"]) / runs.PREFIX)
    if run_dir is None:
        run_dir = runs.new_directory(RUNS, f"{config['task']['name']}-{config['model']['name']}-seed{config['seed']}")
    run = runs.RunDirectory(run_dir, complete(config, trainer))
    if checkpoint is not None:
        run.save(trainer.variables(), 0)  # --resume must not depend on another run's files
    return run, trainer


def _resume(run_dir, checkpoint, settings):
    """The RunDirectory and the Trainer of a run that is there already, as they were at a checkpoint."""
    run_dir = Path(runs.newest_run(RUNS) if run_dir is None else run_dir)
    if (run_dir / runs.MODEL).exists() and not runs.checkpoints(run_dir):
        raise runs.RunError(f"{run_dir} holds a trained model and no checkpoint to go on from")
    run = runs.RunDirectory(run_dir)
    try:
        with refusing_config(run.path):
            check_config(run.config)
            trainer = build_trainer(run.config)
        known = complete(run.config, trainer)  # a run may be older than an option
        changed = {key: settings.pop(key) for key in RESUMABLE if key in settings}
        for path, value in settings.items():
            if (kept := _get(known, path)) != value:
                option = path.removesuffix(".name").rpartition(".")[2]
                if kept is None:
                    raise ValueError(f"{option}={value} means nothing to the run in {run.path}")
                raise ValueError(f"{option}={value} contradicts {run.path}/config.json, which has {kept}")
        _restore_newest(run, trainer, checkpoint)
        config = {**run.config, **changed}
        if config["iterations"] < (reached := int(trainer.iteration)):
            raise ValueError(f"iterations={config['iterations']} is below the {reached} that {run.path} has reached")
        run.drop_checkpoints_after(reached)
        run.write_config(config)
    except BaseException:
        run.close()
        raise
    return run, trainer


def _restore_newest(run, trainer, checkpoint):
    """Takes the trainer to a run's checkpoint of that name or to its newest whole one; there need not be one yet."""
    candidates = runs.checkpoints(run.path) if checkpoint is None else [run.path / "checkpoints" / checkpoint]
    for directory in candidates:
        try:
            return restore(trainer.variables(), directory / runs.PREFIX)
        except CheckpointError as error:
            if directory == candidates[-1]:
                raise
            print(f"train.py: {error}; trying the one before", file=sys.stderr)
    if run.config["checkpoint"] is not None:
        raise runs.RunError(f"{run.path} has lost checkpoints/step-0, where it started from")


def _find_checkpoint(checkpoint):
    """The directory of --checkpoint for a new run: a bare step-N is the newest run's."""
    return (
        runs.newest_run(RUNS) / "checkpoints" / checkpoint if Path(checkpoint).name == checkpoint else Path(checkpoint)
    )


def _train_and_report(run, trainer):
    config = run.config
    print(f"{config['task']['name']}, {config['model']['name']}, {run.path}", flush=True)
    sizes = trainer.task.report_sizes
    largest = enclosing(trainer.task.largest, *sizes)
    evaluator = Evaluator(trainer.model, trainer.task, largest, SEQUENCES, stream(config["seed"], REPORT))
    observer = Observer(trainer.model, trainer.task)
    with _StopSignals() as signals:
        status = _train(run, trainer, evaluator, observer, signals)
    if status == 0:
        run.save_model(trainer.model)
        for line in table(map(evaluator.measure, sizes)):
            print(line, flush=True)
        _draw(run, trainer, observer)
        print(f"{run.path}/ holds config.json, metrics.csv, model.keras, figures, TensorBoard events and checkpoints/")
        where, lengths = shlex.quote(str(run.path)), ",".join(map(size_text, sizes[-2:]))
        print(f"errors at other lengths: python evaluate.py --run-dir={where} --lengths={lengths}")
    return status


def _train(run, trainer, evaluator, observer, signals):
    """Trains to the configured iteration, writing what a run directory holds. Returns the exit status."""
    iterations, log_every, checkpoint_every = (
        run.config[name] for name in ("iterations", "log_every", "checkpoint_every")
    )
    validation = stream(run.config["seed"], VALIDATION)
    iteration = int(trainer.iteration)
    run.start_metrics(iteration)
    with (
        _Progress(iterations, iteration, trainer.batch_size) as progress,
        # The evaluator is compiled on another core while training goes on.
        concurrent.futures.ThreadPoolExecutor(1) as background,
    ):
        compiled = None
        stop = run.config["stop_when_solved"] and run.solved is not None
        while iteration < iterations and not stop:
            boundaries = (_next_multiple(iteration, of) for of in (log_every, checkpoint_every, UPDATES_A_CALL))
            iteration = min(iterations, *boundaries)
            if not trainer.advance(iteration):
                kept = runs.checkpoints(run.path)
                print(
                    f"train.py: error: the loss or its gradient is not finite at iteration {int(trainer.iteration)}; "
                    + (f"the last good checkpoint is {kept[0]}" if kept else "there is no checkpoint before it"),
                    file=sys.stderr,
                )
                return 1
            compiled = compiled or background.submit(evaluator.compile)
            if iteration % log_every == 0 or iteration == iterations:
                metrics = trainer.metrics()
                if iteration % log_every == 0:
                    trainer.start_metrics()
                sequences = iteration * trainer.batch_size
                run.log(
                    {
                        "iteration": iteration,
                        "sequences": sequences,
                        "seconds": round(float(trainer.seconds), 3),
                        **metrics._asdict(),
                    }
                )
                solved = False
                if run.solved is None and metrics.hamming_distance == 0:
                    compiled.result()
                    solved = evaluator.is_exact(trainer.task.largest, validation)
                if solved:
                    run.record_solved({"iteration": iteration, "sequences": sequences})
                try:
                    progress.show(iteration, metrics)
                    if solved:
                        progress.say(f"solved after {iteration} iterations, {sequences} sequences")
                except BrokenPipeError:  # nobody reads on; what is left to say has nowhere to go
                    nobody_reads_on()
                    signals.received = signal.SIGPIPE
            stop = signals.received or (run.config["stop_when_solved"] and run.solved is not None)
            if stop or iteration % checkpoint_every == 0 or iteration == iterations:
                run.save(trainer.variables(), iteration)
                gradients = {f"gradient/{name}": gradient for name, gradient in trainer.gradients().items()}
                run.add_histograms(gradients, iteration)
                if run.config["figures"] and not stop and iteration < iterations:
                    _draw(run, trainer, observer)
    if signals.received and iteration < iterations:
        print(f"stopped by {signals.received.name} after iteration {iteration}; to go on:")
        print(f"python train.py --run-dir={shlex.quote(str(run.path))} --resume")
        return 128 + signals.received
    return 0


def _draw(run, trainer, observer):
    """Draws the run as it is now: one sequence of the largest size, always the same, and the learning curves."""
    iteration = int(trainer.iteration)
    seen = observer.observe(trainer.task.largest, stream(run.config["seed"], PICTURES))
    metrics = runs.read_metrics(run.path)
    columns = (metrics[name] for name in ("sequences", "loss", "hamming_distance"))
    solved = run.solved and run.solved["sequences"]
    figures = {
        "sequence": plots.sequence(seen.inputs, seen.targets, seen.outputs, seen.mask),
        "learning_curves": plots.learning_curves(*columns, solved),
    }
    if seen.trace is not None:
        weightings = seen.trace.write_weightings, seen.trace.read_weightings
        title = f"after {iteration * trainer.batch_size:,} sequences"
        figures["memory_map"] = plots.memory_map(*weightings, seen.answer_at, title)
    try:
        for figure_name, figure in figures.items():
            run.add_figure(figure_name, plots.to_png(figure), iteration)
    except (OSError, tf.errors.OpError) as error:  # a run is worth more than its pictures
        print(f"train.py: {run.path}/{figure_name}.png cannot be written: {first_line(error)}", file=sys.stderr)


def _next_multiple(number, of):
    return (number // of + 1) * of


class _StopSignals:
    """Notes SIGINT and SIGTERM instead of dying of them; the second one has its usual effect."""

    def __init__(self):
        self.received = None

    def __enter__(self):
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        self.__exit__()


class _Progress:
    """A progress bar on a terminal, a line now and then elsewhere."""

    def __init__(self, iterations, iteration, batch_size):
        self._iterations, self._batch_size = iterations, batch_size
        self._iteration, self._time, self._rows = iteration, time.perf_counter(), 0
        self._bar = tqdm(
            total=iterations,
            initial=iteration,
            disable=not sys.stdout.isatty(),
            file=sys.stdout,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}, {remaining} left",
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._bar.close()

    def say(self, text):
        """Prints a line without breaking the bar."""
        self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def show(self, iteration, metrics):
        now = time.perf_counter()
        updates_a_second = (iteration - self._iteration) / (now - self._time)
        text = (
            f"loss {metrics.loss:.4f}, Hamming distance {metrics.hamming_distance:.2f}, "
            f"{updates_a_second * self._batch_size:.0f} sequences/s"
        )
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(iteration - self._bar.n)
        if self._bar.disable and (self._rows % ROWS_A_LINE == 0 or iteration == self._iterations):
            left = tqdm.format_interval((self._iterations - iteration) / updates_a_second)
            print(f"iteration {iteration}/{self._iterations}: {text}, {left} left", flush=True)
        self._iteration, self._time, self._rows = iteration, now, self._rows + 1


def _get(config, path):
    for key in path.split("."):
        config = config.get(key)
        if config is None:
            return None
    return config


def _put(config, path, value):
    *sections, key = path.split(".")
    for section in sections:
        config = config[section]
    config[key] = value


if __name__ == "__main__":
    sys.exit(main())
