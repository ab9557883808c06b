"""How fast work goes, told from how far it was."""

from __future__ import annotations

import time

from engine.handle import Report
from engine.model import Progress

_RATE_OVER = 3.0  # seconds over which the rate is told
_RATE_STEP = 0.1  # seconds between two moments that it is told from, at least


class Telling:
    """The progress of some work, with the rate over the last seconds."""

    def __init__(self, watcher: Report) -> None:
        self._watcher = watcher
        self._latest = Progress("starting", 0, 0)
        self._past: list[tuple[float, int]] = []

    def report(self, progress: Progress) -> None:
        """Take note of how far it is, and tell the watcher."""
        if progress.stage != self._latest.stage:
            self._past.clear()
        self._latest = progress
        self._watcher(self.progress())

    def progress(self) -> Progress:
        """The latest, with its rate."""
        now = time.monotonic()
        if not self._past or now - self._past[-1][0] >= _RATE_STEP:
            self._past = [each for each in self._past if now - each[0] <= _RATE_OVER]
            self._past.append((now, self._latest.done))
        first, done = self._past[0]
        rate = (self._latest.done - done) / (now - first) if now > first else None
        return self._latest._replace(rate=rate or None)
