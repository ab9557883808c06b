"""The catalog under load: transactions, several tasks and processes, cancellation, full disks."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from engine.catalog import Catalog
from engine.catalog.connection import Database
from engine.errors import Busy, StorageFailed, Taken
from engine.model import Money, Origin, ProjectState, Role

FEE = Money(Decimal("49.00"), "EUR")
FOR_EVER = 3600.0  # seconds of patience: a test that waited for them would not end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
async def catalog(path: Path) -> AsyncIterator[Catalog]:
    async with await Catalog.open(path, patience=FOR_EVER) as catalog:
        yield catalog


@pytest.fixture
def stranger(path: Path, catalog: Catalog) -> Iterator[sqlite3.Connection]:
    """Another program with the catalog open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


async def add(catalog: Catalog, number: int) -> None:
    await catalog.projects.add(
        f"{number:012x}",
        f"Plant {number}",
        Path(f"/srv/{number}"),
        ProjectState.ACTIVE,
        Origin.ADOPTED,
    )


async def names(catalog: Catalog) -> list[str]:
    return [row.name for row in await catalog.projects.list()]


async def test_changes_to_several_records_are_kept_together(catalog: Catalog) -> None:
    async with catalog.transaction() as transaction:
        await add(catalog, 1)
        await catalog.costs.charge("1", "Plant 1", FEE, "creation fee")
        during = (catalog.in_transaction, transaction.kept)
    assert during == (True, False)
    assert (catalog.in_transaction, transaction.kept) == (False, True)
    assert await names(catalog) == ["Plant 1"]
    assert len(await catalog.costs.charges()) == 1


async def test_an_error_undoes_all_of_a_transaction(catalog: Catalog) -> None:
    await add(catalog, 1)

    async def fails_at_the_end() -> None:
        async with catalog.transaction():
            await add(catalog, 2)
            await catalog.costs.charge("2", "Plant 2", FEE, "creation fee")
            await add(catalog, 1)

    with pytest.raises(Taken):
        await fails_at_the_end()
    assert await names(catalog) == ["Plant 1"]
    assert await catalog.costs.charges() == ()
    await add(catalog, 3)  # and the catalog is fit for the next


async def test_a_block_within_a_block_is_part_of_it(catalog: Catalog) -> None:
    async def fails_after_the_inner_block() -> None:
        async with catalog.transaction():
            async with catalog.transaction():
                await add(catalog, 1)
            raise KeyError

    with pytest.raises(KeyError):
        await fails_after_the_inner_block()
    assert await names(catalog) == []


async def test_another_task_neither_sees_nor_joins_a_transaction(catalog: Catalog) -> None:
    inside = asyncio.Event()
    go_on = asyncio.Event()

    async def fails() -> None:
        async with catalog.transaction():
            await add(catalog, 1)
            inside.set()
            await go_on.wait()
            raise KeyError

    failing = asyncio.create_task(fails())
    await inside.wait()
    assert not catalog.in_transaction
    reading = asyncio.create_task(names(catalog))
    writing = asyncio.create_task(catalog.members.change("p", "ana", Role.OWNER))
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(KeyError):
        await failing
    assert await reading == [], "what was never kept was never seen"
    await writing
    assert await catalog.members.role("p", "ana") is Role.OWNER, "not undone with the other's"


async def test_many_tasks_change_at_once(catalog: Catalog) -> None:
    await asyncio.gather(*(add(catalog, number) for number in range(20)))
    assert len(await names(catalog)) == 20


async def test_a_reader_never_waits_for_a_writer(
    catalog: Catalog, stranger: sqlite3.Connection
) -> None:
    await add(catalog, 1)
    stranger.execute("BEGIN IMMEDIATE")
    assert await names(catalog) == ["Plant 1"]


async def test_a_catalog_that_stays_locked_is_busy_and_unchanged(
    path: Path, catalog: Catalog, stranger: sqlite3.Connection
) -> None:
    stranger.execute("BEGIN IMMEDIATE")
    async with await Catalog.open(path, patience=0.05) as hasty:
        with pytest.raises(Busy, match=r"catalog\.db is locked by another program"):
            await add(hasty, 1)
        stranger.execute("ROLLBACK")
        assert await names(hasty) == []
        await add(hasty, 2)


async def test_a_lock_that_ends_is_waited_for(
    catalog: Catalog, stranger: sqlite3.Connection
) -> None:
    stranger.execute("BEGIN IMMEDIATE")
    adding = asyncio.create_task(add(catalog, 1))
    await asyncio.sleep(0)
    stranger.execute("COMMIT")
    await adding
    assert await names(catalog) == ["Plant 1"]


