"""The sizes of backups at a glance: a bar each, and a mark where one is unlike those before it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from engine import Backup

_BARS = "▁▂▃▄▅▆▇█"
_LOOKED_AT = 5  # backups before one, at most, that it is compared with
_SMALLER, _LARGER = 0.6, 1.8  # times the middle of those


def bar(size: int, most: int) -> str:
    """A bar of one column for a size, beside the largest."""
    if most <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, size * len(_BARS) // (most + 1))]


def odd_sizes(backups: Sequence[Backup]) -> dict[str, float]:
    """The backups (ids) much smaller or larger than those before them, and by which share.

    `backups` are newest first. -0.82 means that one is 82 % smaller.
    """
    odd = {}
    for at, backup in enumerate(backups):
        before = [each.size for each in backups[at + 1 : at + 1 + _LOOKED_AT]]
        if not before:
            continue
        usual = median(before)
        if usual > 0 and not _SMALLER <= backup.size / usual <= _LARGER:
            odd[backup.id] = backup.size / usual - 1
    return odd
