"""Ordinary faults end in one clear line, and nothing is lost in silence. Many tests share one small, interrupted run.

benchmarks/faults.py injects many more faults at random. The runs in this file, and most runs in benchmarks/faults.py,
make no compiled updates: see benchmarks/laboratory.py.
"""

import builtins
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from unittest import mock

import pytest
import tensorflow as tf

import evaluate
import train
from benchmarks import fault_kinds, faults, laboratory
from benchmarks.laboratory import Laboratory, content, copy_run
from commands import ROOT, refused
from experiment import atomic, checkpoints, program_cache, signals, streams
from experiment.command_line import Parser
from experiment.record import Record
from experiment.restoring import restore_solved
from experiment.run_directory import RunDirectory
from experiment.trainer import Trainer

ITERATIONS = 400


@pytest.fixture(scope="module")
def lab():
    with Laboratory() as lab:
        yield lab


@pytest.fixture(scope="module")
def base(lab, tmp_path_factory):
    """A run that was interrupted at iteration 340, and the content of the finished run."""
    root = tmp_path_factory.mktemp("faults")
    with fault_kinds._at_row(340, fault_kinds._fail):
        assert lab.train(root / "part", "lstm", ITERATIONS).status == 1
    copy_run(root / "part", root / "whole")
    assert lab.resume(root / "whole").status == 0
    return root / "part", content(root / "whole")


@pytest.fixture
def run(base, tmp_path):
    """A copy of the interrupted run."""
    return copy_run(base[0], tmp_path / "run")


@pytest.fixture
def resumed(lab, base):
    """Resumes a run. Checks that its final content equals the content of the finished run, except in `may_differ`.

    Returns the lines on standard error.
    """

    def resume(run_dir, *may_differ):
        outcome = lab.resume(run_dir)
        assert outcome.status == 0, outcome
        found = content(run_dir)
        assert [name for name in found if found[name] != base[1][name]] == list(may_differ)
        return outcome.err.splitlines()

    return resume


def test_an_interrupted_run_resumes_with_the_same_result_and_no_message(run, resumed):
    assert resumed(run) == []


# The program cache


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "directory", "foreign"])
def test_a_damaged_program_is_dropped_and_the_others_stay(tmp_path, damage):
    first = program_cache.SharedPrograms(tmp_path)
    for name in ("a.pb", "b.pb"):
        (first.own / name).write_bytes(name.encode() * 100)
    (first.own / "c.pb.tmp").write_bytes(b"half")
    first.close()
    (entry,) = tmp_path.glob("a.pb.*")
    data = entry.read_bytes()
    if damage == "directory":
        entry.unlink()
        entry.mkdir()
    elif damage == "foreign":  # an entry without a checksum, as earlier versions wrote them
        entry = entry.rename(tmp_path / "a.pb")
    else:
        entry.write_bytes({"truncated": data[:50], "empty": b"", "flipped": b"A" + data[1:]}[damage])
    second = program_cache.SharedPrograms(tmp_path)
    assert [path.name for path in second.own.iterdir()] == ["b.pb"]
    second.close()
    assert not entry.exists() and len(list(tmp_path.iterdir())) == 1


