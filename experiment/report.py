"""Writes report.html: one file that shows a run in a browser, without an internet connection.

The scripts in browser/ draw its pictures. The site's page "The machine in the browser" uses the same scripts.
"""

import json
import platform
import shlex
import string
from html import escape
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiment.config import flat_values
from experiment.errors import RunError, file_and_reason
from experiment.evaluation import TABLE_COLUMNS, table_cells
from experiment.metrics_file import read_metrics
from experiment.observation import Observation, Observer
from experiment.options import command_line
from experiment.seeds import PICTURES, stream
from experiment.start_or_resume import Run
from experiment.streams import warn
from ntm import __version__

BROWSER = Path(__file__).parent.parent / "browser"
SCRIPTS = ("machine.js", "drawing.js", "viewer.js", "report.js")
MAX_SEQUENCE = 1_800_000  # characters of the observed sequence; the whole file then has less than 2 MB
MAX_POINTS = 1000  # points of a learning curve in the report
_SHORTEST_NUMBER = 4  # characters: "0.0,"


def write_report(run: Run, observer: Observer, errors: list):
    """Writes the report of a finished run. If that fails, prints a message and returns.

    Args:
        run: Run.
        observer: Observer of the run's model. The report shows the same sequence as the figures.
        errors: the results of `Evaluator.measure`.
    """
    seen = observer.observe(run.config.task.largest, stream(run.config.run.seed, PICTURES))
    try:
        run.directory.write_report(report(run, seen, errors).encode("utf-8", "backslashreplace"))
    except OSError as error:
        warn(f"train.py: {run.directory.path}/report.html cannot be written: {file_and_reason(error)}")


def report(run: Run, seen: Observation, errors: list) -> str:
    """The text of report.html."""
    directory, config, trainer = run.directory, run.config, run.trainer
    sequence, left_out = _sequence(seen)
    solved = directory.solved and directory.solved["sequences"]
    data = {"curves": _curves(directory.path), "solved": solved, "sequence": sequence}
    texts = {
        "title": f"{config.task.name}, {config.model.name}, {directory.path}",
        "summary": f"{int(trainer.iteration):,} iterations, batch size {config.training.batch_size:,}. "
        + ("The task was not solved." if solved is None else f"Solved after {solved:,} sequences."),
        "sequence": f"A sequence of size {seen.size}. {left_out}".rstrip(),
        "command": shlex.join(["python", "train.py", *command_line(config)]),
    }
    return string.Template(_browser_file("report.html")).substitute(
        {name: escape(text) for name, text in texts.items()},
        style=_browser_file("style.css"),
        pictures=_browser_file("pictures.html"),
        errors=_table(map(table_cells, errors), TABLE_COLUMNS),
        versions=_table(_versions().items()),
        configuration=_table(flat_values(config.to_json()).items()),
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        scripts="\n".join(map(_browser_file, SCRIPTS)),
    )


def _browser_file(name):
    return (BROWSER / name).read_text(encoding="utf-8")


def _versions():
    return {
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
        "ntm": __version__,
        "platform": f"{platform.system()}, {platform.machine()}",
    }


def _table(rows, header=None):
    """The rows of an HTML table."""
    lines = [_row(row, "td") for row in rows]
    return "\n".join(lines if header is None else [_row(header, "th"), *lines])


def _row(cells, tag):
    return f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"


def _curves(run_dir):
    """The learning curves, at most MAX_POINTS points of each. Without metrics.csv, they have no point."""
    try:
        metrics = read_metrics(run_dir)
    except RunError:
        return {"sequences": []}
    columns = {"sequences": "sequences", "loss": "loss", "wrong bits per sequence": "hamming_distance"}
    values = np.stack([metrics[column] for column in columns.values()])
    values = values[:, np.isfinite(values).all(axis=0)]
    points = values.shape[1]
    shown = np.unique(np.linspace(0, points - 1, min(points, MAX_POINTS)).round().astype(int))
    return {name: [float(f"{value:.6g}") for value in row[shown]] for name, row in zip(columns, values)}


def _sequence(seen):
    """The observed sequence in the format of browser/viewer.js, and a sentence that names the parts left out."""
    numbers = {"sequence": seen.inputs.size + 3 * seen.targets.size, "memory": 0, "stages": 0, "heads": 0}
    if seen.trace is not None:
        weightings = seen.trace.stages.weightings.size
        numbers |= {"memory": seen.trace.state.memory.size, "stages": 4 * weightings, "heads": weightings}
    parts = [part for part in numbers if numbers[part]]
    for left_out in ([], ["memory"], ["memory", "stages"], ["memory", "stages", "heads"]):
        shown = [part for part in parts if part not in left_out]
        if _SHORTEST_NUMBER * sum(numbers[part] for part in shown) > MAX_SEQUENCE:
            continue
        sequence = _shown_sequence(seen, shown)
        if len(json.dumps(sequence, separators=(",", ":"))) <= MAX_SEQUENCE:
            return sequence, f"Too large to show: {', '.join(left_out)}." if left_out else ""
    return None, "It is too large to show."


def _shown_sequence(seen, parts):
    steps = [{"output": _numbers(output)} for output in seen.outputs]
    for i, step in enumerate(steps):
        if "heads" in parts:
            step["heads"] = [*_heads(seen, i, "stages" in parts)]
        if "memory" in parts:
            step["memory"] = _numbers(seen.trace.state.memory[i])
    return {
        "inputs": _numbers(seen.inputs),
        "targets": _numbers(seen.targets),
        "mask": _numbers(seen.mask),
        "answerAt": seen.answer_at,
        "steps": steps,
    }


def _heads(seen, step, with_stages):
    """Yields the heads of a step, the read heads first."""
    for kind, weightings in (("read", seen.read_weightings), ("write", seen.write_weightings)):
        for head in range(weightings.shape[1]):
            stages = seen.addressing(step, kind, head)
            shown = stages if with_stages else {"weighting": stages["weighting"]}
            yield {
                "name": f"{kind} head {head + 1}",
                "writes": kind == "write",
                **{name: _numbers(values) for name, values in shown.items()},
            }


def _numbers(values):
    """An array as lists, rounded to four decimals. NaN and infinity become numbers, because JSON has neither."""
    return np.round(np.clip(np.nan_to_num(np.asarray(values, np.float64)), -1e9, 1e9), 4).tolist()
