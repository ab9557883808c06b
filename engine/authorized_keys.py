"""The keys that let people in over SSH: our lines in an account's authorized_keys.

They stand between two marks; everything outside them is left as it is, byte by byte. Each line
forces one command (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): whoever logs in with that key can start
nothing else. The file is replaced by a rename, and what it was before is kept beside it.
"""

from __future__ import annotations

import base64
import fcntl
import os
import pwd
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import Damaged, Invalid, NotFound, StorageFailed, Taken
from engine.model import UserKey
from engine.names import shown
from engine.private import check_private, read_private
from engine.public_key import PublicKey, parse_key
from engine.syncing import sync_folder

BEGIN = b"# >>> backstay: the lines to the next mark are written by backstay access"
END = b"# <<< backstay"
BEFORE = ".before-backstay"  # what the file was before the last change, beside it
_LONGEST = 1024 * 1024  # bytes of a file
_OPTIONS = "restrict,pty,command="
_OURS = re.compile(rb'restrict,pty,command="(?P<command>(?:[^"\\\n]|\\")*)" (?P<key>[^\n]+)')


def forced_words(user: str, home: Path) -> list[str]:
    """How the command ends that a line of ours forces; what stands before them is a program."""
    return ["--home", str(home), "session", "--as", user]


def forced_of(words: Sequence[str]) -> tuple[str, Path] | None:
    """Whose command it is, and for which home; None where no line of ours has forced it."""
    end = words[-len(forced_words("", Path())) :]
    if end[:1] != ["--home"] or end[2:-1] != ["session", "--as"]:
        return None
    return end[-1], Path(end[1])


def key_line(user: str, key: PublicKey, program: Sequence[str], home: Path) -> str:
    """The line that lets `user` in with `key`, and lets them start `program` for `home` only.

    Raises `Invalid` for what cannot stand in such a line.
    """
    words = [*program, *forced_words(user, home)]
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
    """Our lines in the file at `path`, which need not be there yet. All of it blocks.

    Where `path` is a link, the file that it leads to is meant, and the link stays.
    """

    def __init__(self, path: Path) -> None:
        self._named = path
        self.path = Path(os.path.realpath(path))

    def known(self) -> list[UserKey]:
        """The keys that let people in, in their order.

        Raises `HomeUnsafe`, `StorageFailed` where they cannot be read, and `Damaged`.
        """
        return [each for each, _ in self._ours(self._read())]

    def of(self, user: str, fingerprint: str | None = None) -> list[UserKey]:
        """The keys of `user`, or the one with that fingerprint. Raises `NotFound` for none."""
        found = [
            known
            for known in self.known()
            if known.user == user and fingerprint in (None, known.fingerprint)
        ]
        if not found:
            key = "No key" if fingerprint is None else f"No key {shown(fingerprint)}"
            raise NotFound(
                f"{key} lets {user} in.",
                hint="Nothing was changed. See all keys with: backstay access list",
            )
        return found

    def check_free(self, user: str, key: PublicKey, home: Path) -> None:
        """Pass where `add` may give the key to `user`. Raises `Taken` and what `known` raises."""
        self._check_free(self._read(), user, key, home)

    def add(self, user: str, key: PublicKey, line: str, home: Path) -> UserKey:
        """Let `user` in with a key, by that line, in place of one for the same user and home.

        Raises `Taken` where the key lets in somebody else, or into another home.
        """
        with self._changing() as content:
            self._check_free(content, user, key, home)
            ours = {known.fingerprint: before for known, before in self._ours(content)}
            if ours.get(key.fingerprint) != line.encode():
                ours[key.fingerprint] = line.encode()
                self._write(content, list(ours.values()))
        return UserKey(user, key.type, key.fingerprint, key.comment, home)

    def remove(self, user: str, fingerprint: str | None = None) -> list[UserKey]:
        """Remove the keys of `user`, or the one with that fingerprint; gives those that went.

        Raises `NotFound` where there is none.
        """
        with self._changing() as content:
            going = self.of(user, fingerprint)
            self._write(
                content, [line for known, line in self._ours(content) if known not in going]
            )
        return going

    def _check_free(self, content: bytes, user: str, key: PublicKey, home: Path) -> None:
        for known, _ in self._ours(content):
            if known.fingerprint != key.fingerprint or (known.user, known.home) == (user, home):
                continue
            where = "" if known.home == home else f" to {known.home}"
            raise Taken(
                f"This key lets {known.user} in{where} already.",
                hint="Nothing was changed. A key belongs to one person and opens one home.",
            )
        if _holds(_without_ours(content), key):
            raise Taken(
                f"This key is in {self.path} already, outside the lines of Backstay: it opens "
                "more than Backstay.",
                hint="Nothing was changed. Remove that line first, or use another key.",
            )

    def _read(self) -> bytes:
        self._check_way()
        try:
            content = read_private(self.path, longest=_LONGEST)
        except NotFound:
            return b""  # what is in the way to it was told
        if content is None:
            raise Damaged(
                f"{self.path} is larger than {_LONGEST} bytes.",
                hint="Nothing was changed. Look at what is in it.",
            )
        return content

    def _check_way(self) -> None:
        """Raise `HomeUnsafe` where others can put another file in the place of this one.

        Below the account's own folder all folders count, as they do for sshd (StrictModes in
        sshd_config(5)): it would let nobody in.
        """
        account = Path(os.path.realpath(pwd.getpwuid(os.geteuid()).pw_dir))
        folder = self.path.parent
        folders = [self._named.parent, folder]
        if folder.is_relative_to(account):
            folders += [each for each in folder.parents if each.is_relative_to(account)]
        for each in folders:
            with suppress(NotFound):  # then there is no file in it either
                check_private(each)

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
                who = forced_of(words)
                if who is None:
                    raise ValueError("not a command of ours")
            except (ValueError, Invalid):
                raise Damaged(
                    f"A line between the marks in {self.path} was not written by Backstay.",
                    hint="Nothing was changed. Move it below the marks, then try again.",
                ) from None
            user, home = who
            known = UserKey(user, key.type, key.fingerprint, key.comment, home)
            found.append((known, line))
        return found

    @contextmanager
    def _changing(self) -> Iterator[bytes]:
        """The file as it is, while nobody else of us changes it."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"{folder} cannot be made: {error.strerror}.") from error
        self._check_way()
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageFailed(f"{folder} cannot be read: {error.strerror}.") from error
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
            sync_folder(self.path.parent)
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
