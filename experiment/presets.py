"""The values that --preset, --task and --model set.

A value comes from RECIPES, else from PAPER_MODELS, else from PRESETS, else from the constructor that takes it. RECIPES
holds for the preset "paper" alone. docs/results.md shows what each recipe achieves.

config.py defines the sections and the names. ntm/recipe.py has the numbers that users of `fit` need too.
"""

from experiment import reference
from ntm.recipe import COPY_INITIAL_VALUES, COPY_OPTIMIZER, OPTIMIZER

PRESETS = {
    # The equations are the paper's. The values below are the ones that train best.
    "paper": {
        "task": {},
        "model": {},
        "optimizer": OPTIMIZER,
        "training": {"loss": "sum", "batch_size": 1, "weight_noise": 0.04, "clip_ratio": 100.0},
    },
    # The choices of the reference (see reference.py). docs/fidelity.md lists the differences that remain.
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
            "initial_velocity": 1.0,  # as in TensorFlow 1; Keras starts from 0
        },
        "training": {"loss": "mean", "batch_size": 1, "weight_noise": 0.0, "clip_ratio": 0.0},
    },
}

# The sizes in the paper's tables 1 to 3. Networks with 100 units and one head of each kind are left out, because these
# are the defaults. For priority sort the paper's NTM has a controller of two layers with 100 units each. Ours has one
# layer of 200.
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

# Changes for single tasks and models. docs/recipe.md gives the reasons.
_LSTM = {"optimizer": {"learning_rate": 3e-4, "decay_steps": 100_000}, "training": {"weight_noise": 0.0}}
# A table of counts needs a location for each context, and a write head that finds it by content. With this recipe, both
# controllers learn such a table.
_NGRAMS = {
    "model": {
        "recurrent_std": 0.05,
        "write_gate_bias": 2.0,
        "write_sharpness_bias": 0.0,
        "location_rows": True,
        "gradient_clip": 1.0,
    },
    "optimizer": {"learning_rate": 3e-4, "decay_steps": 50_000},
    "training": {"weight_noise": 0.0},
}
RECIPES = {
    ("copy", "ntm-lstm"): {
        "model": COPY_INITIAL_VALUES,
        "optimizer": COPY_OPTIMIZER,
        "training": {"weight_noise": 0.08},
    },
    ("copy", "lstm"): _LSTM,
    ("repeat-copy", "ntm-lstm"): {
        "model": {"read_gate_bias": 4.0},
        "optimizer": {"epsilon": 1e-4},
        "training": {"weight_noise": 0.02},
    },
    # With a rate that falls, this network stays on a plateau, or does not recover from a jolt.
    ("repeat-copy", "ntm-feedforward"): {
        "optimizer": {"learning_rate": 3e-4, "decay_steps": 0, "epsilon": 1e-4},
        "training": {"weight_noise": 0.02},
    },
    ("repeat-copy", "lstm"): _LSTM,
    # To find the query among the items, a read head has to follow the order in which the write head wrote. Heads with
    # small initial weights and biases learn this soonest. The initial shift goes forward. It is strong in the write
    # head, which might otherwise learn to go backward. It is weaker in the read head, which must also jump by content.
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
    # A feedforward controller remembers only through the memory. With many heads or many steps, and with sharp
    # addressing by location, its gradients reach 1e10 and more. Three changes help:
    # - recall, N-grams and sort: smaller weights and a lower learning rate
    # - recall and N-grams: clipping at every time step
    # - N-grams and sort, which need no addressing by location: write heads that also go by content, and less sharply
    # Each location also has an initial row of its own. The vectors that the heads read then tell a feedforward
    # controller where the heads are. In recall, the forward shift keeps the write heads out of each other's way. The
    # noise on the weights makes the read heads' search for the query more certain.
    ("associative-recall", "ntm-feedforward"): {
        "model": {
            "recurrent_std": 0.05,
            "heads_std": 0.05,
            "write_shift_bias": 4.0,
            "memory_std": 0.05,
            "location_rows": True,
            "gradient_clip": 0.1,
        },
        "optimizer": {"learning_rate": 1e-4, "decay_steps": 20_000, "epsilon": 1e-4},
        "training": {"weight_noise": 0.08},
    },
    ("associative-recall", "lstm"): _LSTM,
    ("ngrams", "ntm-lstm"): _NGRAMS,
    # With a feedforward controller, some contexts share a location. With smaller steps (a lower bound within the steps,
    # half the rate) there are fewer of them, and during a long training some of them part.
    ("ngrams", "ntm-feedforward"): {
        "run": {"iterations": 260_000},
        "model": {**_NGRAMS["model"], "gradient_clip": 0.3},
        "optimizer": {"learning_rate": 1.5e-4, "decay_steps": 10_000, "hold_steps": 200_000},
        "training": _NGRAMS["training"],
    },
    ("ngrams", "lstm"): _LSTM,
    # A high rate finds the algorithm. The cost then falls while the rate falls: in the last 30,000 updates with an LSTM
    # controller, in the last 70,000 with a feedforward controller.
    ("priority-sort", "ntm-lstm"): {
        "run": {"iterations": 150_000},
        "model": {"memory_std": 0.05, "location_rows": True},
        "optimizer": {"learning_rate": 7e-4, "decay_steps": 5_000, "hold_steps": 120_000},
        "training": {"weight_noise": 0.01},
    },
    ("priority-sort", "ntm-feedforward"): {
        "run": {"iterations": 190_000},
        "model": {
            "recurrent_std": 0.05,
            "heads_std": 0.05,
            "write_gate_bias": 0.0,
            "write_sharpness_bias": 0.0,
            "memory_std": 0.3,
            "location_rows": True,
        },
        "optimizer": {"learning_rate": 1e-4, "decay_steps": 10_000, "hold_steps": 120_000, "epsilon": 1e-4},
        "training": {"weight_noise": 0.0},
    },
    ("priority-sort", "lstm"): _LSTM,
}


def sections(preset: str, task: str, model: str) -> dict:
    """The values of a preset for a task and a model.

    Returns:
        A dict from "run", "task", "model", "optimizer" and "training" to dicts from names to values. The caller may
        change them.
    """
    chosen = {
        "run": {},
        **PRESETS[preset],
        # A preset's values for the model are options of the NTM. The LSTM does not have them.
        "model": {**(PRESETS[preset]["model"] if model != "lstm" else {}), **PAPER_MODELS.get((task, model), {})},
        "task": PRESETS[preset]["task"] if task == "copy" else {},
    }
    recipe = RECIPES.get((task, model), {}) if preset == "paper" else {}
    return {name: {**values, **recipe.get(name, {})} for name, values in chosen.items()}
