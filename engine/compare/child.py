"""What a child process was set up with for one comparison, and its tasks.

Importing this is cheap, for the parent does: what a task needs is imported where it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from engine.errors import RepositoryDamaged
from engine.model import RowChanges
from engine.repository.chunk_reader import ChunkReader
from engine.repository.manifest import Image
from engine.repository.repository import Repository

if TYPE_CHECKING:
    from engine.compare.main import MainChanges

T = TypeVar("T")

# What a child imports before anything is asked of it.
NEEDED = ("engine.compare.images", "engine.compare.main", "engine.repository.index")


class Pair(NamedTuple):
    """A device's database before and after: its images and rows, and how an error names it."""

    before: Image
    after: Image
    rows_before: int
    rows_after: int
    what: str


class _Setup:
    """The setup of this process."""

    repository: Repository
    scratch: Path
    reader: ChunkReader


def configure(repository: Repository, scratch: str) -> None:
    """Set this process up; `scratch` is a private folder for temporary files."""
    _Setup.repository, _Setup.scratch = repository, Path(scratch)
    _look()


def _look() -> None:
    """Look where chunks are."""
    from engine.repository.index import load_index

    repository = _Setup.repository
    index = load_index(repository.storage, repository.keys, folder=_Setup.scratch)
    _Setup.reader = ChunkReader(repository, index)


def _found(work: Callable[[], T]) -> T:
    """Do some work; what is not found is looked for once more: a clean-up may have moved it."""
    try:
        return work()
    except RepositoryDamaged:
        _look()
        return work()


def compare_device(pair: Pair) -> RowChanges:
    """Compare the rows of a device. Raises `RepositoryDamaged`, naming it."""
    return _found(partial(_compare_device, pair))


def _compare_device(pair: Pair) -> RowChanges:
    from engine.compare.images import compare_images
    from engine.compare.tables import compare_tables
    from engine.pages.header import NotCanonical
    from engine.repository.chunk_reader import ChunkLost

    reader = _Setup.reader
    try:
        return compare_images(reader, pair)
    except NotCanonical:
        return compare_tables(reader, pair, _Setup.scratch)
    except ChunkLost as error:
        reason = str(error).rstrip(".")
        raise RepositoryDamaged(f"{pair.what} cannot be read: {reason}.") from error


def compare_main(before: Image, after: Image) -> MainChanges:
    """Compare two main databases. Raises `RepositoryDamaged`."""
    return _found(partial(_compare_main, before, after))


def _compare_main(before: Image, after: Image) -> MainChanges:
    from engine.compare.main import changes_between
    from engine.rebuild.stored import opened

    what = "The main database"
    with (
        opened(_Setup.reader, before, _Setup.scratch, what) as first,
        opened(_Setup.reader, after, _Setup.scratch, what) as second,
    ):
        return changes_between(first, second)
