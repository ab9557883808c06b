"""The schedule: every day, once, whatever the clocks do (promise 7)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import Invalid
from engine.schedule import (
    Schedule,
    Slot,
    check_time,
    check_zone,
    is_due,
    latest_slot,
    next_slots,
    slot_on,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
LISBON = Schedule(time(3), "Europe/Lisbon")
ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)  # a schedule that was switched on before all


Run = tuple[date, datetime]  # a slot's date, and when it ran


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year, month, day, ...


def slot(at: str, zone: str, day: date) -> Slot:
    found = slot_on(Schedule(check_time(at), zone), day)
    assert found is not None
    return found


def runs_of(schedule: Schedule, moments: Iterable[datetime], since: datetime = ALWAYS) -> list[Run]:
    """What a worker runs that asks what is due at each of these moments."""
    runs: list[Run] = []
    ran: set[date] = set()
    for now in moments:
        found = is_due(schedule, since, now, ran)
        if found is not None:
            runs.append((found.date, now))
            ran.add(found.date)
    return runs


def every(step: timedelta, start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step


class Year(NamedTuple):
    """What the clocks of a zone show in a year, found by looking at them at each minute of UTC.

    For each of the dates that they show, `days`, and each of the 1,440 times of a day, `due` is
    the number of the first minute at which they show it or a later one, `shown` how often they
    show it. `moments` are the minutes; `changes` those at which the clocks jump.
    """

    zone: str
    year: int
    moments: list[datetime]
    days: list[date]
    due: list[list[int]]
    shown: list[list[int]]
    changes: list[datetime]

    def runs(self, minute: int, first: int = 0, last: int | None = None) -> list[Run]:
        """The runs that must be at that time of day on the dates numbered `first` to `last`."""
        dues = [self.moments[row[minute]] for row in self.due[first:last]]
        return list(zip(self.days[first:last], dues, strict=True))


@pytest.fixture(
    scope="module",  # the tests of one zone come together, so that one year at a time is kept
    params=[
        ("Europe/Lisbon", 2025),
        ("America/New_York", 2025),
        ("Asia/Kolkata", 2025),
        ("Australia/Lord_Howe", 2025),
        ("Pacific/Apia", 2011),
    ],
    ids=lambda param: param[0],
)
def seen(request: pytest.FixtureRequest) -> Year:
    zone, year = request.param
    info = ZoneInfo(zone)
    moments = list(every(MINUTE, utc(year - 1, 12, 29), utc(year + 1, 1, 4)))
    clocks = [moment.astimezone(info).replace(tzinfo=None) for moment in moments]
    local = np.array(clocks, "datetime64[m]").astype(np.int64)
    days = sorted({clock.date() for clock in clocks if clock.year == year})
    midnights = np.array(days, "datetime64[m]").astype(np.int64)
    wanted = midnights[:, np.newaxis] + np.arange(1440)
    return Year(
        zone=zone,
        year=year,
        moments=moments,
        days=days,
        due=np.searchsorted(np.maximum.accumulate(local), wanted).tolist(),
        shown=np.bincount(local - local.min())[wanted - local.min()].tolist(),
        changes=[moments[at + 1] for at in np.flatnonzero(np.diff(local) != 1)],
    )


def test_every_minute_of_every_day_of_a_year_has_one_slot_per_date(seen: Year) -> None:
    remarks = {0: "does not exist on this day", 2: "comes twice on this day"}
    for minute in range(1440):
        schedule = Schedule(time(*divmod(minute, 60)), seen.zone)
        slots = next_slots(schedule, seen.moments[0], 370)
        slots = [found for found in slots if found.date.year == seen.year]
        runs = [(found.date, found.due) for found in slots]
        assert runs == seen.runs(minute), schedule
        assert all(one[1] < other[1] for one, other in pairwise(runs)), schedule
        for found, row in zip(slots, seen.shown, strict=True):
            if found.remark or row[minute] != 1:
                assert found.remark.startswith(f"{schedule.at:%H:%M} {remarks[row[minute]]}: ")


def test_a_worker_runs_once_per_date_at_every_half_hour_of_a_year(seen: Year) -> None:
    for minute in range(0, 1440, 30):
        schedule = Schedule(time(*divmod(minute, 60)), seen.zone)
        runs = seen.runs(minute)
        asked = [due + late for _, due in runs for late in (-SECOND, timedelta(0), HOUR)]
        assert runs_of(schedule, asked, runs[0][1] - SECOND) == runs


def test_a_worker_runs_once_per_date_at_every_minute_around_a_change(seen: Year) -> None:
    for change in seen.changes:
        number = next(n for n, row in enumerate(seen.due) if seen.moments[row[-1]] > change)
        for minute in range(1440):
            schedule = Schedule(time(*divmod(minute, 60)), seen.zone)
            runs = seen.runs(minute, number - 3, number + 3)
            asked = [due + late for _, due in runs for late in (-SECOND, timedelta(0), HOUR)]
            assert runs_of(schedule, asked, runs[0][1] - SECOND) == runs


def test_the_years_hold_what_is_hard(seen: Year) -> None:
    changes = {"Asia/Kolkata": 0, "Pacific/Apia": 3}.get(seen.zone, 2)
    minutes = {"Asia/Kolkata": 0, "Australia/Lord_Howe": 30}.get(seen.zone, 60)
    assert len(seen.changes) == changes
    assert sum(row.count(0) for row in seen.shown) == minutes, "of dates that exist"
    assert sum(row.count(2) for row in seen.shown) == minutes
    assert len(seen.days) == (364 if seen.zone == "Pacific/Apia" else 365)
    assert date(2011, 12, 30) not in seen.days


def test_in_a_gap_it_runs_at_the_first_moment_after() -> None:
    spring = date(2026, 3, 29)
    assert slot("00:59", "Europe/Lisbon", spring) == Slot(spring, utc(2026, 3, 29, 0, 59), "")
    for at in ("01:00", "01:30", "01:59"):
        assert slot(at, "Europe/Lisbon", spring) == Slot(
            spring,
            utc(2026, 3, 29, 1),
            f"{at} does not exist on this day: it runs at 02:00 WEST",
        )
    assert slot("02:00", "Europe/Lisbon", spring) == Slot(spring, utc(2026, 3, 29, 1), "")


def test_in_a_fold_it_runs_the_first_time_only() -> None:
    autumn = date(2026, 10, 25)
    assert slot("01:30", "Europe/Lisbon", autumn) == Slot(
        autumn,
        utc(2026, 10, 25, 0, 30),
        "01:30 comes twice on this day: it runs the first time, at 01:30 WEST",
    )
    schedule = Schedule(time(1, 30), "Europe/Lisbon")
    asked = every(10 * MINUTE, utc(2026, 10, 24, 12), utc(2026, 10, 26, 12))
    assert runs_of(schedule, asked, utc(2026, 10, 24, 12)) == [
        (autumn, utc(2026, 10, 25, 0, 30)),
        (date(2026, 10, 26), utc(2026, 10, 26, 1, 30)),
    ]


def test_a_date_that_the_zone_skips_has_no_slot() -> None:
    for at in (time(0), time(12), time(23, 59)):
        schedule = Schedule(at, "Pacific/Apia")
        assert slot_on(schedule, date(2011, 12, 30)) is None
        near = next_slots(schedule, utc(2011, 12, 29, 12), 3)
        assert [found.remark for found in near] == ["", "", ""]
        assert date(2011, 12, 30) not in [found.date for found in near]
        assert {date(2011, 12, 29), date(2011, 12, 31)} & {found.date for found in near}
    skipped = {"Pacific/Kiritimati": date(1994, 12, 31), "Kwajalein": date(1993, 8, 21)}
    for zone, day in skipped.items():
        assert slot_on(Schedule(time(3), zone), day) is None
        assert slot_on(Schedule(time(3), zone), day - DAY) is not None
        assert slot_on(Schedule(time(3), zone), day + DAY) is not None


def test_a_gap_across_midnight_moves_the_slot_to_the_next_date() -> None:
    """Toronto's clocks went from 23:30 on 30 March 1919 to 00:30 on the 31st."""
    assert slot("23:45", "America/Toronto", date(1919, 3, 30)) == Slot(
        date(1919, 3, 30),
        utc(1919, 3, 31, 4, 30),
        "23:45 does not exist on this day: it runs at 00:30 EDT on 1919-03-31",
    )
    assert slot("00:15", "America/Toronto", date(1919, 3, 31)) == Slot(
        date(1919, 3, 31),
        utc(1919, 3, 31, 4, 30),
        "00:15 does not exist on this day: it runs at 00:30 EDT",
    )
    late = Schedule(time(23, 45), "America/Toronto")
    before, at = utc(1919, 3, 31, 4, 29, 59), utc(1919, 3, 31, 4, 30)
    assert [found.date.day for found in next_slots(late, before, 2)] == [30, 31]
    assert [found.date.day for found in next_slots(late, at, 2)] == [31, 1]
    for now, day in ((before, 29), (at, 30), (at + 23 * HOUR, 30), (at + 24 * HOUR, 31)):
        latest = latest_slot(late, now)
        assert latest is not None
        assert latest.date.day == day


