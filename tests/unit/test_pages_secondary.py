"""The indexes that are built page by page are those that SQLite builds."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RepositoryDamaged
from engine.model import LeaveOut
from engine.pages.btree import PADDING, TABLE_LEAF, Bytes, Ints
from engine.pages.canonical import apply, plan_image
from engine.pages.header import HEADER_SIZE, NotCanonical, lock_page_of, parse_header
from engine.pages.ids import Runs, table_leaves, to_runs, write_ids
from engine.pages.shape import Index, read_shape
from engine.pages.slices import slices
from engine.rebuild import complete as completing
from engine.rebuild import large, tasks
from engine.rebuild.child import create_file
from engine.rebuild.databases import Slice, spool_of
from engine.rebuild.gathering import STAYED, Moves, place
from engine.rebuild.pages import PagesInFile, PagesInMemory
from engine.rebuild.results import Arranged, Arrangement, Limits, Rebuild
from engine.repository.manifest import Image

PREFIX = b"715fabcdef0123"
# As a device's table has them, and beside these what TagoCore might come to have.
DEVICE = ("variable, value, time", "variable, time", "time", '"group"')
PAGES_PER_SLICE = 11
FEW = Limits(leaves=8192, rows=60, bytes=3000)  # so that a few hundred rows make several parts
P = ParamSpec("P")
T = TypeVar("T")
Value = str | int | float | bytes | None
Row = tuple[Value, Value, Value, Value]
OF_INDEXES = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"


def database(
    rows: Sequence[tuple[int, Row]],
    page_size: int,
    indexes: Sequence[str] = DEVICE,
    kind: str = "text",
) -> bytes:
    """A device's database with these rows, in the order of their writing, and full indexes."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(
            f'CREATE TABLE data (id varchar(24), variable varchar(100), value {kind}, "group"'
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


def image_of(raw: bytes) -> tuple[Image, Bytes, Runs]:
    """The image of a database without indexes, its bytes with new ids, and its rowids."""
    header = parse_header(raw[:HEADER_SIZE], len(raw))
    size = header.page_size
    pages = np.frombuffer(raw, np.uint8).reshape(-1, size)

    def read(numbers: Ints) -> Bytes:
        return pages[numbers - 1]

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(raw)
        shape = read_shape(connection)
    plan = plan_image(read, header, shape, LeaveOut.ALL, raw[:size])
    flat = np.concatenate([pages.reshape(-1), np.zeros(PADDING, np.uint8)])
    lookalikes = apply(plan, 1, flat).lookalikes
    leaves = table_leaves(flat, size, pages.shape[0], 1, lookalikes)
    runs = write_ids(flat, size, leaves, shape.id_column, PREFIX)
    left_out = tuple(index.name for index in shape.left_out(LeaveOut.ALL))
    looks = tuple(lookalikes.tolist())
    image = Image(size, pages.shape[0], (), shape.id_column, left_out, looks, 0)
    return image, flat[: len(raw)], runs


def runs_that_are_left(index: Arranged) -> list[str]:
    """The files of an index's runs that are still there."""
    return [file for file in index.files if Path(file).exists()]


class Here:
    """Runs the tasks of children in this process, and keeps what SQLite has to build.

    What goes through the parent must have no arrays in it: they grow with the database.
    """

    def __init__(self) -> None:
        self.by_sqlite: list[str] = []

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if task is tasks.finish:
            arranged = args[1]
            assert isinstance(arranged, Arrangement)
            self.by_sqlite += [index.name for index in arranged.left]
        if task is tasks.join:
            index = args[1]
            assert isinstance(index, Arranged)
            assert runs_that_are_left(index) == []
        result = task(*args, **kwargs)
        assert b"numpy" not in pickle.dumps((args, result))
        return result


