"""A lower bound on the time of an update, from its operations, its bytes and the machine's measured rates."""

import numpy as np
import tensorflow as tf

from benchmarks.measure import Row, median_time, update_time


def limit(repeats: int):
    """the time of an update at batch 1, and the time that its operations and bytes need at this machine's rates"""
    flops, moved = update_cost(steps=23)
    flop_rate, byte_rate = _flop_rate(3 * repeats), _byte_rate(3 * repeats)
    measured = update_time(repeats)
    yield Row("matrix product of 1024 x 1024, both cores", flop_rate / 1e9, "GFLOP/s")
    yield Row("copy of 1 MiB, read and written, one core", byte_rate / 1e9, "GB/s")
    yield Row(f"{flops / 1e6:.2f} MFLOP at the rate of the product", flops / flop_rate * 1e3, "ms")
    yield Row(f"{moved / 1e6:.2f} MB at the rate of the copy", moved / byte_rate * 1e3, "ms")
    bound = max(flops / flop_rate, moved / byte_rate) * 1e3
    yield Row("an update, measured", measured, "ms", measured / bound, "the larger of the two")


def _flop_rate(repeats):
    """Floating-point operations per second in a matrix product."""
    size = 1024
    matrix = tf.random.stateless_normal([size, size], [0, 0])
    multiply = tf.function(lambda a: tf.matmul(a, a), jit_compile=True)
    return 2 * size**3 / median_time(lambda: multiply(matrix).numpy(), repeats)


def _byte_rate(repeats):
    """Bytes read and written per second when an array is copied. The array fits into a cache, like an update's data."""
    source = np.ones(2**20 // 4, np.float32)
    target = np.empty_like(source)

    def copy():
        for _ in range(100):
            np.copyto(target, source)

    return 100 * 2 * source.nbytes / median_time(copy, repeats)


def update_cost(steps: int):
    """Counts the work of an update of the default model at batch 1.

    Operations: every multiplication and addition of the forward pass, twice as many for the backward pass, and 15 per
    weight for the optimizer.

    Bytes: each step reads the weight matrices in both passes. The forward pass writes the history and the backward pass
    reads it. Each step reads and writes the memory in both passes. The update reads and writes the weights, the
    gradient and the optimizer's three vectors.

    Args:
        steps: T.

    Returns:
        Floating-point operations, and bytes.
    """
    units, inputs, outputs, locations, width, offsets = 100, 10, 8, 128, 20, 3
    columns = 2 * (width + 3 + offsets) + 2 * width
    matrices = (inputs + width + units) * 4 * units + units * columns + (units + width) * outputs
    memory = locations * width
    addressing = 2 * locations * (2 * width + 4 + offsets + 15)  # similarity, gate, shift, sharpening; two heads
    step = 2 * matrices + addressing + memory * (2 + 4 + 2)  # norms, erase and add, read
    flops = 3 * steps * step + 15 * matrices
    history = memory + 5 * locations + 6 * units + columns
    moved = 4 * (steps * (2 * matrices + 2 * history + 4 * memory) + 10 * matrices)
    return flops, moved
