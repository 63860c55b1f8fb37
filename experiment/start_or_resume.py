"""Starts or resumes a run: prepares its directory, its configuration and its trainer."""

from pathlib import Path
from typing import NamedTuple

from experiment.build import build_trainer
from experiment.checkpoints import (
    PREFIX,
    candidates,
    checkpoints,
    iteration_of,
    model_variables,
    restore,
)
from experiment.config import Config
from experiment.config_file import RESUMABLE, refuse_changed_config, refusing_config
from experiment.devices import choose_threads
from experiment.errors import CheckpointError, RunError
from experiment.memory_needed import check_training
from experiment.run_directory import MODEL, RunDirectory, new_directory, newest_run
from experiment.streams import warn
from experiment.team import Team
from experiment.trainer import Trainer
from tasks import check_batch

RUNS = Path("runs")


class Run(NamedTuple):
    """A run that is ready to train."""

    directory: RunDirectory | None  # to be closed by the caller; None unless this process is its team's chief
    config: Config
    trainer: Trainer
    resumed_from: Path | None = None  # the directory of a checkpoint of the run; None if it starts without one


def start_run(
    config: Config, run_dir: str | None = None, checkpoint: str | None = None, team: Team | None = None
) -> Run:
    """Starts a new run.

    Args:
        config: the configuration.
        run_dir: the run directory; None makes a new one in runs/.
        checkpoint: the checkpoint whose weights the run starts from: a path, or step-N of the newest run.
        team: Team, see `build_trainer`.

    Raises:
        ValueError: an argument is out of range.
        RunError: the directory cannot be used.
        CheckpointError: the checkpoint is missing, damaged or of another architecture.
    """
    trainer = prepare_trainer(config, team)
    if checkpoint is not None:
        path = Path(checkpoint)
        if path.name == checkpoint:
            [path] = candidates(newest_run(RUNS), checkpoint)
        config = config.replace(run={"checkpoint": str(path)})
        restore(model_variables(trainer.model), path / PREFIX)
    if run_dir is None:
        run_dir = new_directory(RUNS, f"{config.task.name}-{config.model.name}-seed{config.run.seed}")
    directory = RunDirectory(run_dir, config.to_json())
    if checkpoint is not None:
        try:
            directory.save(trainer.variables(), 0)  # --resume must not depend on the files of another run
        except BaseException:
            directory.close()
            raise
    return Run(directory=directory, config=config, trainer=trainer)


def resume_run(
    values: dict, run_dir: str | None = None, checkpoint: str | None = None, team: Team | None = None
) -> Run:
    """Resumes a run at a checkpoint.

    Args:
        values: the options that were given: for each section of the configuration, a dict from names to values. The
            fields in RESUMABLE may differ from the run's. All others must be equal.
        run_dir: the run directory; None for the newest in runs/.
        checkpoint: "step-N", or None for the newest checkpoint that is not damaged.
        team: Team, see `build_trainer`.

    Raises:
        ValueError: a value contradicts the run.
        RunError: the directory cannot be used.
        CheckpointError: the checkpoint is missing or damaged.
        OSError: config.json cannot be written.
    """
    run_dir = Path(newest_run(RUNS) if run_dir is None else run_dir)
    if (run_dir / MODEL).exists() and not checkpoints(run_dir):
        raise RunError(f"{run_dir} holds a trained model and no checkpoint to resume from")
    directory = RunDirectory(run_dir)
    try:
        with refusing_config(run_dir):
            config = Config.from_json(directory.config)
            trainer = prepare_trainer(config, team)
        _refuse_contradictions(config, values, run_dir)
        resumed_from = _restore_trainer(trainer, config, run_dir, checkpoint)
        config = config.replace(run={key: value for key, value in values["run"].items() if key in RESUMABLE})
        reached = int(trainer.iteration)
        if config.run.iterations < reached:
            raise ValueError(f"iterations={config.run.iterations} is below the {reached} that {run_dir} has reached")
        directory.delete_checkpoints_after(reached)
        directory.write_config(config.to_json())
    except BaseException:
        directory.close()
        raise
    return Run(directory=directory, config=config, trainer=trainer, resumed_from=resumed_from)


def prepare_trainer(config: Config, team: Team | None = None) -> Trainer:
    """Chooses the number of threads that suits a configuration, then builds its trainer.

    Args:
        config: the configuration.
        team: Team, see `build_trainer`.

    Raises:
        ValueError: the training cannot fit in memory, or the task cannot make a batch of the right shapes.
    """
    check_training(config)
    choose_threads(config.training.batch_size)
    check_batch(config.task)
    return build_trainer(config, team=team)


def _refuse_contradictions(config, values, run_dir):
    """Raises ValueError if a value differs from the run's and --resume may not change it."""
    for section_name, section_values in values.items():
        section = getattr(config, section_name)
        for key, value in section_values.items():
            if section_name == "run" and key in RESUMABLE:
                continue
            option = section_name if key == "name" else key
            if not hasattr(section, key):
                raise ValueError(f"{option}={value} means nothing to the run in {run_dir}")
            kept = section.identifier() if option == "task" else getattr(section, key)
            if value == kept:
                continue
            raise ValueError(f"{option}={value} contradicts {run_dir}/config.json, which has {kept}")


def _restore_trainer(trainer, config, run_dir, checkpoint):
    """Restores a trainer from the named checkpoint, or from the newest undamaged checkpoint if there is any.

    Returns:
        The directory of the checkpoint; None if there is none.
    """
    found = candidates(run_dir, checkpoint)
    for directory in found:
        try:
            restore(trainer.variables(), directory / PREFIX)
            if int(trainer.iteration) != iteration_of(directory):
                raise CheckpointError(f"{directory} is damaged: it is the checkpoint of step-{int(trainer.iteration)}")
        except CheckpointError as error:
            if directory == found[-1]:
                raise
            warn(f"train.py: {error}; trying the previous checkpoint")
        else:
            refuse_changed_config(config, directory, run_dir)
            return directory
    if config.run.checkpoint is not None:
        raise RunError(f"{run_dir} has lost checkpoints/step-0, from which it started")
    return None
