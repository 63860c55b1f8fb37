"""Figures: arrays or tensors in, a matplotlib Figure or animation out. Needs the extra `plots`.

Nothing here touches pyplot's state.

A picture of a sequence takes arrays without a batch axis. In the shapes, T is the number of steps, H the number of
heads, N the number of memory locations, and C the number of channels of the input or the output. W is the memory width
and S the shift range.
"""

import functools
import io
import math
from typing import NamedTuple

import numpy as np

from ntm.extras import needs_extra

with needs_extra("plots"):
    from matplotlib.animation import FuncAnimation
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

# Okabe and Ito's palette: colour-blind readers can tell its colours apart.
_LINE, _BAND, _MARK = "#0072B2", "#56B4E9", "#D55E00"
_WRITE, _READ = "#009E73", "#D55E00"
_MODELS = "#0072B2", "#E69F00", "#CC79A7"
_FIELD = "cividis"  # the colour map of values, dark to light; made for colour-blind readers
_WIDTH = 8.0  # inches: 800 pixels at 100 dots per inch
_VISITED = 0.05  # a weight above this counts as a visit


class Example(NamedTuple):
    """The answer to one sequence, for `generalisation`."""

    title: str
    targets: np.ndarray  # [T, C]
    outputs: np.ndarray  # [T, C], probabilities


class Frame(NamedTuple):
    """The weightings on one sequence at one moment of training, for `learning_of_heads`."""

    title: str
    write_weightings: np.ndarray  # [T, H, N]
    read_weightings: np.ndarray  # [T, H, N]


def _takes_tensors(function):
    """A decorator that converts tensors in a function's arguments to arrays, also inside lists, tuples and dicts."""

    @functools.wraps(function)
    def draw(*arguments, **options):
        return function(*map(_as_arrays, arguments), **_as_arrays(options))

    return draw


def _as_arrays(value):
    if isinstance(value, dict):
        return {name: _as_arrays(part) for name, part in value.items()}
    if hasattr(value, "_fields"):  # a NamedTuple
        return type(value)(**_as_arrays(value._asdict()))
    if isinstance(value, (list, tuple)):
        parts = map(_as_arrays, value)
        return list(parts) if isinstance(value, list) else tuple(parts)
    if not hasattr(value, "__array__"):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "V":  # bfloat16, which matplotlib cannot draw
        array = array.astype(np.float32)
    return array[()]  # a number if there are no axes


def to_png(figure: Figure) -> bytes:
    """The bytes of a PNG file of a Figure, at 100 dots per inch."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


@_takes_tensors
def memory_map(
    write_weightings, read_weightings, answer_at: int | None = None, title: str = "Memory location map"
) -> Figure:
    """Where the heads are, step by step: a green line for each write head, a red line for each read head.

    Time runs to the right, locations run down. Only the locations that `visited` returns are drawn.

    Args:
        write_weightings, read_weightings: [T, H, N].
        answer_at: the step at which the answer begins, marked by a line.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    _draw_memory_map(figure.add_subplot(), write_weightings, read_weightings, answer_at=answer_at, title=title)
    return figure


