"""The training recipe of the copy task, for models that `fit` trains. With this recipe, every seed learns the task.

experiment/presets.py takes these numbers from here. docs/recipe.md gives the reasons. experiment/trainer.py does two
more things that no optimizer can do: it adds noise to the weights in every update, and it clips the gradient norm to a
multiple of its running mean. Neither happens in `fit`.
"""

import keras

from ntm.options import InitialValues

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


def rmsprop(*, learning_rate: float, decay_steps: int | None = None, **options) -> keras.optimizers.RMSprop:
    """RMSprop with a learning rate that decays.

    Args:
        learning_rate: the initial learning rate.
        decay_steps: the number of updates after which the learning rate is half its initial value. The rate is
            learning_rate / (1 + updates / decay_steps). With None or 0, the rate does not decay.
        **options: arguments of `keras.optimizers.RMSprop`.

    Returns:
        keras.optimizers.RMSprop.
    """
    if decay_steps:
        learning_rate = keras.optimizers.schedules.InverseTimeDecay(learning_rate, decay_steps, decay_rate=1.0)
    return keras.optimizers.RMSprop(learning_rate=learning_rate, **options)
