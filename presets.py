"""What `--preset` sets: everything about a run that has a default.

A default is that of `RECIPES`, if there is one for the task and the model, or of `PAPER_MODELS`, or of the preset, or
of the class that takes it.

Sections: `task` goes to the task, `model` to `ntm.NTM` or `ntm.LSTM`, `optimizer` to `keras.optimizers.RMSprop` (but
for `initial_velocity`, the first value of its mean square, and `decay_steps`, the updates after which the learning rate
has halved, as 1 / (1 + updates / decay_steps)) and `training` to `ntm.training.Trainer`.
"""

from ntm import reference

PRESETS = {
    # What trains best while every equation is the paper's.
    "paper": {
        "task": {},
        "model": {},
        "optimizer": {
            # Graves (2013), "Generating sequences with recurrent neural networks", equations (38) to (41).
            "learning_rate": 1e-3,
            "decay_steps": 10_000,
            "rho": 0.95,
            "momentum": 0.9,
            "epsilon": 1e-3,
            "centered": True,
            "global_clipnorm": 10.0,
        },
        "training": {"loss": "sum", "batch_size": 1, "weight_noise": 0.04, "clip_ratio": 100.0},
    },
    # The reference's; what is left of differences is in docs/fidelity.md.
    "reference": {
        "task": {"max_length": 10, "every_step": True},
        "model": {**reference.ARCHITECTURE, "recurrent_std": 0.06},
        "optimizer": {
            "learning_rate": 1e-4,
            "rho": 0.9,
            "momentum": 0.9,
            "epsilon": 1e-10,
            "centered": False,
            "clipvalue": 10.0,
            "initial_velocity": 1.0,  # TensorFlow 1's, where Keras starts from 0
        },
        "training": {"loss": "mean", "batch_size": 1, "weight_noise": 0.0, "clip_ratio": 0.0},
    },
}

# Tables 1 to 3 of the paper: the sizes that are not those of the copy task's NTM, 100 units and one head of each kind.
# Of its two-layer controller for the sort, 2 x 100 units, ours is one layer of 200.
PAPER_MODELS = {
    ("copy", "lstm"): {"controller_units": 256},
    ("repeat-copy", "lstm"): {"controller_units": 512},
    ("associative-recall", "ntm-feedforward"): {"controller_units": 256, "read_heads": 4, "write_heads": 4},
    ("associative-recall", "lstm"): {"controller_units": 256},
    ("ngrams", "lstm"): {"controller_units": 128},
    ("priority-sort", "ntm-lstm"): {"controller_units": 200, "read_heads": 5, "write_heads": 5},
    ("priority-sort", "ntm-feedforward"): {"controller_units": 512, "read_heads": 8, "write_heads": 8},
    ("priority-sort", "lstm"): {"controller_units": 128},
}

# What the `paper` preset has otherwise for a task and a model; docs/recipe.md and docs/results.md say what for.
_LSTM = {"optimizer": {"learning_rate": 3e-4}, "training": {"weight_noise": 0.0}}
RECIPES = {
    ("copy", "ntm-lstm"): {
        "model": {"forget_bias": -1.0, "read_gate_bias": 4.0, "memory_std": 0.25},
        "optimizer": {"epsilon": 1e-4, "weight_decay": 0.005},
        "training": {"weight_noise": 0.08},
    },
    ("copy", "lstm"): _LSTM,
    ("repeat-copy", "ntm-lstm"): {
        "model": {"read_gate_bias": 4.0},
        "optimizer": {"epsilon": 1e-4},
        "training": {"weight_noise": 0.02},
    },
    ("repeat-copy", "ntm-feedforward"): {
        "optimizer": {"learning_rate": 3e-4},
        "training": {"weight_noise": 0.02},
    },
    ("repeat-copy", "lstm"): _LSTM,
    # A query is found among the items by following its vectors from location to location, which needs a read head that
    # goes the way that the write head went; heads that at first are told little learn that soonest. Forward is firm for
    # the write head, which else may turn round, and less so for the read head, which content has to lead elsewhere.
    ("associative-recall", "ntm-lstm"): {
        "model": {
            "heads_std": 0.05,
            "read_strength_bias": 0.0,
            "read_gate_bias": 0.0,
            "read_shift_bias": 2.0,
            "write_shift_bias": 4.0,
        },
        "optimizer": {"epsilon": 1e-4},
        "training": {"weight_noise": 0.02},
    },
    # The state of a feedforward controller is what its heads read. Many heads, or many steps, that each move by
    # location, and sharply, make gradients of 1e10 and more of that. Smaller weights and a smaller step help, so does
    # clipping within the steps and, where nothing has to be found by location, write heads that go by content, less
    # sharply.
    ("associative-recall", "ntm-feedforward"): {
        "model": {"recurrent_std": 0.05, "heads_std": 0.05, "gradient_clip": 0.1},
        "optimizer": {"learning_rate": 3e-4},
    },
    ("associative-recall", "lstm"): _LSTM,
    ("ngrams", "ntm-lstm"): {"optimizer": {"global_clipnorm": 2.0}},
    ("ngrams", "ntm-feedforward"): {
        "model": {"recurrent_std": 0.05, "write_gate_bias": 2.0, "write_sharpness_bias": 0.0},
        "optimizer": {"learning_rate": 3e-4},
    },
    ("ngrams", "lstm"): _LSTM,
    ("priority-sort", "ntm-lstm"): {"training": {"weight_noise": 0.01}},
    ("priority-sort", "ntm-feedforward"): {
        "model": {"recurrent_std": 0.05, "heads_std": 0.05, "write_gate_bias": 0.0, "write_sharpness_bias": 0.0},
        "optimizer": {"learning_rate": 1e-4},
    },
    ("priority-sort", "lstm"): _LSTM,
}


def sections(preset, task="copy", model="ntm-lstm"):
    """The sections of a preset for a task and a model, dicts that the caller may change."""
    chosen = {
        **PRESETS[preset],
        # What a preset says of the model it says of the NTM.
        "model": {**(PRESETS[preset]["model"] if model != "lstm" else {}), **PAPER_MODELS.get((task, model), {})},
        "task": PRESETS[preset]["task"] if task == "copy" else {},
    }
    recipe = RECIPES.get((task, model), {}) if preset == "paper" else {}
    return {name: {**chosen[name], **recipe.get(name, {})} for name in ("task", "model", "optimizer", "training")}