def test_clocks_turned_back_across_midnight_do_not_hide_the_slot_that_ran() -> None:
    """St John's turned back at 00:01, to 23:01 of the day before."""
    midnight = Schedule(time(0), "America/St_Johns")
    after = utc(2010, 11, 7, 2, 45)
    assert after.astimezone(ZoneInfo("America/St_Johns")).date() == date(2010, 11, 6)
    latest = latest_slot(midnight, after)
    assert latest is not None
    assert (latest.date, latest.due) == (date(2010, 11, 7), utc(2010, 11, 7, 2, 30))
    assert next_slots(midnight, after, 1)[0].date == date(2010, 11, 8)


@pytest.mark.parametrize(
    ("zone", "day", "due", "remark"),
    [
        ("Asia/Kathmandu", date(2026, 1, 1), utc(2025, 12, 31, 18, 45), ""),
        ("Australia/Eucla", date(2026, 1, 1), utc(2025, 12, 31, 15, 45), ""),
        ("Pacific/Chatham", date(2026, 1, 1), utc(2025, 12, 31, 10, 45), ""),
        ("Pacific/Kiritimati", date(2026, 1, 1), utc(2025, 12, 31, 10, 30), ""),
        ("Pacific/Niue", date(2026, 1, 1), utc(2026, 1, 1, 11, 30), ""),
        ("Etc/GMT+12", date(2026, 1, 1), utc(2026, 1, 1, 12, 30), ""),
        ("UTC", date(2026, 1, 1), utc(2026, 1, 1, 0, 30), ""),
        # Monrovia was 44 minutes and 30 seconds behind UTC until then.
        (
            "Africa/Monrovia",
            date(1972, 1, 7),
            utc(1972, 1, 7, 0, 44, 30),
            "00:30 does not exist on this day: it runs at 00:44:30 GMT",
        ),
        # Cairo's clocks skip the hour after midnight.
        (
            "Africa/Cairo",
            date(2026, 4, 24),
            utc(2026, 4, 23, 22),
            "00:30 does not exist on this day: it runs at 01:00 EEST",
        ),
    ],
)
def test_zones_with_odd_offsets(zone: str, day: date, due: datetime, remark: str) -> None:
    assert slot("00:30", zone, day) == Slot(day, due, remark)


