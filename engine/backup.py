"""Taking a backup: read what changed since the last one, store it, then let the manifest appear."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.children import Children
from engine.errors import BackstayError, SourceDamaged
from engine.handle import Report
from engine.model import Backup, BackupKind, BackupState, LeaveOut, Progress
from engine.project.instance import Instance, find
from engine.repository.manifest import DeviceEntry, Image, MainEntry, Manifest, PluginEntry
from engine.repository.repository import Repository
from engine.snapshot.live import is_unchanged

if TYPE_CHECKING:
    from engine.repository.index import Names
    from engine.snapshot.databases import Opening, Read, Slice
    from engine.snapshot.main import Copied, MainRead

MARK_LENGTH = 8  # hexadecimal digits of the repository's id in a mark
_NAMED = 10  # devices that an error names one by one


@dataclass(frozen=True, slots=True)
class Request:
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
    )


async def take_backup(
    repository: Repository,
    request: Request,
    previous: Manifest | None,
    scratch: Path,
    report: Report,
) -> Manifest:
    """Read and store all that a backup holds; gives its manifest, which is still to be put.

    `previous` is the project's last backup, if its chunks are known to be there: files that did
    not change since are not read. `scratch` is an empty private folder. When this is cancelled or
    fails, nothing of it exists but packs that no manifest names.

    Raises `SourceMissing`, `SourceDamaged`, `SettingsInvalid`, `Busy` and `StorageFailed`.
    """
    report(Progress("looking for changes", 0, 0))
    instance = await asyncio.to_thread(find, request.path)
    changes = await asyncio.to_thread(_changes, instance, previous)
    if previous is not None and not changes.anything:
        manifest = _unchanged(request, instance, previous)
    else:
        work = _Snapshot(repository, request, instance, previous, changes, report)
        manifest = await work.run(scratch)
    report(Progress("finishing", 0, 0))
    return manifest


@dataclass(frozen=True, slots=True)
class _Changes:
    """What may have changed since the last backup: the main database, or devices (ids)."""

    main: bool
    devices: frozenset[str]

    @property
    def anything(self) -> bool:
        return self.main or bool(self.devices)


def _changes(instance: Instance, previous: Manifest | None) -> _Changes:
    if previous is None:
        return _Changes(True, frozenset())
    before = dict(previous.main.stamps)
    files = [*(str(file) for file in (instance.database, *instance.storage_files))]
    settings = [str(instance.root / name) for name in instance.settings]
    main = (
        set(before) != {*files, *settings}
        or not all(is_unchanged(Path(file), before[file]) for file in files)
        or not all(is_unchanged(Path(file), before[file], counter=False) for file in settings)
    )
    devices = frozenset(
        device.id
        for device in previous.devices
        if device.image is None or not is_unchanged(instance.device_file(device.id), device.stamp)
    )
    return _Changes(main, devices)


def _unchanged(request: Request, instance: Instance, previous: Manifest) -> Manifest:
    """The manifest of a project that is as it was at its last backup."""
    return replace(
        previous,
        backup=request.backup,
        project_name=request.project_name,
        path=str(instance.root),
        owners=request.owners,
        date=request.date,
        kind=request.kind,
        added=0,
        longest_lock=0.0,
    )


class _Snapshot:
    """One backup under way, in child processes."""

    def __init__(
        self,
        repository: Repository,
        request: Request,
        instance: Instance,
        previous: Manifest | None,
        changes: _Changes,
        report: Report,
    ) -> None:
        self._repository = repository
        self._request = request
        self._instance = instance
        self._previous = previous
        self._changes = changes
        self._report = report
        self._done = 0
        self._total = 0
        self._damaged: list[BackstayError] = []
        self._chunks: list[Names] = []  # of every image that was read; measured at the end
        self._notes: list[str] = []

    async def run(self, scratch: Path) -> Manifest:
        """Read, store, measure; the manifest of it all."""
        from engine.snapshot import child
        from engine.snapshot.main import read_main

        prefix = new_mark_prefix(self._repository.id)
        async with Children(
            child.configure, self._repository, self._request.leave_out, str(scratch)
        ) as self._children:
            # The main database comes first: then every device that it names has its data.
            main: MainRead | None = None
            if self._changes.main:
                main = await self._children.run(read_main, self._instance, prefix)
            devices = await self._devices(main)
            made: dict[str, int] = {}
            for packs in await self._children.each(child.finish):
                made |= packs
            images = [*_main_names(main), *self._chunks]
            measured = await self._children.run(child.measure_images, images)
        stored = [each.stored for each in measured]
        found = frozenset[str]().union(*(each.packs for each in measured))
        return self._manifest(main, devices, stored, found, made, prefix)

    async def _devices(self, main: MainRead | None) -> list[tuple[DeviceEntry, Read | None]]:
        before = {device.id: device for device in self._previous.devices} if self._previous else {}
        if main is not None:
            wanted = [(device.id, device.name) for device in main.devices]
        else:
            wanted = [(device.id, device.name) for device in before.values()]
        names = dict(wanted)
        to_read = []
        for device in names:
            path = self._instance.device_file(device)
            if device not in before or device in self._changes.devices:
                to_read.append(device)
                with contextlib.suppress(OSError):  # told when it is read
                    self._total += path.stat().st_size
        self._tell()
        tasks = {
            device: asyncio.create_task(self._read_device(device, names[device]))
            for device in to_read
        }
        try:
            await asyncio.gather(*tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        if self._damaged and not self._request.without_damaged:
            raise self._refusal()
        return [
            tasks[device].result()
            if device in tasks
            else (replace(before[device], name=name), None)
            for device, name in names.items()
        ]

    def _refusal(self) -> BackstayError:
        if len(self._damaged) == 1:
            return self._damaged[0]
        named = " ".join(error.message for error in self._damaged[:_NAMED])
        more = len(self._damaged) - _NAMED
        tail = f" And {more} more." if more > 0 else ""
        return SourceDamaged(f"{len(self._damaged)} devices cannot be backed up. {named}{tail}")

    async def _read_device(self, device: str, name: str) -> tuple[DeviceEntry, Read | None]:
        path = self._instance.device_file(device)
        try:
            read = await self._read(path)
        except SourceDamaged as error:
            return await self._without(device, name, path, error), None
        entry = DeviceEntry(
            id=device,
            name=name,
            rows=read.rows,
            first=read.first,
            last=read.last,
            image=read.image,
            missing="",
            stamp=read.stamp,
        )
        self._chunks.append(read.names)
        return entry, read

    async def _without(
        self, device: str, name: str, path: Path, error: SourceDamaged
    ) -> DeviceEntry:
        """The entry of a device whose data is not in the backup, and why."""
        from engine.snapshot.main import device_exists

        database = str(self._instance.database)
        reason = error.message
        there = await asyncio.to_thread(path.exists)
        if not there and not await self._children.run(device_exists, database, device):
            reason = "It was deleted while the backup was made."
            self._notes.append(f"Device {name!r} ({device}) was deleted while the backup was made.")
        else:
            told = SourceDamaged(f"Device {name!r}: {error.message}", hint=error.hint)
            self._damaged.append(told)
            self._notes.append(f"Device {name!r} ({device}) is not in the backup: {reason}")
        return DeviceEntry(device, name, 0, None, None, None, reason, None)

    async def _read(self, path: Path, *, as_is: bool = False) -> Read:
        """Read one database, in slices where it is large."""
        from engine.snapshot import databases

        begun = await self._children.run(databases.begin, str(path), as_is=as_is)
        if isinstance(begun, databases.Read):
            self._advance(begun.image.size)
            return begun
        try:
            read = await self._read_slices(path, begun, as_is=as_is)
        finally:
            if begun.path != str(path):
                await asyncio.to_thread(Path(begun.path).unlink, missing_ok=True)
        if read is None:
            return await self._read(path, as_is=True)
        return replace(read, stamp=begun.stamp) if begun.path != str(path) else read

    async def _read_slices(self, path: Path, begun: Opening, *, as_is: bool) -> Read | None:
        """Read a large database; None where it has to be kept as it is."""
        from engine.pages.header import NotCanonical
        from engine.snapshot import databases
        from engine.snapshot.child import SLICE
        from engine.snapshot.settle import settle

        plan = begun.plan
        pages = SLICE // plan.page_size

        async def one(first: int) -> Slice:
            count = min(pages, plan.page_count + 1 - first)
            part = databases.cut(plan, first, count)
            result = await self._children.run(databases.read_slice, begun.path, part, first, count)
            self._advance(count * plan.page_size)
            return result

        firsts = range(1, plan.page_count + 1, pages)
        tasks = [asyncio.create_task(one(first)) for first in firsts]
        try:
            parts = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if all(part.counter == begun.counter for part in parts):
            if any(part.names is None for part in parts):
                return None
            return await self._children.run(databases.seal, begun, list(parts))
        try:
            return await self._children.run(settle, begun.path, begun, list(parts), as_is=as_is)
        except NotCanonical:
            return None

    def _advance(self, done: int) -> None:
        self._done += done
        self._tell()

    def _tell(self) -> None:
        done = min(self._done, self._total)
        self._report(Progress("reading the databases", done, self._total))

    def _manifest(
        self,
        main: MainRead | None,
        devices: Sequence[tuple[DeviceEntry, Read | None]],
        stored: list[int],
        found: frozenset[str],
        made: dict[str, int],
        prefix: str,
    ) -> Manifest:
        request, previous = self._request, self._previous
        sizes = iter(stored)
        if main is not None:
            main_entry = MainEntry(
                image=replace(main.main.image, stored=next(sizes)),
                tables=main.main.tables,
                actions=main.actions,
                analyses=main.analyses,
                accounts=main.accounts,
                stamps=main.stamps,
            )
            plugins = tuple(
                PluginEntry(plugin, replace(copied.image, stored=next(sizes)), copied.tables)
                for plugin, copied in main.plugins
            )
            settings, notes = main.settings, main.notes
        else:
            assert previous is not None  # noqa: S101  # what did not change was there before
            main_entry, plugins = previous.main, previous.plugins
            settings, notes = previous.settings, ()
        by_names = {id(names): size for names, size in zip(self._chunks, sizes, strict=True)}
        entries = tuple(
            entry
            if read is None or entry.image is None
            else replace(entry, image=replace(entry.image, stored=by_names[id(read.names)]))
            for entry, read in devices
        )
        images: list[Image] = [main_entry.image, *(plugin.image for plugin in plugins)]
        images += [entry.image for entry in entries if entry.image is not None]
        known = {**(previous.packs if previous else {}), **made}
        reused = previous is not None and (main is None or any(read is None for _, read in devices))
        packs = {
            pack: size
            for pack, size in known.items()
            if pack in found or (reused and previous is not None and pack in previous.packs)
        }
        locks = [read.longest_lock for _, read in devices if read is not None]
        return Manifest(
            backup=request.backup,
            project=request.project,
            project_name=request.project_name,
            path=str(self._instance.root),
            owners=request.owners,
            port=self._instance.port,
            date=request.date,
            kind=request.kind,
            main=main_entry,
            devices=entries,
            plugins=plugins,
            settings=settings,
            packs=packs,
            mark_prefix=prefix,
            size=sum(image.stored for image in images),
            added=sum(made.values()),
            data=sum(image.size for image in images),
            leave_out=request.leave_out.value,
            longest_lock=max([*locks, main.longest_lock if main else 0.0]),
            notes=(*notes, *self._notes),
        )


def _main_names(main: MainRead | None) -> list[Names]:
    """All chunks of the main database and of each plugin's storage, in their order."""
    if main is None:
        return []
    copies: list[Copied] = [main.main, *(copied for _, copied in main.plugins)]
    return [copied.names for copied in copies]


def new_backup_id() -> str:
    """An id that no backup has: 12 random hexadecimal digits."""
    return secrets.token_hex(6)
