"""Writing to files, and bringing these, and the names in folders, to disk."""

from __future__ import annotations

import os
from pathlib import Path


def write_all(file: int, data: memoryview, offset: int) -> None:
    """Write all of `data` to an open file, at an offset. Blocks."""
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut. Blocks."""
    _sync(path, os.O_RDONLY)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut. Blocks."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
