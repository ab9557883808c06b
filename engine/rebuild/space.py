"""Room for pages that are built: free pages first, then new ones at the end of the database."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import Ints, PageNumbers, ReadPages
from engine.pages.freelist import read_freelist, write_freelist
from engine.pages.header import FREELIST_FIELDS, PAGE_COUNT_FIELD
from engine.rebuild.pages import Pages

_AT_ONCE = 1 << 18  # pages


class Space:
    """The free pages of a database in the making. What it says of them is put right by `settle`.

    It may be sent to another process, as long as one at a time uses it. The list of free pages is
    read with `read`, or as the pages are. Raises `NotCanonical` where it is not sound.
    """

    def __init__(self, pages: Pages, read: ReadPages | None = None) -> None:
        self._pages = pages
        header = pages.header()
        self._page_size = header.page_size
        self._lock_page = header.lock_page
        self._free = read_freelist(read or pages.read, header)
        self._page_count = header.page_count

    def take(self, count: int) -> Ints:
        """The numbers of so many pages, ascending; a database has room for them after `grow`."""
        taken, self._free = self._free[:count].astype(np.int64), self._free[count:]
        more = count - taken.size
        if not more:
            return taken
        first = self._page_count + 1
        new = np.arange(first, first + more + 1, dtype=np.int64)
        new = new[new != self._lock_page][:more]
        self._page_count = int(new[-1])
        return np.concatenate([taken, new])

    def give_back(self, numbers: Ints) -> None:
        """Take back pages that were taken and are not used."""
        self._free = np.sort(np.concatenate([self._free, numbers.astype(np.uint32)]))

    def exchange(self, given: PageNumbers, taken: PageNumbers) -> NDArray[np.bool_]:
        """Give some pages back and take others; tells which of these were free.

        Those that were not stay as they are. No page may be given twice, or taken twice.
        """
        is_free = np.zeros(self._page_count + 1, np.bool_)
        is_free[self._free] = is_free[given] = True
        had = is_free[taken]
        is_free[taken] = False
        # In pieces, for the places are twice as wide as numbers of pages are.
        self._free = np.concatenate(
            [
                (first + np.flatnonzero(is_free[first : first + _AT_ONCE])).astype(np.uint32)
                for first in range(0, is_free.size, _AT_ONCE)
            ]
        )
        return had

    def grow(self) -> None:
        """Make the database as long as the pages that were taken need it."""
        self._pages.resize(self._page_count)

    def settle(self) -> None:
        """Write the list of the pages that are still free, and how many pages there are."""
        self.grow()
        first_trunk, trunks = write_freelist(self._free, self._page_size)
        for number, trunk in trunks.items():
            self._pages.patch((number - 1) * self._page_size, trunk)
        self._pages.patch(FREELIST_FIELDS.start, struct.pack(">II", first_trunk, self._free.size))
        self._pages.patch(PAGE_COUNT_FIELD.start, struct.pack(">I", self._page_count))
