"""The app on a real terminal: when it opens, what it writes there, and how it leaves it."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import PLANT, AppHome
from emulator import BACKSTAY, LARGE, Emulator

if TYPE_CHECKING:
    from conftest import Held, Runner

    Open = Callable[..., Emulator]

COLOURS = re.compile(rb"\x1b\[[\d;]*?(?:\b(?:[34]8;|[39][0-7]|10[0-7]|4[0-7]))[\d;]*m")
LEFT = ["alternate screen", "hidden cursor", "mouse", "paste", "focus", "wrapping", "no echo"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppHome]:
    """A home with one project, a week of backups, and a worker that stays."""
    made = AppHome(tmp_path_factory.mktemp("terminal"))

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7")
        await made.add_week()

    asyncio.run(fill())
    lock = made.worker_that_stays()
    yield made
    lock.release()


@pytest.fixture
def opened(home: AppHome) -> Iterator[Open]:
    """Runs ``backstay ARGUMENTS`` on the home, on a terminal, as ana."""
    terminals: list[Emulator] = []

    def start(*arguments: str, code: str | None = None, **options: object) -> Emulator:
        program = BACKSTAY if code is None else (sys.executable, "-c", code)
        line = (*program, "--home", str(home.path), "--as", "ana", *arguments)
        terminals.append(Emulator(*line, **options))  # type: ignore[arg-type]  # as given
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.__exit__()


# When it opens


def test_backstay_alone_opens_the_projects(opened: Open) -> None:
    terminal = opened()
    terminal.until_seen("Backstay", "Plant 7", "quit")
    assert set(LEFT) <= set(terminal.taken)
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.taken == []


def test_open_with_a_project_shows_its_backups(opened: Open) -> None:
    terminal = opened("open", "Plant 7")
    terminal.until_seen("Plant 7 › Backups", "68.2 MB")


def test_open_with_a_project_that_is_not_there_says_so_without_drawing(opened: Open) -> None:
    terminal = opened("open", "Nothing")
    assert terminal.end() == 4
    assert b"\x1b[?1049h" not in terminal.written
    assert "Error: " in terminal.text


@pytest.mark.parametrize("arguments", [("--no-mouse",), ("open", "--no-mouse")], ids=str)
def test_without_the_mouse_the_terminal_keeps_it(opened: Open, arguments: tuple[str, ...]) -> None:
    terminal = opened(*arguments)
    terminal.until_seen("Plant 7", "quit")
    assert "mouse" not in terminal.taken
    assert b"\x1b[?1000h" not in terminal.written


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_be_drawn_on_gets_the_table(opened: Open, term: str) -> None:
    terminal = opened(environment={"TERM": term})
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    assert "Plant 7" in terminal.text
    explicit = opened("open", environment={"TERM": term})
    assert explicit.end() == 2
    assert b"\x1b" not in explicit.written


def test_for_a_script_the_app_is_never_opened(opened: Open) -> None:
    terminal = opened("--json")
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    assert '"name": "Plant 7"' in terminal.text


def test_without_a_home_it_says_how_to_begin(tmp_path: Path) -> None:
    with Emulator(*BACKSTAY, "--home", str(tmp_path / "none")) as terminal:
        assert terminal.end() == 0
        assert "Two ways to begin" in terminal.text
        assert b"\x1b[?1049h" not in terminal.written


def test_the_demo_opens_the_app_unless_told_not_to(tmp_path: Path) -> None:
    demo = (*BACKSTAY, "--home", str(tmp_path / "demo"), "demo", "--devices", "2", "--rows", "50")
    with Emulator(*demo) as terminal:
        terminal.until_seen("Plant 7", "Harbour", "quit")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.taken == []
    with Emulator(*demo, "--no-app") as terminal:
        assert terminal.end() == 0
        assert b"\x1b[?1049h" not in terminal.written


# What it writes


def test_no_colour_means_none(opened: Open) -> None:
    terminal = opened("open", "Plant 7", environment={"NO_COLOR": "1"}, size=LARGE)
    terminal.until_seen("68.2 MB")
    terminal.press("down", ".")
    terminal.until_seen("New project from backup")
    terminal.until_quiet()
    assert COLOURS.findall(terminal.written) == []
    assert b"\x1b[7m" in terminal.written, "what is selected is reversed"


def test_colours_are_there_to_be_found(opened: Open) -> None:
    """Or the test above could not fail."""
    terminal = opened("open", "Plant 7")
    terminal.until_seen("68.2 MB")
    assert COLOURS.findall(terminal.written)


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "nowhere_AT.ALL"},
    ],
    ids=str,
)
def test_any_locale_will_do(opened: Open, environment: dict[str, str]) -> None:
    terminal = opened("open", "Plant 7", environment=environment, unset=("LANG", "LC_CTYPE"))
    terminal.until_seen("Last good", "68.2 MB", "menu")
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.taken == []


def test_a_screen_that_others_wrote_to_is_painted_anew(opened: Open) -> None:
    terminal = opened("open", "Plant 7")
    shown = terminal.until_seen("68.2 MB", "menu")
    terminal.until_quiet()
    shown = terminal.text
    terminal.screen.erase_in_display(2)
    terminal.type("\x0c")
    terminal.until(lambda: terminal.text == shown)


# How it leaves


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_the_terminal_is_as_before(
    opened: Open, number: signal.Signals
) -> None:
    terminal = opened("open", "Plant 7")
    terminal.until_seen("68.2 MB")
    terminal.signal(number)
    assert terminal.end() == 128 + number
    assert terminal.taken == []
    assert terminal.echoed_before
    assert b"Traceback" not in terminal.written


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_starts_leaves_the_terminal_as_before(
    opened: Open, number: signal.Signals
) -> None:
    terminal = opened("open", "Plant 7")
    terminal.until(lambda: b"\x1b[?1049h" in terminal.written)
    terminal.signal(number)
    assert terminal.end() == 128 + number
    assert terminal.taken == []
    assert b"Traceback" not in terminal.written


def test_ctrl_c_leaves(opened: Open) -> None:
    terminal = opened("open", "Plant 7")
    terminal.until_seen("68.2 MB")
    terminal.press("ctrl+c")
    assert terminal.end() == 0
    assert terminal.taken == []


@pytest.mark.parametrize("shown", ["\x1b[?1049h", "68.2 MB", "quit"], ids=repr)
def test_a_connection_that_drops_ends_it(opened: Open, shown: str) -> None:
    terminal = opened("open", "Plant 7")
    terminal.until(lambda: shown.encode() in terminal.written)
    assert terminal.hang_up() == 128 + signal.SIGHUP


FAULTY = """
import sys
from tui.screens.backups import BackupsPage
async def broken(self):
    secret = 'never to be shown'
    raise ValueError(secret)
