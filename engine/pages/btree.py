"""B-trees: which pages belong to one, and the cells of a table's leaves, many pages at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.pages.header import NotCanonical

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
PageNumbers = NDArray[np.uint32]  # where there are many: as wide as SQLite has them

TABLE_LEAF, TABLE_INTERIOR = 0x0D, 0x05
INDEX_LEAF, INDEX_INTERIOR = 0x0A, 0x02
PADDING = 32  # bytes that a buffer must have behind its pages: a varint may be read past the end
MAX_DEPTH = 20
_AT_ONCE = 128  # interior pages that are read at once: what is made of them stays in the cache
_NO_PAGES: PageNumbers = np.empty(0, np.uint32)

# Reads pages, given their numbers in any order, into an array of shape (pages, page size).
ReadPages = Callable[[Ints], Bytes]


@dataclass(frozen=True, slots=True)
class Tree:
    """The pages of one b-tree without overflow pages: interior ones, and leaves in key order."""

    interior: Ints
    leaves: PageNumbers


def be16(flat: Bytes, at: Ints) -> Ints:
    """Big-endian 16-bit numbers at the offsets `at`."""
    high = flat[at].astype(np.int64)
    high <<= 8
    high |= flat[at + 1]
    return high


def be32(flat: Bytes, at: Ints) -> Ints:
    """Big-endian 32-bit numbers at the offsets `at`."""
    return (be16(flat, at) << 16) | be16(flat, at + 2)


def varints(flat: Bytes, at: Ints) -> tuple[Ints, Ints]:
    """The varints at the offsets `at`: their values, and the offsets just behind them."""
    byte = flat[at]
    value = (byte & 0x7F).astype(np.int64)
    end = at + 1
    # Most often they are all of one length: then nothing has to be picked out.
    going: Ints | slice = slice(None)
    for position in range(1, 9):
        longer = byte >= 0x80
        if not longer.all():
            where = np.flatnonzero(longer)
            if not where.size:
                break
            going = where if isinstance(going, slice) else going[where]
        byte = flat[end[going]]
        if position == 8:
            value[going] = (value[going] << 8) | byte
        else:
            value[going] = (value[going] << 7) | (byte & 0x7F)
        end[going] += 1
    return value, end


def cell_starts(flat: Bytes, page_size: int, pages: Ints, header: int) -> tuple[Ints, Ints]:
    """Offsets of all cells of the pages at indexes `pages` of `flat`, and the count of each page.

    `header` is the size of the b-tree page header: 8 for leaves, 12 for interior pages. Raises
    `NotCanonical` where a count or a pointer leads outside its page.
    """
    base = pages * page_size
    counts = be16(flat, base + 3)
    if counts.size and int(counts.max()) * 2 + header > page_size:
        raise NotCanonical("a b-tree page claims more cells than it can hold")
    first = np.cumsum(counts) - counts
    at = np.repeat(base + header - 2 * first, counts)
    at += np.arange(0, 2 * at.size, 2)
    pointers = be16(flat, at)
    if at.size and (int(pointers.min()) < header or int(pointers.max()) >= page_size):
        raise NotCanonical("a cell pointer leads outside its page")
    pointers += np.repeat(base, counts)
    return pointers, counts


def walk(read: ReadPages, root: int, page_count: int, *, index: bool) -> Tree:
    """The pages of the b-tree at `root`; its leaves are named but not read.

    Raises `NotCanonical` where the tree is not one: wrong page types, pages out of range or used
    twice, more levels than SQLite allows.
    """
    (tree,) = walk_all(read, [root], page_count, index=index)
    return tree


def walk_all(read: ReadPages, roots: Sequence[int], page_count: int, *, index: bool) -> list[Tree]:
    """The pages of several b-trees; see `walk`. Level by level they are gone through together."""
    inner_type, leaf_type = (INDEX_INTERIOR, INDEX_LEAF) if index else (TABLE_INTERIOR, TABLE_LEAF)
    marked = np.zeros(page_count + 1, np.bool_)
    seen = 0
    interior: list[list[PageNumbers]] = [[] for _ in roots]
    leaves: list[PageNumbers] = [_NO_PAGES] * len(roots)
    going = {tree: np.array([root], np.uint32) for tree, root in enumerate(roots)}
    for _ in range(MAX_DEPTH):
        for level in going.values():
            if int(level.min()) < 2 or int(level.max()) > page_count:
                raise NotCanonical("a b-tree names a page that the file does not have")
            marked[level] = True
            seen += level.size
        if np.count_nonzero(marked) != seen:
            raise NotCanonical("a b-tree uses a page twice")
        types = read(np.array([level[0] for level in going.values()], np.int64))[:, 0].tolist()
        for (tree, level), kind in zip(list(going.items()), types, strict=True):
            if kind == leaf_type:
                leaves[tree] = going.pop(tree)
            elif kind == inner_type:
                interior[tree].append(level)
            else:
                raise NotCanonical(f"a b-tree page has the type {kind}")
        if not going:
            return [
                Tree(np.concatenate([_NO_PAGES, *inner]).astype(np.int64), outer)
                for inner, outer in zip(interior, leaves, strict=True)
            ]
        sizes = [level.size for level in going.values()]
        children, counts = _children(read, np.concatenate(list(going.values())), inner_type)
        ends = np.cumsum(counts)[np.cumsum(sizes) - 1]
        going = dict(zip(going, np.split(children, ends[:-1]), strict=True))
    raise NotCanonical("a b-tree is deeper than SQLite allows")


def _children(read: ReadPages, level: PageNumbers, inner_type: int) -> tuple[PageNumbers, Ints]:
    """The child pages of interior pages, in key order, and how many each page has."""
    parts, counts = [], []
    for start in range(0, level.size, _AT_ONCE):
        pages = read(level[start : start + _AT_ONCE].astype(np.int64))
        if bool((pages[:, 0] != inner_type).any()):
            raise NotCanonical("b-tree pages of different types on one level")
        flat = np.concatenate([pages.reshape(-1), np.zeros(PADDING, np.uint8)])
        every = np.arange(pages.shape[0], dtype=np.int64)
        cells, number = cell_starts(flat, pages.shape[1], every, 12)
        last = np.cumsum(number + 1) - 1  # the right-most child comes last of each
        children = np.empty(cells.size + every.size, dtype=np.uint32)
        is_last = np.zeros(children.size, dtype=bool)
        is_last[last] = True
        children[~is_last] = be32(flat, cells)
        children[is_last] = be32(flat, every * pages.shape[1] + 8)
        parts.append(children)
        counts.append(number + 1)
    return np.concatenate(parts), np.concatenate(counts)


@dataclass(frozen=True, slots=True)
class LeafCells:
    """The cells of some table leaves: rowids, where each id stands, and the count of each page.

    `chains` are those of `overflow`.
    """

    rowids: Ints
    id_at: Ints
    counts: Ints
    chains: Ints


ID_LENGTH = 24
ID_SERIAL = 2 * ID_LENGTH + 13  # the record format's type of a 24-byte text


def leaf_cells(flat: Bytes, page_size: int, pages: Ints, id_column: int) -> LeafCells:
    """Read the cells of the table leaves at indexes `pages` of `flat`, in the order given.

    `flat` has `PADDING` bytes behind its last page. Raises `NotCanonical` where a page is no table
    leaf, or an id is not a text of 24 bytes inside its page.
    """
    payload, rowids, record, counts = leaf_records(flat, page_size, pages)
    header, types = varints(flat, record)
    body = record + header
    for _ in range(id_column):
        _check_inside(types, flat)
        serial, types = varints(flat, types)
        if serial.size and int(serial.min()) < 0:
            raise NotCanonical("a record has a value of an impossible type")
        body = body + serial_sizes(serial)
    _check_inside(types, flat)
    if record.size and not bool((flat[types] == ID_SERIAL).all()):
        raise NotCanonical("an id is not a text of 24 characters")
    end = body + ID_LENGTH
    if record.size:
        page_end = np.repeat((pages + 1) * page_size, counts)
        fits = (
            (types < record + header)
            & (record + header <= body)
            & (body < page_end)
            & (end <= page_end)
            & (end - record <= local_payload(payload, page_size))
        )
        if not bool(fits.all()):
            raise NotCanonical("an id lies outside its page")
    chains = overflow(flat, page_size, pages, counts, payload, record, TABLE_LEAF)
    return LeafCells(rowids, body, counts, chains)


def leaf_records(flat: Bytes, page_size: int, pages: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """The cells of table leaves: payloads' lengths, rowids, where records start; cells per page.

    `flat` is as in `leaf_cells`. Raises `NotCanonical` where a page is no table leaf.
    """
    if bool((flat[pages * page_size] != TABLE_LEAF).any()):
        raise NotCanonical("a leaf of the table has another type")
    starts, counts = cell_starts(flat, page_size, pages, 8)
    payload, after = varints(flat, starts)
    rowids, record = varints(flat, after)
    return payload, rowids, record, counts


def _check_inside(at: Ints, flat: Bytes) -> None:
    if at.size and int(at.max()) + 9 > flat.size:
        raise NotCanonical("a record reaches outside its page")


# How many bytes a value takes in a record, by its serial type, for types that take one byte.
SIZES = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, *((n - 12) >> 1 for n in range(12, 128))])


def serial_sizes(serial: Ints) -> Ints:
    """How many bytes a value takes in a record, by its serial type."""
    sizes: Ints = SIZES[np.clip(serial, 0, 127)]
    if serial.size and int(serial.max()) > 127:
        sizes = np.where(serial > 127, (serial - 12) >> 1, sizes)
    return sizes


def local_payload(payload: Ints, page_size: int, most: int | None = None) -> Ints:
    """How much of each payload a table leaf holds itself; the rest is on overflow pages.

    `most` is another limit than that of a table's leaf: an index has its own.
    """
    most = page_size - 35 if most is None else most
    if not payload.size or int(payload.max()) <= most:
        return payload
    least = (page_size - 12) * 32 // 255 - 23
    spilled = least + (payload - least) % (page_size - 4)
    return np.where(payload <= most, payload, np.where(spilled <= most, spilled, least))


def most_in_index(page_size: int) -> int:
    """The longest payload that a page of an index holds whole."""
    return (page_size - 12) * 64 // 255 - 23


def table_chains(flat: Bytes, page_size: int, pages: Ints) -> Ints:
    """The chains of the table leaves at indexes `pages` of `flat`; see `overflow`."""
    payload, _, record, counts = leaf_records(flat, page_size, pages)
    return overflow(flat, page_size, pages, counts, payload, record, TABLE_LEAF)


def index_chains(flat: Bytes, page_size: int, kind: int, pages: Ints) -> Ints:
    """The chains of the index pages at indexes `pages` of `flat`, all of the type `kind`."""
    leaf = kind == INDEX_LEAF
    starts, counts = cell_starts(flat, page_size, pages, 8 if leaf else 12)
    payload, body = varints(flat, starts if leaf else starts + 4)
    return overflow(flat, page_size, pages, counts, payload, body, kind)


def overflow(
    flat: Bytes, page_size: int, pages: Ints, counts: Ints, payload: Ints, body: Ints, kind: int
) -> Ints:
    """The chains of overflow pages of some cells: index of the page, first of the chain, length.

    Shape (chains, 3). Raises `NotCanonical` where a cell reaches outside its page.
    """
    most = page_size - 35 if kind == TABLE_LEAF else most_in_index(page_size)
    long = np.flatnonzero((payload > most) | (payload < 0))
    if not long.size:
        return np.empty((0, 3), np.int64)
    owner = np.repeat(pages, counts)[long]
    payload = payload[long]
    local = local_payload(payload, page_size, most)
    where = body[long] + local
    if bool(((payload < 0) | (where + 4 > (owner + 1) * page_size)).any()):
        raise NotCanonical("a cell reaches outside its page")
    length = -((local - payload) // (page_size - 4))
    return np.stack([owner, be32(flat, where), length], axis=1)
