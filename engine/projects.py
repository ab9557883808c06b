"""What an owner does with projects: adopt, stop and start, wake, forget or delete, share."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from engine.access import Action, check_user_name
from engine.errors import Invalid, NotAnInstance, NotFound, SourceMissing, Taken
from engine.lock import WorkLock
from engine.model import Origin, ProjectState, Role
from engine.names import check_project_name, new_id, shown, word
from engine.session import Session

if TYPE_CHECKING:
    from engine.catalog import ProjectRow
    from engine.catalog.projects import Forgotten
    from engine.model import Adoption, HeldItem, Project, WakeReport
    from engine.project.instance import Instance


PATIENCE = 2.0  # seconds; a job is told as done a moment before its worker lets go of the lock
_ADDRESS = r"([A-Za-z][A-Za-z0-9+.-]+):/"


async def check_adoption(path: Path, name: str, *, owners: Sequence[str] = ()) -> Instance:
    """The instance at `path`, if it could be adopted under a name; a home is not needed for that.

    Raises what `Projects.adopt` raises, but what depends on the home.
    """
    from engine.project.instance import find

    check_project_name(name)
    for owner in owners:
        check_user_name(owner)
    address = re.match(_ADDRESS, str(path))
    if address is not None and not await asyncio.to_thread(path.exists):
        # Never told in full: the address of a database may hold a password.
        raise NotAnInstance(
            f"An address of {address[1].lower()} cannot be adopted: Backstay backs up TagoCore on "
            "SQLite; PostgreSQL and other databases are not supported yet.",
            hint="Nothing was changed. Give the folder that holds tagocore.yml.",
        )
    try:
        return await asyncio.to_thread(find, path)
    except SourceMissing as error:
        raise SourceMissing(
            error.message,
            hint="Nothing was changed. Check the path (is a disk not mounted?) and give the "
            "folder that holds tagocore.yml.",
        ) from error


def _held_in(instance: Instance) -> tuple[HeldItem, ...]:
    """What is held back in an instance that was unpacked from an export. Blocks."""
    from engine.exporting.description import held_in
    from engine.project.quiet import still_held
    from engine.project.tables import database_errors

    items = held_in(instance.root)
    if not items:
        return ()
    address = f"{instance.database.absolute().as_uri()}?mode=ro"
    with (
        database_errors(instance.database.name),
        closing(sqlite3.connect(address, uri=True)) as database,
    ):
        return still_held(database, items)


def _quiet(held: Sequence[HeldItem]) -> str:
    settings = "1 setting is" if len(held) == 1 else f"{len(held)} settings are"
    return (
        f"It was exported from a backup, and is quiet: {settings} held back, of actions and data "
        "retention, until it is woken."
    )


class Projects(Session):
    """The projects of a home, and who belongs to them."""

    async def adopt(self, path: Path, name: str, *, owners: Sequence[str] = ()) -> Adoption:
        """Register the TagoCore instance at `path` under a name; the user and `owners` own it.

        Nothing of the instance is changed. One that was unpacked from an export is quiet, as a
        project is that a restore made. Where the user owned a project in that folder that was
        forgotten, this is that project again, with its backups and everyone who belonged to it; so
        is an absent project of theirs that was in the folder, or is called so.
        Raises `NotAnInstance` and the like with the reason, `Taken` where the folder or the name
        is a project already, `Invalid`.
        """
        from engine.model import Adoption
        from engine.project.content import CONTENT

        instance = await check_adoption(path, name, owners=owners)
        name = check_project_name(name)
        everyone = [self.user, *owners]
        absent = await self._absent(name, instance.root)
        known = await self._catalog.projects.at(instance.root, include_creating=True)
        if known is not None and (absent is None or known.id != absent.id):
            told = f" as {shown(known.name)}" if await self._role(known.id) else ""
            raise Taken(
                f"{instance.root} is a project of this home already{told}.",
                hint="Nothing was changed. See your projects with: backstay projects.",
            )
        async with self._catalog.transaction():
            before = absent or await self._catalog.projects.forgotten(instance.root, self.user)
            if absent is not None:
                row = await self._catalog.projects.come_back(absent.id, name, instance.root)
            else:
                row = await self._catalog.projects.add(
                    before.id if before else new_id(),
                    name,
                    instance.root,
                    ProjectState.ACTIVE,
                    Origin.ADOPTED,
                )
            await self._catalog.projects.remember(row.id)
            for owner in dict.fromkeys(everyone):
                await self._catalog.members.change(row.id, owner, Role.OWNER)
            held = await asyncio.to_thread(_held_in, instance)
            await self._catalog.held.set(row.id, held)
            await self._access.record(Action.ADOPT, row, f"from {instance.root}")
        notes = instance.notes
        if held:
            row = row._replace(quiet=True)
            notes = (*notes, _quiet(held))
        if before is not None:
            notes = (await self._taken_up_again(before), *notes)
        return Adoption(await self._describe(row), notes, CONTENT)

    async def _absent(self, name: str, path: Path) -> Forgotten | None:
        """The project that this folder is, of those known from their backups only.

        It is the one that was in the folder or is called so; the user has to own it.
        """
        from engine.catalog.projects import Forgotten

        at, named = await self._catalog.projects.at(path), await self._catalog.projects.get(name)
        for row in (at, named):
            absent = row is not None and row.state is ProjectState.ABSENT
            if row is not None and absent and await self._role(row.id) is Role.OWNER:
                return Forgotten(row.id, row.name)
        return None

    async def _taken_up_again(self, before: Forgotten) -> str:
        """What to tell of a folder that was a project of this home before."""
        backups = len(await self._catalog.backups.list(before.id))
        kept = f"its backups are here again ({backups})" if backups else "it had no backups"
        return (
            f"This folder was the project {shown(before.name)} before: {kept}, and everyone who "
            "belonged to it belongs to it again."
        )

    async def projects(self) -> list[Project]:
        """The projects in which the user has a role, by name."""
        rows = await self._catalog.projects.list()
        described = await self._catalog.describe(rows, self.user)
        return [project for project in described if project.role is not None]

    async def project(self, ref: str) -> Project:
        """A project by its name or id."""
        return await self._describe(await self._project(ref, Action.SEE_PROJECT))

    async def forget(self, ref: str) -> Project:
        """Take an adopted project off the list. Its folder is not touched; its backups stay.

        Each backup can still be reached by its id; who adopts the same folder again, as one of
        its owners, finds them as before.
        """
        row = await self._project(ref, Action.FORGET)
        if row.origin is Origin.RESTORED:
            raise Invalid(
                f"{row.name} was made of a backup, here: it can be deleted, not forgotten.",
                hint="Nothing was changed. To delete it for good: "
                f"backstay delete {word(row.name)}",
            )
        project = await self._describe(row)
        async with self._catalog.transaction():
            await self._access.record(Action.FORGET, row)
            await self._catalog.projects.forget(row)
        return project

    async def delete(self, ref: str, *, confirm: str) -> Project:
        """Delete a restored project with its folder, for good; `confirm` is its name, typed.

        Raises `Invalid` for an adopted project, and where `confirm` is another name.
        """
        from engine.project.folder import remove

        await self._to_delete(ref, confirm)  # what is refused need not wait
        async with WorkLock(self.home).within(PATIENCE):
            row = await self._to_delete(ref, confirm)
            project = await self._describe(row)
            async with self._catalog.transaction():
                await self._access.record(Action.DELETE, row)
                # Whoever finds it in this state, after we died, removes it.
                await self._catalog.projects.set_state(row.id, ProjectState.CREATING)
                await self._catalog.costs.end(row.id)
            await asyncio.to_thread(remove, row.path)
            await self._catalog.projects.remove(row.id)
        return project

    async def _to_delete(self, ref: str, confirm: str) -> ProjectRow:
        row = await self._project(ref, Action.DELETE)
        if row.origin is Origin.ADOPTED:
            raise Invalid(
                f"{row.name} was not made by Backstay, so it is not Backstay's to delete.",
                hint="Nothing was changed. To take it off the list: "
                f"backstay forget {word(row.name)}",
            )
        if confirm != row.name:
            raise Invalid(
                f"{shown(confirm)} is not the project's name.",
                hint=f"Nothing was deleted. To delete it for good, type its name: {row.name}",
            )
        return row

    async def stop(self, ref: str) -> Project:
        """Note that a project is stopped: from now on it costs nothing."""
        row = await self._project(ref, Action.STOP)
        async with self._catalog.transaction():
            await self._access.record(Action.STOP, row)
            await self._catalog.projects.set_state(row.id, ProjectState.STOPPED)
            await self._catalog.costs.end(row.id)
        return await self._describe(row._replace(state=ProjectState.STOPPED))

    async def start(self, ref: str) -> Project:
        """Note that a project is in use again, at the hourly rate it was made for."""
        row = await self._project(ref, Action.START)
        async with self._catalog.transaction():
            await self._access.record(Action.START, row)
            await self._catalog.projects.set_state(row.id, ProjectState.ACTIVE)
            intervals = await self._catalog.costs.intervals([row.id])
            if intervals:  # an adopted project costs nothing here
                await self._catalog.costs.begin(row.id, row.name, intervals[-1].hourly)
        return await self._describe(row._replace(state=ProjectState.ACTIVE))

    async def wake(self, ref: str) -> WakeReport:
        """Switch on again what a restored project was made without: actions, data retention.

        What somebody has changed since is left as it is, and told. Raises `Invalid` where nothing
        is held.
        """
        from engine.model import WakeReport
        from engine.project.instance import find
        from engine.project.quiet import release

        await self._to_wake(ref)  # what is refused need not wait
        async with WorkLock(self.home).within(PATIENCE):
            row, held = await self._to_wake(ref)
            instance = await asyncio.to_thread(find, row.path)

            def released() -> WakeReport:
                address = f"{instance.database.as_uri()}?mode=rw"
                with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
                    woken, left = release(database, held)
                return WakeReport(project, woken, left)

            project = await self._describe(row._replace(quiet=False))
            await self._access.record(Action.WAKE, row)
            report = await asyncio.to_thread(released)
            await self._catalog.held.clear(row.id)
        return report

    async def _to_wake(self, ref: str) -> tuple[ProjectRow, Sequence[HeldItem]]:
        """A project, and what is held for it."""
        row = await self._project(ref, Action.WAKE)
        held = await self._catalog.held.items(row.id)
        if not held:
            raise Invalid(
                f"{row.name} is not quiet: nothing is held for it.",
                hint="Nothing was changed. See which projects are quiet with: backstay projects",
            )
        return row, held

    async def members(self, ref: str) -> Project:
        """A project with everyone who belongs to it; for its owners."""
        return await self._describe(await self._project(ref, Action.SEE_MEMBERS))

    async def add_member(self, ref: str, user: str, role: Role) -> Project:
        """Give somebody a role in a project, in place of the one they have or were invited to.

        What an owner invited others to is withdrawn when they become a collaborator.
        """
        user = check_user_name(user)
        detail = f"{user} as {role.value}"
        row = await self._project(ref, Action.ADD_MEMBER, detail)
        async with self._catalog.transaction():
            await self._access.record(Action.ADD_MEMBER, row, detail)
            await self._catalog.members.change(row.id, user, role)
            if role is Role.OWNER:
                await self._catalog.invitations.remove(row.id, user)
            else:
                await self._catalog.invitations.forget(row.id, user)
        return await self._describe(row)

    async def remove_member(self, ref: str, user: str) -> Project:
        """Take somebody's role in a project away. The last owner cannot be removed.

        What they were invited to there, or invited others to, is withdrawn: nobody comes back, or
        comes in, by what they left behind.
        """
        user = check_user_name(user)
        row = await self._project(ref, Action.REMOVE_MEMBER, user)
        async with self._catalog.transaction():
            await self._access.record(Action.REMOVE_MEMBER, row, user)
            if not await self._catalog.members.remove(row.id, user):
                raise NotFound(
                    f"{user} has no role in {row.name}.",
                    hint=f"Nothing was changed. See who has: backstay members {word(row.name)}",
                )
            await self._catalog.invitations.forget(row.id, user)
        return await self._describe(row)
