"""What a clean-up is going to do with each pack. Importing it is cheap: a parent needs no numpy."""

# No annotations from __future__ here: NamedTuple would compile each one, at every start.

from typing import NamedTuple


class Sparse(NamedTuple):
    """A pack whose live chunks are to move into new packs, so that it can be removed.

    `moving` has a bit for each chunk in the order of the trailer, set where it moves, and `lists`
    where it is a list of names; both are as numpy packs them. `live` is the bytes that move.
    """

    pack: str
    size: int
    moving: bytes
    lists: bytes
    live: int


class Plan(NamedTuple):
    """What becomes of the packs of a repository.

    `dead` hold nothing that is needed. `packs` are all that there were, and `size` is the bytes of
    the whole repository. `lost` counts what the remaining backups need and cannot be found.
    """

    dead: tuple[str, ...]
    sparse: tuple[Sparse, ...]
    packs: frozenset[str]
    size: int
    lost: int
    notes: tuple[str, ...]


class Removed(NamedTuple):
    """What the repository holds when things were removed: bytes, and how many of these still.

    `reason` is what the store said when it refused; empty where it did not.
    """

    size: int
    left: int
    reason: str
