"""Opens and trains a run on a team. The chief has the run directory; the other processes do as the chief says."""

import json

from experiment import options
from experiment.config import Config, flat_values
from experiment.errors import CheckpointError, RunError
from experiment.loop import train_and_report
from experiment.signals import StopSignals
from experiment.start_or_resume import Run, prepare_trainer, resume_run, start_run
from experiment.team import Team


def open_run(team: Team, arguments: dict) -> Run:
    """Starts or resumes the run that a command line asks for. All processes of the team call this.

    Args:
        team: Team.
        arguments: a dict from names of options of train.py to values.

    Raises:
        ValueError: an argument is out of range, contradicts the run, or differs between the processes.
        RunError: the run directory cannot be used.
        CheckpointError: the checkpoint is missing, damaged or of another architecture.
        ProcessLostError: another process has gone.
    """
    if team.cluster is None:
        return _open(team, arguments)
    with team.noticing_losses():
        team.refuse_other_options(_chosen(arguments))
        run = _open_as_chief(team, arguments) if team.is_chief else _join(team)
        team.broadcast_variables(list(run.trainer.variables().values()))
        return run


def train_run(team: Team, run: Run) -> int:
    """Trains a run. All processes of the team call this. Returns the exit status.

    Raises:
        ProcessLostError: another process has gone.
    """
    with team.noticing_losses():
        if not team.is_chief:
            return _follow(team, run.trainer)
        with run.directory:
            status = train_and_report(run)
            team.agree(0)
            return status


def _open(team, arguments):
    places = arguments["run_dir"], arguments["checkpoint"]
    if arguments["resume"]:
        return resume_run(options.given_values(arguments), *places, team=team)
    return start_run(options.config_from_arguments(arguments), *places, team=team)


def _open_as_chief(team, arguments):
    """Opens the run. Sends its configuration, or the message of an error, to the other processes."""
    try:
        run = _open(team, arguments)
    except (ValueError, RunError, CheckpointError) as error:
        team.broadcast(json.dumps({"error": str(error)}))
        raise
    team.broadcast(json.dumps({"config": run.config.to_json()}))
    return run


def _join(team):
    """Builds the trainer of the configuration that the chief sends."""
    message = json.loads(team.broadcast())
    if "error" in message:
        raise RunError(f"the chief cannot open the run: {message['error']}")
    config = Config.from_json(message["config"])
    return Run(directory=None, config=config, trainer=prepare_trainer(config, team))


def _follow(team, trainer):
    """Trains as the chief says, until the chief ends the training. Returns the exit status."""
    finite = True
    with StopSignals() as signals:
        while iteration := team.agree(received=signals.received or 0):
            finite = trainer.advance(iteration)
    if not finite:
        return 1
    return 128 + signals.received if signals.received else 0


def _chosen(arguments):
    """The options to compare between processes: a dict from names to values."""
    if arguments["resume"]:
        content = {"resume": True, **options.given_values(arguments)}
    else:
        content = options.config_from_arguments(arguments).to_json()
    chosen = {}
    for name, value in flat_values(content).items():
        section, _, field = name.rpartition(".")
        chosen[section if field == "name" else field] = value
    return chosen
