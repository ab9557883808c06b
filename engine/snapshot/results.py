"""What the tasks of a snapshot give back. Importing it is cheap: a parent needs no numpy."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from engine.project.maindb import DeviceRow
from engine.repository.manifest import Image, Stamp

if TYPE_CHECKING:
    from engine.pages.accounting import Facts
    from engine.pages.btree import Ints
    from engine.pages.canonical import Plan
    from engine.repository.places import Names
    from engine.spool import Spooled


class Way(StrEnum):
    """How a database is read: as the backup's settings say, or in a way that remains for it.

    Of a database with a damaged index, only the table is kept; one of an unusual shape, or with
    unusual ids, is kept as it is.
    """

    USUAL = "usual"
    TABLE_ONLY = "table only"
    AS_IS = "as it is"


class Opening(NamedTuple):
    """A file at the moment it was first read. `first` and `last` are epoch milliseconds.

    `path` is the file to read slices from: the database itself, or a private copy of one in WAL
    mode. `index_names` are the indexes that the plan leaves out. `rows` is None where the rows are
    counted page by page.
    """

    path: str
    way: Way
    plan: Plan
    counter: int
    stamp: Stamp
    first: int | None
    last: int | None
    index_names: tuple[str, ...]
    rows: int | None
    longest_lock: float


class Slice(NamedTuple):
    """Chunks of consecutive pages, and what is needed to see later whether they changed.

    `names` is None where the pages were not those of the plan: somebody had changed them.
    """

    first: int  # page number
    counter: int
    names: Names | None
    pieces: Names  # tags of the raw pieces
    rows: Ints  # rows of the table in each chunk; NO_LEAF where a page of it is not one
    lookalikes: Ints
    facts: Facts
    longest_lock: float


class Begun(NamedTuple):
    """An opening as the parent holds it, which need not understand it.

    `opening` is an `Opening`, and `slices` are the parts to read: page number, count of pages, and
    their part of the plan.
    """

    path: str
    way: Way
    counter: int
    stamp: Stamp
    page_size: int
    opening: Spooled[Opening]
    slices: tuple[tuple[int, int, Spooled[Plan]], ...]


class Stored(NamedTuple):
    """A slice as the parent holds it, and what the parent has to know of it."""

    counter: int
    whole: bool  # whether it is stored: else somebody had changed its pages
    slice: Spooled[Slice]


class Read(NamedTuple):
    """A whole database, read and stored: its image, and what the manifest says of it.

    `names` are those of all chunks that belong to the image, its lists among them, joined. `way` is
    how it was read in the end.
    """

    way: Way
    image: Image
    names: bytes
    rows: int
    first: int | None
    last: int | None
    stamp: Stamp
    longest_lock: float


class Copied(NamedTuple):
    """A database that was copied row by row: its image, all its chunks, and rows per table."""

    image: Image
    names: bytes  # joined
    tables: tuple[tuple[str, int], ...]


class MainRead(NamedTuple):
    """All of a project but its devices' databases, at one committed moment for each database."""

    main: Copied
    devices: tuple[DeviceRow, ...]
    unusable: tuple[str, ...]  # ids of devices that can have no file of their own
    actions: int
    analyses: int
    accounts: int
    plugins: tuple[tuple[str, Copied], ...]
    settings: tuple[tuple[str, str], ...]
    stamps: tuple[tuple[str, Stamp], ...]
    notes: tuple[str, ...]
    longest_lock: float


class Measured(NamedTuple):
    """What some chunks occupy in the repository, in bytes, and the packs that hold them."""

    stored: int
    packs: frozenset[str]
