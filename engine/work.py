"""Work in a home: one job at a time under the home's lock, and mending what dead processes left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from engine.backup import facts
from engine.catalog import Catalog
from engine.errors import BackstayError, Cancelled, NotFound
from engine.handle import Handle, Report
from engine.home import Home
from engine.lock import WorkLock
from engine.model import JobKind, JobState, ProjectState
from engine.repository.repository import Repository

T = TypeVar("T")
LOST = "Its process ended before it was done."


async def finish_anyway(work: Coroutine[Any, Any, T]) -> T:
    """Let a short last step run to its end, even when it is cancelled meanwhile.

    For steps after which something exists: whoever cancels then comes too late.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


async def start_job(
    home: Home,
    catalog: Catalog,
    repository: Repository,
    *,
    kind: JobKind,
    project: str,
    project_name: str,
    user: str,
    work: Callable[[str, Report], Awaitable[T]],
) -> Handle[T]:
    """Start a job under the home's lock, and note how it ends.

    `work` is given the job's id. It notes its own success, in the same transaction as what it made.
    Raises `Busy` where another job runs.
    """
    lock = WorkLock(home.path)
    lock.acquire()
    try:
        if await needs_mending(home, catalog, repository):
            await mend(home, catalog, repository)
        job = await catalog.jobs.start(kind, project, project_name, user)
    except BaseException:
        lock.release()
        raise
    begun = asyncio.Event()

    async def run(report: Report) -> T:
        begun.set()
        try:
            return await work(job.id, report)
        except asyncio.CancelledError:
            await finish_anyway(_ended(home, catalog, repository, job.id, JobState.CANCELLED, ""))
            raise
        except BaseException as error:
            told = error.message if isinstance(error, BackstayError) else type(error).__name__
            state = JobState.CANCELLED if isinstance(error, Cancelled) else JobState.FAILED
            await finish_anyway(_ended(home, catalog, repository, job.id, state, told))
            raise
        finally:
            lock.release()

    handle = Handle(job.id, run)
    await begun.wait()  # from here on a cancellation finds the work, and the lock with it
    return handle


async def _ended(
    home: Home,
    catalog: Catalog,
    repository: Repository,
    job: str,
    state: JobState,
    reason: str,
) -> None:
    await asyncio.to_thread(_clean, home, repository)
    await catalog.jobs.finish(job, state, reason)


def _clean(home: Home, repository: Repository) -> None:
    with contextlib.suppress(BackstayError):  # what could not be removed is, at the next start
        repository.storage.clean()
    with contextlib.suppress(OSError):
        home.empty_scratch()
        home.remove_temporary_keys()


async def needs_mending(home: Home, catalog: Catalog, repository: Repository) -> bool:
    """Whether a process died here: unfinished jobs or projects, or manifests that nobody knows."""
    if await catalog.anything_unfinished():
        return True
    known = await catalog.backups.ids()

    def look() -> bool:
        return home.has_temporary_files() or not known.issuperset(repository.manifests())

    return await asyncio.to_thread(look)


async def mend(home: Home, catalog: Catalog, repository: Repository) -> None:
    """Clear away what a process that died left behind, and adopt manifests the catalog lacks.

    Whoever calls this holds the home's lock for work.
    """
    import shutil

    await catalog.jobs.mark_lost()
    await asyncio.to_thread(_clean, home, repository)
    await asyncio.to_thread(home.remove_partial_projects)
    for project in await catalog.projects.list(include_creating=True):
        if project.state is ProjectState.CREATING:
            await asyncio.to_thread(shutil.rmtree, project.path, ignore_errors=True)
            async with catalog.transaction():
                await catalog.costs.end(project.id)
                await catalog.projects.remove(project.id)
    known = await catalog.backups.ids()
    for backup, size in (await asyncio.to_thread(repository.manifests)).items():
        if backup not in known:
            with contextlib.suppress(BackstayError):  # no backup: a copy, or cut short
                manifest = await asyncio.to_thread(repository.manifest, backup)
                await catalog.backups.add(
                    facts(manifest, size), manifest.project_name, manifest.notes
                )


async def mend_if_free(home: Home, catalog: Catalog, repository: Repository) -> None:
    """Mend, unless a job is running: then there is nothing to mend yet."""
    if not await needs_mending(home, catalog, repository):
        return
    lock = WorkLock(home.path)
    try:
        lock.acquire()
    except BackstayError:
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
            f"{ref!r} names no backup.",
            hint="Give a backup's id, or PROJECT@latest for a project's newest.",
        )
    return project
