"""Measures the errors of trained weights at several lengths: `python evaluate.py --run-dir=runs/...`."""

import json
import signal
import sys
from pathlib import Path

from experiment.command_line import Parser, name, nobody_reads_on, start, whole_number

with start():
    from experiment.errors import CheckpointError, RunError
    from experiment.evaluation import Evaluator, enclosing, size_text, table
    from experiment.load import load_reference, load_run, load_weights
    from experiment.seeds import REPORT, stream
    from tasks import TASKS


def main(argv=None) -> int:
    """Runs the command line `argv`, by default sys.argv's. Returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.checkpoint is not None and not arguments.run_dir:
        parser.error(f"argument --checkpoint: {arguments.checkpoint} needs --run-dir")
    if arguments.task is not None and not arguments.weights:
        parser.error(f"argument --task: {arguments.task} needs --weights")
    try:
        task, model = _load(arguments)
    except (RunError, CheckpointError) as error:
        parser.error(error)
    sizes = arguments.lengths or task.report_sizes
    largest = enclosing(*sizes)
    for size in [*sizes, largest]:
        try:
            task.check(size)
        except ValueError as error:
            parser.error(f"argument --lengths: {size_text(size)}: {error}")
    seed = stream(arguments.seed, REPORT)
    evaluator = Evaluator(model, task, largest, arguments.sequences, seed, carry_state=arguments.carry_state)
    rows = map(evaluator.measure, sizes)
    try:
        for line in table(rows) if arguments.format == "table" else map(json.dumps, rows):
            print(line, flush=True)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return nobody_reads_on()
    return 0


def _parser():
    parser = Parser(prog="evaluate.py", description="Measures the errors of trained weights at several lengths.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=name, metavar="DIR", help="a run directory of train.py")
    source.add_argument("--weights", type=Path, metavar="FILE", help="a .keras file that model.save has written")
    source.add_argument("--reference-checkpoint", type=name, metavar="PREFIX", help="the reference's weights")
    parser.add_argument("--checkpoint", type=name, metavar="step-N", help="a checkpoint of --run-dir (the newest)")
    parser.add_argument(
        "--task", choices=TASKS, help="the task of --weights (the task of the config.json beside the file, or copy)"
    )
    parser.add_argument(
        "--lengths",
        type=_lengths,
        metavar="L,L,...",
        help="sizes of sequences; 10x20 if the task's sizes have two numbers (sizes that the task chooses)",
    )
    parser.add_argument(
        "--sequences", type=whole_number(1), default=1000, metavar="N", help="sequences per length (1000)"
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="determines the sequences (0)")
    parser.add_argument(
        "--carry-state",
        action="store_true",
        help="start each sequence in the controller state in which an earlier one ended, as the reference does",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the output (table)")
    return parser


def _load(arguments):
    """The task and the model that the options name."""
    if arguments.run_dir:
        return load_run(arguments.run_dir, arguments.checkpoint)
    if arguments.reference_checkpoint:
        return load_reference(arguments.reference_checkpoint)
    return load_weights(arguments.weights, arguments.task)


def _lengths(text):
    return [tuple(map(whole_number(1, 2**20), size.split("x"))) for size in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
