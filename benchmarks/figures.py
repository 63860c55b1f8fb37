"""Draws README's figures: `python -m benchmarks.figures` (`make figures`).

Draws a finished run (default: pretrained/copy): the memory map, copies of several lengths, and the learning curves.
Also draws heads.gif, which shows the heads while they learn. This repeats the first updates of the run and takes a
minute.
"""

import sys
from pathlib import Path

from experiment.command_line import Parser, file_path, start

with start():
    from matplotlib.animation import PillowWriter

    from experiment.build import build_trainer
    from experiment.config_file import load_config
    from experiment.errors import CheckpointError, RunError
    from experiment.load import load_run
    from experiment.metrics_file import read_metrics
    from experiment.observation import Observer
    from experiment.seeds import PICTURES, stream
    from experiment.solved import read_solved
    from ntm import plots

LENGTH = 30  # vectors in the sequence of the memory map
LENGTHS = (10, 20, 30, 50, 120)
UPDATES_PER_FRAME = 50


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.figures", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run-dir", type=file_path, default="pretrained/copy", metavar="DIR", help="run to draw (default %(default)s)"
    )
    parser.add_argument(
        "--out", type=file_path, default="assets", metavar="DIR", help="where to write (default %(default)s)"
    )
    arguments = parser.parse_args(argv)
    out = Path(arguments.out)
    try:
        task, model = load_run(arguments.run_dir)
        metrics, solved = read_metrics(arguments.run_dir), read_solved(arguments.run_dir)
        config = load_config(arguments.run_dir)
        if solved is None or config.run.checkpoint is not None:
            raise RunError(f"{arguments.run_dir} is not a run that started from initial weights and solved its task")
    except (RunError, CheckpointError) as error:
        parser.error(error)
    parser.make_directory("--out", out)
    seed = stream(config.run.seed, PICTURES)
    observer = Observer(model, task)
    figures = {
        "memory_map": memory_map(observer.observe((LENGTH,), seed)),
        "generalisation": plots.generalisation([observer.observe((length,), seed).answer() for length in LENGTHS]),
        "learning_curves": learning_curves(metrics, solved["sequences"]),
    }
    for figure_name, figure in figures.items():
        (out / f"{figure_name}.png").write_bytes(plots.to_png(figure))
        print(out / f"{figure_name}.png", flush=True)
    frames, answer_at = frames_of_learning(build_trainer(config), seed, 1.5 * solved["iteration"])
    plots.learning_of_heads(frames, answer_at).save(out / "heads.gif", writer=PillowWriter(fps=4), dpi=80)
    print(out / "heads.gif")
    return 0


def memory_map(seen):
    """The memory map of an Observation."""
    title = f"A sequence of {LENGTH} vectors is written, then read"
    return plots.memory_map(seen.write_weightings, seen.read_weightings, seen.answer_at, title)


def learning_curves(metrics: dict, solved: int):
    """The learning curves of a run, up to 5 times `solved`.

    `solved` is the number of training sequences after which the task was solved.
    """
    shown = metrics["sequences"] <= 5 * solved
    columns = (metrics[name][shown] for name in ("sequences", "loss", "hamming_distance"))
    return plots.learning_curves(*columns, solved)


def frames_of_learning(trainer, seed, iterations: float):
    """Trains. Observes the same sequence at the start and after every UPDATES_PER_FRAME updates.

    Args:
        trainer: Trainer.
        seed: [2], determines the sequence.
        iterations: training stops at the first frame after this iteration.

    Returns:
        The arguments of `plots.learning_of_heads`: the frames, and the step at which the answer begins.
    """
    observer, frames = Observer(trainer.model, trainer.task), []
    while True:
        seen = observer.observe(trainer.task.largest, seed)
        sequences = int(trainer.iteration) * trainer.batch_size
        frames.append(
            plots.Frame(
                title=f"after {sequences:,} sequences",
                write_weightings=seen.write_weightings,
                read_weightings=seen.read_weightings,
            )
        )
        finite = trainer.advance(int(trainer.iteration) + UPDATES_PER_FRAME)
        if not finite or int(trainer.iteration) > iterations:
            return frames, seen.answer_at


if __name__ == "__main__":
    sys.exit(main())
