"""What a child process was set up with for one restore."""

from __future__ import annotations

import os

import numpy as np

from engine.pages.btree import PADDING, Bytes
from engine.repository.index import load_index
from engine.repository.repository import ChunkReader, Repository

SLICE = 8 << 20  # bytes written at once


class Setup:
    """The setup of this process: set by `configure`, read by the tasks."""

    repository: Repository
    buffer: Bytes  # SLICE bytes and padding, reused by every task
    _reader: ChunkReader | None = None

    @property
    def reader(self) -> ChunkReader:
        """Reads chunks; the repository's index is read when it is first needed."""
        if self._reader is None:
            repository = self.repository
            index = load_index(repository.storage, repository.keys)
            self._reader = ChunkReader(repository, index)
        return self._reader


setup = Setup()


def configure(repository: Repository, scratch: str) -> None:
    """Set this process up for one restore; `scratch` is a private folder for temporary files."""
    setup.repository = repository
    setup.buffer = np.zeros(SLICE + PADDING, np.uint8)
    os.environ["SQLITE_TMPDIR"] = scratch  # where SQLite sorts indexes
