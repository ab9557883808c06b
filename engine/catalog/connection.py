"""One connection to the catalog: statements, transactions, patience, and errors by their names.

SQLite runs in a thread of its own (aiosqlite). SQLite itself waits for a lock only briefly, and we
ask again until our patience ends: so a cancelled call ends soon, however long the lock lasts. A
statement that has begun is always awaited to its end, so that no thread is left behind with it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from engine.cancelling import to_the_end
from engine.errors import FULL_HINT, BackstayError, Busy, Damaged, StorageFailed

T = TypeVar("T")
Value = str | int | float | bytes | None

PATIENCE = 10.0  # seconds that we wait for another process's lock

_SLICE = 0.2  # seconds that SQLite waits before it is our turn to decide
_PAUSE = 0.02  # seconds between two tries
_PRIMARY = 0xFF  # SQLite's extended result codes hold the primary one in their lowest byte

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_STORAGE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}
_DAMAGED_HINT = (
    "The backups themselves are safe: they are in the repository, and backstay recover makes a new "
    "home of it. Keep this file as it is, and do not write over it."
)


def damaged(path: Path, reason: str) -> Damaged:
    """The error for a catalog that is not as Backstay wrote it."""
    return Damaged(f"The catalog {path} is damaged: {reason}.", hint=_DAMAGED_HINT)


class Transaction:
    """A transaction that is under way; `kept` turns True once its changes are on the disk."""

    def __init__(self) -> None:
        self.kept = False


class Database:
    """A connection to the database at `path`, which must exist.

    Every statement raises `Busy` when another process kept its lock for longer than `patience`
    seconds, `Damaged` when the file is not sound, and `StorageFailed` when the disk is full,
    read-only or out of reach. Constraints that fail raise `sqlite3.IntegrityError`.
    """

    def __init__(self, connection: aiosqlite.Connection, path: Path, patience: float) -> None:
        self.path = path
        self._connection = connection
        self._patience = patience
        self._turn = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None
        self._transaction: Transaction | None = None

    @classmethod
    async def open(cls, path: Path, *, patience: float = PATIENCE) -> Database:
        """Connect, and change nothing: the file may turn out not to be ours."""
        try:
            connection = await _connect(path)
        except sqlite3.Error as error:
            raise _named(error, path) or error from error
        database = cls(connection, path, patience)
        try:
            await database._patiently(database._set_up)
        except BaseException:
            await database.close()
            raise
        return database

    async def _set_up(self) -> None:
        # A charge, or a project that was just finished, must outlive a power cut.
        async with self._connection.executescript(
            "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;"
            " PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL"
        ):
            pass

    async def use_wal(self) -> None:
        """Write ahead to a log from now on, as a property of the file: readers never wait."""
        await self.rows("PRAGMA journal_mode = WAL")

    async def close(self) -> None:
        """Close the connection and end its thread; a second time does nothing."""
        await to_the_end(self._connection.close())

    async def rows(self, sql: str, *values: Value) -> tuple[sqlite3.Row, ...]:
        """All rows of one statement."""

        async def work() -> tuple[sqlite3.Row, ...]:
            return tuple(await self._connection.execute_fetchall(sql, _storable(values)))

        async with self._my_turn():
            return await self._patiently(work)

    async def facts(
        self, make: Callable[[sqlite3.Row], T], sql: str, *values: Value
    ) -> tuple[T, ...]:
        """All rows of one statement as facts; raises `Damaged` for a row that makes none."""
        rows = await self.rows(sql, *values)
        try:
            return tuple(make(row) for row in rows)
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise damaged(self.path, f"a row cannot be understood ({error})") from error

    async def change(self, sql: str, *values: Value) -> bool:
        """Run one statement, in the task's transaction or else in its own: whether rows changed."""

        async def work() -> bool:
            before = self._connection.total_changes
            await self._connection.execute_fetchall(sql, _storable(values))
            return self._connection.total_changes > before

        async with self._my_turn():
            return await self._patiently(work)

    @property
    def in_transaction(self) -> bool:
        """Whether the running task is inside a transaction of this connection."""
        return self._owner is not None and self._owner is asyncio.current_task()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Keep all changes of the block or none; the other tasks of the process wait for it.

        A block inside the block of the same task joins it. A cancellation that comes while the
        changes are being written is raised after that; `kept` then says that they were.
        """
        if self.in_transaction and self._transaction is not None:
            yield self._transaction
            return
        async with self._turn:
            transaction = Transaction()

            async def begin() -> None:
                await self._connection.execute_fetchall("BEGIN IMMEDIATE")

            async def commit() -> None:
                await self._connection.commit()
                transaction.kept = True

            try:
                await self._patiently(begin)
                self._owner, self._transaction = asyncio.current_task(), transaction
                yield transaction
                await self._patiently(commit)
            except BaseException:
                if not transaction.kept:
                    await self._patiently(self._connection.rollback)
                raise
            finally:
                self._owner = self._transaction = None

    def _my_turn(self) -> AbstractAsyncContextManager[object]:
        # Without waiting, a task's statement would slip into another task's transaction.
        return self._joined() if self.in_transaction else self._turn

    @asynccontextmanager
    async def _joined(self) -> AsyncIterator[None]:
        yield

    async def _patiently(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        now = asyncio.get_running_loop().time
        deadline = now() + self._patience
        while True:
            try:
                return await to_the_end(work())
            except sqlite3.Error as error:
                if not _is_busy(error) or now() >= deadline:
                    raise _named(error, self.path) or error from error
            await asyncio.sleep(_PAUSE)


async def _connect(path: Path) -> aiosqlite.Connection:
    async def connect() -> aiosqlite.Connection:
        connection = await aiosqlite.connect(
            _address(path),
            uri=True,
            timeout=_SLICE,
            isolation_level=None,
        )
        connection.row_factory = sqlite3.Row
        return connection

    connecting = asyncio.ensure_future(connect())
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:

        async def close() -> None:
            await (await connecting).close()

        await to_the_end(close())
        raise


def _address(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=rw"  # a missing file is never made by SQLite


def _storable(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(storable(value) if isinstance(value, str) else value for value in values)


def storable(text: str) -> str:
    """A text as it is kept.

    One from a command line or a file name may hold halves of surrogate pairs, which are no UTF-8;
    in a log line they are shown with escapes, and as a name they match nothing.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & _PRIMARY if isinstance(code, int) else None


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in _BUSY


def _named(error: sqlite3.Error, path: Path) -> BackstayError | None:
    """The owner's error for SQLite's; None where it is ours to handle or a mistake of ours."""
    code = _code(error)
    if code in _BUSY:
        return Busy(f"The catalog {path} is locked by another program.")
    unwritable = not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK))
    if code == sqlite3.SQLITE_READONLY or (code == sqlite3.SQLITE_CANTOPEN and unwritable):
        # Even a look needs it: SQLite keeps track of who reads in files beside the catalog.
        return StorageFailed(
            f"The home {path.parent} is read-only: its catalog cannot be written.",
            hint="Nothing was changed, and existing backups are safe. Let yourself write to the "
            "folder and the files in it (is its disk mounted read-only?), then try again.",
        )
    if code in _STORAGE:
        hint = FULL_HINT if code == sqlite3.SQLITE_FULL else ""
        return StorageFailed(f"The catalog {path} cannot be used: {error}.", hint=hint)
    lacking = code == sqlite3.SQLITE_ERROR and str(error).startswith("no such ")
    if code in _DAMAGED or lacking:
        return damaged(path, str(error))
    return None
