"""A restored project is quiet, and waking brings back what was, unless it was changed since."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import Busy, Failed, StorageFailed
from engine.model import HeldItem, QuietItem
from engine.project import quiet
from engine.project.quiet import hold, quiet_item, release

REAL = (
    Path(__file__).parents[1] / "data/instance/PluginFiles/0810916b6ca256fb25afbe19b4f83b23/data.db"
)
TANK = "715f6b96bfa47992f15881f9"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Path(shutil.copy(REAL, tmp_path / "data.db"))


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as opened:
        yield opened


def content(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


def device(connection: sqlite3.Connection, column: str, identity: str = TANK) -> object:
    query = f"SELECT {column} FROM device WHERE id = ?"
    return connection.execute(query, (identity,)).fetchone()[0]


def test_active_actions_are_off(connection: sqlite3.Connection) -> None:
    held = [item for item in hold(connection) if item.kind == "action"]
    assert connection.execute("SELECT count(*) FROM action WHERE active").fetchone() == (0,)
    assert [(item.name, item.column, item.was, item.held) for item in held] == [
        ("Too hot", "active", 1, 0),
        ("Fwd by tag", "active", 1, 0),
        ("Every hour", "active", 1, 0),
    ]


@pytest.mark.parametrize(
    ("period", "far"),
    [("day", 36500), ("week", 5200), ("month", 1200), ("quarter", 400), ("fortnight", 36500)],
)
def test_retention_is_put_a_century_away_and_never_cleared(
    connection: sqlite3.Connection, period: str, far: int
) -> None:
    connection.execute("UPDATE device SET chunk_period = ? WHERE id = ?", (period, TANK))
    items = hold(connection)
    assert device(connection, "chunk_retention") == far
    assert device(connection, "chunk_period") == period
    assert HeldItem("data retention", TANK, "Tank immutable", "chunk_retention", 6, far) in items


@pytest.mark.parametrize("was", [None, 0, 1, "many", 6.5])
def test_whatever_the_retention_was_it_comes_back(
    connection: sqlite3.Connection, was: object
) -> None:
    connection.execute("UPDATE device SET chunk_retention = ? WHERE id = ?", (was, TANK))
    items = hold(connection)
    assert device(connection, "chunk_retention") == 1200
    release(connection, items)
    assert device(connection, "chunk_retention") == was
    assert type(device(connection, "chunk_retention")) is type(was)


def test_a_retention_beyond_a_century_is_not_shortened(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE device SET chunk_retention = 5000 WHERE id = ?", (TANK,))
    assert not [item for item in hold(connection) if item.column == "chunk_retention"]
    assert device(connection, "chunk_retention") == 5000


def test_devices_that_nothing_is_deleted_from_are_left_alone(
    connection: sqlite3.Connection,
) -> None:
    connection.execute("UPDATE device SET chunk_period = 'day' WHERE type = 'mutable'")
    connection.execute("UPDATE device SET chunk_period = '' WHERE type = 'immutable'")
    before = connection.execute("SELECT * FROM device").fetchall()
    hold(connection)
    assert connection.execute("SELECT * FROM device").fetchall() == before


def test_data_retention_in_words(connection: sqlite3.Connection) -> None:
    values = ["1 month", "forever", "", None]
    ids = [row[0] for row in connection.execute("SELECT id FROM device ORDER BY rowid")]
    for identity, value in zip(ids, values, strict=True):
        connection.execute("UPDATE device SET data_retention = ? WHERE id = ?", (value, identity))
    items = [item for item in hold(connection) if item.column == "data_retention"]
    assert [(item.id, item.was, item.held) for item in items] == [(ids[0], "1 month", "forever")]
    assert [device(connection, "data_retention", identity) for identity in ids] == [
        "forever",
        "forever",
        "",
        None,
    ]


def test_holding_and_waking_leave_the_database_as_it_was(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE device SET data_retention = '1 month'")
    before = content(connection)
    items = hold(connection)
    assert content(connection) != before
    woken, left = release(connection, items)
    assert content(connection) == before
    assert len(woken) == len(items) == 8
    assert left == ()


def test_holding_twice_finds_nothing_more(connection: sqlite3.Connection) -> None:
    hold(connection)
    assert hold(connection) == ()


def test_what_was_changed_in_between_is_left_and_told(connection: sqlite3.Connection) -> None:
    items = hold(connection)
    connection.execute("UPDATE device SET chunk_retention = 3 WHERE id = ?", (TANK,))
    connection.execute("UPDATE action SET active = 1 WHERE name = 'Too hot'")
    connection.execute("DELETE FROM action WHERE name = 'Fwd by tag'")
    woken, left = release(connection, items)
    assert device(connection, "chunk_retention") == 3
    assert [item.name for item in woken] == ["Every hour"]
    assert [item.name for item in left] == ["Too hot", "Fwd by tag", "Tank immutable"]
    assert connection.execute("SELECT count(*) FROM action WHERE active = 1").fetchone() == (2,)


def test_waking_twice_wakes_once(connection: sqlite3.Connection) -> None:
    items = hold(connection)
    release(connection, items)
    woken, left = release(connection, items)
    assert woken == ()
    assert len(left) == len(items)


def test_holding_joins_the_transaction_that_is_open(connection: sqlite3.Connection) -> None:
    before = content(connection)
    connection.execute("BEGIN")
    assert hold(connection)
    connection.execute("ROLLBACK")
    assert content(connection) == before


def test_a_failure_while_holding_changes_nothing(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TRIGGER no BEFORE UPDATE ON device BEGIN SELECT raise(ABORT, 'no'); END"
    )
    before = content(connection)
    with pytest.raises(sqlite3.IntegrityError):
        hold(connection)
    assert content(connection) == before
    assert not connection.in_transaction


def test_older_databases_lack_some_columns(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as old:
        old.execute("CREATE TABLE device (chunk_retention int, chunk_period text, id text, name)")
        old.execute("CREATE TABLE action (id text)")
        old.execute("INSERT INTO device VALUES (2, 'day', 'd1', 'Boiler')")
        items = hold(old)
        assert items == (HeldItem("data retention", "d1", "Boiler", "chunk_retention", 2, 36500),)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as nothing:
        assert hold(nothing) == ()


def test_names_that_are_not_utf8_do_not_matter(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE device SET name = CAST(x'ff41' AS TEXT)")
    items = hold(connection)
    assert release(connection, items)[1] == ()
    assert device(connection, "chunk_retention") == 6


def test_a_database_that_stays_locked_is_busy_and_as_quiet_as_before(
    connection: sqlite3.Connection, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "BUSY_MILLISECONDS", 1)
    items = hold(connection)
    before = content(connection)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="not woken"):
            release(connection, items)
        other.execute("ROLLBACK")
    assert content(connection) == before
    assert not connection.in_transaction


def test_a_reader_that_keeps_us_from_committing_is_busy_too(
    connection: sqlite3.Connection, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "BUSY_MILLISECONDS", 1)
    items = hold(connection)
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM device").fetchone()
        with pytest.raises(Busy):
            release(connection, items)
        reader.execute("ROLLBACK")
    assert not connection.in_transaction
    assert release(connection, items)[1] == ()


def test_a_database_that_cannot_be_written_is_told(
    connection: sqlite3.Connection, database: Path
) -> None:
    items = hold(connection)
    with (
        closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as readonly,
        pytest.raises(StorageFailed),
    ):
        release(readonly, items)


def test_an_item_of_an_unknown_kind_wakes_nothing(connection: sqlite3.Connection) -> None:
    items = hold(connection)
    before = content(connection)
    with pytest.raises(Failed):
        release(connection, (*items, items[0]._replace(column="name")))
    assert content(connection) == before


def test_held_items_as_their_owner_reads_them() -> None:
    retention = HeldItem("data retention", "d", "Tank", "chunk_retention", 6, 1200)
    assert quiet_item(retention) == QuietItem("data retention", "d", "Tank", "6 months")
    assert quiet_item(retention._replace(was=1, held=36500)).was == "1 day"
    assert quiet_item(retention._replace(was=None)).was == "not set"
    words = retention._replace(column="data_retention", was="1 month", held="forever")
    assert quiet_item(words).was == "1 month"
    assert quiet_item(HeldItem("action", "a", "Too hot", "active", 1, 0)).was == "on"
