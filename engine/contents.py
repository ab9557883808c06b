"""What an owner does to look into a backup: its devices, and the rows of one of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from engine.access import Action
from engine.backups import Backups, device_facts
from engine.errors import BackstayError, Invalid, NotFound, RepositoryDamaged
from engine.names import shown
from engine.spans import check_span, milliseconds

if TYPE_CHECKING:
    from engine.model import Contents, RowsPage
    from engine.repository.manifest import DeviceEntry


class Inside(Backups):
    """Looking into backups. Nothing is restored, and nothing of it stays."""

    async def contents(self, ref: str) -> Contents:
        """The devices of a backup, as its manifest tells them: none of their data is read.

        `ref` is its id, the beginning of it, or PROJECT@latest.
        """
        from engine.model import Contents

        found = await self._backup(ref, Action.SEE_BACKUPS)
        manifest = await asyncio.to_thread(self._repository.manifest, found.backup.id)
        devices = tuple(device_facts(device) for device in manifest.devices)
        return Contents(found.backup, found.project_name, devices)

    async def rows(
        self,
        ref: str,
        device: str,
        *,
        variable: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str = "",
        limit: int = 50,
        with_variables: bool = False,
    ) -> RowsPage:
        """The newest rows of one device of a backup: `limit` of them, at most 10,000.

        `device` is its id, or its name where only one is called so. Rows of `variable` only, from
        `since` and before `until` (both timezone-aware), where these are given; `before` is the
        `next` of the page before. With `with_variables` the page tells of all variables that the
        device has. Only the chunks are read that these rows are in.

        Raises `NotFound` for the device and where its data is not in the backup, `Invalid` for
        what is asked, and `RepositoryDamaged`, which names the device.
        """
        from engine.rows import MOST_ROWS, Question, cursor, read_rows

        check_span(since, until)
        if not 1 <= limit <= MOST_ROWS:
            raise Invalid(
                f"A page has 1 to {MOST_ROWS:,} rows, not {limit:,}.",
                hint="Nothing was changed. Ask for fewer, and then for the next page.",
            )
        question = Question(
            variable,
            milliseconds(since),
            milliseconds(until),
            cursor(before) if before else None,
            limit,
            with_variables,
        )
        found = await self._backup(ref, Action.SEE_BACKUPS)
        entries = await asyncio.to_thread(self._repository.devices, found.backup.id, device)
        entry = _the_one(entries, device)
        if entry.image is None:
            raise NotFound(
                f"The data of the device {shown(entry.name)} is not in this backup: "
                f"{entry.missing.rstrip('.')}.",
                hint="Nothing was changed. Other backups of the project may have it.",
            )
        what = f"Device {shown(entry.name)} ({entry.id})"
        answer = await asyncio.to_thread(
            read_rows, self._repository, entry.image, entry.rows, question, what
        )
        from engine.model import RowsPage

        return RowsPage(
            found.backup.id, device_facts(entry), answer.rows, answer.next, answer.variables
        )


def _the_one(entries: tuple[DeviceEntry, ...], ref: str) -> DeviceEntry:
    """The device that is meant: the one with that id, else the only one that is called so."""
    by_id = [entry for entry in entries if entry.id == ref]
    meant = by_id or list(entries)
    if len(meant) == 1:
        return meant[0]
    error: BackstayError
    if by_id:
        error = RepositoryDamaged(f"The device {shown(ref)} stands twice in the backup.")
    elif meant:
        error = Invalid(
            f"{len(meant)} devices of the backup are called {shown(ref)}.",
            hint=f"Give the id of one: {', '.join(entry.id for entry in meant[:5])}.",
        )
    else:
        error = NotFound(
            f"There is no device {shown(ref)} in this backup.",
            hint="See those that are in it with: backstay contents BACKUP",
        )
    raise error