def _draw_memory_map(axes, write_weightings, read_weightings, *, answer_at, title, locations=None):
    steps, _, count = write_weightings.shape
    if locations is None:
        locations = visited(write_weightings, read_weightings)
    image = np.ones([len(locations), steps, 3])
    for weightings, colour in ((write_weightings, _WRITE), (read_weightings, _READ)):
        for head in range(weightings.shape[1]):
            image *= 1 - weightings[:, head, locations].T[..., np.newaxis] * (1 - np.array(to_rgb(colour)))
    axes.imshow(image, aspect="auto", interpolation="nearest")
    _label_locations(axes, locations, count)
    axes.set_xlabel("time (steps)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title)
    for name, colour in (("write weighting", _WRITE), ("read weighting", _READ)):
        axes.plot([], [], "s", color=colour, label=name)
    if answer_at is not None:
        axes.axvline(answer_at - 0.5, color="0.4", linestyle="--", linewidth=1, label="the answer begins")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


@_takes_tensors
def visited(*weightings):
    """The shortest stretch of locations that holds every visit, with a margin of two locations at both ends.

    A head visits a location where its weight exceeds 0.05. The stretch may go around the end of the memory. The result
    is the whole memory if the stretch is longer than 0.8 of the memory, or if there is no visit.

    Args:
        *weightings: each [T, H, N].

    Returns:
        Locations [L], integers.
    """
    count = weightings[0].shape[-1]
    seen = np.flatnonzero(np.any([heads.max(axis=(0, 1)) > _VISITED for heads in weightings], axis=0))
    if len(seen) == 0:
        return np.arange(count)
    gaps = np.diff(seen, append=seen[0] + count)
    start, length = seen[(np.argmax(gaps) + 1) % len(seen)] - 2, count - gaps.max() + 5
    return np.arange(count) if length > 0.8 * count else np.arange(start, start + length) % count


@_takes_tensors
def sequence(inputs, targets, outputs, mask) -> Figure:
    """Inputs, targets, outputs and wrong bits of one sequence.

    Args:
        inputs: [T, C].
        targets: [T, C], 0 or 1.
        outputs: [T, C], probabilities.
        mask: [T], 1 at the steps whose outputs count. At other steps, targets, outputs and errors are blank.

    Returns:
        Figure.
    """
    counted = np.asarray(mask)[:, np.newaxis] > 0
    wrong = (np.asarray(outputs) > 0.5) != (np.asarray(targets) > 0.5)
    rows = {
        "input": np.asarray(inputs),
        "target": np.where(counted, targets, np.nan),
        "output": np.where(counted, outputs, np.nan),
        f"error ({int((wrong & counted).sum())} bits)": np.where(counted, wrong, np.nan),
    }
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots(len(rows), sharex=True)
    for axis, (name, values) in zip(axes, rows.items()):
        image = _draw_field(axis, values, min(0, np.min(inputs)), max(1, np.max(inputs)))
        axis.set_ylabel(name)
        axis.set_yticks([])
    axes[-1].set_xlabel("time (steps)")
    figure.colorbar(image, ax=axes, label="value, probability", shrink=0.6)
    return figure


@_takes_tensors
def memory_use(inputs, add_vectors, write_weightings, outputs, read_vectors, read_weightings) -> Figure:
    """Figure 6 of Graves et al. (2014): the vectors that a head wrote beside the vectors that a head read.

    Args:
        inputs: [T, C], at the steps that write.
        add_vectors: [T, W], at the steps that write.
        write_weightings: [T, N], at the steps that write.
        outputs: [T', C], at the steps that answer.
        read_vectors: [T', W], at the steps that answer.
        read_weightings: [T', N], at the steps that answer.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 7), layout="constrained")
    locations = visited(write_weightings[:, np.newaxis], read_weightings[:, np.newaxis])
    axes = figure.subplots(3, 2, sharex="col", height_ratios=[8, 12, 18])
    rows = (
        (("inputs", inputs), ("outputs", outputs)),
        (("adds", add_vectors), ("reads", read_vectors)),
        (("write weightings", write_weightings[:, locations]), ("read weightings", read_weightings[:, locations])),
    )
    for pair, row in zip(axes, rows):
        least, most = (limit([limit(values) for _, values in row]) for limit in (np.min, np.max))
        for axis, (name, values) in zip(pair, row):
            image = _draw_field(axis, values, least, most)
            axis.set_title(name)
        figure.colorbar(image, ax=pair)
    axes[0, 0].set_ylabel("channel")
    axes[1, 0].set_ylabel("memory width")
    for axis in axes[2]:
        _label_locations(axis, locations, write_weightings.shape[1])
        axis.set_xlabel("steps")
    axes[2, 1].set_ylabel("")
    return figure


@_takes_tensors
def addressing(
    title: str, *, previous, content, gated, shifted, weighting, gate: float, shifts, sharpness: float
) -> Figure:
    """One head's addressing at one step, Figure 2 of Graves et al. (2014), as a row of plots.

    Args:
        title: above the row.
        previous: [N], the weighting of the previous step.
        content, gated, shifted, weighting: [N], the result of each stage: equations (5), (7), (8) and (9).
        gate: a number, g.
        shifts: [2S+1], s.
        sharpness: a number, gamma.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 2.7), layout="constrained")
    _draw_addressing(
        figure,
        title,
        previous=previous,
        content=content,
        gated=gated,
        shifted=shifted,
        weighting=weighting,
        gate=gate,
        shifts=shifts,
        sharpness=sharpness,
    )
    return figure


