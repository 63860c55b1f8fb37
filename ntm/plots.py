"""Figures: arrays in, a matplotlib Figure out. Nothing here touches pyplot's state."""

import numpy as np
from matplotlib.figure import Figure

# Of Okabe and Ito's palette, which colour-blind readers can tell apart.
_LINE, _BAND, _MARK = "#0072B2", "#56B4E9", "#D55E00"


def convergence(curves, solved):
    """Wrong bits against training sequences, every seed a thin line, with the median and the quartiles.

    Args:
        curves: a list of pairs, sequences and wrong bits a sequence, one of each a seed.
        solved: for each seed the sequences after which it was solved, or None.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for sequences, wrong in curves:
        axes.plot(sequences, wrong, color="0.6", linewidth=0.6)
    longest = max((sequences for sequences, _ in curves), key=len)
    table = np.full([len(curves), len(longest)], np.nan)  # seeds that ended early are not there any more
    for row, (_, wrong) in zip(table, curves):
        row[: len(wrong)] = wrong
    lower, median, upper = np.nanpercentile(table, [25, 50, 75], axis=0)
    axes.fill_between(longest, lower, upper, color=_BAND, alpha=0.5, linewidth=0, label="quartiles")
    axes.plot(longest, median, color=_LINE, linewidth=1.8, label="median")
    moments = [moment for moment in solved if moment is not None]
    if moments:
        axes.plot(moments, [-1] * len(moments), "|", color=_MARK, markersize=9, label="solved", clip_on=False)
        axes.set_xlim(0, min(2.5 * max(moments), longest[-1]))
    axes.set_ylim(bottom=-2)
    axes.set_xlabel("training sequences")
    axes.set_ylabel("wrong bits a sequence")
    axes.set_title(f"{len(curves)} seeds, {len(moments)} of them solved")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
