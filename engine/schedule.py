"""When a project's backup is due: one time of day in one time zone, once on each local date.

The rule for every date: its slot falls due at the first moment at which the zone's clocks show the
wanted time or a later one. So it runs at that time; where the clocks jump over that time, at the
first moment after the jump, be that on the next date; where they show it twice, the first time. A
date that the zone skips has no slot. As the moments ascend with the dates, the latest slot is
always that of the latest date that is due.

Nothing here looks at a clock or keeps a state: moments are passed in, timezone-aware, and come
back in UTC. What a zone does is what the zone data of the system says, or the package tzdata where
the system has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from engine.errors import Invalid
from engine.names import shown

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

# Beyond these, a moment may have no date in UTC. Nobody's clock is there, unless it is wrong.
_FIRST_DATE = date.min + 2 * _DAY
_LAST_DATE = date.max - 2 * _DAY

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_NO_PLACES = {
    "Factory",
    "localtime",
}  # a placeholder, and whatever this machine happens to be set to
_LONGEST_ZONE = 60  # characters that are compared with zones; the longest zone has 32
_NEAR = 0.6  # of 1: how alike a text and a zone are, for the zone to be offered
_NEAR_THE_BEST = 0.15  # and how much less alike than the best of them


class Schedule(NamedTuple):
    """When a project is backed up: `at` has hours and minutes, `zone` is a key of `check_zone`."""

    at: time
    zone: str


class Slot(NamedTuple):
    """One scheduled backup: its local date, when it is due (UTC), what daylight saving does to it.

    `remark` is empty where the clocks show the wanted time once on that date.
    """

    date: date
    due: datetime
    remark: str


def check_zone(text: str) -> str:
    """Give the zone's key in the IANA data base; upper and lower case do not matter.

    Raises `Invalid`, which offers up to three zones with a similar name or city.
    """
    key = _keys().get(text.lower())
    if key is None:
        raise _no_zone(text)
    return key


def check_time(text: str) -> time:
    """Read a time of day such as 03:00 or 3:00. Raises `Invalid` for anything else."""
    found = _TIME.fullmatch(text)
    if found is None or not (int(found[1]) < 24 and int(found[2]) < 60):
        raise Invalid(
            f"{shown(text)} is not a time of day.",
            hint="Nothing was changed. Give hours and minutes, from 00:00 to 23:59.",
        )
    return time(int(found[1]), int(found[2]))


def slot_on(schedule: Schedule, day: date) -> Slot | None:
    """The slot of a local date; None where the zone skips that date.

    A date exists if the first moment at or after its 00:00 is its own. The first and the last two
    dates of the calendar have no slot. Raises `Invalid` when the zone is not known here any more.
    """
    if not _FIRST_DATE <= day <= _LAST_DATE:
        return None
    zone = _zone(schedule.zone)
    wall = datetime.combine(day, schedule.at, zone)
    due = wall.astimezone(UTC)
    # Python holds a local time that comes twice or never for equal to no moment of another zone
    # (PEP 495). To ask this is quick, and the answer is yes on all days but one or two of a year.
    if due == wall:
        return Slot(day, due, "")
    if _exists(wall):
        once = f"it runs the first time, at {_hands(wall)} {_zone_name(wall)}"
        return Slot(day, due, f"{_hands(wall)} comes twice on this day: {once}")
    # Only a date on which the wanted time is missing can be missing itself.
    if _first_moment(datetime.combine(day, time.min, zone)).astimezone(zone).date() != day:
        return None
    due = _first_moment(wall)
    runs = due.astimezone(zone)
    on = "" if runs.date() == day else f" on {runs.date()}"
    instead = f"it runs at {_hands(runs)} {_zone_name(runs)}{on}"
    return Slot(day, due, f"{_hands(wall)} does not exist on this day: {instead}")


def latest_slot(schedule: Schedule, now: datetime) -> Slot | None:
    """The latest slot that is due at `now`, be it due just now; None before the first of all."""
    today = _local_date(schedule, now)
    # Clocks that were turned back across midnight have shown the next date already.
    newest = min(today.toordinal() + 1, _LAST_DATE.toordinal())
    for number in range(newest, _FIRST_DATE.toordinal() - 1, -1):
        slot = slot_on(schedule, date.fromordinal(number))
        if slot is not None and slot.due <= now:
            return slot
    return None


def next_slots(schedule: Schedule, now: datetime, count: int = 5) -> list[Slot]:
    """The next slots that are due after `now`, soonest first."""
    coming = _slots_from(schedule, _local_date(schedule, now))
    return list(islice((slot for slot in coming if slot.due > now), count))


def is_due(
    schedule: Schedule, since: datetime, now: datetime, ran: Collection[date]
) -> Slot | None:
    """The slot to run now, or None.

    It is the latest slot that is due, if that was after `since`, when the schedule was first
    switched on, and its date is not one of `ran`. Slots that were missed so become one run, for
    the latest. `ran` has to hold dates of the future, too, for clocks that are set forward and
    back again.
    """
    slot = latest_slot(schedule, now)
    if slot is None or slot.due <= since or slot.date in ran:
        return None
    return slot


def _slots_from(schedule: Schedule, first: date) -> Iterator[Slot]:
    for number in range(first.toordinal(), _LAST_DATE.toordinal() + 1):
        slot = slot_on(schedule, date.fromordinal(number))
        if slot is not None:
            yield slot


def _local_date(schedule: Schedule, now: datetime) -> date:
    if now.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return now.astimezone(_zone(schedule.zone)).date()


def _exists(wall: datetime) -> bool:
    """Whether the clocks show `wall` at all."""
    return wall.astimezone(UTC).astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(
        tzinfo=None
    )


def _first_moment(wall: datetime) -> datetime:
    """The first moment, in UTC, at which clocks show `wall` or a later time, to the second."""
    if _exists(wall):
        return wall.astimezone(UTC)
    # By the offset from before the jump, a missing time lies after it, and the other way round.
    early, late = wall.replace(fold=1).astimezone(UTC), wall.astimezone(UTC)
    wanted = wall.replace(tzinfo=None)
    while late - early > _SECOND:
        middle = early + (late - early) // (2 * _SECOND) * _SECOND
        if middle.astimezone(wall.tzinfo).replace(tzinfo=None) < wanted:
            early = middle
        else:
            late = middle
    return late


def _hands(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _zone_name(local: datetime) -> str:
    """The zone's short name at a moment; those that have none are given by their offset."""
    name = local.tzname() or ""
    if name[:1] in ("+", "-"):
        return f"UTC{name[:3]}:{name[3:]}" if name[3:] else f"UTC{name}"
    return name