@_takes_tensors
def panels(values: dict) -> Figure:
    """Small plots side by side: what an equation takes and what it returns.

    Args:
        values: a dict from titles to weightings [N] or matrices, such as a memory [N, W] or vectors [1, W].

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 1.9), layout="constrained")
    fields = np.concatenate([np.ravel(value) for value in values.values() if value.ndim == 2] or [[0.0]])
    for axis, (title, value) in zip(figure.subplots(1, len(values)), values.items()):
        axis.set_title(title, fontsize="small")
        if value.ndim == 1:
            axis.vlines(np.arange(len(value)), 0, value, color=_LINE, linewidth=3)
            axis.set_ylim(0, 1)
            axis.set_xlabel("location", fontsize="small")
            axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
            axis.spines[["top", "right"]].set_visible(False)
        else:
            axis.imshow(value.T, cmap=_FIELD, vmin=fields.min(), vmax=fields.max(), aspect="auto")
            axis.set_yticks([])
            axis.set_xlabel("location" if len(value) > 1 else "", fontsize="small")
            axis.set_xticks([] if len(value) == 1 else [0, len(value) // 2, len(value) - 1])
        axis.tick_params(labelsize="small")
    return figure


@_takes_tensors
def moment(write_weightings, read_weightings, answer_at: int | None, step: int, heads: dict) -> Figure:
    """The memory map with a line at one step, and below it the addressing of some heads at this step.

    Args:
        write_weightings, read_weightings, answer_at: as for `memory_map`.
        step: an integer from 0 to T - 1.
        heads: a dict from titles to dicts. Each of these dicts holds the other arguments of `addressing` for one head.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 3.6 + 2.4 * len(heads)), layout="constrained")
    above, *rows = figure.subfigures(1 + len(heads), 1, height_ratios=[3.6] + [2.4] * len(heads))
    axes = above.add_subplot()
    _draw_memory_map(axes, write_weightings, read_weightings, answer_at=answer_at, title=f"step {step}")
    axes.axvline(step, color=_LINE, linewidth=1)
    for row, (title, stages) in zip(rows, heads.items()):
        _draw_addressing(row, title, **stages)
    return figure


