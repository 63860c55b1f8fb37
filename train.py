"""Trains a Neural Turing Machine on a task: `python train.py --iterations=100000`."""

import shlex
import signal
from pathlib import Path

from experiment.command_line import COUNT, Parser, file_path, flag_of, run, start
from experiment.streams import one_line, say, warn

with start("matplotlib"):  # imported when the first figure is drawn
    import tensorflow as tf

    from experiment import options, profiling
    from experiment.cluster import ProcessLostError
    from experiment.config_file import load_config
    from experiment.devices import DEVICES, GPU_WORK, faster_device, has_gpu
    from experiment.errors import CheckpointError, RunError, file_and_reason
    from experiment.run_directory import newest_run
    from experiment.start_or_resume import RUNS, prepare_trainer
    from experiment.team import STRATEGIES, form_team
    from experiment.team_run import open_run, train_run

PROFILED_UPDATES = 20


def main(argv=None) -> int:
    """Runs the command line `argv` (default: sys.argv[1:]). Returns the exit status."""
    parser = _parser(argv)
    arguments = vars(parser.parse_args(argv))
    try:
        if arguments["profile"] is not None:
            return _profile(parser, arguments)
        team = form_team(arguments["distribute"], _device(arguments), arguments["devices"], parser.prog)
        prepared = open_run(team, arguments)
    except ValueError as error:
        parser.refuse(error)
    except (RunError, CheckpointError) as error:
        parser.error(error)
    except ProcessLostError as error:
        return _report_lost(parser, error)
    except BrokenPipeError:  # `run` ends the command
        raise
    except (OSError, tf.errors.OpError) as error:
        parser.error(file_and_reason(error))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    try:
        return train_run(team, prepared)
    except ProcessLostError as error:
        return _report_lost(parser, error)
    except KeyboardInterrupt:  # before or after the training loop, which handles signals itself
        return 128 + signal.SIGINT
    except BrokenPipeError:
        raise
    except (OSError, tf.errors.OpError) as error:
        return _report_failed_file(error, prepared.directory and prepared.directory.path)


def _report_failed_file(error, run_dir: Path | None) -> int:
    """Says which file could not be read or written, why, and how to resume. Returns the exit status.

    Args:
        error: the exception.
        run_dir: the run directory; None in a process that is not the chief of a team.
    """
    if run_dir is None:
        advice = "the chief of the team ends, too"
    elif (run_dir / "config.json").exists():
        advice = f"to go on: python train.py --run-dir={shlex.quote(str(run_dir))} --resume"
    else:
        advice = f"{run_dir} has been deleted or moved"
    warn(f"train.py: error: {one_line(file_and_reason(error))}; {advice}")
    return 1


def _parser(argv):
    parser = Parser(
        prog="train.py",
        description="Trains a Neural Turing Machine on a task. The brackets after an option hold its default for the "
        "preset paper, the task copy and the model ntm-lstm. Other presets, tasks and models have other defaults: see "
        "experiment/presets.py.",
    )
    command = parser.add_argument_group("what to do")
    command.add_argument(
        "--run-dir",
        type=file_path,
        metavar="DIR",
        help="directory of the run (a new one in runs/; with --resume: the newest in runs/)",
    )
    command.add_argument("--resume", action="store_true", help="resume the run in --run-dir, or the newest in runs/")
    command.add_argument(
        "--checkpoint",
        type=file_path,
        metavar="step-N",
        help="start a new run with the weights of this checkpoint: a path, or step-N of the newest run in runs/; with "
        "--resume: go back to this checkpoint of the run",
    )
    command.add_argument(
        "--profile",
        type=file_path,
        metavar="DIR",
        help=f"make no run, but measure how long each kernel of an update takes, over {PROFILED_UPDATES} updates; the "
        "profiler's files go to DIR",
    )
    machine = parser.add_argument_group("machine", "A run does not store these options: give them again with --resume.")
    machine.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where to compute. auto means the GPU if there is one and --batch-size times --memory-locations is at "
        f"least {GPU_WORK:,}, else the CPU. With --distribute=mirrored and no --devices, auto means all GPUs. With "
        "every other use of --distribute, auto means the CPU (auto)",
    )
    machine.add_argument(
        "--distribute",
        choices=STRATEGIES,
        help="divide each batch of --batch-size sequences; mirrored: over the GPUs of this machine, or the CPU devices "
        "of --devices; multi-worker: over the processes in TF_CONFIG, which all run this command, see docs/scale.md",
    )
    machine.add_argument("--devices", type=COUNT, metavar="N", help="logical CPU devices for --distribute=mirrored")
    options.add_options(parser, argv)
    return parser


def _device(arguments):
    """The device of the run: the value of --device.

    If the value is auto, --distribute is not given and this machine has a GPU, returns the faster device for the run.
    """
    if arguments["device"] != "auto" or arguments["distribute"] or not has_gpu():
        return arguments["device"]
    if arguments["resume"]:
        config = load_config(arguments["run_dir"] or newest_run(RUNS))
    else:
        config = options.config_from_arguments(arguments)
    return faster_device(config.training.batch_size, getattr(config.model, "memory_locations", 0))


def _profile(parser, arguments):
    """Prints how long each kernel of an update takes. Returns the exit status."""
    for option in ("resume", "checkpoint", "run_dir", "distribute", "devices"):
        if arguments[option]:
            parser.error(f"argument --profile: {flag_of(option)} means nothing, because no run is made")
    form_team(None, _device(arguments), None, parser.prog)
    parser.make_directory("--profile", arguments["profile"])
    trainer = prepare_trainer(options.config_from_arguments(arguments))
    trainer.advance(PROFILED_UPDATES)
    kernels = profiling.profile(trainer, arguments["profile"], PROFILED_UPDATES)
    for line in profiling.report(kernels, PROFILED_UPDATES):
        say(line)
    return 0


def _report_lost(parser, error):
    """Says which process has gone. Returns the exit status."""
    warn(f"{parser.prog}: error: {error}")
    return 1


if __name__ == "__main__":
    run(main)
