"""Other ways to compute the shift, equation (8), and the time that each takes.

Every form takes weightings [1, 1, N] and shifts [1, 1, 2S+1], and returns the shifted weightings [1, 1, N]. Two forms
are from the reference, camigord/Neural-Turing-Machine (docs/fidelity.md).
"""

import numpy as np
import tensorflow as tf

from benchmarks.measure import Row, median_time
from ntm.addressing import shift

_MIN_SECONDS = 0.05  # a timed call takes at least this long, because the overhead of a call is 0.1 ms


def shifts(repeats: int):
    """the shift, equation (8), and other ways to compute it, at batch 1; compilation is not measured"""
    for locations, reach in ((128, 1), (1024, 1), (1024, 32), (16384, 32)):
        forms = {"ours": shift, "FFT": fft_shift, "circulant matmul": circulant_shift}
        if reach == 1:
            forms["reference's conv2d"] = convolution_shift
        if locations == 128:
            forms["reference's loop over locations"] = looped_shift
        if locations == 16384:
            del forms["circulant matmul"]  # the matrix would take a gigabyte
        times = {name: shift_time(form, locations, reach, repeats) for name, form in forms.items()}
        for name, microseconds in times.items():
            ratio = (None, "") if name == "ours" else (microseconds / times["ours"], "ours")
            yield Row(f"N={locations}, S={reach}: {name}", microseconds, "us", *ratio)
        if (locations, reach) == (1024, 1):
            narrow = times["ours"]
        if (locations, reach) == (1024, 32):
            yield Row("N=1024: ours at S=32", times["ours"], "us", times["ours"] / narrow, "S=1")


def shift_time(form, locations: int, reach: int, repeats: int) -> float:
    """Microseconds per shift inside a compiled program, at batch 1 and one head. `reach` is S."""
    rng = np.random.default_rng(0)
    shifts = tf.constant(rng.dirichlet(np.ones(2 * reach + 1), [1, 1]), tf.float32)
    weightings = tf.constant(rng.dirichlet(np.ones(locations), [1, 1]), tf.float32)

    @tf.function(jit_compile=True, autograph=False)
    def run(number, weightings, shifts):
        def body(i, weightings):
            # In an NTM the shifts differ from step to step. Constant shifts would let XLA move work out of the loop.
            return i + 1, form(weightings, shifts + 1e-30 * weightings[..., :1])

        return tf.while_loop(lambda i, _: i < number, body, (0, weightings))[1]

    def call():
        return run(tf.constant(number), weightings, shifts).numpy()

    number = 100
    while median_time(call, 1) < _MIN_SECONDS:
        number *= 2
    return 1e6 * median_time(call, repeats) / number


def fft_shift(weightings, shifts):
    """Multiplies the spectra."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    padded = tf.pad(shifts, [[0, 0], [0, 0], [0, locations - shifts.shape[-1]]])
    kernel = tf.roll(padded, -reach, axis=-1)
    return tf.signal.irfft(tf.signal.rfft(weightings) * tf.signal.rfft(kernel), [locations])


def circulant_shift(weightings, shifts):
    """Multiplies by the circulant matrix of the shift."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    padded = tf.pad(shifts, [[0, 0], [0, 0], [0, locations - shifts.shape[-1]]])
    offsets = (np.arange(locations)[:, np.newaxis] - np.arange(locations) + reach) % locations
    return tf.linalg.matvec(tf.gather(padded, offsets, axis=-1), weightings)


def convolution_shift(weightings, shifts):
    """Uses conv2d, as the reference's optimized form does. S is 1."""
    padded = tf.concat([weightings[..., -1:], weightings, weightings[..., :1]], axis=-1)
    kernel = tf.reverse(shifts, [-1])  # conv2d computes a correlation, not a convolution
    return tf.reshape(
        tf.nn.conv2d(tf.reshape(padded, [1, 1, -1, 1]), tf.reshape(kernel, [1, -1, 1, 1]), 1, "VALID"),
        weightings.shape,
    )


def looped_shift(weightings, shifts):
    """Computes the locations in a Python loop, as the reference's general form does."""
    locations, reach = weightings.shape[-1], shifts.shape[-1] // 2
    offsets = np.arange(-reach, reach + 1)
    return tf.stack(
        [
            tf.reduce_sum(tf.gather(weightings, (i - offsets) % locations, axis=-1) * shifts, axis=-1)
            for i in range(locations)
        ],
        axis=-1,
    )
