"""When a task is solved: no wrong bit in SEQUENCES sequences of the largest size.

The test is made when a row of metrics.csv has no wrong bit. solved.json notes when a run first passed the test.
"""

import json
from pathlib import Path

from experiment import atomic
from experiment.seeds import VALIDATION, stream
from tasks import Task

SEQUENCES = 1000  # sequences of the test, and sequences per size in the table at the end of a run


def is_solved(evaluator, task: Task, seed: int) -> bool:
    """Whether the model of an Evaluator solves a task.

    Args:
        evaluator: Evaluator of SEQUENCES sequences.
        task: Task.
        seed: the run's seed.
    """
    return evaluator.is_exact(task.largest, stream(seed, VALIDATION))


def read_solved(run_dir: str | Path) -> dict | None:
    """Reads solved.json, which says when a run solved its task.

    Returns:
        A dict with the keys "iteration" and "sequences", or None if the file is missing or damaged.
    """
    try:
        solved = json.loads(atomic.read_file(Path(run_dir) / "solved.json"))
        return {key: int(solved[key]) for key in ("iteration", "sequences")}
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def write_solved(run_dir: Path, when: dict):
    """Atomically writes solved.json. `when` is a dict as `read_solved` returns it."""
    atomic.write_file(run_dir / "solved.json", json.dumps(when).encode() + b"\n")


def delete_solved(run_dir: Path):
    """Deletes solved.json if there is one."""
    (run_dir / "solved.json").unlink(missing_ok=True)
