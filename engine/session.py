"""What all parts of the engine stand on: an open home, and what its user may do there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from engine.access import Access, Action, Known, no_project
from engine.errors import BackstayError, Busy, Failed, SourceMissing
from engine.following import Nudge, follow
from engine.handle import Handle, Report
from engine.lock import has_worker
from engine.model import JobKind, ProjectState, Role
from engine.names import word
from engine.work import mend_if_free

if TYPE_CHECKING:
    from engine.catalog import Catalog, JobRow, ProjectRow
    from engine.clock import Clock
    from engine.home import Home
    from engine.model import Progress, Project
    from engine.repository.repository import Repository
    from engine.reserve import Reserve
    from engine.settings import Settings
    from engine.worker import Worker

T = TypeVar("T")
_MOST_STARTS = 5  # of workers, for one job, until whoever waits for it hears that none does it


class Gone(NamedTuple):
    """A project that is not in the catalog any more; its members still are."""

    id: str
    name: str


class Session:
    """A home, open as one user. With `works` its jobs run in this process, where they can."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        repository: Repository,
        reserve: Reserve,
        user: str,
        clock: Clock,
        *,
        works: bool,
    ) -> None:
        self._works = works
        self._nudge = Nudge()
        self._working: asyncio.Task[None] | None = None
        self._worker: Worker | None = None
        self._watchers: dict[str, list[Report]] = {}
        self._home = home
        self._catalog = catalog
        self._repository = repository
        self._reserve = reserve
        self._clock = clock
        self._access = Access(catalog, user, clock)
        self._handles: set[Handle[Any]] = set()

    @property
    def user(self) -> str:
        """Who the home is open as."""
        return self._access.user

    @property
    def home(self) -> Path:
        """The home's folder."""
        return self._home.path

    async def _settings(self) -> Settings:
        from engine.settings import read_settings

        return await asyncio.to_thread(read_settings, self.home)

    async def _role(self, project: str) -> Role | None:
        return await self._catalog.members.role(project, self.user)

    async def _owned(self) -> list[str]:
        roles = await self._catalog.members.of(self.user)
        return [project for project, role in roles.items() if role is Role.OWNER]

    async def _describe(self, row: ProjectRow) -> Project:
        (project,) = await self._catalog.describe([row], self.user)
        return project

    async def _project(self, ref: str, action: Action, detail: str = "") -> ProjectRow:
        """The project that is meant, if the user may do that with it. A change is not noted yet."""
        row = await self._access.check(
            action, await self._catalog.projects.get(ref), unknown=no_project(ref), detail=detail
        )
        if row.state is ProjectState.ABSENT and action.needs_folder:
            raise SourceMissing(
                f"{row.name} is not present: it is known from its backups only.",
                hint="Its backups are safe and nothing was changed. Where its folder is: "
                f"backstay adopt PATH --name {word(row.name)}",
            )
        return row

    async def _submit(
        self,
        action: Action,
        kind: JobKind,
        project: Known,
        request: Mapping[str, object],
        unpack: Callable[[JobRow], Awaitable[T]],
        *,
        detail: str = "",
    ) -> Handle[T]:
        """Queue a job, see that a worker comes to it, and follow it; `unpack` gives its result."""

        async def queue() -> str:
            async with self._catalog.transaction():
                await self._access.record(action, project, detail)
                jobs = self._catalog.jobs
                return await jobs.queue(kind, project.id, project.name, self.user, request)

        makes_room = kind is JobKind.CLEAN_UP
        job = await (self._reserve.lend(queue) if makes_room else queue())
        if self._working is not None and self._working.done():
            self._working = None  # how that one ended is told to those who waited for it
        handle = self._following(job, unpack)
        await asyncio.sleep(0)  # it follows before the job can begin
        await self._ensure_worker()
        return handle

    def _following(self, job: str, unpack: Callable[[JobRow], Awaitable[T]]) -> Handle[T]:
        async def result(report: Report) -> T:
            def tell(progress: Progress) -> None:
                if self._worker is None or self._worker.job != job:  # else it tells by itself
                    report(progress)

            starts = 0

            async def remind() -> None:
                nonlocal starts
                still = f"Job {job[:8]} is not given up: see it with backstay jobs {job[:8]}."
                try:
                    starts += await self._ensure_worker()
                except BackstayError as error:
                    raise type(error)(error.message, hint=f"{error.hint} {still}") from None
                if starts > _MOST_STARTS:
                    raise Failed(
                        f"The workers that were started for job {job[:8]} ended before it did.",
                        hint=f"worker.log in {self.home} tells why. {still}",
                    )

            watchers = self._watchers.setdefault(job, [])
            watchers.append(report)
            try:
                row = await follow(self._catalog, job, tell, self._nudge, remind)
            finally:
                watchers.remove(report)
                if not watchers:
                    del self._watchers[job]
            return await unpack(row)

        async def ask_to_stop() -> None:
            await self._catalog.jobs.cancel(job)
            self._nudge.give()

        handle = Handle(job, result, ask_to_stop)
        self._handles.add(handle)
        handle.when_done(self._handles.discard)
        return handle

    def _see(self, worker: Worker) -> None:
        self._worker = worker
        worker.watchers = self._watchers

    async def _ensure_worker(self) -> bool:
        """See that there is a worker: this process where it may be, else one of its own.

        Gives whether one was started. Raises what ended the last one in this process, and why what
        one that died left behind cannot be cleared away: whoever waits for it hears it.
        """
        from engine.starting import end_early
        from engine.worker import start_worker, work_off

        working, self._working = self._working, None
        if working is not None and not working.done():
            self._working = working
            self._nudge.give()
            return False
        if await asyncio.to_thread(has_worker, self.home):
            await asyncio.to_thread(end_early)  # that one has children, and we need none
            return False  # it looks at the catalog several times a second
        if working is not None and not working.cancelled():
            ended_with = working.exception()
            if isinstance(ended_with, BackstayError) and not isinstance(ended_with, Busy):
                raise ended_with
        if self._works:
            self._working = asyncio.ensure_future(
                work_off(
                    self._home,
                    self._catalog,
                    self._repository,
                    self._clock,
                    self._nudge,
                    patience=0,
                    seen=self._see,
                )
            )
            self._working.add_done_callback(_looked_at)
        else:
            await mend_if_free(self._home, self._catalog, self._repository)
            await asyncio.to_thread(start_worker, self.home)
        return True


def _looked_at(working: asyncio.Task[None]) -> None:
    """Keep asyncio from telling what a worker ended with: its jobs do, and others follow them."""
    if not working.cancelled():
        working.exception()