def test_the_directory_of_a_killed_process_is_deleted_and_that_of_a_running_one_stays(tmp_path):
    (tmp_path / "process-killed").mkdir()
    (tmp_path / "process-killed" / "half.tmp").write_bytes(b"half")
    running = program_cache.SharedPrograms(tmp_path)
    other = program_cache.SharedPrograms(tmp_path)
    assert {path for path in tmp_path.iterdir()} == {running.own, other.own}
    (other.own / "a.pb").write_bytes(b"program")
    (running.own / "a.pb").write_bytes(b"program")  # two processes have compiled it at the same time
    running.close()
    other.close()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_makes_the_program_cache_read_only(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    full = mock.Mock(free=1000)
    with mock.patch("shutil.disk_usage", return_value=full), mock.patch("atexit.register"):
        program_cache.share(tmp_path / "cache")
    assert "read_only=true" in os.environ["TF_XLA_FLAGS"]


# Paths


@pytest.mark.parametrize("name", ["lr=[1e-3]", "[2026] a", "runs\\win", "a*?"])
def test_a_run_directory_may_have_any_name(base, tmp_path, lab, resumed, name):
    run_dir = copy_run(base[0], tmp_path / name)
    assert resumed(run_dir) == []
    assert lab.run(evaluate.main, f"--run-dir={run_dir}").status == 0


def test_a_tilde_is_expanded(run, lab, monkeypatch):
    monkeypatch.setenv("HOME", str(run.parent))
    assert lab.run(evaluate.main, "--run-dir=~/run").status == 0


@pytest.mark.parametrize(
    "path, words",
    [
        ("gs://bucket/run", "is a URL"),
        ("x" * 300, "File name too long"),
        ("\udcff", "is not UTF-8"),
        ("a\x00b", "null character"),
        ("file", "cannot be written"),
        ("file/run", "cannot be written"),
    ],
)
def test_a_bad_path_is_refused_in_one_line(lab, tmp_path, monkeypatch, capsys, path, words):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    assert words in refused(capsys, train.main, *laboratory.SIZES, f"--run-dir={path}")


def test_a_line_break_in_a_name_does_not_break_the_line(capsys):
    assert "a\\nb" in refused(capsys, train.main, "--resume", "--run-dir=a\nb")


@pytest.mark.parametrize("kind", ["dangling", "file", "unwritable"])
def test_a_directory_of_runs_that_can_hold_no_run_is_refused_in_one_line(lab, tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "dangling":
        Path("runs").symlink_to("missing")
    elif kind == "file":
        Path("runs").write_text("")
    else:
        mkdir = mock.Mock(side_effect=PermissionError(errno.EACCES, "Permission denied"))
        monkeypatch.setattr(Path, "mkdir", mkdir)
    line = refused(capsys, train.main, *laboratory.SIZES, *laboratory.MODELS["lstm"])
    assert "no run can be made in runs/" in line


# Full disks and lost directories


@pytest.mark.parametrize("place", ["add_metrics", "add_histograms", "write_tensors", "append_row", "config", "model"])
def test_a_failed_write_ends_in_one_line_and_blocks_no_later_start(lab, base, tmp_path, resumed, place):
    full = OSError(errno.ENOSPC, "No space left on device")
    lost = tf.errors.ResourceExhaustedError(None, None, "some file; No space left on device")
    owner, name, error = {
        "add_metrics": (RunDirectory, "log", lost),
        "add_histograms": (RunDirectory, "add_histograms", lost),
        "write_tensors": (checkpoints, "write_tensors", lost),
        "append_row": (os, "strerror", None),
        "config": (os, "fsync", full),
        "model": (train.tf.keras.Model, "save", RuntimeError("Unable to write")),
    }[place]
    run_dir = tmp_path / "run"
    if place == "append_row":
        outcome = _train_with_a_disk_that_fills(lab, run_dir)
    else:
        with mock.patch.object(owner, name, side_effect=error):
            outcome = lab.train(run_dir, "lstm", ITERATIONS)
    assert outcome.refused, outcome
    assert ("No space left" in outcome.err) or place == "model"
    if place == "config":
        assert outcome.status == 2 and "config.json" in outcome.err
        assert lab.train(run_dir, "lstm", ITERATIONS).status == 0
    else:
        assert outcome.status == 1
        assert f"to go on: python train.py --run-dir={run_dir} --resume" in outcome.err
    assert not [path for path in run_dir.rglob(".*") if path.name != ".lock"]
    assert resumed(run_dir) == []


def _train_with_a_disk_that_fills(lab, run_dir):
    """Trains a run whose metrics.csv takes only a part of a row at iteration 240."""
    real, written = builtins.open, []

    class Full(io.FileIO):
        def write(self, data):
            written.append(data)
            return super().write(data if len(written) != 12 else data[:10])

    def opened(path, mode, **options):
        return Full(path, "r+") if str(path).endswith("metrics.csv") else real(path, mode, **options)

    with mock.patch("experiment.metrics_file.open", opened, create=True):
        outcome = lab.train(run_dir, "lstm", ITERATIONS)
    assert (run_dir / "metrics.csv").read_text().splitlines()[-1].startswith("220,")
    return outcome


@pytest.mark.parametrize("deleted", [False, True])
def test_a_directory_that_disappears_ends_the_run_in_one_line(lab, tmp_path, resumed, deleted):
    run_dir, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    act = (lambda: shutil.rmtree(run_dir)) if deleted else (lambda: run_dir.rename(elsewhere))
    with fault_kinds._at_row(240, act):
        outcome = lab.train(run_dir, "lstm", ITERATIONS)
    assert outcome.refused and f"{run_dir} has been deleted or moved" in outcome.err
    if not deleted:
        assert resumed(elsewhere) == []


def test_leftovers_of_a_kill_do_not_block_a_start(lab, base, tmp_path, resumed):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / ".config.json").write_text("{")
    assert lab.train(run_dir, "lstm", ITERATIONS).status == 0
    (run_dir / "checkpoints" / ".step-200").write_text("")
    (run_dir / ".model.keras").mkdir()
    assert resumed(run_dir) == []
    assert not [path for path in run_dir.rglob(".*") if path.name != ".lock"]


def test_a_refused_directory_is_unlocked_at_once(tmp_path):
    with (
        mock.patch.object(RunDirectory, "write_config", side_effect=OSError(errno.ENOSPC, "full")),
        pytest.raises(Exception, match="full") as kept,
    ):
        RunDirectory(tmp_path / "run", {})
    RunDirectory(tmp_path / "run", {}).close()
    assert kept.value is not None


# Damage


@pytest.mark.parametrize(
    "damage, words",
    [
        (
            lambda text: text.replace("\n100,100,", "\n100,101,"),
            "has lost 1 of 15 rows, or they were changed",
        ),
        (lambda text: "".join(text.splitlines(True)[:9]), "has lost 7 of 15 rows"),
        (lambda text: text.encode()[:300] + b"\xff" + text.encode()[301:], "has lost 1 of 15 rows"),
        (lambda text: "", "has lost 15 of 15 rows"),
        (lambda text: text.replace("\n100,", f"\n{'9' * 5000},"), "has lost 1 of 15 rows"),
    ],
)
def test_lost_rows_are_reported(run, resumed, damage, words):
    path = run / "metrics.csv"
    changed = damage(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    (line,) = resumed(run, "rows")
    assert line.startswith(f"train.py: {path} {words}")


def test_a_row_that_is_cut_inside_its_last_number_does_not_count(run):
    path = run / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-3])
    assert [row[0] for row in fault_kinds.metrics_file.read_rows(path)][-1] == "300"


