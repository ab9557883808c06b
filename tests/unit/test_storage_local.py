"""Objects on the local disk: private, whole or not there, and told what the disk says."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StorageFailed
from engine.repository.storage import AlreadyStored, LocalStorage, NotStored

_RACE = """
import sys
from pathlib import Path
from engine.repository.storage import AlreadyStored, LocalStorage
sys.stdin.readline()
try:
    LocalStorage(Path(sys.argv[1])).put("manifests/0123456789ab", [sys.argv[2].encode()] * 500)
    print("won")
except AlreadyStored:
    print("lost")
"""
_LIMITED = """
import resource, sys
from pathlib import Path
from engine.errors import StorageFailed
from engine.repository.storage import LocalStorage
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    LocalStorage(Path(sys.argv[1])).put("packs/ab/ab1", [bytes(60_000)] * 3)
except StorageFailed as error:
    print(error.message)
"""


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "repository")


@pytest.fixture(params=[0o000, 0o022, 0o377])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Whatever the umask is."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("umask")
def test_folders_are_0700_and_files_0600(storage: LocalStorage, tmp_path: Path) -> None:
    storage.put("packs/ab/ab1", [b"one"])
    storage.put("config", [b"two"])
    storage.put("manifests/m", [b"three"])
    (tmp_path / "repository/manifests/m").chmod(0o644)
    storage.replace("manifests/m", [b"four"])
    for path in (tmp_path / "repository").rglob("*"):
        assert path.stat().st_mode & 0o7777 == (0o700 if path.is_dir() else 0o600), path
    assert (tmp_path / "repository").stat().st_mode & 0o7777 == 0o700


def test_a_temporary_file_of_another_writer_is_never_used(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("packs/ab/first", [b"first"])
    monkeypatch.setattr(os, "urandom", bytes)
    foreign = tmp_path / "repository/packs/ab" / f".new-{'0' * 16}"
    foreign.write_bytes(b"somebody else's")
    foreign.chmod(0o644)
    with pytest.raises(StorageFailed, match="File exists"):
        storage.put("packs/ab/second", [b"second"])
    assert foreign.read_bytes() == b"somebody else's"
    with pytest.raises(NotStored):
        storage.read("packs/ab/second")


def test_temporary_and_strange_files_are_never_listed(
    storage: LocalStorage, tmp_path: Path
) -> None:
    storage.put("packs/ab/ab1", [b"one"])
    folder = tmp_path / "repository/packs/ab"
    for name in (".new-0123456789abcdef", ".hidden", "Upper", "with space", "a.tmp", "a~"):
        (folder / name).write_bytes(b"x")
    assert list(storage.list("packs")) == [("packs/ab/ab1", 3)]
    storage.clean()
    left = {path.name for path in folder.iterdir()}
    assert left == {"ab1", ".hidden", "Upper", "with space", "a.tmp", "a~"}


@pytest.mark.parametrize(
    "name", ["", "/etc/x", "../x", "a/../b", "a//b", "a/", "A", "a b", "a\0b", ".x", "a/.x", "-a"]
)
def test_a_name_never_leads_elsewhere(storage: LocalStorage, tmp_path: Path, name: str) -> None:
    for act in (
        storage.read,
        storage.size,
        storage.delete,
        lambda n: storage.put(n, [b"x"]),
        lambda n: storage.replace(n, [b"x"]),
    ):
        with pytest.raises(ValueError, match="not a name"):
            act(name)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(storage: LocalStorage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    storage.put("packs/ab/ab1", [b"one"])
    (tmp_path / "repository/packs/ab/link").symlink_to(outside)
    with pytest.raises(StorageFailed):
        storage.read("packs/ab/link")
    with pytest.raises(AlreadyStored):
        storage.put("packs/ab/link", [b"new"])
    storage.delete("packs/ab/link")
    assert outside.read_bytes() == b"secret"


@pytest.mark.parametrize("call", ["writev", "fsync", "link", "fchmod"])
@pytest.mark.parametrize(
    ("code", "told"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "the disk reports an error")]
)
def test_what_the_disk_refuses_leaves_nothing(
    storage: LocalStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    code: int,
    told: str,
) -> None:
    storage.put("packs/ab/ab1", [b"one"])

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refuse)
        with pytest.raises(StorageFailed, match=f"while writing packs/ab/ab2: {told}"):
            storage.put("packs/ab/ab2", [b"two"])
    assert [path.name for path in files(tmp_path)] == ["ab1"]
    storage.put("packs/ab/ab2", [b"two"])
    assert storage.read("packs/ab/ab2") == b"two"


def test_a_file_that_may_not_grow_is_not_stored(tmp_path: Path) -> None:
    """The kernel itself refuses in the middle of a write, after the first bytes are there."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # as Python sets it
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "repository")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in ended.stdout
    assert files(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_short_writes_are_continued(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda file, parts: real(file, [bytes(parts[0])[:7]]))
    storage.put("packs/ab/ab1", [b"0123456789", b"abc", b"", b"defghijklmn"])
    assert storage.read("packs/ab/ab1") == b"0123456789abcdefghijklmn"


def test_an_object_is_on_disk_before_it_has_its_name_and_the_name_after(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("packs/ab/ab1", [b"one"])  # now its folder is there
    steps: list[str] = []
    real_sync, real_link = os.fsync, os.link

    def sync(file: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        real_sync(file)

    def link(source: Path, target: Path) -> None:
        steps.append("link")
        real_link(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    storage.put("packs/ab/ab2", [b"two"])
    assert steps == ["file", "link", "folder"]


def test_what_replaces_is_on_disk_before_it_has_the_name_and_the_name_after(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("manifests/m", [b"one"])
    steps: list[str] = []
    real_sync, real_rename = os.fsync, Path.rename

    def sync(file: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        real_sync(file)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    storage.replace("manifests/m", [b"two"])
    assert steps == ["file", "rename", "folder"]


@pytest.mark.parametrize("call", ["os.writev", "os.fsync", "os.fchmod", "pathlib.Path.rename"])
def test_what_cannot_be_replaced_stays_and_nothing_is_left_beside_it(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    storage.put("manifests/m", [b"one"])

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(call, refuse)
        with pytest.raises(StorageFailed, match="while replacing manifests/m: the disk is full"):
            storage.replace("manifests/m", [b"two"])
    assert storage.read("manifests/m") == b"one"
    assert [path.name for path in files(tmp_path)] == ["m"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links_is_written_too(
    storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    storage.put("packs/ab/ab1", [b"one"])
    with pytest.raises(AlreadyStored):
        storage.put("packs/ab/ab1", [b"two"])
    assert storage.read("packs/ab/ab1") == b"one"
    assert [path.name for path in files(tmp_path)] == ["ab1"]


def test_of_many_processes_that_write_a_name_exactly_one_wins(
    storage: LocalStorage, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, str(folder), f"<{number}>"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate()[0].strip() for racer in racers]
    assert sorted(said) == ["lost"] * 7 + ["won"]
    assert storage.read("manifests/0123456789ab") == f"<{said.index('won')}>".encode() * 500
    assert [path.name for path in files(folder)] == ["0123456789ab"]


def test_a_store_that_is_gone_is_told(storage: LocalStorage, tmp_path: Path) -> None:
    nowhere = LocalStorage(tmp_path / "not" / "there")
    with pytest.raises(StorageFailed, match="No such file"):
        nowhere.put("config", [b"x"])
    assert list(nowhere.list("packs")) == []
    nowhere.clean()
    storage.put("packs/ab/ab1", [b"one"])
    with pytest.raises(StorageFailed, match="Not a directory"):
        storage.put("packs/ab/ab1/below", [b"x"])
