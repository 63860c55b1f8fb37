"""Did the reference learn because it carries the LSTM state from one training sequence to the next?

The reference, camigord/Neural-Turing-Machine, carries the state over by accident (docs/fidelity.md).
`python -m benchmarks.carried_state --seeds=3` trains the reference preset in the same way. Compare its results with the
results of `python train.py --preset=reference`.
"""

import sys

from experiment.command_line import Parser, start, whole_number

with start():
    import tensorflow as tf

    from experiment.build import build_trainer
    from experiment.config import default_config
    from experiment.evaluation import Evaluator, table
    from experiment.seeds import REPORT, stream
    from ntm import NTM

AVERAGED = 1000  # the metrics at each tenth of the run are means over the last AVERAGED iterations


class CarryingNTM(NTM):
    """An NTM for batch size 1 whose controller starts in the state in which the previous sequence ended."""

    def build(self, input_shape):
        super().build(input_shape)
        self.carried = [
            self.add_weight(shape=(1, size), initializer="zeros", trainable=False)
            for size in self.cell.controller.state_sizes
        ]

    def initial_state(self, batch_size, seed=None):
        state = super().initial_state(batch_size, seed)
        return state._replace(controller=tuple(map(tf.convert_to_tensor, self.carried)))

    def run(self, inputs, **options):
        logits, state = super().run(inputs, **options)
        for variable, tensor in zip(self.carried, state.controller):
            variable.assign(tensor)
        return logits, state


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.carried_state", description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=whole_number(10 * AVERAGED), default=100_000, metavar="N")
    parser.add_argument("--seeds", type=whole_number(1), default=3, metavar="N", help="seeds 0 to N-1 (default 3)")
    arguments = parser.parse_args(argv)
    for seed in range(arguments.seeds):
        config = default_config(preset="reference").replace(run={"seed": seed})
        trainer = build_trainer(config, model_class=CarryingNTM)
        if not train(trainer, seed, arguments.iterations):
            continue
        evaluator = Evaluator(without_carry(trainer), trainer.task, (30,), 1000, stream(seed, REPORT), carry_state=True)
        for line in table(map(evaluator.measure, ((10,), (20,), (30,)))):
            print(line, flush=True)
    return 0


def train(trainer, seed: int, iterations: int) -> bool:
    """Trains a model. Prints its metrics at every tenth of the iterations. Returns whether they are finite."""
    for tenth in range(1, 11):
        iteration = iterations * tenth // 10
        trainer.advance(iteration - AVERAGED)
        trainer.start_metrics()
        if not trainer.advance(iteration):
            print(f"seed {seed}: not finite at iteration {int(trainer.iteration)}")
            return False
        metrics = trainer.metrics()
        print(
            f"seed {seed}, iterations {iteration - AVERAGED} to {iteration}: loss {metrics.loss:.4f}, "
            f"Hamming distance {metrics.hamming_distance:.2f}",
            flush=True,
        )
    return True


def without_carry(trainer) -> NTM:
    """An NTM with the weights of a trainer's CarryingNTM."""
    model = NTM(**trainer.model.options)
    model.build((None, None, trainer.task.input_size))
    for copy, weight in zip(model.trainable_variables, trainer.model.trainable_variables):
        copy.assign(weight)
    return model


if __name__ == "__main__":
    sys.exit(main())
