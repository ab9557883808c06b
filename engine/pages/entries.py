"""The entries of indexes, as they stand in leaves: how long the record is, and the record.

An entry's record has the columns that the index is over, and the row's rowid. Entries that are so
long that they would go on on other pages are not made here: SQLite has to build their index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import Bytes, Ints, most_in_index
from engine.pages.index import rowid_serials, rowid_widths
from engine.pages.records import Field, Rows, Unbuildable, spans

_ROWID = 8  # bytes that are copied for a rowid, whatever it takes
_WORD = 8  # bytes that are written at once
_SHORT = 256  # bytes: longer entries are made apart, for others would take as much room
_MOST_BYTES = 8 << 20  # of entries that are made at once, each counted as long as the longest


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of an index, as they stand in leaves: where each starts in `data`, and its length.

    There are as many bytes to spare at the end of `data` as the longest takes.
    """

    data: Bytes
    at: Ints
    sizes: Ints

    @property
    def longest(self) -> int:
        """The bytes of the longest entry."""
        return int(self.sizes.max(initial=0))


class _Column(NamedTuple):
    """A column of all rows; `wide` tells which types take two bytes, if any does."""

    field: Field
    longest: int
    wide: NDArray[np.bool_] | None


class EntryMaker:
    """Makes the entries of rows; what is found out about a column is used again."""

    def __init__(self, rows: Rows, fields: Mapping[int, Field], page_size: int) -> None:
        self._data = rows.data
        self._fields = fields
        self._columns: dict[int, _Column] = {}
        self._most = most_in_index(page_size)
        self._width = rowid_widths(rows.rowids)
        self._serial = rowid_serials(rows.rowids, self._width)
        shifted = rows.rowids << 8 * (8 - np.maximum(self._width, 1))
        self._octets = shifted.astype(">i8").view(f"V{_ROWID}")

    def entries(self, columns: Sequence[int]) -> Entries:
        """The entries of all rows in an index over these columns. Raises `Unbuildable`."""
        of = [self._column(column) for column in columns]
        header = np.asarray(2 + len(of))  # its own length, and the rowid's type
        payload = self._width
        for column in of:
            payload = payload + column.field.length
            if column.wide is not None:
                header = header + column.wide
        payload = payload + header
        longest = int(payload.max(initial=0))
        if longest > self._most or int(header.max()) >= 0x80:
            raise Unbuildable
        sizes = payload + 1
        if longest >= 0x80:
            sizes += payload >= 0x80
        if int(sizes.max(initial=0)) <= _SHORT:
            data, stride = self._made(of, header, payload)
            return Entries(data, np.arange(sizes.size, dtype=np.int64) * stride, sizes)
        header = np.broadcast_to(header, sizes.shape)
        at = np.empty_like(sizes)
        parts: list[Bytes] = []
        begin = 0
        for these in _alike(sizes):
            data, stride = self._made(of, header[these], payload[these], these)
            at[these] = begin + np.arange(these.size, dtype=np.int64) * stride
            parts.append(data)
            begin += data.size
        spare = np.empty(int(sizes.max()), np.uint8)
        return Entries(np.concatenate([*parts, spare]), at, sizes)

    def _column(self, number: int) -> _Column:
        if number not in self._columns:
            field = self._fields[number]
            wide = field.serial >= 0x80
            self._columns[number] = _Column(
                field, int(field.length.max(initial=0)), wide if bool(wide.any()) else None
            )
        return self._columns[number]

    def _made(
        self, of: Sequence[_Column], header: Ints, payload: Ints, these: Ints | None = None
    ) -> tuple[Bytes, int]:
        """The entries of all rows or of `these`, so many bytes apart.

        Each part is copied in the length of the longest of its kind; what is too much of it is
        overwritten by the part behind it.
        """
        which = slice(None) if these is None else these
        fields = [Field(*(values[which] for values in column.field)) for column in of]
        lengths = [column.longest for column in of]
        if these is not None:
            lengths = [int(field.length.max(initial=0)) for field in fields]
        longest = int(payload.max(initial=0))
        stride = longest + 2 + max(_ROWID, *lengths)
        data = np.empty((payload.size + 1) * stride, np.uint8)
        at = np.arange(payload.size, dtype=np.int64) * stride
        numbers = [payload, header, *(field.serial for field in fields), self._serial[which]]
        if longest < 0x80 and all(column.wide is None for column in of) and len(numbers) <= _WORD:
            at = _put_octets(data, at, numbers)
        else:
            for each in numbers:
                at = _put_varints(data, at, each)
        for field, length in zip(fields, lengths, strict=True):
            if length:
                spans(data, length)[at] = spans(self._data, length)[field.at]
            at = at + field.length
        spans(data, _ROWID)[at] = self._octets[which]
        return data, stride


def _alike(sizes: Ints) -> list[Ints]:
    """The places of the entries in parts that can be made at once: the short ones, and others."""
    parts = [np.flatnonzero(sizes <= _SHORT)]
    long = np.flatnonzero(sizes > _SHORT)
    each = max(1, _MOST_BYTES // (2 * int(sizes.max())))
    parts += [long[first : first + each] for first in range(0, long.size, each)]
    return [part for part in parts if part.size]


def _put_octets(flat: Bytes, at: Ints, numbers: Sequence[Ints]) -> Ints:
    """Write up to eight numbers below 128, one behind the other; gives the places behind them."""
    word = numbers[-1]
    for each in numbers[-2::-1]:
        word = (word << 8) | each
    spans(flat, _WORD)[at] = word.astype("<i8", copy=False).view(f"V{_WORD}")
    return at + len(numbers)


def _put_varints(flat: Bytes, at: Ints, values: Ints) -> Ints:
    """Write numbers below 16,384, or those of longer texts; gives the places behind them."""
    is_long = values >= 0x80
    if not bool(is_long.any()):
        flat[at] = values
        return at + 1
    flat[at] = np.where(is_long, values >> 7 | 0x80, values)
    flat[at + 1] = values & 0x7F
    return at + 1 + is_long
