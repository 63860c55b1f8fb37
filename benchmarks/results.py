"""How soon does each model learn each of the five tasks, and how large are its errors at other sizes?

`python -m benchmarks.results` trains every entry of RUNS with the first seed, then with the next seed. A second call
resumes the runs that the first one did not finish. By the times in docs/results.md, three seeds take about 14 hours on
two cores; the LSTM takes most of them. --dir holds the runs, results.csv with a row per run, results.md with a table of
medians, and results.png with bits per sequence against the number of sequences seen. --scheduler trains on other
machines.
"""

import itertools
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiment.command_line import start

with start():
    from benchmarks import convergence, sweep
    from experiment.config import Config, default_config
    from experiment.errors import RunError
    from experiment.load import load_config
    from experiment.metrics_file import read_metrics
    from experiment.models import MODELS
    from experiment.presets import RECIPES
    from ntm import plots

# The number of updates of each run. An update has one sequence.
RUNS = {
    ("priority-sort", "ntm-lstm"): RECIPES["priority-sort", "ntm-lstm"]["run"]["iterations"],
    ("priority-sort", "ntm-feedforward"): RECIPES["priority-sort", "ntm-feedforward"]["run"]["iterations"],
    ("priority-sort", "lstm"): 400_000,
    ("ngrams", "ntm-lstm"): 100_000,
    ("ngrams", "ntm-feedforward"): RECIPES["ngrams", "ntm-feedforward"]["run"]["iterations"],
    ("ngrams", "lstm"): 200_000,
    ("repeat-copy", "ntm-lstm"): 50_000,
    ("repeat-copy", "ntm-feedforward"): 200_000,
    ("repeat-copy", "lstm"): 200_000,
    ("associative-recall", "ntm-lstm"): 30_000,
    ("associative-recall", "ntm-feedforward"): 100_000,
    ("associative-recall", "lstm"): 500_000,
    ("copy", "ntm-lstm"): 30_000,
    ("copy", "ntm-feedforward"): 30_000,
    ("copy", "lstm"): 500_000,
}
NEAR_THE_END = 1000  # "bits in training" is the mean over this many sequences at the end of a run


def main(argv=None) -> int:
    parser = convergence.seeds_parser("results", __doc__, seeds=3)
    parser.add_argument("--task", choices=dict.fromkeys(task for task, _ in RUNS), help="train only this task")
    parser.add_argument("--model", choices=MODELS, help="train only this model")
    arguments = parser.parse_args(argv)
    root = Path(arguments.dir)
    parser.make_directory("--dir", root)
    chosen = [
        (task, model) for task, model in RUNS if arguments.task in (None, task) and arguments.model in (None, model)
    ]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    try:
        jobs = {
            make_job(root, task, model, seed, arguments.sequences): f"{task}, {model}, seed {seed}"
            for seed, (task, model) in itertools.product(seeds, chosen)
        }
        with sweep.connect(parser, arguments.scheduler) as client:
            for job in sweep.finished(list(jobs), arguments.jobs, client):
                print(jobs[job], flush=True)
                report(root)
    except KeyboardInterrupt:
        return 130
    except sweep.JobError as error:
        parser.error(f"{jobs[error.job]}: {error}")
    except RunError as error:
        parser.error(error)
    print(f"{root}/ holds results.csv, results.md, results.png and the runs")
    return 0


def make_job(root: Path, task: str, model: str, seed: int, sequences: int) -> sweep.Job:
    """The job that trains a seed of a model on a task, or resumes its run.

    Raises:
        RunError: the run was started with other settings.
    """
    run_dir = root / f"{task}-{model}" / f"seed-{seed}"
    if (run_dir / "config.json").exists():
        refuse_other_settings(run_dir, default_config(task=task, model=model), RUNS[task, model])
    options = (f"--task={task}", f"--model={model}", f"--iterations={RUNS[task, model]}")
    return sweep.Job(run_dir=run_dir, seed=seed, options=options, sequences=sequences)


def refuse_other_settings(run_dir: Path, wanted: Config, iterations: int):
    """Raises RunError unless a run has this number of iterations and the model, optimizer and training of `wanted`."""
    kept = load_config(run_dir)
    for what, was, now in (
        ("iterations", kept.run.iterations, iterations),
        ("model", kept.model, wanted.model),
        ("optimizer", kept.optimizer, wanted.optimizer),
        ("training", kept.training, wanted.training),
    ):
        if was != now:
            raise RunError(f"{run_dir} was begun with other settings: {what} {was}, now {now}")


def report(root: Path):
    """Writes results.csv, results.md and results.png for all finished runs under `root`."""
    rows, curves = [], {}
    for task, model in RUNS:
        finished = root.glob(f"{task}-{model}/seed-*/errors.json")
        for errors in sorted(finished, key=lambda path: int(path.parent.name.removeprefix("seed-"))):
            metrics = read_metrics(errors.parent)
            row = convergence.read_row(errors.parent)
            sequences, bits = metrics["sequences"], metrics["bits_per_sequence"]
            if len(sequences):  # a run that stopped at once has no rows
                row["bits_in_training"] = np.mean(bits[sequences > row["sequences"] - NEAR_THE_END])
                curves.setdefault(task, {}).setdefault(model, []).append((sequences, bits))
            rows.append({"task": task, "model": model, **row})
    convergence.write_rows(root / "results.csv", rows)
    (root / "results.md").write_text("".join(f"{line}\n" for line in table(rows)))
    plots.results(curves).savefig(root / "results.png", dpi=100)


def table(rows: list) -> Iterator:
    """Yields the lines of a Markdown table: medians over seeds, with the smallest and the largest value."""
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
        cells = [task, model, seeds, f"{RUNS[task, model]:,}", f"{minutes:.1f}", solved]
        cells.append(spread(group, "bits_in_training"))
        for size in convergence.sizes(group) or [""]:
            bits = spread(group, sweep.BITS + size)
            if any(row.get(sweep.LEAST + size) for row in group):
                bits += f"; at best {spread(group, sweep.LEAST + size)}"
            yield f"| {' | '.join([*cells, size, spread(group, sweep.WRONG + size), bits])} |"
            cells = [""] * len(cells)


def spread(rows: list, column: str) -> str:
    """The median of a column, and its smallest and largest value if there are several rows. "-" if no row has it."""
    values = sorted(row[column] for row in rows if column in row)
    if not values:
        return "-"
    median = number(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({number(values[0])} to {number(values[-1])})"


def number(value: float) -> str:
    """A number with three significant digits. From 100 on it has one decimal, from 1,000 on none."""
    if 0 < value < 0.001:
        return "< 0.001"
    return f"{value:.3g}" if value < 100 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
