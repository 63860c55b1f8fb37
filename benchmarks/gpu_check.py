"""Compares the CPU with the GPU of this machine in under 10 minutes: `python -m benchmarks.gpu_check`.

It needs a GPU and `pip install "tensorflow[and-cuda]"`. It trains copy on both devices and compares the losses
of the first updates. Then it prints the table of docs/scale.md: the time of an update at several batch sizes and memory
sizes.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiment.command_line import Parser, start

with start():
    import numpy as np
    import tensorflow as tf

    from experiment.build import build_trainer
    from experiment.config import default_config
    from experiment.devices import choose_devices
    from experiment.metrics_file import read_metrics

ROOT = Path(__file__).resolve().parent.parent
CELLS = [(size, locations) for locations in (128, 8192) for size in (1, 16, 256)]  # pairs of batch size and N
UPDATES = 100  # updates whose losses are compared
# The losses of the first AGREEING updates may differ by TOLERANCE. Later, training amplifies rounding differences.
AGREEING, TOLERANCE = 50, 1e-4
_LIMITS = {"gpu": 150, "cpu": 270}  # time limit of a device, in seconds: all cells together
_CELL_SECONDS = 5  # in each cell, the measured updates take about this long


def main(argv=None) -> int:
    parser = Parser(prog="benchmarks.gpu_check", description=__doc__.splitlines()[0])
    parser.add_argument("--measure", choices=_LIMITS, help="only print the times on this device, as JSON")
    arguments = parser.parse_args(argv)
    try:
        choose_devices(arguments.measure or "gpu")
    except ValueError as error:
        parser.error(error)
    if arguments.measure:
        for cell in CELLS:
            print(json.dumps([*cell, milliseconds(*cell)]), flush=True)
        return 0
    card = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    print(f"{card.get('device_name', 'unknown card')}, TensorFlow {tf.__version__}", flush=True)
    differences = loss_differences()
    for updates in (AGREEING, UPDATES):
        largest = np.max(differences[:updates])
        print(f"copy, {updates} updates: the losses differ by at most {largest:.1e}, relative", flush=True)
    times = {device: measure(device) for device in _LIMITS}
    for line in table(times["cpu"], times["gpu"]):
        print(line)
    return int(not np.max(differences[:AGREEING]) <= TOLERANCE)


def loss_differences() -> np.ndarray:
    """The relative difference between the losses on the CPU and on the GPU, for each update."""
    losses = {}
    with tempfile.TemporaryDirectory() as root:
        for device in _LIMITS:
            run_dir = Path(root) / device
            options = [f"--device={device}", f"--iterations={UPDATES}", "--log-every=1", f"--run-dir={run_dir}"]
            subprocess.run([sys.executable, "train.py", *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            losses[device] = read_metrics(run_dir)["loss"]
    return np.abs(losses["gpu"] - losses["cpu"]) / np.abs(losses["cpu"])


def measure(device: str) -> dict:
    """Milliseconds per update on a device: a dict from CELLS to numbers. It lacks cells that the time limit cut off."""
    command = [sys.executable, "-m", "benchmarks.gpu_check", f"--measure={device}"]
    try:
        output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=_LIMITS[device]).stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    rows = [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
    return {(size, locations): value for size, locations, value in rows}


def milliseconds(batch_size: int, locations: int) -> float:
    """Milliseconds per update of copy, lengths 1 to 20."""
    config = default_config().replace(training={"batch_size": batch_size}, model={"memory_locations": locations})
    trainer = build_trainer(config)
    trainer.advance(1)
    begin = time.perf_counter()
    trainer.advance(2)
    count = max(1, min(100, int(_CELL_SECONDS / (time.perf_counter() - begin))))
    begin = time.perf_counter()
    trainer.advance(2 + count)
    return 1e3 * (time.perf_counter() - begin) / count


def table(cpu: dict, gpu: dict):
    """Yields the lines of a Markdown table. Arguments are results of `measure`."""
    yield "| memory locations | batch | CPU, ms an update | GPU, ms an update |"
    yield "|---|---|---|---|"
    for size, locations in CELLS:
        times = [f"{times[size, locations]:.3g}" if (size, locations) in times else "-" for times in (cpu, gpu)]
        yield f"| {locations:,} | {size} | {' | '.join(times)} |"


if __name__ == "__main__":
    sys.exit(main())
