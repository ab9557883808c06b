"""A database that is being made: in memory while it is small, in its file when it is large.

Nobody else knows the file yet, so it is edited with plain file calls, and SQLite opens it only when
no plain handle is open.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.pages.btree import Bytes, Ints
from engine.pages.header import HEADER_SIZE, Header, NotADatabase, NotCanonical, parse_header
from engine.project.tables import open_unchanging
from engine.syncing import write_all

_NEAR = 4  # pages: what is read between two that are wanted costs less than reading twice
_AT_ONCE = 256  # pages that are wanted of one reading


class Pages(Protocol):
    """The pages of a database in the making; numbers count from 1."""

    def header(self) -> Header:
        """The header as it is now. Raises `NotCanonical`."""

    def read(self, numbers: Ints) -> Bytes:
        """Pages, shape (pages, page size)."""

    def write(self, numbers: Ints, pages: Bytes) -> None:
        """Replace pages."""

    def patch(self, offset: int, data: bytes) -> None:
        """Replace some bytes."""

    def resize(self, page_count: int) -> None:
        """Make the database larger, with zeros, or smaller."""

    def connect(
        self, *, write: bool = False
    ) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """SQLite on the database. Raises `NotCanonical` for what SQLite says against it."""


class PagesInMemory:
    """A small database, whole in memory. `data` is its bytes."""

    def __init__(self, data: Bytes, page_size: int) -> None:
        self.data = data
        self._size = page_size

    def header(self) -> Header:
        """Read from its first bytes."""
        return _header(self.data[:HEADER_SIZE].tobytes(), self.data.size)

    def read(self, numbers: Ints) -> Bytes:
        """Copies of the pages."""
        return self.data.reshape(-1, self._size)[numbers - 1]

    def write(self, numbers: Ints, pages: Bytes) -> None:
        """Copy the pages in place."""
        self.data.reshape(-1, self._size)[numbers - 1] = pages

    def patch(self, offset: int, data: bytes) -> None:
        """Copy the bytes in place."""
        self.data[offset : offset + len(data)] = np.frombuffer(data, np.uint8)

    def resize(self, page_count: int) -> None:
        """Copy everything to a place of the new size."""
        if page_count * self._size != self.data.size:
            grown = np.zeros(page_count * self._size, np.uint8)
            kept = min(grown.size, self.data.size)
            grown[:kept] = self.data[:kept]
            self.data = grown

    @contextlib.contextmanager
    def connect(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """SQLite on a copy in memory, which takes the place of the original when it was written."""
        with _told(), contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as own:
            own.deserialize(self.data.data)
            _settle_in(own, write=write)
            yield own
            if write:
                self.data = np.frombuffer(own.serialize(), np.uint8).copy()


class PagesInFile:
    """A large database, in its file."""

    def __init__(self, path: Path, page_size: int) -> None:
        self._path = path
        self._size = page_size

    def header(self) -> Header:
        """Read from the file."""
        with self._opened() as file:
            return _header(os.pread(file, HEADER_SIZE, 0), os.fstat(file).st_size)

    def read(self, numbers: Ints) -> Bytes:
        """Read pages, those that are not far from each other together."""
        pages = np.empty((numbers.size, self._size), np.uint8)
        order = np.argsort(numbers)
        ascending = numbers[order]
        far = np.flatnonzero(np.diff(ascending) > _NEAR) + 1
        too_many = np.arange(_AT_ONCE, numbers.size, _AT_ONCE)
        edges = np.unique(np.concatenate([[0], far, too_many, [numbers.size]])).tolist()
        with self._opened() as file:
            for begin, end in itertools.pairwise(edges):
                first = int(ascending[begin])
                span = np.empty((int(ascending[end - 1]) - first + 1, self._size), np.uint8)
                read_into(file, span.reshape(-1).data, (first - 1) * self._size)
                pages[order[begin:end]] = span[ascending[begin:end] - first]
        return pages

    def write(self, numbers: Ints, pages: Bytes) -> None:
        """Write pages, neighbours together."""
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        edges = [0, *breaks.tolist(), numbers.size]
        with self._opened() as file:
            for begin, end in itertools.pairwise(edges):
                if end > begin:
                    offset = (int(numbers[begin]) - 1) * self._size
                    write_all(file, pages[begin:end].reshape(-1).data, offset)

    def patch(self, offset: int, data: bytes) -> None:
        """Write the bytes."""
        with self._opened() as file:
            write_all(file, memoryview(data), offset)

    def resize(self, page_count: int) -> None:
        """Truncate the file, which may make it longer."""
        with self._opened() as file:
            os.ftruncate(file, page_count * self._size)

    @contextlib.contextmanager
    def connect(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """SQLite on the file."""
        with _told(), contextlib.closing(self._connection(write=write)) as own:
            _settle_in(own, write=write)
            yield own

    def _connection(self, *, write: bool) -> sqlite3.Connection:
        if not write:
            return open_unchanging(self._path)
        address = f"{self._path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(address, uri=True, isolation_level=None)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield file
        finally:
            os.close(file)


def read_into(file: int, buffer: memoryview, offset: int) -> None:
    """Fill a buffer from a file. Raises `NotCanonical` where the file ends before it."""
    while buffer:
        got = os.preadv(file, [buffer], offset)
        if not got:
            raise NotCanonical("it is cut short")
        buffer, offset = buffer[got:], offset + got


def _settle_in(connection: sqlite3.Connection, *, write: bool) -> None:
    """The file is ours alone and is thrown away when anything fails: no journal, nothing synced."""
    connection.execute("PRAGMA trusted_schema = OFF")
    if write:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # Python's own errors, of texts that are no UTF-8, have no code.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise NotCanonical(f"SQLite says: {error}") from error


def _header(raw: bytes, size: int) -> Header:
    try:
        return parse_header(raw, size)
    except NotADatabase as error:
        raise NotCanonical(f"it {error}") from error
