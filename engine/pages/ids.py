"""New ids for the variables of a restored device, written straight into its table's leaves.

An id is a prefix of 14 hexadecimal digits, one per restored database and never given twice, and
the row's number as 10 more. So ids are unique in the project, and ascend with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.pages.btree import ID_LENGTH, TABLE_LEAF, Bytes, Ints, leaf_cells
from engine.pages.canonical import ids_of

PREFIX_LENGTH = 14
_HEX = np.frombuffer("".join(f"{n:02x}" for n in range(256)).encode(), "<u2")


def make_ids(prefix: bytes, rowids: Ints) -> Bytes:
    """The ids of rows, shape (rows, 24)."""
    ids = np.empty((rowids.size, ID_LENGTH), np.uint8)
    ids[:, :PREFIX_LENGTH] = np.frombuffer(prefix, np.uint8)
    ids[:, PREFIX_LENGTH:] = id_digits(rowids)
    return ids


def id_digits(rowids: Ints) -> Bytes:
    """What comes behind the prefix in the ids of rows, shape (rows, 10)."""
    octets = rowids.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 3:]
    return _HEX[octets].view(np.uint8).reshape(-1, 10)


@dataclass(frozen=True, slots=True)
class Runs:
    """Rowids as runs of consecutive numbers: where each run starts, and how long it is."""

    start: Ints
    length: Ints

    @property
    def rows(self) -> int:
        """How many rowids there are."""
        return int(self.length.sum())


def to_runs(rowids: Ints) -> Runs:
    """Rowids, in any order, as runs in the same order."""
    if not rowids.size:
        return Runs(np.empty(0, np.int64), np.empty(0, np.int64))
    first = np.flatnonzero(np.diff(rowids, prepend=rowids[0] - 2) != 1)
    return Runs(rowids[first], np.diff(first, append=rowids.size))


def merge_runs(parts: list[Runs]) -> Runs:
    """All runs, ascending, with those that touch made one.

    Raises ValueError where a rowid stands in two of them.
    """
    if not parts:
        return to_runs(np.empty(0, np.int64))
    start = np.concatenate([part.start for part in parts])
    length = np.concatenate([part.length for part in parts])
    order = np.argsort(start, kind="stable")
    start, length = start[order], length[order]
    end = start + length
    if bool((end[:-1] > start[1:]).any()):
        raise ValueError("a rowid stands twice in a table")
    opens = np.flatnonzero(np.concatenate([[True], end[:-1] != start[1:]])[: start.size])
    closes = np.append(opens[1:] - 1, start.size - 1) if start.size else opens
    return Runs(start[opens], end[closes] - start[opens])


def write_ids(flat: Bytes, page_size: int, leaves: Ints, id_column: int, prefix: bytes) -> Runs:
    """Write new ids into the table leaves at indexes `leaves` of `flat`; gives their rowids.

    Raises `NotCanonical` where the pages are not leaves with room for an id.
    """
    cells = leaf_cells(flat, page_size, leaves, id_column)
    texts = ids_of(flat)
    texts[cells.id_at] = make_ids(prefix, cells.rowids).view(texts.dtype).reshape(-1)
    return to_runs(cells.rowids)


def table_leaves(flat: Bytes, page_size: int, count: int, first: int, lookalikes: Ints) -> Ints:
    """Indexes of the table's leaves among `count` pages of an image, from page `first` on."""
    looks = flat[: count * page_size : page_size] == TABLE_LEAF
    here = lookalikes[(lookalikes >= first) & (lookalikes < first + count)]
    looks[here - first] = False
    return np.flatnonzero(looks)
