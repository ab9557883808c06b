"""Which databases are kept as canonical images and which as they are; both restore whole."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engine.errors import Busy, SourceDamaged
from engine.model import LeaveOut
from engine.pages.freelist import trunk_capacity
from engine.pages.header import HEADER_SIZE, parse_header
from engine.snapshot.live import LiveFile

if TYPE_CHECKING:
    from snapshot_support import Content, Filled, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]

EVERY_CHOICE = list(LeaveOut)
NEW_ROW = "INSERT INTO data (rowid, id, variable) VALUES ({rowid}, {id}, 'added');"


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PRAGMA auto_vacuum = FULL", ""),
        ("PRAGMA auto_vacuum = INCREMENTAL", "DELETE FROM data WHERE rowid % 3"),
        ("PRAGMA encoding = 'UTF-16le'", ""),
        ("", NEW_ROW.format(rowid=-5, id="'715e00000000000000000000'")),
        ("", NEW_ROW.format(rowid=1 << 40, id="'715e00000000000000000000'")),
        ("", NEW_ROW.format(rowid=900, id="NULL") + NEW_ROW.format(rowid=901, id="NULL")),
        ("", NEW_ROW.format(rowid=900, id="'short'")),
        ("", NEW_ROW.format(rowid=900, id="'715e000000000000000000001'")),
        ("", NEW_ROW.format(rowid=900, id="x'373135653030303030303030303030303030303030303030'")),
        ("", NEW_ROW.format(rowid=900, id="'715e00000000000000000\u00fc\u00fc'") + "SELECT 1;"),
        ("", "CREATE TABLE extra (x); INSERT INTO extra VALUES (1)"),
        ("", "CREATE VIEW seen AS SELECT value FROM data"),
        ("", "CREATE INDEX with_id ON data (`group`, id)"),
        ("", "CREATE INDEX of_id ON data (id)"),
        ("", "CREATE INDEX by_end ON data (substr(id, 20))"),
        ("", "CREATE INDEX some ON data (time) WHERE id > '715e0000000000000001'"),
        ("", "ALTER TABLE data ADD COLUMN twice AS (value || id)"),
    ],
)
def test_an_unexpected_shape_is_kept_as_it_is_and_restores_with_new_ids(
    bench: Workbench,
    filled: Filled,
    tmp_path: Path,
    content_of: Callable[[Path], Content],
    leave_out: LeaveOut,
    before: str,
    after: str,
) -> None:
    path = tmp_path / "device.db"
    source = filled(path, 300, before=before, after=after)
    read = bench.read(path, leave_out)
    assert read.image.id_column is None
    assert read.image.left_out == ()
    assert bench.image_bytes(read.image) == path.read_bytes()
    if "twice" not in after:  # a column that is made of the id changes with it
        bench.check(source, read)
    assert content_of(path) == source


def test_a_generated_column_follows_the_new_id(
    bench: Workbench, filled: Filled, tmp_path: Path
) -> None:
    path = tmp_path / "device.db"
    filled(path, 10, after="ALTER TABLE data ADD COLUMN twice AS ('_' || id)")
    made = bench.rebuild(bench.read(path))
    with contextlib.closing(sqlite3.connect(made)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT id, twice FROM data").fetchall()
    assert len(rows) == 10
    assert all(twice == f"_{own}" for own, twice in rows)


def test_triggers_are_kept_and_do_not_run_where_ids_are_renewed(
    bench: Workbench, filled: Filled, tmp_path: Path, content_of: Callable[[Path], Content]
) -> None:
    """A generated column leaves only SQL to renew ids, and SQL runs triggers."""
    path = tmp_path / "device.db"
    triggers = [
        'CREATE TRIGGER "so ""called""" AFTER UPDATE ON DATA BEGIN DELETE FROM data; END',
        "CREATE TRIGGER never BEFORE UPDATE OF id ON data BEGIN SELECT raise(ABORT, 'no'); END",
    ]
    twice = "ALTER TABLE data ADD COLUMN twice AS (value || 2)"
    filled(path, 10, after=";".join([twice, *triggers]))
    made = bench.rebuild(bench.read(path))
    assert content_of(made).rows == content_of(path).rows
    with contextlib.closing(sqlite3.connect(made)) as connection:
        kept = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        assert [sql for (sql,) in kept] == triggers
        assert connection.execute("SELECT count(DISTINCT id) FROM data").fetchone() == (10,)


