"""Trains a Neural Turing Machine on a task: `python train.py --iterations=100000`."""

import signal
import sys

from experiment.command_line import Parser, name, nobody_reads_on, start

with start():
    from experiment import options, profiling
    from experiment.build import build_trainer
    from experiment.errors import CheckpointError, RunError
    from experiment.loop import train_and_report
    from experiment.start_or_resume import resume_run, start_run

PROFILED_UPDATES = 20


def main(argv=None) -> int:
    """Runs the command line `argv`, by default sys.argv's. Returns the exit status."""
    parser = _parser()
    arguments = vars(parser.parse_args(argv))
    places = arguments["run_dir"], arguments["checkpoint"]
    try:
        if arguments["profile"] is not None:
            return _profile(parser, arguments)
        if arguments["resume"]:
            run = resume_run(options.given_values(arguments), *places)
        else:
            run = start_run(options.read_config(arguments), *places)
    except ValueError as error:
        parser.refuse(error)
    except (RunError, CheckpointError) as error:
        parser.error(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    with run.directory:
        try:
            return train_and_report(run)
        # The training loop handles both itself. They come here from before or after it.
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except BrokenPipeError:
            return nobody_reads_on()


def _parser():
    parser = Parser(
        prog="train.py",
        description="Trains a Neural Turing Machine on a task. Brackets hold the defaults of the paper preset for the "
        "copy task and the model ntm-lstm. Other presets, tasks and models have defaults of their own, see "
        "experiment/presets.py.",
    )
    command = parser.add_argument_group("what to do")
    command.add_argument(
        "--run-dir",
        type=name,
        metavar="DIR",
        help="the run's directory (a new one in runs/; with --resume, the newest)",
    )
    command.add_argument("--resume", action="store_true", help="resume the run in --run-dir, or the newest in runs/")
    command.add_argument(
        "--checkpoint",
        type=name,
        metavar="step-N",
        help="start a new run from these weights: a path, or a checkpoint of the newest run; with --resume, go back to "
        "this checkpoint",
    )
    command.add_argument(
        "--profile",
        type=name,
        metavar="DIR",
        help=f"only show where the time of an update goes; {PROFILED_UPDATES} updates, no run; the profiler's files go "
        "to DIR",
    )
    options.add_options(parser)
    return parser


def _profile(parser, arguments):
    """Prints where the time of an update goes. Returns the exit status."""
    for option in ("resume", "checkpoint", "run_dir"):
        if arguments[option]:
            parser.error(f"argument --profile: it makes no run; --{option.replace('_', '-')} means nothing beside it")
    parser.make_directory("--profile", arguments["profile"])
    trainer = build_trainer(options.read_config(arguments))
    trainer.advance(PROFILED_UPDATES)
    kernels = profiling.profile(trainer, arguments["profile"], PROFILED_UPDATES)
    for line in profiling.report(kernels, PROFILED_UPDATES):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
