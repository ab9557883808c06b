"""Waiting until an app under test has nothing left to do.

Textual's own `wait_for_idle` looks at the processor: an app that got none for 20 ms counts as idle,
and on a busy machine that is an app that is still to be run. This one asks what there is to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from textual._context import active_app
from textual._queue import Queue
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen

PATIENCE = 60.0  # seconds after which a test gives up
_LOOKS = 3  # at nothing to do, one after the other: a message may be on its way between two queues
_SPINS = 200  # looks that only give way to others; then there is something to wait for
_NAP = 0.002  # seconds


async def wait_for_idle(min_sleep: float = 0, max_sleep: float = 0) -> None:
    """Wait until all messages are handled and all that was changed is painted.

    The arguments are those of Textual's function, and are not heeded. What workers of the app do is
    not waited for.
    """
    app = active_app.get()
    deadline = time.monotonic() + PATIENCE
    looks = spins = 0
    while looks < _LOOKS and app._exception is None and not app._exit:
        await asyncio.sleep(0 if spins < _SPINS else _NAP)
        spins += 1
        busy = [pump for pump in _pumps(app) if _has_work(pump)]
        looks = 0 if busy else looks + 1
        assert time.monotonic() < deadline, f"it never came to rest: {busy}"


def _pumps(app: App[object]) -> Iterator[MessagePump]:
    """Whatever handles messages in an app."""
    yield app
    for screen in app._background_screens + app.screen_stack[-1:]:
        yield from screen.walk_children(with_self=True)


def _has_work(pump: MessagePump) -> bool:
    """Whether a pump is at work or has something to do; a screen is made to paint at once."""
    if pump._closing or pump._closed or pump._task is None or pump._task.done():
        return False
    queue: Queue[Message | None] = pump._message_queue
    waits = queue.ready_event._waiters  # its only reader, while it has nothing to do
    if not waits or queue.values or pump._next_callbacks:
        return True
    if isinstance(pump, App):
        return pump._resize_event is not None  # it is told to the screens with a short delay
    if isinstance(pump, Screen) and pump is pump.app.screen:
        if pump._layout_required or pump._scroll_required or pump._repaint_required:
            pump._on_timer_update()
            return True
        if pump._dirty_widgets or pump._recompose_required or pump._callbacks:
            pump._on_timer_update()
            return True
    return False
