"""Opening a catalog: new homes, older and newer versions, damage, and who else can reach it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.catalog import Catalog, schema
from engine.catalog.connection import Database
from engine.errors import Busy, Damaged, HomeUnsafe, NotFound, StorageFailed, TooNew
from engine.model import Origin, ProjectState

OPEN_AND_ADD = """
import asyncio, sys
from pathlib import Path
from engine.catalog import Catalog
from engine.model import Origin, ProjectState

async def main(path, number):
    sys.stdin.readline()
    async with await Catalog.open(path) as catalog:
        await catalog.projects.add(
            f"{number:012x}", f"Plant {number}", Path(f"/srv/{number}"),
            ProjectState.ACTIVE, Origin.ADOPTED,
        )

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as SQLite alone sees it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def set_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


async def visit(path: Path, *, create: bool = True, patience: float = 10.0) -> None:
    """Open and close: what should have been refused must not leave a thread behind."""
    async with await Catalog.open(path, create=create, patience=patience):
        pass


async def make(path: Path) -> None:
    async with await Catalog.open(path) as catalog:
        await catalog.projects.add(
            "0" * 12, "Plant 7", Path("/srv/p7"), ProjectState.ACTIVE, Origin.ADOPTED
        )


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_a_new_catalog_is_only_ours_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with await Catalog.open(path) as catalog:
            await catalog.members.of("ana")
            files = sorted(path.parent.iterdir())
            modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
    finally:
        os.umask(before)
    assert [file.name for file in files] == ["catalog.db", "catalog.db-shm", "catalog.db-wal"]
    assert modes == {0o600}
    assert [file.name for file in path.parent.iterdir()] == ["catalog.db"], "closed cleanly"


async def test_the_connection_is_strict_and_durable(path: Path) -> None:
    await make(path)
    database = await Database.open(path)
    try:
        for pragma, value in {
            "foreign_keys": 1,
            "journal_mode": "wal",
            "synchronous": 2,
            "recursive_triggers": 1,
            "trusted_schema": 0,
        }.items():
            assert (await database.rows(f"PRAGMA {pragma}"))[0][0] == value, pragma
    finally:
        await database.close()


async def test_what_was_stored_is_there_again(path: Path) -> None:
    await make(path)
    async with await Catalog.open(path, create=False) as catalog:
        assert [row.name for row in await catalog.projects.list()] == ["Plant 7"]


async def test_reading_alone_makes_no_catalog(path: Path) -> None:
    with pytest.raises(NotFound, match=r"catalog\.db is not there"):
        await visit(path, create=False)
    assert list(path.parent.iterdir()) == []


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot be made: No such file"):
        await visit(tmp_path / "nothing" / "catalog.db")


async def test_a_newer_version_is_refused_by_name(path: Path) -> None:
    await make(path)
    with plain(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = bytes_of(path)
    known = len(schema.MIGRATIONS)
    with pytest.raises(TooNew, match=rf"version 99; this Backstay knows versions up to {known}\."):
        await visit(path)
    assert bytes_of(path) == before


@pytest.mark.parametrize(
    "content", [b"", b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 4080]
)
async def test_a_file_that_is_no_catalog_is_damage_and_is_left_alone(
    path: Path, content: bytes
) -> None:
    put(path, content)
    with pytest.raises(Damaged) as refused:
        await visit(path)
    assert str(path) in refused.value.message
    assert "backstay recover" in refused.value.hint
    assert bytes_of(path) == content


async def test_another_programs_database_is_never_filled_with_ours(path: Path) -> None:
    with plain(path) as connection:
        connection.execute("CREATE TABLE project (id)")
        connection.execute("PRAGMA user_version = 1")
    set_mode(path, 0o600)
    with pytest.raises(Damaged, match="not written by Backstay"):
        await visit(path)


async def test_a_table_that_is_missing_is_damage(path: Path) -> None:
    await make(path)
    with plain(path) as connection:
        connection.execute("DROP TABLE member")
    async with await Catalog.open(path) as catalog:
        with pytest.raises(Damaged, match="no such table: member"):
            await catalog.members.of("ana")


async def test_a_page_that_was_overwritten_is_damage(path: Path) -> None:
    await make(path)
    content = bytearray(bytes_of(path))
    with plain(path) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'project'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content[(page - 1) * size : page * size] = b"\xff" * size
    put(path, bytes(content))
    async with await Catalog.open(path) as catalog:
        with pytest.raises(Damaged, match="malformed"):
            await catalog.projects.list()


async def test_a_row_that_cannot_be_understood_is_damage(path: Path) -> None:
    await make(path)
    with plain(path) as connection:
        connection.execute("UPDATE project SET state = 'asleep'")
    async with await Catalog.open(path) as catalog:
        with pytest.raises(Damaged, match="'asleep' is not a valid ProjectState"):
            await catalog.projects.list()


async def test_a_catalog_that_others_can_change_is_refused(path: Path) -> None:
    await make(path)
    set_mode(path, 0o622)
    with pytest.raises(HomeUnsafe, match="can be changed by other users"):
        await visit(path)


async def test_a_folder_that_somebody_holds_is_busy(path: Path) -> None:
    import fcntl

    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="Another program is at work"):
            await visit(path, patience=0.05)
    finally:
        os.close(folder)
    await make(path)


