"""The benchmark: Backstay against restic, borg, sqlite3 .backup + zstd, and cp -r.

    python tests/bench/run.py                            the whole of it, about 1 GB, both shapes
    python tests/bench/run.py --size-mb 100 --turns 1    a quick look
    python tests/bench/run.py --leave-out all,primary-key,none --json figures.json
    python tests/bench/run.py --turns 5 --plot screenshots/benchmark.svg     and a picture of it

It makes a project of that size in 200 device files and one in a single big file, and their next
days. Tools take turns: each makes its first backup, then backs up again with nothing changed, then
the next day, then restores with new ids; and so again in the next turn, so that drift of the
machine hits all alike. In the first turn the days go on until there are seven of them; for tools
that store everything every time, the days after the second are reckoned from it. At last, short
commands, a backup of nothing new and the app are started by turns (see start.py). Everything is
whole process wall time, synced to disk, with a warm cache and no writer. Tools that are not
installed are left out, and it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import start
from measuring import Command, measure
from plot import draw
from project_files import MB, SHAPES, Shape, add_day, make_project, size_of
from tools import PEERS, Ours, Tool, needed, program

FIRST, SAME, NEXT, RESTORE = "first backup", "nothing changed", "next day", "restore, new ids"
STORED_ONE, ADDED, STORED_ALL = "stored, one day", "added next day", "stored, all days"
MEMORY_BACKUP, MEMORY_RESTORE = "peak memory, backup", "peak memory, restore"
SECONDS = (FIRST, NEXT, SAME, RESTORE)
BYTES = (STORED_ONE, ADDED, STORED_ALL, MEMORY_BACKUP, MEMORY_RESTORE)
WALK = "bare walk"
REST = 0.5  # seconds between two tools


@dataclass(frozen=True, slots=True)
class Options:
    """What to run."""

    size_mb: int
    turns: int
    days: int
    shapes: tuple[Shape, ...]
    peers: tuple[str, ...]
    leave_out: tuple[str, ...]
    day_rows: float
    day_devices: float
    work: Path
    start_turns: int
    json: str | None
    plot: Path | None


@dataclass(slots=True)
class Results:
    """All raw figures of one tool: seconds or bytes, in the order in which they came."""

    tool: str
    note: str
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, figure: float) -> None:
        """Keep one more figure."""
        self.figures.setdefault(what, []).append(figure)

    def median(self, what: str) -> float | None:
        """The median of a measure, or None where it was not taken."""
        taken = self.figures.get(what)
        return statistics.median(taken) if taken else None

    def highest(self, what: str) -> float | None:
        """The highest figure of a measure, or None where it was not taken."""
        return max(self.figures.get(what, []), default=None)


def main() -> None:
    """Run what the command line asks for and print the tables."""
    options, remove = parse(sys.argv[1:])
    # An installed Backstay has its bytecode beside it; here the first run makes what is missing.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        say(
            f"{platform.platform()}, {os.cpu_count()} processors, Python "
            f"{platform.python_version()}; {options.turns} turns, {options.days} days; a day is "
            f"{options.day_rows:.1%} new rows, in {options.day_devices:.0%} of the devices"
        )
        for name in options.peers:
            missing = [each for each in PEERS[name][0] if program(each) is None]
            if missing:
                say(f"{name} is left out: {', '.join(missing)} is not installed here")
        everything = {}
        for shape in options.shapes:
            results = run_shape(options, shape)
            everything[shape.name] = [asdict(each) for each in results]
            print_table(shape, results)
        document = as_document(options, everything)
        if options.json:
            write_json(options.json, document)
        if options.plot:
            options.plot.parent.mkdir(parents=True, exist_ok=True)
            options.plot.write_text(draw(document))
        if options.start_turns:
            say("\nstarting, by turns")
            start.run(options.work, turns=options.start_turns)
    finally:
        if remove:
            shutil.rmtree(options.work, ignore_errors=True)


def run_shape(options: Options, shape: Shape) -> list[Results]:
    """All turns of all tools on projects of one shape."""
    project = make_project(options.work, shape, options.size_mb)
    say(f"\n{shape.name}: {size_of(project) / MB:,.0f} MB in {shape.files} device files")
    results: dict[str, Results] = {}
    for turn in range(1, options.turns + 1):
        turn_folder = Path(tempfile.mkdtemp(prefix="turn-", dir=options.work))
        try:
            live = turn_folder / "live"
            copy_project(project, live)
            tools = make_tools(options, turn_folder, live)
            for tool in tools:
                results.setdefault(tool.name, Results(tool.name, tool.note))
            run_turn(options, shape, live, tools, results, days=options.days if turn == 1 else 2)
        finally:
            shutil.rmtree(turn_folder)
        say(f"  turn {turn} of {options.turns} is done")
    return list(results.values())


def run_turn(
    options: Options,
    shape: Shape,
    live: Path,
    tools: Sequence[Tool],
    results: dict[str, Results],
    *,
    days: int,
) -> None:
    """One turn: every step is done by all tools before the next step begins."""
    stored: dict[str, int] = {}
    number = 1
    for tool in tools:
        tool.prepare()
        stored[tool.name] = back_up(tool, number, FIRST, results[tool.name])
        results[tool.name].add(STORED_ONE, stored[tool.name])
    number += 1
    walking = Command((sys.executable, "-c", start.WALK, str(live)))
    results[tools[0].name].add(WALK, measure([walking]).seconds)
    for tool in in_turn(tools, number):
        spare = back_up(tool, number, SAME, results[tool.name])
        # What a backup of nothing new stores belongs to no day.
        stored[tool.name], unchanged = spare, spare - stored[tool.name]
        results[tool.name].add("added, nothing changed", unchanged)
    added: dict[str, list[int]] = {tool.name: [] for tool in tools}
    for day in range(1, days):
        number += 1
        add_day(live, shape, day, rows_share=options.day_rows, devices=options.day_devices)
        for tool in in_turn(tools, number):
            if tool.whole and day > 1:
                continue  # it would store as much again, and wear the disk
            now = back_up(tool, number, NEXT, results[tool.name])
            added[tool.name].append(now - stored[tool.name])
            results[tool.name].add(ADDED, added[tool.name][-1])
            stored[tool.name] = now
    for tool in tools:
        figures = results[tool.name]
        if days == options.days:
            each = added[tool.name]
            rest = each[0] * (days - 1) if tool.whole else sum(each)
            figures.add(STORED_ALL, figures.figures[STORED_ONE][-1] + rest)
        commands = tool.restore(number)
        settle()
        restored = measure(commands)
        figures.add(RESTORE, restored.seconds)
        figures.add(MEMORY_RESTORE, restored.memory)
        tool.discard()


def in_turn(tools: Sequence[Tool], number: int) -> list[Tool]:
    """The tools in an order of which another is the first each time."""
    first = number % len(tools)
    return [*tools[first:], *tools[:first]]


def back_up(tool: Tool, number: int, what: str, results: Results) -> int:
    """Take one backup, keep its figures, and give the bytes that are stored then."""
    commands = tool.backup(number)
    settle()
    figures = measure(commands)
    results.add(what, figures.seconds)
    if what != SAME:
        results.add(MEMORY_BACKUP, figures.memory)
    return tool.stored()


def settle() -> None:
    """Have everything on disk that was written before, so that nobody pays for another.

    The blocks of deleted files are given back to the disk a moment after a sync.
    """
    subprocess.run([needed("sync")], check=True)
    time.sleep(REST)


def copy_project(source: Path, target: Path) -> None:
    """Copy a cached project, with its settings naming the copy; dates stay as they are."""
    shutil.copytree(source, target, symlinks=True)
    (target / ".ready").unlink()
    for path in (target / "tagocore.yml", *target.glob("PluginFiles/*/settings.yml")):
        path.write_text(path.read_text().replace(str(source), str(target)))


def make_tools(options: Options, folder: Path, live: Path) -> list[Tool]:
    """The tools of a turn, ours first."""
    tools: list[Tool] = [Ours(folder, live, each) for each in options.leave_out]
    for name in options.peers:
        programs, make = PEERS[name]
        if all(program(each) for each in programs):
            tools.append(make(folder, live))
    return tools


def print_table(shape: Shape, results: Sequence[Results]) -> None:
    """One table: a row for each measure, and how many times ours each peer's figure is."""
    ours = results[0]
    columns = [["", *SECONDS, *BYTES]]
    for result in results:
        column = [result.tool]
        for what in (*SECONDS, *BYTES):
            highest = what in (MEMORY_BACKUP, MEMORY_RESTORE)
            figure, base = (
                each.highest(what) if highest else each.median(what) for each in (result, ours)
            )
            column.append(cell(what, figure, base, result is ours))
        columns.append(column)
    widths = [max(len(text) for text in column) for column in columns]
    say(f"\n{shape.name}: medians; in brackets, times the figure of {ours.tool}")
    for row in zip(*columns, strict=True):
        first, *rest = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        say("  ".join([row[0].ljust(len(first)), *rest]))
    for result in results:
        say(f"  {result.tool}: {result.note}")
    say_ratios(results)
    say("  peak memory: highest sum over the living processes; without the new-ids step of peers")


