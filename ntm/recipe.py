"""The training recipe of the copy task, for models that `fit` trains. With this recipe, every seed learns the task.

experiment/presets.py takes these numbers from here. docs/recipe.md gives the reasons. experiment/trainer.py does two
more things that no optimizer can do: it adds noise to the weights in every update, and it clips the gradient norm to a
multiple of its running mean. Neither happens in `fit`.
"""

import keras

from ntm.options import InitialValues, check_integer

# For every task. From Graves (2013), "Generating sequences with recurrent neural networks", equations (38) to (41).
OPTIMIZER = {
    "learning_rate": 1e-3,
    "decay_steps": 10_000,
    "rho": 0.95,
    "momentum": 0.9,
    "epsilon": 1e-3,
    "centered": True,
    "global_clipnorm": 10.0,
}

# Changes to OPTIMIZER and to the defaults of InitialValues, for copy with an LSTM controller.
COPY_OPTIMIZER = {"epsilon": 1e-4, "weight_decay": 0.005}
COPY_INITIAL_VALUES = {"forget_bias": -1.0, "read_gate_bias": 4.0, "memory_std": 0.25}


def recipe_optimizer(**changes):
    """The optimizer of the copy recipe: RMSprop with a learning rate that decays.

    Args:
        **changes: arguments of `rmsprop` to use instead of the recipe's.

    Returns:
        keras.optimizers.RMSprop.
    """
    return rmsprop(**{**OPTIMIZER, **COPY_OPTIMIZER, **changes})


def recipe_initial_values():
    """The InitialValues of the copy recipe: the argument `initial_values` of `NTM` and `NTMCell`."""
    return InitialValues(**COPY_INITIAL_VALUES)


@keras.saving.register_keras_serializable(package="ntm")
class HoldThenDecay(keras.optimizers.schedules.InverseTimeDecay):
    """A learning rate that is held, and then decays.

    For the first `hold_steps` updates the rate is initial_learning_rate. Then it is initial_learning_rate /
    (1 + decay_rate * (updates - hold_steps) / decay_steps).

    Args:
        initial_learning_rate: the rate of the first updates.
        decay_steps: the number of updates in which the rate falls from its initial value to half of it.
        hold_steps: the number of updates before the rate starts to fall.
        **options: other arguments of `keras.optimizers.schedules.InverseTimeDecay`. decay_rate is 1 if not given.

    Raises:
        ValueError: hold_steps is not an integer from 0.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, hold_steps: int = 0, **options):
        super().__init__(initial_learning_rate, decay_steps, **{"decay_rate": 1.0, "name": "HoldThenDecay", **options})
        check_integer("hold_steps", hold_steps, smallest=0)
        self.hold_steps = hold_steps

    def __call__(self, step):
        return super().__call__(keras.ops.maximum(step - self.hold_steps, 0))

    def get_config(self):
        return {**super().get_config(), "hold_steps": self.hold_steps}


def rmsprop(
    *, learning_rate: float, decay_steps: int | None = None, hold_steps: int = 0, **options
) -> keras.optimizers.RMSprop:
    """RMSprop with a learning rate that decays.

    Args:
        learning_rate: the initial learning rate.
        decay_steps: the number of updates in which the rate falls to half its initial value, see `HoldThenDecay`. With
            None or 0, the rate never falls.
        hold_steps: the number of updates before the rate starts to fall.
        **options: arguments of `keras.optimizers.RMSprop`.

    Returns:
        keras.optimizers.RMSprop.

    Raises:
        ValueError: hold_steps is not an integer from 0.
    """
    if decay_steps:
        learning_rate = HoldThenDecay(learning_rate, decay_steps, hold_steps)
    return keras.optimizers.RMSprop(learning_rate=learning_rate, **options)
