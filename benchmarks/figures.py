"""README's pictures: `python -m benchmarks.figures` (`make figures`).

From a finished run, pretrained/copy by default, to assets/: the memory location map, copies of several lengths and the
run's learning curves. The heads learning, heads.gif, needs its first sequences over again: a minute.
"""

import sys
from pathlib import Path

from cli import Parser, name, quiet_stderr

with quiet_stderr():
    from matplotlib.animation import PillowWriter

    from experiment import build_trainer, load_run
    from ntm import plots, runs
    from ntm.checkpoints import CheckpointError
    from ntm.evaluation import Observer
    from ntm.runs import RunError
    from ntm.training import PICTURES, stream

LENGTH = 30  # of the sequence in the memory maps
LENGTHS = (10, 20, 30, 50, 120)
UPDATES_A_FRAME = 50


def main(argv=None):
    parser = Parser(prog="benchmarks.figures", description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", type=name, default="pretrained/copy", metavar="DIR", help="(default %(default)s)")
    parser.add_argument("--out", type=name, default="assets", metavar="DIR", help="(default %(default)s)")
    arguments = parser.parse_args(argv)
    out = Path(arguments.out)
    try:
        task, model = load_run(arguments.run_dir)
        metrics, solved = runs.read_metrics(arguments.run_dir), runs.read_solved(arguments.run_dir)
        config = runs.read_config(arguments.run_dir)
        if solved is None or config["checkpoint"] is not None:
            raise RunError(f"{arguments.run_dir} is not a run that began anew and came to a solution")
    except (RunError, CheckpointError) as error:
        parser.error(error)
    parser.make_directory("--out", out)
    seed = stream(config["seed"], PICTURES)
    observer = Observer(model, task)
    figures = {
        "memory_map": memory_map(observer.observe((LENGTH,), seed)),
        "generalisation": plots.generalisation([observer.observe((length,), seed).answer() for length in LENGTHS]),
        "learning_curves": learning_curves(metrics, solved["sequences"]),
    }
    for figure_name, figure in figures.items():
        (out / f"{figure_name}.png").write_bytes(plots.to_png(figure))
        print(out / f"{figure_name}.png", flush=True)
    frames, answer_at = moments(build_trainer(config), seed, 1.5 * solved["iteration"])
    plots.learning_of_heads(frames, answer_at).save(out / "heads.gif", writer=PillowWriter(fps=4), dpi=80)
    print(out / "heads.gif")
    return 0


def memory_map(seen):
    """The memory map of an Observation."""
    title = f"A sequence of {LENGTH} vectors is written, then read"
    return plots.memory_map(seen.trace.write_weightings, seen.trace.read_weightings, seen.answer_at, title)


def learning_curves(metrics, solved):
    """The learning curves up to some time after a run was solved; what follows is flat."""
    shown = metrics["sequences"] <= 5 * solved
    columns = (metrics[name][shown] for name in ("sequences", "loss", "hamming_distance"))
    return plots.learning_curves(*columns, solved)


def moments(trainer, seed, iterations):
    """Trains, and looks at one sequence again and again: the frames of `plots.learning_of_heads`."""
    observer, frames = Observer(trainer.model, trainer.task), []
    while True:
        seen = observer.observe(trainer.task.largest, seed)
        sequences = int(trainer.iteration) * trainer.batch_size
        frames.append((f"after {sequences:,} sequences", seen.trace.write_weightings, seen.trace.read_weightings))
        finite = trainer.advance(int(trainer.iteration) + UPDATES_A_FRAME)
        if not finite or int(trainer.iteration) > iterations:
            return frames, seen.answer_at


if __name__ == "__main__":
    sys.exit(main())
