"""A command that is told to stop cancels its work, waits for the clean-up, and says so."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

import pytest

from engine import Cancelled, Failed, Handle, Progress
from tui.invocation import Invocation
from tui.progress import show
from tui.running import Stopped, follow, run

Report = object

# A command whose work never ends by itself; "started" is its sign that it can be told to stop.
STUCK = """
import asyncio, sys
from engine import Cancelled, Handle
from tui.failures import report
from tui.invocation import Invocation
from tui.running import follow, run

async def work(_):
    try:
        print("started", flush=True)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cleaned up", flush=True)
        raise Cancelled("The backup was stopped.") from None

async def main():
    await follow(Handle("job", work), Invocation())

try:
    run(main)
except Exception as error:
    sys.exit(report(error, as_json="--json" in sys.argv))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_the_work_and_says_that_nothing_was_kept(
    number: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        child.send_signal(number)
        said, complained = child.communicate(timeout=180)
    assert said == "cleaned up\n"
    assert child.returncode == code
    assert complained.startswith("Error: The backup was stopped.\n")
    assert "Nothing was kept and nothing is charged." in complained


def test_ctrl_c_typed_on_a_terminal_reaches_the_work() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(Path(__file__).parents[2])
        os.execv(sys.executable, [sys.executable, "-c", STUCK])  # noqa: S606 - a child on its pty
    output = b""
    while b"started" not in output:
        output += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while part := _read(terminal):
        output += part
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    text = output.decode()
    assert os.waitstatus_to_exitcode(status) == 130
    assert "Stopping: what is half-made is being removed." in text
    assert "cleaned up" in text
    assert "Nothing was kept" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # how Linux tells that the other side of a pty has ended
        return b""


def test_work_that_was_done_before_it_heard_of_the_stop_gives_its_result() -> None:
    async def stubborn(_: object) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "complete"
        return "never"

    async def main() -> str:
        following = asyncio.create_task(follow(Handle("job", stubborn), Invocation()))
        await asyncio.sleep(0)
        following.cancel()
        return await following

    assert run(main) == "complete"


def test_a_cancel_that_the_work_did_not_word_is_still_told() -> None:
    async def silent(_: object) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        following = asyncio.create_task(follow(Handle("job", silent), Invocation()))
        await asyncio.sleep(0)
        following.cancel()
        await following

    with pytest.raises(Stopped) as raised:
        run(main)
    assert raised.value.exit_code == 130
    assert raised.value.hint == Cancelled.default_hint


def test_an_error_of_the_work_comes_through_as_it_is() -> None:
    async def failing(_: object) -> None:
        raise Failed("The disk caught fire.")

    async def main() -> None:
        await follow(Handle("job", failing), Invocation())

    with pytest.raises(Failed, match="caught fire"):
        run(main)


def test_a_broken_pipe_of_the_work_is_not_mistaken_for_a_reader_that_left() -> None:
    def broken() -> Coroutine[object, object, None]:
        async def main() -> None:
            raise BrokenPipeError

        return main()

    with pytest.raises(Failed):
        run(broken)


class Steps:
    """Work that has gone through these steps."""

    def __init__(self, *steps: Progress) -> None:
        self.steps = steps

    async def progress(self) -> AsyncIterator[Progress]:
        """Each step in turn."""
        for step in self.steps:
            yield step


async def test_the_bar_shows_stage_and_bytes_on_standard_error_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the captured stream for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    await show(
        Steps(
            Progress("reading \x1b[2Jdevices", 0, 0),
            Progress("reading \x1b[2Jdevices", 5_000_000, 10_000_000),
            Progress("[red]storing", 1_000_000, 4_000_000),
        )
    )
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "[red]storing" in captured.err
    assert "1.0 MB of 4.0 MB, estimating" in captured.err
    assert "\x1b[2J" not in captured.err


async def test_without_a_terminal_no_bar_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async def quick(_: object) -> int:
        return 7

    assert await follow(Handle("job", quick), Invocation()) == 7
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert not [task for task in asyncio.all_tasks() if "_watch" in str(task.get_coro())], (
        "nothing watches work that nobody sees"
    )
