"""Several processes write to a catalog and bring its log into it at once; nothing is lost.

SQLite from 3.7.0 to 3.51.2 could lose what was committed where two did that at the same moment.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from engine.catalog import Catalog

ROOT = Path(__file__).parents[2]
PROCESSES, LINES = 3, 100
WORKER = f"""
import asyncio, sqlite3, sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from engine.catalog import Catalog
from engine.model import Verdict

async def main(path, user):
    with closing(sqlite3.connect(path, timeout=180, isolation_level=None)) as other:
        async with await Catalog.open(path, patience=180) as catalog:
            print("open", flush=True)
            sys.stdin.readline()
            for number in range({LINES}):
                await catalog.audit.add(
                    datetime(2026, 11, 23, tzinfo=UTC), user, "write", Verdict.ALLOWED,
                    detail=str(number))
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def test_nothing_is_lost_where_several_processes_checkpoint_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    asyncio.run(_make(path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), f"user{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(180) for process in processes] == [0] * PROCESSES
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        lines = reader.execute("SELECT user, CAST(detail AS INTEGER) FROM audit ORDER BY number")
        written: dict[str, list[int]] = {}
        for user, number in lines:
            written.setdefault(user, []).append(number)
    assert written == {f"user{number}": list(range(LINES)) for number in range(PROCESSES)}
    assert asyncio.run(_is_whole(path)), "each line is sealed together with all before it"


async def _make(path: Path) -> None:
    async with await Catalog.open(path):
        pass


async def _is_whole(path: Path) -> bool:
    async with await Catalog.open(path) as catalog:
        check = await catalog.audit.check()
    return check.problem == "" and check.lines == PROCESSES * LINES