def say_ratios(results: Sequence[Results]) -> None:
    """Say what ours costs as a share of what no backup can do without: a copy, and a look."""
    ours, copy = results[0], next((each for each in results if each.tool.startswith("cp ")), None)
    first, same, walk = (ours.median(what) for what in (FIRST, SAME, WALK))
    if first and copy and (copied := copy.median(FIRST)):
        say(f"  first backup of {ours.tool}: {first / copied:.2f}x {copy.tool} (to reach: 0.7x)")
    if same and walk:
        say(
            f"  nothing changed, {ours.tool}: {same / walk:.2f}x a process that only walks the "
            f"folder with scandir and stat, {walk:.3f} s (to reach: 2x)"
        )
    stored, whole = ours.median(STORED_ONE), copy.median(STORED_ONE) if copy else None
    if stored and whole:
        say(f"  stored by {ours.tool}: {stored / whole:.1%} of the source (to reach: 7 %)")


def cell(what: str, figure: float | None, base: float | None, is_ours: bool) -> str:
    """One figure with its unit and its ratio to ours."""
    if figure is None:
        return "-"
    text = f"{figure:.2f} s" if what in SECONDS else f"{figure / MB:.1f} MB"
    if is_ours or not base:
        return text
    return f"{text} ({figure / base:.2f}x)"


