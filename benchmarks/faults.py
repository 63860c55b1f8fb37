"""Injects faults at random and counts how they end: `python -m benchmarks.faults --tries=1000 --seed=1`.

A try ends in one of four ways:

identical       the command went on, and all results equal the results of a run without the fault
said            the command went on without rows or events that the fault had destroyed, and said so
refused         the command ended with one line that names the file or the option, and exit status 1 or 2
other           anything else: a traceback, a hang, wrong weights, a silent loss. Each such try is printed.
"""

import collections
import contextlib
import random
import tempfile
import time
import traceback
from pathlib import Path

from experiment.command_line import Parser, file_path, run, start, whole_number
from experiment.streams import say

with start():
    from benchmarks import fault_kinds, fault_processes
    from benchmarks.laboratory import Laboratory, Verdict

# How many of 1,000 tries are of each kind.
SHARES = {
    "kill": 110,
    "signal": 25,
    "output": 15,
    "file": 330,
    "weights": 100,
    "config": 140,
    "options": 150,
    "write": 70,
    "disk": 20,
    "moved": 20,
    "cache": 20,
}
SHOWN_EVERY = 10  # a table is printed after this many tries
ENDINGS = ("identical", "said", "refused", "other")


def main(argv=None) -> int:
    """Runs the command line `argv`. Returns 1 if a try had the ending "other", else 0."""
    parser = Parser(prog="benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=whole_number(1), default=1000, metavar="N", help="number of tries (1000)")
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="determines the faults (0)")
    parser.add_argument("--kinds", metavar="K,K,...", help=f"kinds of faults (all): {', '.join(SHARES)}")
    parser.add_argument("--dir", type=file_path, metavar="DIR", help="directory for the runs (a temporary one)")
    arguments = parser.parse_args(argv)
    kinds = list(SHARES) if arguments.kinds is None else arguments.kinds.split(",")
    for kind in set(kinds) - set(SHARES):
        parser.error(f"argument --kinds: {kind!r} is none of {', '.join(SHARES)}")
    with contextlib.ExitStack() as stack:
        root = arguments.dir or stack.enter_context(tempfile.TemporaryDirectory())
        parser.make_directory("--dir", root)
        if any(Path(root).iterdir()):
            parser.error(f"argument --dir: {root} is not empty")
        stack.enter_context(contextlib.chdir(root))
        stack.callback(fault_kinds.unmount, Path(root).absolute())
        counts = inject(kinds, arguments.tries, arguments.seed, stack.enter_context(Laboratory()))
    for line in table(counts):
        say(line)
    return 1 if any(count["other"] for count in counts.values()) else 0


def inject(kinds: list, tries: int, seed: int, laboratory: Laboratory) -> dict:
    """Makes the tries. Returns a dict from each kind to a Counter of the endings."""
    total = sum(SHARES[kind] for kind in kinds)
    numbers = {kind: max(1, round(tries * SHARES[kind] / total)) for kind in kinds}
    order = [kind for kind in kinds for _ in range(numbers[kind])]
    random.Random(seed).shuffle(order)
    counts, seconds = {kind: collections.Counter() for kind in kinds}, collections.Counter()
    makers = [fault_processes.Processes(Path.cwd(), laboratory)]
    if any(hasattr(fault_kinds.Kinds, kind) for kind in kinds):
        makers.append(fault_kinds.Kinds(Path.cwd(), laboratory))
    for number, kind in enumerate(order):
        begin, rng = time.perf_counter(), random.Random(f"{seed} {number}")
        make = next(getattr(maker, kind) for maker in makers if hasattr(maker, kind))
        try:
            verdict = make(rng)
        except Exception:  # a traceback is the worst ending, and must not end the tries
            verdict = Verdict(ending="other", why=traceback.format_exc())
        counts[kind][verdict.ending] += 1
        seconds[kind] += time.perf_counter() - begin
        if verdict.ending == "other":
            say(f"try {number}, {kind}: {verdict.why}")
        if number % SHOWN_EVERY == SHOWN_EVERY - 1:
            for line in table(counts):
                say(line)
            times = ", ".join(f"{kind} {seconds[kind] / counts[kind].total():.2f}" for kind in kinds if seconds[kind])
            say(f"{number + 1} of {len(order)} tries; seconds per try: {times}")
    return counts


def table(counts: dict):
    """Yields the lines of a table in Markdown."""
    yield "| fault | tries | " + " | ".join(ENDINGS) + " |"
    yield "|---" * (2 + len(ENDINGS)) + "|"
    rows = [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]
    for kind, count in rows:
        cells = [kind, count.total(), *(count[ending] for ending in ENDINGS)]
        yield "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    run(main)
