"""How dates, ages, sizes and counts are worded, the same everywhere.

Dates are shown in UTC, and whoever shows one names the zone; a project's schedule, and what
follows from it, is shown in the project's own zone. Sizes are decimal (1 MB is a million
bytes). humanize is imported where it is used: ``--json`` never needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

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
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    there: tzinfo = UTC
    if zone is not None:
        try:
            there = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            there = UTC
    local = moment.astimezone(there)
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
    return f"in {humanize.naturaldelta(moment - now)}"


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
