"""One line that always says whether a project is safe; a sentence where something is wrong."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content
from textual.widgets import Static

from engine import Health, HealthState
from tui.plain_text import plain
from tui.wording import brief, day_there

_GLYPHS = {
    HealthState.FINE: ("✓", "$success"),
    HealthState.LATE: ("!", "$warning"),
    HealthState.FAILING: ("✗", "$error"),
    HealthState.NEVER: ("–", "$quiet"),
    HealthState.NO_WORKER: ("!", "$warning"),
}


_NO_WORKER = "nothing keeps the schedule. Run backstay worker, or install its --unit."


class HealthStrip(Static):
    """Whether a project is safe: its last good backup, its next one, and what runs."""

    def __init__(self) -> None:
        super().__init__(id="health")
        self._told: Content | None = None

    def tell(self, health: Health, now: datetime) -> None:
        """Show a project's health; nothing is painted where it looks as before."""
        content = strip(health, now)
        if content != self._told:
            lines_before = 0 if self._told is None else self._told.plain.count("\n")
            layout = self._told is None or content.plain.count("\n") != lines_before
            self._told = content
            self.update(content, layout=layout or len(content) > self.size.width)


def strip(health: Health, now: datetime) -> Content:
    """The line, and below it a sentence on what is wrong and what to do."""
    glyph, style = _GLYPHS[health.state]
    good = f"Last good {brief(now - health.last_good)} ago" if health.last_good else "No backup yet"
    if health.next_run is None:
        following = "No schedule"
    else:
        when = day_there(health.next_run, health.zone)
        following = f"Next {when} {health.zone or 'UTC'}, in {brief(health.next_run - now)}"
    line = Content.assemble(
        (f"{glyph} {good}", style), f" · {following} · Running: {_running(health)}"
    )
    if health.state in (HealthState.FINE, HealthState.NEVER):
        return line
    said = " ".join(text for text in (health.reason, health.hint) if text)
    if health.state is HealthState.NO_WORKER:
        said = _NO_WORKER
    word = health.state.value.partition(" running")[0].capitalize()
    return Content.assemble(line, "\n", (f"  {word}: ", style), plain(said))


def _running(health: Health) -> str:
    job = health.running
    if job is None:
        return "none"
    done = job.progress
    return f"{job.kind.value}, {100 * done.done // done.total} %" if done.total else job.kind.value
