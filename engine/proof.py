"""Proving that a backup restores: all of it is made as a restore makes it, checked, and removed.

It goes on after damage, so that everything that is damaged is named. Scratch files are removed one
by one, as soon as each is checked, and nothing is synced.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engine.children import Children, together
from engine.errors import FULL_HINT, RepositoryDamaged, StorageFailed
from engine.handle import Report
from engine.model import DamagedPart
from engine.project.folder import make_folder
from engine.project.identity import Renewed, renew_plugin_storage
from engine.project.settings_files import SettingsFile
from engine.rebuild import NEEDED, large, tasks
from engine.repository.manifest import DeviceEntry, Image, Manifest
from engine.repository.repository import Repository
from engine.restore import (
    SPARE,
    Restoration,
    check_copied,
    mark_damage,
    named_plugin,
    room_to_sort,
)
from engine.starting import COUNT


async def prove(
    repository: Repository,
    manifest: Manifest,
    *,
    scratch: Path,
    now: datetime,
    free_space: int,
    report: Report,
) -> tuple[DamagedPart, ...]:
    """Rebuild and check every database of a backup; gives all that is damaged.

    What is damaged is marked in the repository, so that the next backup stores it again. Nothing
    stays in the folder `scratch`. Raises `StorageFailed`.
    """
    needed = _most_at_once(manifest) + SPARE
    if free_space < needed:
        raise StorageFailed(
            f"To prove the backup needs {needed} bytes for a while, and {free_space} are free.",
            hint=FULL_HINT,
        )
    partial = scratch / "proof"
    await asyncio.to_thread(make_folder, partial)
    try:
        work = _Proof(repository, manifest, partial, partial, now, report)
        damaged = await work.prove(scratch)
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True))
    if damaged:
        await mark_damage(repository, manifest)
    return tuple(damaged)


def _most_at_once(manifest: Manifest) -> int:
    """Bytes of the largest databases that are in scratch at the same time."""
    images = [device.image for device in manifest.devices if device.image is not None]
    devices = sorted((image.size for image in images), reverse=True)[:COUNT]
    plugins = [plugin.image.size for plugin in manifest.plugins]
    return max(manifest.main.image.size, *plugins, sum(devices) + room_to_sort(images))


class _Proof(Restoration):
    """One proof under way, in child processes."""

    stage = "rebuilding and checking"

    async def prove(self, scratch: Path) -> Sequence[DamagedPart]:
        self._damaged: list[DamagedPart] = []
        self._tell()
        async with Children(
            tasks.configure, self._repository, str(scratch), preload=NEEDED
        ) as self._children:
            renewed = await self._prove_main()
            await self._prove_plugins(renewed)
            await self._prove_devices()
        return self._damaged

    async def _prove_main(self) -> Renewed | None:
        """Prove the main database and the settings; what its ids became, unless it is damaged."""
        manifest = self._manifest
        files = [SettingsFile(path, text) for path, text in manifest.settings]
        renewed = None
        try:
            database, renewed = await self._restore_main()
            port = manifest.port
            written = await asyncio.to_thread(self._write_settings, files, renewed, port)
            await asyncio.to_thread(self._place_main, database, written)
        except RepositoryDamaged as error:
            self._damaged.append(DamagedPart(None, "main database", error.message))
        await asyncio.to_thread(_empty, self._partial)
        return renewed

    async def _prove_plugins(self, renewed: Renewed | None) -> None:
        for plugin in self._manifest.plugins:
            what = named_plugin(plugin.plugin)
            path = self._partial / f"{plugin.plugin}.db"
            try:
                await self._children.run(tasks.restore_as_is, plugin.image, str(path), what)
                await asyncio.to_thread(check_copied, path, plugin.tables, what)
                if renewed is not None:
                    await asyncio.to_thread(renew_plugin_storage, path, renewed.follow)
            except RepositoryDamaged as error:
                self._damaged.append(DamagedPart(None, f"plugin {plugin.plugin}", error.message))
            await asyncio.to_thread(path.unlink, missing_ok=True)
            self._advance(plugin.image)

    async def _prove_devices(self) -> None:
        # One file more than there are children would only lie in scratch.
        turns = asyncio.Semaphore(COUNT)
        found: dict[str, DamagedPart] = {}

        async def one(device: DeviceEntry, image: Image) -> None:
            async with turns:
                try:
                    await self._prove_device(device, image)
                except RepositoryDamaged as error:
                    found[device.id] = DamagedPart(device.id, device.name, error.message)

        devices = self._manifest.devices
        await together(one(each, each.image) for each in devices if each.image is not None)
        self._damaged += [found[device.id] for device in devices if device.id in found]

    async def _prove_device(self, device: DeviceEntry, image: Image) -> None:
        path = self._partial / f"{device.id}.db"
        job = self._job(device, image, path)
        if tasks.is_small(image):
            await self._children.run(tasks.prove, job)
            self._advance(image)
            return
        try:
            await self._make_large(job)
            await together(
                [
                    self._children.run(tasks.check_indexes_of, job),
                    self._children.run(tasks.check_rows_of, job),
                ]
            )
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            await asyncio.to_thread(large.remove_scratch, path)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    make_folder(folder)
