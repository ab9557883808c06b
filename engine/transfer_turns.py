"""Turns at a database that others are writing to: short ones, with moments for the others between.

TagoCore waits 1,000 ms for a lock, and looks every 25 ms or less only in the first 130 ms of that,
later every 50, then every 100 ms. So a transaction aims at `HOLD`, and `_REST` lies between two: a
writer that waits finds that moment. After one that took long, or where nobody found it for a while,
`_LONG_REST` does.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

from engine.project.tables import primary_code

HOLD = 0.08  # seconds that a transaction is to hold the target
_REST = 0.03  # seconds that it is left alone between two
_TOO_LONG, _LONG_REST = 0.098, 0.14  # seconds; sleepers of 100 ms oversleep on a busy machine
_MOST_ALONE = 0.2  # seconds held, with no transaction of another between, until a long rest
_PATIENT, _HASTY, _AT_ONCE = (f"PRAGMA busy_timeout = {n}" for n in (5000, 100, 0))
_POLL = 0.0001  # seconds
_LONG_FOR_A_WRITER, _MOST_LEFT = 0.04, 5  # seconds; times that others are let go first
_LOOK_EVERY = 20_000  # instructions of SQLite's


class Slow(Exception):
    """A transaction that took too long was not kept."""


class Turns:
    """The turns of one connection at its main database; `longest` is that of them, in seconds."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.longest = 0.0
        self.held = 0.0  # seconds, by the last turn
        self._database = database
        self._next = 0.0  # when the database may be held again
        self._until = 0.0  # when this turn takes too long
        self._seen, self._alone = 0, 0.0  # what others wrote last; seconds of our turns since

    def version(self) -> int:
        """A number that is another one when others have written."""
        (version,) = self._database.execute("PRAGMA main.data_version").fetchone()
        return int(version)

    @contextlib.contextmanager
    def reading(self, deadline: float) -> Iterator[None]:
        """A transaction that sees one moment."""
        self._begin("BEGIN", deadline)
        began = time.monotonic()
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        self._database.execute(_PATIENT)
        self.held = time.monotonic() - began

    @contextlib.contextmanager
    def writing(self, deadline: float) -> Iterator[None]:
        """A transaction that writes. Raises `Slow` where `in_time` interrupted it."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        began = time.monotonic()
        try:
            self._begin("BEGIN IMMEDIATE", deadline)
            began = time.monotonic()
            self._until = began + _TOO_LONG
            version = self.version()
            if version != self._seen:
                self._seen, self._alone = version, 0.0
            yield
            self._database.execute("COMMIT")
        except BaseException as error:
            self._undo()
            if isinstance(error, sqlite3.OperationalError) and (
                primary_code(error) == sqlite3.SQLITE_INTERRUPT
            ):
                raise Slow from None
            raise
        finally:
            self._release(began)
        self._database.execute(_PATIENT)

    @contextlib.contextmanager
    def in_time(self) -> Iterator[None]:
        """Interrupt what makes this turn too long. What is written then is undone: it is quick."""
        until = self._until
        self._database.set_progress_handler(lambda: time.monotonic() > until, _LOOK_EVERY)
        try:
            yield
        finally:
            self._database.set_progress_handler(None, 0)

    def _release(self, began: float) -> None:
        """Note that the database is left alone now, and for how long it has to be."""
        now = time.monotonic()
        self.held = now - began
        self.longest = max(self.longest, self.held)
        self._alone += self.held
        # where none of the others wrote for so long, one that looks seldom may wait by now
        long = self.held >= _TOO_LONG or self._alone >= _MOST_ALONE
        if long:
            self._alone = 0.0
        self._next = now + (_LONG_REST if long else _REST)

    def _begin(self, how: str, deadline: float) -> None:
        """Begin a transaction as soon as others leave a moment for it, as a busy writer does.

        SQLite itself would look every 100 ms after a while, and miss nearly all of them. But the
        moment after one turn that took long, as another transfer's do, is for those who waited.
        """
        self._database.execute(_AT_ONCE)
        busy_since, left_to_others, seen = 0.0, 0, -1
        while True:
            try:
                self._database.execute(how)
                self.version()  # now it has its lock
            except sqlite3.OperationalError as error:
                self._undo()
                now = time.monotonic()
                if primary_code(error) != sqlite3.SQLITE_BUSY or now >= deadline:
                    raise
                written = self._version_if_free(seen)
                if written != seen or not busy_since:  # what held it until now has ended
                    seen, busy_since = written, now
                time.sleep(_POLL)
            else:
                waited = time.monotonic() - busy_since if busy_since else 0.0
                if waited < _LONG_FOR_A_WRITER or left_to_others >= _MOST_LEFT:
                    break
                self._undo()
                left_to_others += 1
                busy_since = 0.0
                time.sleep(_LONG_REST)
            self._database.execute(_AT_ONCE)
        # a commit that waits for readers keeps others out: not for long
        self._database.execute(_HASTY)

    def _version_if_free(self, otherwise: int) -> int:
        """The version, where the database may be read just now."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._database.execute(_AT_ONCE)
            return self.version()
        return otherwise

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._database.execute(_PATIENT)
