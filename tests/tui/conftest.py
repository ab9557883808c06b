"""A prepared home, commands run in this process, and commands run on a real terminal (a pty)."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

sys.path.append(str(Path(__file__).parent))

from idle import wait_for_idle

from tui.cli import main

if TYPE_CHECKING:
    from emulator import Emulator
    from ssh_support import Server

ROOT = Path(__file__).parents[2]
INSTANCE = ROOT / "tests" / "data" / "instance"
PRICES = '[prices]\ncurrency = "EUR"\ncreation_fee = "49.00"\nhourly = "0.034"\n'
# What holds a database holds it until the test lets go, however slow the machine is.
SETTINGS = f"{PRICES}[snapshot]\npatience = 900\n"
MAIN = "from tui.__main__ import program; program()"
PATIENCE = 180.0  # seconds after which a test gives up
# However slow the machine is, the same is right and wrong.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
_TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"


@pytest.fixture(scope="session", autouse=True)
def _heeded_signals() -> None:
    """Heed signals that whoever started the tests ignores, as `nohup` and a shell's ``&`` do.

    What ignores a signal starts nothing that heeds it, and tests send them.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _idle_when_nothing_is_left() -> Iterator[None]:
    """Let Textual's pilots wait for what is to be done, not for the processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textual.pilot.wait_for_idle", wait_for_idle)
        patch.setattr("textual.app.wait_for_idle", wait_for_idle)
        yield


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on standard output, where there must be nothing else."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The JSON error on standard error; standard output must be empty."""
        assert self.out == ""
        error: dict[str, Any] = json.loads(self.err)["error"]
        assert error["code"] == self.code
        return error


