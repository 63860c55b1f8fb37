"""Reading files, and atomic writing: after a kill at any moment, a file has its previous content or its new content,
never a part.

New content is written beside the file first, under the same name with a leading dot.
"""

import contextlib
import errno
import os
import shutil
from pathlib import Path

_unfinished = set()  # the paths that this process is writing to


def read_file(path: Path) -> bytes:
    """Reads a file.

    Raises:
        OSError: `path` cannot be read or is not a regular file. A named pipe is refused, because reading it could wait
            for ever.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file", str(path))
    return path.read_bytes()


def write_file(path: Path, content: bytes):
    """Atomically replaces a file."""
    with replacing(path) as aside, aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path):
    """Atomically replaces a file by the one that the `with` block writes. If the block raises, the file stays.

    Yields:
        The path to write to, beside `path`. At the end of the block the file is moved to `path`.

    Raises:
        OSError: the file cannot be written; the error's `filename` is set.
    """
    with _beside(path) as aside:
        yield aside
        aside.replace(path)


@contextlib.contextmanager
def creating_directory(path: Path):
    """Atomically creates a directory with the content that the `with` block writes.

    Yields:
        An empty directory beside `path`. At the end of the block it is moved to `path`.

    Raises:
        FileExistsError: `path` exists. An atomic replacement of a directory is not possible.
        OSError: the directory cannot be written; the error's `filename` is set.
    """
    with _beside(path) as aside:
        aside.mkdir()
        yield aside
        if path.exists():
            raise FileExistsError(17, "File exists", str(path))
        aside.rename(path)


def delete_directory(path: Path):
    """Deletes a directory. After a kill, `path` is complete or does not exist."""
    with _beside(path) as aside:
        path.rename(aside)


def discard_unfinished():
    """Deletes everything that this process has not yet moved to its path. To be called before the process ends."""
    for aside in list(_unfinished):
        _discard(aside)


def discard_leftovers(directory: Path, names: list):
    """Deletes the unfinished files and directories that killed processes have left in a directory.

    Args:
        directory: the directory of the files.
        names: patterns of their names, such as "step-*".
    """
    for name in names:
        for aside in directory.glob(f".{name}"):
            _discard(aside)


@contextlib.contextmanager
def _beside(path):
    """Yields a path beside `path` to write to. Before and after the block, deletes anything at the yielded path.

    If the block raises an OSError without a file name, sets the error's `filename` to `path`.
    """
    aside = path.with_name(f".{path.name}")
    _discard(aside)
    _unfinished.add(aside)
    try:
        yield aside
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        _discard(aside)
        _unfinished.discard(aside)


def _discard(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
