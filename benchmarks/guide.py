"""Draws the figures of docs/guide.md: `python -m benchmarks.guide`.

Each figure shows what one equation does to small arrays.
"""

import sys
from pathlib import Path

from experiment.command_line import Parser, file_path, start

with start():
    import numpy as np

    from ntm import plots
    from ntm.addressing import content_weighting, interpolate, sharpen, shift
    from ntm.memory import read, write

LOCATIONS = 12


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.guide", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=file_path, default="docs/guide", metavar="DIR", help="where to write (default %(default)s)"
    )
    out = parser.parse_args(argv).out
    parser.make_directory("--out", out)
    for name, draw in FIGURES.items():
        path = Path(out) / f"{name}.png"
        path.write_bytes(plots.to_png(plots.panels(draw())))
        print(path)
    return 0


def equation_2():
    weighting = _peak(4, 0.8)
    return {"memory": _memory(), "weighting": weighting, "read vector": read([_memory()], [[weighting]])[0]}


def equations_3_and_4():
    weighting, add = _peak(4, 0.9), np.array([[2.0, -2.0, 2.0, -2.0]])
    erased = write([_memory()], [[weighting]], [np.ones([1, 4])], [np.zeros([1, 4])])[0]
    added = write([_memory()], [[weighting]], [np.ones([1, 4])], [add])[0]
    return {
        "memory": _memory(),
        "weighting": weighting,
        "after erasing, eq. (3)": erased,
        "after adding, eq. (4)": added,
    }


def equations_5_and_6():
    memory, key = _memory(), _memory()[4]
    panels = {"memory": memory, "key": key[np.newaxis]}
    for strength in (1.0, 5.0, 20.0):
        panels[f"strength {strength:g}"] = content_weighting([memory], [[key]], np.array([[strength]]))[0, 0]
    return panels


def equation_7():
    content, previous = _peak(4, 0.9), _peak(9, 0.9)
    panels = {"content": content, "previous": previous}
    for gate in (0.9, 0.5, 0.1):
        panels[f"gate {gate:g}"] = interpolate([[content]], [[previous]], np.array([[gate]]))[0, 0]
    return panels


def equation_8():
    weighting = _peak(4, 0.9)
    shifts = {"all by +1": [0.0, 0.0, 1.0], "all by -1": [1.0, 0.0, 0.0], "in three parts": [0.2, 0.6, 0.2]}
    return {"weighting": weighting} | {
        name: shift([[weighting]], np.array([[distribution]]))[0, 0] for name, distribution in shifts.items()
    }


def equation_9():
    blurred = shift([[_peak(4, 0.9)]], np.array([[[0.2, 0.6, 0.2]]]))[0, 0]
    panels = {"weighting": blurred}
    for sharpness in (1.5, 3.0, 10.0):
        panels[f"sharpness {sharpness:g}"] = sharpen([[blurred]], np.array([[sharpness]]))[0, 0]
    return panels


FIGURES = {
    "equation2": equation_2,
    "equation3": equations_3_and_4,
    "equation5": equations_5_and_6,
    "equation7": equation_7,
    "equation8": equation_8,
    "equation9": equation_9,
}


def _memory():
    """A memory [N, W] of random numbers."""
    return np.random.default_rng(4).normal(size=[LOCATIONS, 4])


def _peak(location, weight):
    """A weighting [N] with the weight `weight` at one location and equal weights at all others."""
    weighting = np.full([LOCATIONS], (1 - weight) / (LOCATIONS - 1))
    weighting[location] = weight
    return weighting


if __name__ == "__main__":
    sys.exit(main())
