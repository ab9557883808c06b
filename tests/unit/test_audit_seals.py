"""The audit trail is sealed: a line that was changed, removed or put in shows."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.catalog import Catalog
from engine.model import Verdict

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    async with await Catalog.open(tmp_path / "catalog.db") as opened:
        for hour, verdict in enumerate([Verdict.ALLOWED, Verdict.REFUSED, Verdict.ALLOWED]):
            at = NOW + timedelta(hours=hour)
            await opened.audit.add(at, "ana", "stop", verdict, detail=f"\ud800 {hour}")
        yield opened


def tamper(folder: Path, *statements: str) -> None:
    """Change the trail past what the database refuses, as who can write the file could."""
    with closing(sqlite3.connect(folder / "catalog.db")) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            if name.startswith("audit"):
                database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        database.commit()


async def test_a_trail_as_it_was_written_is_whole(catalog: Catalog) -> None:
    found = await catalog.audit.check()
    assert (found.problem, found.lines) == ("", 3)
    await catalog.audit.add(NOW, "ana", "start", Verdict.ALLOWED)
    after = await catalog.audit.check()
    assert (after.problem, after.lines) == ("", 4)
    assert after.seal != found.seal


CHANGES = {
    "a user": "UPDATE audit SET user = 'rui' WHERE number = 2",
    "a verdict": "UPDATE audit SET verdict = 'allowed' WHERE number = 2",
    "a detail": "UPDATE audit SET detail = '' WHERE number = 1",
    "a date": "UPDATE audit SET at = '2026-11-23T03:00:00.000001+00:00' WHERE number = 1",
    "a seal": "UPDATE audit SET seal = 'ab' WHERE number = 3",
    "no seal": "UPDATE audit SET seal = NULL WHERE number = 2",
    "all seals": "UPDATE audit SET seal = NULL WHERE number > 1",
    "the first removed": "DELETE FROM audit WHERE number = 1",
    "one removed": "DELETE FROM audit WHERE number = 2",
    "the last removed": "DELETE FROM audit WHERE number = 3",
    "all removed": "DELETE FROM audit",
    "one put in": "INSERT INTO audit SELECT 9, at, user, action, project, project_name, verdict,"
    " detail, seal FROM audit WHERE number = 3",
    "two exchanged": "UPDATE audit SET number = 9 WHERE number = 2;"
    " UPDATE audit SET number = 2 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 9",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_line_that_was_changed_or_removed_shows(
    catalog: Catalog, tmp_path: Path, change: str
) -> None:
    tamper(tmp_path, *change.split("; "))
    found = await catalog.audit.check()
    assert found.problem
    assert found.seal == ""


async def test_lines_from_before_there_were_seals_are_covered_by_the_first(
    catalog: Catalog, tmp_path: Path
) -> None:
    tamper(tmp_path, "UPDATE audit SET seal = NULL")
    assert (await catalog.audit.check()).problem == ""
    await catalog.audit.add(NOW, "ana", "start", Verdict.ALLOWED)
    assert (await catalog.audit.check()).problem == ""
    tamper(tmp_path, "UPDATE audit SET user = 'rui' WHERE number = 1")
    assert "line 4" in (await catalog.audit.check()).problem


async def test_the_trail_is_filtered_by_time_and_verdict(catalog: Catalog) -> None:
    hour = timedelta(hours=1)
    assert [line.number for line in await catalog.audit.list(since=NOW + hour)] == [3, 2]
    assert [line.number for line in await catalog.audit.list(until=NOW + hour)] == [1]
    refused = await catalog.audit.list(verdict=Verdict.REFUSED)
    assert [line.number for line in refused] == [2]
