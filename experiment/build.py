"""Builds a model and a trainer from a configuration."""

import dataclasses

import keras
import tensorflow as tf

from experiment.config import Config, OptimizerOptions
from experiment.distribute import DistributedTrainer
from experiment.models import make_model
from experiment.team import Team
from experiment.trainer import Trainer
from ntm.model import SequenceModel
from ntm.options import check_number
from ntm.recipe import rmsprop


def build_model(config: Config, model_class: type[SequenceModel] | None = None) -> keras.Model:
    """Builds the model of a configuration. The configuration's seed determines the initial weights.

    Args:
        config: the configuration.
        model_class: a subclass of the model's class, to be used in place of that class.

    Raises:
        ValueError: an argument is out of range.
    """
    sizes = {"input_size": config.task.input_size, "output_size": config.task.output_size}
    return make_model(config.model, **sizes, seed=config.run.seed, model_class=model_class)


def build_trainer(
    config: Config,
    *,
    model_class: type[SequenceModel] | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    team: Team | None = None,
) -> Trainer:
    """Builds the Trainer of a configuration, with its task and its model.

    Args:
        config: the configuration.
        model_class: as in `build_model`.
        optimizer: a Keras optimizer, to be used in place of the configuration's.
        team: Team. If it has a strategy, the trainer is a DistributedTrainer.

    Raises:
        ValueError: an argument is out of range.
    """
    chosen = optimizer or _build_optimizer(config.optimizer)
    model = build_model(config, model_class)
    options = {"seed": config.run.seed, **vars(config.training)}
    if team is None or team.strategy is None:
        trainer = Trainer(model, config.task, chosen, **options)
    else:
        trainer = DistributedTrainer(model, config.task, chosen, team=team, **options)
    for variable in chosen.variables:
        if variable.name.endswith("_velocity"):
            variable.assign(tf.fill(variable.shape, config.optimizer.initial_velocity or 0.0))
    return trainer


def _build_optimizer(options: OptimizerOptions):
    for name, value in dataclasses.asdict(options).items():
        if value is not None and name != "centered":
            check_number(name, value, smallest=0)
    if options.global_clipnorm and options.clipvalue:
        raise ValueError(
            f"clipvalue={options.clipvalue} needs global_clipnorm=0, not global_clipnorm={options.global_clipnorm}"
        )
    return rmsprop(
        learning_rate=options.learning_rate,
        decay_steps=options.decay_steps,
        hold_steps=options.hold_steps,
        rho=options.rho,
        momentum=options.momentum,
        epsilon=options.epsilon,
        centered=options.centered,
        # Keras does not accept 0 in place of None.
        weight_decay=options.weight_decay or None,
        global_clipnorm=options.global_clipnorm or None,
        clipvalue=options.clipvalue or None,
    )
