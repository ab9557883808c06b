"""What an owner does to move data from one project into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from engine.access import Action
from engine.errors import Damaged, Invalid
from engine.jobs import Jobs
from engine.model import JobKind, JobState
from engine.session import Gone
from engine.spans import check_span

if TYPE_CHECKING:
    from engine.catalog import JobRow, ProjectRow
    from engine.handle import Handle, Report
    from engine.model import ProjectDevice, TransferReport, Variables
    from engine.transfer import Choice


class Transfers(Jobs):
    """Moving data between two projects that the user owns."""

    async def transfer(
        self,
        source: str,
        target: str,
        *,
        devices: Sequence[str] = (),
        by_name: bool = False,
        variables: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        create_missing: bool = False,
    ) -> Handle[TransferReport]:
        """Bring rows of the project `source` into `target`; what is there already is skipped.

        `devices` are ids in the source (or names, with `by_name`), all where none are given;
        devices are matched by id, or by name. Rows from `since` and before `until` (both
        timezone-aware) of `variables` are brought, all where these are not given. With
        `create_missing` devices that the target lacks are made. Nothing is changed or removed in
        the target; what was brought stays when the job is cancelled, and running it again brings
        what is missing. Raises `Invalid` where both projects are one, or the span is none.
        """
        choice = _choice(devices, by_name, variables, since, until, create_missing)
        first, second = await self._both(source, target)
        request = {
            "source": first.id,
            "source_name": first.name,
            "devices": list(choice.devices),
            "by_name": by_name,
            "variables": list(choice.variables),
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "create_missing": create_missing,
        }
        return await self._submit(
            Action.TRANSFER,
            JobKind.TRANSFER,
            second,
            request,
            self._transferred,
            detail=f"from {first.name}",
        )

    async def preview_transfer(
        self,
        source: str,
        target: str,
        *,
        devices: Sequence[str] = (),
        by_name: bool = False,
        variables: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        create_missing: bool = False,
        report: Report | None = None,
    ) -> TransferReport:
        """What `transfer` would bring now, and what is in its way. Nothing is changed.

        `report` is called with the progress of looking.
        """
        from engine.transfer import transfer

        choice = _choice(devices, by_name, variables, since, until, create_missing)
        first, second = await self._both(source, target)
        made = await transfer(
            first.path,
            second.path,
            choice,
            write=False,
            held={},
            now=self._clock(),
            report=report or (lambda _: None),
        )
        return made._replace(source=first.name, target=second.name)

    async def devices(self, project: str) -> list[ProjectDevice]:
        """The devices of a project as it is now, by name: what may be moved from or into it."""
        from engine.transfer import devices_in

        row = await self._project(project, Action.TRANSFER)
        return sorted(await devices_in(row.path), key=lambda device: device.name.casefold())

    async def variables(self, project: str, devices: Sequence[str] = ()) -> Variables:
        """The variables that devices of a project (ids; all where none are given) have now."""
        from engine.transfer import variables_in

        row = await self._project(project, Action.TRANSFER)
        return await variables_in(row.path, devices)

    async def transferred(self, job: str) -> TransferReport:
        """What a transfer that succeeded brought, for who owns both projects."""
        row = await self._job(job, Action.SEE_JOBS)
        if row.job.kind is not JobKind.TRANSFER or row.job.state is not JobState.SUCCEEDED:
            raise Invalid(
                f"The job {row.job.id} is no transfer that succeeded: it is a "
                f"{row.job.kind.value} that is {row.job.state.value}.",
                hint=f"See how it is with: backstay jobs {row.job.id[:8]}",
            )
        source = Gone(str(row.request["source"]), str(row.request["source_name"]))
        from engine.access import no_project

        await self._access.check(
            Action.SEE_REPORT, source, unknown=no_project("that the data came from")
        )
        return await self._transferred(row)

    async def _both(self, source: str, target: str) -> tuple[ProjectRow, ProjectRow]:
        first = await self._project(source, Action.TRANSFER)
        second = await self._project(target, Action.TRANSFER)
        if first.id == second.id:
            raise Invalid(
                "Data is moved from one project into another; both are the same.",
                hint="Nothing was changed. Give two projects.",
            )
        return first, second

    async def _transferred(self, row: JobRow) -> TransferReport:
        try:
            return report_from(row.job.id, row.result)
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(
                f"What came of the job {row.job.id} is not readable in the catalog.",
                hint="What it brought is not touched by that.",
            ) from error


def _choice(
    devices: Sequence[str],
    by_name: bool,
    variables: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    create_missing: bool,
) -> Choice:
    from engine.transfer import Choice

    check_span(since, until)
    return Choice(tuple(devices), by_name, tuple(variables), since, until, create_missing)


def report_from(job: str, result: Mapping[str, object]) -> TransferReport:
    """The report that a job kept. Raises KeyError, TypeError or ValueError for anything else."""
    from engine.model import TransferLine, TransferReport

    devices, notes = result["devices"], result["notes"]
    if not isinstance(devices, list) or not isinstance(notes, list):
        raise TypeError("no report of a transfer")
    return TransferReport(
        job=job,
        source=str(result["source"]),
        target=str(result["target"]),
        dry_run=False,
        devices=tuple(
            TransferLine(
                str(each["device"]),
                str(each["name"]),
                str(each["source_device"]),
                int(each["copied"]),
                int(each["already_there"]),
                int(each["refused"]),
                str(each["reason"] or ""),
                each["created"] is True,
                tuple(map(str, each["notes"])),
            )
            for each in devices
        ),
        copied=int(str(result["copied"])),
        already_there=int(str(result["already_there"])),
        refused=int(str(result["refused"])),
        seconds=float(str(result["seconds"])),
        longest_lock=float(str(result["longest_lock_ms"])) / 1000,
        notes=tuple(map(str, notes)),
    )
