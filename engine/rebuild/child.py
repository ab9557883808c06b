"""What a child process was set up with for one restore, and how it writes whole files."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from engine.errors import RepositoryDamaged
from engine.pages.btree import PADDING, Bytes
from engine.rebuild.tasks import SLICE
from engine.repository.chunk_reader import ChunkReader
from engine.repository.index import load_index
from engine.repository.repository import Repository
from engine.syncing import write_all

T = TypeVar("T")

_ALIGNMENT = 4096  # of what is written past the page cache, in memory and on disk
_DIRECT = getattr(os, "O_DIRECT", 0)


class Setup:
    """The setup of this process: set by `configure`, read by the tasks.

    There are two buffers of `SLICE` bytes and padding: while one is being written, the next
    database is made in the other.
    """

    repository: Repository
    scratch: Path
    buffer: Bytes
    _other: Bytes
    _reader: ChunkReader | None = None
    _writing: Future[None] | None = None
    _pool: ThreadPoolExecutor

    def begin(self, repository: Repository) -> None:
        """Set everything up for a repository."""
        self.repository = repository
        self._reader = None
        self._writing = None
        self.buffer, self._other = _aligned_buffer(), _aligned_buffer()
        self._pool = ThreadPoolExecutor(1, "write-file")

    @property
    def reader(self) -> ChunkReader:
        """Reads chunks; the repository's index is read when it is first needed."""
        if self._reader is None:
            repository = self.repository
            index = load_index(repository.storage, repository.keys, folder=self.scratch)
            self._reader = ChunkReader(repository, index)
        return self._reader

    def write_behind(self, path: Path, data: Bytes) -> None:
        """Write a new file to disk while the next one is made; `data` is left alone until then.

        Raises what went wrong with the file before.
        """
        self.flush()
        self._writing = self._pool.submit(write_file, path, data)
        self.buffer, self._other = self._other, self.buffer

    def flush(self) -> None:
        """Wait until everything is on disk. Raises OSError."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()


setup = Setup()


def configure(repository: Repository, scratch: str) -> None:
    """Set this process up for one restore; `scratch` is a private folder for temporary files."""
    os.environ["SQLITE_TMPDIR"] = scratch  # where SQLite sorts indexes
    setup.scratch = Path(scratch)
    setup.begin(repository)


def again(task: Callable[..., T], path: str | None, *arguments: object) -> T:
    """Do a task of this process; where that fails once more, with the packs as they are now.

    For what is read outside of the worker: a clean-up may have moved chunks meanwhile. `path` is
    the file that the task makes, if it makes one.
    """
    try:
        return task(*arguments)
    except RepositoryDamaged:
        setup.begin(setup.repository)
        if path is not None:
            Path(path).unlink(missing_ok=True)
        return task(*arguments)


def flush() -> None:
    """Wait until all that this process wrote is on disk."""
    setup.flush()


def create_file(path: Path, size: int) -> None:
    """Make a new private file of `size` zero bytes."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, 0o600)
        os.ftruncate(file, size)
    finally:
        os.close(file)


def write_file(path: Path, data: Bytes) -> None:
    """Write a new private file and bring it to disk, past the page cache where that can be done.

    Nobody reads the file soon, and copying it into the cache would cost as much as making it.
    """
    create_file(path, 0)
    whole = data.size % _ALIGNMENT == 0 and data.ctypes.data % _ALIGNMENT == 0
    if not (_DIRECT and whole and _written(path, data, _DIRECT)):
        _written(path, data, 0)


def _written(path: Path, data: Bytes, flags: int) -> bool:
    """Write and sync a file; False where its file system does not know `flags`."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags)
        try:
            write_all(file, data.data, 0)
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        if flags and error.errno == errno.EINVAL:
            return False
        raise
    return True


def _aligned_buffer() -> Bytes:
    """Zeros that begin at a page of memory: SLICE bytes and padding."""
    return np.frombuffer(mmap.mmap(-1, SLICE + PADDING), np.uint8)
