"""Tests the content of figures, not their looks."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from ntm import plots


def path(locations, count=12):
    """Weightings [T, 1, N] of a head that visits the given locations, one per step."""
    return np.eye(count)[list(locations)][:, np.newaxis]


def image_of(axes):
    (image,) = axes.images
    return np.asarray(image.get_array())


def heights_of(axes):
    """The heights of the vertical lines that `vlines` drew."""
    bars, *_ = axes.collections
    return [top for (_, (_, top)) in bars.get_segments()]


@pytest.mark.parametrize(
    ("locations", "expected"),
    [
        ([3, 4, 5], [1, 2, 3, 4, 5, 6, 7]),
        ([11, 0, 1], [9, 10, 11, 0, 1, 2, 3]),
        ([0], [10, 11, 0, 1, 2]),
        ([0, 3, 6, 9], list(range(12))),
    ],
)
def test_visited_is_the_shortest_way_around(locations, expected):
    assert plots.visited(path(locations)).tolist() == expected


def test_visited_is_every_location_if_weightings_are_uniform():
    assert plots.visited(np.full([3, 2, 40], 1 / 40)).tolist() == list(range(40))


def test_memory_map_has_a_line_for_every_head():
    write = path([19, 0, 1, 2], count=20)
    read = np.concatenate([path([2, 1, 0, 19], count=20), path([5, 5, 5, 5], count=20)], axis=1)
    figure = plots.memory_map(write, read, answer_at=2)
    (axes,) = figure.axes
    image = image_of(axes)
    white = (image == 1).all(axis=2)
    assert image.shape == (11, 4, 3)  # locations 17 to 19 and 0 to 7
    rows_of = {column: (np.flatnonzero(~white[:, column]) - 3).tolist() for column in range(4)}
    assert rows_of == {0: [-1, 2, 5], 1: [0, 1, 5], 2: [0, 1, 5], 3: [-1, 2, 5]}
    np.testing.assert_allclose(image[2, 0], [0, 0x9E / 255, 0x73 / 255])  # written at location 19: green
    np.testing.assert_allclose(image[5, 0], [0xD5 / 255, 0x5E / 255, 0])  # read at location 2: red
    assert axes.yaxis.get_major_formatter()(3, 0) == "0"
    assert axes.get_xlabel() == "time (steps)" and axes.get_ylabel() == "memory location (11 of 20)"


def test_sequence_blanks_steps_outside_the_mask_and_marks_errors():
    targets, outputs = np.array([[0, 1], [1, 1], [0, 1]]), np.array([[0.9, 0.9], [0.9, 0.4], [0.1, 0.6]])
    figure = plots.sequence(np.ones([3, 4]), targets, outputs, mask=np.array([0, 1, 1]))
    *fields, _ = figure.axes
    assert [axes.get_ylabel() for axes in fields] == ["input", "target", "output", "error (1 bits)"]
    np.testing.assert_array_equal(image_of(fields[3]), np.array([[np.nan, 0, 0], [np.nan, 1, 0]]))
    np.testing.assert_array_equal(image_of(fields[2])[:, 1:], outputs[1:].T)


def test_memory_use_shows_both_sides_at_one_scale(rng):
    adds, reads = rng.normal(size=(4, 5)), 3 * rng.normal(size=(6, 5))
    write, read = path([1, 2, 3, 4])[:, 0], path([1, 2, 3, 4, 5, 6])[:, 0]
    figure = plots.memory_use(rng.random((4, 3)), adds, write, rng.random((6, 2)), reads, read)
    (left, right) = figure.axes[2:4]
    np.testing.assert_array_equal(image_of(left), adds.T)
    np.testing.assert_array_equal(image_of(right), reads.T)
    assert left.images[0].get_clim() == right.images[0].get_clim()


def test_addressing_shows_each_stage_and_the_parameters_of_the_head():
    stages = np.eye(6)[:5]
    names = ("previous", "content", "gated", "shifted", "weighting")
    told = {"gate": 0.25, "shifts": [0.1, 0.2, 0.7], "sharpness": 4.0}
    figure = plots.addressing("head", **dict(zip(names, stages)), **told)
    for axes, stage in zip(figure.axes, stages, strict=True):
        assert heights_of(axes) == stage.tolist()
    titles = " ".join(axes.get_title() for axes in figure.axes)
    assert "gate 0.25" in titles and "by +1 (0.70)" in titles and "power 4.0" in titles


def test_moment_marks_the_step_above_the_addressing_of_each_head():
    told = {"gate": 0.25, "shifts": [0.1, 0.2, 0.7], "sharpness": 4.0}
    stages = dict(zip(("previous", "content", "gated", "shifted", "weighting"), np.eye(6)))
    write, read = path([0, 1, 2]), path([2, 1, 0])
    figure = plots.moment(write, read, answer_at=1, step=2, heads={"one": stages | told, "two": stages | told})
    (map_axes, *rows) = figure.axes
    assert map_axes.lines[-1].get_xdata() == [2, 2]
    assert len(rows) == 10 and [heights_of(axes) for axes in rows[:5]] == np.eye(6)[:5].tolist()


def test_generalisation_puts_targets_above_outputs(rng):
    examples = [
        plots.Example(title=f"length {n}", targets=rng.random((n, 8)), outputs=rng.random((n, 8))) for n in (4, 7, 20)
    ]
    figure = plots.generalisation(examples)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["length 4", "length 7", "length 20"]
    images = [image_of(axes) for axes in figure.axes if axes.get_ylabel() in ("targets", "outputs")]
    for image, example in zip((images[:2], images[2:]), (examples[0], examples[2])):
        np.testing.assert_array_equal(image[0], example.targets.T)
        np.testing.assert_array_equal(image[1], example.outputs.T)


def test_errors_and_learning_curves_draw_the_given_values():
    (axes,) = plots.errors_by_length([10, 20, 30], [0.0, 1.0, 50.0], trained=20).axes
    assert axes.lines[0].get_ydata().tolist() == [0, 1, 50] and axes.get_ylim()[1] > 50
    loss, wrong = plots.learning_curves([100, 200], [3.0, 1.0], [9.0, 2.0], solved=200).axes
    assert loss.lines[0].get_ydata().tolist() == [3, 1] and wrong.lines[0].get_ydata().tolist() == [9, 2]
    assert loss.get_legend().get_texts()[0].get_text() == "solved after 200 sequences"


def test_learning_of_heads_has_one_frame_per_moment(tmp_path):
    frames = [
        plots.Frame(title=f"after {i}", write_weightings=path([0, 1, 2]), read_weightings=path([2, i, i]))
        for i in range(3)
    ]
    written = []

    class Writer(PillowWriter):
        def grab_frame(self, **options):
            written.append(self.fig.axes[0].get_title())
            super().grab_frame(**options)

    plots.learning_of_heads(frames, answer_at=1).save(tmp_path / "heads.gif", writer=Writer(), dpi=20)
    assert written == ["after 0", "after 1", "after 2", "after 2"]


WEIGHTINGS = path([0, 1, 2]).astype(np.float32), path([2, 1, 0]).astype(np.float32)
FIELD = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
STAGES = {
    **dict(zip(("previous", "content", "gated", "shifted", "weighting"), np.eye(6, dtype=np.float32))),
    "gate": np.float32(0.25),
    "shifts": np.array([0.1, 0.2, 0.7], np.float32),
    "sharpness": np.float32(4.0),
}
CURVE = np.arange(1, 9), np.linspace(9, 0.1, 8, dtype=np.float32)
EXAMPLE = plots.Example(title="length 3", targets=FIELD, outputs=FIELD)
FRAME = plots.Frame(title="after 0", write_weightings=WEIGHTINGS[0], read_weightings=WEIGHTINGS[1])
ARGUMENTS = {
    "memory_map": ((*WEIGHTINGS,), {"answer_at": np.array(1)}),
    "visited": (WEIGHTINGS, {}),
    "sequence": ((FIELD, FIELD, FIELD, np.array([0, 1, 1])), {}),
    "memory_use": ((FIELD, FIELD, WEIGHTINGS[0][:, 0], FIELD, FIELD, WEIGHTINGS[1][:, 0]), {}),
    "addressing": (("head",), STAGES),
    "moment": (WEIGHTINGS, {"answer_at": np.array(1), "step": np.array(2), "heads": {"one": STAGES}}),
    "generalisation": (([EXAMPLE, EXAMPLE],), {}),
    "errors_by_length": (CURVE, {"trained": np.array(4)}),
    "learning_curves": ((*CURVE, CURVE[1]), {"solved": np.array(4)}),
    "learning_of_heads": (([FRAME, FRAME],), {}),
    "convergence": (([CURVE, CURVE], [np.array(3), None]), {}),
    "costs": (({"ntm": [CURVE]}, {"ntm": CURVE}), {"limits": ((0, 9), (0, 9)), "xlabel": "items"}),
    "predictions": (({"bits": FIELD[0], "optimal": FIELD[1]},), {}),
    "write_locations": ((FIELD[0], WEIGHTINGS[0][:, 0], WEIGHTINGS[1][:, 0]), {}),
    "panels": (({"weighting": WEIGHTINGS[0][0, 0], "memory": FIELD},), {}),
    "results": (({"copy": {"ntm": [CURVE]}},), {}),
}


def test_arguments_has_every_public_function_but_to_png():
    functions = [function for _, function in inspect.getmembers(plots, inspect.isfunction)]
    own = {function.__name__ for function in functions if function.__module__ == plots.__name__}
    assert {name for name in own if not name.startswith("_")} == {*ARGUMENTS, "to_png"}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_figure_of_tensors_is_the_figure_of_arrays(name, tmp_path):
    def drawn(make):
        arguments, options = tf.nest.map_structure(
            lambda value: make(value) if isinstance(value, (np.ndarray, np.generic)) else value, ARGUMENTS[name]
        )
        result = getattr(plots, name)(*arguments, **options)
        if isinstance(result, np.ndarray):
            return result.tobytes()
        if isinstance(result, Figure):
            return plots.to_png(result)
        result.save(tmp_path / "animation.gif", writer=PillowWriter(), dpi=20)
        return (tmp_path / "animation.gif").read_bytes()

    assert drawn(tf.constant) == drawn(lambda value: value)


def test_bfloat16_is_drawn():
    tensors = [tf.cast(weightings, tf.bfloat16) for weightings in WEIGHTINGS]
    assert plots.to_png(plots.memory_map(*tensors)) == plots.to_png(plots.memory_map(*WEIGHTINGS))


def test_convergence_shows_every_seed_up_to_the_end_of_the_longest():
    curves = [([100, 200], [8.0, 2.0]), ([100, 200, 300, 400], [6.0, 4.0, 1.0, 0.0]), ([100], [10.0])]
    figure = plots.convergence(curves, [None, 400, None])
    (axes,) = figure.axes
    *seeds, median, _ = axes.lines
    assert [len(line.get_xdata()) for line in seeds] == [2, 4, 1]
    np.testing.assert_array_equal(median.get_ydata(), [8, 3, 1, 0])
    assert axes.get_xlim() == (0, 400)
    assert axes.get_title() == "3 seeds, 1 of them solved"
    assert axes.get_xlabel() == "training sequences" and axes.get_ylabel() == "wrong bits per sequence"


def test_results_have_one_plot_per_task_and_one_colour_per_model():
    curve = np.arange(1, 9), np.linspace(9, 0.1, 8)
    figure = plots.results({task: {model: [curve, curve] for model in "abc"} for task in ("one", "two", "three")})
    drawn = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in drawn] == ["one", "two", "three"]
    for axis in drawn:
        assert [line.get_color() for line in axis.lines][::2] == [line.get_color() for line in drawn[0].lines][::2]
        assert len({line.get_color() for line in axis.lines}) == 3 and len(axis.lines) == 6
    assert [text.get_text() for text in figure.legends[0].texts] == ["a", "b", "c"]


def test_costs_have_a_line_for_each_network_and_circles_for_published_values():
    curve = np.array([1, 2, 3]), np.array([9.0, 4.0, 2.0])
    published = {"b": ([2], [5]), "a": ([1, 2], [7, 6])}
    figure = plots.costs({"a": [curve, curve]}, published, limits=((0, 5), (0, 10)), xlabel="items")
    (axes,) = figure.axes
    assert axes.get_xlim() == (0, 5) and axes.get_ylim() == (0, 10) and axes.get_xlabel() == "items"
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    circles, lines = ([line for line in drawn if (line.get_marker() == "o") == hollow] for hollow in (True, False))
    assert [list(line.get_ydata()) for line in circles] == [[5], [7, 6]]
    assert [list(line.get_ydata()) for line in lines] == [[9, 4, 2]] * 2
    assert lines[0].get_color() == lines[1].get_color() == circles[1].get_color() != circles[0].get_color()


def test_predictions_have_a_row_for_each_name():
    rows = {"bits": np.array([0.0, 1.0, 1.0]), "optimal": np.array([0.5, 0.6, 0.7])}
    *axes, _ = plots.predictions(rows).axes
    assert [axis.get_ylabel() for axis in axes] == ["bits", "optimal"]
    np.testing.assert_array_equal(image_of(axes[1]), [rows["optimal"]])


def test_write_locations_show_where_the_fit_expects_the_vectors():
    write, read = path([1, 2, 3])[:, 0], path([3, 2])[:, 0]
    fitted, observed, answered, _ = plots.write_locations([1.2, -0.9, 3.7], write, read).axes
    assert image_of(fitted).argmax(axis=0).tolist() == [1, 11, 4]
    np.testing.assert_array_equal(image_of(observed), write.T)
    np.testing.assert_array_equal(image_of(answered), read.T)
