"""How facts are written outside: dates, and documents of ``--json``."""

from datetime import UTC, datetime

Json = dict[str, object]


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC to the second, or None: how every date is written outside."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
