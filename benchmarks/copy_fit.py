"""Counts the training sequences that examples/copy_fit.py needs before it copies length 20 without an error.

`python -m benchmarks.copy_fit --seeds=5` counts them for five seeds.
"""

import sys
from pathlib import Path

from experiment.command_line import Parser, start, whole_number

with start():
    import numpy as np

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "copy_fit.py"
PERIOD = 500  # training sequences between two tests


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.copy_fit", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=whole_number(1), default=5, help="seeds 0 to N - 1 (%(default)s)", metavar="N")
    parser.add_argument(
        "--most", type=whole_number(1), default=20_000, help="stop after N sequences (%(default)s)", metavar="N"
    )
    parser.add_argument(
        "--batch-size", type=whole_number(1), default=1, help="batch size of `fit` (%(default)s)", metavar="B"
    )
    arguments = parser.parse_args(argv)
    for seed in range(arguments.seeds):
        trained, wrong = sequences_until_solved(seed, arguments.batch_size, arguments.most)
        print(f"seed {seed}: {trained} sequences, {wrong:.3f} wrong bits per sequence of length 20", flush=True)
    return 0


def sequences_until_solved(seed: int, batch_size: int, most: int) -> tuple[int, float]:
    """Trains the model of the example until it makes no wrong bit in a test: 1,000 sequences of length 20.

    Args:
        seed: determines the model and the sequences.
        batch_size: the batch size of `fit`.
        most: training stops after this many sequences, even if the test still finds wrong bits.

    Returns:
        The number of training sequences, and the mean number of wrong bits per sequence in the last test.
    """
    source = EXAMPLE.read_text()
    example = {}
    exec(source[: source.index("model.fit(")].replace("(0)", f"({seed})"), example)
    model, rng, copy_data = example["model"], example["rng"], example["copy_data"]
    test = copy_data(np.random.default_rng(10_000 + seed), [20] * 1000)
    trained, wrong = 0, np.inf
    while trained < most and wrong > 0:
        model.fit(**copy_data(rng, rng.integers(1, 21, size=PERIOD)), batch_size=batch_size, verbose=0)
        trained += PERIOD
        wrong = model.evaluate(**test, batch_size=100, verbose=0, return_dict=True)["hamming_distance"]
    return trained, wrong


if __name__ == "__main__":
    sys.exit(main())
