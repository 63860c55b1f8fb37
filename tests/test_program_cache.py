import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import program_cache

ROOT = Path(__file__).parent.parent
PROGRAM = """
import sys
from pathlib import Path
import program_cache
program_cache.share(Path(sys.argv[1]))
import tensorflow as tf
result = tf.function(lambda x: tf.tanh(x) @ x, jit_compile=True)(tf.ones([2, 2]))
assert abs(float(result[0, 0]) - 1.5231884) < 1e-6
"""


def run(root, **environment):
    environment = {key: value for key, value in {**os.environ, **environment}.items() if value is not None}
    command = [sys.executable, "-c", PROGRAM, root]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def own(root, monkeypatch):
    """What a process gets: its own directory, and what it does at its end."""
    at_exit = []
    monkeypatch.setattr(program_cache.atexit, "register", lambda *call: at_exit.append(call))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    program_cache.share(root)
    ((hand_over, *arguments),) = at_exit
    return Path(os.environ["TF_XLA_FLAGS"].partition("=")[2]), lambda: hand_over(*arguments)


def test_programs_go_from_process_to_process(root):
    run(root, TF_XLA_FLAGS=None)
    (program,) = root.glob("*/*.pb")
    written = program.stat()
    run(root, TF_XLA_FLAGS=None)
    assert list(root.glob("*/*")) == [program] and program.stat().st_mtime_ns == written.st_mtime_ns
    run(root, TF_XLA_FLAGS="")
    assert list(root.glob("*/*")) == [program]


def test_a_program_is_handed_over_at_the_end_alone(root, own):
    directory, end = own
    (directory / "new.pb").write_bytes(b"whole")
    assert not list(root.glob("*/*.pb"))
    end()
    (program,) = root.glob("*/*")
    assert program.read_bytes() == b"whole" and program.name == "new.pb"


def test_a_child_does_not_write_among_its_parents_programs(root, own):
    directory, _ = own
    program_cache.share(root)
    assert os.environ["TF_XLA_FLAGS"] != f"{program_cache._FLAG}{directory}"


def test_flags_of_the_users_own_are_left(root, monkeypatch):
    for flags in ("", "--tf_xla_auto_jit=2"):
        monkeypatch.setenv("TF_XLA_FLAGS", flags)
        program_cache.share(root)
        assert os.environ["TF_XLA_FLAGS"] == flags and not root.exists()


def test_a_directory_that_cannot_be_written_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    (tmp_path / "file").write_text("")
    program_cache.share(tmp_path / "file" / "cache")
    assert "TF_XLA_FLAGS" not in os.environ


def test_old_programs_and_what_a_kill_left_are_removed(root, own, monkeypatch):
    directory, end = own
    monkeypatch.setattr(program_cache, "KEPT_PROGRAMS", 2)
    shared = directory.parent
    for age, name in enumerate(("new.pb", "newer.pb", "old.pb")):
        (directory / name).write_bytes(b"")
        os.utime(directory / name, (time.time() - 1000 * age,) * 2)
    for name, age in ((".killed", 2 * 24 * 3600), (".living", 60)):
        (shared / name).mkdir()
        os.utime(shared / name, (time.time() - age,) * 2)
    end()
    assert {entry.name for entry in shared.iterdir()} == {"new.pb", "newer.pb", ".living"}