@pytest.mark.parametrize("reserved", [1, 32])
def test_reserved_bytes_are_kept_as_they_are(
    bench: Workbench, filled: Filled, tmp_path: Path, reserved: int
) -> None:
    path, plain = tmp_path / "device.db", tmp_path / "plain.db"
    filled(plain, 300)
    # SQLite takes the number of reserved bytes from the header of an empty database.
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    raw = bytearray(path.read_bytes())
    raw[20] = reserved
    raw[105:107] = (len(raw) - reserved).to_bytes(2, "big")
    path.write_bytes(raw)
    source = filled(path, 300)
    assert parse_header(path.read_bytes()[:HEADER_SIZE], path.stat().st_size).reserved == reserved
    read = bench.read(path)
    assert read.image.id_column is None
    bench.check(source, read)


@pytest.mark.parametrize(
    "tail", [" WITHOUT ROWID", " STRICT, WITHOUT ROWID", " without  rowid -- (so)"]
)
def test_a_table_without_rowids_gets_new_ids_in_the_order_of_the_old(
    bench: Workbench,
    table: Callable[..., None],
    content_of: Callable[[Path], Content],
    tmp_path: Path,
    tail: str,
) -> None:
    path = tmp_path / "device.db"
    columns = ["`id` TEXT", "`variable` TEXT", "`value` TEXT", "`time` INTEGER"]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        table(connection, columns, tail=tail)
        connection.executemany(
            "INSERT INTO data VALUES (?, ?, 'x', ?)",
            [(f"715e{n * 7919 % 1009:020x}", f"v{n}", n) for n in range(200)],
        )
        connection.execute("COMMIT")
    source = content_of(path)
    read = bench.read(path)
    assert read.image.id_column is None
    bench.check(source, read)


@pytest.mark.parametrize("leave_out", [LeaveOut.PRIMARY_KEY, LeaveOut.ALL])
@pytest.mark.parametrize(
    "after",
    [
        "",
        "VACUUM",
        "DELETE FROM data",
        "DELETE FROM data; VACUUM",
        "DELETE FROM data WHERE rowid BETWEEN 50 AND 250",
        NEW_ROW.format(rowid=(1 << 40) - 1, id="'715e00000000000000000000'"),
        "ANALYZE",
        "UPDATE data SET value = hex(zeroblob(300)) WHERE rowid % 4 = 0",
        "ALTER TABLE data ADD COLUMN later TEXT DEFAULT 'x'",
        "ALTER TABLE data DROP COLUMN serie",
        "CREATE UNIQUE INDEX once ON data (created_at DESC, variable COLLATE NOCASE)",
        "DROP INDEX data_time_index",
        "INSERT INTO data (id, time) VALUES ('715e00000000000000000000', CAST(x'ff' AS TEXT))",
    ],
)
def test_an_expected_shape_is_kept_as_a_canonical_image(
    bench: Workbench, filled: Filled, tmp_path: Path, leave_out: LeaveOut, after: str
) -> None:
    path = tmp_path / "device.db"
    source = filled(path, 300, after=after)
    read = bench.read(path, leave_out)
    assert read.image.id_column == 0
    assert "sqlite_autoindex_data_1" in read.image.left_out
    assert (len(read.image.left_out) > 1) is (leave_out is LeaveOut.ALL)
    bench.check(source, read)


@pytest.mark.parametrize("leave_out", [LeaveOut.PRIMARY_KEY, LeaveOut.ALL])
def test_the_image_has_none_of_the_ids_and_nothing_of_free_pages(
    bench: Workbench, filled: Filled, tmp_path: Path, leave_out: LeaveOut
) -> None:
    path = tmp_path / "device.db"
    filled(path, 3000, before="PRAGMA secure_delete = OFF")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE data SET metadata = hex('gone-for-good') WHERE rowid > 300")
        connection.execute("VACUUM")  # now leaves hold rows and nothing else
        ids = [own.encode() for (own,) in connection.execute("SELECT id FROM data")]
    canary, raw = b"gone-for-good".hex().upper().encode(), path.read_bytes()
    assert canary in raw
    assert all(own in raw for own in ids)
    image = bench.image_bytes(bench.read(path, leave_out).image)
    assert canary in image
    assert not any(own in image for own in ids)

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM data WHERE rowid > 100")
    before = path.read_bytes().count(canary)
    after = bench.image_bytes(bench.read(path, leave_out).image).count(canary)
    assert before > 2000
    assert after < 50  # in the unused space of the last leaf, which is no free page


