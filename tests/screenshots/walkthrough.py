"""The walk-through: from the list of projects to the report of a new one, as an animation.

It is recorded as asciinema records, with times that are given, and drawn by termtosvg.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tui"))

from app_support import SMALL, AppHome, pressed, running, settled, shows
from rich.console import Console
from textual.pilot import Pilot

from tui.screens.report import ReportPage
from tui.theme import THEME

from .home import restore_under_way
from .stillness import still

NAME = "Plant 7 on Monday"
_LOOK, _READ = 1.4, 3.2  # seconds that a picture stays: one that leads on, one that is to be read
_TYPED = 0.09
# A terminal's own colours: the frame has three of them, our app names its own.
_PALETTE = "#2c343e:#e0806f:#87b37a:#d8a657:#7fb4ca:#9a86b8:#7fb4ca:#d4d9df"
_AT_THE_END = 3000  # milliseconds before it begins anew


class Recording:
    """What an app shows, with how long each picture stays."""

    def __init__(self) -> None:
        self._written: list[tuple[float, str]] = []
        self._now = 0.0

    async def add(self, pilot: Pilot[int], seconds: float) -> None:
        """Add what is shown now; it stays for so many seconds."""
        lines = await still(pilot, lambda: _lines(pilot))
        self._written.append((self._now, "\x1b[?25l\x1b[H" + "\r\n".join(lines)))
        self._now += seconds

    def write(self, file: Path) -> None:
        """Write it as an asciicast of version 2."""
        columns, lines = SMALL
        colours = {"fg": THEME.foreground, "bg": THEME.background, "palette": _PALETTE}
        head = {"version": 2, "width": columns, "height": lines, "theme": colours}
        events = [[round(when, 3), "o", text] for when, text in self._written]
        end = [round(self._now, 3), "o", "\x1b[?25l"]
        file.write_text("\n".join(json.dumps(each) for each in (head, *events, end)) + "\n")


def _lines(pilot: Pilot[int]) -> list[str]:
    """The screen, line by line, as it is written to a terminal."""
    app = pilot.app
    console = Console(force_terminal=True, color_system="truecolor", legacy_windows=False)
    return [strip.render(console) for strip in app.screen._compositor.render_strips(app.size)]


async def record(home: AppHome) -> Recording:
    """Walk through the app. The project is really made; its progress is one that is given."""
    recording = Recording()
    worker = home.worker_that_stays()
    async with running(home.path, SMALL, works=True) as pilot:

        async def show(*keys: str, seconds: float = _LOOK) -> None:
            await pressed(pilot, *keys)
            await recording.add(pilot, seconds)

        await show()
        await show("down", seconds=_LOOK / 2)
        await show("enter", seconds=_READ)
        await show("enter")
        await show("n")
        await pressed(pilot, *["backspace"] * len("restored 2"))
        await _type(pilot, recording, NAME.removeprefix("Plant 7 "))
        await recording.add(pilot, _READ)
        await show("enter", seconds=_READ)
        await show("tab")
        await _show_progress(home, recording)
        worker.release()  # it was one in name only
        await pressed(pilot, "enter")
        while not shows(pilot, ReportPage):
            await settled(pilot)
        await settled(pilot)
        await recording.add(pilot, _READ)
        await show("t", seconds=_READ)
    return recording


async def _type(pilot: Pilot[int], recording: Recording, text: str) -> None:
    for key in text:
        await pressed(pilot, "space" if key == " " else key)
        await recording.add(pilot, _TYPED)


async def _show_progress(home: AppHome, recording: Recording) -> None:
    async with restore_under_way(home, NAME), running(home.path, SMALL) as pilot:
        await pressed(pilot, "J", "enter")
        await recording.add(pilot, _READ)


def draw(recording: Recording, folder: Path) -> str:
    """Draw a recording as an animated SVG."""
    cast, drawn = folder / "walkthrough.cast", folder / "walkthrough.svg"
    recording.write(cast)
    look = ("--template", "window_frame", "--theme", "auto")
    loop = ("--loop-delay", str(_AT_THE_END))
    line = [sys.executable, "-m", "termtosvg", "render", str(cast), str(drawn), *look, *loop]
    subprocess.run(line, check=True, capture_output=True)
    return drawn.read_text("utf-8")
