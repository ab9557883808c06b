"""New tokens are written to a new, private file, and only when there are tokens to write."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Failed, NewToken, StorageFailed, Taken
from tui.tokens_file import TokensFile

TOKENS = [
    NewToken("d1", 'Freezer, "north"', "Default", "full", "0b6705db-3537-4b64-af2d-cef6dfe7a827"),
    NewToken("d2", "\x1b[2JTank", "Read", "read", "3679e9e8-4d15-4f2b-996d-776e33fadf4e"),
]


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_tokens_stand_in_it_whatever_the_names(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    with TokensFile(path) as file:
        file.write(TOKENS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows == [
        ["device", "device_name", "token_name", "permission", "token"],
        ["d1", 'Freezer, "north"', "Default", "full", "0b6705db-3537-4b64-af2d-cef6dfe7a827"],
        ["d2", "\\x1b[2JTank", "Read", "read", "3679e9e8-4d15-4f2b-996d-776e33fadf4e"],
    ]


def test_it_is_private_before_anything_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    with TokensFile(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_is_there_already_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "tokens.csv", tmp_path / "target"
    if kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to(target)
    if kind == "link":
        target.write_text("precious")
    with pytest.raises(Taken, match="exists already"), TokensFile(path):
        pytest.fail("it was opened")
    assert kind == "dangling link" or path.read_text() == "precious"
    assert target.exists() == (kind == "link")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="No such file"), TokensFile(tmp_path / "no" / "file"):
        pytest.fail("it was opened")


def test_it_is_gone_when_the_restore_failed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    with pytest.raises(Failed), TokensFile(path):
        raise Failed("The restore failed.")
    assert not path.exists()
