"""How long it takes to decide which of many projects are due.

    python tests/bench/schedule.py
    python tests/bench/schedule.py --schedules 1000 --turns 20

Each schedule has its own time of day; the zones are all that are known, in turn, and each has
ninety dates that ran. It prints the first decision, for which the zones are read from disk, and
the median and the longest of the later ones.
"""

from __future__ import annotations

import argparse
import statistics
import time as stopwatch
from datetime import UTC, datetime, time, timedelta
from zoneinfo import available_timezones

from run import say

from engine.errors import Invalid
from engine.schedule import Schedule, check_zone, is_due

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # the clocks of Europe were just set forward
SINCE = NOW - timedelta(days=90)


def main() -> None:
    """Decide as often as asked and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=20)
    given = parser.parse_args()
    schedules = some_schedules(given.schedules)
    ran = {(NOW - timedelta(days=days)).date() for days in range(1, 91)}
    turns = []
    due = 0
    for _ in range(1 + given.turns):
        begin = stopwatch.perf_counter()
        found = [is_due(schedule, SINCE, NOW, ran) for schedule in schedules]
        turns.append((stopwatch.perf_counter() - begin) * 1000)
        due = len(found) - found.count(None)
    say("schedules    due  first ms  median ms  longest ms")
    say(
        f"{len(schedules):>9} {due:>6} {turns[0]:>9.1f} {statistics.median(turns[1:]):>10.1f} "
        f"{max(turns[1:]):>11.1f}"
    )


def some_schedules(count: int) -> list[Schedule]:
    """That many schedules, spread over all zones and the whole day."""
    zones = [zone for zone in sorted(available_timezones()) if is_place(zone)]
    return [
        Schedule(time(number * 37 % 24, number * 7 % 60), zones[number % len(zones)])
        for number in range(count)
    ]


def is_place(zone: str) -> bool:
    """Whether a schedule may have that zone."""
    try:
        check_zone(zone)
    except Invalid:
        return False
    return True


if __name__ == "__main__":
    main()