def test_a_zone_without_a_short_name_is_told_by_its_offset() -> None:
    half_past = slot("02:15", "Australia/Lord_Howe", date(2025, 10, 5))
    assert half_past.remark == "02:15 does not exist on this day: it runs at 02:30 UTC+11"
    fold = slot("03:30", "Pacific/Chatham", date(2026, 4, 5))
    assert fold.remark.endswith("it runs the first time, at 03:30 UTC+13:45")


@pytest.mark.parametrize(
    ("asleep", "caught_up"), [(9 * HOUR, date(2026, 5, 4)), (3 * DAY, date(2026, 5, 6))]
)
def test_after_sleep_it_catches_up_once_for_the_latest(asleep: timedelta, caught_up: date) -> None:
    sleeps, wakes = utc(2026, 5, 3, 20), utc(2026, 5, 3, 20) + asleep
    asked = [*every(MINUTE, utc(2026, 5, 3), sleeps), *every(MINUTE, wakes, wakes + DAY)]
    assert runs_of(LISBON, asked, utc(2026, 5, 3)) == [
        (date(2026, 5, 3), utc(2026, 5, 3, 2)),
        (caught_up, wakes),
        (caught_up + DAY, datetime.combine(caught_up + DAY, time(2), UTC)),
    ]


def test_a_clock_set_back_a_day_runs_nothing_twice_and_blocks_nothing() -> None:
    first, turned, last = utc(2026, 5, 1), utc(2026, 5, 4, 12), utc(2026, 5, 7)
    asked = [*every(MINUTE, first, turned), *every(MINUTE, turned - DAY, last)]
    assert runs_of(LISBON, asked, first) == [
        (date(2026, 5, day), utc(2026, 5, day, 2)) for day in range(1, 7)
    ]


