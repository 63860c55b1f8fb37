"""Reads the config.json of a run. Refuses a file that is damaged or was changed after a checkpoint was written."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from experiment import atomic
from experiment.config import Config, flat_values
from experiment.errors import RunError, first_line
from experiment.record import read_record
from tasks import TaskError

RESUMABLE = ("iterations", "stop_when_solved", "figures")  # the fields of `Config.run` that --resume may change


def read_config(run_dir: str | Path) -> dict:
    """Reads the config.json of a run.

    Raises:
        RunError: the file is missing, or it is not JSON.
    """
    path = Path(run_dir) / "config.json"
    try:
        return json.loads(atomic.read_file(path))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise RunError(f"{run_dir} holds no run: its config.json cannot be read ({reason})") from None


def load_config(run_dir: str | Path) -> Config:
    """Loads the configuration of a run.

    Raises:
        RunError: the run is missing or damaged.
    """
    content = read_config(run_dir)
    with refusing_config(run_dir):
        return Config.from_json(content)


@contextlib.contextmanager
def refusing_config(run_dir: str | Path) -> Iterator:
    """Turns the exceptions of the `with` block into RunError: config.json is damaged, or its task cannot be loaded."""
    try:
        yield
    except TaskError as error:
        raise RunError(f"{run_dir}/config.json has a task that cannot be loaded: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{run_dir}/config.json does not describe a run: {first_line(error)}") from None


def refuse_changed_config(config: Config, directory: Path, run_dir: str | Path):
    """Refuses a config.json that has changed since a checkpoint was written, apart from the fields in RESUMABLE.

    Args:
        config: the configuration in config.json.
        directory: the directory of the checkpoint.
        run_dir: the run directory.

    Raises:
        RunError: config.json has changed, or the task with which the checkpoint was written cannot be loaded.
    """
    try:
        written = Config.from_json(read_record(directory).config)
    except TaskError as error:
        raise RunError(f"{directory} was written with a task that cannot be loaded: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        return  # a missing or damaged record is reported when training starts
    resumable = {name: getattr(config.run, name) for name in RESUMABLE}
    before, now = (flat_values(one.to_json()) for one in (written.replace(run=resumable), config))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise RunError(
                f"{run_dir}/config.json was changed after {directory.name} was written: {name} was {before.get(name)}, "
                f"and is {now.get(name)}"
            )
