"""Where the time of an update goes, kernel by kernel, as TensorFlow's profiler sees it."""

import collections
import re
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

_KERNEL_EVENTS = 3  # the profiler's level of detail at which it notes every kernel of a compiled program
_DEFINITION = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = \S+ ([\w-]+)\(")
_OPERATION = re.compile(r'op_name="([^"]*)"')


class Kernel(NamedTuple):
    """A kernel of the compiled program, over all the updates that were profiled."""

    name: str  # XLA's
    operation: str  # the TensorFlow operation that it comes from, or the last of several
    calls: int
    microseconds: float  # a call, the median; the profiler adds up to one to each


def profile(trainer, directory, updates=20):
    """Profiles some updates of a Trainer, compiled before.

    Args:
        trainer: Trainer; it makes the updates.
        directory: where the profiler's own files go, for TensorBoard's profile plugin.
        updates: how many.

    Returns:
        A list of Kernel, those that took longest in all first.
    """
    operations = {}
    for line in trainer.compiled_program().splitlines():
        definition, operation = _DEFINITION.match(line), _OPERATION.search(line)
        if definition and definition[2] != "while":
            operations[definition[1]] = operation[1] if operation else definition[2]
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=_KERNEL_EVENTS, python_tracer_level=0)
    with tf.profiler.experimental.Profile(str(directory), options=options):
        trainer.advance(int(trainer.iteration) + updates)
    newest = max(Path(directory).rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    space = xplane_pb2.XSpace.FromString(newest.read_bytes())
    times = collections.defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                times[plane.event_metadata[event.metadata_id].name].append(event.duration_ps / 1e6)
    kernels = [
        Kernel(name, operations[name], len(calls), sorted(calls)[len(calls) // 2])
        for name, calls in times.items()
        if name in operations
    ]
    return sorted(kernels, key=lambda kernel: -kernel.calls * kernel.microseconds)