BackupsPage.{where} = broken
from tui.__main__ import program
program()
"""


@pytest.mark.parametrize("where", ["read", "action_copy_id"])
def test_a_fault_is_told_as_commands_tell_it_on_a_terminal_as_before(
    opened: Open, where: str
) -> None:
    terminal = opened("open", "Plant 7", code=FAULTY.format(where=where))
    if where != "read":
        terminal.until_seen("68.2 MB")
        terminal.press("y")
    assert terminal.end() == 1
    assert terminal.taken == []
    assert "Error: A fault in Backstay itself: ValueError" in terminal.text
    assert "BACKSTAY_TRACEBACK" in terminal.text
    assert "never to be shown" not in terminal.text
    assert b"Traceback" not in terminal.written


def test_ctrl_z_gives_the_terminal_back_until_it_is_wanted_again(home: AppHome) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash whose job control could be used")
    with Emulator(bash, "--norc", "--noprofile", "-i", environment={"PS1": "ready> "}) as terminal:
        terminal.until_seen("ready>")
        program = " ".join(f"'{part}'" for part in BACKSTAY)
        terminal.type(f"{program} --home '{home.path}' --as ana open 'Plant 7'\r")
        terminal.until_seen("68.2 MB", "menu")
        terminal.until_quiet()
        shown = terminal.text
        terminal.press("ctrl+z")
        terminal.until(lambda: b"Stopped" in terminal.written)
        terminal.until_quiet()
        assert set(terminal.taken) <= {"paste", "no echo"}  # bash's own line editing
        terminal.screen.erase_in_display(2)
        terminal.type("fg\r")
        terminal.until(lambda: shown in terminal.text)
        terminal.press("q")
        terminal.until(lambda: terminal.written.rstrip().endswith(b"ready>"))
        assert set(terminal.taken) <= {"paste", "no echo"}
        terminal.type("exit\r")
        assert terminal.end() == 0


def test_a_worker_that_dies_takes_nothing_of_the_terminal(backstay: Runner, held: Held) -> None:
    line = (*BACKSTAY, "--home", str(backstay.home), "--as", "ana", "open", held.name)
    with Emulator(*line) as terminal:
        terminal.until_seen("No backups yet")
        answer = backstay.start("backup", held.name)
        terminal.until_seen("Running: backup")
        (running,) = backstay.until_jobs(held.name, "running")
        assert running["kind"] == "backup"
        answer.kill()
        answer.wait()
        terminal.until_quiet()
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.taken == []


def test_nothing_is_left_of_a_terminal_that_was_not_ours(tmp_path: Path) -> None:
    """What is drawn on is standard error: where that is no terminal, the app does not open."""
    line, errors = " ".join(f"'{part}'" for part in BACKSTAY), tmp_path / "errors"
    with Emulator("/bin/sh", "-c", f"{line} --home '{tmp_path}' open 2>'{errors}'") as terminal:
        assert terminal.end() == 2
    assert errors.read_bytes().startswith(b"Usage: ")
    assert b"\x1b" not in errors.read_bytes()
