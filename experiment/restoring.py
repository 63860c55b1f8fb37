"""Compares a run directory with the record of a checkpoint when --resume is given, and restores solved.json.

Prints one line for each file that has lost data.

metrics.csv     rows that are lost or changed cannot be restored
solved.json     is restored from the record
details/        events that are lost or damaged cannot be restored
"""

from pathlib import Path

from experiment.events import Events
from experiment.metrics_file import read_rows, row_text
from experiment.record import Record, row_checksum
from experiment.solved import delete_solved, read_solved, write_solved
from experiment.streams import warn

NAMED_ROWS = 5  # a message names at most this many rows


def restore_rows(run_dir: Path, iteration: int, log_every: int, record: Record | None) -> list:
    """The rows of metrics.csv up to an iteration, lists of text. Reports lost and changed rows.

    Args:
        run_dir: the run directory.
        iteration: the iteration at which training starts.
        log_every: iterations per row. Rows at iterations that are not multiples of `log_every` are
            dropped.
        record: the record of the checkpoint; None if it has none. Changed rows are then not noticed.
    """
    path = run_dir / "metrics.csv"
    expected = list(range(log_every, iteration + 1, log_every)) if record is None else sorted(record.rows)
    kept = {}
    for row in read_rows(path) if path.exists() else []:
        reached = int(row[0])
        if record is None:
            as_written = reached <= iteration and reached % log_every == 0
        else:
            as_written = record.rows.get(reached) == row_checksum(row_text(row))
        if as_written:
            kept.setdefault(reached, row)
    if lost := [reached for reached in expected if reached not in kept]:
        names = ", ".join(map(str, lost[:NAMED_ROWS])) + (", ..." if len(lost) > NAMED_ROWS else "")
        warn(f"train.py: {path} has lost {len(lost)} of {len(expected)} rows, or they were changed: iterations {names}")
    return [kept[reached] for reached in sorted(kept)]


def restore_solved(run_dir: Path, iteration: int, record: Record | None) -> dict | None:
    """Restores solved.json. Reports a file that was lost, changed or damaged.

    Args:
        run_dir, iteration, record: as in `restore_rows`.

    Returns:
        A dict as `read_solved` returns it. None if the run had not solved its task by `iteration`.
    """
    path, found = run_dir / "solved.json", read_solved(run_dir)
    damaged = path.exists() and found is None
    if found and found["iteration"] > iteration:
        found = None
    expected = found if record is None else record.solved
    if found != expected:
        outcome = "restored from" if expected else "deleted, as it is not in"
        warn(f"train.py: {path} was lost or changed; it is {outcome} the checkpoint")
    elif damaged:
        warn(f"train.py: {path} is damaged; it is deleted")
    if expected is None:
        delete_solved(run_dir)
    elif found != expected:
        write_solved(run_dir, expected)
    return expected


def report_missing_details(run_dir: Path, events: Events, record: Record | None):
    """Reports events that details/ held when the checkpoint was written and that `events` has not found."""
    missing = events.missing_details(record.details) if record else {}
    if missing:
        total = sum(count for count, _ in record.details.values())
        warn(f"train.py: {run_dir}/details/ has lost {sum(missing.values())} of {total} events")