def test_an_image_depends_on_the_rows_and_not_on_their_ids(
    bench: Workbench, filled: Filled, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    filled(one, 500)
    other.write_bytes(one.read_bytes())
    with contextlib.closing(sqlite3.connect(other, isolation_level=None)) as connection:
        connection.execute("UPDATE data SET id = '715d' || substr(id, 5)")
    images = [bench.image_bytes(bench.read(path).image) for path in (one, other)]
    size = parse_header(images[0][:HEADER_SIZE], len(images[0])).page_size
    # The first page counts changes; the pages that hold the table and the other indexes agree.
    with contextlib.closing(sqlite3.connect(one)) as connection:
        roots = [root for (root,) in connection.execute("SELECT rootpage FROM sqlite_schema")]
    for root in roots:
        page = slice((root - 1) * size, root * size)
        assert images[0][page] == images[1][page]


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_a_free_list_of_many_trunks_is_read_and_written(
    bench: Workbench, filled: Filled, tmp_path: Path, page_size: int
) -> None:
    path = tmp_path / "device.db"
    pages = 3 * trunk_capacity(512) + 5 if page_size == 512 else 20
    source = filled(
        path,
        300,
        page_size=page_size,
        after="CREATE TABLE gone (x);"
        f"INSERT INTO gone WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {pages}) SELECT zeroblob({page_size - 100}) FROM n; DROP TABLE gone;",
    )
    header = parse_header(path.read_bytes()[:HEADER_SIZE], path.stat().st_size)
    assert header.free_count >= pages
    for leave_out in EVERY_CHOICE:
        bench.check(source, bench.read(path, leave_out))


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
@pytest.mark.parametrize("page_size", [512, 4096])
def test_long_values_and_long_index_entries_keep_their_overflow_pages(
    bench: Workbench, filled: Filled, tmp_path: Path, page_size: int, leave_out: LeaveOut
) -> None:
    path = tmp_path / "device.db"
    source = filled(
        path,
        200,
        page_size=page_size,
        long=3 * page_size,
        after=f"UPDATE data SET value = hex(zeroblob({page_size})) || rowid WHERE rowid % 5 = 0;"
        f"UPDATE data SET `group` = hex(zeroblob(4 * {page_size})) WHERE rowid % 50 = 0",
    )
    bench.check(source, bench.read(path, leave_out))


def test_a_row_that_is_only_in_the_wal_is_in_the_backup(
    bench: Workbench, filled: Filled, tmp_path: Path, content_of: Callable[[Path], Content]
) -> None:
    path = tmp_path / "device.db"
    filled(path, 300)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("PRAGMA journal_mode = WAL")
        held.execute("PRAGMA wal_autocheckpoint = 0")
        before = path.read_bytes()
        held.execute(NEW_ROW.format(rowid=700, id="'715e00000000000000000000'"))
        assert path.read_bytes() == before
        source = content_of(path)
        read = bench.read(path)
        assert len(source.rows) == 301
        bench.check(source, read)
    assert list(tmp_path.glob("tmp*")) == []


def test_a_hot_journal_is_rolled_back_before_the_file_is_read(
    bench: Workbench, filled: Filled, tmp_path: Path
) -> None:
    """A writer was killed: some pages are written, the first tells of pages that are not there."""
    path, killed = tmp_path / "device.db", tmp_path / "killed.db"
    source = filled(path, 2000)
    before = path.read_bytes()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute(filled.more(2001, 4000))
        connection.execute("UPDATE data SET value = 'uncommitted'")
        raw = bytearray(path.read_bytes())
        journal = Path(f"{path}-journal").read_bytes()
        connection.execute("ROLLBACK")
    assert bytes(raw) != before
    raw[24:32] = (len(raw) // 4096 + 900).to_bytes(4, "big") * 2
    raw[92:96] = raw[24:28]
    killed.write_bytes(raw)
    Path(f"{killed}-journal").write_bytes(journal)
    bench.check(source, bench.read(killed))
    assert killed.read_bytes() == before


def test_a_file_that_a_writer_holds_is_busy(
    bench: Workbench, filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveFile, "patience", 0.0)
    path = tmp_path / "device.db"
    filled(path, 10)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Busy, match=r"device\.db was held by a writer"):
            bench.read(path)


def test_reading_leaves_the_file_as_it_was(
    bench: Workbench, filled: Filled, tmp_path: Path
) -> None:
    path = tmp_path / "device.db"
    filled(path, 300)
    before, status = path.read_bytes(), path.stat()
    bench.read(path)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert [item.name for item in tmp_path.iterdir()] == ["device.db"]


def test_the_times_of_the_first_and_last_variable_are_told(
    bench: Workbench, filled: Filled, tmp_path: Path
) -> None:
    path = tmp_path / "device.db"
    filled(path, 300)
    read = bench.read(path)
    assert (read.first, read.last) == (1700000060000, 1700018000000)
    empty = tmp_path / "empty.db"
    filled(empty, 0)
    read = bench.read(empty)
    assert (read.first, read.last, read.rows) == (None, None, 0)


def damaged_files(path: Path, kind: str) -> None:
    """Damage a database of 3,000 rows."""
    raw = bytearray(path.read_bytes())
    if kind == "empty":
        raw = bytearray()
    elif kind == "not a database":
        raw[:16] = b"something else.."
    elif kind == "cut":
        raw = raw[: len(raw) // 2]
    elif kind == "cut in the header":
        raw = raw[:60]
    elif kind == "leaf zeroed":
        leaves = [at for at in range(0, len(raw), 4096) if raw[at] == 0x0D]
        raw[leaves[3] : leaves[3] + 4096] = bytes(4096)
    elif kind == "interior page points nowhere":
        at = next(at for at in range(4096, len(raw), 4096) if raw[at] == 0x05)
        raw[at + 8 : at + 12] = (1 << 30).to_bytes(4, "big")
    elif kind == "no table":
        path.unlink()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other (x)")
        return
    path.write_bytes(raw)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "not a database",
        "cut",
        "cut in the header",
        "leaf zeroed",
        "interior page points nowhere",
        "no table",
    ],
)
@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
def test_a_damaged_file_is_named(
    bench: Workbench,
    filled: Filled,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
    leave_out: LeaveOut,
    large: bool,
) -> None:
    if large:
        request.getfixturevalue("small_slices")
    path = tmp_path / "device.db"
    filled(path, 3000)
    damaged_files(path, kind)
    with pytest.raises(SourceDamaged, match=r"device\.db"):
        bench.read(path, leave_out)


def test_what_is_no_file_is_named(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged, match=r"missing\.db is missing"):
        bench.read(tmp_path / "missing.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(SourceDamaged, match=r"folder\.db is not a regular file"):
        bench.read(tmp_path / "folder.db")
    os.mkfifo(tmp_path / "pipe.db")
    with pytest.raises(SourceDamaged, match=r"pipe\.db is not a regular file"):
        bench.read(tmp_path / "pipe.db")


def test_random_damage_of_a_file_never_raises_anything_unexpected(
    bench: Workbench, filled: Filled, tmp_path: Path
) -> None:
    path = tmp_path / "device.db"
    filled(path, 60, page_size=512, long=300)
    whole = path.read_bytes()
    dice = np.random.default_rng(1)
    for _ in range(150):
        raw = np.frombuffer(whole, np.uint8).copy()
        where = dice.integers(100, raw.size, 6)
        raw[where] = dice.choice([0x00, 0x81, 0xFF, 0x7F, 0x0D], 6)
        path.write_bytes(raw.tobytes())
        with contextlib.suppress(SourceDamaged):
            read = bench.read(path, LeaveOut.ALL)
            assert read.image.size == len(whole)
