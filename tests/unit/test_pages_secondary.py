"""The indexes that are built page by page are those that SQLite builds."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import LeaveOut
from engine.pages.btree import PADDING, Ints
from engine.pages.canonical import apply, plan_image
from engine.pages.header import HEADER_SIZE, parse_header
from engine.pages.ids import table_leaves, write_ids
from engine.pages.shape import read_shape
from engine.rebuild import complete as completing
from engine.rebuild.pages import PagesInMemory

PREFIX = b"715fabcdef0123"
# As a device's table has them, and beside these what TagoCore might come to have.
DEVICE = ("variable, value, time", "variable, time", "time", '"group"')
Value = str | int | float | bytes | None
Row = tuple[Value, Value, Value, Value]
OF_INDEXES = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"


def database(
    rows: Sequence[tuple[int, Row]], page_size: int, indexes: Sequence[str] = DEVICE
) -> bytes:
    """A device's database with these rows, in the order of their writing, and full indexes."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(
            'CREATE TABLE data (id varchar(24), variable varchar(100), value text, "group"'
            " varchar(24), time datetime, primary key (id))"
        )
        for number, columns in enumerate(indexes):
            connection.execute(f"CREATE INDEX index_{number} ON data ({columns})")
        connection.execute("BEGIN")
        connection.executemany(
            'INSERT INTO data (rowid, id, variable, value, "group", time)'
            " VALUES (?, ?, ?, ?, ?, ?)",
            [(rowid, f"{rowid:024x}", *row) for rowid, row in rows],
        )
        connection.execute("COMMIT")
        return connection.serialize()


def restored(raw: bytes) -> tuple[PagesInMemory, list[str]]:
    """The database made again of its image without indexes, and those that SQLite had to build."""
    header = parse_header(raw[:HEADER_SIZE], len(raw))
    size = header.page_size
    pages = np.frombuffer(raw, np.uint8).reshape(-1, size)

    def read(numbers: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return pages[numbers - 1]

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(raw)
        shape = read_shape(connection)
    plan = plan_image(read, header, shape, LeaveOut.ALL, raw[:size])
    flat = np.concatenate([pages.reshape(-1), np.zeros(PADDING, np.uint8)])
    lookalikes = apply(plan, 1, flat).lookalikes
    leaves = table_leaves(flat, size, pages.shape[0], 1, lookalikes)
    runs = write_ids(flat, size, leaves, shape.id_column, PREFIX)
    made = PagesInMemory(flat[: len(raw)], size)
    by_sqlite: list[str] = []
    build = completing._build_others

    def told(*given: object) -> object:
        left = build(*given)  # type: ignore[arg-type]  # what it is called with
        by_sqlite.extend(index.name for index in left)
        return left

    left_out = tuple(index.name for index in shape.left_out(LeaveOut.ALL))
    with patch.object(completing, "_build_others", told):
        completing.complete(made, [runs], PREFIX, left_out)
    return made, by_sqlite


def entries(connection: sqlite3.Connection) -> Iterator[tuple[str, list[tuple[Value, ...]]]]:
    """The entries of each index, in its order."""
    for (name,) in connection.execute(OF_INDEXES).fetchall():
        keys = [
            f'"{key}"'
            for (key,) in connection.execute("SELECT name FROM pragma_index_info(?)", (name,))
        ]
        columns = ", ".join([*keys, "rowid"])
        yield (
            name,
            connection.execute(
                f"SELECT {columns} FROM data INDEXED BY {name} ORDER BY {columns}"
            ).fetchall(),
        )


def check(raw: bytes) -> list[str]:
    """Check that a database made again is sound and whole; gives what SQLite had to build."""
    made, by_sqlite = restored(raw)
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as source,
        contextlib.closing(sqlite3.connect(":memory:")) as copy,
    ):
        source.deserialize(raw)
        copy.deserialize(made.data.tobytes())
        copy.execute("PRAGMA cell_size_check = ON")
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert dict(entries(copy)) == dict(entries(source))
        # What is built can be changed: nothing of a page is where SQLite does not expect it.
        copy.execute("DELETE FROM data WHERE rowid % 3 = 0")
        copy.execute("UPDATE data SET variable = variable || 'x', time = time + 1")
        copy.execute(
            'INSERT INTO data (id, variable, value, "group", time)'
            " SELECT id || 'n', variable, value, \"group\", time FROM data"
        )
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return by_sqlite


