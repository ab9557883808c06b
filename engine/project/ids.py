"""Ids as TagoCore makes them, and the prefixes from which restored variables get theirs.

A TagoCore id is 24 hex digits: the first two digits of the clock (epoch milliseconds) reversed,
its next two as one hex byte, then 20 random hex digits (tago-io/tagocore, ResourceID.ts). Ids are
therefore not sortable, and all made within some months share their first four digits.
"""

from __future__ import annotations

from datetime import datetime
from random import Random, SystemRandom

PREFIX_DIGITS = 14


def clock_digits(now: datetime) -> str:
    """The four hex digits that TagoCore derives from the clock; `now` is timezone-aware."""
    milliseconds = str(int(now.timestamp() * 1000))
    return milliseconds[1::-1] + f"{int(milliseconds[2:4]):02x}"


def new_object_id(now: datetime, random: Random | None = None) -> str:
    """An id for a device, action, analysis or account, just as TagoCore makes them."""
    return clock_digits(now) + f"{(random or SystemRandom()).getrandbits(80):020x}"


class IdPrefixes:
    """Gives each database of one restore a prefix for its variables' ids.

    An id is its prefix followed by the row's number as ten hex digits, so ids ascend with the
    row's number and those of two databases can never meet. Make one object per restore: it is
    what guarantees that no prefix is given twice.
    """

    def __init__(self, now: datetime, random: Random | None = None) -> None:
        self._clock = clock_digits(now)
        self._random = random or SystemRandom()
        self._given: set[int] = set()

    def next(self) -> bytes:
        """A prefix that this object has not given before: 14 hex digits, ASCII, lower case."""
        while True:
            drawn = self._random.getrandbits(40)
            if drawn not in self._given:
                self._given.add(drawn)
                return f"{self._clock}{drawn:010x}".encode("ascii")
