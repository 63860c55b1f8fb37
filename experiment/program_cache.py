"""Keeps XLA's compiled programs in .cache/ for later processes: compilation takes most of the time of a start.

.cache/MACHINE/NAME.pb.CRC        a program; CRC is the checksum of its content
.cache/MACHINE/process-*/         the directory that one process gives to TensorFlow, locked while the process runs

TensorFlow reads and writes only the directory of its process. TensorFlow ends the process when it reads a damaged
program. A process therefore gets only programs whose checksum is right. Programs with a wrong checksum are deleted,
and compiled again when they are needed.
"""

import atexit
import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / ".cache"
KEPT_PROGRAMS = 100  # a program has about 3 MB
NEEDED_BYTES = 2**28  # with less free space on the disk, no new programs are stored

_shared = None  # the SharedPrograms of this process


def share(root: Path = ROOT):
    """Makes this process load compiled programs from `root` and store new ones there.

    To be called before TensorFlow is imported. It sets a flag that TensorFlow does not document.

    Does nothing in three cases: TF_XLA_FLAGS is set, even to an empty text; `root` contains a double quote or cannot be
    written; the platform has no file locks.
    """
    global _shared
    if "TF_XLA_FLAGS" in os.environ or '"' in str(root):
        return
    with contextlib.suppress(OSError, ImportError):  # Windows has no fcntl
        _shared = SharedPrograms(root / _machine())
        atexit.register(_shared.close)
        flags = f'--tf_xla_persistent_cache_directory="{_shared.own}"'
        if shutil.disk_usage(root).free < NEEDED_BYTES:
            # If TensorFlow failed to write a program, training would end.
            flags += " --tf_xla_persistent_cache_read_only=true"
        os.environ["TF_XLA_FLAGS"] = flags


def publish():
    """Stores the programs that this process has compiled so far.

    Without this, the programs are stored when the process exits.
    """
    if _shared is not None:
        _shared.publish()


class SharedPrograms:
    """The programs that this process shares with others.

    Args:
        store: the directory of the programs. It is cleaned: damaged and surplus programs, and the directories of
            processes that were killed, are deleted.

    Attributes:
        own: a directory for this process alone. At first it holds all undamaged programs of the store.

    Raises:
        OSError: `store` cannot be written.
        ImportError: the platform has no file locks.
    """

    def __init__(self, store: Path):
        store.mkdir(parents=True, exist_ok=True)
        self._store, self._process = store, os.getpid()
        for entry in store.glob("process-*"):
            if _lock(entry):
                _delete(entry)
        self.own = Path(tempfile.mkdtemp(prefix="process-", dir=store))
        if not _lock(self.own, keep=True):
            raise OSError("another process has deleted the directory")
        entries = [entry for entry in store.iterdir() if not entry.name.startswith("process-")]
        whole = sorted((entry for entry in entries if _is_whole(entry)), key=os.path.getmtime)[-KEPT_PROGRAMS:]
        for entry in set(entries) - set(whole):
            _delete(entry)
        for entry in whole:
            with contextlib.suppress(OSError):
                os.link(entry, self.own / entry.stem)
        self._known = {path.name for path in self.own.iterdir()}

    def publish(self):
        """Stores new programs."""
        if os.getpid() != self._process:  # this process is a fork of the process that made the object
            return
        for program in self.own.glob("*.pb"):
            if program.name not in self._known:
                with contextlib.suppress(OSError):
                    os.link(program, self._store / f"{program.name}.{zlib.crc32(program.read_bytes()):08x}")
                self._known.add(program.name)

    def close(self):
        """Stores new programs and deletes the directory of this process."""
        if os.getpid() == self._process:
            self.publish()
            _delete(self.own)


def _is_whole(entry):
    """Whether an entry of the store is a program whose checksum is the one in the file's name."""
    checksum = re.fullmatch(r".+\.pb\.([0-9a-f]{8})", entry.name)
    try:
        return checksum is not None and zlib.crc32(entry.read_bytes()) == int(checksum[1], 16)
    except OSError:
        return False


def _delete(path):
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _lock(directory, keep=False):
    """Tries to lock a directory. Returns whether that succeeded.

    If `keep` is true, the lock lasts until the process ends. Otherwise it is released at once.
    """
    import fcntl

    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        if not keep:
            os.close(descriptor)


def _machine():
    """A name for the processor, the compiler and its flags, because programs of other machines must not be used."""
    processor = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        processor += "".join(sorted({line for line in file if line.startswith(("model name", "flags", "Features"))}))
    compiler = importlib.metadata.version("tensorflow"), os.environ.get("XLA_FLAGS", "")
    return hashlib.sha256(" ".join((platform.platform(), processor, *compiler)).encode()).hexdigest()[:12]
