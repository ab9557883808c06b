"""Time is passed in: whoever needs it takes a `Clock`, and tests and the demo pass their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The time now, timezone-aware, in UTC."""
    return datetime.now(UTC)
