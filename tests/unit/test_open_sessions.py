"""Sessions that are open are found by what a line of ours forces, and end: these, and no others."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.authorized_keys import forced_words
from engine.errors import Failed
from engine.open_sessions import end_sessions

HOME, OTHER = Path("/srv/a home"), Path("/srv/other")
STAYS = "import sys; print(flush=True); sys.stdin.read()"
IGNORES = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process with words behind its program, and waits until it is there."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, code: str = STAYS) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words], stdin=pipe, stdout=pipe, text=True
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_sessions_of_a_user_and_a_home_end_and_no_others(start: Start) -> None:
    own = [start(*forced_words("ana", HOME)) for _ in range(2)]
    others = [
        start(*forced_words("rui", HOME)),
        start(*forced_words("ana", OTHER)),
        start(*forced_words("ana", HOME), "more"),
        start(" ".join(forced_words("ana", HOME))),
    ]
    assert end_sessions({("ana", HOME)}) == 2
    assert [process.wait() for process in own] == [-signal.SIGTERM] * 2
    assert [process.poll() for process in others] == [None] * len(others)
    assert end_sessions({("ana", HOME)}) == 0


def test_a_session_that_does_not_end_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.open_sessions._PATIENCE", 0.0)
    process = start(*forced_words("ana", HOME), code=IGNORES)
    assert end_sessions({("ana", HOME)}) == 1
    assert process.wait() == -signal.SIGKILL


def test_where_they_cannot_be_found_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("os.pidfd_open", lacking)
    with pytest.raises(Failed, match="cannot be found: Function not implemented") as told:
        end_sessions({("ana", HOME)})
    assert "backstay session --as USER" in told.value.hint
