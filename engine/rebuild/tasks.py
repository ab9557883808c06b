"""What a parent may ask of a child process during a restore, before it knows all of `rebuild`.

Importing this is cheap: numpy and what uses it is imported where it runs. So children are started
before their parent imports the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.pages.slices import slices as page_slices
from engine.repository.manifest import Image
from engine.repository.repository import Repository

SLICE = 8 << 20  # bytes of a database that are made at once


def configure(repository: Repository, scratch: str) -> None:
    """See `engine.rebuild.child.configure`."""
    from engine.rebuild import child

    child.configure(repository, scratch)


def restore_as_is(image: Image, path: str, what: str) -> None:
    """See `engine.rebuild.databases.restore_as_is`."""
    from engine.rebuild import databases

    databases.restore_as_is(image, path, what)


def is_small(image: Image) -> bool:
    """Whether a database is made by one task; others are made in slices."""
    return image.size <= SLICE


def slices(image: Image) -> Iterator[tuple[int, int]]:
    """The slices of an image: page number and count of pages."""
    return page_slices(image.page_count, SLICE // image.page_size)
