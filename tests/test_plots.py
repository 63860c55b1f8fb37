"""Figures: what is in them. How they look is for the eye."""

import numpy as np

from ntm import plots


def test_convergence_shows_every_seed_and_all_of_the_longest():
    curves = [([100, 200], [8.0, 2.0]), ([100, 200, 300, 400], [6.0, 4.0, 1.0, 0.0]), ([100], [10.0])]
    figure = plots.convergence(curves, [None, 400, None])
    (axes,) = figure.axes
    *seeds, median, _ = axes.lines
    assert [len(line.get_xdata()) for line in seeds] == [2, 4, 1]
    np.testing.assert_array_equal(median.get_ydata(), [8, 3, 1, 0])
    assert axes.get_xlim() == (0, 400)
    assert axes.get_title() == "3 seeds, 1 of them solved"
    assert axes.get_xlabel() == "training sequences" and axes.get_ylabel() == "wrong bits a sequence"
