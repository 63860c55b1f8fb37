"""Measures the errors of trained weights at several lengths: `python evaluate.py --run-dir=runs/...`."""

import signal

from experiment.command_line import COUNT, Parser, file_path, run, start, whole_number
from experiment.streams import discard_output

with start("matplotlib"):
    from experiment import solved
    from experiment.errors import CheckpointError, RunError, file_and_reason
    from experiment.evaluation import Evaluator, enclosing, json_line, size_text, table
    from experiment.load import load_reference, load_run, load_weights
    from experiment.memory_needed import check_evaluation, check_locations
    from experiment.options import TASK_METAVAR, task_name
    from experiment.seeds import REPORT, stream
    from ntm import NTM
    from ntm.transfer import with_locations


def main(argv=None) -> int:
    """Runs the command line `argv` (default: sys.argv[1:]). Returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.checkpoint is not None and not arguments.run_dir:
        parser.error(f"argument --checkpoint: {arguments.checkpoint} needs --run-dir")
    if arguments.task is not None and not arguments.weights:
        parser.error(f"argument --task: {arguments.task} needs --weights")
    try:
        task, model = _load(arguments)
        if arguments.memory_locations is not None:
            model = _with_locations(model, arguments.memory_locations)
    except ValueError as error:
        parser.refuse(error)
    except (RunError, CheckpointError) as error:
        parser.error(error)
    except OSError as error:
        parser.error(file_and_reason(error))
    sizes = arguments.lengths or task.report_sizes
    largest = enclosing(*sizes)
    for size in [*sizes, largest]:
        try:
            task.check(size)
            check_evaluation(model, task, size, arguments.sequences)
        except ValueError as error:
            parser.error(f"argument --lengths: {size_text(size)}: {error}")
    seed = stream(arguments.seed, REPORT)
    evaluator = Evaluator(model, task, largest, arguments.sequences, seed, carry_state=arguments.carry_state)
    rows = map(evaluator.measure, sizes)
    try:
        for line in table(rows) if arguments.format == "table" else map(json_line, rows):
            print(line, flush=True)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `run` ends the command
        raise
    except OSError as error:
        discard_output()
        parser.exit(1, f"evaluate.py: error: standard output cannot be written: {error.strerror}\n")
    return 0


def _parser():
    parser = Parser(
        prog="evaluate.py",
        description="Measures the errors of trained weights at several lengths. The brackets after an option hold its "
        "default.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=file_path, metavar="DIR", help="a run directory, made by train.py")
    source.add_argument("--weights", type=file_path, metavar="FILE", help="a .keras file, written by model.save")
    source.add_argument(
        "--reference-checkpoint",
        type=file_path,
        metavar="PREFIX",
        help="the checkpoint of the reference, camigord/Neural-Turing-Machine: its path without .index",
    )
    parser.add_argument("--checkpoint", type=file_path, metavar="step-N", help="checkpoint of the run (the newest)")
    parser.add_argument(
        "--task",
        type=task_name,
        metavar=TASK_METAVAR,
        help="task of the model in --weights, as for train.py (the task in config.json beside the file; without "
        "config.json: copy)",
    )
    parser.add_argument(
        "--lengths",
        type=_lengths,
        metavar="L,L,...",
        help="sizes of the sequences; a size of two numbers is written as 10x20 (the task's report sizes)",
    )
    parser.add_argument(
        "--sequences",
        type=whole_number(1),
        default=solved.SEQUENCES,
        metavar="N",
        help=f"sequences per size ({solved.SEQUENCES})",
    )
    parser.add_argument(
        "--memory-locations",
        type=COUNT,
        metavar="N",
        help="measure the weights in an NTM with a longer memory of N locations (the model's number of locations)",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="determines the sequences (0)")
    parser.add_argument(
        "--carry-state",
        action="store_true",
        help="start each sequence with the final controller state of an earlier sequence, as the reference does",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="output format (table)")
    return parser


def _with_locations(model, locations):
    if not isinstance(model, NTM):
        raise ValueError(f"memory_locations={locations} means nothing to a model without a memory")
    check_locations(model, locations)
    return with_locations(model, locations)


def _load(arguments):
    """Loads the task and the model that the options name."""
    if arguments.run_dir:
        return load_run(arguments.run_dir, arguments.checkpoint)
    if arguments.reference_checkpoint:
        return load_reference(arguments.reference_checkpoint)
    return load_weights(arguments.weights, arguments.task)


def _lengths(text):
    return [tuple(map(whole_number(1, 2**20), size.split("x"))) for size in text.split(",")]


if __name__ == "__main__":
    run(main)
