"""Atomic writing: after a kill at any moment, a file has its previous content or its new content, never a part."""

import contextlib
import os
import shutil
from pathlib import Path


def write_file(path: Path, content: bytes):
    """Atomically replaces a file."""
    with replacing(path) as aside, aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path):
    """Atomically replaces a file by the one that the `with` block writes.

    Yields:
        The path to write to, beside `path`. At the end of the block the file is moved to `path`.
    """
    aside = path.with_name(f".{path.name}")
    yield aside
    aside.replace(path)


@contextlib.contextmanager
def replacing_directory(path: Path):
    """Moves a directory to `path` once the `with` block has filled it.

    The move is atomic if `path` does not exist. If `path` exists, a kill may leave `path` incomplete or missing.

    Yields:
        An empty directory beside `path`.
    """
    aside = path.with_name(f".{path.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    yield aside
    if path.exists():
        shutil.rmtree(path)
    aside.rename(path)
