"""Reading what changed of a project, in child processes, a slice of a database at a time."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import NamedTuple

from engine.changes import Changes
from engine.children import Children, together
from engine.errors import BackstayError, SourceDamaged
from engine.handle import Report
from engine.model import Progress
from engine.names import shown
from engine.pages.header import NotCanonical
from engine.project.instance import Instance, names_no_file
from engine.repository.manifest import DeviceEntry, Manifest
from engine.snapshot import tasks
from engine.snapshot.results import Begun, Copied, MainRead, Measured, Read, Stored, Way
from engine.starting import COUNT

_NAMED = 10  # devices that an error names one by one
_AT_ONCE = 2 * COUNT  # files that are under way, and slices of one: they keep the children busy


class Sources(NamedTuple):
    """What was read and stored, or did not have to be.

    `main` is None where it did not change. Devices come in the order of the main database, each
    with what was read of it, or None. `measured` tells of all chunks of an image that was read,
    found by the identity of its names; `packs` are those that were made, with their sizes.
    """

    main: MainRead | None
    devices: tuple[tuple[DeviceEntry, Read | None], ...]
    measured: dict[bytes, Measured]
    packs: dict[str, int]
    notes: tuple[str, ...]

    def stored(self, names: bytes) -> int:
        """The bytes that the chunks of an image occupy."""
        return self.measured[names].stored

    @property
    def packs_used(self) -> frozenset[str]:
        """The packs that hold the chunks of what was read."""
        return frozenset[str]().union(*(each.packs for each in self.measured.values()))


class Reading:
    """One reading of a project, in child processes. Nothing of it exists until a manifest does."""

    def __init__(
        self,
        children: Children,
        instance: Instance,
        previous: Manifest | None,
        changes: Changes,
        *,
        without_damaged: bool,
        report: Report,
    ) -> None:
        self._children = children
        self._instance = instance
        self._before = {device.id: device for device in previous.devices} if previous else {}
        self._notes_before = previous.notes if previous else ()
        self._changes = changes
        self._without_damaged = without_damaged
        self._report = report
        self._done = 0
        self._total = 0
        self._damaged: list[BackstayError] = []
        self._chunks: list[bytes] = []  # of every image that was read; measured at the end
        self._notes: list[str] = []
        # What is known of a file that is under way takes memory; so many keep the children busy.
        self._under_way = asyncio.Semaphore(_AT_ONCE)

    async def run(self, mark_prefix: str) -> Sources:
        """Read and store everything that may have changed.

        Raises `SourceMissing`, `SourceDamaged`, which names the devices, `SettingsInvalid`, `Busy`
        and `StorageFailed`.
        """
        # The main database comes first: then every device that it names has its data.
        main: MainRead | None = None
        if not self._changes.main:
            self._notes += self._notes_of_main()
        else:
            main = await self._children.run(tasks.read_main, self._instance, mark_prefix)
        devices = await self._devices(main)
        packs: dict[str, int] = {}
        for made in await self._children.each(tasks.finish):
            packs |= made
        images = [*_main_names(main), *self._chunks]
        measured = await self._children.run(tasks.measure_images, images, packs)
        by_names = dict(zip(images, measured, strict=True))
        return Sources(main, tuple(devices), by_names, packs, tuple(self._notes))

    async def _devices(self, main: MainRead | None) -> list[tuple[DeviceEntry, Read | None]]:
        before = self._before
        if main is not None:
            wanted = [(device.id, device.name) for device in main.devices]
        else:
            wanted = [(device.id, device.name) for device in before.values()]
        self._leave_out(main.unusable if main is not None else ())
        names = dict(wanted)
        to_read = []
        for device in names:
            path = self._instance.device_file(device)
            if device not in before or device in self._changes.devices:
                to_read.append(device)
                with contextlib.suppress(OSError):  # told when it is read
                    self._total += path.stat().st_size
        self._tell()
        results = await together(self._read_device(device, names[device]) for device in to_read)
        reads = dict(zip(to_read, results, strict=True))
        if self._damaged and not self._without_damaged:
            raise self._refusal()
        for device in before.keys() & names.keys() - reads.keys():
            if _of_a_damaged_index(device, before[device].name) in self._notes_before:
                self._notes.append(_of_a_damaged_index(device, names[device]))
        return [
            reads[device] if device in reads else (before[device]._replace(name=name), None)
            for device, name in names.items()
        ]

    def _leave_out(self, devices: tuple[str, ...]) -> None:
        """Devices whose ids name no file: they are not in the copy of the main database."""
        for device in devices:
            self._damaged.append(SourceDamaged(names_no_file(device)))
            self._notes.append(f"{names_no_file(device)} The device is not in the backup.")

    def _notes_of_main(self) -> list[str]:
        """What the last backup told of the main database, and of its devices' indexes nothing."""
        of_devices = {_of_a_damaged_index(each.id, each.name) for each in self._before.values()}
        return [note for note in self._notes_before if note not in of_devices]

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
            async with self._under_way:
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
        if read.way is Way.TABLE_ONLY:
            self._notes.append(_of_a_damaged_index(device, name))
        return entry, read

    async def _without(
        self, device: str, name: str, path: Path, error: SourceDamaged
    ) -> DeviceEntry:
        """The entry of a device whose data is not in the backup, and why."""
        database = str(self._instance.database)
        reason = error.message
        there = await asyncio.to_thread(path.exists)
        if not there and not await self._children.run(tasks.device_exists, database, device):
            reason = "It was deleted while the backup was made."
        else:
            told = SourceDamaged(f"Device {shown(name)}: {error.message}", hint=error.hint)
            self._damaged.append(told)
        return DeviceEntry(device, name, 0, None, None, None, reason, None)

    async def _read(self, path: Path, way: Way = Way.USUAL) -> Read:
        """Read one database, in slices where it is large."""
        begun = await self._children.run(tasks.begin, str(path), way=way)
        if isinstance(begun, Read):
            self._advance(begun.image.size)
            return begun
        try:
            read = await self._read_slices(begun)
        except NotCanonical as error:
            from engine.pages.accounting import IndexDamaged

            remaining = Way.TABLE_ONLY if isinstance(error, IndexDamaged) else Way.AS_IS
            return await self._read(path, remaining)
        finally:
            if begun.path != str(path):
                await asyncio.to_thread(Path(begun.path).unlink, missing_ok=True)
        return read._replace(stamp=begun.stamp) if begun.path != str(path) else read

    async def _read_slices(self, begun: Begun) -> Read:
        """Read a large database. Raises `NotCanonical` where that has to be in another way."""

        waiting = iter(begun.slices)
        by_page: dict[int, Stored] = {}

        async def some() -> None:
            for first, count, plan in waiting:
                stored = await self._children.run(tasks.read_slice, begun.path, plan, first, count)
                by_page[first] = stored
                self._advance(count * begun.page_size)

        # So many keep the children busy; each one that waits takes memory.
        await together(some() for _ in range(_AT_ONCE))
        stored = [by_page[first] for first, _, _ in begun.slices]
        parts, opening = [part.slice for part in stored], begun.opening
        if any(part.counter != begun.counter for part in stored):
            run = self._children.run
            return await run(tasks.settle, begun.path, opening, parts, way=begun.way)
        if not all(part.whole for part in stored):
            raise NotCanonical("its pages are not those of an image")
        return await self._children.run(tasks.seal, opening, parts)

    def _advance(self, done: int) -> None:
        self._done += done
        self._tell()

    def _tell(self) -> None:
        done = min(self._done, self._total)
        self._report(Progress("reading the databases", done, self._total))


def _of_a_damaged_index(device: str, name: str) -> str:
    """The note of a device of which only the table could be kept."""
    return (
        f"Device {shown(name)} ({device}): an index of its database is damaged. It is left out of "
        "the backup, which has all of the device's data, and a restore builds it anew. The "
        "device's own file stays damaged; a project that is restored from this backup has a sound "
        "one."
    )


def _main_names(main: MainRead | None) -> list[bytes]:
    """All chunks of the main database and of each plugin's storage, in their order."""
    if main is None:
        return []
    copies: list[Copied] = [main.main, *(copied for _, copied in main.plugins)]
    return [copied.names for copied in copies]