def as_document(
    options: Options, everything: dict[str, list[dict[str, object]]]
) -> dict[str, object]:
    """All raw figures, seconds and bytes, and how they were taken."""
    return {
        "size_mb": options.size_mb,
        "turns": options.turns,
        "days": options.days,
        "day_rows": options.day_rows,
        "day_devices": options.day_devices,
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "shapes": everything,
    }


def write_json(target: str, document: dict[str, object]) -> None:
    """Write the document to a file, or to the screen where that is called -."""
    text = json.dumps(document, indent=1) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text)


def say(text: str) -> None:
    """Print a line at once, so that a long run can be followed."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def parse(arguments: Sequence[str]) -> tuple[Options, bool]:
    """Read the command line; the second value says whether the work folder is temporary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size-mb", type=int, default=1000, help="of device files (1000)")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--days", type=int, default=7, help="in the first turn, 2 or more (7)")
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; empty for none")
    parser.add_argument(
        "--leave-out",
        default="all",
        help="settings of ours to measure: all,primary-key,none; the first is compared with",
    )
    parser.add_argument("--day-rows", type=float, default=0.01, help="new rows, of all (0.01)")
    parser.add_argument("--day-devices", type=float, default=0.2, help="that get them (0.2)")
    parser.add_argument("--work", type=Path, help="keeps the projects for the next run")
    parser.add_argument("--start-turns", type=int, default=11, help="0 leaves starting out (11)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures as an SVG")
    parser.add_argument("--json", metavar="FILE", help="write all raw figures; - to the screen")
    given = parser.parse_args(arguments)
    peers = tuple(name for name in given.peers.split(",") if name)
    unknown = [name for name in peers if name not in PEERS]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    leave_out = tuple(given.leave_out.split(","))
    if not set(leave_out) <= {"all", "primary-key", "none"}:
        parser.error("--leave-out takes all, primary-key and none")
    work = given.work or Path(tempfile.mkdtemp(prefix="backstay-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    options = Options(
        size_mb=given.size_mb,
        turns=given.turns,
        days=max(2, given.days),
        shapes=tuple(SHAPES.values()) if given.shape == "both" else (SHAPES[given.shape],),
        peers=peers,
        leave_out=leave_out,
        day_rows=given.day_rows,
        day_devices=given.day_devices,
        work=work.resolve(),
        start_turns=given.start_turns,
        json=given.json,
        plot=given.plot,
    )
    return options, given.work is None


if __name__ == "__main__":
    main()
