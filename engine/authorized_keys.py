"""The keys that let people in over SSH: our lines in an account's authorized_keys.

They stand between two marks; everything outside them is left as it is, byte by byte. Each line
forces one command (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): whoever logs in with that key can start
nothing else. The file is replaced by a rename, and what it was before is kept beside it.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import re
import shlex
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.errors import Damaged, Invalid, NotFound, StorageFailed, Taken
from engine.model import UserKey
from engine.names import shown
from engine.private import check_private, read_private

BEGIN = b"# >>> backstay: the lines to the next mark are written by backstay access"
END = b"# <<< backstay"
BEFORE = ".before-backstay"  # what the file was before the last change, beside it
_LONGEST = 1024 * 1024  # bytes of a file
_LONGEST_KEY = 16 * 1024  # bytes of one key's line
_SHORTEST_RSA = 2048  # bits
_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
_OPTIONS = "restrict,pty,command="
_OURS = re.compile(rb'restrict,pty,command="(?P<command>(?:[^"\\\n]|\\")*)" (?P<key>[^\n]+)')
_COMMENT = re.compile(r"[^\x21-\x7e]+")
_ONE_LINE = "Nothing was changed. Give a file with one public key, such as id_ed25519.pub."


class PublicKey(NamedTuple):
    """A public key as a line of authorized_keys holds it."""

    type: str
    blob: bytes
    comment: str

    @property
    def fingerprint(self) -> str:
        """The key's name, as ``ssh-keygen -l`` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    @property
    def text(self) -> str:
        """The key as it is written in a line."""
        return f"{self.type} {base64.b64encode(self.blob).decode()} {self.comment}".rstrip()


def parse_key(text: str) -> PublicKey:
    """Read one public key. Raises `Invalid` for what is none, or none to be trusted."""
    if "PRIVATE KEY" in text:
        raise Invalid(
            "This is a private key. It belongs to its owner and to nobody else.",
            hint="Nothing was changed. Give the public one: the file that ends in .pub.",
        )
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1 or len(lines[0]) > _LONGEST_KEY:
        raise Invalid(f"There are {len(lines)} keys where one is wanted.", hint=_ONE_LINE)
    words = lines[0].split(None, 2)
    if len(words) < 2 or words[0] not in _TYPES:
        raise Invalid(
            f"{shown(words[0])} is not the type of a public key that is accepted.",
            hint=f"{_ONE_LINE} It begins with one of: {', '.join(_TYPES)}.",
        )
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("The key is damaged: it is not base64.", hint=_ONE_LINE) from None
    # The comment is for people: what a terminal would obey, or a line end, has no place in it.
    comment = _COMMENT.sub("_", words[2].strip())[:100] if len(words) > 2 else ""
    _check_blob(words[0], blob)
    return PublicKey(words[0], blob, comment)