texts = st.text(max_size=30) | st.sampled_from(["", "a", "a\0", "a\0\0", "ab", "7", "ü", "\0" * 9])
numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [sign * (1 << bits) + more for bits in (0, 7, 15, 23, 31, 47, 62) for sign in (1, -1)
     for more in (-1, 0, 1)]
)  # fmt: skip
plain_values = texts | numbers | st.none()
rows_of_plain_values = st.lists(
    st.tuples(texts | st.none(), plain_values, texts | st.none(), numbers | texts | st.none())
)
rowids = st.integers(0, 2**40 - 1) | st.integers(0, 300)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_every_index_is_as_sqlite_would_build_it(data: st.DataObject) -> None:
    page_size = data.draw(st.sampled_from([512, 1024, 4096, 65536]))
    rows = data.draw(rows_of_plain_values)
    chosen = data.draw(st.lists(rowids, min_size=len(rows), max_size=len(rows), unique=True))
    copies = data.draw(st.integers(1, 5))
    many = {
        (rowid + copy * 1009) % 2**40: row
        for copy in range(copies)
        for rowid, row in zip(chosen, rows, strict=True)
    }
    assert check(database(list(many.items()), page_size)) == [] or page_size == 512


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            *[plain_values | st.floats(allow_nan=False) | st.binary(max_size=20)
              | st.integers(0, 3000).map(lambda length: "x" * length)] * 4
        )
    )
)  # fmt: skip
def test_what_is_not_known_sqlite_builds(rows: list[Row]) -> None:
    check(database(list(enumerate(rows, 1)), 4096))


def measurements(count: int) -> list[tuple[int, Row]]:
    """Rows as a device has them: some variables, values and groups that come again."""
    chance = np.random.default_rng(7)
    rows: list[tuple[int, Row]] = []
    variables = ("temperature", "humidity", "door_open", "a variable with quite a long name")
    for number in range(count):
        row: Row = (
            variables[number % 4],
            f"{chance.integers(0, 9000) / 100:g}",
            f"{chance.integers(0, count // 4):024x}",
            1_788_220_800_000 + int(chance.integers(0, 10**9)),
        )
        rows.append((number + 1, row))
    return rows


@pytest.mark.parametrize("page_size", [512, 4096])
def test_a_device_needs_nothing_of_sqlite(page_size: int) -> None:
    assert check(database(measurements(5000), page_size)) == []


def test_rows_that_were_written_in_any_order() -> None:
    rows = measurements(3000)
    shuffled = [rows[place] for place in np.random.default_rng(3).permutation(len(rows))]
    assert check(database(shuffled, 1024)) == []


@pytest.mark.parametrize(
    "index", ["time DESC", "variable COLLATE NOCASE", "value COLLATE RTRIM, time"]
)
def test_an_index_in_another_order_is_left_to_sqlite(index: str) -> None:
    assert check(database(measurements(500), 4096, [*DEVICE, index])) == ["index_4"]


def test_an_empty_table() -> None:
    assert check(database([], 4096)) == []


@pytest.mark.parametrize(
    ("default", "by_sqlite"), [("", []), (" DEFAULT 7", ["index_4", "index_5"])]
)
def test_rows_that_lack_a_column(default: str, by_sqlite: list[str]) -> None:
    """Written before the table had it: as in TagoCore's tables that an update has changed."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(database(measurements(500), 4096))
        connection.execute(f"ALTER TABLE data ADD COLUMN updated_at datetime{default}")
        connection.execute("CREATE INDEX index_4 ON data (updated_at)")
        connection.execute("CREATE INDEX index_5 ON data (variable, updated_at)")
        connection.execute("UPDATE data SET updated_at = -rowid WHERE rowid % 3 = 0")
        raw = connection.serialize()
    assert check(raw) == by_sqlite


def test_long_entries_fill_pages() -> None:
    """Few to a page, and each of another length: what is too much of one is never seen."""
    rows: list[tuple[int, Row]] = [
        (number, ("v", "x" * (number * 7 % 700), f"{number % 5:024x}", number))
        for number in range(1, 800)
    ]
    assert check(database(rows, 4096)) == []
