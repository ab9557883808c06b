"""What an owner does to take a backup elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from engine.access import Action
from engine.aside import aside
from engine.backups import Backups
from engine.cancelling import to_the_end
from engine.errors import ExtraMissing, NotFound, RepositoryDamaged
from engine.handle import Handle, Report
from engine.model import ExportFormat
from engine.names import shown
from engine.session import Gone

if TYPE_CHECKING:
    from engine.model import ExportReport


class Exports(Backups):
    """Backups as files that other programs read."""

    async def export(
        self,
        ref: str,
        target: Path | int,
        *,
        form: ExportFormat = ExportFormat.DATABASES,
        replace: bool = False,
    ) -> Handle[ExportReport]:
        """Write a backup to `target`; `ref` is its id, the beginning of it, or PROJECT@latest.

        As databases it is a tar, compressed with zstandard, of all that a restore makes but for
        tokens; `adopt` takes it as it is unpacked. As Parquet it is a folder, with a file of
        variables for each device. A path gets its name when all of it is on disk; a file that is
        there is only overwritten with `replace`, a folder never. Where `target` is an open file (a
        descriptor), it gets a tar, and stays open; nothing else of this process may write to it.

        This is no job: it ends with this process, and with the context of the engine. Until then no
        clean-up removes the backup. Raises `Taken` and `StorageFailed` for the path, and
        `ExtraMissing` where a library is missing; the handle raises `RepositoryDamaged`, too.
        """
        where = shown(str(target), 200) if isinstance(target, Path) else "an open file"
        detail = f"as {form.value} to {where}"
        found = await self._backup(ref, Action.EXPORT, detail)
        backup = found.backup.id
        if form is ExportFormat.PARQUET and not _has_pyarrow():
            raise ExtraMissing(
                "Parquet is written by pyarrow, which is not installed.",
                hint="Nothing was written. Install it beside Backstay: "
                "pip install 'backstay[parquet]'",
            )
        if isinstance(target, Path):
            from engine.exporting.output import check_target

            target = await asyncio.to_thread(target.absolute)
            await asyncio.to_thread(check_target, target, replace=replace)
        project = Gone(found.backup.project, found.project_name)
        async with self._catalog.transaction():
            await self._access.record(Action.EXPORT, project, f"backup {backup} {detail}")

        async def work(report: Report) -> ExportReport:
            return await self._export(backup, target, form, replace, report)

        handle = Handle("", work)
        self._handles.add(handle)
        handle.when_done(self._handles.discard)
        return handle

    async def _export(
        self, backup: str, target: Path | int, form: ExportFormat, replace: bool, report: Report
    ) -> ExportReport:
        from engine.export import export

        held = contextlib.ExitStack()
        try:
            scratch = await to_the_end(
                asyncio.to_thread(held.enter_context, aside(self.home, keeps=backup))
            )
            manifest = await asyncio.to_thread(self._repository.manifest, backup)
            return await export(
                self._repository,
                manifest,
                target,
                form,
                replace=replace,
                scratch=scratch,
                now=self._clock(),
                free_space=await asyncio.to_thread(self._home.free_space),
                report=report,
            )
        except RepositoryDamaged:
            if await self._catalog.backups.find(backup) is None:
                raise NotFound(
                    "A clean-up removed the backup just before it was held for the export.",
                    hint="Nothing was kept. See which there are with: backstay backups PROJECT",
                ) from None
            raise
        finally:
            await to_the_end(asyncio.to_thread(held.close))


def _has_pyarrow() -> bool:
    import importlib.util

    return importlib.util.find_spec("pyarrow") is not None
