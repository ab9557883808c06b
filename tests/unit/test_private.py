"""Whether a file or folder of the home is out of other people's reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import HomeUnsafe, NotFound
from engine.private import check_private, read_private


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(b"content")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o644, 0o640])
def test_what_only_we_can_change_passes(file: Path, mode: int) -> None:
    file.chmod(mode)
    check_private(file)
    file.parent.chmod(0o755)
    check_private(file.parent)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_what_others_can_change_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(HomeUnsafe, match=f"can be changed by other users.*{mode:04o}") as refused:
        check_private(file)
    assert str(file) in refused.value.message
    assert f"chmod 600 {file}" in refused.value.hint
    with pytest.raises(HomeUnsafe, match="can be changed"):
        read_private(file, longest=100)


def test_a_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(HomeUnsafe, match="can be changed") as refused:
        check_private(folder)
    assert f"chmod 700 {folder}" in refused.value.hint
    folder.chmod(0o1777)
    with pytest.raises(HomeUnsafe, match="can be changed") as refused:
        check_private(folder)
    assert "chmod" not in refused.value.hint, "a folder for everybody, as /tmp is, stays so"


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(HomeUnsafe, match="can be read by other users"):
        check_private(file, secret=True)
    with pytest.raises(HomeUnsafe, match="can be read by other users"):
        read_private(file, longest=100, secret=True)


def test_what_belongs_to_someone_else_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid() + 1000
    os.chown(file, owner, -1) if os.geteuid() == 0 else None
    # As an ordinary user we cannot give a file away: then it is us who become someone else.
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: owner)
    with pytest.raises(HomeUnsafe, match=f"{file} belongs to user"):
        check_private(file)


def test_a_link_is_judged_by_what_it_leads_to(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    check_private(link)
    file.chmod(0o666)
    with pytest.raises(HomeUnsafe):
        check_private(link)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(HomeUnsafe, match="neither a file nor a folder"):
        check_private(pipe)
    with pytest.raises(HomeUnsafe, match="neither a file nor a folder"):
        read_private(pipe, longest=100)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        check_private(tmp_path / "nothing")
    with pytest.raises(NotFound, match="is not there"):
        read_private(tmp_path / "nothing", longest=100)


def test_a_private_file_is_read_up_to_its_limit(file: Path) -> None:
    assert read_private(file, longest=7) == b"content"
    assert read_private(file, longest=6) is None
    with pytest.raises(HomeUnsafe, match="is not a file"):
        read_private(file.parent, longest=100)
