"""The tasks of Graves et al. (2014), section 4. To add a task, add a file here and an entry to TASKS."""

from tasks.associative_recall import AssociativeRecall
from tasks.copy_task import CopyTask
from tasks.ngrams import NGrams
from tasks.priority_sort import PrioritySort
from tasks.repeat_copy import RepeatCopy
from tasks.task import Batch, Task

TASKS = {task.name: task for task in (CopyTask, RepeatCopy, AssociativeRecall, NGrams, PrioritySort)}

__all__ = ["TASKS", "AssociativeRecall", "Batch", "CopyTask", "NGrams", "PrioritySort", "RepeatCopy", "Task"]
