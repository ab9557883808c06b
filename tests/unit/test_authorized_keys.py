"""Our lines in authorized_keys: written whole, read back strictly, and nothing else touched."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.authorized_keys import BEFORE, BEGIN, END, AuthorizedKeys, key_line
from engine.errors import (
    BackstayError,
    Damaged,
    HomeUnsafe,
    Invalid,
    NotFound,
    StorageFailed,
    Taken,
)
from engine.public_key import parse_key

PROGRAM = ["/opt/back stay/bin/python", "-I", "-m", "tui"]
KEYGEN = shutil.which("ssh-keygen") or ""
HOME = Path("/srv/it's here")
ANA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVm ana@laptop"
RUI = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi rui"
THEIRS = (
    b"# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz me"
)


def put(keys: AuthorizedKeys, user: str, text: str, home: Path = HOME) -> None:
    key = parse_key(text)
    keys.add(user, key, key_line(user, key, PROGRAM, home), home)


@pytest.fixture
def keys(tmp_path: Path) -> AuthorizedKeys:
    return AuthorizedKeys(tmp_path / ".ssh" / "authorized_keys")


def test_a_line_forces_one_command_and_its_parts_are_found_again(keys: AuthorizedKeys) -> None:
    put(keys, "ana", ANA)
    (line,) = [each for each in keys.path.read_text().splitlines() if each.startswith("restrict")]
    assert line == (
        "restrict,pty,command=\"'/opt/back stay/bin/python' -I -m tui "
        "--home '/srv/it'\\\"'\\\"'s here' session --as ana\" " + ANA
    )
    (found,) = keys.known()
    assert (found.user, found.comment, found.home) == ("ana", "ana@laptop", HOME)
    assert keys.path.stat().st_mode & 0o777 == 0o600
    assert keys.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_not_ours_stays_byte_by_byte(keys: AuthorizedKeys) -> None:
    keys.path.parent.mkdir(mode=0o700)
    keys.path.write_bytes(THEIRS)  # without a line end
    keys.path.chmod(0o600)
    put(keys, "ana", ANA)
    put(keys, "rui", RUI)
    assert keys.path.read_bytes().startswith(THEIRS + b"\n" + BEGIN)
    with keys.path.open("ab") as file:
        file.write(b"ssh-rsa AAAA= later\r\n")
    assert [each.user for each in keys.known()] == ["ana", "rui"]
    keys.remove("ana")
    keys.remove("rui")
    assert keys.path.read_bytes() == THEIRS + b"\n" + b"ssh-rsa AAAA= later\r\n"
    before = keys.path.with_name(keys.path.name + BEFORE)
    assert RUI.encode() in before.read_bytes()
    assert before.stat().st_mode & 0o777 == 0o600


def test_a_key_belongs_to_one_person_and_opens_nothing_else(keys: AuthorizedKeys) -> None:
    put(keys, "ana", ANA)
    before = keys.path.read_bytes()
    with pytest.raises(Taken, match="lets ana in already"):
        put(keys, "rui", ANA.replace("ana@laptop", "other"))
    with pytest.raises(Taken, match=f"lets ana in to {HOME} already"):
        put(keys, "ana", ANA, Path("/srv/other"))
    assert keys.path.read_bytes() == before
    keys.path.write_bytes(RUI.encode() + b"\n" + before)
    with pytest.raises(Taken, match="opens more than Backstay"):
        put(keys, "rui", RUI)


def test_adding_a_key_again_brings_its_line_up_to_date(keys: AuthorizedKeys) -> None:
    put(keys, "ana", ANA)
    put(keys, "rui", RUI)
    before = keys.path.stat()
    put(keys, "ana", ANA)
    assert keys.path.stat() == before  # nothing to do
    key = parse_key(ANA)
    keys.add("ana", key, key_line("ana", key, ["/opt/new/python"], HOME), HOME)
    assert [each.user for each in keys.known()] == ["ana", "rui"]
    assert b'command="/opt/new/python --home ' in keys.path.read_bytes()


def test_keys_that_are_added_at_once_are_all_there(keys: AuthorizedKeys) -> None:
    def add(number: int) -> None:
        blob = base64.b64decode(ANA.split()[1])[:-2] + number.to_bytes(2)
        put(
            AuthorizedKeys(keys.path),
            f"user{number}",
            f"ssh-ed25519 {base64.b64encode(blob).decode()}",
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    assert {each.user for each in keys.known()} == {f"user{number}" for number in range(24)}


def test_a_link_stays_and_what_it_leads_to_is_changed(tmp_path: Path) -> None:
    for name in ("ssh", "elsewhere"):
        (tmp_path / name).mkdir(mode=0o700)
    link, target = tmp_path / "ssh" / "authorized_keys", tmp_path / "elsewhere" / "keys"
    link.symlink_to(target)
    put(AuthorizedKeys(link), "ana", ANA)
    put(AuthorizedKeys(link), "rui", RUI)
    assert link.readlink() == target
    assert [each.user for each in AuthorizedKeys(target).known()] == ["ana", "rui"]
    for folder in (link.parent, target.parent):
        folder.chmod(0o770)
        with pytest.raises(HomeUnsafe, match=f"{folder} can be changed"):
            AuthorizedKeys(link).remove("ana")
        folder.chmod(0o700)


def test_a_folder_of_the_account_that_others_can_change_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "account" / "deep").mkdir(parents=True)
    entry = pwd.getpwuid(os.getuid())
    account = pwd.struct_passwd((*entry[:5], str(tmp_path / "account"), entry[6]))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: account)
    keys = AuthorizedKeys(tmp_path / "account" / "deep" / ".ssh" / "authorized_keys")
    tmp_path.chmod(0o777)  # above the account's folder: sshd does not look there
    put(keys, "ana", ANA)
    (tmp_path / "account").chmod(0o777)  # sshd would let nobody in
    for call in (keys.known, lambda: put(keys, "rui", RUI)):
        with pytest.raises(HomeUnsafe, match=f"{tmp_path / 'account'} can be changed"):
            call()
    (tmp_path / "account").chmod(0o1777)
    with pytest.raises(HomeUnsafe) as told:
        keys.known()
    assert "chmod" not in told.value.hint


def test_keys_that_cannot_be_read_are_not_told_as_none(keys: AuthorizedKeys) -> None:
    keys.path.parent.mkdir(mode=0o700)
    keys.path.symlink_to(keys.path)
    for call in (keys.known, lambda: put(keys, "ana", ANA)):
        with pytest.raises(StorageFailed, match="cannot be read"):
            call()


def test_one_key_of_several_is_removed(keys: AuthorizedKeys) -> None:
    put(keys, "ana", ANA)
    put(keys, "ana", RUI)
    first, second = keys.known()
    with pytest.raises(NotFound, match='No key "SHA256:other" lets ana in'):
        keys.remove("ana", "SHA256:other")
    with pytest.raises(NotFound, match="No key lets rui in"):
        keys.remove("rui")
    assert keys.remove("ana", first.fingerprint) == [first]
    assert keys.known() == [second]


@pytest.mark.parametrize(
    "content",
    [
        BEGIN + b"\n" + ANA.encode() + b"\n" + END + b"\n",  # a key that could start anything
        BEGIN + b"\nrubbish\n" + END + b"\n",
        BEGIN + b'\nrestrict,pty,command="x session --as ana" ' + ANA.encode() + b"\n" + END,
        BEGIN + b"\n",
        END + b"\n" + BEGIN + b"\n",
        (BEGIN + b"\n" + END + b"\n") * 2,
    ],
)
def test_marks_that_are_not_as_we_wrote_them_stop_every_change(
    keys: AuthorizedKeys, content: bytes
) -> None:
    keys.path.parent.mkdir(mode=0o700)
    keys.path.write_bytes(content)
    keys.path.chmod(0o600)
    for call in (keys.known, lambda: put(keys, "ana", ANA), lambda: keys.remove("ana")):
        with pytest.raises(Damaged) as told:
            call()
        assert told.value.hint
    assert keys.path.read_bytes() == content


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_others_can_write_is_refused_by_name(keys: AuthorizedKeys, what: str) -> None:
    put(keys, "ana", ANA)
    path = keys.path if what == "file" else keys.path.parent
    path.chmod(0o777)
    with pytest.raises(HomeUnsafe, match=str(path)):
        put(keys, "rui", RUI)
    path.chmod(0o700)
    assert [each.user for each in keys.known()] == ["ana"]


def test_a_file_that_is_too_large_is_refused(keys: AuthorizedKeys) -> None:
    keys.path.parent.mkdir(mode=0o700)
    keys.path.write_bytes(b"# \n" * 400_000)
    with pytest.raises(Damaged, match="larger"):
        put(keys, "ana", ANA)


def _field(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content


def _of_type(kind: bytes, rest: bytes) -> str:
    blob = _field(kind) + rest
    return f"{kind.decode()} {base64.b64encode(blob).decode()}"


BAD_KEYS = {
    "nothing": "",
    "two": f"{ANA}\n{RUI}",
    "options before it": f'command="sh" {ANA}',
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
    "no base64": "ssh-ed25519 ****",
    "another type inside": ANA.replace("ssh-ed25519 ", "ssh-rsa ", 1),
    "cut short": ANA[:60],
    "dsa": "ssh-dss AAAAB3NzaC1kc3M=",
    "a certificate": "ssh-ed25519-cert-v01@openssh.com AAAA",
    "a length beyond its end": _of_type(b"ssh-ed25519", b"\xff\xff\xff\xff"),
    "a point that is none": _of_type(
        b"ecdsa-sha2-nistp256", b"\x00\x00\x00\x08nistp256\x00\x00\x00\x01\x04"
    ),
    "very long": "ssh-ed25519 " + "A" * 20_000,
    "only remarks": "# ssh-ed25519\n\n",
    "a token's key without a point": _of_type(b"sk-ssh-ed25519@openssh.com", b""),
    "a token's key with half a point": _of_type(
        b"sk-ssh-ed25519@openssh.com", _field(bytes(16)) + _field(b"ssh:")
    ),
    "a token's key on another curve": _of_type(
        b"sk-ecdsa-sha2-nistp256@openssh.com", _field(b"nistp256") + _field(bytes(97)) + _field(b"")
    ),
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as told:
        parse_key(text)
    assert told.value.hint
    assert "PRIVATE" not in told.value.message


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (b"sk-ssh-ed25519@openssh.com", (bytes(32), b"ssh:")),
        (b"sk-ecdsa-sha2-nistp256@openssh.com", (b"nistp256", bytes(65), b"ssh:")),
    ],
)
def test_a_key_in_a_token_is_taken(kind: bytes, fields: tuple[bytes, ...]) -> None:
    assert parse_key(_of_type(kind, b"".join(map(_field, fields)))).type == kind.decode()


def test_a_comment_cannot_do_anything() -> None:
    key = parse_key(ANA.replace("ana@laptop", "x\x1b[31m y\u202e\x00"))
    assert key.comment.isascii()
    assert key.comment.isprintable()
    assert " " not in key.comment


@pytest.mark.parametrize("home", [Path("/srv/a\nb"), Path("/srv/a\x1bb"), Path('/srv/a\\"b')])
def test_a_folder_that_could_break_out_of_the_quotes_is_refused(home: Path) -> None:
    with pytest.raises(Invalid):
        key_line("ana", parse_key(ANA), PROGRAM, home)


@pytest.mark.skipif(not KEYGEN, reason="ssh-keygen is not installed")
@pytest.mark.parametrize(
    ("options", "good"),
    [
        (["-t", "ed25519"], True),
        (["-t", "ecdsa", "-b", "521"], True),
        (["-t", "rsa", "-b", "2048"], True),
        (["-t", "rsa", "-b", "1024"], False),
    ],
)
def test_keys_of_openssh_are_named_as_it_names_them(
    tmp_path: Path, options: list[str], good: bool
) -> None:
    file = tmp_path / "key"
    subprocess.run([KEYGEN, "-q", "-N", "", "-f", str(file), *options], check=True)
    public = file.with_suffix(".pub")
    if not good:
        with pytest.raises(Invalid, match="1024 bits"):
            parse_key(public.read_text())
        return
    told = subprocess.run(
        [KEYGEN, "-l", "-f", str(public)], check=True, capture_output=True, text=True
    )
    assert parse_key(public.read_text()).fingerprint == told.stdout.split()[1]


def test_a_failure_to_write_leaves_the_file_as_it_was(
    keys: AuthorizedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(keys, "ana", ANA)
    before = keys.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackstayError, match="No space left"):
        put(keys, "rui", RUI)
    assert keys.path.read_bytes() == before
    assert [each.name for each in keys.path.parent.iterdir()] == ["authorized_keys"]
