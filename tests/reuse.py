"""Reuses compiled programs between the runs of a test process, because tracing and compiling them takes seconds."""

import json

from benchmarks.laboratory import all_variables
from experiment.build import build_trainer
from experiment.evaluation import Evaluator
from experiment.observation import Observer


class Reuse:
    """Stands in for `build_trainer`, `Evaluator` and `Observer`. Calls with equal arguments return the same object."""

    def __init__(self):
        self._trainers, self._evaluators, self._observers = {}, {}, {}

    def trainer(self, config, team=None):
        """A Trainer in its initial state. Its compiled program does not depend on the seed."""
        sections = config.to_json()
        key = json.dumps([sections[name] for name in ("task", "model", "optimizer", "training")])
        built = build_trainer(config, team=team)
        if team is not None and team.strategy is not None:
            return built
        trainer = self._trainers.setdefault(key, built)
        if trainer is not built:
            for variable, initial in zip(all_variables(trainer), all_variables(built), strict=True):
                variable.assign(initial)
        return trainer

    def evaluator(self, model, task, largest, sequences, seed):
        key = id(model), largest, sequences, str(seed)
        return self._reused(self._evaluators, key, lambda: Evaluator(model, task, largest, sequences, seed))

    def evaluator_of_weights(self, model, task, largest, sequences, seed, *, carry_state):
        """As `evaluator`, for a model that was loaded anew and does not train. Models of equal configurations share a
        program."""
        key = str(model.get_config()), task, largest, sequences, str(seed), carry_state
        shared, evaluator = self._reused(
            self._evaluators,
            key,
            lambda: (model, Evaluator(model, task, largest, sequences, seed, carry_state=carry_state)),
        )
        for variable, weight in zip(shared.variables, model.variables, strict=True):
            variable.assign(weight)
        return evaluator

    def observer(self, model, task):
        return self._reused(self._observers, id(model), lambda: Observer(model, task))

    @staticmethod
    def _reused(kept, key, make):
        if key not in kept:
            kept[key] = make()
        return kept[key]
