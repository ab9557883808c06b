"""The primary key that is built page by page is the one that SQLite would find sound."""

from __future__ import annotations

import contextlib
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.pages.header import HEADER_SIZE, NotADatabase, parse_header
from engine.pages.ids import Runs, make_ids, merge_runs, to_runs
from engine.pages.index import build_index, plan_tree

PREFIX = b"715fabcdef0123"
INDEX = "sqlite_autoindex_data_1"
Ints = NDArray[np.int64]


def table_of(rowids: Ints, page_size: int) -> tuple[bytearray, int]:
    """A database whose rows have their new ids already, but nothing in the primary key's index.

    Gives its bytes and the page of that index's root.
    """
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("CREATE TABLE data (id varchar(24), value text, primary key (id))")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'index'"
        ).fetchone()
        # While the schema does not name it, SQLite does not write to the index.
        connection.execute("PRAGMA writable_schema = ON")
        (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'data'").fetchone()
        plain = sql.replace(", primary key (id)", "")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'data'", (plain,))
        connection.execute("DELETE FROM sqlite_schema WHERE type = 'index'")
        connection.execute("PRAGMA writable_schema = RESET")
        ids = make_ids(PREFIX, rowids).tobytes().decode()
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO data (rowid, id, value) VALUES (?, ?, 'v')",
            [(row, ids[24 * n : 24 * n + 24]) for n, row in enumerate(rowids.tolist())],
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'data'", (sql,))
        connection.execute(
            "INSERT INTO sqlite_schema VALUES ('index', ?, 'data', ?, NULL)", (INDEX, root)
        )
        return bytearray(connection.serialize()), root


def check_built(rowids: Ints, page_size: int) -> int:
    """Build the index of a table with these rowids, let SQLite check it; how many pages it has."""
    raw, root = table_of(rowids, page_size)
    runs = to_runs(rowids)
    tree = plan_tree(runs.rows, int(rowids[-1]) if rowids.size else 0, page_size)
    before = len(raw) // page_size
    new = np.arange(before + 1, before + tree.pages, dtype=np.int64)
    raw += bytes(page_size * (tree.pages - 1))
    raw[28:32] = (before + tree.pages - 1).to_bytes(4, "big")
    for numbers, pages in build_index(tree, runs, PREFIX, np.append(new, root)):
        for number, page in zip(numbers.tolist(), pages, strict=True):
            raw[(number - 1) * page_size : number * page_size] = page.tobytes()
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(bytes(raw))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = connection.execute(
            f"SELECT rowid, id FROM data INDEXED BY {INDEX} WHERE id > '' ORDER BY id"
        ).fetchall()
    assert [row for row, _ in found] == rowids.tolist()
    assert [own for _, own in found] == sorted({own for _, own in found})
    return tree.pages


def capacity(page_size: int, largest: int) -> int:
    """The most rows whose index is one page."""
    rows = 0
    while plan_tree(rows + 1, largest, page_size).pages == 1:
        rows += 1
    return rows


def steps(page_size: int, largest: int, most: int) -> list[int]:
    """Numbers of rows around every place where the index gets one level more."""
    found, depth = [0, 1, 2, 3], 1
    low = 1
    while True:
        high = low
        while high <= most and len(plan_tree(high, largest, page_size).levels) == depth:
            high *= 2
        if high > most:
            return sorted(set(found))
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            if len(plan_tree(middle, largest, page_size).levels) == depth:
                low = middle
            else:
                high = middle
        found += [low - 1, low, high, high + 1]
        depth, low = depth + 1, high


@pytest.mark.parametrize("first", [0, 1, 100, 1 << 31, (1 << 40) - 20_000])
def test_every_number_of_rows_around_a_new_level_with_the_smallest_pages(first: int) -> None:
    depths = set()
    for rows in steps(512, first + 4000, 4000):
        rowids = np.arange(first, first + rows, dtype=np.int64)
        check_built(rowids, 512)
        depths.add(len(plan_tree(rows, first + rows, 512).levels))
    assert depths >= {1, 2, 3}


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 65536])
def test_every_number_of_rows_around_a_new_leaf(page_size: int) -> None:
    full = capacity(page_size, 1 << 20)
    for rows in (full - 1, full, full + 1, 2 * full, 2 * full + 1, 2 * full + 2, 3 * full + 3):
        check_built(np.arange(1 << 20, (1 << 20) + rows, dtype=np.int64) - rows, page_size)


def test_all_small_numbers_of_rows() -> None:
    for rows in range(90):
        check_built(np.arange(1, rows + 1, dtype=np.int64), 512)


