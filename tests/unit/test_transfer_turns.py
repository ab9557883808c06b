"""Turns at a database in use: what takes too long is not kept, and others are noticed."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.transfer_turns import Slow, Turns

_ENDLESS = (
    "INSERT INTO data WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each) "
    "SELECT n FROM each"
)


def test_a_turn_that_takes_too_long_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as database,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other,
    ):
        database.execute("CREATE TABLE data (n)")
        turns = Turns(database)
        deadline = time.monotonic() + 60
        with pytest.raises(Slow), turns.writing(deadline), turns.in_time():
            database.execute(_ENDLESS)
        assert turns.longest == turns.held > 0
        other.execute("INSERT INTO data VALUES (1)")  # it holds nothing any more
        with turns.reading(deadline):
            seen = turns.version()
        other.execute("INSERT INTO data VALUES (2)")
        with turns.writing(deadline), turns.in_time():
            assert turns.version() != seen
            database.execute("INSERT INTO data VALUES (3)")
        assert other.execute("SELECT n FROM data").fetchall() == [(1,), (2,), (3,)]


def test_a_database_that_others_hold_past_the_deadline_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        database.execute("CREATE TABLE data (n)")
        other.execute("BEGIN IMMEDIATE")
        turns = Turns(database)
        with pytest.raises(sqlite3.OperationalError, match="locked"), turns.writing(0.0):
            pytest.fail("it was held by another")
        other.execute("COMMIT")
        with turns.writing(0.0):
            database.execute("INSERT INTO data VALUES (1)")
        assert other.execute("SELECT n FROM data").fetchall() == [(1,)]
