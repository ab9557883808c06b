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
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from engine.errors import Failed
from engine.repository.storage import storage_failed
from engine.serving import LENGTH

P = ParamSpec("P")
T = TypeVar("T")

COUNT = 2  # more would need more memory than we promise
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from engine.serving import serve; serve()"
# numpy's linear algebra, which we do not use, would start a thread for every core.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_PACKAGE = str(Path(__file__).resolve().parent.parent)


class Children:
    """A few child processes; use it as an async context manager.

    Every child calls `setup(*arguments)` once before its first task. Leaving the context normally
    waits for nothing: tasks that were not awaited are ended with their processes.
    """

    def __init__(self, setup: Callable[..., None], *arguments: object) -> None:
        self._setup = (setup, arguments)
        self._idle: asyncio.Queue[_Child] = asyncio.Queue()
        self._all: list[_Child] = []

    async def __aenter__(self) -> Children:
        """Start the processes; they get ready while the caller goes on."""
        for _ in range(COUNT):
            child = await _Child.start()
            self._all.append(child)
            child.send(*self._setup)
            self._idle.put_nowait(child)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the processes and wait until they are gone."""
        for child in self._all:
            child.kill()
        for child in self._all:
            await child.gone()

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task in a child that is free and give its result.

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
        children = [await self._idle.get() for _ in self._all]
        results = await asyncio.gather(*(child.call(task, args, {}) for child in children))
        for child in children:
            self._idle.put_nowait(child)
        return list(results)


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._unread = 0

    @classmethod
    async def start(cls) -> _Child:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        environment |= _NO_THREADS
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-c", _BOOT, _PACKAGE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        return cls(process)

    def send(self, task: Callable[..., object], args: tuple[object, ...], **kwargs: object) -> None:
        message = pickle.dumps((task, args, kwargs), protocol=5)
        assert self._process.stdin is not None  # noqa: S101  # we asked for a pipe
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # told by `_receive`
            self._process.stdin.write(LENGTH.pack(len(message)) + message)
        self._unread += 1

    async def call(
        self, task: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> T:
        self.send(task, args, **kwargs)
        while self._unread > 1:
            await self._receive()
        return await self._receive()  # type: ignore[return-value]  # what `task` returned

    async def _receive(self) -> object:
        assert self._process.stdout is not None  # noqa: S101  # we asked for a pipe
        try:
            (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
            message = await self._process.stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            code = await self._process.wait()
            raise Failed(
                f"A process that moved data ended unexpectedly (exit status {code}).",
                hint="Nothing half-made was kept. Is the machine out of memory? Try again.",
            ) from None
        self._unread -= 1
        error, value = pickle.loads(message)  # noqa: S301  # from our own child process
        if isinstance(error, OSError):
            raise storage_failed("moving data", error) from error
        if error is not None:
            raise error
        return value

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        # The pipes close on the loop's next turns; without this they would be closed by the
        # collector after the loop is gone.
        transport: Any = getattr(self._process, "_transport", None)
        if transport is not None:
            transport.close()
        await asyncio.sleep(0)
