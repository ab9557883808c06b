"""Pieces of work, and how far they are."""

from datetime import datetime
from typing import NamedTuple

from engine.model.kinds import JobKind, JobState
from engine.model.written import Json, iso


class Progress(NamedTuple):
    """How far a piece of work is. `total` is 0 while it is not known yet; both are bytes.

    `rate` is bytes per second, lately; None while there is nothing to tell it from.
    """

    stage: str
    done: int
    total: int
    rate: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None while that cannot be said."""
        if not self.total or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate


class Job(NamedTuple):
    """One piece of work of a home, where it is, and how it ended.

    `reason` and `hint` tell its owner why it failed or was lost, and what to do; else they are
    empty. `slot` is the local date (YYYY-MM-DD) of a scheduled backup; a slot that was lost is
    tried once more: then `attempt` is 2. `new_project` is the name of the project that a restore
    makes; it is empty for other kinds.
    """

    id: str
    kind: JobKind
    project: str  # id
    project_name: str
    user: str
    state: JobState
    asked: datetime
    started: datetime | None
    finished: datetime | None
    progress: Progress
    error: str  # the name of the error it ended with
    reason: str
    hint: str
    slot: str | None
    attempt: int
    new_project: str = ""

    def as_json(self) -> Json:
        """The stable keys of a job."""
        left = self.progress.seconds_left
        return {
            "id": self.id,
            "kind": self.kind.value,
            "project": self.project,
            "project_name": self.project_name,
            "user": self.user,
            "state": self.state.value,
            "asked": iso(self.asked),
            "started": iso(self.started),
            "finished": iso(self.finished),
            "stage": self.progress.stage,
            "done": self.progress.done,
            "total": self.progress.total,
            "rate": None if self.progress.rate is None else round(self.progress.rate),
            "seconds_left": None if left is None else round(left),
            "error": self.error or None,
            "reason": self.reason or None,
            "hint": self.hint or None,
            "slot": self.slot,
            "attempt": self.attempt,
            "new_project": self.new_project or None,
        }