def _draw_addressing(figure, title, *, previous, content, gated, shifted, weighting, gate, shifts, sharpness):
    likeliest = int(np.argmax(shifts))
    stages = {
        "step before": previous,
        "content": content,
        f"interpolated\ngate {gate:.2f}": gated,
        f"shifted\nby {likeliest - len(shifts) // 2:+d} ({shifts[likeliest]:.2f})": shifted,
        f"sharpened\nto the power {sharpness:.1f}": weighting,
    }
    axes = figure.subplots(1, len(stages), sharey=True)
    for axis, (name, values) in zip(axes, stages.items()):
        axis.vlines(np.arange(len(values)), 0, values, color=_LINE, linewidth=1.5)
        axis.axhline(0, color="0.7", linewidth=0.8)
        axis.set_title(name, fontsize="small")
        axis.set_xlim(-1, len(values))
        axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(0, 1.02)
    axes[0].set_ylabel("weight")
    axes[len(stages) // 2].set_xlabel("memory location")
    figure.suptitle(title, fontsize="medium")


@_takes_tensors
def generalisation(examples: list[Example]) -> Figure:
    """Targets above outputs at several lengths, as in Figure 4 of Graves et al. (2014).

    Args:
        examples: a list of Example. The longest one comes last; it is drawn below the others.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    rows = [row for row in (examples[:-1], examples[-1:]) if row]
    for part, row in zip(np.atleast_1d(figure.subfigures(len(rows), 1)), rows):
        widths = [len(example.targets) for example in row]
        axes = part.subplots(2, len(row), sharex="col", squeeze=False, width_ratios=widths)
        for column, example in zip(axes.T, row):
            column[0].set_title(example.title, fontsize="medium")
            for axis, values in zip(column, (example.targets, example.outputs)):
                image = _draw_field(axis, values, 0, 1)
                axis.set_yticks([])
        axes[0, 0].set_ylabel("targets")
        axes[1, 0].set_ylabel("outputs")
        part.supxlabel("steps since the answer began", fontsize="medium")
        part.colorbar(image, ax=axes, label="probability")
    return figure


@_takes_tensors
def errors_by_length(lengths, wrong_bits, trained: int) -> Figure:
    """Wrong bits per sequence against the length of the sequence.

    Args:
        lengths: [K].
        wrong_bits: [K], means over sequences.
        trained: the greatest length in training, marked by a line.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(lengths, wrong_bits, "o-", color=_LINE, markersize=4, clip_on=False, zorder=3)
    axes.axvline(trained, color=_MARK, linestyle="--", label=f"longest in training: {trained}")
    axes.set_xlim(0, max(lengths))
    axes.set_ylim(0, max(1, 1.05 * max(wrong_bits)))
    axes.set_xlabel("length of the sequence (vectors)")
    axes.set_ylabel("wrong bits per sequence")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


@_takes_tensors
def learning_curves(sequences, loss, hamming_distance, solved: int | None = None) -> Figure:
    """Loss and Hamming distance against training sequences.

    Args:
        sequences, loss, hamming_distance: [K], columns of metrics.csv.
        solved: the number of training sequences after which the task was solved, marked by a line, or None.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots(2, sharex=True)
    labels = ("loss", "Hamming distance\n(wrong bits per sequence)")
    for axis, values, label in zip(axes, (loss, hamming_distance), labels):
        axis.plot(sequences, values, color=_LINE, linewidth=1.2)
        axis.set_ylabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        if solved is not None:
            axis.axvline(solved, color=_MARK, linestyle="--", label=f"solved after {solved:,} sequences")
    if np.any(np.asarray(loss) > 0):
        axes[0].set_yscale("log")
    axes[1].set_ylim(bottom=0)
    axes[1].set_xlabel("training sequences")
    if solved is not None:
        axes[0].legend(frameon=False)
    return figure


@_takes_tensors
def learning_of_heads(frames: list[Frame], answer_at: int | None = None) -> FuncAnimation:
    """The memory maps of one sequence at several moments of training, as an animation.

    Every frame shows the locations that the heads visit in the last frame.

    Args:
        frames: a list of Frame.
        answer_at: as for `memory_map`.

    Returns:
        A matplotlib animation. At its end, the last frame is repeated len(frames) // 3 times.
    """
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    locations = visited(frames[-1].write_weightings, frames[-1].read_weightings)

    def draw(frame):
        axes.clear()
        _draw_memory_map(
            axes,
            frame.write_weightings,
            frame.read_weightings,
            answer_at=answer_at,
            title=frame.title,
            locations=locations,
        )

    held = [frames[-1]] * (len(frames) // 3)
    return FuncAnimation(figure, draw, [*frames, *held], init_func=lambda: None, repeat=True)


@_takes_tensors
def convergence(curves: list, solved: list) -> Figure:
    """Wrong bits against training sequences: a thin line for every seed, the median and the quartiles.

    Args:
        curves: for each seed a pair: training sequences [K] and wrong bits per sequence [K].
        solved: for each seed the number of training sequences after which the task was solved, or None.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for sequences, wrong in curves:
        axes.plot(sequences, wrong, color="0.6", linewidth=0.6)
    longest = max((sequences for sequences, _ in curves), key=len)
    table = np.full([len(curves), len(longest)], np.nan)  # blank after the end of a run that stopped early
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
    axes.set_ylabel("wrong bits per sequence")
    axes.set_title(f"{len(curves)} seeds, {len(moments)} of them solved")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


@_takes_tensors
def results(curves: dict) -> Figure:
    """Bits per sequence against training sequences: one plot per task, one colour per model, one line per seed.

    Args:
        curves: for each task a dict from models to lists. A list has a pair for each seed: training sequences [K] and
            bits per sequence [K].

    Returns:
        Figure.
    """
    rows = math.ceil((len(curves) + 1) / 2)  # the last place holds the legend
    figure = Figure(figsize=(_WIDTH, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, 2).flat
    colours = {}
    for (task, models), axis in zip(curves.items(), axes):
        for model, seeds in models.items():
            colour = colours[model] = colours.get(model) or _MODELS[len(colours)]
            for sequences, bits in seeds:
                axis.plot(sequences / 1000, _smoothed(bits), color=colour, linewidth=0.9)
        axis.set_title(task, fontsize="medium")
        least, most = axis.get_ylim()
        if least < most / 10:
            axis.set_yscale("log")
            axis.set_ylim(bottom=max(1e-3, least))
        axis.set_xlabel("thousand training sequences", fontsize="small")
        axis.set_ylabel("bits per sequence", fontsize="small")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes:  # the places without a task
        axis.set_axis_off()
    for model, colour in colours.items():
        axis.plot([], [], color=colour, label=model)
    figure.legend(*axis.get_legend_handles_labels(), loc="lower right", frameon=False)
    return figure


@_takes_tensors
def costs(curves: dict, published: dict, *, limits: tuple, xlabel: str) -> Figure:
    """Bits per sequence: a line for each trained network, and hollow circles for published values.

    Args:
        curves: a dict from models to lists of pairs, a pair for each network: positions on the x-axis [K] and bits per
            sequence [K].
        published: a dict from models to pairs in the same form.
        limits: the ends of the x-axis and of the y-axis, a pair of pairs.
        xlabel: the label of the x-axis.

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for model, colour in zip(dict.fromkeys([*published, *curves]), _MODELS):
        for positions, bits in curves.get(model, []):
            axes.plot(positions, bits, color=colour, linewidth=1.2)
        if model in published:
            axes.plot(*published[model], "o", color=colour, fillstyle="none", clip_on=False, zorder=3)
        axes.plot([], [], color=colour, label=model)
    axes.plot([], [], "o", color="0.4", fillstyle="none", label="the paper, read off its figure")
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.set_xlabel(xlabel)
    axes.set_ylabel("bits per sequence")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


@_takes_tensors
def predictions(rows: dict) -> Figure:
    """Figure 14 of Graves et al. (2014): rows of probabilities over the steps of one sequence.

    Args:
        rows: a dict from names to probabilities [T].

    Returns:
        Figure.
    """
    figure = Figure(figsize=(_WIDTH, 0.8 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), sharex=True, squeeze=False)[:, 0]
    for axis, (name, values) in zip(axes, rows.items()):
        image = _draw_field(axis, np.asarray(values)[:, np.newaxis], 0, 1)
        axis.set_yticks([])
        axis.set_ylabel(name, rotation=0, horizontalalignment="right", verticalalignment="center")
    axes[-1].set_xlabel("time (steps)")
    figure.colorbar(image, ax=list(axes), label="probability")
    return figure


@_takes_tensors
def write_locations(fitted, write_weightings, read_weightings) -> Figure:
    """Figure 17 of Graves et al. (2014): where the vectors of priority sort are written and read.

    Args:
        fitted: [T], the locations that a linear function of the priorities gives.
        write_weightings: [T, N], at the steps that write.
        read_weightings: [T', N], at the steps that answer.

    Returns:
        Figure.
    """
    count = write_weightings.shape[1]
    expected = np.eye(count)[np.round(fitted).astype(int) % count]
    parts = {
        "hypothesised locations": expected,
        "write weightings": write_weightings,
        "read weightings": read_weightings,
    }
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots(1, len(parts), sharey=True)
    for axis, (name, values) in zip(axes, parts.items()):
        image = _draw_field(axis, values, 0, 1)
        axis.set_title(name, fontsize="medium")
        axis.set_xlabel("steps")
    axes[0].set_ylabel("memory location")
    figure.colorbar(image, ax=list(axes), label="weight")
    return figure


def _smoothed(values, width=5):
    """Running means over `width` values, fewer near the ends."""
    kernel = np.ones(min(width, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _draw_field(axes, values, least, most):
    """Draws values [T, C] as an image, time to the right and NaN blank. Returns the image."""
    axes.xaxis.set_major_locator(MaxNLocator(min(8, 1 + len(values) // 8), integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    return axes.imshow(values.T, aspect="auto", interpolation="nearest", cmap=_FIELD, vmin=least, vmax=most)


def _label_locations(axes, locations, count):
    shown = "all" if len(locations) == count else len(locations)
    axes.set_ylabel(f"memory location ({shown} of {count})")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda row, _: str((int(row) + locations[0]) % count))
