"""A database that others are writing to: opened, and held under SQLite's SHARED lock."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

from engine.errors import Busy, SourceDamaged, StorageFailed
from engine.model import PATIENCE
from engine.pages.header import HEADER_SIZE, Header, NotADatabase, parse_header
from engine.repository.manifest import Stamp
from engine.stamps import stamp_of


class LiveFile:
    """A live SQLite file: a plain handle to read pages, and a SQLite connection to hold the lock.

    The order matters: plain handle, connection, lock, read, connection closed, plain handle closed.
    Closing a plain handle drops every POSIX lock that SQLite holds on that file in this process, so
    nothing else in the process may have the file open. `longest_lock` is in seconds.

    Raises `SourceDamaged` where SQLite cannot read the file, `Busy` where a writer holds it, and
    `StorageFailed` where it may not be read.
    """

    patience: ClassVar[float] = PATIENCE  # seconds to wait for a writer that holds the file

    def __init__(self, path: Path) -> None:
        self.path = path
        self.longest_lock = 0.0

    def __enter__(self) -> Self:
        """Open the file."""
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise SourceDamaged(f"{self.path} is missing.") from None
        except PermissionError:
            raise StorageFailed(
                f"{self.path} may not be read.",
                hint="Earlier backups are safe and nothing was changed. Let the user that runs "
                "Backstay read it, then try again.",
            ) from None
        except OSError as error:
            raise SourceDamaged(f"{self.path} cannot be opened: {error.strerror}.") from None
        try:
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise SourceDamaged(f"{self.path} is not a regular file.")
            self.glance()  # before SQLite, which would take an empty file for a new database
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            with self.told():
                self.connection = sqlite3.connect(
                    address, uri=True, isolation_level=None, timeout=self.patience
                )
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection first, then the plain handle."""
        self.connection.close()
        os.close(self._file)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file at one committed moment. A hot journal is rolled back first, by SQLite."""
        with self.told():
            self.connection.execute("BEGIN")
            started = time.perf_counter()
            try:
                # The first read takes the lock; waiting for it holds nobody up.
                self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                started = time.perf_counter()
                yield
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("COMMIT")
                self.longest_lock = max(self.longest_lock, time.perf_counter() - started)

    def header(self) -> Header:
        """The header as it is now; take it while the lock is held."""
        return self._header(os.fstat(self._file).st_size)

    def glance(self) -> Header:
        """The header without the lock: its pages need not be there.

        A writer that is about to commit, or was killed then, may have written it before them; and
        of a file in WAL mode they may be in the WAL only.
        """
        return self._header(None)

    def _header(self, size: int | None) -> Header:
        raw = os.pread(self._file, HEADER_SIZE, 0)
        try:
            return parse_header(raw, size)
        except NotADatabase as error:
            raise SourceDamaged(f"{self.path} {error}.") from None

    def counter(self) -> int:
        """SQLite's change counter as it is now."""
        return int.from_bytes(os.pread(self._file, 4, 24), "big")

    def stamp(self) -> Stamp:
        """What the file looks like; take it while the lock is held."""
        return stamp_of(os.fstat(self._file), self.counter())

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer from the file. Raises `SourceDamaged` where the file ends before it."""
        while buffer:
            got = os.preadv(self._file, [buffer], offset)
            if not got:
                raise SourceDamaged(f"{self.path} is cut short.")
            buffer = buffer[got:]
            offset += got

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turn what SQLite says of the file into our errors."""
        try:
            yield
        except sqlite3.OperationalError as error:
            # Python's own errors, of texts that are no UTF-8, have no code.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Busy(
                    f"{self.path} was held by a writer for more than {self.patience:.0f} seconds."
                ) from None
            raise SourceDamaged(f"{self.path} cannot be read: {error}.") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise SourceDamaged(f"{self.path} cannot be read: {error}.") from None
