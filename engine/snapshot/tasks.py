"""What a parent may ask of a child process during a backup.

Importing this is cheap, for the parent does: what a task needs is imported where it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.model import PATIENCE, LeaveOut
from engine.pages.slices import slices
from engine.project.instance import Instance
from engine.repository.repository import Repository
from engine.spool import Spooled, take

if TYPE_CHECKING:
    from engine.pages.canonical import Plan
    from engine.snapshot.results import (
        Begun,
        MainRead,
        Measured,
        Opening,
        Read,
        Slice,
        Stored,
        Way,
    )

SLICE = 8 << 20  # bytes of a database that are read at once


def configure(
    repository: Repository, leave_out: LeaveOut, scratch: str, patience: float = PATIENCE
) -> None:
    """See `engine.snapshot.child.configure`."""
    from engine.snapshot import child

    child.configure(repository, leave_out, scratch, patience)


def read_main(instance: Instance, mark_prefix: str) -> MainRead:
    """See `engine.snapshot.main.read_main`."""
    from engine.snapshot import main

    return main.read_main(instance, mark_prefix)


def device_exists(database: str, device: str) -> bool:
    """See `engine.snapshot.main.device_exists`."""
    from engine.snapshot import main

    return main.device_exists(database, device)


def begin(path: str, *, way: Way) -> Begun | Read:
    """See `engine.snapshot.databases.begin`."""
    from engine.snapshot import databases
    from engine.snapshot.child import setup
    from engine.snapshot.results import Begun, Read

    begun = databases.begin(path, way=way)
    if isinstance(begun, Read):
        return begun
    plan = begun.plan
    parts = tuple(
        (first, count, setup.spool.put(plan.cut(first, count)))
        for first, count in slices(plan.page_count, SLICE // plan.page_size)
    )
    return Begun(
        begun.path,
        begun.way,
        begun.counter,
        begun.stamp,
        plan.page_size,
        setup.spool.put(begun),
        parts,
    )


def read_slice(path: str, plan: Spooled[Plan], first: int, count: int) -> Stored:
    """See `engine.snapshot.databases.read_slice`."""
    from engine.snapshot import databases
    from engine.snapshot.child import setup
    from engine.snapshot.results import Stored

    part = databases.read_slice(path, take(plan), first, count)
    return Stored(part.counter, part.names is not None, setup.spool.put(part))


def seal(opening: Spooled[Opening], parts: list[Spooled[Slice]]) -> Read:
    """See `engine.snapshot.databases.seal`."""
    from engine.snapshot import databases

    return databases.seal(take(opening), (take(part) for part in parts))


def settle(path: str, before: Spooled[Opening], parts: list[Spooled[Slice]], *, way: Way) -> Read:
    """See `engine.snapshot.settle.settle`."""
    from engine.snapshot import settle as settling

    return settling.settle(path, take(before), [take(part) for part in parts], way=way)


def finish() -> dict[str, int]:
    """See `engine.snapshot.child.finish`."""
    from engine.snapshot import child

    return child.finish()


def measure_images(images: list[bytes], packs: Mapping[str, int]) -> list[Measured]:
    """See `engine.snapshot.child.measure_images`."""
    from engine.snapshot import child

    return child.measure_images(images, packs)
