"""Keeps XLA's compiled programs in .cache/ for later processes: compilation takes most of the time of a start."""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / ".cache"
KEPT_PROGRAMS = 100  # a program has about 3 MB


def share(root: Path = ROOT):
    """Makes this process load compiled programs from `root` and store new ones there.

    To be called before TensorFlow is imported. It sets a flag that TensorFlow does not document. TensorFlow
    replaces each file atomically: several processes may share the cache, and a kill does not damage it.

    Nothing happens if TF_XLA_FLAGS is set, even to an empty text, or if `root` cannot be written.
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
    """A name for the processor, the compiler and its flags, because programs of other machines must not be used."""
    processor = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        processor += "".join(sorted({line for line in file if line.startswith(("model name", "flags", "Features"))}))
    compiler = importlib.metadata.version("tensorflow"), os.environ.get("XLA_FLAGS", "")
    return hashlib.sha256(" ".join((platform.platform(), processor, *compiler)).encode()).hexdigest()[:12]
