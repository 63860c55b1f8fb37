"""Does every seed learn, how soon, and does it last? Trains seeds side by side and draws their errors.

`python -m benchmarks.convergence --seeds=20 --jobs=2 [any option of train.py]`. Everything is under --dir: the runs,
which a second call goes on with where the first was cut off; convergence.csv, a row a seed; and convergence.png.
"""

import concurrent.futures
import csv
import json
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

from cli import Parser, name, quiet_stderr, whole_number

with quiet_stderr():
    from ntm import plots, runs

ROOT = Path(__file__).resolve().parent.parent
# Columns of the size that follows: errors, the cost, and what the best predictor would pay.
WRONG, BITS, LEAST = "wrong_bits_", "bits_", "least_bits_"


def main(argv=None):
    parser = seeds_parser("convergence", __doc__, seeds=20)
    arguments, options = parser.parse_known_args(argv)
    root = Path(arguments.dir)
    parser.make_directory("--dir", root)
    settings = root / "options.txt"
    text = shlex.join([*options, f"--sequences={arguments.sequences}"])
    if any(root.glob("seed-*/config.json")) and settings.read_text() != text:
        parser.error(f"argument --dir: {root} holds runs of other options: {settings.read_text()}; choose another")
    settings.write_text(text)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(train, root / f"seed-{seed}", seed, options, arguments.sequences) for seed in seeds]
        try:
            rows = [report(job.result()) for job in concurrent.futures.as_completed(jobs)]
        except (subprocess.CalledProcessError, KeyboardInterrupt) as error:
            pool.shutdown(wait=False, cancel_futures=True)  # those that run come to their end; Ctrl-C ends them too
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


def seeds_parser(benchmark, text, seeds):
    """The Parser of a benchmark, of that name and docstring, that trains many seeds, by default so many."""
    parser = Parser(prog=f"benchmarks.{benchmark}", description=text.splitlines()[0])
    parser.add_argument(
        "--seeds", type=whole_number(1), default=seeds, metavar="N", help="how many (default %(default)s)"
    )
    parser.add_argument("--first-seed", type=whole_number(0), default=0, metavar="N", help="(default %(default)s)")
    parser.add_argument("--jobs", type=whole_number(1), default=2, metavar="N", help="at a time (default %(default)s)")
    parser.add_argument(
        "--sequences", type=whole_number(1), default=1000, metavar="N", help="measured a size (default %(default)s)"
    )
    parser.add_argument("--dir", type=name, default=f"runs/{benchmark}", help="(default %(default)s)")
    return parser


def train(run_dir, seed, options, sequences):
    """Trains a seed, or goes on with it, and measures it. Returns its row."""
    if not (run_dir / "errors.json").exists():
        what = ["--resume"] if (run_dir / "config.json").exists() else [*options, f"--seed={seed}"]
        ended = run(["train.py", *what, f"--run-dir={run_dir}"], not_finite=True)
        errors = {"ended": ended.stderr.strip()}
        if runs.checkpoints(run_dir):
            measured = run(["evaluate.py", f"--run-dir={run_dir}", f"--sequences={sequences}", "--format=json"])
            for line in measured.stdout.splitlines():
                row = json.loads(line)
                errors[WRONG + row["size"]] = row["bit_errors_per_sequence"]
                errors[BITS + row["size"]] = row["bits_per_sequence"]
                errors[LEAST + row["size"]] = row["least_bits_per_sequence"]
        runs.write_aside(run_dir / "errors.json", json.dumps(errors).encode())  # where it is, all is done
    return read_row(run_dir, runs.read_metrics(run_dir))


def read_row(run_dir, metrics):
    """What is to be told of a run, of those metrics, that `train` has finished: a dict of the columns of the CSV."""
    solved = (runs.read_solved(run_dir) or {}).get("sequences")
    seen, wrong = metrics["sequences"], metrics["hamming_distance"]
    return {
        "seed": runs.read_config(run_dir)["seed"],
        "solved_at": solved,
        "rows_with_errors_since": solved and int(np.sum(wrong[seen > solved] > 0)),
        "sequences": int(seen[-1]) if len(seen) else 0,
        "seconds": metrics["seconds"][-1] if len(seen) else 0,
        **json.loads((run_dir / "errors.json").read_text()),
    }


def run(command, not_finite=False):
    """A script's CompletedProcess; `not_finite` if training may end in a loss that is not finite."""
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode != 0 and not (not_finite and "is not finite at iteration" in ended.stderr):
        raise subprocess.CalledProcessError(ended.returncode, command, ended.stdout, ended.stderr or "no message")
    return ended


def write_rows(path, rows):
    """Writes dicts, not all of which need have all columns, as a CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, dict.fromkeys(column for row in rows for column in row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def report(row):
    """Prints a seed's row, and returns it."""
    errors = ", ".join(f"{row[WRONG + size]:.3f} at {size}" for size in sizes([row]))
    solved = "not solved" if row["solved_at"] is None else f"solved after {row['solved_at']} sequences"
    print(f"seed {row['seed']}: {solved}; wrong bits after {row['sequences']}: {errors}  {row['ended']}", flush=True)
    return row


def read_curve(run_dir):
    """Sequences and wrong bits of a run's metrics.csv, two arrays."""
    metrics = runs.read_metrics(run_dir)
    return metrics["sequences"].astype(int), metrics["hamming_distance"]


def summary(rows, options):
    """What a table of settings needs to know of one, as lines."""
    solved = sorted(row["solved_at"] for row in rows if row["solved_at"] is not None)
    yield f"options: {options}"
    yield f"solved: {len(solved)} of {len(rows)}" + (
        f", after {statistics.median(solved):.0f} sequences (median), {solved[0]} to {solved[-1]}" if solved else ""
    )
    for size in sizes(rows):
        wrong, bits = ([row[what + size] for row in rows if what + size in row] for what in (WRONG, BITS))
        exact = sum(errors == 0 for errors in wrong)
        yield (
            f"length {size}: no wrong bit on {exact} of {len(rows)} seeds; most: {max(wrong):.3f}; "
            f"bits a sequence: {statistics.median(bits):.3f} (median), {min(bits):.3f} to {max(bits):.3f}"
        )


def sizes(rows):
    """The sizes that were measured, as text."""
    return list(dict.fromkeys(key.removeprefix(WRONG) for row in rows for key in row if key.startswith(WRONG)))


if __name__ == "__main__":
    sys.exit(main())
