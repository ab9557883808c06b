"""A live system for the lock benchmark: inserts a row every few milliseconds, as TagoCore would.

Each row is a transaction of its own with synchronous=FULL and a busy timeout of 1000 ms. It goes
on until its standard input is closed, then prints what it saw as JSON.

    python writer.py DEVICE_FILE MILLISECONDS
"""

from __future__ import annotations

import json
import random
import select
import sqlite3
import sys
import time

BUSY_TIMEOUT = 1.0  # seconds; what TagoCore waits before it refuses a reading

_INSERT = (
    "INSERT INTO data (id, variable, type, value, unit, `group`, time, created_at)"
    " VALUES (?, 'temperature', 'number', ?, '°C', ?, ?, ?)"
)


def main() -> None:
    """Write until told to stop."""
    path, every = sys.argv[1], int(sys.argv[2]) / 1000
    rng = random.Random()
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    inserted, failed, longest = 0, 0, 0.0
    sys.stdout.write("writing\n")
    sys.stdout.flush()
    due = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        due = max(due + every, time.monotonic())
        now = time.time_ns() // 1_000_000
        row = (f"715f{rng.getrandbits(80):020x}", round(rng.gauss(4, 1), 2), "f517", now, now)
        begin = time.monotonic()
        try:
            connection.execute(_INSERT, row)
            inserted += 1
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            failed += 1
        longest = max(longest, time.monotonic() - begin)
    connection.close()
    sys.stdout.write(json.dumps({"inserted": inserted, "failed": failed, "longest": longest}))


if __name__ == "__main__":
    main()
