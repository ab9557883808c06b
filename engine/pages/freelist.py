"""The list of free pages: trunk pages that name the others."""

from __future__ import annotations

import struct

import numpy as np

from engine.pages.btree import Ints, PageNumbers, ReadPages
from engine.pages.header import Header, NotCanonical


def trunk_capacity(page_size: int) -> int:
    """How many free pages a trunk names: six fewer than fit, as SQLite itself writes them."""
    return page_size // 4 - 8


def read_freelist(read: ReadPages, header: Header) -> PageNumbers:
    """The numbers of all free pages, trunks included, ascending.

    Raises `NotCanonical` where the list does not agree with the header or runs in a circle.
    """
    found: list[PageNumbers] = []
    trunk, count = header.first_trunk, 0
    while trunk:
        if trunk > header.page_count or count >= header.free_count:
            raise NotCanonical("the list of free pages is not sound")
        page = read(np.array([trunk], dtype=np.int64))[0].tobytes()
        following, leaves = struct.unpack_from(">II", page)
        if leaves > header.page_size // 4 - 2:
            raise NotCanonical("a page of the list of free pages claims too many")
        found.append(np.array([trunk], np.uint32))
        found.append(np.frombuffer(page, ">u4", leaves, 8).astype(np.uint32))
        count += 1 + leaves
        trunk = following
    if count != header.free_count:
        raise NotCanonical("the list of free pages does not agree with the header")
    pages = np.concatenate([np.empty(0, np.uint32), *found])
    pages.sort()  # where it is: there may be many
    if pages.size and (
        int(pages[0]) < 2
        or int(pages[-1]) > header.page_count
        or bool((pages[1:] == pages[:-1]).any())
    ):
        raise NotCanonical("the list of free pages names a page twice or one that is not there")
    return pages


def write_freelist(pages: Ints | PageNumbers, page_size: int) -> tuple[int, dict[int, bytes]]:
    """Lay out a list of free pages (ascending): the first trunk's number, and the trunk pages.

    Every trunk stands before the pages it names, so that a list that grows at its end changes its
    last trunk only.
    """
    group = trunk_capacity(page_size) + 1
    trunks: dict[int, bytes] = {}
    for start in range(0, pages.size, group):
        leaves = pages[start + 1 : start + group]
        following = int(pages[start + group]) if start + group < pages.size else 0
        body = struct.pack(">II", following, leaves.size) + leaves.astype(">u4").tobytes()
        trunks[int(pages[start])] = body.ljust(page_size, b"\0")
    return (int(pages[0]) if pages.size else 0), trunks
