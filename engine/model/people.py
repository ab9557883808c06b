"""Who is what to a project, who was invited, and whose keys let them in."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.model.kinds import Role
from engine.model.written import Json, iso


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
