"""How dates, ages, sizes and counts are worded, the same everywhere.

Dates are shown in UTC, and whoever shows one names the zone; a project's schedule, and what
follows from it, is shown in the project's own zone. Sizes are decimal (1 MB is a million
bytes). humanize is imported where it is used: ``--json`` never needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine import Money

NONE = "–"


def date_text(moment: datetime | None) -> str:
    """A date of one width, without its zone: ``Mon 23 Nov 2026 03:00``; a dash for None."""
    if moment is None:
        return NONE
    return moment.astimezone(UTC).strftime("%a %d %b %Y %H:%M")


def date_with_zone(moment: datetime) -> str:
    """A date that stands alone: ``Mon 23 Nov 2026 03:00 UTC``."""
    return f"{date_text(moment)} UTC"


def date_there(moment: datetime, zone: str | None) -> str:
    """A date as the clocks of an IANA zone show it: ``Mon 23 Nov 2026 03:00 WET``.

    In UTC where there is no zone, or this machine does not know it.
    """
    local = _there(moment, zone)
    return f"{local:%a %d %b %Y %H:%M} {_zone_name(local)}"


def _zone_name(local: datetime) -> str:
    """The zone's short name at a moment; zones without one are named by their offset."""
    name = local.tzname() or ""
    if name[:1] in ("+", "-"):
        return f"UTC{name[:3]}:{name[3:]}" if name[3:] else f"UTC{name}"
    return name


def short_date(moment: datetime | None) -> str:
    """A date where columns are many, without its zone: ``2026-11-23 03:00``; a dash for None."""
    if moment is None:
        return NONE
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def age(moment: datetime, now: datetime) -> str:
    """How long ago: ``3 hours ago``; a date in the future is told as such."""
    import humanize

    return humanize.naturaltime(now - moment)


def ahead(moment: datetime, now: datetime) -> str:
    """How long until then: ``in 21 hours``; a date that has passed is told as such."""
    import humanize

    if moment <= now:
        return humanize.naturaltime(now - moment)
    left, day = moment - now, timedelta(days=1)
    if left > 1.5 * day:  # humanize would cut what is nearly two days off to one
        left = round(left / day) * day
    return f"in {humanize.naturaldelta(left)}"


def size(count: int) -> str:
    """Bytes in decimal units: ``68.2 MB``."""
    import humanize

    return humanize.naturalsize(count)


def number(count: int) -> str:
    """A count with its thousands apart: ``2,904,452``."""
    return f"{count:,}"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: ``1 device``, ``2,904,452 variables``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A duration: ``12 ms``, ``4.2 s``, ``12 s``, ``3 min 05 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def about(seconds: float) -> str:
    """A duration that is a guess, in whole seconds: ``about 2 s``, ``about 3 min 05 s``."""
    whole = max(1, round(seconds))
    return f"about {whole} s" if whole < 60 else f"about {duration(whole)}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``ana``, ``ana and rui``, ``ana, rui and marta``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def clock_text(moment: datetime) -> str:
    """A time of today: ``10:42 UTC``."""
    return f"{moment.astimezone(UTC):%H:%M} UTC"


def moment_shown(moment: datetime, now: datetime) -> str:
    """When something was: its time where that is today, else its date, too."""
    today = moment.astimezone(UTC).date() == now.astimezone(UTC).date()
    return clock_text(moment) if today else date_with_zone(moment)


def brief(span: timedelta) -> str:
    """A length of time in one short unit, where room is short: ``3 h``, ``21 h``, ``2 d``."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 60:
        return "1 min"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"


def _there(moment: datetime, zone: str | None) -> datetime:
    """The moment in a zone; in UTC where there is none, or this machine does not know it."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return moment.astimezone(ZoneInfo(zone) if zone else UTC)
    except (ZoneInfoNotFoundError, ValueError, OverflowError):  # or at an end of the calendar
        return moment.astimezone(UTC)


def day_there(moment: datetime, zone: str | None) -> str:
    """A moment of this week as the clocks of a zone show it: ``Tue 03:00``."""
    return f"{_there(moment, zone):%a %H:%M}"


def date_in_column(moment: datetime, zone: str | None) -> str:
    """A date as the clocks of a zone show it, under a title that names the zone."""
    return f"{_there(moment, zone):%a %d %b %Y  %H:%M}"


def short_date_there(moment: datetime | None, zone: str | None) -> str:
    """A date as the clocks of a zone show it, where columns are many: ``2026-11-23 03:00``."""
    return NONE if moment is None else f"{_there(moment, zone):%Y-%m-%d %H:%M}"


def second_there(moment: datetime, zone: str | None) -> str:
    """A moment as the clocks of a zone show it, to the second: ``2026-11-23 03:00:07``."""
    return f"{_there(moment, zone):%Y-%m-%d %H:%M:%S}"


def date_alone(moment: datetime, zone: str | None) -> str:
    """The day of a date as the clocks of a zone show it: ``Wed 18 Nov``."""
    return f"{_there(moment, zone):%a %d %b}"


def city(zone: str | None) -> str:
    """A zone in a word, where its whole name has no room: ``Buenos Aires``."""
    return (zone or "UTC").rpartition("/")[2].replace("_", " ")


def with_zone(title: str, zone: str | None, room: int) -> str:
    """A title that names a zone, by its city where the whole name is wider than `room`."""
    whole = f"{title} ({zone or 'UTC'})"
    return whole if len(whole) <= room else f"{title} ({city(zone)})"


def how_old(moment: datetime, now: datetime) -> str:
    """An age under a title that says so, in one unit: ``3 hours``, ``a day``, ``in 2 hours``."""
    import humanize

    span = humanize.naturaldelta(abs(now - moment)).partition(",")[0]
    return f"in {span}" if moment > now else span


_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$"}


def money(amount: Money) -> str:
    """An amount as a price tag shows it: ``€49.00``; ``49.00 CHF`` where there is no sign."""
    from engine import amount_text

    sign = _SYMBOLS.get(amount.currency)
    text = amount_text(amount.amount)
    return f"{sign}{text}" if sign else f"{text} {amount.currency}"


def short_path(path: Path) -> str:
    """A path, from ``~`` where it is in the user's own folder."""
    own = Path.home()
    return f"~/{path.relative_to(own)}" if path.is_relative_to(own) else str(path)