def test_solved_json_is_restored(run, resumed):
    infinite = '{"iteration": 1e400, "sequences": 20}'
    for content_now in (None, "{", '{"iteration": 20, "sequences": 20}', infinite, "[" * 100_000):
        path = run / "solved.json"
        path.unlink() if content_now is None else path.write_text(content_now)
        (line,) = resumed(run)
        assert "solved.json was lost or changed" in line


def test_solved_json_that_the_checkpoint_does_not_know_is_deleted(tmp_path, capsys):
    path = tmp_path / "solved.json"
    path.write_text('{"iteration": 20, "sequences": 20}')
    assert restore_solved(tmp_path, 20, Record(config={}, rows={}, solved=None, details={})) is None
    assert not path.exists()
    assert "solved.json was lost or changed; it is deleted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, words",
    [
        ("metrics.csv", ["run/metrics.csv: not a file"]),
        ("solved.json", ["solved.json was lost or changed"]),
        ("checkpoints/step-300/record.json", ["record.json is damaged: changes of other files cannot be noticed"]),
    ],
)
def test_a_named_pipe_is_not_read(run, lab, name, words):
    (run / name).unlink()
    os.mkfifo(run / name)
    err = lab.resume(run).err
    assert err.count("\n") == 1 and all(word in err for word in words), err


