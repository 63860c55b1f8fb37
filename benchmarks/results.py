"""All five tasks, each model: how soon they learn, and what they then do at other sizes.

`python -m benchmarks.results` trains what RUNS names, a seed of everything before the next seed, and goes on where it
was cut off. Under --dir: the runs; results.csv, a row a run; results.md, a table of the medians; and results.png, bits
a sequence against sequences seen. The numbers of updates are such that all of it takes some hours on two cores.
"""

import concurrent.futures
import itertools
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import convergence
from cli import Parser, name, quiet_stderr, whole_number

with quiet_stderr():
    from experiment import MODELS
    from ntm import plots, runs
    from tasks import TASKS

# Updates, of one sequence each.
RUNS = {
    ("priority-sort", "ntm-lstm"): 40_000,
    ("priority-sort", "ntm-feedforward"): 20_000,
    ("priority-sort", "lstm"): 40_000,
    ("ngrams", "ntm-lstm"): 50_000,
    ("ngrams", "ntm-feedforward"): 50_000,
    ("ngrams", "lstm"): 20_000,
    ("repeat-copy", "ntm-lstm"): 50_000,
    ("repeat-copy", "ntm-feedforward"): 50_000,
    ("repeat-copy", "lstm"): 10_000,
    ("associative-recall", "ntm-lstm"): 50_000,
    ("associative-recall", "ntm-feedforward"): 50_000,
    ("associative-recall", "lstm"): 30_000,
    ("copy", "ntm-lstm"): 30_000,
    ("copy", "ntm-feedforward"): 30_000,
    ("copy", "lstm"): 30_000,
}
NEAR_THE_END = 1000  # sequences: training's bits a sequence are their mean


def main(argv=None):
    parser = Parser(prog="benchmarks.results", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=whole_number(1), default=3, metavar="N", help="how many (default 3)")
    parser.add_argument("--first-seed", type=whole_number(0), default=0, metavar="N", help="(default 0)")
    parser.add_argument("--jobs", type=whole_number(1), default=2, metavar="N", help="at a time (default 2)")
    parser.add_argument("--sequences", type=whole_number(1), default=1000, metavar="N", help="a size (default 1000)")
    parser.add_argument("--task", choices=TASKS, help="this one alone")
    parser.add_argument("--model", choices=MODELS, help="this one alone")
    parser.add_argument("--dir", type=name, default="runs/results", help="(default %(default)s)")
    arguments = parser.parse_args(argv)
    root = Path(arguments.dir)
    chosen = [
        (task, model) for task, model in RUNS if arguments.task in (None, task) and arguments.model in (None, model)
    ]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = {
            pool.submit(train, root, task, model, seed, arguments.sequences): f"{task}, {model}, seed {seed}"
            for seed, (task, model) in itertools.product(seeds, chosen)
        }
        try:
            for job in concurrent.futures.as_completed(jobs):
                job.result()
                print(jobs[job], flush=True)
        except (subprocess.CalledProcessError, KeyboardInterrupt) as error:
            pool.shutdown(cancel_futures=True)  # waits for those that run, which Ctrl-C ends too
            if isinstance(error, KeyboardInterrupt):
                return 130
            parser.error(error.stderr.strip().splitlines()[-1])
    report(root)
    print(f"{root}/ holds results.csv, results.md, results.png and the runs")
    return 0


def train(root, task, model, seed, sequences):
    """Trains a seed of a model on a task, or goes on with it, and measures it."""
    options = [f"--task={task}", f"--model={model}", f"--iterations={RUNS[task, model]}"]
    run_dir = root / f"{task}-{model}" / f"seed-{seed}"
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    convergence.train(run_dir, seed, options, sequences)


def report(root):
    """Writes results.csv, results.md and results.png of all runs under `root` that are finished."""
    rows, curves = [], {}
    for task, model in RUNS:
        for errors in sorted(root.glob(f"{task}-{model}/seed-*/errors.json")):
            row, metrics = convergence.read_row(errors.parent), runs.read_metrics(errors.parent)
            sequences, bits = metrics["sequences"], metrics["bits_per_sequence"]
            row["bits_in_training"] = np.mean(bits[sequences > row["sequences"] - NEAR_THE_END])
            rows.append({"task": task, "model": model, **row})
            curves.setdefault(task, {}).setdefault(model, []).append((sequences, bits))
    convergence.write_rows(root / "results.csv", rows)
    (root / "results.md").write_text("".join(f"{line}\n" for line in table(rows)))
    plots.results(curves).savefig(root / "results.png", dpi=100)


def table(rows):
    """A Markdown table of medians over seeds, with the least and the most, as lines."""
    columns = (
        "task",
        "model",
        "seeds",
        "sequences",
        "minutes",
        "solved",
        "bits in training",
        "size",
        "wrong bits",
        "bits",
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for (task, model), group in itertools.groupby(rows, key=lambda row: (row["task"], row["model"])):
        group = list(group)
        minutes = statistics.median(row["seconds"] for row in group) / 60
        solved = ", ".join(f"{row['solved_at']:,}" for row in group if row["solved_at"] is not None) or "-"
        what = [task, model, str(len(group)), f"{group[0]['sequences']:,}", f"{minutes:.1f}", solved]
        what.append(spread(group, "bits_in_training"))
        for size in convergence.sizes(group):
            errors = [size, spread(group, convergence.WRONG + size), spread(group, convergence.BITS + size)]
            yield f"| {' | '.join([*what, *errors])} |"
            what = [""] * len(what)


def spread(rows, column):
    """The median of a column and, of several rows, the least and the most."""
    values = sorted(row[column] for row in rows)
    median = f"{statistics.median(values):.3g}"
    return median if len(values) == 1 else f"{median} ({values[0]:.3g} to {values[-1]:.3g})"


if __name__ == "__main__":
    sys.exit(main())
