"""Profiles updates: how long each kernel of the compiled program takes, measured by TensorFlow's profiler."""

import collections
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from experiment.trainer import Trainer

_KERNEL_EVENTS = 3  # the profiler's level of detail that records every kernel of a compiled program
SHOWN_KERNELS = 30  # lines in a report
_DEFINITION = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = \S+ ([\w-]+)\(")
_OPERATION = re.compile(r'op_name="([^"]*)"')


class Kernel(NamedTuple):
    """A kernel of the compiled program, measured over all updates that were profiled."""

    name: str  # XLA's name
    operation: str  # the TensorFlow operation that it computes, or the last one of several
    calls: int  # in all updates
    microseconds: float  # per call, the median; the profiler makes each call up to one microsecond longer


def profile(trainer: Trainer, directory: str | Path, updates: int) -> list:
    """Profiles updates of a Trainer.

    Args:
        trainer: Trainer. It must have made an update, so that its program is compiled. Profiling makes more updates.
        directory: the directory for the profiler's files, which TensorBoard's profile plugin shows.
        updates: the number of updates.

    Returns:
        A list of Kernel, sorted by total time, longest first.
    """
    operations = _operations(trainer.compiled_program())
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=_KERNEL_EVENTS, python_tracer_level=0)
    with tf.profiler.experimental.Profile(str(directory), options=options):
        trainer.advance(int(trainer.iteration) + updates)
    kernels = [
        Kernel(name=name, operation=operations[name], calls=len(times), microseconds=sorted(times)[len(times) // 2])
        for name, times in _event_times(directory).items()
        if name in operations
    ]
    return sorted(kernels, key=lambda kernel: -kernel.calls * kernel.microseconds)


def _operations(program):
    """A dict from the names of a compiled program's kernels to the names of their TensorFlow operations."""
    operations = {}
    for line in program.splitlines():
        definition, operation = _DEFINITION.match(line), _OPERATION.search(line)
        if definition and definition[2] != "while":
            operations[definition[1]] = operation[1] if operation else definition[2]
    return operations


def _event_times(directory):
    """Reads the profiler's newest file: a dict from names of events to lists with the microseconds of each call."""
    newest = max(Path(directory).rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    space = xplane_pb2.XSpace.FromString(newest.read_bytes())
    times = collections.defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                times[plane.event_metadata[event.metadata_id].name].append(event.duration_ps / 1e6)
    return times


def report(kernels: list, updates: int) -> Iterator:
    """Yields the lines of a table of the SHOWN_KERNELS kernels that take longest.

    Args:
        kernels: the result of `profile`.
        updates: the number of updates that were profiled.
    """
    yield f"{'us/update':>10} {'calls/update':>12} {'us/call':>8}  kernel, and the TensorFlow operation it computes"
    for kernel in kernels[:SHOWN_KERNELS]:
        calls = kernel.calls / updates
        times = f"{calls * kernel.microseconds:10.1f} {calls:12.1f} {kernel.microseconds:8.2f}"
        yield f"{times}  {kernel.name}, {kernel.operation}"
    yield f"{len(kernels)} kernels in all; the profiler makes each call up to one microsecond longer"
