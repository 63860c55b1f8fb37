"""Does training reach NaN with the reference's form of sharpening, but not with the form of `ntm`?

The reference is camigord/Neural-Turing-Machine (docs/fidelity.md).

`python -m benchmarks.literal_sharpening --max-length=20 --seeds=3` trains the reference preset with each form of
equation (9), in float32, one seed after the other. A training ends when an update is not finite, or at the last
iteration.
"""

import sys

from experiment.command_line import Parser, start, whole_number

with start():
    import tensorflow as tf

    from experiment.build import build_trainer
    from experiment.config import default_config
    from ntm import NTM, NTMCell


def literal_sharpen(weightings, sharpness):
    """w^gamma / sum(w^gamma), as the reference computes it. Arguments as in `ntm.addressing.sharpen`."""
    powers = weightings ** sharpness[..., tf.newaxis]
    return powers / tf.reduce_sum(powers, axis=-1, keepdims=True)


class LiteralCell(NTMCell):
    """An NTMCell with the reference's form of sharpening."""

    def address(self, similarities, previous_weightings, parameters):
        stages = super().address(similarities, previous_weightings, parameters)
        return stages._replace(weightings=literal_sharpen(stages.shifted, parameters.sharpness))


class LiteralNTM(NTM):
    """An NTM with a LiteralCell. TensorFlow differentiates it: the backward pass of `ntm` is for our sharpening."""

    cell_class = LiteralCell

    def run(self, inputs, *, mask=None, initial_state=None, steps=None):
        """As `NTM.run`, without a mask."""
        length = inputs.shape[1]
        steps = length if steps is None else steps
        state = self.initial_state(tf.shape(inputs)[0]) if initial_state is None else initial_state
        inputs = tf.transpose(inputs, [1, 0, 2])

        def step(t, state, outputs):
            output, state = self.cell(inputs[t], state)
            return t + 1, state, outputs.write(t, output)

        shape = [inputs.shape[1], self.cell.output_size]
        outputs = tf.TensorArray(inputs.dtype, length, element_shape=shape)
        # XLA differentiates a loop only if it has a constant bound.
        _, final, outputs = tf.while_loop(
            lambda t, *_: t < steps, step, (0, state.to_keras(), outputs), maximum_iterations=length
        )
        logits = self.output_layer(tf.transpose(outputs.stack(), [1, 0, 2]))
        return logits, self.cell.from_keras(final)


FORMS = {"pow and divide": LiteralNTM, "softmax of log": NTM}


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.literal_sharpening", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--max-length", type=whole_number(1), default=20, metavar="N", help="largest length (default 20)"
    )
    parser.add_argument(
        "--iterations", type=whole_number(1), default=20_000, metavar="N", help="updates (default 20000)"
    )
    parser.add_argument("--seeds", type=whole_number(1), default=3, metavar="N", help="seeds 0 to N-1 (default 3)")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS, help="forms to train (default: both)")
    arguments = parser.parse_args(argv)
    tf.get_logger().setLevel("ERROR")  # TensorFlow would warn that each seed is traced anew
    for form in arguments.forms:
        for seed in range(arguments.seeds):
            config = default_config(preset="reference").replace(
                run={"seed": seed}, task={"max_length": arguments.max_length}
            )
            trainer = build_trainer(config, model_class=FORMS[form])
            finite = trainer.advance(arguments.iterations)
            distance = trainer.metrics().hamming_distance
            outcome = (
                f"finite for {arguments.iterations} iterations, mean Hamming distance {distance:.2f}"
                if finite
                else f"not finite at iteration {int(trainer.iteration)}"
            )
            print(f"{form}, seed {seed}: {outcome}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
