"""Who may do what. Each refusal, and each change that is allowed, is in the audit trail.

Owners may do everything with their projects; a collaborator may see that a project is there. To
anyone else a project does not exist, in the same words as if it really did not.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from engine.clock import Clock
from engine.errors import Invalid, NotAllowed, NotFound
from engine.model import Member, Role, Verdict
from engine.names import shown

_USER = re.compile(r"[A-Za-z0-9._@][A-Za-z0-9._@-]{0,63}")


class Action(StrEnum):
    """Something that a user can do; the value is what the audit trail calls it."""

    SEE_PROJECT = "see project"
    SEE_BACKUPS = "see backups"
    SEE_QUOTE = "see quote"
    SEE_MEMBERS = "see members"
    SEE_COSTS = "see costs"
    SEE_JOBS = "see jobs"
    SEE_REPORT = "see report"
    SEE_AUDIT = "see audit"
    ADOPT = "adopt"
    FORGET = "forget"
    DELETE = "delete"
    STOP = "stop"
    START = "start"
    WAKE = "wake"
    BACKUP = "backup"
    CLEAN_UP = "clean up"
    CANCEL = "cancel job"
    SET_SCHEDULE = "set schedule"
    RESTORE = "restore"
    TRANSFER = "transfer"
    VERIFY = "verify"
    EXPORT = "export"
    ADD_MEMBER = "add member"
    REMOVE_MEMBER = "remove member"
    INVITE = "invite"
    WITHDRAW = "withdraw invitation"
    ACCEPT = "accept invitation"
    DECLINE = "decline invitation"
    SHOW_KEY = "show recovery key"
    ENTER_KEY = "enter recovery key"
    RECOVER = "recover"
    SEE_KEYS = "see keys"
    ADD_KEY = "add key"
    REMOVE_KEY = "remove key"
    BEGIN_SESSION = "begin session"
    END_SESSION = "end session"
    RUN_COMMAND = "run command"

    @property
    def changes(self) -> bool:
        """Whether it is told in the audit trail even when it is allowed.

        Showing the recovery key changes nothing, but what it opens can never be closed again; nor
        can what was exported be brought back.
        """
        return self not in _READS

    @property
    def needs_folder(self) -> bool:
        """Whether it does something with a project's folder, which has to be there for it."""
        return self in _NEEDS_FOLDER

    @property
    def of_home(self) -> bool:
        """Whether it concerns a home only, and never one project."""
        return self in _OF_HOME


_READS = frozenset(
    {
        Action.SEE_PROJECT,
        Action.SEE_BACKUPS,
        Action.SEE_QUOTE,
        Action.SEE_MEMBERS,
        Action.SEE_COSTS,
        Action.SEE_JOBS,
        Action.SEE_REPORT,
        Action.SEE_AUDIT,
        Action.SEE_KEYS,
    }
)

_NEEDS_FOLDER = frozenset(
    {
        Action.STOP,
        Action.START,
        Action.WAKE,
        Action.BACKUP,
        Action.SET_SCHEDULE,
        Action.TRANSFER,
    }
)

_OF_HOME = frozenset(
    {
        Action.RECOVER,
        Action.SEE_KEYS,
        Action.ADD_KEY,
        Action.REMOVE_KEY,
        Action.BEGIN_SESSION,
        Action.END_SESSION,
        Action.RUN_COMMAND,
    }
)

# How a refusal begins; " for its owners" follows.
_SUBJECTS = {
    Action.SEE_BACKUPS: "Backups of {} are",
    Action.SEE_QUOTE: "What a project from a backup of {} costs is",
    Action.SEE_MEMBERS: "The members of {} are",
    Action.SEE_COSTS: "The costs of {} are",
    Action.SEE_JOBS: "The jobs of {} are",
    Action.SEE_REPORT: "The report on {}, with its tokens, is",
    Action.SEE_AUDIT: "The audit trail of {} is",
    Action.ADOPT: "Adopting {} is",
    Action.FORGET: "Forgetting {} is",
    Action.DELETE: "Deleting {} is",
    Action.STOP: "Stopping {} is",
    Action.START: "Starting {} is",
    Action.WAKE: "Waking {} is",
    Action.BACKUP: "Backing up {} is",
    Action.CLEAN_UP: "Cleaning up after {} is",
    Action.CANCEL: "Cancelling jobs of {} is",
    Action.SET_SCHEDULE: "Changing when {} is backed up is",
    Action.RESTORE: "Restoring backups of {} is",
    Action.TRANSFER: "Moving data from or into {} is",
    Action.VERIFY: "Proving backups of {} is",
    Action.EXPORT: "Exporting backups of {} is",
    Action.ADD_MEMBER: "Adding members to {} is",
    Action.REMOVE_MEMBER: "Removing members of {} is",
    Action.INVITE: "Inviting people to {} is",
    Action.WITHDRAW: "Withdrawing invitations to {} is",
    Action.ACCEPT: "Accepting an invitation to {} is",
    Action.DECLINE: "Declining an invitation to {} is",
    Action.SHOW_KEY: "The recovery key, which opens the backups of {}, is",
    Action.ENTER_KEY: "Entering the recovery key, which opens the backups of {}, is",
}

_HOME_SUBJECTS = {
    Action.SEE_AUDIT: "Checking the whole audit trail is",
    Action.SHOW_KEY: "The recovery key of this home is",
    Action.ENTER_KEY: "Entering the recovery key of this home is",
    Action.SEE_KEYS: "Seeing who gets in over SSH is",
    Action.ADD_KEY: "Letting somebody in over SSH is",
    Action.REMOVE_KEY: "Letting somebody in over SSH no more is",
}


