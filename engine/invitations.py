"""Inviting people to a project: the invited one decides, and has no role until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.access import Action, check_user_name
from engine.errors import Invalid, NotFound
from engine.model import Invitation, Role
from engine.names import shown, word
from engine.session import Session

if TYPE_CHECKING:
    from engine.catalog import ProjectRow
    from engine.catalog.invitations import InvitationRow
    from engine.model import Project


class Invitations(Session):
    """The invitations of a home's people."""

    async def invite(self, ref: str, user: str, role: Role) -> Invitation:
        """Offer somebody a role in a project, in place of an offer made before.

        Raises `Invalid` where they have that role already.
        """
        user = check_user_name(user)
        detail = f"{user} as {role.value}"
        row = await self._project(ref, Action.INVITE, detail)
        if await self._catalog.members.role(row.id, user) is role:
            raise Invalid(
                f"{user} is {_a(role)} of {row.name} already.",
                hint=f"Nothing was changed. See who is: backstay members {word(row.name)}",
            )
        from engine.catalog.invitations import InvitationRow

        made = InvitationRow(row.id, user, role, self.user, self._clock())
        async with self._catalog.transaction():
            await self._access.record(Action.INVITE, row, detail)
            await self._catalog.invitations.add(made)
        return _shown(row, made)

    async def invitations(self) -> list[Invitation]:
        """What the user is invited to, the oldest first."""
        found = []
        for each in await self._catalog.invitations.of(self.user):
            row = await self._catalog.projects.get(each.project)
            if row is not None:
                found.append(_shown(row, each))
        return found

    async def invited(self, ref: str) -> list[Invitation]:
        """Who is invited to a project and has not answered; for its owners."""
        row = await self._project(ref, Action.SEE_MEMBERS)
        return [_shown(row, each) for each in await self._catalog.invitations.to(row.id)]

    async def accept(self, ref: str) -> Project:
        """Take on the role that the user was invited to.

        Raises `NotFound` where they were not invited: nothing tells that project from none then.
        """
        row, invitation = await self._invitation(ref)
        if invitation.role is Role.COLLABORATOR:
            before = await self._catalog.members.role(row.id, self.user)
            if before is Role.OWNER:
                raise Invalid(
                    f"You own {row.name}: there is nothing to accept.",
                    hint=f"To drop the invitation: backstay members {word(row.name)} decline",
                )
        async with self._catalog.transaction():
            # Looked at once more, now that nobody else can withdraw or change it.
            if await self._catalog.invitations.get(row.id, self.user) != invitation:
                raise _not_invited(ref)
            detail = f"as {invitation.role.value}, invited by {invitation.by}"
            await self._access.record(Action.ACCEPT, row, detail)
            await self._catalog.members.change(row.id, self.user, invitation.role)
            await self._catalog.invitations.remove(row.id, self.user)
        return await self._describe(row)

    async def decline(self, ref: str) -> Invitation:
        """Refuse what the user was invited to. Raises `NotFound` where they were not invited."""
        row, invitation = await self._invitation(ref)
        async with self._catalog.transaction():
            await self._access.record(Action.DECLINE, row)
            await self._catalog.invitations.remove(row.id, self.user)
        return _shown(row, invitation)

    async def withdraw(self, ref: str, user: str) -> Invitation:
        """Take an invitation back. Raises `NotFound` where there is none."""
        user = check_user_name(user)
        row = await self._project(ref, Action.WITHDRAW, user)
        invitation = await self._catalog.invitations.get(row.id, user)
        if invitation is None:
            raise NotFound(
                f"{user} is not invited to {row.name}.",
                hint=f"Nothing was changed. See who is: backstay members {word(row.name)}",
            )
        async with self._catalog.transaction():
            await self._access.record(Action.WITHDRAW, row, user)
            await self._catalog.invitations.remove(row.id, user)
        return _shown(row, invitation)

    async def _invitation(self, ref: str) -> tuple[ProjectRow, InvitationRow]:
        row = await self._catalog.projects.get(ref)
        invitation = await self._catalog.invitations.get(row.id, self.user) if row else None
        if row is None or invitation is None:
            raise _not_invited(ref)
        return row, invitation


def _not_invited(ref: str) -> NotFound:
    return NotFound(
        f"You are not invited to {shown(ref)}.",
        hint="Nothing was changed. See what you are invited to with: backstay projects",
    )


def _shown(row: ProjectRow, invitation: InvitationRow) -> Invitation:
    return Invitation(
        project=row.id,
        project_name=row.name,
        user=invitation.user,
        role=invitation.role,
        by=invitation.by,
        at=invitation.at,
    )


def _a(role: Role) -> str:
    return "an owner" if role is Role.OWNER else "a collaborator"
