"""How fast is the NTM, compared with other implementations, and how does its time grow with each size?

Without the section `jax`, `make bench` takes about twelve minutes on two idle cores. That section takes a quarter of an
hour more, most of it to compile. Every time is a median of repeats after a warm-up. Times depend on the machine. Ratios
of times within one run are more reliable than the times. The JSON file has the same rows as the table.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path

from experiment.command_line import Parser, start, whole_number
from experiment.streams import warn

with start():
    import keras
    import tensorflow as tf

    from benchmarks import jax_speed, keras_use, lower_bound, shift_forms, startup
    from benchmarks.measure import (
        Row,
        gradient_time,
        make_trainer,
        median_time,
        repeated,
        update_time,
        without_optimizer,
    )
    from benchmarks.turns import WorkerError
    from ntm import NTM, NTMCell


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repeats", type=whole_number(5), default=5, metavar="N", help="repeats of each measurement (default 5)"
    )
    parser.add_argument(
        "--sections", default=",".join(SECTIONS), metavar="S,S,...", help="sections to run (default %(default)s)"
    )
    parser.add_argument("--json", type=Path, default=Path("runs/bench.json"), help="output file (default %(default)s)")
    arguments = parser.parse_args(argv)
    names = arguments.sections.split(",")
    for name in names:
        if name not in SECTIONS:
            parser.error(f"argument --sections: {name!r} is none of {', '.join(SECTIONS)}")
    try:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.touch()
    except OSError as error:
        parser.error(f"argument --json: {arguments.json} cannot be written: {error.strerror}")
    tf.get_logger().setLevel("ERROR")  # TensorFlow would warn that many programs are compiled
    rows = []
    try:
        for name in names:
            rows += run_section(name, arguments.repeats)
    except KeyboardInterrupt:
        return 130
    except (jax_speed.PeerError, WorkerError) as error:
        warn(f"{parser.prog}: error: {error}")
        return 1
    finally:
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    print(f"\n{machine()}\n{arguments.json} holds the same rows")
    return 0


def run_section(name: str, repeats: int) -> list:
    """Runs a section and prints its rows. Returns them as dicts."""
    print(f"\n{name}: {SECTIONS[name].__doc__.splitlines()[0]}", flush=True)
    rows = []
    for row in SECTIONS[name](repeats):
        ratio = "" if row.ratio is None else f"{row.ratio:9.2f} x {row.compared_to}"
        print(f"  {row.what:<58} {row.value:12.4g} {row.unit:<22}{ratio}", flush=True)
        rows.append({"section": name, **dataclasses.asdict(row)})
    return rows


def machine() -> str:
    """The machine in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({models[0] if models else 'unknown'}), TensorFlow {tf.__version__}"


def updates(repeats: int):
    """an update of the weights; copy of lengths 1 to 20, memory 128 x 20, LSTM of 100 units"""
    single = update_time(repeats)
    without = update_time(repeats, optimizer=without_optimizer())
    yield Row("batch 1", single, "ms")
    yield Row("the optimizer's share of batch 1", 1 - without / single, "of the update")
    for batch_size in (16, 64):
        milliseconds = update_time(repeats, batch_size=batch_size)
        yield Row(f"batch {batch_size}", milliseconds, "ms", milliseconds / single, "batch 1")


def forward(repeats: int):
    """the model's outputs alone, as in evaluation, with the initial weights"""
    model = make_trainer().model
    for batch_size, length in ((1, 20), (16, 20), (64, 20), (256, 120)):
        steps = 2 * length + 2
        inputs = tf.random.stateless_normal([batch_size, steps, 10], [0, 0])
        count = max(1, 20_000 // (batch_size * steps))
        run = repeated(model, count)
        seconds = median_time(lambda run=run, inputs=inputs: run(inputs).numpy(), repeats) / count
        per_step = 1e6 * seconds / (batch_size * steps)
        yield Row(f"batch {batch_size}, length {length}", per_step, "us per sequence-step")


def growth(repeats: int):
    """time of an update as memory, sequence, shift range or batch grows; constant time per unit means linear growth"""
    for what, unit, cases in (
        ("N", "us per location", [(n, {"memory_locations": n, "length": 10}) for n in (128, 1024, 8192, 65536)]),
        ("T", "us per step", [(2 * n + 2, {"length": n}) for n in (9, 99, 999)]),
        ("S", "us", [(s, {"memory_locations": 1024, "shift_range": s, "length": 10}) for s in (1, 8, 32)]),
        ("B", "us per sequence", [(b, {"batch_size": b, "length": 10}) for b in (1, 8, 64, 256)]),
    ):
        first = None
        for size, options in cases:
            microseconds = 1e3 * update_time(repeats, **options)
            value = microseconds if what == "S" else microseconds / size
            first = first or value
            yield Row(f"{what}={size}", value, unit, value / first, f"{what}={cases[0][0]}")


def unrolls(repeats: int):
    """outputs and all gradients at batch 1, 42 steps: NTM, the same cell in keras.layers.RNN, and a plain LSTM"""
    inputs = keras.Input((42, 10), batch_size=1)
    rnn = keras.layers.RNN(NTMCell(), return_sequences=True)
    lstm = keras.layers.LSTM(100, return_sequences=True)
    models = {
        "ntm.NTM": NTM(8),
        "keras.layers.RNN(NTMCell())": keras.Model(inputs, keras.layers.Dense(8)(rnn(inputs))),
        "keras.layers.LSTM(100), no memory": keras.Model(inputs, keras.layers.Dense(8)(lstm(inputs))),
    }
    times = {name: 1e3 * gradient_time(model, repeats) for name, model in models.items()}
    for name, milliseconds in times.items():
        yield Row(name, milliseconds, "ms", milliseconds / times["ntm.NTM"], "ntm.NTM")


SECTIONS = {
    "updates": updates,
    "forward": forward,
    "shifts": shift_forms.shifts,
    "growth": growth,
    "unrolls": unrolls,
    "keras": keras_use.keras_use,
    "jax": jax_speed.jax_updates,
    "limit": lower_bound.limit,
    "start": startup.start,
}


if __name__ == "__main__":
    sys.exit(main())
