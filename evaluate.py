"""Errors of trained weights, length by length: `python evaluate.py --run-dir=runs/...`."""

import json
import signal
import sys
from pathlib import Path

import program_cache
from cli import Parser, name, nobody_reads_on, quiet_stderr, whole_number

program_cache.share()
with quiet_stderr():
    from experiment import load_reference, load_run, load_weights
    from ntm.checkpoints import CheckpointError
    from ntm.evaluation import Evaluator, enclosing, size_text, table
    from ntm.runs import RunError
    from ntm.training import REPORT, stream
    from tasks import TASKS


def main(argv=None):
    """Runs the command line `argv`, sys.argv's by default. Returns the exit status."""
    parser = Parser(prog="evaluate.py", description="Measures the errors of trained weights, length by length.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run-dir", type=name, metavar="DIR", help="a training run's directory")
    source.add_argument("--weights", type=Path, metavar="FILE", help="a model saved by model.save, a .keras file")
    source.add_argument("--reference-checkpoint", type=name, metavar="PREFIX", help="the reference's weights")
    parser.add_argument("--checkpoint", type=name, metavar="step-N", help="of --run-dir; its newest by default")
    parser.add_argument(
        "--task", choices=TASKS, help="of --weights (default: that of a config.json beside the file, or else copy)"
    )
    parser.add_argument(
        "--lengths",
        type=_lengths,
        metavar="L,L,...",
        help="sizes, as 10x20 where a task's are of two numbers (default: the task's own)",
    )
    parser.add_argument("--sequences", type=whole_number(1), default=1000, metavar="N", help="a length (default 1000)")
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="of the sequences (default 0)")
    parser.add_argument(
        "--carry-state",
        action="store_true",
        help="start each sequence in the controller state that one before it ended in, as the reference does",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")
    arguments = parser.parse_args(argv)
    if arguments.checkpoint is not None and not arguments.run_dir:
        parser.error(f"argument --checkpoint: {arguments.checkpoint} needs --run-dir")
    if arguments.task is not None and not arguments.weights:
        parser.error(f"argument --task: {arguments.task} needs --weights")
    try:
        if arguments.run_dir:
            task, model = load_run(arguments.run_dir, arguments.checkpoint)
        elif arguments.reference_checkpoint:
            task, model = load_reference(arguments.reference_checkpoint)
        else:
            task, model = load_weights(arguments.weights, arguments.task)
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
    evaluator = Evaluator(model, task, largest, arguments.sequences, seed, arguments.carry_state)
    rows = map(evaluator.measure, sizes)
    try:
        for line in table(rows) if arguments.format == "table" else map(json.dumps, rows):
            print(line, flush=True)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return nobody_reads_on()
    return 0


def _lengths(text):
    return [tuple(map(whole_number(1, 2**20), size.split("x"))) for size in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
