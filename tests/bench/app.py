"""What the app costs while somebody sits before it: bytes written, processor time, a busy loop.

    python tests/bench/app.py
    python tests/bench/app.py --backups 5000 --projects 2000 --seconds 30

The app runs on a terminal of 120x40, on a home with many projects, one of them with many backups.
"The loop was held" is the longest that any one callback ran in the app's event loop while lists are
scrolled, filtered and sorted, and each page is opened; once by the clock, once in processor time of
its thread, which other programs of the machine do not add to. How long starting takes is told by
start.py.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1] / "tui"))
sys.path.append(str(Path(__file__).parents[2]))

from app_support import PLANT, AppHome, restoring
from emulator import BACKSTAY, LARGE, Emulator

from engine.lock import WorkLock
from engine.model import JobState, Progress

SCROLLED = 60  # rows
PAGES = {
    "projects": {"c": "Costs", "J": "Jobs", "?": "Help"},
    "backups": {".": "Copy id", "n": "free to use", "s": "Next runs", "J": "Jobs", "?": "Help"},
}
_TICK = os.sysconf("SC_CLK_TCK")
# Times every callback, before anything of the app is loaded; tells the longest at the end.
WATCHED = """
import asyncio.events, os, sys, time
told, run, longest = sys.argv.pop(1), asyncio.events.Handle._run, [0.0, 0.0, ""]
def timed(handle):
    clock, used = time.perf_counter(), time.thread_time()
    run(handle)
    clock, used = time.perf_counter() - clock, time.thread_time() - used
    if shown[0] and used > longest[1]:
        longest[2] = repr(handle)
    if shown[0]:
        longest[:2] = max(longest[0], clock), max(longest[1], used)
asyncio.events.Handle._run, shown = timed, [False]
leave = os._exit
def tell(code):
    with open(told, "w") as file:
        file.write(f"{longest[0]} {longest[1]} {longest[2]}")
    leave(code)
os._exit = tell
from tui.__main__ import program
from tui.app import Backstay
begin = Backstay.begin_to_paint
def begun(app):
    begin(app)
    shown[0] = True
Backstay.begin_to_paint = begun
end = Backstay.action_leave
def ended(app):  # what leaving waits for holds nobody up
    shown[0] = False
    end(app)
Backstay.action_leave = ended
program()
"""


class Figure(NamedTuple):
    """What was measured, and what it is to stay within."""

    what: str
    measured: float
    most: float
    unit: str


def main() -> None:
    """Measure and print the table. Ends with an error where something is beyond what it may be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backups", type=int, default=1000)
    parser.add_argument("--projects", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0, help="of idling, and of progress (5)")
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="backstay-bench-"))
    try:
        home = asyncio.run(prepared(work, given.projects, given.backups))
        lock = home.worker_that_stays()
        try:
            figures = [
                *written(home, given.seconds),
                *followed(home, given.seconds),
                *held(home, work / "held"),
            ]
        finally:
            lock.release()
    finally:
        shutil.rmtree(work)
    for figure in figures:
        amount = f"{figure.measured:.4g} {figure.unit}"
        sys.stdout.write(f"{figure.what:<44} {amount:>14}   at most {figure.most:g}\n")
    beyond = [figure.what for figure in figures if figure.measured > figure.most]
    if beyond:
        raise SystemExit(f"beyond what it may be: {', '.join(beyond)}")


async def prepared(work: Path, projects: int, backups: int) -> AppHome:
    """A home with so many projects, and one more with so many backups."""
    home = await AppHome(work).make()
    await home.add_project(PLANT, "Plant 7")
    await home.add_many(projects=projects, backups=backups)
    return home


def opened(home: AppHome, *arguments: str, program: Sequence[str | Path] = BACKSTAY) -> Emulator:
    """The app on a terminal."""
    return Emulator(*program, "--home", str(home.path), "--as", "ana", *arguments, size=LARGE)


