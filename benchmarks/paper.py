"""Draws figures of the paper from pretrained weights: `python -m benchmarks.paper --figure=8`.

Writes the figure to --out as figure8.png and so on. Also prints the counts that the figure illustrates.
"""

import sys
from pathlib import Path

from experiment.command_line import Parser, file_path, start, whole_number

with start():
    import numpy as np
    import tensorflow as tf

    from experiment.errors import CheckpointError, RunError
    from experiment.load import load_run
    from experiment.observation import Observer
    from experiment.seeds import PICTURES, REPORT, stream
    from ntm import plots


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.paper", description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=int, choices=FIGURES, required=True, help="number of the figure in the paper")
    parser.add_argument("--run-dir", type=file_path, metavar="DIR", help="the run to draw (the one in pretrained/)")
    parser.add_argument("--out", type=file_path, default="assets", metavar="DIR", help="output directory (assets)")
    parser.add_argument("--sequences", type=whole_number(1), default=1000, metavar="N", help="sequences counted (1000)")
    arguments = parser.parse_args(argv)
    draw, run_dir = FIGURES[arguments.figure]
    try:
        task, model = load_run(arguments.run_dir or run_dir)
    except (RunError, CheckpointError) as error:
        parser.error(error)
    parser.make_directory("--out", arguments.out)
    path = Path(arguments.out) / f"figure{arguments.figure}.png"
    path.write_bytes(plots.to_png(draw(task, model, arguments.sequences)))
    print(path)
    return 0


def repeat_copy_beyond(task, model, sequences):
    """Figure 8: repeat copy with twice the largest length of training, and with twice the largest number of repeats."""
    sizes = (20, 10), (10, 20)
    for size in sizes:
        exact, markers = count_repetitions(task, model, size, sequences)
        size_name = "x".join(map(str, size))
        print(f"{size_name}, {sequences} sequences: sequences with an exact copy in each repetition: {exact.tolist()}")
        print(
            f"{size_name}, {sequences} sequences: sequences with an end marker after each repetition: "
            f"{markers.tolist()}"
        )
    observer = Observer(model, task)
    return plots.generalisation([observer.observe(size, stream(0, PICTURES)).answer() for size in sizes])


def count_repetitions(task, model, size: tuple, sequences: int):
    """Counts, for each repetition, the sequences in which its bits are exact and in which an end marker follows it.

    Args:
        task: RepeatCopy.
        model: an NTM.
        size: the length and the number of repeats.
        sequences: the number of sequences.

    Returns:
        Two integer arrays [repeats].
    """
    length, repeats = size
    batch = task.batch(stream(0, REPORT), sequences, size, size)
    run = tf.function(lambda inputs: model.run(inputs)[0], jit_compile=True, autograph=False)
    logits = np.concatenate([run(inputs) for inputs in tf.split(batch.inputs, _parts(sequences))])
    answer = slice(int(batch.answer_at), None)
    says, wants = logits[:, answer] > 0, batch.targets.numpy()[:, answer] > 0.5
    wrong = (says != wants)[:, : length * repeats, :-1].reshape(sequences, repeats, -1)
    markers = says[:, length::length, -1]
    return (~wrong.any(axis=2)).sum(axis=0), markers.sum(axis=0)


def _parts(sequences):
    """The number of equal parts, of at most 100 sequences each."""
    return next(parts for parts in range(-(-sequences // 100), sequences + 1) if sequences % parts == 0)


FIGURES = {8: (repeat_copy_beyond, "pretrained/repeat-copy")}

if __name__ == "__main__":
    sys.exit(main())
