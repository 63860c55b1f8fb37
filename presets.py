"""What `--preset` sets: everything about a run that has a default.

Sections: `task` goes to the task, `model` to `ntm.NTM`, `optimizer` to `keras.optimizers.RMSprop` and `training` to
`ntm.training.Trainer`.
"""

PRESETS = {
    # What trains best while every equation is the paper's; docs/recipe.md
    "paper": {
        "task": {},
        "model": {},
        "optimizer": {
            # Graves (2013), "Generating sequences with recurrent neural networks", equations (38) to (41).
            "learning_rate": 1e-4,
            "rho": 0.95,
            "momentum": 0.9,
            "epsilon": 1e-4,
            "centered": True,
            "global_clipnorm": 50.0,
        },
        "training": {"loss": "sum", "batch_size": 1},
    },
}
