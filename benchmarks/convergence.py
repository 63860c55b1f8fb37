"""Does every seed learn, how soon, and does success last? Trains several seeds and draws their errors.

`python -m benchmarks.convergence --seeds=20 --jobs=2 [any option of train.py]`. A second call resumes the runs that the
first one did not finish. --dir holds the runs, convergence.csv with a row per seed, and convergence.png. --scheduler
trains on other machines.
"""

import csv
import json
import shlex
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiment.command_line import Parser, file_path, start, whole_number

with start():
    from benchmarks import sweep
    from benchmarks.sweep import BITS, WRONG
    from experiment.config_file import read_config
    from experiment.metrics_file import read_metrics
    from experiment.solved import read_solved
    from ntm import plots


def main(argv=None) -> int:
    parser = seeds_parser("convergence", __doc__, seeds=20)
    arguments, options = parser.parse_known_args(argv)
    root = Path(arguments.dir)
    parser.make_directory("--dir", root)
    settings = root / "options.txt"
    text = shlex.join([*options, f"--sequences={arguments.sequences}"])
    if any(root.glob("seed-*/config.json")):
        before = settings.read_text() if settings.is_file() else "unknown, because options.txt is missing"
        if before != text:
            parser.error(f"argument --dir: {root} holds runs of other options: {before}; choose another directory")
    settings.write_text(text)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs = [
        sweep.Job(run_dir=root / f"seed-{seed}", seed=seed, options=tuple(options), sequences=arguments.sequences)
        for seed in seeds
    ]
    try:
        with sweep.connect(parser, arguments.scheduler) as client:
            rows = [report(read_row(job.run_dir)) for job in sweep.finished(jobs, arguments.jobs, client)]
    except KeyboardInterrupt:
        return 130
    except sweep.JobError as error:
        parser.error(error)
    rows.sort(key=lambda row: row["seed"])
    write_rows(root / "convergence.csv", rows)
    curves = [read_curve(root / f"seed-{row['seed']}") for row in rows if row["sequences"]]
    if curves:
        plots.convergence(curves, [row["solved_at"] for row in rows]).savefig(root / "convergence.png", dpi=120)
    for line in summary(rows, text):
        print(line)
    print(f"{root}/ holds convergence.csv, convergence.png and the runs")
    return 0


def seeds_parser(benchmark: str, text: str, seeds: int) -> Parser:
    """The Parser of a benchmark that trains several seeds.

    Args:
        benchmark: the benchmark's name.
        text: the benchmark's docstring.
        seeds: the default number of seeds.
    """
    parser = Parser(prog=f"benchmarks.{benchmark}", description=text.splitlines()[0])
    parser.add_argument(
        "--seeds", type=whole_number(1), default=seeds, metavar="N", help="number of seeds (default %(default)s)"
    )
    parser.add_argument(
        "--first-seed", type=whole_number(0), default=0, metavar="N", help="first seed (default %(default)s)"
    )
    parser.add_argument(
        "--jobs", type=whole_number(1), default=2, metavar="N", help="runs at the same time (default %(default)s)"
    )
    parser.add_argument(
        "--sequences",
        type=whole_number(1),
        default=1000,
        metavar="N",
        help="sequences measured at each size (default %(default)s)",
    )
    sweep.add_scheduler_option(parser)
    parser.add_argument("--dir", type=file_path, default=f"runs/{benchmark}", help="directory (default %(default)s)")
    return parser


def read_row(run_dir: Path) -> dict:
    """The row of the CSV file for a run that `sweep.train` has finished."""
    metrics = read_metrics(run_dir)
    solved = (read_solved(run_dir) or {}).get("sequences")
    seen, wrong = metrics["sequences"], metrics["hamming_distance"]
    return {
        "seed": read_config(run_dir)["seed"],
        "solved_at": solved,
        "rows_with_errors_since": solved and int(np.sum(wrong[seen > solved] > 0)),
        "sequences": int(seen[-1]) if len(seen) else 0,
        "seconds": metrics["seconds"][-1] if len(seen) else 0,
        **json.loads((run_dir / "errors.json").read_text()),
    }


def write_rows(path: Path, rows: list):
    """Writes dicts as the rows of a CSV file. A row need not have every column."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, dict.fromkeys(column for row in rows for column in row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def report(row: dict) -> dict:
    """Prints the row of a seed. Returns it."""
    errors = ", ".join(f"{row[WRONG + size]:.3f} at {size}" for size in sizes([row]))
    solved = "not solved" if row["solved_at"] is None else f"solved after {row['solved_at']} sequences"
    print(f"seed {row['seed']}: {solved}; wrong bits after {row['sequences']}: {errors}  {row['ended']}", flush=True)
    return row


def read_curve(run_dir: Path):
    """The columns "sequences" and "hamming_distance" of a run's metrics.csv, two arrays."""
    metrics = read_metrics(run_dir)
    return metrics["sequences"].astype(int), metrics["hamming_distance"]


def summary(rows: list, options: str) -> Iterator:
    """Yields lines that summarise the results of all seeds."""
    solved = sorted(row["solved_at"] for row in rows if row["solved_at"] is not None)
    yield f"options: {options}"
    yield f"solved: {len(solved)} of {len(rows)}" + (
        f", after {statistics.median(solved):.0f} sequences (median), {solved[0]} to {solved[-1]}" if solved else ""
    )
    for size in sizes(rows):
        wrong, bits = ([row[what + size] for row in rows if what + size in row] for what in (WRONG, BITS))
        exact = sum(errors == 0 for errors in wrong)
        yield (
            f"length {size}: no wrong bit on {exact} of {len(rows)} seeds; at most {max(wrong):.3f} wrong bits; "
            f"bits per sequence: {statistics.median(bits):.3f} (median), {min(bits):.3f} to {max(bits):.3f}"
        )


def sizes(rows: list) -> list:
    """The sizes that were measured, as text."""
    return list(dict.fromkeys(key.removeprefix(WRONG) for row in rows for key in row if key.startswith(WRONG)))


if __name__ == "__main__":
    sys.exit(main())
