"""One line that always says whether a project is safe; a sentence where something is wrong."""

from __future__ import annotations

import shlex
from datetime import datetime

from textual.content import Content
from textual.widgets import Static

from engine import Health, HealthState, JobKind
from tui.plain_text import cells, plain, wrap
from tui.remote import start_worker
from tui.wording import brief, city, day_there

_GLYPHS = {
    HealthState.FINE: ("✓", "$success"),
    HealthState.LATE: ("!", "$warning"),
    HealthState.FAILING: ("✗", "$error"),
    HealthState.NEVER: ("–", "$quiet"),
    HealthState.NO_WORKER: ("!", "$warning"),
}

_WORKER = "Run backstay worker, or install its --unit, to keep the schedule."
_INDENT = "  "


class HealthStrip(Static):
    """Whether a project is safe: its last good backup, its next one, and what runs."""

    def __init__(self) -> None:
        super().__init__(id="health")
        self._health: tuple[Health, datetime, bool] | None = None
        self._told: Content | None = None

    def tell(self, health: Health, now: datetime, *, worker_stays: bool) -> None:
        """Show a project's health; nothing is painted where it looks as before."""
        self._health = (health, now, worker_stays)
        self.display = True
        self._lay_out()

    def on_resize(self) -> None:
        """Fold the sentence anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.content_size.width
        if self._health is None or not width:
            return
        health, now, worker_stays = self._health
        content = strip(health, now, width, worker_stays=worker_stays)
        if content != self._told:
            lines = -1 if self._told is None else self._told.plain.count("\n")
            self._told = content
            self.update(content, layout=content.plain.count("\n") != lines)


def strip(health: Health, now: datetime, width: int, *, worker_stays: bool) -> Content:
    """The line, and below it a sentence on what is wrong and what to do."""
    glyph, style = _GLYPHS[health.state]
    good = f"Last good {brief(now - health.last_good)} ago" if health.last_good else "No backup yet"
    head = f"{glyph} {good}"
    running = f" · Running: {_running(health)}"
    tails = [f" · {following}{running}" for following in _following(health, now)]
    tail = next((tail for tail in tails if cells(head + tail) <= width), tails[-1])
    line = Content.assemble((head, style), tail)
    label, said = _said(health, worker_stays)
    if not said:
        return line
    lines = wrap(f"{label}: {plain(said.strip())}", width - len(_INDENT))
    folded = Content("\n".join(_INDENT + line for line in lines))
    return Content.assemble(line, "\n", folded.stylize(style, 0, len(_INDENT) + len(label) + 1))


def _following(health: Health, now: datetime) -> list[str]:
    """When the next backup is made: as long as can be, then in fewer and fewer words."""
    if health.next_run is None:
        return ["No schedule"]
    when = day_there(health.next_run, health.zone)
    until = f", in {brief(health.next_run - now)}"
    short = f"Next {when} {city(health.zone)}"
    return [f"Next {when} {health.zone or 'UTC'}{until}", f"{short}{until}", short]


def _said(health: Health, worker_stays: bool) -> tuple[str, str]:
    """What is wrong, in a word, and what to do here; nothing where all is well."""
    state, reason = health.state, health.reason
    start = start_worker(_WORKER)
    nobody_works = health.next_run is not None and not worker_stays
    if state in (HealthState.FINE, HealthState.NEVER, HealthState.NO_WORKER):
        return ("No worker", start if nobody_works else "")
    if state is HealthState.LATE:
        if health.running is not None:
            return ("Late", reason)
        return ("Late", f"{reason} Press b to make one now. {start if nobody_works else ''}")
    if health.running is not None and health.running.kind is JobKind.BACKUP:
        return ("Failing", f"{reason} Another one is being made now.")
    # What to type in a shell; here is a key for it.
    again = f"backstay backup {shlex.quote(health.project_name)}."
    hint = health.hint
    if hint.endswith(again):
        hint = f"{hint.removesuffix(again).rstrip(': ')}: press b."
    return ("Failing", f"{reason} {hint}")


def _running(health: Health) -> str:
    job = health.running
    if job is None:
        return "none"
    done = job.progress
    return f"{job.kind.value}, {100 * done.done // done.total} %" if done.total else job.kind.value
