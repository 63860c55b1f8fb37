"""Draws the figures of a run: one sequence, its memory map, and the learning curves."""

import tensorflow as tf

from experiment.errors import RunError, file_and_reason
from experiment.metrics_file import read_metrics
from experiment.observation import Observer
from experiment.run_directory import RunDirectory
from experiment.seeds import PICTURES, stream
from experiment.streams import warn
from experiment.trainer import Trainer


def prepare_figures(observer: Observer):
    """Imports matplotlib and makes the observer's graph. The first call of `draw_figures` then takes half the time."""
    import ntm.plots  # noqa: F401

    observer.compile()


def draw_figures(run: RunDirectory, trainer: Trainer, observer: Observer, seed: int):
    """Draws the figures of a run at its current iteration. If that fails, prints a message and returns.

    Args:
        run: RunDirectory.
        trainer: Trainer.
        observer: Observer of the trainer's model. The observed sequence has the largest size and is always the same.
        seed: the run's seed.
    """
    from ntm import plots  # not at the top of the file: it imports matplotlib, which takes half a second

    iteration = int(trainer.iteration)
    seen = observer.observe(trainer.task.largest, stream(seed, PICTURES))
    try:
        metrics = read_metrics(run.path)
    except RunError as error:
        warn(f"train.py: no figure is drawn: {error}")
        return
    columns = (metrics[name] for name in ("sequences", "loss", "hamming_distance"))
    figures = {
        "sequence": plots.sequence(seen.inputs, seen.targets, seen.outputs, seen.mask),
        "learning_curves": plots.learning_curves(*columns, run.solved and run.solved["sequences"]),
    }
    if seen.trace is not None:
        title = f"after {iteration * trainer.batch_size:,} sequences"
        figures["memory_map"] = plots.memory_map(seen.write_weightings, seen.read_weightings, seen.answer_at, title)
    try:
        for name, figure in figures.items():
            run.add_figure(name, plots.to_png(figure), iteration)
    except (OSError, tf.errors.OpError) as error:
        warn(f"train.py: {run.path}/{name}.png cannot be written: {file_and_reason(error)}")
