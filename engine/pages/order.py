"""The order of rows, as SQLite compares their values.

NULL comes before numbers, numbers before text, text before blobs; integers and reals compare by
their exact values, text and blobs by their bytes (the collation BINARY), equal rows by their
rowids. The rank of each row in a column is found once; those of an index's columns and the row's
place make one number, and these numbers are sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import Bytes, Ints
from engine.pages.records import Field, Unbuildable, spans

_MOST_BYTES = 32 << 20  # of the words of a column's texts
_REAL = 7  # the type of a real number
_KEPT = np.array([0, *((1 << 64) - (1 << 8 * (8 - n)) for n in range(1, 9))], np.uint64)
_SIGN = np.uint64(1 << 63)

Keys = NDArray[np.int64] | NDArray[np.uint64]
Flags = NDArray[np.bool_]


class Ranks(NamedTuple):
    """The rank of each row in a column, from 0, the same for equal values; how many there are."""

    rank: Ints
    values: int


def _ranks(data: Bytes, field: Field) -> Ranks:
    """How SQLite orders the values of a column. Raises `Unbuildable` where there is no telling."""
    serial = field.serial
    if not serial.size:
        return Ranks(serial, 1)
    low, high = int(serial.min()), int(serial.max())
    keys: Iterator[Keys]
    if low >= 13 and bool((serial & 1).all()):
        keys = _words(data, field, None)
    elif low >= 1 and high < _REAL:
        keys = iter([_integers(data, field, None)])
    else:
        keys = _mixed(data, field)
    return _dense(keys, serial.size)


def _mixed(data: Bytes, field: Field) -> Iterator[Keys]:
    """The keys of a column in which there are values of several kinds."""
    serial = field.serial
    if bool(((serial == 10) | (serial == 11)).any()):
        raise Unbuildable  # SQLite keeps these types for itself
    is_number = ((serial >= 1) & (serial <= 9)).astype(np.bool_)
    is_bytes = serial >= 12
    yield np.where(is_bytes, 3 - (serial & 1), is_number)
    if bool(is_number.any()):
        if bool((serial == _REAL).any()):
            yield from _reals(data, field, is_number)
        else:
            yield _integers(data, field, is_number)
    if bool(is_bytes.any()):
        yield from _words(data, field, is_bytes)


def _integers(data: Bytes, field: Field, these: Flags | None) -> Ints:
    """The integers of a column; 0 for what is not one of `these`."""
    at, length = field.at, field.length
    if these is not None:
        at, length = np.where(these, at, 0), np.where(these, length, 0)
    found = spans(data, 8)[at].view(">i8").astype(np.int64)
    found >>= 8 * (8 - np.maximum(length, 1))
    if these is None:
        return found
    constant = np.where(field.serial == 9, 1, 0)  # 0 and 1 have types of their own
    return np.where(length > 0, found, constant)


def _reals(data: Bytes, field: Field, is_number: Flags) -> Iterator[Keys]:
    """Reals and integers: first as reals, then by what an integer is more than its real."""
    is_real = field.serial == _REAL
    integers = _integers(data, field, is_number)
    reals = np.where(is_real, integers.view(np.float64), integers.astype(np.float64)) + 0.0
    if bool(np.isnan(reals).any()):
        raise Unbuildable  # SQLite reads NULL there
    bits = reals.view(np.uint64)
    yield np.where(bits & _SIGN, ~bits, bits | _SIGN)
    # 2 to the 63rd is one more than the largest integer: differences from it wrap around rightly.
    whole = np.where(is_real | (reals >= 2.0**63), -(2.0**63), reals).astype(np.int64)
    yield np.where(is_real, 0, integers - whole)


def _words(data: Bytes, field: Field, these: Flags | None) -> Iterator[Keys]:
    """The bytes of a column as numbers of eight bytes each, and then their lengths."""
    at, length = field.at, field.length
    if these is not None:
        at, length = np.where(these, at, 0), np.where(these, length, 0)
    words = -(-int(length.max()) // 8)
    if words * 8 * length.size > _MOST_BYTES or words * 8 > data.size:
        raise Unbuildable
    shortest = int(length.min())
    for word in range(words):
        where = at + 8 * word
        if shortest >= 8 * (word + 1):
            yield spans(data, 8)[where].view(">u8").astype(np.uint64)
            continue
        kept = _KEPT[np.clip(length - 8 * word, 0, 8)]
        where = np.minimum(where, data.size - 8)
        yield spans(data, 8)[where].view(">u8").astype(np.uint64) & kept
    yield length


def _dense(keys: Iterator[Keys], rows: int) -> Ranks:
    """The rows' ranks by several keys, the first being the most significant."""
    order: Ints | None = None  # None while the rows are in order
    opens = np.zeros(rows - 1, np.bool_)  # where a value differs from the one before it
    for key in keys:
        ordered = key if order is None else key[order]
        falls = (ordered[1:] < ordered[:-1]) & ~opens
        if bool(falls.any()):
            if bool(opens.any()):
                group = np.concatenate([[0], np.cumsum(opens)])
                inner = np.lexsort((ordered, group))
            else:
                inner = np.argsort(ordered)
            order = inner if order is None else order[inner]
            ordered = ordered[inner]
        opens |= ordered[1:] != ordered[:-1]
    ordinals = np.zeros(rows, np.int64)
    np.cumsum(opens, out=ordinals[1:])
    found = ordinals
    if order is not None:
        found = np.empty_like(ordinals)
        found[order] = ordinals
    return Ranks(found, int(ordinals[-1]) + 1)


class Sorter:
    """Orders rows by columns of theirs; what is found out about a column is used again."""

    def __init__(self, data: Bytes, fields: Mapping[int, Field]) -> None:
        self._data = data
        self._fields = fields
        self._ranks: dict[int, Ranks] = {}

    def order(self, columns: Sequence[int]) -> Ints:
        """The places of the rows, ordered by these columns, and equal ones by their places.

        Raises `Unbuildable` where there is no telling.
        """
        for column in columns:
            if column not in self._ranks:
                self._ranks[column] = _ranks(self._data, self._fields[column])
        return _order([self._ranks[column] for column in columns], self._fields[columns[0]].at.size)


def _order(columns: Sequence[Ranks], rows: int) -> Ints:
    place = max(rows - 1, 0).bit_length()
    widths = [(each.values - 1).bit_length() for each in columns]
    if sum(widths) + place > 63:
        return np.lexsort([each.rank for each in reversed(columns)])
    key = np.zeros(rows, np.int64)
    for each, width in zip(columns, widths, strict=True):
        key = (key << width) | each.rank
    key = (key << place) | np.arange(rows, dtype=np.int64)
    key.sort()
    return key & ((1 << place) - 1)
