"""The audit trail."""

from datetime import datetime
from typing import NamedTuple

from engine.model.kinds import Verdict
from engine.model.written import Json, iso


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