def test_the_index_is_as_small_as_it_can_be() -> None:
    assert [check_built(np.arange(rows, dtype=np.int64), 4096) for rows in (0, 1, 100)] == [1, 1, 1]
    rows = 20_000
    pages = check_built(np.arange(1, rows + 1, dtype=np.int64), 4096)
    assert pages <= rows * 34 / 4000 * 1.1


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(
    st.sets(
        st.one_of(
            st.integers(0, 300),
            st.integers(32_700, 32_800),
            st.integers(8_388_500, 8_388_700),
            st.integers(2**31 - 50, 2**31 + 50),
            st.integers(2**40 - 50, 2**40 - 1),
        ),
        max_size=300,
    ),
    st.sampled_from([512, 1024, 8192]),
)
def test_rowids_of_every_width_with_gaps(rowids: set[int], page_size: int) -> None:
    check_built(np.array(sorted(rowids), dtype=np.int64), page_size)


def test_the_pages_are_built_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.pages.index.BATCH", 3)
    for rows in (0, 40, 200, 3000):
        check_built(np.arange(5, 5 + rows, dtype=np.int64), 512)


@settings(derandomize=True, max_examples=100, deadline=None, database=None)
@given(st.lists(st.sets(st.integers(0, 40), min_size=1), max_size=6))
def test_runs_of_rowids_are_merged_and_a_rowid_that_stands_twice_is_refused(
    groups: list[set[int]],
) -> None:
    parts = [to_runs(np.array(sorted(group), np.int64)) for group in groups]
    every = [rowid for group in groups for rowid in group]
    if len(set(every)) < len(every):
        with pytest.raises(ValueError, match="stands twice"):
            merge_runs(parts)
        return
    merged = merge_runs(parts)
    assert merged.rows == len(every)
    assert expanded(merged) == sorted(every)
    assert (merged.start[1:] > (merged.start + merged.length)[:-1]).all()


def expanded(runs: Runs) -> list[int]:
    pairs = zip(runs.start.tolist(), runs.length.tolist(), strict=True)
    return [start + n for start, length in pairs for n in range(length)]


@settings(derandomize=True, max_examples=50, deadline=None, database=None)
@given(st.lists(st.integers(0, 60), unique=True))
def test_runs_keep_the_order_of_what_they_are_made_of(rowids: list[int]) -> None:
    assert expanded(to_runs(np.array(rowids, np.int64))) == rowids


def test_ids_are_the_prefix_and_the_row() -> None:
    rowids = np.array([0, 1, 255, (1 << 40) - 1], np.int64)
    assert [bytes(own) for own in make_ids(PREFIX, rowids)] == [
        PREFIX + b"0000000000",
        PREFIX + b"0000000001",
        PREFIX + b"00000000ff",
        PREFIX + b"ffffffffff",
    ]


def header_of(**fields: int) -> bytes:
    """A sound header of ten pages of 4,096 bytes, but for these bytes of it."""
    raw = bytearray(HEADER_SIZE)
    raw[:24] = b"SQLite format 3\0\x10\x00\x01\x01\x00\x40\x20\x20"
    raw[24:28] = raw[92:96] = (7).to_bytes(4, "big")
    raw[28:32] = (10).to_bytes(4, "big")
    for name, value in fields.items():
        raw[int(name[1:])] = value
    return bytes(raw)


def test_a_header_is_read() -> None:
    header = parse_header(header_of(), 10 * 4096)
    assert (header.page_size, header.page_count, header.change_counter) == (4096, 10, 7)
    assert not header.wal
    assert parse_header(header_of(b18=2), 10 * 4096).wal
    assert parse_header(header_of(b16=0, b17=1, b31=1), 65536).page_size == 65536
    assert parse_header(header_of(), 12 * 4096).page_count == 10
    # Written by a SQLite that does not keep the number of pages: the file's size counts.
    assert parse_header(header_of(b27=8), 12 * 4096).page_count == 12


@pytest.mark.parametrize(
    ("raw", "size", "told"),
    [
        (b"", 0, "empty"),
        (header_of()[:99], 99, "smaller than a header"),
        (header_of(), 511, "smaller than a header"),
        (header_of(b0=0), 40960, "not a SQLite database"),
        (header_of(b16=0x10, b17=1), 40960, "impossible page size"),
        (header_of(b31=0xFF), 40960, "cut short"),
        (header_of(b16=0, b17=0), 40960, "impossible page size"),
        (header_of(), 9 * 4096, "9 of its 10 pages"),
    ],
)
def test_what_is_no_header_is_told(raw: bytes, size: int, told: str) -> None:
    with pytest.raises(NotADatabase, match=told):
        parse_header(raw, size)
