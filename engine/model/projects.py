"""What a project is, and what is held back in it while it is quiet."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.model.details import ContentLine
from engine.model.kinds import Origin, ProjectState, Role
from engine.model.written import Json, iso


class Project(NamedTuple):
    """A TagoCore instance known to this home. `path` is the folder that holds tagocore.yml."""

    id: str
    name: str
    path: Path
    state: ProjectState
    quiet: bool
    origin: Origin
    role: Role | None
    owners: tuple[str, ...]
    collaborators: tuple[str, ...]
    created: datetime

    def as_json(self) -> Json:
        """The stable keys of a project."""
        return {
            "id": self.id,
            "name": self.name,
            "path": str(self.path),
            "state": self.state.value,
            "quiet": self.quiet,
            "origin": self.origin.value,
            "role": self.role.value if self.role else None,
            "owners": list(self.owners),
            "collaborators": list(self.collaborators),
            "created": iso(self.created),
        }


class ProjectDevice(NamedTuple):
    """A device of a project as it is now."""

    id: str
    name: str
    active: bool


class Variables(NamedTuple):
    """The variables that devices of a project have now, sorted.

    `looked_at` is how many of the `devices` were looked into: with very many, not all are.
    """

    names: tuple[str, ...]
    looked_at: int
    devices: int


class Adoption(NamedTuple):
    """A project that was just registered, and what was noticed about it."""

    project: Project
    notes: tuple[str, ...]
    content: tuple[ContentLine, ...]


class QuietItem(NamedTuple):
    """Something that a restored project keeps off until its owner wakes it."""

    kind: str  # action | data retention | plugin
    id: str
    name: str
    was: str  # the setting that waking brings back

    def as_json(self) -> Json:
        """The stable keys of a quiet item."""
        return {"kind": self.kind, "id": self.id, "name": self.name, "was": self.was}


class HeldItem(NamedTuple):
    """One setting of a restored project's main database that is held until its owner wakes it.

    `held` is what `column` was set to and `was` what it held before. Waking puts `was` back only
    where the column still holds `held`.
    """

    kind: str  # as in QuietItem
    id: str
    name: str
    column: str
    was: str | int | None
    held: str | int | None


class WakeReport(NamedTuple):
    """What waking a project switched on again, and what it left because it had been changed."""

    project: Project
    woken: tuple[QuietItem, ...]
    left: tuple[QuietItem, ...]

    def as_json(self) -> Json:
        """The stable keys of waking."""
        return self.project.as_json() | {
            "woken": [item.as_json() for item in self.woken],
            "left": [item.as_json() for item in self.left],
        }