@cache
def _zone(key: str) -> ZoneInfo:
    """A zone by its key, kept: zoneinfo itself keeps only the last eight that were asked for."""
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _no_zone(key) from error


@cache
def _keys() -> dict[str, str]:
    """The key of each zone by its lower-case form. Finding them takes some 30 ms, so it is kept."""
    return {key.lower(): key for key in available_timezones() - _NO_PLACES}


def _no_zone(text: str) -> Invalid:
    near = _near(text)
    offered = f"Did you mean {' or '.join(near)}? " if near else ""
    return Invalid(
        f"{shown(text)} is not a known time zone.",
        hint=f"Nothing was changed. {offered}Give a region and a city, such as Europe/Lisbon,"
        " or UTC.",
    )


def _near(text: str) -> list[str]:
    """Up to three zones, the most alike first, by their whole key or by their city alone."""
    from difflib import SequenceMatcher

    wanted = text[:_LONGEST_ZONE].lower().replace(" ", "_")
    whole = SequenceMatcher(b=wanted)
    city = SequenceMatcher(b=wanted.rpartition("/")[2])
    found: list[tuple[float, str]] = []
    for lower, key in _keys().items():
        # Etc/GMT+1 is an hour *behind* UTC: whoever means it has to write it.
        if "/" in key and not key.startswith("Etc/"):
            whole.set_seq1(lower)
            city.set_seq1(lower.rpartition("/")[2])
            found.append((max(whole.ratio(), city.ratio()), key))
    found.sort(key=lambda each: (-each[0], each[1]))
    enough = max(_NEAR, found[0][0] - _NEAR_THE_BEST) if found else _NEAR
    return [key for alike, key in found[:3] if alike >= enough]