def test_a_clock_set_forward_a_week_and_back_runs_nothing_twice_and_blocks_nothing() -> None:
    first, turned, last = utc(2026, 5, 1), utc(2026, 5, 2, 12), utc(2026, 5, 13)
    asked = [
        *every(MINUTE, first, turned),
        *every(MINUTE, turned + 7 * DAY, turned + 7 * DAY + HOUR),
        *every(MINUTE, turned + HOUR, last),
    ]
    ran = runs_of(LISBON, asked, first)
    assert ran[2] == (date(2026, 5, 9), turned + 7 * DAY), "once for the latest of that week"
    others = [each for each in ran if each != ran[2]]
    assert others == [
        (date(2026, 5, day), utc(2026, 5, day, 2)) for day in range(1, 13) if day != 9
    ]


def test_a_new_schedule_owes_nothing_from_before_it_was_switched_on() -> None:
    switched_on = utc(2026, 5, 3, 2)  # the moment of a slot: that one is not owed either
    assert is_due(LISBON, switched_on, utc(2026, 5, 3, 12), ()) is None
    due = is_due(LISBON, switched_on, utc(2026, 5, 4, 2), ())
    assert due == Slot(date(2026, 5, 4), utc(2026, 5, 4, 2), "")
    assert is_due(LISBON, switched_on - SECOND, utc(2026, 5, 3, 2), ()) is not None


@pytest.mark.parametrize(
    ("changed_at", "new_time", "runs_at"),
    [
        ("02:00", "01:00", "02:00"),  # moved behind us: it is owed, and runs now
        ("02:00", "22:00", "22:00"),  # moved away before it ran
        ("04:00", "22:00", "03:00"),  # it ran already: not again on this date
        ("04:00", "01:00", "03:00"),
        ("02:00", "02:00", "02:00"),  # due this very minute
    ],
)
def test_a_new_time_of_day_neither_loses_nor_doubles_a_date(
    changed_at: str, new_time: str, runs_at: str
) -> None:
    old = Schedule(time(3), "Asia/Kolkata")
    new = Schedule(check_time(new_time), old.zone)
    zone = ZoneInfo(old.zone)
    changed = datetime(2026, 5, 4, tzinfo=zone).replace(hour=check_time(changed_at).hour)
    start, end = datetime(2026, 5, 3, tzinfo=zone), datetime(2026, 5, 7, tzinfo=zone)
    ran: dict[date, datetime] = {}
    for now in every(MINUTE, start.astimezone(UTC), end.astimezone(UTC)):
        found = is_due(old if now < changed else new, start.astimezone(UTC), now, ran)
        if found is not None:
            assert found.date not in ran
            ran[found.date] = now
    assert list(ran) == [date(2026, 5, day) for day in (3, 4, 5, 6)]
    local = {day: now.astimezone(zone).time() for day, now in ran.items()}
    assert local[date(2026, 5, 3)] == time(3)
    assert local[date(2026, 5, 4)] == check_time(runs_at)
    assert local[date(2026, 5, 5)] == local[date(2026, 5, 6)] == new.at


def test_the_next_runs_are_five_unless_asked_otherwise() -> None:
    now = utc(2026, 10, 23, 12)
    assert [found.date.day for found in next_slots(LISBON, now)] == [24, 25, 26, 27, 28]
    assert [found.due.hour for found in next_slots(LISBON, now)] == [2, 3, 3, 3, 3]
    assert next_slots(LISBON, utc(2026, 10, 24, 2), 1)[0].date.day == 25, "due now is not next"
    assert next_slots(LISBON, utc(2026, 10, 24), 0) == []


