"""Rows of two images are told apart by the pages that differ, just as reading all of them would."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.compare.child import Pair
from engine.compare.images import compare_images
from engine.compare.tables import compare_tables
from engine.errors import RepositoryDamaged
from engine.model import LeaveOut, RowChanges
from engine.pages.header import NotCanonical
from engine.project.tables import read_text
from engine.repository.chunk_reader import ChunkLost

if TYPE_CHECKING:
    from snapshot_support import Filled, MemoryStorage, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]

Change = Callable[[sqlite3.Connection], object]
INSERT = "INSERT INTO data (id, variable, value, time) VALUES (hex(randomblob(12)), ?, ?, ?)"


def contents(path: Path) -> dict[object, object]:
    """Every row by its number, without its id, all values with their types."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = read_text
        names = [row[1] for row in connection.execute("PRAGMA table_info(data)") if row[1] != "id"]
        listed = ", ".join(f'"{name}", typeof("{name}")' for name in sorted(names))
        rows = connection.execute(f"SELECT rowid, {listed} FROM data")
        return {number: repr(values) for number, *values in rows}


def compared(
    bench: Workbench,
    path: Path,
    change: Change,
    *,
    by_pages: bool,
    leave_out: LeaveOut = LeaveOut.PRIMARY_KEY,
) -> RowChanges:
    """Change a database between two backups; what differs, found in both ways where it can be."""
    first, before = bench.read(path, leave_out), contents(path)
    with closing(sqlite3.connect(path)) as connection:
        change(connection)
        connection.commit()
    second, after = bench.read(path, leave_out), contents(path)
    both = before.keys() & after.keys()
    expected = RowChanges(
        len(after) - len(both),
        len(before) - len(both),
        sum(before[number] != after[number] for number in both),
    )
    pair = Pair(first.image, second.image, first.rows, second.rows, "Device 'pump'")
    assert compare_tables(bench.reader(), pair, bench.folder) == expected
    if by_pages:
        assert compare_images(bench.reader(), pair) == expected
    else:
        with pytest.raises(NotCanonical):
            compare_images(bench.reader(), pair)
    return expected


def many_kinds(connection: sqlite3.Connection) -> None:
    """Rows of every kind, on pages that have to be split, joined, and given back."""
    rng = random.Random(3)
    numbers = [number for (number,) in connection.execute("SELECT rowid FROM data")]
    gone = rng.sample(numbers, 400)
    connection.executemany("DELETE FROM data WHERE rowid = ?", [(each,) for each in gone])
    again = [(each, f"{each:024x}", "x" * rng.randint(0, 900)) for each in gone[:200]]
    connection.executemany("INSERT INTO data (rowid, id, value) VALUES (?, ?, ?)", again)
    for number in rng.sample(numbers, 50):
        value = rng.choice(["x" * 700, "a\0b", "🌡️", b"\x00\xff", None])
        connection.execute("UPDATE data SET value = ? WHERE rowid = ?", (value, number))
    rows = [("new", 1e308, -n) for n in range(300)]
    connection.executemany(INSERT, rows)
    connection.execute("UPDATE data SET id = hex(randomblob(12)) WHERE rowid > 2500")
    connection.execute("DELETE FROM data WHERE rowid BETWEEN 1000 AND 1600")


@pytest.mark.parametrize("leave_out", list(LeaveOut))
def test_every_kind_of_change_is_found_by_pages(
    bench: Workbench, filled: Filled, leave_out: LeaveOut
) -> None:
    path = bench.folder / "pump.db"
    filled(path, 4_000)
    usual = leave_out is not LeaveOut.NONE  # then it is no canonical image
    found = compared(bench, path, many_kinds, by_pages=usual, leave_out=leave_out)
    assert all(count > 40 for count in found)


