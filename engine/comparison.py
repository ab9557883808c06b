"""Comparing two manifests: what is the same costs nothing, the rest is read in child processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from engine.children import Children, together
from engine.compare import child
from engine.compare.child import Pair
from engine.compare.settings import settings_between
from engine.errors import RepositoryDamaged
from engine.handle import Report
from engine.model import (
    ComparedSide,
    Comparison,
    DeviceChange,
    Progress,
    RowChanges,
    Thing,
    Things,
)
from engine.names import shown
from engine.repository.manifest import DeviceEntry, Image, Manifest
from engine.repository.repository import Repository

_NAMED = 10  # damaged devices that an error names one by one


class Sides(NamedTuple):
    """Two manifests, and how each side is called; `now` is whether the second is no backup."""

    before: Manifest
    after: Manifest
    now: bool


async def compare(
    repository: Repository, sides: Sides, scratch: Path, report: Report
) -> Comparison:
    """Find what differs. `scratch` is a private folder.

    Raises `RepositoryDamaged`, which names the devices concerned. Cancelled, nothing goes on.
    """
    began = asyncio.get_running_loop().time()
    work = _Comparison(repository, sides, scratch, report)
    found = await work.run()
    return found._replace(seconds=asyncio.get_running_loop().time() - began)


class _Comparison:
    """One comparison under way."""

    def __init__(self, repository: Repository, sides: Sides, scratch: Path, report: Report) -> None:
        self._repository = repository
        self._sides = sides
        self._scratch = scratch
        self._report = report
        self._done = 0
        self._total = 0
        self._damaged: list[str] = []

    async def run(self) -> Comparison:
        before, after, now = self._sides
        ours = {device.id: device for device in before.devices}
        theirs = {device.id: device for device in after.devices}
        pairs = dict(_pairs(ours, theirs))
        main = not _is_same(before.main.image, after.main.image)
        self._total = sum(pair.after.size for pair in pairs.values())
        self._total += after.main.image.size if main else 0
        rows: dict[str, RowChanges] = {}
        devices, actions, analyses, accounts = Things(), Things(), Things(), Things()
        self._tell()
        if pairs or main:
            async with Children(
                child.configure, self._repository, str(self._scratch), preload=child.NEEDED
            ) as children:
                if main:
                    devices, actions, analyses, accounts = await children.run(
                        child.compare_main, before.main.image, after.main.image
                    )
                    self._advance(after.main.image)
                rows = await self._rows(children, pairs)
        added = tuple(_alone(each, added=True) for key, each in theirs.items() if key not in ours)
        removed = tuple(
            _alone(each, added=False) for key, each in ours.items() if key not in theirs
        )
        changed = tuple(_changed(ours, theirs, rows, devices))
        every = [each.rows for each in (*added, *removed, *changed) if each.rows is not None]
        return Comparison(
            before=_side(before, now=False),
            after=_side(after, now=now),
            added=added,
            removed=removed,
            changed=changed,
            rows=RowChanges(
                sum(each.added for each in every),
                sum(each.removed for each in every),
                sum(each.changed for each in every),
            ),
            actions=actions,
            analyses=analyses,
            accounts=accounts,
            storage=_storage(before, after),
            settings=settings_between(before.settings, after.settings),
            notes=tuple(_notes(ours, theirs)),
            seconds=0.0,
        )

    async def _rows(self, children: Children, pairs: Mapping[str, Pair]) -> dict[str, RowChanges]:
        found: dict[str, RowChanges] = {}
        damaged: list[str] = []

        async def one(device: str, pair: Pair) -> None:
            try:
                found[device] = await children.run(child.compare_device, pair)
            except RepositoryDamaged as error:
                damaged.append(error.message)
            self._advance(pair.after)

        # The largest first: the other child is not idle at the end.
        order = sorted(pairs.items(), key=lambda item: -item[1].after.size)
        await together(one(device, pair) for device, pair in order)
        if damaged:
            more = f" And {len(damaged) - _NAMED} more." if len(damaged) > _NAMED else ""
            raise RepositoryDamaged(" ".join(sorted(damaged)[:_NAMED]) + more)
        return found

    def _advance(self, image: Image) -> None:
        self._done += image.size
        self._tell()

    def _tell(self) -> None:
        self._report(Progress("comparing", self._done, self._total))


def _is_same(first: Image, second: Image) -> bool:
    """Whether two images are the same, byte by byte: their chunks have the same names."""
    return (first.page_size, first.page_count, first.lists) == (
        second.page_size,
        second.page_count,
        second.lists,
    )


def _pairs(
    ours: Mapping[str, DeviceEntry], theirs: Mapping[str, DeviceEntry]
) -> Iterator[tuple[str, Pair]]:
    """The devices whose rows have to be compared."""
    for key, after in theirs.items():
        before = ours.get(key)
        if before is None or before.image is None or after.image is None:
            continue
        if not _is_same(before.image, after.image):
            what = f"Device {shown(after.name)} ({key})"
            yield key, Pair(before.image, after.image, before.rows, after.rows, what)


def _alone(device: DeviceEntry, *, added: bool) -> DeviceChange:
    """A device that is on one side only: all its rows are."""
    rows = None
    if device.image is not None:
        rows = RowChanges(device.rows, 0, 0) if added else RowChanges(0, device.rows, 0)
    return DeviceChange(device.id, device.name, rows)


def _changed(
    ours: Mapping[str, DeviceEntry],
    theirs: Mapping[str, DeviceEntry],
    rows: Mapping[str, RowChanges],
    devices: Things,
) -> Iterator[DeviceChange]:
    changes = {thing.id: thing.changes for thing in devices.changed}
    for key, device in theirs.items():
        if key not in ours:
            continue
        comparable = ours[key].image is not None and device.image is not None
        found = rows.get(key, RowChanges(0, 0, 0)) if comparable else None
        if found or key in changes:
            yield DeviceChange(key, device.name, found, changes.get(key, ()))


def _storage(before: Manifest, after: Manifest) -> Things:
    """The plugins whose storage differs."""
    ours = {plugin.plugin: plugin.image for plugin in before.plugins}
    theirs = {plugin.plugin: plugin.image for plugin in after.plugins}
    return Things(
        added=tuple(Thing(key, key) for key in theirs if key not in ours),
        removed=tuple(Thing(key, key) for key in ours if key not in theirs),
        changed=tuple(
            Thing(key, key, ("storage",))
            for key in theirs
            if key in ours and not _is_same(ours[key], theirs[key])
        ),
    )


def _side(manifest: Manifest, *, now: bool) -> ComparedSide:
    return ComparedSide("" if now else manifest.backup, manifest.project_name, manifest.date)


def _notes(ours: Mapping[str, DeviceEntry], theirs: Mapping[str, DeviceEntry]) -> Iterator[str]:
    """What could not be compared, and why."""
    for which, devices in (("the first", ours), ("the second", theirs)):
        for device in devices.values():
            if device.image is None:
                yield (
                    f"The rows of {device.name} ({device.id}) are not compared, for {which} does "
                    f"not have them: {device.missing.rstrip('.')}."
                )
