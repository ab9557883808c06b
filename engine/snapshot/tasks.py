"""What a parent may ask of a child process during a backup.

Importing this is cheap, for the parent does: what a task needs is imported where it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.model import PATIENCE, LeaveOut
from engine.project.instance import Instance
from engine.repository.repository import Repository

if TYPE_CHECKING:
    from engine.pages.canonical import Plan
    from engine.snapshot.results import MainRead, Measured, Opening, Read, Slice, Way

SLICE = 8 << 20  # bytes of a database that are read at once

# What a child imports before anything is asked of it; the main database is often as it was.
NEEDED = ("engine.snapshot.databases", "engine.snapshot.tasks")
NEEDED_FOR_MAIN = ("engine.snapshot.main",)


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


def begin(path: str, *, way: Way) -> Opening | Read:
    """See `engine.snapshot.databases.begin`."""
    from engine.snapshot import databases

    return databases.begin(path, way=way)


def read_slice(path: str, plan: Plan, first: int, count: int) -> Slice:
    """See `engine.snapshot.databases.read_slice`."""
    from engine.snapshot import databases

    return databases.read_slice(path, plan, first, count)


def seal(opening: Opening, parts: list[Slice]) -> Read:
    """See `engine.snapshot.databases.seal`."""
    from engine.snapshot import databases

    return databases.seal(opening, parts)


def settle(path: str, before: Opening, parts: list[Slice], *, way: Way) -> Read:
    """See `engine.snapshot.settle.settle`."""
    from engine.snapshot import settle as settling

    return settling.settle(path, before, parts, way=way)


def finish() -> dict[str, int]:
    """See `engine.snapshot.child.finish`."""
    from engine.snapshot import child

    return child.finish()


def measure_images(images: list[bytes], packs: Mapping[str, int]) -> list[Measured]:
    """See `engine.snapshot.child.measure_images`."""
    from engine.snapshot import child

    return child.measure_images(images, packs)
