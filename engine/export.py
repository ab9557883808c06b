"""Writing a backup out as files that other programs read: databases in a tar, or Parquet.

Databases are made in a scratch folder as a restore makes them, two at a time, checked, put into the
archive and removed; never more than a few are there at once. An export belongs to the process that
asked for it, for it is written where that process is.
"""

from __future__ import annotations

import asyncio
import io
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine.cancelling import to_the_end
from engine.children import Children, together
from engine.errors import FULL_HINT, RepositoryDamaged, StorageFailed
from engine.exporting.archive import CHECKSUMS, Archive, FolderArchive, TarArchive
from engine.exporting.description import (
    MANIFEST,
    Described,
    TokenFacts,
    not_included,
    render,
)
from engine.exporting.output import NewFile, OpenFile
from engine.handle import Report
from engine.model import ExportFormat, ExportReport, Progress
from engine.names import folder_name
from engine.project.device_database import create_device_database
from engine.project.folder import make_folder
from engine.project.identity import Renewed, renew_main
from engine.project.settings_files import SettingsFile
from engine.project.tables import database_errors, read_columns
from engine.rebuild import NEEDED, large, tasks
from engine.repository.manifest import DeviceEntry, Image, Manifest
from engine.repository.repository import Repository
from engine.restore import (
    SPARE,
    Restoration,
    device_kinds,
    mark_damage,
    named,
    one_error,
    room_to_sort,
)
from engine.starting import COUNT
from engine.telling import Telling

if TYPE_CHECKING:
    from engine.rebuild.databases import Slice
    from engine.rebuild.results import Rebuild
    from engine.spool import Spooled

T = TypeVar("T")

_AT_ONCE = COUNT + 1  # databases in scratch: one is put into the archive while others are made
_PRELOAD = (*NEEDED, "engine.exporting.parquet")
_TELLS = 0.25  # seconds between two looks at how far it is


async def export(
    repository: Repository,
    manifest: Manifest,
    target: Path | int,
    form: ExportFormat,
    *,
    replace: bool,
    scratch: Path,
    now: datetime,
    free_space: int,
    report: Report,
) -> ExportReport:
    """Write a backup to `target`: a path, or a file that is open (a descriptor), which stays open.

    A path gets its name when all of it is on disk; one that is there is only overwritten with
    `replace`, and a folder never. Where the export fails or is cancelled nothing of it is left.
    `scratch` is an empty private folder, `free_space` the bytes that are free there. Raises
    `Taken`, `StorageFailed` and `RepositoryDamaged`, which names the devices concerned.
    """
    started = time.monotonic()
    needed = _most_at_once(manifest) + SPARE
    if free_space < needed:
        raise StorageFailed(
            f"The export needs {needed} bytes in the home for a while, and {free_space} are free.",
            hint=FULL_HINT,
        )
    opened: list[Archive] = []
    try:
        await to_the_end(
            asyncio.to_thread(
                lambda: opened.append(_archive(manifest, target, form, replace=replace))
            )
        )
        partial = scratch / "export"
        await asyncio.to_thread(make_folder, partial)
        work = _Export(repository, manifest, partial, None, now, report)
        made = await work.export(opened[0], form, scratch, now)
    except RepositoryDamaged:
        await mark_damage(repository, manifest)
        raise
    finally:
        for archive in opened:
            await to_the_end(asyncio.to_thread(archive.discard))
    file = str(target) if isinstance(target, Path) else ""
    return made._replace(file=file, seconds=time.monotonic() - started)


def _archive(
    manifest: Manifest, target: Path | int, form: ExportFormat, *, replace: bool
) -> Archive:
    """What an export of that form is written into; an open file gets a tar in any case. Blocks."""
    if form is ExportFormat.PARQUET and isinstance(target, Path):
        return FolderArchive(target)
    output = OpenFile(target) if isinstance(target, int) else NewFile(target, replace=replace)
    name = folder_name(manifest.project_name, manifest.backup).rpartition("-")[0]
    folder = f"{name}-{manifest.date:%Y-%m-%d}-{manifest.backup[:6]}"
    when = int(manifest.date.timestamp())
    return TarArchive(output, folder, when, compressed=form is ExportFormat.DATABASES)


