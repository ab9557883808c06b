"""The whole way, as its user goes it: the installed program on a terminal, in a demo's home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from emulator import Emulator

BACKSTAY = Path(sys.executable).with_name("backstay")
NAME = "Plant 7 on trial"


def test_from_a_backup_to_a_new_project_and_back(tmp_path: Path) -> None:
    line = (BACKSTAY, "--home", tmp_path / "demo", "--as", "ana")
    demo = (*line, "demo", "--no-app", "--devices", "3", "--rows", "300")
    subprocess.run(demo, check=True, capture_output=True)

    with Emulator(*line) as terminal:
        terminal.until_seen("Plant 7 restored", "none yet", "owners only")
        terminal.press("down", "enter")
        terminal.until_seen("Plant 7 › Backups", "Last good", "manual", "menu")
        terminal.press(".")
        terminal.until_seen("New project from backup", "Copy id", "choose")
        terminal.press("n")
        terminal.until_seen("A new project beside Plant 7", "free to use")
        terminal.press(*["backspace"] * len("restored 2"))
        terminal.until_seen("cannot begin or")
        terminal.press(*NAME.removeprefix("Plant 7 "))
        terminal.until_seen(f" {NAME}", "free to use")
        terminal.press("enter")
        terminal.until_seen("What it costs", "[ Create project for €49.00 ]", "not changed")
        terminal.press("tab", "enter")
        terminal.until_seen(f"Creating {NAME}")
        terminal.until_seen(f"{NAME} is ready", "€49.00", "It is quiet.", "press t")
        terminal.press("t")
        terminal.until_seen("New token", "save as a file")
        terminal.press("escape")
        terminal.until_seen("is ready")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.taken == []

    with Emulator(*line) as terminal:
        terminal.until_seen(NAME, "quit")
        (row,) = [each for each in terminal.text.splitlines() if NAME in each]
        assert "quiet" in row
        terminal.press("J")
        terminal.until_seen("restore", "succeeded")
        terminal.press("enter")
        terminal.until_seen(f"{NAME} is ready", "It is quiet.")
        terminal.press("w")
        terminal.until_seen("[ Leave it quiet ]", "[ Wake ")
        terminal.press("tab", "enter")
        terminal.until_seen("is awake")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.taken == []
