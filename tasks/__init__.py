"""The tasks of Graves et al. (2014), section 4. To add a task, add a file here and an entry to TASKS.

A task in a file of your own needs no entry: `task_class` loads it.
"""

from tasks.associative_recall import AssociativeRecall
from tasks.copy_task import CopyTask
from tasks.ngrams import NGrams
from tasks.own_task import TaskError, check_batch, load_class
from tasks.priority_sort import PrioritySort
from tasks.repeat_copy import RepeatCopy
from tasks.task import Batch, Task

TASKS = {task.name: task for task in (CopyTask, RepeatCopy, AssociativeRecall, NGrams, PrioritySort)}


def task_class(name: str) -> type[Task]:
    """The class of a task.

    Args:
        name: a key of TASKS, or FILE:CLASS for a class in a file.

    Raises:
        TaskError: no task has the name, or the class cannot be loaded.
    """
    if name in TASKS:
        return TASKS[name]
    if ":" not in name:
        raise TaskError(f"no task is named {name!r}; choose from {', '.join(TASKS)}, or write FILE:CLASS")
    return load_class(name)


__all__ = [
    "TASKS",
    "AssociativeRecall",
    "Batch",
    "CopyTask",
    "NGrams",
    "PrioritySort",
    "RepeatCopy",
    "Task",
    "TaskError",
    "check_batch",
    "task_class",
]
