"""Keeps compiled programs from one process to the next: compiling takes most of a start.

TensorFlow can keep XLA's programs in a directory (a flag that it does not document). But a file that a kill cut short,
or that another process is still writing, ends the run with an error. So each process gets a directory of its own, with
links to what is there, and hands over what it has compiled when it ends.
"""

import atexit
import contextlib
import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent / ".cache"
KEPT_PROGRAMS = 100  # of some 3 MB
_FLAG = "--tf_xla_persistent_cache_directory="
_LEFT_FOR_DEAD = 24 * 3600  # seconds after which a process's own directory is what a kill has left


def share(root=ROOT):
    """Makes this process use and enlarge the programs under `root`. To be called before TensorFlow is imported.

    Nothing happens where TF_XLA_FLAGS is set already, empty even, or where `root` cannot be written.
    """
    flags = os.environ.get("TF_XLA_FLAGS")
    if flags is not None and not flags.startswith(f"{_FLAG}{root}"):  # those of a parent process are its own
        return
    shared = root / _machine()
    try:
        shared.mkdir(parents=True, exist_ok=True)
        own = Path(tempfile.mkdtemp(prefix=".", dir=shared))
    except OSError:
        os.environ.pop("TF_XLA_FLAGS", None)
        return
    for program in shared.glob("*.pb"):
        with contextlib.suppress(OSError):  # gone since, or no links here: it is compiled anew
            os.link(program, own / program.name)
    os.environ["TF_XLA_FLAGS"] = f"{_FLAG}{own}"
    atexit.register(_hand_over, own, shared)


def _hand_over(own, shared):
    with contextlib.suppress(OSError):
        for program in own.glob("*.pb"):
            if not (shared / program.name).exists():
                program.replace(shared / program.name)
        programs = sorted(shared.glob("*.pb"), key=lambda program: program.stat().st_mtime)
        for program in programs[:-KEPT_PROGRAMS]:
            program.unlink(missing_ok=True)
        for other in shared.glob(".*"):
            if other == own or other.stat().st_mtime < time.time() - _LEFT_FOR_DEAD:
                shutil.rmtree(other, ignore_errors=True)


def _machine():
    """A name for what a program was compiled for, and by."""
    processor = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        processor += "".join(sorted({line for line in file if line.startswith(("model name", "flags", "Features"))}))
    text = " ".join((platform.platform(), processor, importlib.metadata.version("tensorflow")))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
