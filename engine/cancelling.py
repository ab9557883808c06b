"""Steps that are not cut short when whoever waits for them is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finish_anyway(work: Coroutine[Any, Any, T]) -> T:
    """Let a short last step run to its end, even when it is cancelled meanwhile.

    For steps after which something exists: whoever cancels then comes too late.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


async def to_the_end(work: Awaitable[T], stop: Callable[[], None] = lambda: None) -> T:
    """Await `work` to its end even when cancelled meanwhile; the cancellation is raised then.

    `stop` is called when that is asked for first: it may let the work end sooner.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop()
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):  # the first request is raised below
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would report it as forgotten
        raise
