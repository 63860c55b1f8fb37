"""Keeps compiled programs from one process to the next: compiling takes most of a start."""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parent / ".cache"
KEPT_PROGRAMS = 100  # of some 3 MB


def share(root=ROOT):
    """Makes this process use and enlarge the programs under `root`. To be called before TensorFlow is imported.

    TensorFlow has a flag for it, which it does not document; it writes a program aside and moves it into place, so that
    processes side by side, and a kill, do no harm. Nothing happens where TF_XLA_FLAGS is set already, empty even, or
    `root` cannot be written.
    """
    programs = root / _machine()
    if "TF_XLA_FLAGS" in os.environ or '"' in str(programs):
        return
    with contextlib.suppress(OSError):
        programs.mkdir(parents=True, exist_ok=True)
        oldest_first = sorted(programs.glob("*.pb"), key=os.path.getmtime)
        for program in oldest_first[:-KEPT_PROGRAMS]:
            program.unlink(missing_ok=True)
        if os.access(programs, os.W_OK):
            os.environ["TF_XLA_FLAGS"] = f'--tf_xla_persistent_cache_directory="{programs}"'


def _machine():
    """A name for what a program was compiled for, by and how."""
    processor = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        processor += "".join(sorted({line for line in file if line.startswith(("model name", "flags", "Features"))}))
    compiler = importlib.metadata.version("tensorflow"), os.environ.get("XLA_FLAGS", "")
    return hashlib.sha256(" ".join((platform.platform(), processor, *compiler)).encode()).hexdigest()[:12]
