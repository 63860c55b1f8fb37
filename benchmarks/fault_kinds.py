"""The faults of faults.py that need no process of their own.

Each public method of Kinds makes one try and returns its Verdict.
"""

import contextlib
import errno
import os
import random
import shutil
import subprocess
import zlib
from pathlib import Path
from unittest import mock

import tensorflow as tf

import evaluate
import train
from benchmarks import damage
from benchmarks.laboratory import MODELS, Laboratory, TooLargeError, Verdict, content, copy_run, refuse_large
from experiment import (
    atomic,
    build,
    checkpoints,
    events,
    metrics_file,
    program_cache,
    run_directory,
    start_or_resume,
    team_run,
)

ITERATIONS, INTERRUPTED_AT = 600, 340
# Options of every --resume after damage, because the damage may have changed them.
GO_ON = [f"--iterations={ITERATIONS}", "--no-stop-when-solved", "--no-figures"]
DISK_BYTES = 4_000_000
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES]


class Kinds:
    """The kinds of faults.

    Args:
        root: an empty directory.
        laboratory: Laboratory.
    """

    def __init__(self, root: Path, laboratory: Laboratory):
        self._laboratory, self._run = laboratory, root / "run"
        self._bases, self._expected, self._fingerprints = {}, {}, {}
        for model in MODELS:
            whole, part = root / f"whole-{model}", root / f"part-{model}"
            assert self._laboratory.train(whole, model, ITERATIONS).status == 0
            with _at_row(INTERRUPTED_AT, _fail):
                assert self._laboratory.train(part, model, ITERATIONS).status == 1
            self._bases[model], self._expected[model] = (whole, part), content(whole)
        self._disk = _mount(root / "disk")
        self._places = root / "places"
        self._places.mkdir()

    def file(self, rng: random.Random) -> Verdict:
        """Damages a file of a run and resumes the run."""
        model, run_dir = self._copy(rng)
        path = rng.choice(sorted(path for path in run_dir.rglob("*") if path.is_file()))
        way = damage.damage_file(path, rng)
        return self._judge(self._laboratory.resume(run_dir, *GO_ON), run_dir, model, f"{way} {path}")

    def config(self, rng: random.Random) -> Verdict:
        """Changes config.json and resumes the run."""
        model, run_dir = self._copy(rng)
        damage.damage_config(run_dir / "config.json", rng)
        try:
            outcome = self._laboratory.resume(run_dir, *GO_ON)
        except TooLargeError:
            outcome = None
        what = (run_dir / "config.json").read_text()[:2000]
        if outcome is None:
            return Verdict(ending="other", why=what)
        return self._judge(outcome, run_dir, model, what)

    def weights(self, rng: random.Random) -> Verdict:
        """Damages the weights of a finished run and evaluates them."""
        model = rng.choice(list(MODELS))
        run_dir = copy_run(self._bases[model][0], self._run)
        source = rng.choice([f"--run-dir={run_dir}", f"--weights={run_dir / 'model.keras'}"])
        expected = self._laboratory.run(evaluate.main, source).out
        newest = checkpoints.checkpoints(run_dir)[0]
        files = [run_dir / "config.json", *newest.iterdir()] if "run-dir" in source else [run_dir / "model.keras"]
        path = rng.choice(sorted(files))
        way = damage.damage_file(path, rng)
        outcome = self._laboratory.run(evaluate.main, source)
        if outcome.refused:
            return Verdict(ending="refused")
        same = outcome.status == 0 and outcome.out == expected and outcome.well_said
        return Verdict(ending="identical" if same else "other", why=f"{way} {path}: {outcome}")

    def options(self, rng: random.Random) -> Verdict:
        """Runs a random command line. A command line that is accepted ends before training."""
        command = rng.choice([train, train, evaluate])
        damage.make_places(self._places)
        runs = self._places / "runs"
        rng.choice([runs.mkdir, runs.touch, lambda: runs.symlink_to("missing"), lambda: None])()
        arguments = damage.command_line(_parser(command), rng)
        with (
            contextlib.chdir(self._places),
            mock.patch.object(team_run, "train_and_report", return_value=0),
            mock.patch.object(train, "prepare_trainer", side_effect=TooLargeError),
            mock.patch.object(start_or_resume, "build_trainer", _build_small),
        ):
            try:
                outcome = self._laboratory.run(command.main, *arguments)
            except TooLargeError:
                return Verdict(ending="identical")
        if outcome.refused:
            return Verdict(ending="refused")
        return Verdict(
            ending="identical" if outcome.status == 0 and not outcome.err else "other", why=f"{arguments}: {outcome}"
        )

    def write(self, rng: random.Random) -> Verdict:
        """Lets one random write of a run fail, then resumes the run."""
        model = rng.choice(list(MODELS))
        shutil.rmtree(self._run, ignore_errors=True)
        number, code = rng.choice([*range(1, 12), rng.randrange(150)]), rng.choice(ERRORS)
        with _failing_write(number, code):
            outcome = self._laboratory.train(self._run, model, ITERATIONS)
        return self._judge_resumed(outcome, self._run, model, f"write {number} fails with {code}")

    def disk(self, rng: random.Random) -> Verdict:
        """Lets a small disk get full at a random moment, frees it, and resumes the run.

        If no small disk could be mounted, does what `write` does.
        """
        if self._disk is None:
            return self.write(rng)
        model, run_dir = rng.choice(list(MODELS)), self._disk / "run"
        shutil.rmtree(run_dir, ignore_errors=True)
        filler = self._disk / "filler"
        free = rng.randrange(150_000)
        filler.write_bytes(bytes(DISK_BYTES - 4096 - free // 4096 * 4096))
        outcome = self._laboratory.train(run_dir, model, ITERATIONS)
        filler.unlink()
        return self._judge_resumed(outcome, run_dir, model, f"{free} bytes free")

    def moved(self, rng: random.Random) -> Verdict:
        """Moves or deletes the directory of a run while it trains."""
        model, elsewhere = rng.choice(list(MODELS)), self._run.with_name("elsewhere")
        for path in (self._run, elsewhere):
            shutil.rmtree(path, ignore_errors=True)
        deleted = rng.random() < 0.4
        act = (lambda: shutil.rmtree(self._run)) if deleted else (lambda: self._run.rename(elsewhere))
        with _at_row(20 * rng.randrange(1, ITERATIONS // 20), act):
            outcome = self._laboratory.train(self._run, model, ITERATIONS)
        if deleted:
            return Verdict(ending="refused" if outcome.refused else "other", why=str(outcome))
        return self._judge_resumed(outcome, elsewhere, model, "moved")

    def cache(self, rng: random.Random) -> Verdict:
        """Damages the program cache. A process must see no program that the damage changed."""
        store = self._run.with_name("store")
        shutil.rmtree(store, ignore_errors=True)
        first = program_cache.SharedPrograms(store)
        programs = {f"{i}.pb": rng.randbytes(2000) for i in range(4)}
        for name, program in programs.items():
            (first.own / name).write_bytes(program)
        first.publish()
        path = rng.choice(sorted(path for path in store.iterdir() if path.is_file()))
        way = damage.damage_file(path, rng)
        second = program_cache.SharedPrograms(store)
        wrong = [path.name for path in second.own.iterdir() if path.read_bytes() != programs[path.name]]
        kept = [path for path in store.iterdir() if not path.name.startswith("process-")]
        good = all(zlib.crc32(path.read_bytes()) == int(path.name[-8:], 16) for path in kept) and len(kept) >= 3
        first.close()
        second.close()
        return Verdict(ending="identical" if good and not wrong else "other", why=f"{way} {path}")

    def _copy(self, rng):
        """Copies a finished or an interrupted run. Returns its model and the directory of the copy."""
        model = rng.choice(list(MODELS))
        return model, copy_run(rng.choice(self._bases[model]), self._run)

    def _judge_resumed(self, outcome, run_dir, model, what):
        """Resumes a run, or starts it again, after a command that may have failed. Judges both commands."""
        if outcome.status != 0 and not outcome.refused:
            return Verdict(ending="other", why=f"{what}: {outcome}")
        again = self._laboratory.resume(run_dir)
        if not (run_dir / "config.json").exists() and again.refused:
            again = self._laboratory.train(run_dir, model, ITERATIONS)
        verdict = self._judge(again, run_dir, model, f"{what}: {outcome}")
        if verdict.ending != "identical":
            return Verdict(ending="other", why=verdict.why)
        return Verdict(ending="refused") if outcome.status else verdict

    def _judge(self, outcome, run_dir, model, what):
        """Judges a command that resumed a run."""
        if outcome.refused:
            return Verdict(ending="refused")
        why = f"{what}: {outcome}"
        if outcome.status != 0 or not outcome.well_said:
            return Verdict(ending="other", why=why)
        found, expected = content(run_dir), self._expected[model]
        different = [name for name in expected if found[name] != expected[name]]
        if not different:
            return Verdict(ending="identical")
        said = {"rows": "metrics.csv has lost", "details": "details/ has lost"}
        for name in different:
            less = name in said and all(part in expected[name] for part in found[name])
            if not less or said[name] not in outcome.err:
                return Verdict(ending="other", why=f"{name} differs; {why}")
        return Verdict(ending="said")


def _parser(command):
    """The parser of a command. It lacks the options that train.py has if --task names a class in a file."""
    return command._parser([]) if command is train else command._parser()


def _build_small(config, team=None):
    refuse_large(config)
    return build.build_trainer(config)


@contextlib.contextmanager
def _at_row(iteration, act):
    """Calls a function before the row of an iteration is written."""
    log = run_directory.RunDirectory.log

    def patched(self, row):
        if row["iteration"] == iteration:
            act()
        log(self, row)

    with mock.patch.object(run_directory.RunDirectory, "log", patched):
        yield


def _fail():
    raise OSError(errno.EIO, "interrupted", "metrics.csv")


@contextlib.contextmanager
def _failing_write(number, code):
    """Makes write number `number` fail with the error code `code`. All functions that write are counted together."""
    calls = iter(range(1, 10**9))

    def failing(function, error):
        def call(*arguments, **options):
            if next(calls) == number:
                raise error
            return function(*arguments, **options)

        return call

    refused = OSError(code, os.strerror(code))
    lost = tf.errors.ResourceExhaustedError(None, None, f"some file; {os.strerror(code)}")
    targets = [(os, name, refused) for name in ("fsync", "replace", "rename", "mkdir")]
    targets += [(metrics_file, "append_row", OSError(code, os.strerror(code), "metrics.csv"))]
    targets += [(atomic, "write_file", refused), (checkpoints, "write_tensors", lost)]
    targets += [(events.Events, "add_metrics", lost), (events.Events, "add_histograms", lost)]
    with contextlib.ExitStack() as stack:
        for owner, name, error in targets:
            stack.enter_context(mock.patch.object(owner, name, failing(getattr(owner, name), error)))
        stack.enter_context(mock.patch.object(run_directory, "append_row", metrics_file.append_row))
        yield


def unmount(root: Path):
    """Removes the small disk of `Kinds`, if there is one."""
    if os.path.ismount(root / "disk"):
        subprocess.run(["umount", str(root / "disk")], check=False)


def _mount(path):
    """Mounts a small disk. Returns None where this is not allowed."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    with contextlib.suppress(OSError):
        if subprocess.run(mount, capture_output=True).returncode == 0:
            return path
    return None
