"""What the tasks of a restore are asked for, and what they give back.

Importing it is cheap: a parent needs no numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.repository.manifest import Image
from engine.spool import Spooled

if TYPE_CHECKING:
    from engine.pages.btree import Ints
    from engine.pages.shape import Index
    from engine.rebuild.indexing import PrimaryKey
    from engine.rebuild.sorting import Part, Run, Splitters
    from engine.rebuild.space import Space

Columns = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A device's database to be made of an image: where, with which ids, and what must be in it."""

    image: Image
    path: str
    prefix: bytes = field(repr=False)
    rows: int
    what: str  # how an error names it


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is worked on at once: bytes of leaves, rows and bytes of a part of an index."""

    leaves: int = 4 << 20
    rows: int = 1 << 16
    bytes: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be built: the primary key's index and the `others`; SQLite has to build `left`.

    `divisions` are for `sorting.divide`: leaves of the table, in the order of the rows, as many as
    are divided at a time, and what divides them. There are none where there are no others.
    """

    primary_key: Spooled[PrimaryKey]
    others: tuple[Index, ...]
    left: tuple[Index, ...]
    divisions: tuple[tuple[Spooled[Ints], Spooled[Splitters]], ...]
    space: Spooled[Space]

    @property
    def columns(self) -> tuple[Columns, ...]:
        """What the others are over."""
        return tuple(index.columns or () for index in self.others)


@dataclass(frozen=True, slots=True)
class Divided:
    """The runs of some leaves: one for each index, or None where SQLite has to build it.

    `first` and `last` are the lowest and the highest rowid; without rows the first is larger.
    """

    runs: tuple[Spooled[Run] | None, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Arranged:
    """An index whose parts are to be filled. `leaves` are the pages of all of them.

    `above` are pages enough for what stands above, besides the root. `files` are those of its runs,
    which nobody needs when its parts are filled.
    """

    root: int
    files: tuple[str, ...]
    parts: tuple[Spooled[Part], ...]
    leaves: Spooled[Ints]
    above: Spooled[Ints]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """All indexes that can be filled, and those that SQLite has to build."""

    indexes: tuple[Arranged, ...]
    left: tuple[Index, ...]
    space: Spooled[Space]
