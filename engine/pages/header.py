"""The header of a SQLite file: its first 100 bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"SQLite format 3\0"
HEADER_SIZE = 100
LOCK_BYTE = 1 << 30  # the page that holds this byte of the file is never used by SQLite

FREELIST_FIELDS = slice(32, 40)  # first trunk page, number of free pages
PAGE_COUNT_FIELD = slice(28, 32)


class NotADatabase(Exception):
    """The bytes are not a SQLite file, or are cut short; the text says why."""


class NotCanonical(Exception):
    """A sound file of a shape that is kept as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says. `page_count` is the file's size in pages, in `page_size` bytes."""

    page_size: int
    page_count: int
    wal: bool
    reserved: int
    change_counter: int
    first_trunk: int
    free_count: int
    schema_format: int
    auto_vacuum: bool
    text_encoding: int  # 1 is UTF-8

    @property
    def lock_page(self) -> int:
        """The number of the page that SQLite never uses, whether or not the file reaches it."""
        return lock_page_of(self.page_size)


def lock_page_of(page_size: int) -> int:
    """The number of the page that SQLite never uses in files with pages of so many bytes."""
    return LOCK_BYTE // page_size + 1


def parse_header(raw: bytes, file_size: int | None) -> Header:
    """Read a header. Raises `NotADatabase` where SQLite itself would refuse the file.

    `file_size` is in bytes; with None, the pages that the header tells of need not be there.
    """
    if not raw or file_size == 0:
        raise NotADatabase("is empty")
    if len(raw) < HEADER_SIZE or (file_size is not None and file_size < 512):
        raise NotADatabase("is cut short: it is smaller than a header")
    if raw[:16] != MAGIC:
        raise NotADatabase("is not a SQLite database")
    (page_size,) = struct.unpack_from(">H", raw, 16)
    page_size = 65536 if page_size == 1 else page_size
    if page_size < 512 or page_size & (page_size - 1):
        raise NotADatabase(f"has an impossible page size of {page_size}")
    counter, in_header, trunk, free = struct.unpack_from(">IIII", raw, 24)
    (schema_format,) = struct.unpack_from(">I", raw, 44)
    (largest_root, encoding) = struct.unpack_from(">II", raw, 52)
    (valid_for,) = struct.unpack_from(">I", raw, 92)
    in_file = in_header if file_size is None else file_size // page_size
    page_count = in_header if in_header and valid_for == counter else in_file
    if page_count > in_file:
        raise NotADatabase(f"is cut short: {in_file} of its {page_count} pages are there")
    return Header(
        page_size=page_size,
        page_count=page_count,
        wal=raw[18] == 2 or raw[19] == 2,
        reserved=raw[20],
        change_counter=counter,
        first_trunk=trunk,
        free_count=free,
        schema_format=schema_format,
        auto_vacuum=largest_root != 0,
        text_encoding=encoding,
    )
