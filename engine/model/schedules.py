"""When a project is backed up, and how many backups are kept."""

from datetime import datetime
from typing import NamedTuple

from engine.model.written import Json, iso


class PlannedRun(NamedTuple):
    """A scheduled moment that is to come; `remark` is what daylight saving does to it, or empty."""

    date: str  # YYYY-MM-DD, local
    due: datetime
    remark: str


class Plan(NamedTuple):
    """When a project is backed up, and how many backups it keeps.

    `at` is HH:MM in the IANA zone `zone`; both are None where backups are taken by hand only.
    `notes` tell of the latest slots that went otherwise than planned.
    """

    project: str  # id
    project_name: str
    at: str | None
    zone: str | None
    keep: int
    runs: tuple[PlannedRun, ...]
    notes: tuple[str, ...]

    def as_json(self) -> Json:
        """The stable keys of a plan."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "at": self.at,
            "timezone": self.zone,
            "keep": self.keep,
            "next": [
                {"date": run.date, "due": iso(run.due), "remark": run.remark} for run in self.runs
            ],
            "notes": list(self.notes),
        }


class Delivery(NamedTuple):
    """What became of a message: `to` shows no secret of where it was sent to.

    `problem` says why it did not arrive; it is empty where the service took it.
    """

    to: str
    problem: str

    def as_json(self) -> Json:
        """The stable keys of a delivery."""
        return {"to": self.to, "problem": self.problem or None}