_FOR_OWNERS_OF_ALL = (Action.SEE_AUDIT, Action.SHOW_KEY, Action.ENTER_KEY)


class Known(Protocol):
    """What access needs to know of a project."""

    @property
    def id(self) -> str:
        """The project's id."""

    @property
    def name(self) -> str:
        """The project's name."""


class Members(Protocol):
    """Who belongs to which project."""

    async def roles(self, project: str) -> Sequence[Member]:
        """Everyone who belongs to a project (id), owners first."""


class Trail(Protocol):
    """Where the audit trail is written."""

    async def add(
        self,
        at: datetime,
        user: str,
        action: str,
        verdict: Verdict,
        *,
        project: str | None = None,
        project_name: str | None = None,
        detail: str = "",
    ) -> None:
        """Add a line."""


class Records(Protocol):
    """What access needs of the catalog."""

    @property
    def members(self) -> Members:
        """Who belongs to which project."""

    @property
    def audit(self) -> Trail:
        """Where the audit trail is written."""

    @property
    def in_transaction(self) -> bool:
        """Whether what is written now could still be undone."""


P = TypeVar("P", bound=Known)


class Access:
    """What one user may do."""

    def __init__(self, records: Records, user: str, clock: Clock) -> None:
        self.user = user
        self._records = records
        self._clock = clock

    async def check(
        self, action: Action, project: P | None, *, unknown: NotFound, detail: str = ""
    ) -> P:
        """Give `project` back when the user may do that with it.

        Raises `unknown` when it is None or the user has no role in it, and `NotAllowed`, which
        names its owners, for a collaborator. A refusal is audited; `detail` says what about it and
        holds no secret. What is allowed is not audited: something else may still refuse it, so
        the caller calls `record` right before it is done. Never call this in a transaction:
        undoing that would take the refusal out of the trail.
        """
        if self._records.in_transaction:
            raise RuntimeError("access is asked before a transaction begins")
        if project is None:
            raise unknown
        members = await self._records.members.roles(project.id)
        role = next((member.role for member in members if member.user == self.user), None)
        if role is Role.OWNER or (role is not None and action is Action.SEE_PROJECT):
            return project
        await self._audit(action, Verdict.REFUSED, project, detail)
        if role is None:
            raise unknown
        owners = ", ".join(m.user for m in members if m.role is Role.OWNER) or "nobody"
        subject = _SUBJECTS[action].format(project.name)
        raise NotAllowed(
            f"{subject} for its owners: {owners}.",
            hint="You collaborate on it. Nothing was changed; the refusal is in the audit trail.",
        )

    async def record(self, action: Action, project: Known | None = None, detail: str = "") -> None:
        """Tell the audit trail of a change, right before it is made.

        In the transaction that makes it, the change and its line are kept together or not at all.
        """
        await self._audit(action, Verdict.ALLOWED, project, detail)

    async def require_home(
        self,
        action: Action,
        projects: Sequence[str],
        *,
        keeps: bool,
        keeper: str,
        detail: str = "not an owner of every project",
    ) -> None:
        """Pass when the user may do what concerns a whole home, such as having its key.

        That is who owns all of `projects` (ids), or `keeps` the home: is the account that its
        folder belongs to, which is called `keeper`. Where there are no projects only the latter
        may. A refusal is audited; what is allowed is not, until the caller does it. Raises
        `NotAllowed`, which names no project.
        """
        if keeps:
            return
        owner = Member(self.user, Role.OWNER)
        owned = [owner in await self._records.members.roles(project) for project in projects]
        if owned and all(owned):
            return
        await self._audit(action, Verdict.REFUSED, None, detail)
        owners = "who owns every project in it, or for " if action in _FOR_OWNERS_OF_ALL else ""
        raise NotAllowed(
            f"{_HOME_SUBJECTS[action]} for {owners}the account that its folder belongs to: "
            f"{keeper}.",
            hint="Nothing was changed; the refusal is in the audit trail. Ask the account "
            f"{keeper} to run this command under its own name, without --as.",
        )

    async def _audit(
        self, action: Action, verdict: Verdict, project: Known | None, detail: str
    ) -> None:
        await self._records.audit.add(
            self._clock(),
            self.user,
            action.value,
            verdict,
            project=project.id if project else None,
            project_name=project.name if project else None,
            detail=detail,
        )


def no_project(ref: str) -> NotFound:
    """The error for a project that is not there, or not to be known of; `ref` as it was given."""
    return NotFound(
        f"There is no project {shown(ref)}.",
        hint="See the projects that are yours with: backstay projects",
    )


def no_backup(ref: str) -> NotFound:
    """The error for a backup that is not there, or not to be known of; `ref` as it was given."""
    return NotFound(
        f"There is no backup {shown(ref)}.",
        hint="See a project's backups with: backstay backups PROJECT",
    )


def login_name() -> str:
    """Who runs this process: the login name of its real user, or the user's number as text.

    It comes from the system's list of users, never from the environment, which anyone can set. A
    name that `check_user_name` would refuse gives the number, too.
    """
    return account_name(os.getuid())


def account_name(number: int) -> str:
    """The login name of the user with that number, or the number as text."""
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
    return name if _USER.fullmatch(name) else str(number)


def check_user_name(text: str) -> str:
    """Give `text` back when it can be a user's name.

    Raises `Invalid` unless it is 1 to 64 of A-Z a-z 0-9 . _ @ - and does not begin with a hyphen.
    """
    if not _USER.fullmatch(text):
        raise Invalid(
            f"{shown(text)} cannot be a user's name: it has 1 to 64 letters (A-Z, a-z), digits "
            "or . _ @ - and does not begin with a hyphen.",
            hint="Nothing was changed. Give a name such as ana or rui@example.org.",
        )
    return text
