"""Writing pages of b-trees: heads, pointers to cells, and the numbers of children."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import INDEX_INTERIOR, Bytes, Ints, PageNumbers, be32, cell_starts


def to_be32(numbers: Ints | PageNumbers) -> Bytes:
    """Numbers as big-endian ones of 32 bits, shape (numbers, 4)."""
    return numbers.astype(">u4").view(np.uint8).reshape(-1, 4)


def _to_be16(numbers: Ints) -> Bytes:
    return numbers.astype(">u2").view(np.uint8).reshape(-1, 2)


def put_heads(pages: Bytes, kind: int, counts: Ints, content: Ints, starts: Ints) -> None:
    """Write the heads of index pages, shape (pages, page size), and the pointers to their cells.

    A page has `counts` cells, which begin at its byte `content`. `starts` are where all cells
    start, counted from the first page on.
    """
    page_size = pages.shape[1]
    head = 12 if kind == INDEX_INTERIOR else 8
    pages[:, 0] = kind
    pages[:, 3:5] = _to_be16(counts)
    pages[:, 5:7] = _to_be16(content & 0xFFFF)  # 0 where a page of 65,536 bytes has none
    first = np.cumsum(counts) - counts
    every = np.arange(counts.size, dtype=np.int64)
    before = np.repeat((every * page_size + head) // 2 - first, counts)
    pages.reshape(-1).view(">u2")[before + np.arange(starts.size)] = starts & (page_size - 1)


def put_right_children(pages: Bytes, counts: Ints, children: Ints) -> Ints:
    """Write the right-most child of each interior page with `counts` cells; gives the others.

    `children` are those of all pages in key order: one more to each page than it has cells.
    """
    is_right: NDArray[np.bool_] = np.zeros(children.size, np.bool_)
    is_right[np.cumsum(counts + 1) - 1] = True
    pages[:, 8:12] = to_be32(children[is_right])
    return children[~is_right]


def renumber_children(pages: Bytes, renumbered: PageNumbers) -> None:
    """Have interior pages of a table, shape (pages, page size), name other pages; in place.

    Page n gets the number `renumbered[n]`. Raises `NotCanonical` where a page is not sound.
    """
    count, page_size = pages.shape
    flat = pages.reshape(-1)
    every = np.arange(count, dtype=np.int64)
    cells, _ = cell_starts(flat, page_size, every, 12)
    for at in (cells, every * page_size + 8):
        flat[at[:, None] + np.arange(4)] = to_be32(renumbered[be32(flat, at)])