async def test_what_a_killed_process_left_half_made_is_made_anew(path: Path) -> None:
    half = path.with_name("catalog.db.new")
    with plain(half) as connection:
        connection.execute("CREATE TABLE half (made)")
    put(half.with_name("catalog.db.new-journal"), b"left over")
    await make(path)
    assert [file.name for file in path.parent.iterdir()] == ["catalog.db"]


async def test_a_creation_that_fails_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "migrate", _fails)
    with pytest.raises(StorageFailed, match="No space left"):
        await schema.create(path)
    assert list(path.parent.iterdir()) == []


async def _fails(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_many_processes_open_a_new_home_at_once(path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", OPEN_AND_ADD, str(path), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, complaint = child.communicate(timeout=180)
        assert (child.returncode, complaint) == (0, "")
    with plain(path) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM project ORDER BY id")]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert names == [f"Plant {number}" for number in range(6)]


MORE = ("CREATE TABLE more (one)", "INSERT INTO more VALUES (1)")


async def test_an_older_catalog_is_brought_up_to_date_and_keeps_its_rows(path: Path) -> None:
    await make(path)
    database = await Database.open(path)
    try:
        await schema.migrate(database, (*schema.MIGRATIONS, MORE, ("CREATE TABLE most (one)",)))
        assert (await database.rows("PRAGMA user_version"))[0][0] == len(schema.MIGRATIONS) + 2
        assert (await database.rows("SELECT one FROM more"))[0][0] == 1
        assert (await database.rows("SELECT name FROM project"))[0][0] == "Plant 7"
    finally:
        await database.close()


async def test_a_migration_that_fails_changes_nothing_and_keeps_those_before_it(
    path: Path,
) -> None:
    await make(path)
    database = await Database.open(path)
    broken = ("CREATE TABLE half (made)", "INSERT INTO nowhere VALUES (1)")
    try:
        with pytest.raises(Damaged, match="no such table: nowhere"):
            await schema.migrate(database, (*schema.MIGRATIONS, MORE, broken))
        assert (await database.rows("PRAGMA user_version"))[0][0] == len(schema.MIGRATIONS) + 1
        tables = await database.rows("SELECT name FROM sqlite_schema WHERE name = 'half'")
        assert tables == ()
    finally:
        await database.close()


async def test_two_that_migrate_at_once_do_it_once(path: Path) -> None:
    import asyncio

    await make(path)
    one, other = await Database.open(path), await Database.open(path)
    try:
        both = (*schema.MIGRATIONS, MORE)
        await asyncio.gather(schema.migrate(one, both), schema.migrate(other, both))
        assert len(await other.rows("SELECT one FROM more")) == 1
    finally:
        await one.close()
        await other.close()
