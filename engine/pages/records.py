"""Rows as records: where the values of columns stand, for many rows at once.

A record is a header, which has the type of each value, and then the values. Rows are read from the
leaves of a table; an index has records, too, of the columns that it is over and the rowid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import (
    SIZES,
    Bytes,
    Ints,
    ReadPages,
    be32,
    leaf_records,
    local_payload,
    serial_sizes,
    varints,
)
from engine.pages.header import NotCanonical

_MOST_BYTES = 16 << 20  # of rows that go on on other pages, of those that are read at once


class Unbuildable(Exception):
    """SQLite has to build this index."""


class Field(NamedTuple):
    """A column of all rows: where each value stands, how long it is, and its type's number."""

    at: Ints
    length: Ints
    serial: Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a table by ascending rowids: where each record starts and ends in `data`.

    There is a page to spare at the end of `data`.
    """

    data: Bytes
    rowids: Ints
    at: Ints
    ends: Ints

    def pick(self, which: Ints) -> Rows:
        """Copies of these rows, apart from the others."""
        records = [
            self.data[at:end].tobytes()
            for at, end in zip(self.at[which].tolist(), self.ends[which].tolist(), strict=True)
        ]
        ends = np.cumsum([len(record) for record in records], dtype=np.int64)
        lengths = self.ends[which] - self.at[which]
        data = np.frombuffer(b"".join(records), np.uint8)
        return Rows(data, self.rowids[which], ends - lengths, ends)


def no_rows() -> Rows:
    """No row at all."""
    nothing = np.empty(0, np.int64)
    return Rows(np.empty(0, np.uint8), nothing, nothing, nothing)


def join_rows(parts: Sequence[Rows], spare: int) -> Rows:
    """Rows that were picked, ascending over all parts, with bytes to spare at the end."""
    begins = np.cumsum([0, *(part.data.size for part in parts)])[:-1]
    return Rows(
        np.concatenate([*(part.data for part in parts), np.zeros(spare, np.uint8)]),
        np.concatenate([part.rowids for part in parts]),
        np.concatenate([part.at + begin for part, begin in zip(parts, begins, strict=True)]),
        np.concatenate([part.ends + begin for part, begin in zip(parts, begins, strict=True)]),
    )


def read_rows(
    pages: Bytes, others: Others, beside: Rows | None = None
) -> tuple[Rows, NDArray[np.bool_]]:
    """The rows of table leaves, shape (pages, page size), and of `beside`, which these are.

    Of two rows with one rowid, that of `beside` comes first. What rows have on other pages is read
    from there. Raises `Unbuildable` where that is too much, and `NotCanonical` where a page is no
    leaf or a row is not whole.
    """
    count, page_size = pages.shape
    beside = no_rows() if beside is None else beside
    every = np.arange(count, dtype=np.int64)
    parts = [pages.reshape(-1), beside.data]
    flat = np.concatenate([*parts, np.zeros(page_size, np.uint8)])
    payload, rowids, record, counts = leaf_records(flat, page_size, every)
    local = local_payload(payload, page_size)
    is_long = local < payload
    page_ends = np.repeat((every + 1) * page_size, counts)
    if bool((record + local + 4 * is_long > page_ends).any()):
        raise NotCanonical("a row reaches outside its page")
    long = np.flatnonzero(is_long)
    if long.size:
        whole = others.join(flat, record[long], local[long], payload[long])
        record[long] = flat.size - page_size + np.cumsum(payload[long]) - payload[long]
        flat = np.concatenate([*parts, whole, np.zeros(page_size, np.uint8)])
    ends = record + payload
    is_beside = np.zeros(rowids.size + beside.rowids.size, np.bool_)
    if beside.rowids.size:
        is_beside[: beside.rowids.size] = True
        rowids = np.concatenate([beside.rowids, rowids])
        record = np.concatenate([beside.at + pages.size, record])
        ends = np.concatenate([beside.ends + pages.size, ends])
    if bool((rowids[1:] < rowids[:-1]).any()):
        order = np.argsort(rowids, kind="stable")
        rowids, record, ends = rowids[order], record[order], ends[order]
        is_beside = is_beside[order]
    return Rows(flat, rowids, record, ends), is_beside


@dataclass(frozen=True, slots=True)
class Others:
    """The other pages of a database, on which long rows go on."""

    read: ReadPages
    page_count: int

    def join(self, flat: Bytes, at: Ints, local: Ints, payload: Ints) -> Bytes:
        """The records that start at the offsets `at`, whole, one behind the other.

        Of each, `local` bytes are there, and then the number of the page where it goes on.
        """
        if int(payload.max()) > _MOST_BYTES or int(payload.sum()) > _MOST_BYTES:
            raise Unbuildable
        whole = np.empty(int(payload.sum()), np.uint8)
        target = np.cumsum(payload) - payload
        for begin, source, length in zip(target.tolist(), at.tolist(), local.tolist(), strict=True):
            whole[begin : begin + length] = flat[source : source + length]
        page, left, target = be32(flat, at + local), payload - local, target + local
        while page.size:
            if int(page.min()) < 2 or int(page.max()) > self.page_count:
                raise NotCanonical("a row goes on on a page that is not there")
            found = self.read(page)
            step = np.minimum(left, found.shape[1] - 4)
            for row, begin, length in zip(found, target.tolist(), step.tolist(), strict=True):
                whole[begin : begin + length] = row[4 : 4 + length]
            goes_on = left > step
            page = be32(found.reshape(-1), np.arange(page.size) * found.shape[1])[goes_on]
            left, target = (left - step)[goes_on], (target + step)[goes_on]
        return whole


def read_fields(rows: Rows, columns: Iterable[int]) -> dict[int, Field]:
    """Columns, which are given by their places in a record. A row that lacks one has NULL there.

    Raises `Unbuildable` where a record is none.
    """
    wanted = set(columns)
    data, ends = rows.data, rows.ends
    header, types = varints(data, rows.at)
    body = at = rows.at + header
    if bool((header < 1).any()) or bool((body > ends).any()):
        raise Unbuildable
    plain = _types(data, rows.at, header)
    fields = {}
    for column in range(max(wanted, default=-1) + 1):
        if plain is not None:
            serial, length = _plain(plain, column)
        else:
            lacking = types >= body  # the row was written before the table had the column
            serial, behind = varints(data, types)
            if bool(lacking.any()):
                serial, behind = np.where(lacking, 0, serial), np.where(lacking, types, behind)
            if bool((serial < 0).any()):
                raise Unbuildable
            types, length = behind, serial_sizes(serial)
        behind = at + length
        if bool((behind > ends).any()):
            raise Unbuildable
        if column in wanted:
            fields[column] = Field(at, length, serial)
        at = behind
    return fields


def _types(data: Bytes, at: Ints, header: Ints) -> Bytes | None:
    """The types of all columns, shape (columns, rows), or None where one takes several bytes.

    Nor are there any where rows have not all as many columns.
    """
    if not at.size or int(header.max()) != int(header.min()) or int(header[0]) >= 0x80:
        return None
    length = int(header[0])
    types = np.ascontiguousarray(spans(data, length)[at].view(np.uint8).reshape(-1, length).T[1:])
    return types if bool((types < 0x80).all()) else None


def _plain(types: Bytes, column: int) -> tuple[Ints, Ints]:
    """The types of a column, and how many bytes its values take."""
    if column < types.shape[0]:
        return types[column].astype(np.int64), SIZES[types[column]]
    lacking = np.zeros(types.shape[1], np.int64)  # written before the table had the column
    return lacking, lacking


def entry_fields(data: Bytes, at: Ints, columns: int) -> list[Field]:
    """The columns of entries of an index, which start at the offsets `at`, without the rowid.

    They are entries that were made here: whole, and with a header of less than 128 bytes.
    """
    at = at + 1 + (data[at] >= 0x80)
    types, body = at + 1, at + data[at]
    fields = []
    for _ in range(columns):
        serial, types = varints(data, types)
        length = serial_sizes(serial)
        fields.append(Field(body, length, serial))
        body = body + length
    return fields


def spans(flat: Bytes, length: int) -> NDArray[np.void]:
    """A view of a buffer in which item n is the bytes from offset n on."""
    return np.ndarray((flat.size - length + 1,), f"V{length}", flat.data, strides=(1,))
