"""The progress bar: stage, bytes, rate and time left, on a terminal's standard error only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from engine import Progress
from tui.plain_text import plain

PATIENCE = 1.0  # seconds; work that is done sooner shows nothing


class Watched(Protocol):
    """Work whose progress can be iterated over, such as an engine's `Handle`."""

    def progress(self) -> AsyncIterator[Progress]:
        """The latest progress, each time it has changed, until the work ends."""
        ...


async def show(work: Watched) -> None:
    """Show how far `work` is until it ends, then leave no trace on the screen."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[far]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None, far="")
        stage = ""
        async for progress in work.progress():
            total = progress.total or None
            if progress.stage != stage:
                stage = progress.stage
                bar.reset(task, description=plain(stage), total=total, completed=progress.done)
            bar.update(task, completed=progress.done, total=total, far=far(progress))


def far(progress: Progress) -> str:
    """How far a stage is, in words; nothing where its size is not known."""
    from tui.wording import about, size

    if not progress.total:
        return ""
    told = [f"{size(progress.done)} of {size(progress.total)}"]
    if progress.rate:
        told.append(f"{size(round(progress.rate))}/s")
    left = progress.seconds_left
    told.append("estimating" if left is None else f"{about(left)} left")
    return ", ".join(told)
