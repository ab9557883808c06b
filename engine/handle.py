"""A piece of long work that is under way: progress to iterate over, a result to await."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Generic, TypeVar

from engine.errors import Cancelled

if TYPE_CHECKING:
    from engine.model import Progress

T = TypeVar("T")
Report = Callable[["Progress"], None]


class Handle(Generic[T]):
    """A job that was asked for; leaving the handle alone does not stop it.

    `progress()` may be iterated by several readers: each sees the latest state and skips what it
    was too slow for. `result()` gives the result or raises the error the work ended with.
    `cancel()` asks the work to stop; `result()` then raises `Cancelled`.
    """

    def __init__(
        self,
        job: str,
        follow: Callable[[Report], Coroutine[object, object, T]],
        ask_to_stop: Callable[[], Coroutine[object, object, object]] | None = None,
    ) -> None:
        """`follow` is the work itself where there is no `ask_to_stop`: then it is cancelled."""
        self.job = job
        self._ask_to_stop = ask_to_stop
        self._asking: asyncio.Task[object] | None = None
        self._latest: Progress | None = None
        self._count = 0
        self._changed = asyncio.Condition()
        self._wakers: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[T] = asyncio.create_task(follow(self._report))
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: whoever leaves a handle alone need not hear of it
        self._wake()

    def _report(self, progress: Progress) -> None:
        self._latest = progress
        self._count += 1
        self._wake()

    def _wake(self) -> None:
        waker = asyncio.get_running_loop().create_task(self._notify())
        self._wakers.add(waker)
        waker.add_done_callback(self._wakers.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Whether the work has ended, in whatever way."""
        return self._task.done()

    async def progress(self) -> AsyncIterator[Progress]:
        """Yield the latest progress whenever it has changed, until the work ends."""
        seen = 0
        while True:
            async with self._changed:
                while self._count <= seen and not self._task.done():
                    await self._changed.wait()
                latest, seen = self._latest, self._count
            if self._task.done():
                return
            if latest is not None:
                yield latest

    async def result(self) -> T:
        """Wait for the end and give the result.

        Raises what the work ended with; `Cancelled` when it was cancelled.
        """
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled():
                raise Cancelled("The work was cancelled.") from None
            raise  # it is the caller who was cancelled; the work goes on

    async def ended(self) -> None:
        """Wait for the end, however it comes."""
        await asyncio.wait([self._task])

    def when_done(self, call: Callable[[Handle[T]], object]) -> None:
        """Call `call` with this handle when the work has ended."""
        self._task.add_done_callback(lambda _: call(self))

    def cancel(self) -> None:
        """Ask the work to stop. Returns at once; the work cleans up before it ends."""
        if self._ask_to_stop is None:
            self._task.cancel()
        elif self._asking is None and not self._task.done():
            self._asking = asyncio.ensure_future(self._ask_to_stop())

    async def let_go(self) -> None:
        """Stop following. The work goes on wherever it runs; `result()` raises `Cancelled`."""
        if self._asking is not None:
            await asyncio.wait([self._asking])
        self._task.cancel()
        await asyncio.wait([self._task])