def write_with_leaves_together(image: Image, data: Bytes, path: Path) -> Iterator[Moves]:
    """Write an image in slices of a few pages, as `write_slice` does."""
    size = image.page_size
    create_file(path, image.size)
    file = PagesInFile(path, size)
    for first, count in slices(image.page_count, PAGES_PER_SLICE):
        flat = np.zeros(count * size + PADDING, np.uint8)
        flat[: count * size] = data[(first - 1) * size : (first - 1 + count) * size]
        looks = np.array(image.lookalikes, np.int64)
        leaves = table_leaves(flat, size, count, first, looks)
        pages = flat[: count * size].reshape(count, size)
        placed = place(pages, leaves, first, lock_page_of(size))
        file.write(placed.numbers, pages[placed.pages])
        yield placed.moves


def restored_in_parts(raw: bytes, limits: Limits) -> tuple[bytes, list[str]]:
    """The database made again as a large one, and the indexes that SQLite had to build."""
    return made_in_parts(*image_of(raw), limits)


def made_in_parts(image: Image, data: Bytes, runs: Runs, limits: Limits) -> tuple[bytes, list[str]]:
    here = Here()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "device.db")
        job = Rebuild(image, str(path), PREFIX, runs.rows, "Device 'pump'")
        moves = write_with_leaves_together(image, data, path)
        spool = spool_of(job)
        none = to_runs(np.empty(0, np.int64))
        written = [spool.put(Slice(none, each)) for each in moves]
        written.append(spool.put(Slice(runs, STAYED)))
        asyncio.run(large.build_indexes(here, job, written, limits))
        return path.read_bytes(), here.by_sqlite


def restored_in_memory(raw: bytes) -> tuple[bytes, list[str]]:
    """The database made again as a small one, and the indexes that SQLite had to build."""
    image, data, runs = image_of(raw)
    made = PagesInMemory(data, image.page_size)
    by_sqlite: list[str] = []
    build = completing.build_by_sqlite

    def told(pages: PagesInMemory, indexes: Sequence[Index]) -> None:
        by_sqlite.extend(index.name for index in indexes)
        build(pages, indexes)

    with patch.object(completing, "build_by_sqlite", told):
        completing.complete(made, [runs], PREFIX, image.left_out)
    return made.data.tobytes(), by_sqlite


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


def check(raw: bytes, limits: Limits = FEW) -> list[str]:
    """Check that a database is made again sound and whole; gives what SQLite had to build.

    Both ways of building indexes are checked: in memory, and in parts of the size `limits`.
    """
    in_memory, by_sqlite = restored_in_memory(raw)
    in_parts, also_by_sqlite = restored_in_parts(raw, limits)
    assert by_sqlite == also_by_sqlite
    check_made(raw, in_memory)
    check_made(raw, in_parts)
    return by_sqlite


def check_made(raw: bytes, made: bytes) -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as source,
        contextlib.closing(sqlite3.connect(":memory:")) as copy,
    ):
        source.deserialize(raw)
        copy.deserialize(made)
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


reals = st.floats(allow_nan=False) | st.sampled_from(
    [sign * 2.0**bits + more for bits in (0, 31, 52, 53, 63, 64) for sign in (1, -1)
     for more in (0, 0.5, 1, 2048)] + [-0.0, float("inf"), float("-inf")]
)  # fmt: skip
any_values = plain_values | reals | st.binary(max_size=20)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(any_values, any_values, any_values, any_values), max_size=200),
    st.sampled_from(["numeric", "text", "blob", "integer"]),
)
def test_values_of_all_kinds(rows: list[Row], kind: str) -> None:
    indexes = ("variable, value, time", "value", "time, variable", '"group"')
    raw = database(list(enumerate(rows, 1)), 1024, indexes, kind)
    assert check(raw) == []


