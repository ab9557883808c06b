"""How long starting takes: short commands, a backup of nothing new, and the app's first paint.

    python tests/bench/start.py
    python tests/bench/start.py --turns 21 --devices 200

Everything takes turns, so that drift of the machine hits all alike, and is the time of the whole
process. Commands are compared with `python -c pass`; the backup of a project in which nothing
changed, with a process that only walks its folder with os.scandir and stat; the app, with a Textual
app that shows one word. A paint is over with the last byte before the screen is quiet for a while.
The first turn is not counted: it makes the bytecode that an installed Backstay has.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from engine.project.demo import write_instance

QUIET = 0.5  # seconds without a byte after which a picture is whole
SIZE = struct.pack("HHHH", 40, 120, 0, 0)  # lines and columns of the terminal
WALK = """
import os, sys
def walk(folder):
    for entry in os.scandir(folder):
        entry.stat()
        if entry.is_dir(follow_symlinks=False):
            walk(entry.path)
walk(sys.argv[1])
"""
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("hello")
Hello().run()
"""
_BACKSTAY = str(Path(sys.executable).parent / "backstay")


@dataclass(frozen=True, slots=True)
class Start:
    """Something that is started: what it is compared with, and how many times that it may take."""

    name: str
    arguments: tuple[str, ...]
    against: str = ""
    most: float = 0.0
    paints: bool = False


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--devices", type=int, default=200, help="of the project (200)")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run(None, turns=given.turns, devices=given.devices)


def run(folder: Path | None, *, turns: int, devices: int = 200) -> None:
    """Measure and print the table. What it needs is made in `folder`, or in a temporary one."""
    work = Path(tempfile.mkdtemp(prefix="backstay-bench-", dir=folder))
    try:
        starts = prepared(work, devices)
        taken = measured(starts, turns)
    finally:
        shutil.rmtree(work)
    print_table(starts, taken)


def prepared(work: Path, devices: int) -> list[Start]:
    """Make a project and a home with one backup; gives what is to be measured on them."""
    project, home = work / "project", work / "home"
    until = datetime(2026, 11, 16, tzinfo=UTC)
    write_instance(project, seed=1, devices=devices, rows=20 * devices, until=until, port=18900)
    home.mkdir(mode=0o700)
    backstay = (_BACKSTAY, "--home", str(home))
    for command in (
        ("adopt", str(project), "--name", "Bench"),
        ("schedule", "Bench", "--keep", "365"),  # no clean-up is to run while something is timed
        ("backup", "Bench"),
    ):
        subprocess.run([*backstay, *command, "--json"], stdout=subprocess.DEVNULL, check=True)
    python = (sys.executable, "-c")
    return [
        Start("python -c pass", (*python, "pass")),
        Start("--version", (_BACKSTAY, "--version"), "python -c pass", 3),
        Start("backups --json", (*backstay, "backups", "Bench", "--json"), "python -c pass", 6),
        Start("scandir + stat", (*python, WALK, str(project))),
        Start("backup, unchanged", (*backstay, "backup", "Bench", "--json"), "scandir + stat", 2),
        Start("hello in Textual", (*python, HELLO), paints=True),
        Start("the app", (*backstay, "open", "Bench"), "hello in Textual", 1.5, paints=True),
    ]


def measured(starts: list[Start], turns: int) -> dict[str, list[float]]:
    """Start everything in turn; the seconds that each took, without the first turn."""
    taken: dict[str, list[float]] = {start.name: [] for start in starts}
    for turn in range(turns + 1):
        for start in starts:
            way: Callable[[tuple[str, ...]], float] = painted if start.paints else ran
            seconds = way(start.arguments)
            if turn:
                taken[start.name].append(seconds)
    return taken


def ran(arguments: tuple[str, ...]) -> float:
    """The seconds that a process took."""
    begun = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def painted(arguments: tuple[str, ...]) -> float:
    """The seconds until a process has painted its first picture on a terminal; it is ended then."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, SIZE)
    begun = time.perf_counter()
    process = subprocess.Popen(
        arguments,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(terminal)
    last = 0.0
    try:
        while not last or select.select([screen], [], [], QUIET)[0]:
            if not os.read(screen, 65536):
                break
            last = time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()
        os.close(screen)
    return last


def print_table(starts: list[Start], taken: dict[str, list[float]]) -> None:
    """One line for each: the median and the least, and how the median compares."""
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    sys.stdout.write(f"{'':<18} {'median':>8} {'least':>8}\n")
    for start in starts:
        least = min(taken[start.name])
        line = f"{start.name:<18} {medians[start.name] * 1000:>5.0f} ms {least * 1000:>5.0f} ms"
        if start.against:
            times = medians[start.name] / medians[start.against]
            line += f"   {times:.2f}x {start.against} (to reach: {start.most:g}x)"
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