def _most_at_once(manifest: Manifest) -> int:
    """Bytes of the largest databases that are in scratch at the same time."""
    images = [device.image for device in manifest.devices if device.image is not None]
    plugins = [plugin.image.size for plugin in manifest.plugins]
    largest = sorted((image.size for image in images), reverse=True)[:_AT_ONCE]
    return manifest.main.image.size + sum(plugins) + sum(largest) + room_to_sort(images)


class _Export(Restoration):
    """One export under way, in child processes."""

    stage = "writing the databases"

    async def export(
        self, archive: Archive, form: ExportFormat, scratch: Path, now: datetime
    ) -> ExportReport:
        self._archive = archive
        self._scratch = scratch
        self._form = form
        self._writing = asyncio.Lock()
        self._paths: dict[str, str] = {}
        self._telling = Telling(self._report)
        telling = asyncio.create_task(self._tell_now_and_then())
        try:
            async with Children(
                tasks.configure, self._repository, str(scratch), preload=_PRELOAD
            ) as self._children:
                try:
                    database, renewed = await self._restore_main()
                    kinds = await asyncio.to_thread(device_kinds, database)
                    if form is ExportFormat.DATABASES:
                        notes = await self._export_settings(database, renewed)
                    else:
                        notes = await self._export_lists(database, renewed)
                except RepositoryDamaged as error:
                    raise await self._with_others(error) from error
                await self._export_devices(kinds)
        finally:
            telling.cancel()
        notes = (*renewed.notes, *notes, *self._manifest.notes)
        described = Described(
            form=form,
            manifest=self._manifest,
            made=now,
            files=self._paths,
            tokens=self._tokens,
            held=renewed.held if form is ExportFormat.DATABASES else (),
            analyses=renewed.analyses_without_code,
            parsers=renewed.parsers_without_code,
            notes=notes,
        )
        await self._in_turn(lambda: self._finish(described))
        return self._made(notes)

    def _finish(self, described: Described) -> None:
        content = render(described, self._archive.members)
        self._archive.add(MANIFEST, io.BytesIO(content))
        self._archive.finish()

    def _made(self, notes: tuple[str, ...]) -> ExportReport:
        manifest, members = self._manifest, self._archive.members
        return ExportReport(
            backup=manifest.backup,
            form=self._form,
            file="",
            size=self._archive.size,
            data=sum(member.size for member in members),
            files=len(members),
            devices=len(manifest.devices),
            rows=sum(device.rows for device in manifest.devices),
            missing=tuple(device.id for device in manifest.devices if device.image is None),
            checksums=CHECKSUMS,
            not_included=not_included(self._form),
            notes=notes,
            seconds=0.0,
        )

    # The main database, and what lies beside it

    def _renew(self, database: Path) -> Renewed:
        """Leave the main database without tokens, but know which there were."""
        columns = ("device_id", "name", "permission", "expire_time")
        with (
            database_errors(database.name, RepositoryDamaged),
            closing(sqlite3.connect(database)) as connection,
        ):
            rows = read_columns(connection, "device_token", columns)
        self._tokens = [TokenFacts(*(text or "" for text in row)) for row in rows]
        return renew_main(database, self._manifest.mark_prefix, make_token=None)

    async def _make_as_is(self, image: Image, path: Path, what: str) -> None:
        await self._children.run(
            tasks.again, tasks.restore_as_is, str(path), image, str(path), what
        )

    async def _export_settings(self, database: Path, renewed: Renewed) -> tuple[str, ...]:
        """Put all but the devices' databases where a project has them."""
        manifest = self._manifest
        files = [SettingsFile(path, text) for path, text in manifest.settings]
        written = await asyncio.to_thread(self._write_settings, files, renewed, manifest.port)
        folder = await asyncio.to_thread(self._place_main, database, written)
        await self._restore_plugins(folder, renewed)
        for path in await asyncio.to_thread(_files_below, self._partial):
            await self._add(path.relative_to(self._partial).as_posix(), path)
        self._folder = f"{written.database.parent}/devices"
        return written.notes

    async def _export_lists(self, database: Path, renewed: Renewed) -> tuple[str, ...]:
        """Put what is told of devices, actions, analyses and accounts into lists."""
        from engine.exporting import listing, parquet

        held = renewed.held
        path = self._partial / "devices.parquet"
        rows = {device.id: device.rows for device in self._manifest.devices}
        await self._children.run(parquet.write_devices, str(database), held, rows, str(path))
        await self._add(path.name, path)
        lists = await asyncio.to_thread(listing.lists, database, held)
        for what, content in lists.items():
            await self._in_turn(partial(self._archive.add, f"{what}.json", io.BytesIO(content)))
        await asyncio.to_thread(database.unlink)
        self._folder = "variables"
        return ()

    # The devices

    async def _export_devices(self, kinds: Mapping[str, str]) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)
        failures: list[RepositoryDamaged] = []

        async def one(device: DeviceEntry) -> None:
            async with turns:
                try:
                    path = await self._device(device, kinds[device.id])
                except RepositoryDamaged as error:
                    failures.append(error)
                    return
                if path is not None and not failures:  # what is damaged is not written any further
                    self._paths[device.id] = f"{self._folder}/{path.name}"
                    await self._add(self._paths[device.id], path)

        await together(one(device) for device in self._manifest.devices)
        if failures:
            raise one_error(failures, f"of {len(self._manifest.devices)} devices")

    async def _device(self, device: DeviceEntry, kind: str) -> Path | None:
        """Make the file of one device in scratch; None where it has none."""
        if self._form is ExportFormat.PARQUET:
            return await self._parquet(device)
        path = self._partial / f"{device.id}.db"
        if device.image is None:
            await asyncio.to_thread(create_device_database, path, kind)
        else:
            await self._database(device, device.image, path)
        return path

    async def _database(self, device: DeviceEntry, image: Image, path: Path) -> None:
        job = self._job(device, image, path)
        if tasks.is_small(image):
            await self._children.run(tasks.again, tasks.rebuild_in_scratch, str(path), job)
            self._advance(image)
            return

        await self._make_large(job)
        await together(
            [
                self._children.run(tasks.check_trees_of, job),
                self._children.run(tasks.check_rows_of, job),
                asyncio.to_thread(large.remove_scratch, path),
            ]
        )

    async def _write_slice(self, job: Rebuild, first: int, count: int) -> Spooled[Slice]:
        return await self._children.run(tasks.again, tasks.write_slice, None, job, first, count)

    async def _parquet(self, device: DeviceEntry) -> Path | None:
        from engine.exporting import parquet

        if device.image is None:
            return None
        path = self._partial / f"{device.id}.parquet"
        job = parquet.Variables(
            device.id, device.image, device.rows, str(path), str(self._scratch), named(device)
        )
        await self._children.run(tasks.again, parquet.write_variables, str(path), job)
        self._advance(device.image)
        return path

    # The archive, and how far it is

    async def _add(self, name: str, path: Path) -> None:
        """Put a file of the scratch folder into the archive, and remove it."""

        def add() -> None:
            with path.open("rb") as file:
                self._archive.add(name, file)
            path.unlink()

        await self._in_turn(add)

    async def _in_turn(self, call: Callable[[], None]) -> None:
        async with self._writing:
            await to_the_end(asyncio.to_thread(call), self._archive.stop)

    def _tell(self) -> None:
        """Tell how far it is: what was made, and where databases are written, what was written."""
        total, done = self._manifest.data, min(self._done, self._manifest.data)
        if self._form is ExportFormat.DATABASES:
            done = (done + min(self._archive.taken, total)) // 2
        self._telling.report(Progress(self.stage, done, total))

    async def _tell_now_and_then(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(_TELLS)


def _files_below(folder: Path) -> list[Path]:
    """The files below a folder, tagocore.yml first: who reads the archive knows it by that."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: (len(path.parts), path))
