"""Making a new, isolated project of a backup, beside the others and touching none of them."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.children import Children, together
from engine.errors import FULL_HINT, RepositoryDamaged, StorageFailed
from engine.handle import Report
from engine.model import HeldItem, MissingCode, NewToken, Progress, QuietItem
from engine.names import shown
from engine.project.device_database import create_device_database
from engine.project.folder import make_folder, make_folders, sync_tree
from engine.project.identity import Renewed, renew_main, renew_plugin_storage, verify_rows
from engine.project.ids import IdPrefixes
from engine.project.ports import free_port
from engine.project.quiet import quiet_item
from engine.project.settings_files import SettingsFile, WrittenSettings, write
from engine.project.tables import open_unchanging
from engine.rebuild import NEEDED, large, tasks
from engine.rebuild.results import Rebuild
from engine.repository.manifest import DeviceEntry, Image, Manifest
from engine.repository.repository import Repository
from engine.starting import COUNT
from engine.syncing import sync_file

if TYPE_CHECKING:
    from engine.rebuild.databases import Slice
    from engine.spool import Spooled

MAIN = "The main database"  # how an error names it
SPARE = 64 << 20  # bytes that stay free beside what a restore needs


@dataclass(frozen=True, slots=True)
class Restored:
    """A project that was just made, whole, under its temporary name."""

    port: int
    devices: int
    variables: int
    tokens: tuple[NewToken, ...]
    analyses_without_code: tuple[MissingCode, ...]
    parsers_without_code: tuple[MissingCode, ...]
    held: tuple[HeldItem, ...]
    quiet: tuple[QuietItem, ...]
    notes: tuple[str, ...]


async def restore_project(
    repository: Repository,
    manifest: Manifest,
    *,
    partial: Path,
    root: Path,
    scratch: Path,
    now: datetime,
    taken_ports: Collection[int],
    free_space: int,
    report: Report,
) -> Restored:
    """Make a project of a backup in the folder `partial`, which must not be there yet.

    `root` is the path that the folder will have in the end. When this returns, every database has
    passed its checks and all of it is on disk; `publish` then gives it its name. When it is
    cancelled or fails, the folder is removed.

    Raises `RepositoryDamaged`, naming the devices concerned, and `StorageFailed`.
    """
    images = [device.image for device in manifest.devices if device.image is not None]
    needed = manifest.data + room_to_sort(images) + SPARE
    if free_space < needed:
        raise StorageFailed(
            f"The restore needs {needed} bytes, and {free_space} are free.",
            hint=FULL_HINT,
        )
    await asyncio.to_thread(make_folder, partial)
    try:
        work = Restoration(repository, manifest, partial, root, now, report)
        return await work.run(scratch, taken_ports)
    except BaseException as error:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True))
        if isinstance(error, RepositoryDamaged):
            await mark_damage(repository, manifest)
        raise


def room_to_sort(images: Iterable[Image]) -> int:
    """Bytes that building indexes takes for a while beside the databases of these images.

    Their entries take less than half of a database; large ones are made `COUNT` at a time.
    """
    sizes = [
        image.size for image in images if len(image.left_out) > 1 and not tasks.is_small(image)
    ]
    return sum(sorted(sizes)[-COUNT:]) // 2


async def mark_damage(repository: Repository, manifest: Manifest) -> None:
    """Mark all that is damaged in the packs of a backup, of which something was found to be.

    One more backup then makes all of it good, and not only what was come upon first.
    """
    from engine.repository.damage import mark_pack
    from engine.repository.index import packs_in_place

    packs = await asyncio.to_thread(packs_in_place, repository.storage)
    for pack, size in packs.items():
        frames = pack in manifest.packs
        await asyncio.to_thread(mark_pack, repository, pack, size, frames=frames)


class Restoration:
    """One restore under way, in child processes."""

    stage = "new ids and indexes"  # what `Progress` calls it

    def __init__(
        self,
        repository: Repository,
        manifest: Manifest,
        partial: Path,
        root: Path | None,
        now: datetime,
        report: Report,
    ) -> None:
        self._repository = repository
        self._manifest = manifest
        self._partial = partial
        self._root = root
        self._report = report
        self._prefixes = IdPrefixes(now)
        self._part = MAIN  # which of the main parts is being made, as an error names it
        self._done = 0
        # Each large database takes all children; another begins where one of them waits.
        self._turns = asyncio.Semaphore(COUNT)

    async def run(self, scratch: Path, taken_ports: Collection[int]) -> Restored:
        """Make everything in the folder, and bring it to disk."""
        manifest = self._manifest
        self._tell()
        async with Children(
            tasks.configure, self._repository, str(scratch), preload=NEEDED
        ) as self._children:
            try:
                database, renewed = await self._restore_main()
                files = [SettingsFile(path, text) for path, text in manifest.settings]
                port = await asyncio.to_thread(free_port, manifest.port, taken_ports)
                written = await asyncio.to_thread(self._write_settings, files, renewed, port)
                folder = await asyncio.to_thread(self._place_main, database, written)
                await self._restore_plugins(folder, renewed)
            except RepositoryDamaged as error:
                raise await self._with_others(error) from error
            await self._restore_devices(folder / "devices")
            await self._children.each(tasks.flush)
        self._report(Progress("making it available", manifest.data, manifest.data))
        await asyncio.to_thread(sync_tree, self._partial)
        return Restored(
            port=port,
            devices=len(manifest.devices),
            variables=sum(device.rows for device in manifest.devices),
            tokens=renewed.tokens,
            analyses_without_code=renewed.analyses_without_code,
            parsers_without_code=renewed.parsers_without_code,
            held=renewed.held,
            quiet=(*(quiet_item(item) for item in renewed.held), *written.quiet),
            notes=(*renewed.notes, *written.notes, *self._missing()),
        )

    def _missing(self) -> list[str]:
        return [
            f"Device {shown(device.name)} ({device.id}) starts without data: {device.missing}"
            for device in self._manifest.devices
            if device.image is None
        ]

    async def _with_others(self, error: RepositoryDamaged) -> RepositoryDamaged:
        """An error of the part at hand, with all else that cannot be read: it is read for that."""
        manifest = self._manifest
        parts = [(MAIN, manifest.main.image)]
        parts += [(named_plugin(plugin.plugin), plugin.image) for plugin in manifest.plugins]
        parts += [(named(each), each.image) for each in manifest.devices if each.image is not None]
        failures = [error]

        async def one(what: str, image: Image) -> None:
            try:
                await self._children.run(tasks.read_all, image, what)
            except RepositoryDamaged as another:
                failures.append(another)

        await together(one(what, image) for what, image in parts if what != self._part)
        return one_error(failures, "parts of the backup")

    async def _restore_main(self) -> tuple[Path, Renewed]:
        main, what = self._manifest.main, MAIN
        database = self._partial / "data.db"
        await self._make_as_is(main.image, database, what)
        await asyncio.to_thread(check_copied, database, main.tables, what)
        renewed = await asyncio.to_thread(self._renew, database)
        known = await asyncio.to_thread(_device_ids, database)
        if known != {device.id for device in self._manifest.devices}:
            raise RepositoryDamaged("The backup's devices are not those of its main database.")
        self._advance(main.image)
        return database, renewed

    def _renew(self, database: Path) -> Renewed:
        return renew_main(database, self._manifest.mark_prefix)

    def _write_settings(
        self, files: list[SettingsFile], renewed: Renewed, port: int
    ) -> WrittenSettings:
        def follow(text: str) -> str:
            followed = renewed.follow.value(text)
            return followed if isinstance(followed, str) else text

        return write(files, self._partial, root=self._root, port=port, follow=follow)

    def _place_main(self, database: Path, written: WrittenSettings) -> Path:
        """Move the main database to where the settings say; the folder that it is in then."""
        target = self._partial / written.database
        make_folders(target.parent, self._partial)
        database.rename(target)
        make_folder(target.parent / "devices")
        return target.parent

    async def _restore_plugins(self, folder: Path, renewed: Renewed) -> None:
        if self._manifest.plugins:
            await asyncio.to_thread(make_folder, folder / "plugins")
        for plugin in self._manifest.plugins:
            self._part = what = named_plugin(plugin.plugin)
            path = folder / "plugins" / f"{plugin.plugin}.db"
            await self._make_as_is(plugin.image, path, what)
            await asyncio.to_thread(check_copied, path, plugin.tables, what)
            await asyncio.to_thread(renew_plugin_storage, path, renewed.follow)
            self._advance(plugin.image)

    async def _make_as_is(self, image: Image, path: Path, what: str) -> None:
        await self._children.run(tasks.restore_as_is, image, str(path), what)

    async def _restore_devices(self, folder: Path) -> None:
        kinds = await asyncio.to_thread(device_kinds, folder.parent / "data.db")
        failures: list[RepositoryDamaged] = []

        async def one(device: DeviceEntry) -> None:
            try:
                await self._restore_device(device, folder, kinds[device.id])
            except RepositoryDamaged as error:
                failures.append(error)

        await together(one(device) for device in self._manifest.devices)
        if failures:
            raise one_error(failures, f"of {len(self._manifest.devices)} devices")

    async def _restore_device(self, device: DeviceEntry, folder: Path, kind: str) -> None:
        path = folder / f"{device.id}.db"
        if device.image is None:
            # TagoCore would make it too, but only when the device is next heard of.
            await asyncio.to_thread(create_device_database, path, kind)
            return
        job = self._job(device, device.image, path)
        if tasks.is_small(device.image):
            await self._children.run(tasks.rebuild, job)
            self._advance(device.image)
            return
        await self._make_large(job)
        # It is checked in both children while it goes to disk.
        await together(
            [
                self._children.run(tasks.check_trees_of, job),
                self._children.run(tasks.check_rows_of, job),
                asyncio.to_thread(sync_file, path),
                asyncio.to_thread(large.remove_scratch, path),
            ]
        )

    def _job(self, device: DeviceEntry, image: Image, path: Path) -> Rebuild:
        """What is to be made of a device's image; it gets ids that nothing else has."""
        return Rebuild(image, str(path), self._prefixes.next(), device.rows, named(device))

    async def _make_large(self, job: Rebuild) -> None:
        async def write(first: int, count: int) -> Spooled[Slice]:
            written = await self._write_slice(job, first, count)
            self._advance(job.image._replace(page_count=count))
            return written

        async with self._turns:
            await large.make(self._children, job, write)

    async def _write_slice(self, job: Rebuild, first: int, count: int) -> Spooled[Slice]:
        return await self._children.run(tasks.write_slice, job, first, count)

    def _advance(self, image: Image) -> None:
        self._done += image.size
        self._tell()

    def _tell(self) -> None:
        total = self._manifest.data
        self._report(Progress(self.stage, min(self._done, total), total))


