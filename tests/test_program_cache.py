import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiment import program_cache

REPOSITORY = Path(__file__).parent.parent
PROGRAM = """
import sys
from pathlib import Path
from experiment import program_cache
program_cache.share(Path(sys.argv[1]))
import tensorflow as tf
result = tf.function(lambda x: tf.tanh(x) @ x, jit_compile=True, autograph=False)(tf.ones([2, 2]))
assert abs(float(result[0, 0]) - 1.5231884) < 1e-6
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    return tmp_path / "a cache"


def test_processes_share_programs(root):
    left = []
    for flags in ({}, {}, {"TF_XLA_FLAGS": ""}, {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}):
        command = [sys.executable, "-c", PROGRAM, root]
        subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **flags}, check=True, capture_output=True)
        left.append({path: path.stat().st_mtime_ns for path in root.glob("*/*")})
    assert len(left[0]) == 1 and left[0] == left[1] == left[2]
    assert len(left[3]) == 2  # other compiler flags need other programs


def test_flags_that_the_user_has_set_are_kept(root, monkeypatch):
    for flags in ("", "--tf_xla_auto_jit=2"):
        monkeypatch.setenv("TF_XLA_FLAGS", flags)
        program_cache.share(root)
        assert os.environ["TF_XLA_FLAGS"] == flags and not root.exists()


def test_a_directory_that_cannot_be_made_is_not_used(root):
    root.write_text("")
    program_cache.share(root / "cache")
    assert "TF_XLA_FLAGS" not in os.environ


def test_the_oldest_programs_are_deleted(root, monkeypatch):
    monkeypatch.setattr(program_cache, "KEPT_PROGRAMS", 2)
    directory = root / program_cache._machine()
    directory.mkdir(parents=True)
    for age, name in enumerate(("new.pb.00000000", "newer.pb.00000000", "old.pb.00000000")):  # the CRC-32 of b"" is 0
        (directory / name).write_bytes(b"")
        os.utime(directory / name, (1e9 - age,) * 2)
    program_cache.share(root)
    assert {path.name for path in directory.glob("*.pb.*")} == {"new.pb.00000000", "newer.pb.00000000"}
