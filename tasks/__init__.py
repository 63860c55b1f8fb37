"""The tasks of Graves et al. (2014), section 4. A new task is one file here and one line in TASKS."""

from tasks.copy_task import CopyTask
from tasks.task import Batch, Task

TASKS = {"copy": CopyTask}

__all__ = ["TASKS", "Batch", "CopyTask", "Task"]
