"""The engine: a home, opened as one user; one awaited method for each thing that an owner does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.access import check_user_name, login_name
from engine.cancelling import finish_anyway
from engine.catalog import Catalog
from engine.clock import Clock, system_clock
from engine.comparisons import Comparisons
from engine.contents import Inside
from engine.exports import Exports
from engine.home import Home
from engine.invitations import Invitations
from engine.logins import Logins
from engine.model import ENCRYPTION, Encryption
from engine.outcomes import Outcomes
from engine.projects import Projects
from engine.records import Records
from engine.reserve import Reserve
from engine.transfers import Transfers
from engine.work import mend_if_free


class Engine(
    Projects, Outcomes, Inside, Comparisons, Exports, Records, Logins, Invitations, Transfers
):
    """A home, open as one user. Use `Engine.open`.

    Every method asks access first: it raises `NotAllowed` for what the user may not do, and
    `NotFound` for what is not there or not to be known of. All of them may raise `Busy` and
    `StorageFailed`. Long work returns a `Handle`.
    """

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Path,
        *,
        user: str | None = None,
        clock: Clock = system_clock,
        create: bool = False,
        works: bool = False,
    ) -> AsyncIterator[Engine]:
        """Open the home at `home` as `user` (the login name by default).

        With `create` it is made where it is not there. What a process that died left is mended
        first. Jobs run in the home's worker, which is started when there is none, and go on when
        the context is left. With `works` this process becomes the worker where there is none;
        leaving the context then cancels what was asked for in it and is not done, and waits for it:
        who cancels while it is left comes too late.

        Raises `NotFound`, `HomeUnsafe`, `SettingsInvalid`, `WrongKey`, `TooNew`, `Damaged`.
        """
        who = check_user_name(user) if user is not None else login_name()
        place, encryption = await asyncio.to_thread(_prepared, home, create)
        reserve = Reserve(place)
        catalog = await reserve.lend(
            lambda: Catalog.open(place.catalog, clock=clock, create=create)
        )
        try:
            repository = await asyncio.to_thread(place.open_repository, encryption)
            await reserve.lend(lambda: mend_if_free(place, catalog, repository))
            await reserve.take_back()  # what was not needed is for clean-ups
            if create:
                await asyncio.to_thread(reserve.make)
            engine = cls(place, catalog, repository, reserve, who, clock, works=works)
            try:
                yield engine
            finally:
                await finish_anyway(engine._leave())
        finally:
            await finish_anyway(_close(catalog, reserve))

    async def _leave(self) -> None:
        """Stop following jobs. Where this process is the worker, stop those asked for here."""
        under_way = tuple(self._handles)  # a handle that ends leaves the set
        if self._working is None:
            for handle in under_way:
                await handle.let_go()
            return
        for handle in under_way:
            handle.cancel()
        for handle in under_way:
            await handle.ended()
        if self._worker is not None:
            self._worker.leaving = True
            if self._worker.job is not None:
                self._working.cancel()  # somebody else's job: it waits for the next worker
        await asyncio.wait([self._working])
        if self._clock is system_clock and await self._catalog.jobs.unfinished():
            from engine.worker import start_worker

            await asyncio.to_thread(start_worker, self.home)


async def _close(catalog: Catalog, reserve: Reserve) -> None:
    await catalog.close()
    await reserve.take_back()


def _prepared(home: Path, create: bool) -> tuple[Home, Encryption]:
    """The home, and how a repository is sealed that is made in it."""
    place = Home(home.absolute())
    place.prepare(create=create)
    if not os.path.lexists(place.settings):
        return place, ENCRYPTION  # and what reads settings is not waited for
    from engine.settings import read_settings

    return place, read_settings(place.path).encryption