def named(device: DeviceEntry) -> str:
    """How an error names a device."""
    return f"Device {shown(device.name)} ({device.id})"


def named_plugin(plugin: str) -> str:
    """How an error names a plugin's storage."""
    return f"The storage of plugin {plugin}"


def one_error(failures: list[RepositoryDamaged], what: str) -> RepositoryDamaged:
    """One error of several, each of which names what is damaged; `what` says of how many."""
    if len(failures) == 1:
        return failures[0]
    told = " ".join(error.message for error in failures[:10])
    more = f" And {len(failures) - 10} more." if len(failures) > 10 else ""
    return RepositoryDamaged(f"{len(failures)} {what} are damaged. {told}{more}")


def check_copied(database: Path, tables: tuple[tuple[str, int], ...], what: str) -> None:
    """Check a restored database that was copied row by row."""
    with closing(open_unchanging(database)) as connection:
        try:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            verdict = (str(error),)
        if verdict != ("ok",):
            raise RepositoryDamaged(f"{what} cannot be restored: {verdict[0]}.")
        verify_rows(connection, tables)


def _device_ids(database: Path) -> set[str]:
    return set(device_kinds(database))


def device_kinds(database: Path) -> dict[str, str]:
    """The type of each device in a restored main database."""
    with closing(open_unchanging(database)) as connection:
        rows = connection.execute("SELECT id, type FROM device").fetchall()
    return {str(device): str(kind) for device, kind in rows}
