"""Taking a backup: read what changed since the last one, store it, then let the manifest appear."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.changes import Changes, find_changes
from engine.handle import Report
from engine.home import Home
from engine.model import PATIENCE, Backup, BackupKind, BackupState, LeaveOut, Progress
from engine.project.instance import Instance
from engine.repository.manifest import Image, Layout, MainEntry, Manifest, PluginEntry
from engine.repository.repository import Repository

if TYPE_CHECKING:
    from engine.reading import Sources

MARK_LENGTH = 8  # hexadecimal digits of the repository's id in a mark


class Request(NamedTuple):
    """A backup that is asked for: of which project, by whom, when, and under which id."""

    backup: str
    project: str
    project_name: str
    path: Path
    owners: tuple[str, ...]
    date: datetime
    kind: BackupKind
    leave_out: LeaveOut
    without_damaged: bool
    patience: float = PATIENCE  # seconds to wait for a writer that holds a database


def new_mark_prefix(repository: str) -> str:
    """What marks for tokens begin with in this repository; nobody else can know it."""
    return f"backstay-token-{repository[:MARK_LENGTH]}"


def facts(manifest: Manifest, manifest_size: int) -> Backup:
    """A backup's facts, as its manifest tells them."""
    here = [device for device in manifest.devices if device.image is not None]
    return Backup(
        id=manifest.backup,
        project=manifest.project,
        date=manifest.date,
        kind=manifest.kind,
        state=BackupState.COMPLETE,
        size=manifest.size + manifest_size,
        added=manifest.added + manifest_size,
        data=manifest.data,
        devices=len(manifest.devices),
        variables=sum(device.rows for device in here),
        actions=manifest.main.actions,
        analyses=manifest.main.analyses,
        accounts=manifest.main.accounts,
        missing=len(manifest.devices) - len(here),
    )


async def take_backup(
    repository: Repository,
    request: Request,
    previous: Manifest | None,
    home: Home,
    report: Report,
) -> Manifest:
    """Read and store all that a backup holds; gives its manifest, which is still to be put.

    `previous` is the project's last backup, if its chunks are known to be there: files that did
    not change since are not read. When this is cancelled or fails, nothing of it exists but packs
    that no manifest names.

    Raises `SourceMissing`, `SourceDamaged`, `SettingsInvalid`, `Busy` and `StorageFailed`.
    """
    report(Progress("looking for changes", 0, 0))

    async def look() -> tuple[Instance, Changes]:
        return await asyncio.to_thread(find_changes, request.path, previous)

    # Without a last backup everything is read: then children get ready while it is looked at.
    found = None if previous is None else await look()
    if previous is not None and found is not None and not found[1].anything:
        report(Progress("finishing", 0, 0))
        return _unchanged(request, found[0], previous)
    from engine.children import Children
    from engine.snapshot import NEEDED, NEEDED_FOR_MAIN, tasks

    scratch = await asyncio.to_thread(home.make_scratch)
    mark_prefix = new_mark_prefix(repository.id)
    needed = (*NEEDED, *(NEEDED_FOR_MAIN if found is None or found[1].main else ()))
    async with Children(
        tasks.configure,
        repository,
        request.leave_out,
        str(scratch),
        request.patience,
        preload=needed,
        ahead=2,
    ) as children:
        from engine.reading import Reading  # takes a while, and the children take longer

        instance, changes = await look() if found is None else found
        reading = Reading(
            children,
            instance,
            previous,
            changes,
            without_damaged=request.without_damaged,
            report=report,
        )
        sources = await reading.run(mark_prefix)
    report(Progress("finishing", 0, 0))
    return _manifest(request, instance, previous, sources, mark_prefix)


def _unchanged(request: Request, instance: Instance, previous: Manifest) -> Manifest:
    """The manifest of a project that is as it was at its last backup."""
    return previous._replace(
        backup=request.backup,
        project_name=request.project_name,
        path=str(instance.root),
        owners=request.owners,
        date=request.date,
        kind=request.kind,
        added=0,
        longest_lock=0.0,
    )


def _manifest(
    request: Request,
    instance: Instance,
    previous: Manifest | None,
    sources: Sources,
    mark_prefix: str,
) -> Manifest:
    """The manifest of what was read, and of what did not change."""
    main = sources.main
    if main is not None:
        main_entry = MainEntry(
            image=main.main.image._replace(stored=sources.stored(main.main.names)),
            tables=main.main.tables,
            actions=main.actions,
            analyses=main.analyses,
            accounts=main.accounts,
            stamps=main.stamps,
        )
        plugins = tuple(
            PluginEntry(
                plugin,
                copied.image._replace(stored=sources.stored(copied.names)),
                copied.tables,
            )
            for plugin, copied in main.plugins
        )
        settings, notes = main.settings, main.notes
    else:
        assert previous is not None  # noqa: S101  # what did not change was there before
        main_entry, plugins = previous.main, previous.plugins
        settings, notes = previous.settings, ()
    entries = tuple(
        entry
        if read is None or entry.image is None
        else entry._replace(image=entry.image._replace(stored=sources.stored(read.names)))
        for entry, read in sources.devices
    )
    images: list[Image] = [main_entry.image, *(plugin.image for plugin in plugins)]
    images += [entry.image for entry in entries if entry.image is not None]
    before = previous.packs if previous is not None else {}
    reused = main is None or any(read is None for _, read in sources.devices)
    packs = {
        pack: size
        for pack, size in {**before, **sources.packs}.items()
        if pack in sources.packs_used or (reused and pack in before)
    }
    added = sum(sources.packs.values())
    locks = [read.longest_lock for _, read in sources.devices if read is not None]
    return Manifest(
        backup=request.backup,
        project=request.project,
        project_name=request.project_name,
        path=str(instance.root),
        owners=request.owners,
        port=instance.port,
        date=request.date,
        kind=request.kind,
        main=main_entry,
        devices=entries,
        plugins=plugins,
        settings=settings,
        packs=packs,
        mark_prefix=mark_prefix,
        leave_out=request.leave_out.value,
        # Chunks are measured without their packs' tables, which are part of what was added.
        size=max(sum(image.stored for image in images), added),
        added=added,
        data=sum(image.size for image in images),
        longest_lock=max([*locks, main.longest_lock if main else 0.0]),
        notes=(*notes, *sources.notes),
        layout=Layout(
            plugin=instance.plugin,
            database=str(instance.database),
            devices=str(instance.devices),
            storage=str(instance.storage),
        ),
    )
