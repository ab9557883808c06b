"""Moving the data of devices from one project into another that is in use.

The rows are moved by child processes, in short transactions (see `engine.transfer_rows`). Nothing
is changed or removed in the target, so that a transfer which was interrupted is simply run again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from engine.children import Children, together
from engine.errors import Failed, NotFound
from engine.handle import Report
from engine.model import Progress, ProjectDevice, TransferLine, TransferReport, Variables
from engine.names import shown
from engine.project.demo.chunks import bounds, expired_before
from engine.project.ids import IdPrefixes
from engine.project.instance import Instance, find
from engine.spans import milliseconds
from engine.transfer_devices import (
    MUTABLE_LIMIT,
    DeviceRow,
    count_rows,
    devices_of,
    full_reason,
    make_device,
    make_file,
    variables_of,
)
from engine.transfer_rows import Move, Place, configure, step

P = ParamSpec("P")
T = TypeVar("T")

_PRELOAD = ("engine.transfer_devices", "engine.transfer_rows")
_PATIENCE = 1.5  # seconds for what is under way when a transfer is cancelled
_LOOK_FOR = 2.0  # seconds for variables: with very many devices not all are looked into
_PREFIXES = 4  # drawn for each device: more than one in case that the target knows it
_RESTART = (
    "Devices were made in the target. If its TagoCore is running, restart it, so that it knows "
    "them. They have new tokens, which TagoCore shows."
)
Held = Mapping[tuple[str, str], str | int | None]  # a device's id and column: what is held back


class Choice(NamedTuple):
    """What of a project is to be brought; empty or None means all. Times are in UTC."""

    devices: tuple[str, ...] = ()  # ids in the source, or names where `by_name`
    by_name: bool = False
    variables: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    create_missing: bool = False


def choice_from(request: Mapping[str, object]) -> Choice:
    """The choice that a job was asked for with."""

    def moment(name: str) -> datetime | None:
        text = request[name]
        return None if text is None else datetime.fromisoformat(str(text))

    def texts(name: str) -> tuple[str, ...]:
        found = request[name]
        return tuple(map(str, found)) if isinstance(found, list) else ()

    return Choice(
        texts("devices"),
        request["by_name"] is True,
        texts("variables"),
        moment("since"),
        moment("until"),
        request["create_missing"] is True,
    )


class _Pair(NamedTuple):
    source: DeviceRow
    target: DeviceRow | None
    reason: str = ""


async def transfer(
    source: Path,
    target: Path,
    choice: Choice,
    *,
    write: bool,
    held: Held,
    now: datetime,
    report: Report,
) -> TransferReport:
    """Bring what is chosen of the project at `source` into the one at `target`.

    Without `write` nothing is changed: the report says what would be. Its job and names are empty.
    Cancelled, it stops between two transactions: what was brought stays.
    """
    began = asyncio.get_running_loop().time()
    report(Progress("looking at the devices", 0, 0))
    origin, destination = await asyncio.gather(
        asyncio.to_thread(find, source), asyncio.to_thread(find, target)
    )
    async with Children(configure, preload=_PRELOAD) as children:
        work = _Transfer(children, origin, destination, choice, write, held, now, report)
        try:
            lines, notes = await work.run()
        finally:
            await work.settle()
    return TransferReport(
        job="",
        source="",
        target="",
        dry_run=not write,
        devices=tuple(lines),
        copied=sum(line.copied for line in lines),
        already_there=sum(line.already_there for line in lines),
        refused=sum(line.refused for line in lines),
        seconds=asyncio.get_running_loop().time() - began,
        longest_lock=work.longest,
        notes=tuple(notes),
    )


async def devices_in(project: Path) -> list[ProjectDevice]:
    """The devices of the project at a path."""
    instance = await asyncio.to_thread(find, project)
    async with Children(configure, preload=_PRELOAD[:1]) as children:
        found = await children.run(devices_of, str(instance.database))
    return [ProjectDevice(device.id, device.name, device.active) for device in found]


async def variables_in(project: Path, devices: Sequence[str]) -> Variables:
    """The variables of devices (ids; all where none are given) of the project at a path."""
    instance = await asyncio.to_thread(find, project)
    async with Children(configure, preload=_PRELOAD[:1]) as children:
        known = [device.id for device in await children.run(devices_of, str(instance.database))]
        wanted = set(devices)
        chosen = [device for device in known if device in wanted] if devices else known
        files = [str(instance.device_file(device)) for device in chosen]
        names, looked_at = await children.run(variables_of, files, _LOOK_FOR)
    return Variables(tuple(names), looked_at, len(chosen))


class _Transfer:
    """One transfer under way."""

    def __init__(
        self,
        children: Children,
        source: Instance,
        target: Instance,
        choice: Choice,
        write: bool,
        held: Held,
        now: datetime,
        report: Report,
    ) -> None:
        self.longest = 0.0
        self._children = children
        self._source, self._target = source, target
        self._choice, self._write, self._held, self._now = choice, write, held, now
        self._report = report
        self._prefixes = IdPrefixes(now)
        self._done: dict[str, float] = {}  # bytes of the source's files
        self._total = 0
        self._making = asyncio.Lock()
        self._running: set[asyncio.Future[Any]] = set()  # tasks of children

    async def run(self) -> tuple[list[TransferLine], list[str]]:
        ours, theirs = [
            await self._children.run(devices_of, str(instance.database))
            for instance in (self._source, self._target)
        ]
        pairs = list(_pairs(ours, theirs, self._choice))
        sizes = await asyncio.to_thread(self._sizes, [pair.source.id for pair in pairs])
        self._total = sum(sizes.values())
        waiting = iter(list(enumerate(pairs)))
        lines: dict[int, TransferLine] = {}

        async def lane() -> None:  # as many devices at a time as there are children
            for number, pair in waiting:
                lines[number] = await self._device(pair, sizes[pair.source.id])
                self._tell(pair.source.id, sizes[pair.source.id])

        await together([lane(), lane()])
        done = [lines[number] for number in sorted(lines)]
        notes = [_RESTART] if any(line.created for line in done) else []
        return done, notes

    def _sizes(self, devices: Sequence[str]) -> dict[str, int]:
        sizes = {}
        for device in devices:
            try:
                sizes[device] = self._source.device_file(device).stat().st_size
            except FileNotFoundError:
                sizes[device] = 0
        return sizes

    def _tell(self, device: str, done: float) -> None:
        self._done[device] = done
        self._report(Progress("moving the rows", int(sum(self._done.values())), self._total))

    async def _device(self, pair: _Pair, size: int) -> TransferLine:
        device, there = pair.source, pair.target
        notes: list[str] = []
        line = TransferLine(device.id, device.name, device.id, 0, 0, 0, pair.reason, False, ())
        if pair.reason:
            return line
        if there is not None:
            line = line._replace(device=there.id)
        file = self._source.device_file(device.id)
        if not await asyncio.to_thread(file.exists):
            return line._replace(reason="its database is not in the source")
        created = there is None
        if there is None:
            if not self._choice.create_missing:
                return line._replace(reason="there is no such device in the target")
            there = device
            if not self._write:
                rows = await self._children.run(count_rows, str(file))
                notes.append("it would be made")
                if not (self._choice.variables or self._choice.since or self._choice.until):
                    return line._replace(copied=rows, created=True, notes=tuple(notes))
                # counted against itself: every row that is chosen is "there"
                place = await self._rows(device, device, file, file, size, write=False)
                return line._replace(
                    copied=place.looked, created=True, notes=tuple(notes), reason=place.reason
                )
            try:
                async with self._making:  # one at a time: data.db is held
                    made = await self._finish(
                        make_device,
                        str(self._source.database),
                        str(self._target.database),
                        str(self._target.devices),
                        device.id,
                        {c: was for (d, c), was in self._held.items() if d == device.id},
                        self._now,
                    )
            except Failed as error:
                return line._replace(reason=error.message.rstrip("."))
            there = device._replace(id=made.id)
            line = line._replace(device=made.id, created=True)
            notes.append(f"it was made, with {made.tokens} new tokens")
            if made.had_parser:
                notes.append("its payload parser has to be chosen anew")
        if not there.active and not created:
            return line._replace(reason="it is not active in the target: activate it first")
        target = self._target.device_file(there.id)
        if not await asyncio.to_thread(target.exists):
            if not self._write:
                return line._replace(reason="its database is not in the target")
            await self._finish(make_file, str(target), there.mutable)
        if there.mutable:
            place = await self._rows(device, there, file, target, size, write=False)
            count = await self._children.run(count_rows, str(target)) if not place.reason else 0
            if count + place.copied > MUTABLE_LIMIT:
                return line._replace(
                    already_there=place.already_there, refused=place.copied, reason=full_reason()
                )
            if not self._write:
                return _told(line, place, notes)
        return _told(
            line, await self._rows(device, there, file, target, size, write=self._write), notes
        )

    async def _rows(
        self,
        device: DeviceRow,
        there: DeviceRow,
        source: Path,
        target: Path,
        size: int,
        *,
        write: bool,
    ) -> Place:
        choice = self._choice
        move = Move(
            source=str(source),
            target=str(target),
            variables=choice.variables,
            since=milliseconds(choice.since),
            until=milliseconds(choice.until),
            mutable=there.mutable,
            period=there.period,
            same_chunks=(device.mutable, device.period) == (there.mutable, there.period),
            expired=_expired(there, self._now),
            prefixes=tuple(self._prefixes.next().decode() for _ in range(_PREFIXES)),
        )
        place = Place()
        while not place.done:
            place = await self._finish(step, move, place, write)
            self.longest = max(self.longest, place.longest)
            if place.end and place.last > 0:
                self._tell(device.id, size * min(1.0, place.last / max(place.end, 1)))
        return place

    async def _finish(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task that writes to its end, which is soon, even where it is cancelled."""
        running = asyncio.ensure_future(self._children.run(task, *args, **kwargs))
        self._running.add(running)
        try:
            return await asyncio.shield(running)
        finally:
            if running.done():
                self._running.discard(running)

    async def settle(self) -> None:
        """Let transactions under way end by themselves, however often this is cancelled.

        A child that was killed in one would leave its journal beside a database in use.
        """
        now = asyncio.get_running_loop().time
        until = now() + _PATIENCE
        while now() < until and not all(each.done() for each in self._running):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(self._running, timeout=until - now())
        for each in self._running:
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _told(line: TransferLine, place: Place, notes: list[str]) -> TransferLine:
    if place.expired:
        late = f"{place.expired:,} of the rows are older than the target keeps"
        notes = [*notes, f"{late}: its data retention removes them"]
    return line._replace(
        copied=place.copied,
        already_there=place.already_there,
        refused=place.refused,
        reason=place.reason,
        notes=tuple(notes),
    )


