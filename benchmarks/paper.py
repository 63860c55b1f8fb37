"""Draws the paper's figures 3 to 18 from trained networks: `python -m benchmarks.paper --figure=8`, or `--all`.

Writes each figure to --out as figure8.png and so on. Also prints the numbers that the figure illustrates.
"""

import sys
from pathlib import Path

from experiment.command_line import Parser, file_path, start, whole_number

with start():
    from benchmarks import paper_curves, paper_locations, paper_sequences
    from benchmarks.paper_runs import MissingRunError, Runs
    from experiment.errors import CheckpointError, RunError
    from ntm import plots

# Each function draws one figure. It takes the Runs and a number of sequences to measure, and returns the Figure.
FIGURES = paper_curves.FIGURES | paper_sequences.FIGURES | paper_locations.FIGURES


def main(argv=None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    runs = Runs(arguments.runs or ["pretrained"])
    parser.make_directory("--out", arguments.out)
    try:
        for number in sorted(FIGURES) if arguments.all else [arguments.figure]:
            try:
                figure = FIGURES[number](runs, arguments.sequences)
            except MissingRunError as error:
                if not arguments.all:
                    raise
                print(f"figure {number} is not drawn: {error}", flush=True)
                continue
            path = Path(arguments.out) / f"figure{number}.png"
            path.write_bytes(plots.to_png(figure))
            print(path, flush=True)
    except (RunError, CheckpointError) as error:
        parser.error(error)
    return 0


def _parser():
    parser = Parser(prog="benchmarks.paper", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--figure", type=int, choices=sorted(FIGURES), help="number of the figure in the paper")
    which.add_argument("--all", action="store_true", help="draw every figure that has the runs it needs")
    parser.add_argument(
        "--runs",
        type=file_path,
        action="append",
        metavar="DIR",
        help="a run directory, or a directory that holds run directories at any depth (pretrained); may be given more "
        "than once: a network then comes from the first directory that holds it",
    )
    parser.add_argument("--out", type=file_path, default="figures", metavar="DIR", help="output directory (figures)")
    parser.add_argument(
        "--sequences", type=whole_number(1), default=1000, metavar="N", help="sequences measured (1000)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
