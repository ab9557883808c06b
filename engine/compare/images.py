"""Comparing a device's rows by the pages that differ between two canonical images.

Chunks of the same name at the same place hold the same pages, and rows on pages that are the same
are the same rows. So only leaves of the table that differ are looked at. Rows that a split moved to
another page are on such leaves on both sides, and cancel each other out by their numbers.

What a row has on overflow pages counts, too: a page of that kind that differs must belong to a row
on a leaf that does, or to an entry on a page of an index that does. Where it does not, and for
everything else that is not as usual, `NotCanonical` is raised: then the tables have to be compared
row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.compare.child import Pair
from engine.model import RowChanges
from engine.pages.btree import (
    INDEX_INTERIOR,
    INDEX_LEAF,
    PADDING,
    TABLE_INTERIOR,
    TABLE_LEAF,
    Bytes,
    Ints,
    be32,
    index_chains,
    leaf_records,
    local_payload,
)
from engine.pages.freelist import trunk_capacity
from engine.pages.header import HEADER_SIZE, NotADatabase, NotCanonical, parse_header
from engine.repository.chunk_reader import ChunkReader
from engine.repository.manifest import Image
from engine.repository.places import Names

_BATCH = 8 << 20  # bytes of each image that are looked at together
_MOST_PAGES = 0x02000000  # so that no overflow page begins as a page of a b-tree does
_MOST_CHAINED = 20_000  # overflow pages that are followed; with more, SQLite is quicker
_NO_CHAINS: Ints = np.empty((0, 3), np.int64)
_TREES = np.array([INDEX_LEAF, INDEX_INTERIOR, TABLE_INTERIOR], np.uint8)


class Rows(NamedTuple):
    """Rows by their numbers, and a hash of what each holds; hashes are those of one process."""

    numbers: Ints
    hashes: Ints


def changes_between(before: Rows, after: Rows) -> RowChanges:
    """What differs between rows. Raises `NotCanonical` where a number stands twice."""
    for rows in (before, after):
        if np.unique(rows.numbers).size != rows.numbers.size:
            raise NotCanonical("the number of a row stands twice")
    _, ours, theirs = np.intersect1d(
        before.numbers, after.numbers, assume_unique=True, return_indices=True
    )
    return RowChanges(
        added=after.numbers.size - theirs.size,
        removed=before.numbers.size - ours.size,
        changed=int(np.count_nonzero(before.hashes[ours] != after.hashes[theirs])),
    )


def compare_images(reader: ChunkReader, pair: Pair) -> RowChanges:
    """Compare the rows of two images. Raises `NotCanonical` and `ChunkLost`."""
    first, second = _Side(reader, pair.before), _Side(reader, pair.after)
    _check_alike(first, second)
    for places in _batches(_differing(first, second), first.chunk):
        ours, theirs = first.load(places), second.load(places)
        numbers = (places[:, None] * first.pages_in_chunk + np.arange(first.pages_in_chunk)) + 1
        numbers = numbers.reshape(-1)
        differ = (ours.view(np.uint64) != theirs.view(np.uint64)).any(axis=1)
        odd = np.concatenate([first.lookalikes, second.lookalikes])
        differ |= np.isin(numbers, odd)  # what they are may differ, though their bytes do not
        first.take(numbers[differ], ours[differ])
        second.take(numbers[differ], theirs[differ])
    changes = changes_between(first.rows(), second.rows())
    if changes.added - changes.removed != pair.rows_after - pair.rows_before:
        raise NotCanonical("the rows that differ are not as many as the backups say")
    return changes


def _check_alike(first: _Side, second: _Side) -> None:
    """Raise `NotCanonical` unless both are images of one table in the same form."""
    ours, theirs = first.image, second.image
    if ours.id_column is None or (ours.id_column, ours.page_size) != (
        theirs.id_column,
        theirs.page_size,
    ):
        raise NotCanonical("they are not canonical in the same way")
    if max(ours.page_count, theirs.page_count) >= _MOST_PAGES:
        raise NotCanonical("it has too many pages")
    pages = first.page(1), second.page(1)
    schemas = [page[HEADER_SIZE:] for page in pages]
    if pages[0][HEADER_SIZE] != TABLE_LEAF or bool((schemas[0] != schemas[1]).any()):
        raise NotCanonical("their schemas differ, or are large")


def _differing(first: _Side, second: _Side) -> Ints:
    """The places of chunks that differ, or that one image has only, ascending."""
    common = min(len(first.names), len(second.names))
    most = max(len(first.names), len(second.names))
    differ = np.ones(most, bool)
    differ[:common] = (first.names[:common] != second.names[:common]).any(axis=1)
    odd = np.setxor1d(first.lookalikes, second.lookalikes)
    differ[(odd - 1) // first.pages_in_chunk] = True
    return np.flatnonzero(differ)


def _batches(places: Ints, chunk: int) -> Iterator[Ints]:
    size = max(1, _BATCH // chunk)
    for start in range(0, places.size, size):
        yield places[start : start + size]


class _Side:
    """One of the two images: its pages as they are needed, and its rows on leaves that differ."""

    def __init__(self, reader: ChunkReader, image: Image) -> None:
        self.image = image
        self.names: Names = reader.names(image)
        self.chunk = reader.chunk_length(image.page_size)
        self.pages_in_chunk = self.chunk // image.page_size
        self.lookalikes = np.array(image.lookalikes, np.int64)
        self._reader = reader
        self._numbers: list[Ints] = []
        self._hashes: list[Ints] = []
        self._loose: list[Ints] = []  # pages that differ and belong to no b-tree
        self._chained: set[int] = set()  # overflow pages of rows that were taken
        self._entries: list[Ints] = []  # chains of indexes on pages that differ
        self._held: dict[int, Bytes] = {}  # chunks that were looked into for single pages

    def load(self, places: Ints) -> Bytes:
        """The pages of some chunks, shape (pages, page size); zeros where it has no more."""
        own = places[places < len(self.names)]
        buffer = np.zeros(places.size * self.chunk, np.uint8)
        size = own.size * self.chunk
        if own.size and int(own[-1]) == len(self.names) - 1:  # the last one may be shorter
            size -= len(self.names) * self.chunk - self.image.size
        self._reader.read_into(self.names[own], self.chunk, buffer[:size].data)
        return buffer.reshape(-1, self.image.page_size)

    def page(self, number: int) -> Bytes:
        """One page. Raises `NotCanonical` where there is none of that number."""
        if not 1 <= number <= self.image.page_count:
            raise NotCanonical("a page is named that the image does not have")
        place, within = divmod(number - 1, self.pages_in_chunk)
        if place not in self._held:
            if len(self._held) >= 64:
                self._held.clear()
            self._held[place] = self.load(np.array([place]))
        page: Bytes = self._held[place][within]
        return page

    def take(self, numbers: Ints, pages: Bytes) -> None:
        """Take the rows of those pages that are leaves of the table, and note which are loose."""
        kinds = pages[:, 0]
        looks = kinds == TABLE_LEAF
        leaf = looks & ~np.isin(numbers, self.lookalikes)
        loose = ~leaf & ~np.isin(kinds, _TREES) & (numbers != 1) & pages.any(axis=1)
        self._loose.append(numbers[loose])
        size = self.image.page_size
        for kind in (INDEX_LEAF, INDEX_INTERIOR):
            if (kinds == kind).any():
                flat, every = _flat(pages[kinds == kind])
                self._entries.append(index_chains(flat, size, kind, every))
        if not leaf.any():
            return
        flat, every = _flat(pages[leaf])
        payload, rowids, record, counts = leaf_records(flat, size, every)
        local = local_payload(payload, size)
        spilled = np.flatnonzero(local < payload)
        ends = record + local + np.where(local < payload, 4, 0)
        if bool((payload < 0).any()) or bool((ends > np.repeat((every + 1) * size, counts)).any()):
            raise NotCanonical("a cell reaches outside its page")
        data = flat.tobytes()
        hashes = [
            hash(data[at:end])
            for at, end in zip(record.tolist(), (record + local).tolist(), strict=True)
        ]
        for cell in spilled.tolist():
            at, kept = int(record[cell]), int(local[cell])
            first = int(be32(flat, np.array([at + kept]))[0])
            rest = self._follow(first, int(payload[cell]) - kept)
            hashes[cell] = hash(data[at : at + kept] + rest)
        self._numbers.append(rowids)
        self._hashes.append(np.array(hashes, np.int64))

    def _follow(self, page: int, length: int) -> bytes:
        """What stands on a chain of overflow pages."""
        parts = []
        room = self.image.page_size - 4
        while length > 0:
            if page in self._chained or len(self._chained) >= _MOST_CHAINED:
                raise NotCanonical("an overflow page is used twice, or there are many")
            self._chained.add(page)
            content = self.page(page)
            part = content[4 : 4 + min(room, length)].tobytes()
            parts.append(part)
            length -= len(part)
            page = int.from_bytes(content[:4].tobytes(), "big")
        return b"".join(parts)

    def rows(self) -> Rows:
        """The rows that were taken. Raises `NotCanonical` where what differs may be of others."""
        loose = set(np.concatenate([np.empty(0, np.int64), *self._loose]).tolist())
        loose -= self._chained
        if loose:
            loose -= self._trunks()
        if loose:
            for _, first, length in np.concatenate([_NO_CHAINS, *self._entries]).tolist():
                self._follow(first, length * (self.image.page_size - 4))
        if not loose <= self._chained:
            raise NotCanonical("an overflow page differs whose row does not")
        none = np.empty(0, np.int64)
        return Rows(np.concatenate([none, *self._numbers]), np.concatenate([none, *self._hashes]))

    def _trunks(self) -> set[int]:
        """The pages that list free ones."""
        try:
            header = parse_header(self.page(1)[:HEADER_SIZE].tobytes(), self.image.size)
        except NotADatabase as error:
            raise NotCanonical(f"it {error}") from error
        found: set[int] = set()
        trunk, most = header.first_trunk, header.free_count // trunk_capacity(header.page_size) + 2
        while trunk and trunk not in found and len(found) < most:
            found.add(trunk)
            trunk = int.from_bytes(self.page(trunk)[:4].tobytes(), "big")
        return found


def _flat(pages: Bytes) -> tuple[Bytes, Ints]:
    """Pages as the cells of a b-tree are read from, and the places of all of them."""
    flat = np.concatenate([pages.reshape(-1), np.zeros(PADDING, np.uint8)])
    return flat, np.arange(pages.shape[0], dtype=np.int64)
