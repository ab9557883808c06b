"""Comparing a device's rows through SQLite, for tables of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.compare.child import Pair
from engine.compare.images import Rows, changes_between
from engine.errors import RepositoryDamaged
from engine.model import RowChanges
from engine.pages.header import NotCanonical
from engine.project.tables import quote
from engine.rebuild.stored import Stored, opened_device
from engine.repository.chunk_reader import ChunkReader

_BATCH = 10_000  # rows


def compare_tables(reader: ChunkReader, pair: Pair, scratch: Path) -> RowChanges:
    """Compare two databases row by row. Raises `RepositoryDamaged` and OSError.

    Columns are told apart by their names; one that a table lacks is as if it were empty. Of tables
    that name their rows in different ways, no two rows are the same.
    """
    with (
        opened_device(reader, pair.before, scratch, pair.what) as first,
        opened_device(reader, pair.after, scratch, pair.what) as second,
    ):
        if (first.key == "id") != (second.key == "id"):
            return RowChanges(pair.rows_after, pair.rows_before, 0)
        columns = sorted({name.lower() for name in (*first.columns, *second.columns)})
        if first.key == "id":
            return _by_id(first, second, columns)
        try:
            return changes_between(_rows(first, columns), _rows(second, columns))
        except NotCanonical as error:
            raise RepositoryDamaged(f"{pair.what} cannot be read: {error}.") from error


def _by_id(first: Stored, second: Stored, columns: list[str]) -> RowChanges:
    before, after = (dict(_hashed(side, columns)) for side in (first, second))
    both = before.keys() & after.keys()
    return RowChanges(
        added=len(after) - len(both),
        removed=len(before) - len(both),
        changed=sum(before[key] != after[key] for key in both),
    )


def _rows(device: Stored, columns: list[str]) -> Rows:
    numbers, hashes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    batch: list[tuple[object, int]] = []

    def put() -> None:
        keys, values = zip(*batch, strict=True)
        numbers.append(np.array(keys, np.int64))
        hashes.append(np.array(values, np.int64))
        batch.clear()

    for row in _hashed(device, columns):
        batch.append(row)
        if len(batch) == _BATCH:
            put()
    if batch:
        put()
    return Rows(np.concatenate(numbers), np.concatenate(hashes))


def _hashed(device: Stored, columns: list[str]) -> Iterator[tuple[object, int]]:
    """What each row is named by, and a hash of its values.

    Of their texts: Python's own hashes of numbers are the same for some that differ.
    """
    own = {name.lower(): quote(name) for name in device.columns}
    listed = ", ".join([device.key, *(own.get(name, "NULL") for name in columns)])
    for key, *values in device.connection.execute(
        f"SELECT {listed} FROM {device.source()}"  # noqa: S608  # quoted
    ):
        yield key, hash(repr(values))
