"""What all parts of the engine stand on: an open home, and what its user may do there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from engine.access import Access, Action, no_project
from engine.catalog import Catalog, ProjectRow
from engine.clock import Clock
from engine.handle import Handle
from engine.home import Home
from engine.model import Project, Role
from engine.repository.repository import Repository
from engine.settings import Settings, read_settings

T = TypeVar("T")


class Gone(NamedTuple):
    """A project that is not in the catalog any more; its members still are."""

    id: str
    name: str


class Session:
    """A home, open as one user."""

    def __init__(
        self, home: Home, catalog: Catalog, repository: Repository, user: str, clock: Clock
    ) -> None:
        self._home = home
        self._catalog = catalog
        self._repository = repository
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
        row = await self._catalog.projects.get(ref)
        return await self._access.require(action, row, unknown=no_project(ref), detail=detail)

    def _kept(self, handle: Handle[T]) -> Handle[T]:
        self._handles.add(handle)
        handle.when_done(self._handles.discard)
        return handle