def _check_blob(kind: str, blob: bytes) -> None:
    """Raise `Invalid` unless the bytes are a key of the type that is written before them."""
    fields = _fields(blob)
    if not fields or fields[0] != kind.encode():
        raise Invalid("The key is damaged: it is not of the type it names.", hint=_ONE_LINE)
    if kind.startswith("sk-"):
        return  # a key in a security token; its parts are checked by sshd
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(kind.encode() + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("The key is damaged.", hint=_ONE_LINE) from None
    if isinstance(key, RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        raise Invalid(
            f"The key has {key.key_size} bits: RSA keys need {_SHORTEST_RSA} to be safe.",
            hint="Nothing was changed. Make a new one: ssh-keygen -t ed25519",
        )


def _fields(blob: bytes) -> list[bytes]:
    fields, at = [], 0
    while at + 4 <= len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4
        if length > len(blob) - at:
            return []
        fields.append(blob[at : at + length])
        at += length
    return fields if at == len(blob) else []


def key_line(user: str, key: PublicKey, program: Sequence[str], home: Path) -> str:
    """The line that lets `user` in with `key`, and lets them start `program` for `home` only.

    Raises `Invalid` for what cannot stand in such a line.
    """
    words = [*program, "--home", str(home), "session", "--as", user]
    for word in words:
        if not word.isprintable():
            raise Invalid(
                f"{shown(word)} cannot stand in authorized_keys.",
                hint="Nothing was changed. Install Backstay, or make the home, in a folder whose "
                "name is printable.",
            )
    # sshd takes \" for a quote and leaves every other backslash as it is.
    command = shlex.join(words)
    if '\\"' in command or command.endswith("\\"):
        raise Invalid(
            "A folder's name with a backslash before a quote cannot stand in authorized_keys.",
            hint="Nothing was changed. Choose a folder with a simpler name.",
        )
    quoted = command.replace('"', '\\"')
    return f'{_OPTIONS}"{quoted}" {key.text}'


class AuthorizedKeys:
    """Our lines in the file at `path`, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self) -> list[UserKey]:
        """The keys that let people in, in their order. Raises `HomeUnsafe` and `Damaged`."""
        return [each for each, _ in self._ours(self._read())]

    def add(self, user: str, key: PublicKey, line: str) -> UserKey:
        """Add a line for `user`. Raises `Taken` where the key lets somebody in already."""
        with self._changing() as content:
            for known, _ in self._ours(content):
                if known.fingerprint == key.fingerprint:
                    raise Taken(
                        f"This key lets {known.user} in already.",
                        hint="Nothing was changed. A key belongs to one person.",
                    )
            if _holds(_without_ours(content), key):
                raise Taken(
                    f"This key is in {self.path} already, outside the lines of Backstay: it opens "
                    "more than Backstay.",
                    hint="Nothing was changed. Remove that line first, or use another key.",
                )
            self._write(content, [*(line for _, line in self._ours(content)), line.encode()])
        return UserKey(user, key.type, key.fingerprint, key.comment)

    def remove(self, user: str, fingerprint: str | None = None) -> list[UserKey]:
        """Remove the keys of `user`, or the one with that fingerprint; gives those that went.

        Raises `NotFound` where there is none.
        """
        with self._changing() as content:
            ours = self._ours(content)
            going = [
                known
                for known, _ in ours
                if known.user == user and fingerprint in (None, known.fingerprint)
            ]
            if not going:
                raise NotFound(
                    f"No such key lets {user} in.",
                    hint="Nothing was changed. See all keys with: backstay access list",
                )
            self._write(content, [line for known, line in ours if known not in going])
        return going

    def _read(self) -> bytes:
        if not os.path.lexists(self.path):
            return b""
        check_private(self.path.parent)
        content = read_private(self.path, longest=_LONGEST)
        if content is None:
            raise Damaged(
                f"{self.path} is larger than {_LONGEST} bytes.",
                hint="Nothing was changed. Look at what is in it.",
            )
        return content

    def _ours(self, content: bytes) -> list[tuple[UserKey, bytes]]:
        """Our keys with their lines. Raises `Damaged` where they are not as we wrote them."""
        found = []
        for line in _block(content, self.path):
            match = _OURS.fullmatch(line)
            try:
                if match is None:
                    raise ValueError("not a line of ours")
                words = shlex.split(match["command"].decode().replace('\\"', '"'))
                key = parse_key(match["key"].decode())
                if words[-3:-1] != ["session", "--as"]:
                    raise ValueError("not a command of ours")
            except (ValueError, Invalid):
                raise Damaged(
                    f"A line between the marks in {self.path} was not written by Backstay.",
                    hint="Nothing was changed. Move it below the marks, then try again.",
                ) from None
            found.append((UserKey(words[-1], key.type, key.fingerprint, key.comment), line))
        return found

    @contextmanager
    def _changing(self) -> Iterator[bytes]:
        """The file as it is, while nobody else of us changes it."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"{folder} cannot be made: {error.strerror}.") from error
        check_private(folder)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)

    def _write(self, content: bytes, lines: Sequence[bytes]) -> None:
        """Put these lines in the place of ours; what was there before is kept beside it."""
        before, after = _around(content)
        block = b"\n".join([BEGIN, *lines, END]) + b"\n" if lines else b""
        if block and before and not before.endswith(b"\n"):
            block = b"\n" + block
        try:
            if content:
                self._put(self.path.with_name(self.path.name + BEFORE), content)
            self._put(self.path, before + block + after)
        except OSError as error:
            raise StorageFailed(
                f"{self.path} cannot be written: {error.strerror}.",
                hint="It is as it was. Make room, or let this account write it, and try again.",
            ) from error

    def _put(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(file, "wb") as writing:
                os.fchmod(file, 0o600)
                writing.write(content)
                writing.flush()
                os.fsync(file)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _block(content: bytes, path: Path) -> list[bytes]:
    lines = content.splitlines()
    begins, ends = lines.count(BEGIN), lines.count(END)
    if begins == 0 and ends == 0:
        return []
    if (begins, ends) != (1, 1) or lines.index(BEGIN) > lines.index(END):
        raise Damaged(
            f"The marks of Backstay in {path} are not one pair.",
            hint=f"Nothing was changed. There is to be one line {BEGIN.decode()!r}, our keys, "
            f"and one line {END.decode()!r}. A copy of the file before our last change is "
            f"{path.name}{BEFORE}.",
        )
    return [line for line in lines[lines.index(BEGIN) + 1 : lines.index(END)] if line.strip()]


def _around(content: bytes) -> tuple[bytes, bytes]:
    """What stands before our lines and what after them, byte by byte."""
    lines = content.splitlines(keepends=True)
    marks = [number for number, line in enumerate(lines) if line.rstrip(b"\r\n") in (BEGIN, END)]
    if not marks:
        return content, b""
    begin, end = marks
    return b"".join(lines[:begin]), b"".join(lines[end + 1 :])


def _without_ours(content: bytes) -> bytes:
    return b"\n".join(_around(content))


def _holds(content: bytes, key: PublicKey) -> bool:
    """Whether the key is in a line that is no comment."""
    blob = base64.b64encode(key.blob)
    return any(blob in line and not line.startswith(b"#") for line in content.splitlines())