def written(home: AppHome, seconds: float) -> list[Figure]:
    """What keys write, and what doing nothing takes."""
    with opened(home, "open", "Plant 7") as terminal:
        terminal.until_seen("backups,", "menu")
        terminal.until_quiet(1.0)
        first = len(terminal.written)
        move = max(terminal.cost("down") for _ in range(5))
        scrolled = sum(terminal.cost_of_change("down") for _ in range(SCROLLED)) / SCROLLED
        menu = terminal.cost(".")
        terminal.cost("escape")
        used = processor(terminal.process.pid)
        idle = pause(terminal, seconds)
        share = (processor(terminal.process.pid) - used) / seconds
    return [
        Figure("the first picture", first / 1000, 20, "KB"),
        Figure("a move to the next row", move / 1000, 1.5, "KB"),
        Figure(f"a move, on average of {SCROLLED} down a long list", scrolled / 1000, 1.5, "KB"),
        Figure("the menu of a backup", menu / 1000, 15, "KB"),
        Figure(f"idle for {seconds:g} s", idle, 0, "bytes"),
        Figure(f"idle for {seconds:g} s", share * 100, 0.5, "% of a core"),
    ]


def followed(home: AppHome, seconds: float) -> list[Figure]:
    """What a job's page writes while its progress changes four times a second."""
    begun = datetime.now(UTC)
    job = restoring(begun, Progress("new ids and indexes", 0, 920_000_000, 210_000_000.0))
    lock = WorkLock(home.path)
    lock.acquire()
    try:
        home.add_job(job)
        with opened(home, "open", "Plant 7") as terminal:
            terminal.until_seen("Running: restore", "menu")
            terminal.press("J")
            terminal.until_seen("Took or left", "running")
            terminal.press("enter")
            terminal.until_seen("of 920.0 MB", "leave")
            terminal.until_quiet(0.3)
            before, end = len(terminal.written), time.monotonic() + seconds
            while time.monotonic() < end:
                part = 1 - (end - time.monotonic()) / seconds
                done = Progress(
                    "new ids and indexes", round(part * 9e8), 920_000_000, 2e8 + part * 1e7
                )
                home.add_job(job._replace(progress=done))
                pause(terminal, 0.25)
            rate = (len(terminal.written) - before) / seconds
        home.add_job(job._replace(state=JobState.CANCELLED, finished=begun + timedelta(seconds=9)))
    finally:
        lock.release()
    return [Figure("following a job, each second", rate / 1000, 1.5, "KB")]


def held(home: AppHome, told: Path) -> list[Figure]:
    """How long the event loop was held at most."""
    program = (sys.executable, "-c", WATCHED, str(told))
    longest = []
    for name, arguments in (("projects", ()), ("backups", ("open", "Plant 7"))):
        with opened(home, *arguments, program=program) as terminal:
            terminal.until_seen("Next" if arguments else "Line 000", "quit")
            look_around(terminal)
            for key, shown in PAGES[name].items():
                terminal.press(key)
                terminal.until_seen(shown)
                terminal.press("escape")
                terminal.until_seen("quit", *(["Last good"] if arguments else ["You are"]))
            terminal.press("q")
            terminal.end()
        clock, used, what = told.read_text().split(" ", 2)
        sys.stdout.write(f"{name}, longest in processor time: {what}\n")
        longest.append((float(clock), float(used)))
    return [
        Figure("the loop was held, by the clock", max(c for c, _ in longest) * 1000, 50, "ms"),
        Figure("the loop was held, processor time", max(u for _, u in longest) * 1000, 50, "ms"),
    ]


def look_around(terminal: Emulator) -> None:
    """Go through a long list, sort it, and filter it, each key when the one before was heeded."""
    for key in (*["down"] * SCROLLED, "end", "home", "o", "o"):
        terminal.cost_of_change(key)
    terminal.press("/", "4", "7")
    terminal.until_seen("end it")
    terminal.until_quiet(0.2)
    terminal.press("escape")
    terminal.until_seen("quit")


def pause(terminal: Emulator, seconds: float) -> int:
    """Read for so many seconds; gives how many bytes came."""
    before, end = len(terminal.written), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        terminal.until_quiet(min(left, 0.1))
    return len(terminal.written) - before


def processor(process: int) -> float:
    """The seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


if __name__ == "__main__":
    main()
