"""Who is what to a project, who was invited, and the audit trail."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from engine.model.written import Json, iso


class Role(StrEnum):
    """What a person is to a project."""

    OWNER = "owner"
    COLLABORATOR = "collaborator"


class Verdict(StrEnum):
    """What access decided."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class Invitation(NamedTuple):
    """A role that `by` offers to `user`, who has not answered yet."""

    project: str  # id
    project_name: str
    user: str
    role: Role
    by: str
    at: datetime

    def as_json(self) -> Json:
        """The stable keys of an invitation."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "user": self.user,
            "role": self.role.value,
            "by": self.by,
            "at": iso(self.at),
        }


class UserKey(NamedTuple):
    """A public key that lets somebody in over SSH, to one home.

    `fingerprint` is as ``ssh-keygen -l`` prints it.
    """

    user: str
    type: str
    fingerprint: str
    comment: str
    home: Path

    def as_json(self) -> Json:
        """The stable keys of a user's key."""
        return {
            "user": self.user,
            "type": self.type,
            "fingerprint": self.fingerprint,
            "comment": self.comment,
            "home": str(self.home),
        }


class RemovedKeys(NamedTuple):
    """The keys that let somebody in no more, and how many open sessions were ended."""

    keys: Sequence[UserKey]
    sessions: int


class Member(NamedTuple):
    """A person who has a role in a project."""

    user: str
    role: Role


class AuditLine(NamedTuple):
    """Who did or tried what, on what, when, and what access said."""

    number: int
    at: datetime
    user: str
    action: str
    project: str | None  # a project's name at that time
    verdict: Verdict
    detail: str

    def as_json(self) -> Json:
        """The stable keys of an audit line."""
        return {
            "number": self.number,
            "at": iso(self.at),
            "user": self.user,
            "action": self.action,
            "project": self.project,
            "verdict": self.verdict.value,
            "detail": self.detail,
        }


class AuditCheck(NamedTuple):
    """Whether the audit trail is as it was written.

    `seal` is the hash of its last line, which depends on every line before; `problem` says which
    line was changed or removed, and is empty where none was. `kept_line` is the number of the line
    whose seal was kept elsewhere, where one was given to look for.
    """

    lines: int
    seal: str
    problem: str
    kept_line: int | None = None

    def as_json(self) -> Json:
        """The stable keys of a check of the audit trail."""
        return {
            "ok": not self.problem,
            "lines": self.lines,
            "seal": self.seal,
            "problem": self.problem or None,
            "kept_line": self.kept_line,
        }
