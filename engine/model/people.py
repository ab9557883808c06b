"""Who is what to a project, and who was invited."""

from datetime import datetime
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


class Member(NamedTuple):
    """A person who has a role in a project."""

    user: str
    role: Role
