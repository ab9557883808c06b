"""Child processes that move bytes, so that nothing blocks the event loop.

A child runs one task at a time. Databases in use are read in children only: a process that closes a
plain handle on a file drops the locks that SQLite holds on it in the same process.

Children end when their parent does, however it ends and whatever they are doing: their input hangs
up then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, ParamSpec, TypeVar

from engine.cancelling import to_the_end
from engine.errors import Failed
from engine.repository.storage import storage_failed
from engine.serving import LENGTH
from engine.starting import Started, start, take_early

P = ParamSpec("P")
T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run pieces of work at the same time; their results, in order.

    When one fails, or the caller is cancelled, the others are cancelled and have ended when the
    error is raised: nothing of them goes on behind it.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Children:
    """A few child processes; use it as an async context manager.

    They import the modules named in `preload` at once, unless some that were started early did so
    already (see `engine.starting`), and every one calls `setup(*arguments)` before its first task.
    Leaving the context waits for no task: those that were not awaited are ended with their
    processes, and when it is left, these are gone.

    A child is given up to `ahead` tasks at once, so that it need not wait for the next: more than
    one is for many short tasks, for one that is behind a long one waits for it.
    """

    def __init__(
        self,
        setup: Callable[..., None],
        *arguments: object,
        preload: tuple[str, ...] = (),
        ahead: int = 1,
    ) -> None:
        self._setup = (setup, arguments)
        self._preload = preload
        self._ahead = ahead
        self._idle: asyncio.Queue[_Child] = asyncio.Queue()
        self._all: list[_Child] = []
        self._started: Started | None = None

    async def __aenter__(self) -> Children:
        """Start the processes; they get ready while the caller goes on."""
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _begin(self) -> None:
        started = self._started = take_early(self._preload)
        if started is None:  # what is begun is done, for what was started is to be ended
            started = await to_the_end(asyncio.to_thread(self._start))
        while started.sockets:
            child = _Child(*await asyncio.open_unix_connection(sock=started.sockets[0]))
            started.sockets.pop(0)
            self._all.append(child)
            child.send(*self._setup)
        for child in self._ahead * self._all:
            self._idle.put_nowait(child)

    def _start(self) -> Started:
        self._started = start(self._preload)
        return self._started

    async def __aexit__(self, *_: object) -> None:
        """End the processes and wait until they are gone."""
        for child in reversed(self._all):
            child.kill()
        if self._started is not None:
            await asyncio.shield(asyncio.to_thread(self._started.kill))
        for child in self._all:
            await child.closed()

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task in a child that has room for one and give its result.

        `task` is a function at the top of a module. Raises what it raises; `Failed` when the child
        died. A caller that is cancelled ends the child's work with it.
        """
        child = await self._idle.get()
        try:
            return await child.call(task, args, kwargs)
        except asyncio.CancelledError:
            child.kill()  # nobody waits for its answer any more
            raise
        finally:
            self._idle.put_nowait(child)

    async def each(self, task: Callable[..., T], *args: object) -> list[T]:
        """Run a task once in every child; waits until all are free. For what ends their work."""
        free = [await self._idle.get() for _ in self._ahead * self._all]
        results = await asyncio.gather(*(child.call(task, args, {}) for child in self._all))
        for child in free:
            self._idle.put_nowait(child)
        return list(results)


class _Child:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._expected = 1  # answers, in the order of what was sent; it tells its id first
        self._received = 0
        self._turn = asyncio.Lock()  # it is fair: whoever sent first reads first
        self._handle = -1  # of the process, once it has told its id
        self.pid = 0

    def send(self, task: Callable[..., object], args: tuple[object, ...], **kwargs: object) -> None:
        message = pickle.dumps((task, args, kwargs), protocol=5)
        self._writer.writelines([LENGTH.pack(len(message)), message])  # at once: it wakes up once
        self._expected += 1

    async def call(
        self, task: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> T:
        self.send(task, args, **kwargs)
        own = self._expected
        async with self._turn:
            while self._received < own - 1:
                told = await self._receive()
                if not self.pid and isinstance(told, int):
                    self.pid = told
                    # While we hold this, the number cannot come to mean another process.
                    with contextlib.suppress(OSError, AttributeError):
                        self._handle = os.pidfd_open(told)
            return await self._receive()  # type: ignore[return-value]  # what `task` returned

    async def _receive(self) -> object:
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            message = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Failed(
                "A process that moved data ended unexpectedly.",
                hint="Nothing half-made was kept. Is the machine out of memory? Try again.",
            ) from None
        self._received += 1
        error, value = pickle.loads(message)  # noqa: S301  # from our own child process
        if isinstance(error, OSError):
            raise storage_failed("moving data", error) from error
        if error is not None:
            raise error
        return value

    def kill(self) -> None:
        """End the process: at once where its id is known, else as soon as it looks up."""
        self._writer.transport.abort()
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = -1

    async def closed(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
