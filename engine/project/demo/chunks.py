"""The periods that bound the rows of immutable devices: UTC day, ISO week, month or quarter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY_MS = 86_400_000


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds, as every timestamp of TagoCore but one is stored."""
    return round(moment.timestamp() * 1000)


def bounds(period: str, time: int) -> tuple[int, int]:
    """First and last millisecond of the period that `time` (epoch milliseconds) lies in."""
    day = datetime.fromtimestamp(time // 1000, UTC).replace(hour=0, minute=0, second=0)
    if period == "day":
        start, end = day, day + timedelta(days=1)
    elif period == "week":
        start = day - timedelta(days=day.weekday())
        end = start + timedelta(days=7)
    elif period == "month":
        start = day.replace(day=1)
        end = _months_later(start, 1)
    elif period == "quarter":
        start = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        end = _months_later(start, 3)
    else:
        raise ValueError(f"no such chunk period: {period}")
    return milliseconds(start), milliseconds(end) - 1


def expired_before(period: str, retention: int, now: int) -> int:
    """Rows whose chunk ends before this moment are what data retention removes at `now`."""
    moment = datetime.fromtimestamp(now // 1000, UTC)
    if period in ("day", "week"):
        return milliseconds(moment - timedelta(days=retention * (7 if period == "week" else 1)))
    months = retention * (3 if period == "quarter" else 1)
    return milliseconds(_months_later(moment.replace(day=1), -months))


def _months_later(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1)