async def test_a_full_disk_is_told_and_nothing_is_half_kept(path: Path) -> None:
    async with await Catalog.open(path):
        pass
    database = await Database.open(path)
    try:
        pages = (await database.rows("PRAGMA page_count"))[0][0]
        await database.rows(f"PRAGMA max_page_count = {pages}")

        async def too_much() -> None:
            insert = "INSERT INTO member VALUES ('p', ?, 'owner')"
            async with database.transaction():
                await database.change(insert, "ana")
                await database.change(insert, "long" * 100_000)

        with pytest.raises(StorageFailed, match="full"):
            await too_much()
        assert await database.rows("SELECT * FROM member") == ()
    finally:
        await database.close()


async def test_a_catalog_that_cannot_be_written_is_told(path: Path) -> None:
    async with await Catalog.open(path):
        pass
    database = await Database.open(path)
    try:
        await database.rows("PRAGMA query_only = ON")
        with pytest.raises(StorageFailed, match="is read-only: its catalog cannot be written"):
            await database.change("INSERT INTO member VALUES ('p', 'ana', 'owner')")
    finally:
        await database.close()


async def test_a_cancelled_wait_for_a_lock_ends_and_leaves_no_transaction(
    catalog: Catalog, stranger: sqlite3.Connection
) -> None:
    stranger.execute("BEGIN IMMEDIATE")
    adding = asyncio.create_task(add(catalog, 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    stranger.execute("ROLLBACK")
    assert await names(catalog) == []
    await add(catalog, 2)


async def test_a_cancelled_block_is_undone(catalog: Catalog) -> None:
    inside = asyncio.Event()

    async def waits() -> None:
        async with catalog.transaction():
            await add(catalog, 1)
            inside.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(waits())
    await inside.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await names(catalog) == []
    await add(catalog, 2)


@pytest.mark.parametrize("steps", range(12))
async def test_a_call_cancelled_at_any_step_is_done_wholly_or_not_at_all(
    catalog: Catalog, steps: int
) -> None:
    kept: list[bool] = []

    async def both() -> None:
        transaction = None
        try:
            async with catalog.transaction() as transaction:
                await add(catalog, 1)
                await catalog.costs.charge("1", "Plant 1", FEE, "creation fee")
        finally:
            kept.append(transaction is not None and transaction.kept)

    task = asyncio.create_task(both())
    for _ in range(2 * steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    found = (len(await names(catalog)), len(await catalog.costs.charges()))
    assert found == ((1, 1) if kept == [True] else (0, 0))
    await add(catalog, 2)


async def test_a_cancellation_during_the_commit_says_that_it_was_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Catalog.open(path):
        pass
    database = await Database.open(path)
    commit = database._connection.commit
    task: asyncio.Task[None]

    async def cancelled_meanwhile() -> None:
        task.cancel()
        await commit()

    monkeypatch.setattr(database._connection, "commit", cancelled_meanwhile)
    kept: list[bool] = []

    async def work() -> None:
        transaction = None
        try:
            async with database.transaction() as transaction:
                await database.change("INSERT INTO member VALUES ('p', 'ana', 'owner')")
        finally:
            kept.append(transaction is not None and transaction.kept)

    try:
        task = asyncio.create_task(work())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert kept == [True]
        assert len(await database.rows("SELECT * FROM member")) == 1
    finally:
        await database.close()


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_opening_that_is_cancelled_leaves_no_thread_and_no_half_home(
    path: Path, steps: int
) -> None:
    before = set(threading.enumerate())
    opening = asyncio.create_task(Catalog.open(path))
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled():
        await opening.result().close()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()
    assert [file.name for file in path.parent.iterdir()] in ([], ["catalog.db"])
    async with await Catalog.open(path) as catalog:
        assert await names(catalog) == []


CANCEL_AND_LEAVE = """
import asyncio, sys
from pathlib import Path
from engine.catalog import Catalog
from engine.model import Role

async def main(path):
    async with await Catalog.open(path, patience=3600) as catalog:
        waiting = asyncio.create_task(catalog.members.change("p", "ana", Role.OWNER))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done, "it waits for the lock"
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        raise KeyboardInterrupt

try:
    asyncio.run(main(Path(sys.argv[1])))
except KeyboardInterrupt:
    print("left")
"""


def test_a_process_whose_call_is_cancelled_in_the_middle_ends(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    asyncio.run(_make(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        child = subprocess.run(
            [sys.executable, "-W", "error", "-c", CANCEL_AND_LEAVE, str(path)],
            capture_output=True,
            text=True,
            timeout=180,  # far less than its patience: it would hang
            check=False,
        )
    assert (child.returncode, child.stdout, child.stderr) == (0, "left\n", "")


async def _make(path: Path) -> None:
    await (await Catalog.open(path)).close()


async def test_closing_twice_does_nothing_and_a_closed_catalog_is_not_used(path: Path) -> None:
    catalog = await Catalog.open(path)
    await catalog.close()
    await catalog.close()
    with pytest.raises(ValueError, match="closed"):
        await catalog.projects.list()
