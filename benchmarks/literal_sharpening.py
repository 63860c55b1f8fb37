"""Does the reference's sharpening, to the letter, train to NaN, and ours never?

Trains the reference preset with each form of equation (9), in float32, seed by seed, until an update that is not finite
or the last iteration: `python -m benchmarks.literal_sharpening --max-length=20 --seeds=3`.
"""

import sys

from experiment.command_line import Parser, quiet_stderr, whole_number

with quiet_stderr():
    import tensorflow as tf

    from experiment import build_trainer, default_config
    from ntm import addressing


def literal_sharpen(weightings, sharpness):
    """w^gamma / sum(w^gamma), as the reference computes it."""
    powers = weightings ** sharpness[..., tf.newaxis]
    return powers / tf.reduce_sum(powers, axis=-1, keepdims=True)


def literal_slopes(norms, similarities, previous_weightings, weightings, *parameters):
    """In place of `address_slopes`, which is of our sharpening: all that TensorFlow needs to differentiate."""
    return previous_weightings, *parameters


def automatic_gradient(slopes, memory, d_weightings):
    """TensorFlow's gradient of `address`, in place of ours."""
    arguments = tf.linalg.matrix_transpose(memory), *slopes
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        weightings = addressing.address(*arguments)
    d_memory, *gradients = tape.gradient(weightings, arguments, d_weightings)
    return tf.linalg.matrix_transpose(d_memory), *gradients


def main(argv=None):
    parser = Parser(prog="benchmarks.literal_sharpening", description=__doc__.splitlines()[0])
    parser.add_argument("--max-length", type=whole_number(1), default=20, metavar="N", help="(default 20)")
    parser.add_argument("--iterations", type=whole_number(1), default=20_000, metavar="N", help="(default 20000)")
    parser.add_argument("--seeds", type=whole_number(1), default=3, metavar="N", help="seeds 0 to N-1 (default 3)")
    parser.add_argument("--forms", default="pow and divide,softmax of log", help="(default both: %(default)s)")
    arguments = parser.parse_args(argv)
    tf.get_logger().setLevel("ERROR")  # each seed is traced anew, of which TensorFlow would warn
    forms = {
        "softmax of log": (addressing.sharpen, addressing.address_slopes, addressing.address_gradient),
        "pow and divide": (literal_sharpen, literal_slopes, automatic_gradient),
    }
    for name in arguments.forms.split(","):
        addressing.sharpen, addressing.address_slopes, addressing.address_gradient = forms[name]
        for seed in range(arguments.seeds):
            config = default_config(preset="reference")
            config["seed"] = seed
            config["task"]["max_length"] = arguments.max_length
            trainer = build_trainer(config)
            finite = trainer.advance(arguments.iterations)
            metrics = trainer.metrics()
            outcome = (
                f"finite for {arguments.iterations} iterations, mean Hamming distance {metrics.hamming_distance:.2f}"
                if finite
                else f"not finite at iteration {int(trainer.iteration)}"
            )
            print(f"{name}, seed {seed}: {outcome}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