def test_the_ends_of_the_calendar_break_nothing() -> None:
    assert slot_on(LISBON, date.min) is None
    assert slot_on(LISBON, date.max) is None
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        edge = Schedule(time(23, 59), zone)
        assert latest_slot(edge, utc(1, 1, 2)) is None
        assert latest_slot(edge, utc(9999, 12, 30)) is not None
        assert next_slots(edge, utc(9999, 12, 30, 12)) == []
        assert latest_slot(edge, utc(9999, 12, 30, 12)) is not None


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 5, 3)  # noqa: DTZ001  # a moment without a zone is the case
    with pytest.raises(ValueError, match="time zone"):
        latest_slot(LISBON, naive)
    with pytest.raises(ValueError, match="time zone"):
        next_slots(LISBON, naive)


schedules = st.builds(
    Schedule,
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"})),
)
moments = st.datetimes(datetime(1800, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone
APIA = Schedule(time(12), "Pacific/Apia")
TORONTO = Schedule(time(23, 45), "America/Toronto")
MANILA = Schedule(time(0), "Asia/Manila")


@settings(deadline=None)
@given(schedules, moments, st.integers(1, 8))
@example(APIA, utc(2011, 12, 30, 9, 59, 59), 3)
@example(TORONTO, utc(1919, 3, 31, 4, 29, 59), 3)
@example(MANILA, utc(1844, 12, 31, 12), 3)
def test_the_latest_and_the_next_slots_join_without_a_hole(
    schedule: Schedule, now: datetime, count: int
) -> None:
    latest, following = latest_slot(schedule, now), next_slots(schedule, now, count)
    assert latest is not None
    assert len(following) == count
    line = [latest, *following]
    assert latest.due <= now < following[0].due
    for one, other in pairwise(line):
        assert one.date < other.date
        assert one.due < other.due
        assert latest_slot(schedule, other.due) == other
        assert latest_slot(schedule, other.due - SECOND) == one
        assert next_slots(schedule, one.due, 1) == [other]
        assert next_slots(schedule, one.due - SECOND, 1) == [one]
        between = (other.date - one.date).days
        skipped = [slot_on(schedule, one.date + n * DAY) for n in range(1, between)]
        assert skipped in ([], [None]), "only dates that do not exist are left out"
    assert all(slot_on(schedule, each.date) == each for each in line)


@settings(deadline=None)
@given(schedules, moments)
@example(APIA, utc(2011, 12, 31))
@example(TORONTO, utc(1919, 3, 31, 4, 30))
@example(Schedule(time(0), "America/St_Johns"), utc(2010, 11, 7, 3))
def test_a_slot_is_due_at_the_first_moment_that_shows_its_time_or_a_later_one(
    schedule: Schedule, now: datetime
) -> None:
    found = latest_slot(schedule, now)
    assert found is not None
    wanted = datetime.combine(found.date, schedule.at)
    zone = ZoneInfo(schedule.zone)

    def clock(moment: datetime) -> datetime:
        return moment.astimezone(zone).replace(tzinfo=None)

    assert clock(found.due) >= wanted
    assert (clock(found.due) == wanted) == ("does not exist" not in found.remark)
    for earlier in (SECOND, MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 12 * HOUR, DAY):
        assert clock(found.due - earlier) < wanted


@settings(deadline=None)
@given(
    schedules,
    st.lists(st.timedeltas(-10 * DAY, 10 * DAY), min_size=1, max_size=40),
    moments,
)
def test_no_date_runs_twice_however_the_clock_is_turned(
    schedule: Schedule, turns: list[timedelta], since: datetime
) -> None:
    now, asked = since, []
    for turn in turns:
        now += turn
        asked.append(now)
    ran = runs_of(schedule, asked, since)
    assert len({day for day, _ in ran}) == len(ran)
    for moment in asked:
        latest = latest_slot(schedule, moment)
        assert latest is not None
        if latest.due > since:
            assert latest.date in {day for day, _ in ran}, "what is owed has run"
    assert all(moment > since for _, moment in ran)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Europe/Lisbon", "Europe/Lisbon"),
        ("europe/lisbon", "Europe/Lisbon"),
        ("AMERICA/ARGENTINA/BUENOS_AIRES", "America/Argentina/Buenos_Aires"),
        ("utc", "UTC"),
        ("Portugal", "Portugal"),
        ("etc/gmt+1", "Etc/GMT+1"),
    ],
)
def test_a_zone_is_known_by_its_key_in_any_case(text: str, key: str) -> None:
    assert check_zone(text) == key


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("lisbon", ["Europe/Lisbon"]),
        ("Europe/Lisbo", ["Europe/Lisbon"]),
        ("Portugal/Lisbon", ["Europe/Lisbon"]),
        ("New York", ["America/New_York"]),
        ("Kolkatta", ["Asia/Kolkata"]),
        ("Lord Howe", ["Australia/Lord_Howe"]),
        ("buenos aires", ["America/Argentina/Buenos_Aires", "America/Buenos_Aires"]),
        ("posix/Europe/Lisbon", ["Europe/Lisbon"]),
    ],
)
def test_an_unknown_zone_is_refused_with_near_matches(text: str, offered: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        check_zone(text)
    assert text in refused.value.message
    assert f"Did you mean {' or '.join(offered)}? " in refused.value.hint
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "..",
            "/",
            "\x00",
            "Europe/Lisbon\x00",
            "Europe/Lisbon\n",
            " Europe/Lisbon",
        ),
        *("../Europe/Lisbon", "Europe/../Europe/Lisbon", "../../../etc/passwd", "/etc/localtime"),
        *("/usr/share/zoneinfo/Europe/Lisbon", "Europe//Lisbon", "./Europe/Lisbon", "Europe"),
        *("localtime", "LOCALTIME", "posixrules", "Factory", "factory", "leapseconds"),
        *("posix/Europe/Lisbon", "right/Europe/Lisbon", "posix/UTC", "right/UTC", "tzdata.zi"),
        *("GMT+1", "UTC+1", "+01:00", "\x1b[2J", "Europe/Lisbon\x1b[2J", "x" * 100_000, "東京"),
    ],
)
def test_what_is_no_zone_is_refused_and_reaches_no_file(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_zone(text)
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 300
    assert refused.value.hint.count(" or ") <= 3
    assert all(part in refused.value.hint for part in ("Nothing was changed", "Europe/Lisbon"))
    assert not set(refused.value.hint.split()) & {"GMT+0", "Etc/GMT+1", "Etc/GMT-1"}


def test_a_zone_that_is_not_known_any_more_is_refused_by_its_name() -> None:
    for zone in ("Europe/Atlantis", "../../etc/passwd", "Europe"):
        with pytest.raises(Invalid, match="is not a known time zone"):
            slot_on(Schedule(time(3), zone), date(2026, 5, 3))


def test_a_machine_without_zones_of_its_own_has_those_of_tzdata() -> None:
    code = (
        "from datetime import date, time\n"
        "from engine.schedule import Schedule, check_zone, slot_on\n"
        "zone = check_zone('europe/lisbon')\n"
        "print(slot_on(Schedule(time(3), zone), date(2026, 7, 1)).due)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONTZPATH": ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "2026-07-01 02:00:00+00:00\n", done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("03:00", time(3)),
        ("3:00", time(3)),
        ("00:00", time(0)),
        ("23:59", time(23, 59)),
        ("09:05", time(9, 5)),
    ],
)
def test_a_time_of_day_is_read(text: str, expected: time) -> None:
    assert check_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", "24:00", "12:60", "03:00:10", "noon", "3:5", "003:00", "-3:00", "+3:00"),
        *(" 03:00", "03:00 ", "03:00\n", "03.00", "0300", "3 am", "03:00Z", "٠٣:٠٠", "３:00"),
        *("\x1b[2J", "9" * 100_000 + ":00", "03:00\x00"),
    ],
)
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a time of day") as refused:
        check_time(text)
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 300
    assert "from 00:00 to 23:59" in refused.value.hint
