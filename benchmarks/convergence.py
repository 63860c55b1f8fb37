"""Does every seed learn, how soon, and does success last? Trains several seeds and draws their errors.

`python -m benchmarks.convergence --seeds=20 --jobs=2 [any option of train.py]`. A second call resumes the runs that the
first one did not finish. --dir holds the runs, convergence.csv with a row per seed, and convergence.png.
"""

import concurrent.futures
import csv
import json
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiment.command_line import Parser, nonempty, start, whole_number

with start():
    from experiment import atomic
    from experiment.checkpoints import checkpoints
    from experiment.metrics_file import read_metrics
    from experiment.run_directory import read_config
    from experiment.solved import read_solved
    from ntm import plots

ROOT = Path(__file__).resolve().parent.parent
# Columns are named PREFIX + size. They hold wrong bits, cost in bits, and lowest achievable cost in bits, per sequence.
WRONG, BITS, LEAST = "wrong_bits_", "bits_", "least_bits_"


def main(argv=None) -> int:
    parser = seeds_parser("convergence", __doc__, seeds=20)
    arguments, options = parser.parse_known_args(argv)
    root = Path(arguments.dir)
    parser.make_directory("--dir", root)
    settings = root / "options.txt"
    text = shlex.join([*options, f"--sequences={arguments.sequences}"])
    if any(root.glob("seed-*/config.json")) and settings.read_text() != text:
        parser.error(
            f"argument --dir: {root} holds runs of other options: {settings.read_text()}; choose another directory"
        )
    settings.write_text(text)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(train, root / f"seed-{seed}", seed, options, arguments.sequences) for seed in seeds]
        try:
            rows = [report(job.result()) for job in concurrent.futures.as_completed(jobs)]
        except (subprocess.CalledProcessError, KeyboardInterrupt) as error:
            pool.shutdown(wait=False, cancel_futures=True)  # running jobs end by themselves, or by the same Ctrl-C
            if isinstance(error, KeyboardInterrupt):
                return 130
            parser.error(error.stderr.strip().splitlines()[-1])
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
        "--sequences", type=whole_number(1), default=1000, metavar="N", help="sequences per size (default %(default)s)"
    )
    parser.add_argument("--dir", type=nonempty, default=f"runs/{benchmark}", help="directory (default %(default)s)")
    return parser


def train(run_dir: Path, seed: int, options: list, sequences: int) -> dict:
    """Trains a seed, or resumes its run, and writes its errors to errors.json. Skips both if errors.json exists.

    Args:
        run_dir: the run directory.
        seed: the run's seed.
        options: options of train.py.
        sequences: number of sequences to measure at each size.

    Returns:
        The result of `read_row`.
    """
    if not (run_dir / "errors.json").exists():
        what = ["--resume"] if (run_dir / "config.json").exists() else [*options, f"--seed={seed}"]
        ended = run(["train.py", *what, f"--run-dir={run_dir}"], not_finite=True)
        errors = {"ended": ended.stderr.strip()}
        if checkpoints(run_dir):
            measured = run(["evaluate.py", f"--run-dir={run_dir}", f"--sequences={sequences}", "--format=json"])
            for line in measured.stdout.splitlines():
                row = json.loads(line)
                errors[WRONG + row["size"]] = row["bit_errors_per_sequence"]
                errors[BITS + row["size"]] = row["bits_per_sequence"]
                errors[LEAST + row["size"]] = row["least_bits_per_sequence"]
        # Written last: a run with errors.json is finished.
        atomic.write_file(run_dir / "errors.json", json.dumps(errors).encode())
    return read_row(run_dir, read_metrics(run_dir))


def read_row(run_dir: Path, metrics: dict) -> dict:
    """The row of the CSV file for a run that `train` has finished. `metrics` is the run's `read_metrics`."""
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


def run(command: list, not_finite: bool = False) -> subprocess.CompletedProcess:
    """Runs a script.

    Args:
        command: the script and its options.
        not_finite: whether train.py may stop at a loss that is not finite.

    Raises:
        CalledProcessError: the script failed in another way.
    """
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode != 0 and not (not_finite and "is not finite at iteration" in ended.stderr):
        raise subprocess.CalledProcessError(ended.returncode, command, ended.stdout, ended.stderr or "no message")
    return ended


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