def _pairs(
    ours: Sequence[DeviceRow], theirs: Sequence[DeviceRow], choice: Choice
) -> Sequence[_Pair]:
    """Each device that is chosen, with the target's that it belongs to."""
    chosen = []
    for wanted in choice.devices or [device.id for device in ours]:
        found = [d for d in ours if d.id == wanted or (choice.by_name and d.name == wanted)]
        if not found:
            raise NotFound(
                f"The source has no device {shown(wanted)}.",
                hint="Nothing was changed. Give the ids of its devices, or their names with "
                "--by-name.",
            )
        chosen += [device for device in found if device not in chosen]
    pairs = []
    for device in chosen:
        if choice.by_name:
            found = [d for d in theirs if d.name == device.name]
            twice = sum(d.name == device.name for d in ours) > 1
            if len(found) > 1 or (found and twice):
                pairs.append(_Pair(device, None, "several devices have that name"))
                continue
        else:
            found = [d for d in theirs if d.id == device.id]
        pairs.append(_Pair(device, found[0] if found else None))
    return pairs


def _expired(device: DeviceRow, now: datetime) -> int | None:
    """Before which time a device's data retention removes rows; None where it does not."""
    if not device.period or device.retention is None:
        return None
    try:
        limit = expired_before(device.period, device.retention, round(now.timestamp() * 1000))
        return bounds(device.period, limit)[0]
    except (ValueError, OverflowError):
        return None
