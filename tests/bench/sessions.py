"""How long sessions over SSH wait for each other: ten at once on one home, while a backup runs.

    python tests/bench/sessions.py
    python tests/bench/sessions.py --sessions 20 --turns 5

It needs OpenSSH. A server is started on a loopback port, with keys that `backstay access add-key`
let in. Each session changes something (a member) or reads something (the backups). A turn begins
all at once, and for comparison does the same with as many that only run `true`: what the server,
the account's shell and its start-up files take. "Waited" is how long a session took beyond one that
is alone, from the lines in the audit trail that tell of its start and its end; what Python takes to
start is not in it.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tui"))
sys.path.append(str(Path(__file__).parents[2]))

from conftest import INSTANCE, Held, Runner, device_file
from run import say
from ssh_support import Server

FREE = "free"
MOST = 1.0  # seconds that a session may wait for others


def main() -> None:
    """Measure and print. Ends with an error where a session waited for longer than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="backstay-bench-"))
    try:
        most = measure(work, given.sessions, given.turns)
    finally:
        shutil.rmtree(work)
    if most > MOST:
        raise SystemExit(f"a session is to wait for at most {MOST} s")


def measure(work: Path, sessions: int, turns: int) -> float:
    """Run the turns; gives the longest that any session waited."""
    (work / "home").mkdir(mode=0o700)
    run = Runner(work / "home")
    for name in ("Plant 7", Held.name):
        shutil.copytree(INSTANCE, work / name)
        done(run("adopt", str(work / name), "--name", name).code)
    most = 0.0
    with Server(work / "server", work / "home") as server:
        server.let_in("ana")
        server.let_in_without_limits(FREE)
        say("sessions  all together s  without Backstay s  alone s  waited s, median  longest")
        for turn in range(turns):
            sent = [
                f"members 'Plant 7' add user{turn}-{number} --role collaborator"
                if number % 2
                else "backups 'Plant 7'"
                for number in range(sessions)
            ]
            bare = together(server, FREE, ["true"] * sessions)
            alone = inside(server, sent[:1])[0]
            held = Held(device_file(work / Held.name))
            backup = run.start("backup", Held.name)
            run.until_jobs(Held.name, "running", *["succeeded"] * turn)
            begun = time.monotonic()
            waited = [each - alone for each in inside(server, sent)]
            took = time.monotonic() - begun
            held.let_go()
            done(backup.wait())
            most = max(most, *waited)
            say(
                f"{sessions:>8} {took:>15.2f} {bare:>19.2f} {alone:>8.2f} "
                f"{statistics.median(waited):>17.2f} {max(waited):>8.2f}"
            )
    run.end()
    return most


def together(server: Server, user: str, sent: Sequence[str]) -> float:
    """Send all at once; gives the seconds until the last has ended."""
    begun = time.monotonic()
    clients: list[subprocess.Popen[str]] = [server.start(user, each) for each in sent]
    for client in clients:
        client.communicate()
        done(client.returncode)
    return time.monotonic() - begun


def inside(server: Server, sent: Sequence[str]) -> list[float]:
    """Send all at once; gives the seconds from the start to the end of each, longest first."""
    before = len(server.audit())
    together(server, "ana", sent)
    lines = "SELECT action, at, detail FROM audit ORDER BY number LIMIT -1 OFFSET ?"
    with sqlite3.connect(server.home / "catalog.db") as catalog:
        told = list(catalog.execute(lines, (before,)))
    begins, ends = (
        {
            detail.partition(":")[0]: datetime.fromisoformat(
                at
            )  # where it comes from, with the port
            for action, at, detail in told
            if action == f"{which} session"
        }
        for which in ("begin", "end")
    )
    if len(begins) != len(sent) or begins.keys() != ends.keys():
        raise SystemExit("not every session began and ended")
    took = ((ends[each] - begin).total_seconds() for each, begin in begins.items())
    return sorted(took, reverse=True)


def done(code: int) -> None:
    """Raise where something did not end well."""
    if code:
        raise SystemExit(f"it ended with {code}")


if __name__ == "__main__":
    main()