class Runner:
    """Runs commands for one home as one user."""

    def __init__(self, home: Path, user: str = "ana") -> None:
        self.home = home
        self.user = user
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, user: str | None = None, stdin: str = "") -> Answer:
        """Run ``backstay ARGUMENTS``, without a terminal."""
        out, err, before = io.StringIO(), io.StringIO(), sys.stdin
        sys.stdin = io.StringIO(stdin)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(["--home", str(self.home), "--as", user or self.user, *arguments])
        finally:
            sys.stdin = before
        return Answer(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``backstay ARGUMENTS`` in a process of its own, without a terminal."""
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "--home", str(self.home), "--as", self.user, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.02)

    def until_worker(self, state: str) -> None:
        """Wait until a worker "stays", or there is "none" that does."""
        self.until(lambda: json.loads(self("status", "--json").out)["worker"] == state)

    def until_jobs(self, project: str, *states: str) -> list[dict[str, Any]]:
        """Wait until the jobs of a project are in these states, newest first; gives them."""

        def now() -> list[dict[str, Any]]:
            jobs: list[dict[str, Any]] = self("jobs", "--project", project, "--json").json
            return jobs

        self.until(lambda: tuple(job["state"] for job in now()) == states)
        return now()

    def end(self) -> None:
        """End what was started and still runs."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
            process.communicate()


class Terminal:
    """A command on a terminal of 80 columns, which a person types at."""

    def __init__(self, code: str, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self._hung_up = False
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL + code, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"},
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, text: str) -> str:
        """Wait until the command has said something; fails when it ended without."""
        while text not in self.text:
            part = self._read()
            assert part, f"it ended without saying {text!r}:\n{self.text}"
            self.text += part
        return self.text

    def type(self, keys: str) -> None:
        """Type something."""
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Wait for the end and return the exit code; what was said is in `text`."""
        while part := self._read():
            self.text += part
        return self._process.wait()

    def hang_up(self) -> int:
        """Take the terminal away, as a connection that drops does; gives how the command ended."""
        os.close(self._ours)
        self._hung_up = True
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End the command if it still runs."""
        if not self._hung_up:
            os.close(self._ours)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _read(self) -> str:
        try:
            return os.read(self._ours, 4096).decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # how Linux tells that the other side of a pty is gone
            return ""


@pytest.fixture
def open_terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts Python code on a terminal."""
    opened: list[Terminal] = []

    def start(code: str, *arguments: str) -> Terminal:
        opened.append(Terminal(code, *arguments))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def on_terminal(
    backstay: Runner, open_terminal: Callable[..., Terminal]
) -> Callable[..., Terminal]:
    """Runs commands for the prepared home as ana, on a terminal."""

    def start(*arguments: str) -> Terminal:
        return open_terminal(MAIN, "--home", str(backstay.home), "--as", "ana", *arguments)

    return start


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(INSTANCE, folder / "instance")
    home = folder / "home"
    home.mkdir(mode=0o700)
    settings = home / "backstay.toml"
    settings.touch(mode=0o600)
    settings.write_text(SETTINGS)
    run = Runner(home)
    for arguments in (
        ("adopt", str(folder / "instance"), "--name", "Plant 7", "--owner", "rui"),
        ("members", "Plant 7", "add", "joao", "--role", "collaborator"),
        ("backup", "Plant 7"),
    ):
        answer = run(*arguments)
        assert answer.code == 0, answer.err
    return folder


@pytest.fixture
def instance(_prepared: Path) -> Path:
    """The TagoCore instance that is adopted as Plant 7; not to be changed."""
    return _prepared / "instance"


@pytest.fixture
def backstay(_prepared: Path, tmp_path: Path) -> Iterator[Runner]:
    """Commands for a home of one's own: ana and rui own Plant 7, joao collaborates, one backup."""
    shutil.copytree(_prepared / "home", tmp_path / "home")
    run = Runner(tmp_path / "home")
    yield run
    run.end()


@pytest.fixture
def source(tmp_path: Path, instance: Path) -> Path:
    """A copy of the instance that a test may change."""
    return Path(shutil.copytree(instance, tmp_path / "source"))


@pytest.fixture
def damaged(backstay: Runner, source: Path) -> str:
    """The name of a project whose backup fails: one of its devices is no database."""
    device_file(source).write_bytes(b"this is no database" * 1000)
    assert backstay("adopt", str(source), "--name", "Harbour").code == 0
    return "Harbour"


class Held:
    """A project one of whose databases is held by a writer, so that its backup does not end."""

    name = "Busy"

    def __init__(self, database: Path) -> None:
        self._writer = sqlite3.connect(database, isolation_level=None)
        self._writer.execute("BEGIN EXCLUSIVE")

    def let_go(self) -> None:
        """Let the backup go on."""
        self._writer.close()


@pytest.fixture
def held(backstay: Runner, source: Path) -> Iterator[Held]:
    """Such a project of ana's."""
    assert backstay("adopt", str(source), "--name", Held.name).code == 0
    holder = Held(device_file(source))
    yield holder
    holder.let_go()


def device_file(source: Path) -> Path:
    """The database of one device of an instance."""
    (file,) = source.rglob("715f6b96bfa47992f15881f9.db")
    return file


@pytest.fixture
def nowhere(tmp_path: Path) -> Runner:
    """Commands for a home that is not there."""
    return Runner(tmp_path / "nowhere")


@pytest.fixture
def restored(backstay: Runner) -> str:
    """The name of a project that was restored from Plant 7's backup, and is quiet."""
    name = "Plant 7 restored"
    answer = backstay("restore", "Plant 7@latest", "--name", name, "--accept-cost", "49.00")
    assert answer.code == 0, answer.err
    return name


@pytest.fixture
def server(backstay: Runner, tmp_path: Path) -> Iterator[Server]:
    """A server for the prepared home, which lets in ana, an owner, and joao, a collaborator."""
    from ssh_support import Server, require_sshd

    require_sshd()
    with Server(tmp_path / "server", backstay.home) as running:
        running.let_in("ana", "joao")
        yield running


@pytest.fixture
def terminal(server: Server) -> Iterator[Callable[..., Emulator]]:
    """Comes in as somebody, on a terminal."""
    from emulator import Emulator

    opened: list[Emulator] = []

    def start(user: str, *options: str, **more: object) -> Emulator:
        opened.append(Emulator(*server.line(user, "-tt", *options), **more))  # type: ignore[arg-type]  # as given
        return opened[-1]

    yield start
    for each in opened:
        each.__exit__()