def test_integers_and_reals_that_are_nearly_equal() -> None:
    """As a real, 2**53 + 1 is 2**53; they are compared by what they are."""
    values: list[Value] = [sign * (2**53 + more) for sign in (1, -1) for more in range(-2, 4)]
    values += [float(value) for value in values if isinstance(value, int)]
    values += [2**63 - 1, 2**63 - 512, -(2**63), 2.0**63, -(2.0**63), 2.0**63 - 1024, 0, -0.0, 0.5]
    shuffled = np.random.default_rng(5).permutation(len(values) * 20) % len(values)
    rows: list[tuple[int, Row]] = [
        (place, ("v", values[number], None, None)) for place, number in enumerate(shuffled, 1)
    ]
    assert check(database(rows, 1024, ["value", "variable, value, time"], "blob")) == []


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(*[any_values | st.integers(0, 3000).map(lambda length: "x" * length)] * 4))
)
def test_what_is_not_known_sqlite_builds(rows: list[Row]) -> None:
    check(database(list(enumerate(rows, 1)), 4096))


def test_real_numbers_that_a_table_keeps_as_integers_are_left_to_sqlite() -> None:
    rows: list[tuple[int, Row]] = [(n, ("v", n / 2, "g", n)) for n in range(1, 300)]
    raw = database(rows, 4096, ["time", "value"], "double precision")
    assert check(raw) == ["index_1"]


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


@pytest.mark.parametrize("page_size", [512, 4096])
def test_rows_that_go_on_on_other_pages(page_size: int) -> None:
    """The time stands behind a value that is now and then too long for a page."""
    rows: list[tuple[int, Row]] = [
        (number, ("v" * (number % 4), "x" * (number * 997 % 30_000), f"{number % 5}", -number % 97))
        for number in range(1, 200)
    ]
    assert check(database(rows, page_size, ["time, variable", '"group"', "variable"])) == []


def test_rows_that_go_on_on_pages_that_look_free() -> None:
    """Their last pages are all zeros, and leaves of the table are put where nothing seems to be."""
    rows: list[tuple[int, Row]] = [
        (number, ("v" * (number % 50), "\0" * (number % 3 * 4500), None, 1))
        for number in range(1, 900)
    ]
    assert check(database(rows, 4096, ["time, variable", '"group"'])) == []


def test_a_list_of_free_pages_that_is_all_zeros() -> None:
    """It has one page, which names no other; a leaf of the table is put there."""
    rows: list[tuple[int, Row]] = [(1, ("v", "x" * 2000, None, 1))]  # its entry goes on elsewhere
    rows += [(number, ("v", "y", "g" * 1500, 1)) for number in range(2, 9)]
    raw = database(rows, 4096, ["value"])
    image, data, _ = image_of(raw)
    header = parse_header(data[:HEADER_SIZE].tobytes(), data.size)
    pages = data.reshape(-1, image.page_size)
    assert header.free_count == 1
    assert not pages[header.first_trunk - 1].any()
    assert (pages[header.first_trunk :, 0] == TABLE_LEAF).any()
    assert check(raw) == ["index_0"]


@pytest.mark.parametrize("page", [0, 1, 9999])
def test_a_row_that_goes_on_nowhere_is_told(page: int) -> None:
    raw = database([(1, ("v", "x" * 9000, "g", 1))], 4096, ["time"])
    image, data, runs = image_of(raw)
    leaf = next(at for at in range(4096, data.size, 4096) if data[at] == TABLE_LEAF)
    data[leaf + 4092 : leaf + 4096] = list(page.to_bytes(4, "big"))  # behind the only row
    made = PagesInMemory(data, image.page_size)
    with pytest.raises(NotCanonical, match="on a page that is not there"):
        completing.complete(made, [runs], PREFIX, image.left_out)


def test_a_database_that_tells_of_fewer_pages_than_it_has_is_damaged() -> None:
    image, data, runs = image_of(database(measurements(500), 4096))
    data[28:32] = list((image.page_count - 3).to_bytes(4, "big"))
    with pytest.raises(RepositoryDamaged, match=r"^Device 'pump' cannot .* it tells of another"):
        made_in_parts(image, data, runs, FEW)


def test_long_entries_fill_pages() -> None:
    """Few to a page, and each of another length: what is too much of one is never seen."""
    rows: list[tuple[int, Row]] = [
        (number, ("v", "x" * (number * 7 % 700), f"{number % 5:024x}", number))
        for number in range(1, 800)
    ]
    assert check(database(rows, 4096)) == []
