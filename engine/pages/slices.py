"""Slices of a file: so many pages at a time. Without numpy, which a parent of children has not."""

from __future__ import annotations

from collections.abc import Iterator


def slices(page_count: int, each: int) -> Iterator[tuple[int, int]]:
    """The slices of a file, `each` pages long but for the last: first page number, and count."""
    for first in range(1, page_count + 1, each):
        yield first, min(each, page_count + 1 - first)
