"""The pictures that the README shows are those of the app as it is now."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from screenshots.pictures import FOLDER, MEASURED, shows_the_same, take_all, unnamed

ROOT = Path(__file__).parents[2]
_SHOWN = re.compile(r"!\[[^\]]+\]\(screenshots/([^)]+)\)")
_AGAIN = "take them anew with: python -m tests.screenshots"


def test_no_picture_is_older_than_what_it_shows() -> None:
    now = take_all()
    there = {file.name: file.read_text("utf-8") for file in set(FOLDER.iterdir()) - {MEASURED}}
    assert there.keys() == now.keys(), _AGAIN
    old = differences(there, now)
    assert not old, f"{_AGAIN}\n{old}"


def differences(there: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    """Where pictures (by name) differ, of those that show something else."""
    return {
        name: list(unified_diff(parts(there[name]), parts(text), n=0, lineterm=""))
        for name, text in now.items()
        if not shows_the_same(there[name], text)
    }


def parts(picture: str) -> list[str]:
    return unnamed(picture).split("</")


def test_a_few_bytes_make_no_other_picture() -> None:
    assert shows_the_same("added&#160;222.0&#160;kB now", "added&#160;221.9&#160;kB now")
    assert not shows_the_same("added&#160;222.0&#160;kB now", "added&#160;221.0&#160;kB now")
    assert not shows_the_same("added&#160;222.0&#160;kB now", "added&#160;222.0&#160;kB then")
    assert not shows_the_same("8 backups, 1.8&#160;MB", "8 backups, 1.7&#160;MB")
    assert not shows_the_same("8 backups, 1.8&#160;MB", "8 backups, 1.8&#160;kB")


def test_the_readme_shows_each_picture() -> None:
    shown = _SHOWN.findall((ROOT / "README.md").read_text("utf-8"))
    assert sorted(shown) == sorted(file.name for file in FOLDER.iterdir())
