"""The steps of a clean-up, as tasks of child processes. They stand here in their order.

1. `make_plan` looks at everything and changes nothing.
2. `remove_manifests`: the backups that had their time are gone, and their chunks are garbage.
3. `move` and `finish_moving` bring live chunks from sparse packs into new ones, on disk.
4. `settle` reads the new packs back, and lets manifests name them.
5. `remove_packs`, last of all.

Killed anywhere, every chunk that a remaining backup needs is in a pack; what is there twice or not
needed is found by the next clean-up.

Importing this is cheap, for the parent does: what a task needs is imported where it runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.errors import Failed, RepositoryDamaged, StorageFailed
from engine.repository.manifest import Manifest
from engine.repository.plan import Plan, Removed, Sparse
from engine.repository.repository import Repository
from engine.repository.storage import AlreadyStored

if TYPE_CHECKING:
    from engine.repository.index import ChunkIndex
    from engine.repository.liveness import Needed
    from engine.repository.moving import Mover

NEEDED = ("engine.repository.liveness", "engine.repository.moving")
_PARTS = ("packs", "manifests", "damaged")  # all that a clean-up may remove from


class Setup:
    """The setup of this process: set by `configure`, read by the tasks."""

    repository: Repository
    mover: Mover | None


setup = Setup()


def configure(repository: Repository) -> None:
    """Set this process up for one clean-up."""
    setup.repository = repository
    setup.mover = None


def make_plan(remove: Collection[str]) -> Plan:
    """Look at what all backups but those to be removed need.

    Frames that are found damaged are marked, and so are packs that cannot be read. Raises
    `RepositoryDamaged` or `TooNew` where a manifest cannot be read, naming it.
    """
    from engine.repository.index import packs_in_place
    from engine.repository.liveness import fates, lists_of

    repository = setup.repository
    remaining = [backup for backup in sorted(repository.manifests()) if backup not in remove]
    lists = {backup: lists_of(_readable(backup)) for backup in remaining}
    sizes = packs_in_place(repository.storage)
    index, needed = _look(sizes, lists.values())
    if needed.unread:  # it is marked now, and a copy of it may be good
        index, needed = _look(sizes, lists.values())
    held: set[str] = set()
    for backup, joined in lists.items():
        # What such a backup needs is not known in full, but the packs that it is in are.
        if needed.unread and needed.unread.intersection(_names(joined)):
            held |= _readable(backup).packs.keys()
    found = fates(index, needed, held, sizes)
    unreadable = index.unreadable
    if needed.lost:
        for pack in unreadable:
            _mark(pack)
    return Plan(
        dead=(*found.dead, *(() if needed.lost else unreadable)),
        sparse=found.sparse,
        packs=frozenset(sizes),
        size=_size(),
        lost=needed.lost,
        notes=_notes(needed.lost, found.damaged, unreadable),
    )


def _look(sizes: Mapping[str, int], lists: Iterable[bytes]) -> tuple[ChunkIndex, Needed]:
    """All that is in packs, and what of it is named by lists."""
    from engine.repository.index import load_index
    from engine.repository.liveness import find_needed

    repository = setup.repository
    index = load_index(repository.storage, repository.keys, sizes, with_damaged=True)
    return index, find_needed(repository, index, b"".join(lists))


def _readable(backup: str) -> Manifest:
    try:
        return setup.repository.manifest(backup)
    except RepositoryDamaged as error:
        raise RepositoryDamaged(
            error.message,
            hint="Nothing was removed: what this backup needs is not known, and would be lost. "
            "Bring its manifest back, or remove the backup.",
        ) from error


def _names(joined: bytes) -> list[bytes]:
    from engine.repository.manifest import NAME_LENGTH

    return [joined[at : at + NAME_LENGTH] for at in range(0, len(joined), NAME_LENGTH)]


def _mark(pack: str) -> None:
    """Let the next backup store again what was in a pack that cannot be read."""
    from engine.repository.packs import damage_mark

    with contextlib.suppress(AlreadyStored, StorageFailed):
        setup.repository.storage.put(damage_mark(pack, 0), [])


def _notes(lost: int, damaged: Collection[str], unreadable: Collection[str]) -> tuple[str, ...]:
    notes = [left_as_it_is(pack) for pack in damaged]
    if lost:
        notes.append(
            f"{lost} chunks that backups need are missing from the repository."
            " The next backup stores again those that the project still has."
        )
        notes += [f"Pack {pack} cannot be read; it was left as it is." for pack in unreadable]
    return tuple(notes)


def left_as_it_is(pack: str) -> str:
    """The note on a pack that could not be cleaned up."""
    return f"Pack {pack} is damaged where backups need it; it was left as it is."


def remove_manifests(remove: Collection[str]) -> None:
    """Remove backups. Raises `StorageFailed` where one is still there afterwards."""
    repository = setup.repository
    repository.storage.clean()
    doomed = [backup for backup in repository.manifests() if backup in remove]
    for backup in doomed:
        repository.remove_manifest(backup)
    there = repository.manifests()
    left = sum(backup in there for backup in doomed)
    if left:
        raise StorageFailed(
            f"{left} of {len(doomed)} backups are still there after they were removed.",
            hint="All backups are safe, these too. Does the store keep what is deleted?",
        )


def move(sparse: Sparse) -> bool:
    """Copy what is live in a pack; False where some of it is damaged. See `Mover.move`."""
    from engine.repository.moving import Mover

    if setup.mover is None:
        setup.mover = Mover(setup.repository)
    return setup.mover.move(sparse)


def finish_moving() -> str:
    """Wait until all that this process copied is on disk; gives why it is not, or nothing."""
    try:
        if setup.mover is not None:
            setup.mover.finish()
    except StorageFailed as error:
        return error.message
    return ""


def settle(doomed: frozenset[str], lost: int) -> str:
    """Make sure that no backup needs packs that are to go, and let no manifest name them.

    Gives why that could not be written; empty when it was. Raises `Failed` where something would be
    lost: more than the `lost` that was missing from the start.
    """
    from engine.repository.index import packs_in_place
    from engine.repository.liveness import find_needed, lists_of, packs_holding

    repository = setup.repository
    there = packs_in_place(repository.storage)
    staying = {pack: size for pack, size in there.items() if pack not in doomed}
    backups = sorted(repository.manifests())
    index, needed = _look(staying, (lists_of(repository.manifest(backup)) for backup in backups))
    if needed.lost > lost:
        raise Failed(
            "The clean-up stopped: chunks that were just moved are not where they should be.",
            hint="No pack was removed, and all backups are safe. Does the store keep what it is "
            "given?",
        )
    for backup in backups:
        manifest = repository.manifest(backup)
        if staying.keys() >= manifest.packs.keys():
            continue
        needed = find_needed(repository, index, lists_of(manifest))
        packs = {pack: staying[pack] for pack in sorted(packs_holding(index, needed))}
        if needed.lost:
            # It keeps naming what is gone, so that the next backup does not rely on it.
            packs |= {pack: size for pack, size in manifest.packs.items() if pack not in doomed}
        if packs != manifest.packs:
            try:
                repository.replace_manifest(manifest._replace(packs=packs))
            except StorageFailed as error:
                return error.message
    return ""


def packs_made(plan_packs: frozenset[str]) -> frozenset[str]:
    """The packs that were not there when the plan was made."""
    from engine.repository.index import packs_in_place

    return frozenset(packs_in_place(setup.repository.storage).keys() - plan_packs)


def give_up_moving() -> None:
    """Write no more copies."""
    if setup.mover is not None:
        setup.mover.close()


def remove_packs(doomed: frozenset[str]) -> Removed:
    """Remove packs, then the marks of packs that are not there, and look at what is left."""
    from engine.repository.index import damaged_frames, packs_in_place
    from engine.repository.packs import damage_mark, object_name

    storage, reason = setup.repository.storage, ""
    for pack in sorted(doomed):
        try:
            storage.delete(object_name(pack))
        except StorageFailed as error:  # the others can go all the same
            reason = error.message
    there = packs_in_place(storage)
    for pack, frame in damaged_frames(storage):
        if pack not in there:
            storage.delete(damage_mark(pack, frame))
    return Removed(_size(), sum(pack in there for pack in doomed), reason)


def _size() -> int:
    storage = setup.repository.storage
    return sum(size for part in _PARTS for _, size in storage.list(part))
