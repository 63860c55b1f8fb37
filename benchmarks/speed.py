"""How fast is it, next to what, and how does that grow? `make bench`, some seven minutes on two idle cores.

Every time is a median of repeats after a warm-up. Ratios are of one run and worth more than times, which are the
machine's. The JSON file holds what the table holds, one object a row.
"""

import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cli import Parser, quiet_stderr, whole_number

with quiet_stderr():
    import keras
    import numpy as np
    import tensorflow as tf

    from experiment import build_trainer, default_config
    from ntm import NTM, NTMCell
    from ntm.addressing import shift

ROOT = Path(__file__).resolve().parent.parent
UPDATES = 100  # a repeat: always the first ones of seed 0, so that all settings see sequences of the same lengths
SHIFTS_SECONDS = 0.05  # of shifts in a call, which takes 0.1 ms besides


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a figure, and its ratio to that of `compared_to`."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    compared_to: str = ""


def main(argv=None):
    parser = Parser(prog="benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=whole_number(5), default=5, metavar="N", help="of each figure (default 5)")
    parser.add_argument("--sections", default=",".join(SECTIONS), metavar="S,S,...", help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("runs/bench.json"), help="(default %(default)s)")
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
    tf.get_logger().setLevel("ERROR")  # programs are compiled one after another on purpose
    rows = []
    try:
        for name in names:
            print(f"\n{name}: {SECTIONS[name].__doc__.splitlines()[0]}", flush=True)
            for row in SECTIONS[name](arguments.repeats):
                ratio = "" if row.ratio is None else f"{row.ratio:9.2f} x {row.compared_to}"
                print(f"  {row.what:<58} {row.value:12.4g} {row.unit:<22}{ratio}", flush=True)
                rows.append({"section": name, **dataclasses.asdict(row)})
    except KeyboardInterrupt:
        return 130
    finally:
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    print(f"\n{machine()}\n{arguments.json} holds the same")
    return 0


def machine():
    """The machine in one line."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({models[0] if models else 'unknown'}), TensorFlow {tf.__version__}"


def updates(repeats):
    """an update of the weights, copy, lengths 1 to 20, 128 x 20, LSTM of 100"""
    alone = None
    for batch_size in (1, 16, 64):
        milliseconds = update_time(repeats, batch_size=batch_size)
        if batch_size == 1:
            alone = milliseconds
            without = update_time(repeats, optimizer=False)
            yield Row("batch 1", milliseconds, "ms")
            yield Row("the optimizer's share of it", 1 - without / milliseconds, "of the update")
        else:
            yield Row(f"batch {batch_size}", milliseconds, "ms", milliseconds / alone, "batch 1")


def forward(repeats):
    """the model's outputs alone, as in evaluation, at the weights that training starts from"""
    model = make_trainer().model
    for batch_size, length in ((1, 20), (16, 20), (64, 20), (256, 120)):
        steps = 2 * length + 2
        inputs = tf.random.stateless_normal([batch_size, steps, 10], [0, 0])
        count = max(1, 20_000 // (batch_size * steps))
        run = repeated(model, count)
        seconds = median_time(lambda run=run, inputs=inputs: run(inputs).numpy(), repeats) / count
        per_step = 1e6 * seconds / (batch_size * steps)
        yield Row(f"batch {batch_size}, length {length}", per_step, "us a sequence-step")


def shifts(repeats):
    """the shift convolution, equation (8), at batch 1 beside other ways to compute it; compilation is not in it"""
    for locations, reach in ((128, 1), (1024, 1), (1024, 32), (16384, 32)):
        forms = {"ours": shift, "FFT": fft_shift, "circulant matmul": circulant_shift}
        if reach == 1:
            forms["reference's conv2d"] = convolution_shift
        if locations == 128:
            forms["reference's loop over locations"] = looped_shift
        if locations == 16384:
            del forms["circulant matmul"]  # a matrix of a gigabyte
        times = {name: shift_time(form, locations, reach, repeats) for name, form in forms.items()}
        for name, microseconds in times.items():
            ratio = (None, "") if name == "ours" else (microseconds / times["ours"], "ours")
            yield Row(f"N={locations}, S={reach}: {name}", microseconds, "us", *ratio)
        if (locations, reach) == (1024, 1):
            narrow = times["ours"]
        if (locations, reach) == (1024, 32):
            yield Row("N=1024: ours at S=32", times["ours"], "us", times["ours"] / narrow, "S=1")


def growth(repeats):
    """an update as memory, sequence, shift range and batch grow, one at a time; per unit, a flat column is linear"""
    for what, unit, cases in (
        ("N", "us a location", [(n, {"memory_locations": n, "length": 10}) for n in (128, 1024, 8192, 65536)]),
        ("T", "us a step", [(2 * n + 2, {"length": n}) for n in (9, 99, 999)]),
        ("S", "us", [(s, {"memory_locations": 1024, "shift_range": s, "length": 10}) for s in (1, 8, 32)]),
        ("B", "us a sequence", [(b, {"batch_size": b, "length": 10}) for b in (1, 8, 64)]),
    ):
        first = None
        for size, options in cases:
            microseconds = 1e3 * update_time(repeats, **options)
            value = microseconds if what == "S" else microseconds / size
            first = first or value
            yield Row(f"{what}={size}", value, unit, value / first, f"{what}={cases[0][0]}")


def unrolls(repeats):
    """outputs and all gradients at batch 1, 42 steps: our unroll, Keras's over the same cell, and a plain LSTM"""
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


def limit(repeats):
    """an update at batch 1 against the operations and bytes that it needs, at this machine's own rates"""
    flops, moved = update_cost(steps=23)
    size = 1024
    matrix = tf.random.stateless_normal([size, size], [0, 0])
    multiply = tf.function(lambda a: tf.matmul(a, a), jit_compile=True)
    flop_rate = 2 * size**3 / median_time(lambda: multiply(matrix).numpy(), 3 * repeats)
    source = np.ones(2**20 // 4, np.float32)  # what an update goes through fits a cache too
    target = np.empty_like(source)

    def copy():
        for _ in range(100):
            np.copyto(target, source)

    byte_rate = 100 * 2 * source.nbytes / median_time(copy, 3 * repeats)
    measured = update_time(repeats)
    yield Row("matrix product of 1024 x 1024, both cores", flop_rate / 1e9, "GFLOP/s")
    yield Row("copy of 1 MiB, read and written, one core", byte_rate / 1e9, "GB/s")
    yield Row(f"{flops / 1e6:.2f} MFLOP at that rate", flops / flop_rate * 1e3, "ms")
    yield Row(f"{moved / 1e6:.2f} MB at that rate", moved / byte_rate * 1e3, "ms")
    bound = max(flops / flop_rate, moved / byte_rate) * 1e3
    yield Row("an update, measured", measured, "ms", measured / bound, "the larger of the two")


def start(repeats):
    """from typing `python train.py` to the first update done, what is compiled, and the memory that XLA plans for"""
    cold = statistics.median(start_time(TF_XLA_FLAGS="") for _ in range(repeats))
    yield Row("python train.py, import to first update, the first time", cold, "s")
    with tempfile.TemporaryDirectory() as directory:  # its end leaves the compiled programs
        command = [sys.executable, "train.py", "--iterations=1", f"--run-dir={directory}/run"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    warm = statistics.median(start_time() for _ in range(repeats))
    yield Row("and from the second time on", warm, "s", warm / cold, "the first")
    with tempfile.TemporaryDirectory() as directory:
        command = ["train.py", "--iterations=300", f"--run-dir={directory}/run"]
        programs = [path.name for path in told_by_xla(directory, command, "*.before_optimizations.txt")]
    for what, function in (("training, lengths 1 to 20", "_train_to"), ("the report, 5 lengths", "_run_batch")):
        yield Row(f"programs compiled for {what}", sum(function in program for program in programs), "")
    locations, length = 1024, 499
    with tempfile.TemporaryDirectory() as directory:
        update = f"make_trainer(length={length}, memory_locations={locations}).advance(1)"
        command = ["-c", f"from benchmarks.speed import make_trainer; {update}"]
        (plan,) = told_by_xla(directory, command, "*_train_to*memory-usage-report.txt")
        total = int(re.search(r"Total bytes used: (\d+)", plan.read_text())[1])
    history = 4 * locations * 20 * (2 * length + 2)
    yield Row("memory, batch 1, T=1000, N=1024", total / 1e6, "MB", total / history, "a memory matrix a step")


def told_by_xla(directory, command, pattern):
    """Paths of what XLA writes, into this directory, of the programs that a command of Python's compiles."""
    flags = {"XLA_FLAGS": f"--xla_dump_to={directory}/xla --xla_dump_hlo_as_text", "TF_XLA_FLAGS": ""}
    environment = {**os.environ, **flags}
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    return sorted(Path(directory, "xla").glob(pattern))


SECTIONS = {
    "updates": updates,
    "forward": forward,
    "shifts": shifts,
    "growth": growth,
    "unrolls": unrolls,
    "limit": limit,
    "start": start,
}


def make_trainer(batch_size=1, length=None, **model):
    """A Trainer of the defaults but for these; a length stands for sequences of that length alone."""
    config = default_config()
    config["training"]["batch_size"] = batch_size
    config["model"].update(model)
    if length is not None:
        config["task"].update(min_length=length, max_length=length)
    return build_trainer(config)


def update_time(repeats, optimizer=True, **options):
    """Milliseconds an update; without the optimizer, each weight moves by next to nothing of its gradient."""
    trainer = make_trainer(**options)
    if not optimizer:
        trainer.optimizer.apply = lambda gradients, variables: variables[0].assign_sub(1e-30 * gradients[0])
    trainer.advance(2)
    begin = time.perf_counter()
    trainer.advance(4)
    slow = (time.perf_counter() - begin) / 2 > 0.1  # then of one length, and a few updates are enough
    count = 4 if slow else UPDATES

    def advance():
        trainer.iteration.assign(0)
        trainer.advance(count)

    return 1e3 * median_time(advance, repeats) / count


def median_time(run, repeats):
    """The median time of a call in seconds, the first of them not counted."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def start_time(**environment):
    """Seconds from the start of train.py to its first update."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "train.py", "--iterations=1", "--log-every=1", f"--run-dir={directory}/run"]
        begin = time.perf_counter()
        environment = {**os.environ, **environment}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            reached = any(line.startswith("iteration 1/1") for line in process.stdout)
            seconds = time.perf_counter() - begin
            process.kill()
    if not reached:
        raise RuntimeError("train.py made no update")
    return seconds


def repeated(function, count):
    """`function` of a tensor, run `count` times in one compiled call, each on what depends on the result before."""

    @tf.function(jit_compile=True, autograph=False)
    def run(argument):
        def body(i, argument):
            return i + 1, argument * (1 - 1e-30 * tf.reduce_sum(function(argument)))

        return tf.while_loop(lambda i, argument: i < count, body, (0, argument))[1]

    return run


def gradient_time(model, repeats, count=20):
    """Seconds that a model's outputs and the gradients of its weights take."""

    def value_and_gradients(inputs):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.sin(model(inputs)))
        return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(value, model.trainable_variables)])

    inputs = tf.random.stateless_normal([1, 42, 10], [0, 0])
    model(inputs)
    run = repeated(value_and_gradients, count)
    return median_time(lambda: run(inputs).numpy(), repeats) / count


def shift_time(form, locations, reach, repeats):
    """Microseconds that a shift takes inside a compiled program, at batch 1 and one head."""
    rng = np.random.default_rng(0)
    shifts = tf.constant(rng.dirichlet(np.ones(2 * reach + 1), [1, 1]), tf.float32)
    weightings = tf.constant(rng.dirichlet(np.ones(locations), [1, 1]), tf.float32)

    @tf.function(jit_compile=True, autograph=False)
    def run(number, weightings, shifts):
        def body(i, weightings):
            # As in an NTM, shifts differ from step to step, or what depends on them alone would be done once.
            return i + 1, form(weightings, shifts + 1e-30 * weightings[..., :1])

        return tf.while_loop(lambda i, _: i < number, body, (0, weightings))[1]

    def call():
        return run(tf.constant(number), weightings, shifts).numpy()

    number = 100
    while median_time(call, 1) < SHIFTS_SECONDS:
        number *= 2
    return 1e6 * median_time(call, repeats) / number


def fft_shift(weightings, shifts):
    """Equation (8) as a product of spectra."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    padded = tf.pad(shifts, [[0, 0], [0, 0], [0, locations - shifts.shape[-1]]])
    kernel = tf.roll(padded, -reach, axis=-1)
    return tf.signal.irfft(tf.signal.rfft(weightings) * tf.signal.rfft(kernel), [locations])


def circulant_shift(weightings, shifts):
    """Equation (8) as a product with the shift's circulant matrix."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    padded = tf.pad(shifts, [[0, 0], [0, 0], [0, locations - shifts.shape[-1]]])
    offsets = (np.arange(locations)[:, np.newaxis] - np.arange(locations) + reach) % locations
    return tf.linalg.matvec(tf.gather(padded, offsets, axis=-1), weightings)


def convolution_shift(weightings, shifts):
    """Equation (8) as the reference's optimized form has it: conv2d, batch 1, one head."""
    padded = tf.concat([weightings[..., -1:], weightings, weightings[..., :1]], axis=-1)
    kernel = tf.reverse(shifts, [-1])  # conv2d correlates
    return tf.reshape(
        tf.nn.conv2d(tf.reshape(padded, [1, 1, -1, 1]), tf.reshape(kernel, [1, -1, 1, 1]), 1, "VALID"),
        weightings.shape,
    )


def looped_shift(weightings, shifts):
    """Equation (8) as the reference's general form has it: location by location."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    offsets = np.arange(-reach, reach + 1)
    return tf.stack(
        [
            tf.reduce_sum(tf.gather(weightings, (i - offsets) % locations, axis=-1) * shifts, axis=-1)
            for i in range(locations)
        ],
        axis=-1,
    )


def update_cost(steps):
    """Floating-point operations and bytes of an update of the default model at batch 1, counted.

    Operations: every product and sum of the forward pass, twice as many backward, and 15 a weight for the optimizer.
    Bytes: the weight matrices, which a step reads forward and backward; the history, written and read; the memory, read
    and written by each step both ways; weights, gradient and the optimizer's three vectors, read and written.
    """
    units, inputs, outputs, locations, width, offsets = 100, 10, 8, 128, 20, 3
    columns = 2 * (width + 3 + offsets) + 2 * width
    matrices = (inputs + width + units) * 4 * units + units * columns + (units + width) * outputs
    memory = locations * width
    addressing = 2 * locations * (2 * width + 4 + offsets + 15)  # match, blend, shift, sharpen; two heads
    step = 2 * matrices + addressing + memory * (2 + 4 + 2)  # norms, erase and add, read
    flops = 3 * steps * step + 15 * matrices
    history = memory + 5 * locations + 6 * units + columns
    moved = 4 * (steps * (2 * matrices + 2 * history + 4 * memory) + 10 * matrices)
    return flops, moved


def _lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


if __name__ == "__main__":
    sys.exit(main())
