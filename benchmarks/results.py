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
from cli import quiet_stderr

with quiet_stderr():
    from experiment import MODELS, default_config
    from ntm import plots, runs

# Updates, of one sequence each.
RUNS = {
    ("priority-sort", "ntm-lstm"): 40_000,
    ("priority-sort", "ntm-feedforward"): 20_000,
    ("priority-sort", "lstm"): 40_000,
    ("ngrams", "ntm-lstm"): 100_000,
    ("ngrams", "ntm-feedforward"): 50_000,
    ("ngrams", "lstm"): 20_000,
    ("repeat-copy", "ntm-lstm"): 50_000,
    ("repeat-copy", "ntm-feedforward"): 50_000,
    ("repeat-copy", "lstm"): 10_000,
    ("associative-recall", "ntm-lstm"): 30_000,
    ("associative-recall", "ntm-feedforward"): 50_000,
    ("associative-recall", "lstm"): 30_000,
    ("copy", "ntm-lstm"): 30_000,
    ("copy", "ntm-feedforward"): 30_000,
    ("copy", "lstm"): 30_000,
}
NEAR_THE_END = 1000  # sequences: training's bits a sequence are their mean


def main(argv=None):
    parser = convergence.seeds_parser("results", __doc__, seeds=3)
    parser.add_argument("--task", choices=dict.fromkeys(task for task, _ in RUNS), help="this one alone")
    parser.add_argument("--model", choices=MODELS, help="this one alone")
    arguments = parser.parse_args(argv)
    root = Path(arguments.dir)
    parser.make_directory("--dir", root)
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
                report(root)
        except (subprocess.CalledProcessError, runs.RunError, KeyboardInterrupt) as error:
            pool.shutdown(wait=False, cancel_futures=True)  # those that run come to their end; Ctrl-C ends them too
            if isinstance(error, KeyboardInterrupt):
                return 130
            why = error if isinstance(error, runs.RunError) else error.stderr.strip().splitlines()[-1]
            parser.error(f"{jobs[job]}: {why}")
    print(f"{root}/ holds results.csv, results.md, results.png and the runs")
    return 0


def train(root, task, model, seed, sequences):
    """Trains a seed of a model on a task, or goes on with it, and measures it.

    Raises:
        RunError: it was begun with other settings.
    """
    run_dir = root / f"{task}-{model}" / f"seed-{seed}"
    if (run_dir / "config.json").exists():
        kept = runs.read_config(run_dir)
        now = {**default_config(task=task, model=model), "iterations": RUNS[task, model]}
        for name in ("iterations", "model", "optimizer", "training"):
            known, wanted = kept[name], now[name]
            if isinstance(wanted, dict):  # a run has defaults besides
                known = {key: known.get(key) for key in wanted}
            if known != wanted:
                raise runs.RunError(f"{run_dir} was begun with other settings: {name} {known}, now {wanted}")
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    options = [f"--task={task}", f"--model={model}", f"--iterations={RUNS[task, model]}"]
    convergence.train(run_dir, seed, options, sequences)


def report(root):
    """Writes results.csv, results.md and results.png of all runs under `root` that are finished."""
    rows, curves = [], {}
    for task, model in RUNS:
        finished = root.glob(f"{task}-{model}/seed-*/errors.json")
        for errors in sorted(finished, key=lambda path: int(path.parent.name.removeprefix("seed-"))):
            metrics = runs.read_metrics(errors.parent)
            row = convergence.read_row(errors.parent, metrics)
            sequences, bits = metrics["sequences"], metrics["bits_per_sequence"]
            if len(sequences):  # not of a run that ended at once
                row["bits_in_training"] = np.mean(bits[sequences > row["sequences"] - NEAR_THE_END])
                curves.setdefault(task, {}).setdefault(model, []).append((sequences, bits))
            rows.append({"task": task, "model": model, **row})
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
        "solved after",
        "bits in training",
        "size",
        "wrong bits",
        "bits",
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for (task, model), group in itertools.groupby(rows, key=lambda row: (row["task"], row["model"])):
        group = list(group)
        seeds = str(len(group)) + "".join(f", {row['seed']} ended early" for row in group if row["ended"])
        minutes = statistics.median(row["seconds"] for row in group) / 60
        solved = ", ".join(f"{row['solved_at']:,}" for row in group if row["solved_at"] is not None) or "-"
        what = [task, model, seeds, f"{RUNS[task, model]:,}", f"{minutes:.1f}", solved]
        what.append(spread(group, "bits_in_training"))
        for size in convergence.sizes(group) or [""]:
            bits = spread(group, convergence.BITS + size)
            if any(row.get(convergence.LEAST + size) for row in group):
                bits += f"; at best {spread(group, convergence.LEAST + size)}"
            yield f"| {' | '.join([*what, size, spread(group, convergence.WRONG + size), bits])} |"
            what = [""] * len(what)


def spread(rows, column):
    """The median of a column and, of several rows, the least and the most; "-" where no row has it."""
    values = sorted(row[column] for row in rows if column in row)
    if not values:
        return "-"
    median = number(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({number(values[0])} to {number(values[-1])})"


def number(value):
    """A number to three digits, and no finer than a thousandth; from 100 on to a tenth, from 1,000 on to 1."""
    if 0 < value < 0.001:
        return "< 0.001"
    return f"{value:.3g}" if value < 100 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
