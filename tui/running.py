"""Running the engine's awaited methods from a command, and ending cleanly when told to stop.

Ctrl+C (and a hang-up, and SIGTERM) cancels the work under way and waits until it has cleaned up;
a second Ctrl+C does not wait. asyncio is imported here only when something is run.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tui.invocation import Invocation
from tui.output import is_terminal, print_aside, print_error

if TYPE_CHECKING:
    import asyncio

    from engine import Engine, Handle

T = TypeVar("T")
_FIRST_SIGNAL_EXIT = 128
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """The command was told to stop by a signal; `message` says what became of the work."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.signal = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal ended: 130 for Ctrl+C."""
        return _FIRST_SIGNAL_EXIT + self.signal


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end and return its result.

    Raises what the work raised; `Stopped` if a signal ended it.
    """
    _load_asyncio()
    import asyncio

    received: list[signal.Signals] = []
    # What is sent while the loop is made comes when it can be told of it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)

    async def guarded() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Started under nohup a hang-up is ignored, and that has to stay so.
            if task is not None and signal.getsignal(number) is signal.SIG_DFL:
                loop.add_signal_handler(number, _stop, task, number, received)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return await work()

    try:
        return asyncio.run(guarded())
    except BrokenPipeError as error:
        # Only the answer's own reader may leave unnoticed; this one was some part of the work.
        from engine import Failed

        raise Failed(
            "A process that did part of the work ended before its time.",
            hint="What was complete before is safe. Run the command again.",
        ) from error
    except Stopped as stopped:
        stopped.signal = received[0] if received else signal.SIGINT
        raise
    except asyncio.CancelledError:
        if not received:
            raise
        ended = Stopped("Stopped.")
        ended.signal = received[0]
        raise ended from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _load_asyncio() -> None:
    """Load asyncio without TLS, which we never speak through it and which is a third of its weight.

    It does without where Python has no ssl. Who needs ssl for something else imports it as ever.
    """
    if sys.modules.keys().isdisjoint({"asyncio", "ssl"}):
        sys.modules["ssl"] = None  # type: ignore[assignment]  # so a module is said to be lacking
        try:
            importlib.import_module("asyncio")
        finally:
            del sys.modules["ssl"]


def _stop(task: asyncio.Task[Any], number: signal.Signals, received: list[signal.Signals]) -> None:
    received.append(number)
    task.cancel()


def with_engine(
    invocation: Invocation,
    use: Callable[[Engine], Awaitable[T]],
    *,
    create: bool = False,
    works: bool = True,
) -> T:
    """Open the home as the user, await `use` with the engine, and return its result.

    A home that does not exist is made only with `create`. With `works` a job runs in this process
    where no worker is, and ends with it. Raises what the engine raises.
    """

    async def work() -> T:
        async with opened(invocation, create=create, works=works) as engine:
            return await use(engine)

    return run(work)


@asynccontextmanager
async def opened(
    invocation: Invocation, *, create: bool = False, works: bool = True
) -> AsyncIterator[Engine]:
    """The engine of the invocation's home, for work that does more than one thing."""
    from engine import Engine

    # A job runs here, where no other worker is: that is quicker than to start one.
    async with Engine.open(
        invocation.home, user=invocation.user, create=create, works=works
    ) as engine:
        yield engine


async def follow(handle: Handle[T], invocation: Invocation) -> T:
    """Await work under way; on a terminal, show how far it is once it takes over a second.

    Raises what the work raised. When this command is told to stop, the work is cancelled and
    waited for, and `Stopped` is raised, unless the work was done before it heard of it.
    """
    import asyncio

    shows = _shows(invocation)
    watcher = asyncio.create_task(_watch(handle)) if shows else None
    try:
        return await handle.result()
    except asyncio.CancelledError:
        await _end(watcher)
        return await _cancelled(handle, tell=shows)
    finally:
        await _end(watcher)


async def watch(handle: Handle[T], invocation: Invocation) -> T:
    """Await somebody's work as `follow` does, but leave it alone when told to stop.

    The engine must be open without `works`: leaving it would cancel the work otherwise.
    """
    import asyncio

    watcher = asyncio.create_task(_watch(handle)) if _shows(invocation) else None
    try:
        return await handle.result()
    except asyncio.CancelledError:
        raise Stopped("No longer watching.", "The job goes on.") from None
    finally:
        await _end(watcher)


def _shows(invocation: Invocation) -> bool:
    return not invocation.json and is_terminal(sys.stderr)


async def _watch(handle: Handle[Any]) -> None:
    import asyncio

    from tui.progress import PATIENCE, show

    await asyncio.sleep(PATIENCE)
    await show(handle)


async def _end(watcher: asyncio.Task[None] | None) -> None:
    import asyncio

    if watcher is None:
        return
    watcher.cancel()
    (outcome,) = await asyncio.gather(watcher, return_exceptions=True)
    if isinstance(outcome, Exception):  # the work is worth more than the picture of it
        print_error(f"The progress bar failed: {type(outcome).__name__}.\n")


async def _cancelled(handle: Handle[T], *, tell: bool) -> T:
    """Cancel the work and wait for its end, which may still be a good one."""
    import asyncio

    from engine import Cancelled

    task = asyncio.current_task()
    if task is not None:
        task.uncancel()  # the wait for the clean-up must not count as cancelled itself
    if tell:
        print_aside("Stopping: what is half-made is being removed. Ctrl+C again does not wait.")
    handle.cancel()
    try:
        return await handle.result()
    except Cancelled as error:
        raise Stopped(error.message, error.hint) from None
    except asyncio.CancelledError:
        raise Stopped("Stopped.", Cancelled.default_hint) from None
