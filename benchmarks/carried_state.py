"""Does the LSTM state that the reference carries from one training sequence to the next explain how it learned?

Trains the reference preset with the state carried over, as the reference's variables do by accident:
`python -m benchmarks.carried_state --seeds=3`. Without it: `python train.py --preset=reference`.
"""

import sys

from cli import Parser, quiet_stderr, whole_number

with quiet_stderr():
    import tensorflow as tf

    import experiment
    from ntm import NTM
    from ntm.evaluation import Evaluator, table
    from ntm.training import REPORT, stream

EVERY = 1000  # iterations of a mean, at the end of each tenth of the run


class CarryingNTM(NTM):
    """An NTM, of batch 1, whose controller goes on from where the sequence before left it."""

    def build(self, input_shape):
        super().build(input_shape)
        self.carried = [
            self.add_weight(shape=(1, size), initializer="zeros", trainable=False)
            for size in self.cell.controller.state_sizes
        ]

    def initial_state(self, batch_size, seed=None):
        return (
            super().initial_state(batch_size, seed)._replace(controller=tuple(map(tf.convert_to_tensor, self.carried)))
        )

    def call(self, inputs, initial_state=None, steps=None):
        logits, state = self.run(inputs, initial_state=initial_state, steps=steps)
        for variable, tensor in zip(self.carried, state.controller):
            variable.assign(tensor)
        return logits


def main(argv=None):
    parser = Parser(prog="benchmarks.carried_state", description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=whole_number(10 * EVERY), default=100_000, metavar="N")
    parser.add_argument("--seeds", type=whole_number(1), default=3, metavar="N", help="seeds 0 to N-1 (default 3)")
    arguments = parser.parse_args(argv)
    experiment.MODELS["ntm-lstm"] = CarryingNTM, {"controller": "lstm"}
    for seed in range(arguments.seeds):
        trainer = experiment.build_trainer({**experiment.default_config(preset="reference"), "seed": seed})
        for tenth in range(1, 11):
            iteration = arguments.iterations * tenth // 10
            trainer.advance(iteration - EVERY)
            trainer.start_metrics()
            if not trainer.advance(iteration):
                print(f"seed {seed}: not finite at iteration {int(trainer.iteration)}")
                break
            metrics = trainer.metrics()
            print(
                f"seed {seed}, iterations {iteration - EVERY} to {iteration}: loss {metrics.loss:.4f}, "
                f"Hamming distance {metrics.hamming_distance:.2f}",
                flush=True,
            )
        plain = NTM(**trainer.model.options)
        plain.build((None, None, trainer.task.input_size))
        for copy, weight in zip(plain.trainable_variables, trainer.model.trainable_variables):
            copy.assign(weight)
        evaluator = Evaluator(plain, trainer.task, (30,), 1000, stream(seed, REPORT), carry_state=True)
        for line in table(map(evaluator.measure, ((10,), (20,), (30,)))):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
