"""What only a terminal sees: questions, fitted tables, and Ctrl+C in the middle of a backup."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Runner, Terminal

    Open = Callable[..., Terminal]


# The same command, whose progress bar shows at once.
IMPATIENT = """
import sys, tui.progress
tui.progress.PATIENCE = 0
from tui.cli import main
sys.exit(main())
"""


def test_a_restore_asks_about_its_price_and_no_is_the_default(
    backstay: Runner, on_terminal: Open
) -> None:
    terminal = on_terminal("restore", "Plant 7@latest", "--name", "Again")
    terminal.read_until("Create project for 49.00 EUR? [y/N]")
    assert "Now, once" in terminal.text
    terminal.type("\n")
    assert terminal.end() == 8
    assert "nothing was made and nothing is charged" in " ".join(terminal.text.split())
    assert len(backstay("projects", "--json").json) == 1


def test_a_restore_goes_on_after_a_yes(backstay: Runner, on_terminal: Open) -> None:
    terminal = on_terminal("restore", "Plant 7@latest", "--name", "Again")
    terminal.read_until("Create project for 49.00 EUR? [y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "Again is ready." in terminal.text
    assert len(backstay("projects", "--json").json) == 2


def test_ctrl_c_at_a_question_makes_nothing(backstay: Runner, on_terminal: Open) -> None:
    terminal = on_terminal("restore", "Plant 7@latest", "--name", "Again")
    terminal.read_until("[y/N]")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.text
    assert len(backstay("projects", "--json").json) == 1


def test_a_script_on_a_terminal_is_not_asked(on_terminal: Open) -> None:
    terminal = on_terminal("restore", "Plant 7@latest", "--name", "Again", "--json")
    assert terminal.end() == 8
    assert "[y/N]" not in terminal.text
    assert "PriceNotAccepted" in terminal.text


@pytest.mark.parametrize(("typed", "code"), [("Plant 7\n", 2), ("Plant 7 restored\n", 0)])
def test_deleting_asks_for_the_name(
    backstay: Runner, on_terminal: Open, restored: str, typed: str, code: int
) -> None:
    terminal = on_terminal("delete", restored)
    terminal.read_until("Type its name to delete it:")
    terminal.type(typed)
    assert terminal.end() == code
    assert len(backstay("projects", "--json").json) == (1 if code == 0 else 2)


def test_a_recovery_key_is_typed_unseen(backstay: Runner, on_terminal: Open) -> None:
    key = backstay("repository", "key", "--json").json["recovery_key"]
    terminal = on_terminal("repository", "key", "--enter")
    terminal.read_until("Recovery key:")
    terminal.type(f"{key}\n")
    assert terminal.end() == 0
    assert key not in terminal.text


def test_the_key_of_a_lost_home_is_typed_unseen(
    backstay: Runner, on_terminal: Open, tmp_path: Path
) -> None:
    key = backstay("repository", "key", "--json").json["recovery_key"]
    source, new = str(backstay.home / "repository"), str(tmp_path / "new")
    terminal = on_terminal("recover", source, "--home", new)
    terminal.read_until("Recovery key:")
    terminal.type(f"{key}\n")
    assert terminal.end() == 0
    assert key not in terminal.text
    assert "not present" in terminal.text


@pytest.mark.parametrize(
    "words",
    [
        ["projects"],
        ["backups", "Plant 7"],
        ["show", "Plant 7@latest"],
        ["quote", "Plant 7@latest"],
        ["audit"],
        ["members", "Plant 7"],
    ],
    ids=" ".join,
)
def test_answers_fit_a_terminal_of_80_columns(on_terminal: Open, words: list[str]) -> None:
    terminal = on_terminal(*words)
    assert terminal.end() == 0
    assert too_wide(terminal.text) == []


def too_wide(text: str) -> list[str]:
    """Lines that do not fit, but for commands to copy, which have lines of their own."""
    return [
        line
        for line in text.splitlines()
        if len(line) > 80 and not line.lstrip().startswith(("backstay --home", "Back it up with"))
    ]


def test_what_follows_the_projects_fits_a_terminal(on_terminal: Open, restored: str) -> None:
    terminal = on_terminal("projects")
    assert terminal.end() == 0
    assert "until:\n  backstay --home" in terminal.text
    assert too_wide(terminal.text) == []


@pytest.mark.parametrize(
    "words",
    [
        ["delete", "Plant 7", "--confirm", "Plant 7"],
        ["backups", "Nothing"],
        ["adopt", "postgres://host/db", "--name", "Q"],
        ["members", "Plant 7", "remove", "ana-of-the-harbour-that-nobody-knows"],
        ["restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "1"],
    ],
    ids=" ".join,
)
def test_errors_fit_a_terminal_of_80_columns(on_terminal: Open, words: list[str]) -> None:
    terminal = on_terminal(*words)
    assert terminal.end() > 1
    assert "Error: " in terminal.text
    assert too_wide(terminal.text) == []


def test_a_command_in_an_error_is_not_folded(open_terminal: Open) -> None:
    command = f"backstay wake {'plant ' * 20}now"
    terminal = open_terminal(
        "import sys; from engine import Failed; from tui.failures import report;"
        "report(Failed('It failed.', hint='Nothing was lost. Try: ' + sys.argv[1]), as_json=False)",
        command,
    )
    assert terminal.end() == 0
    assert f"\n       Nothing was lost. Try:\n       {command}\n" in terminal.text


def test_ctrl_c_during_a_backup_keeps_nothing(
    backstay: Runner, open_terminal: Open, tmp_path: Path, instance: Path
) -> None:
    """A device whose database is locked holds the backup up, until the bar shows: it goes on."""
    source = tmp_path / "source"
    shutil.copytree(instance, source)
    assert backstay("adopt", str(source), "--name", "Busy").code == 0
    (device,) = source.rglob("715f6b96bfa47992f15881f9.db")
    with closing(sqlite3.connect(device, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        terminal = open_terminal(
            *(IMPATIENT, "--home", str(backstay.home), "--as", "ana", "backup", "Busy")
        )
        terminal.read_until("B of ")  # the bar: bytes done of bytes in all
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Nothing was kept" in terminal.text
    assert "Traceback" not in terminal.text
    assert backstay("backups", "Busy", "--json").json == []
    assert backstay("backup", "Busy").code == 0


def test_ctrl_c_during_a_comparison_leaves_nothing(
    backstay: Runner, open_terminal: Open, source: Path
) -> None:
    """The project as it is now cannot be read to its end, for a writer holds one of its devices."""
    assert backstay("adopt", str(source), "--name", "Busy").code == 0
    assert backstay("backup", "Busy").code == 0
    (device,) = source.rglob("715f6b96bfa47992f15881f9.db")
    with closing(sqlite3.connect(device, isolation_level=None)) as writer:
        writer.execute("DELETE FROM data WHERE rowid = 1")
        writer.execute("BEGIN EXCLUSIVE")
        terminal = open_terminal(
            *(IMPATIENT, "--home", str(backstay.home), "--as", "ana", "diff", "Busy@latest")
        )
        terminal.read_until("estimating")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Nothing was kept" in terminal.text
    assert "Traceback" not in terminal.text
    assert not list(backstay.home.glob(".aside-*"))


def test_ctrl_c_during_the_demo_leaves_nothing(open_terminal: Open, tmp_path: Path) -> None:
    home = tmp_path / "demo"
    terminal = open_terminal(
        *(IMPATIENT, "--home", str(home), "demo", "--devices", "2", "--rows", "50")
    )
    terminal.read_until("day 1")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Nothing was kept" in terminal.text
    assert not home.exists()
