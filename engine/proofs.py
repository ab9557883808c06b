"""What an owner does to know that a backup restores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.access import Action
from engine.backups import Backups
from engine.model import JobKind
from engine.session import Gone

if TYPE_CHECKING:
    from engine.catalog import JobRow
    from engine.handle import Handle
    from engine.model import DamagedPart, VerifyReport


class Proofs(Backups):
    """Proofs that backups restore."""

    async def verify(self, ref: str) -> Handle[VerifyReport]:
        """Prove that a backup restores: read all that it needs, rebuild and check every database.

        `ref` is its id, the beginning of it, or PROJECT@latest. The report names all that is
        damaged; the next backup stores that again, where the project still has it. Scratch files
        are removed as each database is checked, and no project is made.
        """
        found = await self._backup(ref, Action.VERIFY)
        backup = found.backup

        async def unpack(row: JobRow) -> VerifyReport:
            return verified_of(row)

        return await self._submit(
            Action.VERIFY,
            JobKind.VERIFY,
            Gone(backup.project, found.project_name),
            {"backup": backup.id},
            unpack,
            detail=f"backup {backup.id}",
        )


def verified_of(row: JobRow) -> VerifyReport:
    """What a proof found. Raises KeyError, TypeError or ValueError for what it did not write."""
    from engine.model import VerifyReport

    result = row.result
    parts = result["damaged"]
    if not isinstance(parts, list):
        raise TypeError("no list of what is damaged")
    return VerifyReport(
        job=row.job.id,
        backup=str(result["backup"]),
        damaged=tuple(_part(each) for each in parts),
        data=int(str(result["data"])),
        seconds=float(str(result["seconds"])),
    )


def _part(value: object) -> DamagedPart:
    from engine.model import DamagedPart

    if not isinstance(value, Mapping):
        raise TypeError("no damaged part")
    device = value["device"]
    return DamagedPart(
        None if device is None else str(device), str(value["name"]), str(value["reason"])
    )
