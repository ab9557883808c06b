"""Mending what dead processes left in a home, and steps that must not be cut short."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from engine.aside import has_abandoned, remove_abandoned
from engine.errors import BackstayError, Busy, NotFound
from engine.lock import WorkLock, has_worker
from engine.model import ProjectState
from engine.names import shown

if TYPE_CHECKING:
    from engine.catalog import Catalog, JobRow
    from engine.home import Home
    from engine.repository.repository import Repository

T = TypeVar("T")

_PATIENCE = 2.0  # seconds to wait for somebody else who mends


def clean(home: Home, repository: Repository) -> None:
    """Remove what unfinished work left in the home. Its caller holds the home's lock for work."""
    with contextlib.suppress(BackstayError):  # what could not be removed is, at the next start
        repository.storage.clean()
    with contextlib.suppress(OSError):
        home.empty_scratch()
        remove_abandoned(home.path)
        home.remove_temporary_keys()


async def needs_mending(home: Home, catalog: Catalog, repository: Repository) -> bool:
    """Whether a process died here: unfinished jobs or projects, or manifests that nobody knows."""
    if await catalog.anything_unfinished():
        return True
    known = await catalog.backups.ids()

    def look() -> bool:
        left = home.has_temporary_files() or has_abandoned(home.path)
        return left or not known.issuperset(repository.manifests())

    return await asyncio.to_thread(look)


async def mend(home: Home, catalog: Catalog, repository: Repository) -> None:
    """Clear away what a process that died left behind, and adopt manifests the catalog lacks.

    Whoever calls this holds the home's lock for work.
    """
    import shutil

    async with catalog.transaction():
        for lost in await catalog.jobs.mark_lost():
            await _once_more(catalog, lost)
    await asyncio.to_thread(clean, home, repository)
    await asyncio.to_thread(home.remove_partial_projects)
    for project in await catalog.projects.list(include_creating=True):
        if project.state is ProjectState.CREATING:
            await asyncio.to_thread(shutil.rmtree, project.path, ignore_errors=True)
            async with catalog.transaction():
                await catalog.costs.end(project.id)
                await catalog.projects.remove(project.id)
    known = await catalog.backups.ids()
    from engine.backup import facts

    for backup, size in (await asyncio.to_thread(repository.manifests)).items():
        if backup not in known:
            with contextlib.suppress(BackstayError):  # no backup: a copy, or cut short
                manifest = await asyncio.to_thread(repository.manifest, backup)
                await catalog.backups.add(
                    facts(manifest, size), manifest.project_name, manifest.notes
                )


async def _once_more(catalog: Catalog, lost: JobRow) -> None:
    """Ask again for a scheduled backup that was lost, once."""
    job = lost.job
    if job.slot is None or job.attempt > 1:
        return
    if await catalog.projects.get(job.project) is None:
        return
    async with catalog.transaction():
        again = await catalog.jobs.queue(
            job.kind,
            job.project,
            job.project_name,
            job.user,
            lost.request,
            slot=job.slot,
            attempt=job.attempt + 1,
        )
        await catalog.schedules.note(job.project, job.slot, again, "run again: its worker had died")


async def mend_if_free(home: Home, catalog: Catalog, repository: Repository) -> None:
    """Mend, unless a job is running: then there is nothing to mend yet."""
    if not await needs_mending(home, catalog, repository):
        return
    lock = WorkLock(home.path)
    # Without a worker no job is running: then somebody else is mending, and soon done.
    works = await asyncio.to_thread(has_worker, home.path)
    try:
        await lock.wait(0 if works else _PATIENCE)
    except Busy:
        return
    try:
        await mend(home, catalog, repository)
    finally:
        lock.release()


def newest(ref: str) -> str | None:
    """The project in ``PROJECT@latest``; None for any other reference to a backup."""
    project, found, when = ref.rpartition("@")
    if not found:
        return None
    if when != "latest" or not project:
        raise NotFound(
            f"{shown(ref)} names no backup.",
            hint="Give a backup's id, or PROJECT@latest for a project's newest.",
        )
    return project