def test_a_lost_record_is_reported(run, resumed):
    (run / "checkpoints" / "step-300" / "record.json").unlink()
    (line,) = resumed(run)
    assert line.endswith("step-300/record.json is missing: changes of other files cannot be noticed")


def test_lost_details_are_reported(run, resumed):
    (details,) = (run / "details").iterdir()
    data = bytearray(details.read_bytes())
    data[len(data) // 2] ^= 1
    details.write_bytes(data)
    (line,) = resumed(run, "details")
    assert "details/ has lost" in line


def test_details_are_neither_lost_nor_doubled(base, run, resumed, lab):
    with mock.patch.object(checkpoints, "write_tensors", side_effect=SystemExit(9)):  # a kill after the histograms
        assert lab.resume(run).status == 9
    assert resumed(run) == []
    assert resumed(run) == []  # resuming a finished run draws its figures again


def test_a_renamed_checkpoint_of_another_iteration_is_not_used(run, lab, resumed):
    (run / "checkpoints" / "step-300").rename(run / "checkpoints" / "step-350")
    (line,) = resumed(run)
    assert "step-350 is damaged: it is the checkpoint of step-300" in line


# config.json


@pytest.mark.parametrize(
    "section, name, value, words",
    [
        (None, "log_every", 0, "log_every: '0' is not a whole number"),
        (None, "log_every", -5, "log_every: '-5'"),
        (None, "iterations", "400", "iterations cannot be '400'"),
        ("training", "batch_size", 1.5, "batch_size cannot be 1.5"),
        ("training", "batch_size", 10**9, "batch_size: '1000000000'"),
        ("training", "loss", "product", "loss cannot be 'product'"),
        ("optimizer", "learning_rate", -1.0, "learning_rate: '-1.0'"),
        ("optimizer", "learning_rate", float("nan"), "learning_rate: 'nan'"),
        ("model", "output_size", 9, "output_size must be 8"),
        ("model", "name", "gru", "no model is named 'gru'; choose from ntm-lstm, ntm-feedforward, lstm"),
        ("task", "name", "sort", "no task is named 'sort'; choose from copy, repeat-copy, associative-recall, ngrams"),
        ("model", "name", ["lstm"], "model must be an object with a name"),
        (None, "task", "copy", "task must be an object with a name"),
        (None, "training", None, "training must be an object"),
        ("model", "dtype", "float64", "dtype=float64 means nothing"),
        ("model", "controller_units", 2**20, "this machine has"),
        ("optimizer", "learning_rate", 0.5, "config.json was changed after step-300"),
    ],
)
def test_config_json_is_checked_like_the_command_line(run, capsys, lab, section, name, value, words):
    path = run / "config.json"
    config = json.loads(path.read_text())
    (config[section] if section else config)[name] = value
    path.write_text(json.dumps(config))
    for main, option in ((train.main, "--resume"), (evaluate.main, "--format=json")):
        line = refused(capsys, main, option, f"--run-dir={run}")
        assert "config.json" in line and words in line


def test_deep_nesting_is_refused(run, capsys, lab):
    (run / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    assert "config.json cannot be read" in refused(capsys, train.main, "--resume", f"--run-dir={run}")


@pytest.mark.parametrize("name", ["../../other/checkpoints/step-100", "step-0100", "step-x", "."])
def test_resume_takes_only_checkpoints_of_the_run(run, capsys, lab, name):
    copy_run(run, run.parent / "other")
    line = refused(capsys, train.main, "--resume", f"--run-dir={run}", f"--checkpoint={name}")
    assert f"--checkpoint={name} is not the name of a checkpoint" in line


# Sizes


@pytest.mark.parametrize(
    "options",
    [
        ["--memory-locations=1000000", "--max-length=1000000"],
        ["--controller-units=1048576"],
        ["--batch-size=1048576"],
        ["--model=lstm", "--controller-units=1048576"],
    ],
)
def test_sizes_beyond_memory_are_refused_before_they_are_tried(capsys, options):
    line = refused(capsys, train.main, *options)
    assert "GB of memory; this machine has" in line and options[-1] in line


def test_lengths_and_locations_beyond_memory_are_refused(run, small_run, capsys, lab):
    with mock.patch("experiment.memory_needed.machine_memory", return_value=10**9):
        options = f"--run-dir={run}", "--lengths=1048576", "--sequences=1000"
        assert "--lengths: 1048576: " in refused(capsys, evaluate.main, *options)
        line = refused(capsys, evaluate.main, f"--run-dir={small_run}", "--memory-locations=1048576")
    assert "--memory-locations=1048576 needs at least" in line


def test_a_keras_file_beyond_memory_is_refused(small_run, tmp_path, capsys):
    with zipfile.ZipFile(small_run / "model.keras") as source, zipfile.ZipFile(tmp_path / "m.keras", "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'"controller_units": 8', b'"controller_units": 9999999'))
    line = refused(capsys, evaluate.main, f"--weights={tmp_path / 'm.keras'}")
    assert "m.keras cannot be loaded: a model with" in line


# Streams and signals


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_standard_output_is_reported_once_and_training_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full())
    streams.say("one")
    streams.say("two")
    monkeypatch.undo()
    assert capsys.readouterr().err.count("standard output cannot be written (No space left on device)") == 1


def test_streams_without_reader_or_descriptor_are_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    streams.repair_streams()
    streams.say("text")
    streams.warn("text")


def test_a_name_that_standard_output_cannot_encode_is_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    streams.repair_streams()
    streams.say("ä \udcff")
    assert stream.buffer.getvalue() == b"\\xe4 \\udcff\n"


def test_main_works_in_a_thread(lab, tmp_path):
    statuses = []
    arguments = [*laboratory.SIZES, *laboratory.MODELS["lstm"], "--iterations=20", f"--run-dir={tmp_path / 'run'}"]
    with mock.patch.object(Trainer, "advance", laboratory.count_up):
        thread = threading.Thread(target=lambda: statuses.append(train.main(arguments)))
        thread.start()
        thread.join()
    assert statuses == [0]


def test_signals_are_noted_and_an_ignored_one_stays_ignored(monkeypatch):
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with signals.StopSignals() as stop:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with signals.StopSignals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.received is signal.SIGHUP
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_a_signal_that_ends_a_command_leaves_nothing_and_one_line(tmp_path, monkeypatch, capfd):
    ended = mock.Mock(side_effect=SystemExit)
    monkeypatch.setattr(os, "_exit", ended)
    with pytest.raises(SystemExit), signals.ending_on_signals(), atomic.replacing(tmp_path / "file") as aside:
        aside.write_bytes(b"half")
        signal.raise_signal(signal.SIGTERM)
    assert ended.call_args == mock.call(143) and not list(tmp_path.iterdir())
    assert capfd.readouterr().err.endswith(": stopped by SIGTERM\n")


def test_ctrl_c_during_the_imports_is_one_line(tmp_path):
    program = "import experiment.command_line as c, signal\nwith c.start(): signal.raise_signal(signal.SIGINT)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "-c: stopped by SIGINT\n")


def test_closed_streams_do_not_matter_to_a_refusal():
    command = f"{sys.executable} train.py --iterations=0 >&- 2>&-"
    assert subprocess.run(command, shell=True, cwd=ROOT).returncode == 2


def test_help_on_a_full_output_is_no_traceback(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit):
        Parser(prog="train.py").parse_args(["--help"])
    monkeypatch.undo()
    assert "standard output cannot be written" in capsys.readouterr().err


def test_help_without_a_reader_is_no_traceback():
    command = f"{sys.executable} train.py --help | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


# Random faults, from benchmarks/faults.py


def test_some_random_faults_end_as_promised(lab, tmp_path, capsys):
    kinds = "file,config,weights,options,write,disk,moved,cache"
    assert faults.main(["--tries=24", "--seed=7", f"--kinds={kinds}", f"--dir={tmp_path}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("| all | 2")