def test_long_rows_are_compared_to_their_ends(bench: Workbench, filled: Filled) -> None:
    path = bench.folder / "pump.db"
    filled(path, 400, long=9_000)

    def add(connection: sqlite3.Connection) -> None:
        connection.executemany(INSERT, [("long", f"{n}{'y' * 30_000}", n) for n in range(20)])
        connection.execute("DELETE FROM data WHERE rowid = 20")

    assert compared(bench, path, add, by_pages=True) == (20, 1, 0)

    def alter(connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE data SET metadata = substr(metadata, 1, 12000) || 'Z' ||"
            " substr(metadata, 12002) WHERE rowid = 40"
        )

    first = bench.read(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        alter(connection)
    second = bench.read(path)
    pair = Pair(first.image, second.image, first.rows, second.rows, "Device 'pump'")
    try:  # whether its leaf differs, too, is up to SQLite
        assert compare_images(bench.reader(), pair) == (0, 0, 1)
    except NotCanonical:
        assert compare_tables(bench.reader(), pair, bench.folder) == (0, 0, 1)


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE data ADD COLUMN extra TEXT", "UPDATE data SET extra = 'x' WHERE rowid < 9"],
        ["DROP INDEX data_group_index", "DELETE FROM data WHERE rowid = 7"],
        ["PRAGMA page_size = 8192", "DELETE FROM data WHERE rowid < 5", "VACUUM"],
        ["CREATE TABLE other (x)", "DELETE FROM data WHERE rowid < 5"],
    ],
    ids=["a column", "an index", "another page size", "another table"],
)
def test_a_file_of_another_shape_is_compared_row_by_row(
    bench: Workbench, filled: Filled, statements: list[str]
) -> None:
    path = bench.folder / "pump.db"
    filled(path, 2_000)

    def change(connection: sqlite3.Connection) -> None:
        connection.isolation_level = None
        for statement in statements:
            connection.execute(statement)

    first, before = bench.read(path), contents(path)
    with closing(sqlite3.connect(path)) as connection:
        change(connection)
    second, after = bench.read(path), contents(path)
    pair = Pair(first.image, second.image, first.rows, second.rows, "Device 'pump'")
    with pytest.raises(NotCanonical):
        compare_images(bench.reader(), pair)
    found = compare_tables(bench.reader(), pair, bench.folder)
    assert (found.added, found.removed) == (0, len(before) - len(after))
    assert found.changed == (8 if "extra" in statements[0] else 0)


def test_tables_without_numbers_are_compared_by_their_ids(bench: Workbench) -> None:
    path = bench.folder / "odd.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE data (id TEXT PRIMARY KEY, value) WITHOUT ROWID")
        connection.executemany("INSERT INTO data VALUES (?, -1)", [("a",), ("b",), ("c",)])
    first = bench.read(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM data WHERE id = 'a'")
        connection.execute("UPDATE data SET value = -2 WHERE id = 'b'")
        connection.execute("INSERT INTO data VALUES ('d', 1)")
        connection.execute("INSERT INTO data VALUES ('e', 1)")
    second = bench.read(path)
    pair = Pair(first.image, second.image, first.rows, second.rows, "Device 'odd'")
    assert compare_tables(bench.reader(), pair, bench.folder) == (2, 1, 1)


def test_damage_is_named(bench: Workbench, filled: Filled, memory_storage: MemoryStorage) -> None:
    path = bench.folder / "pump.db"
    filled(path, 2_000)
    first = bench.read(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM data WHERE rowid = 7")
    second = bench.read(path)
    assert isinstance(bench.storage, type(memory_storage))
    for name in [each for each in bench.storage.objects if each.startswith("packs/")]:
        bench.storage.objects[name] = bench.storage.objects[name][:-1]
    pair = Pair(first.image, second.image, first.rows, second.rows, "Device 'pump'")
    with pytest.raises(ChunkLost):
        compare_images(bench.reader(), pair)
    with pytest.raises(RepositoryDamaged, match="Device 'pump' cannot be read"):
        compare_tables(bench.reader(), pair, bench.folder)
