"""A real OpenSSH server on a loopback port, and people who log in to it with keys of their own.

The server forwards, serves files and takes every variable that Backstay or Python know: what a
session may not do is refused by our line in authorized_keys, or by Backstay, and by nothing else.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from conftest import MAIN, PATIENCE, ROOT, Answer

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
SSH = shutil.which("ssh")
NEEDED = bool(os.environ.get("BACKSTAY_NEEDS_SSHD"))
ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/ssh/authorized_keys
# Folders for tests are below one that everybody can write to.
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitUserEnvironment no
AcceptEnv BACKSTAY_* PYTHON* LD_* XDG_* TEXTUAL* LANG LC_*
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
AllowAgentForwarding yes
X11Forwarding yes
X11UseLocalhost yes
Subsystem sftp internal-sftp
MaxStartups 100
LogLevel VERBOSE
"""


def require_sshd() -> None:
    """Skip where no OpenSSH is installed; fail there with BACKSTAY_NEEDS_SSHD, as in .ci/run."""
    missing = [name for name, path in (("sshd", SSHD), ("ssh", SSH)) if path is None]
    if missing:
        reason = f"{' and '.join(missing)} of OpenSSH: not installed"
        if NEEDED:
            pytest.fail(reason)
        pytest.skip(reason)


def program(name: str) -> str:
    """A program of OpenSSH."""
    path = shutil.which(name)
    assert path is not None, name
    return path


class Server:
    """An OpenSSH server for the account that runs the tests, which keeps one home."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home
        self.keys = folder / "ssh" / "authorized_keys"
        self.log = folder / "sshd.log"
        self._sshd: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        if os.getuid() == 0:  # Debian makes it when it starts its own server
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.folder.mkdir(mode=0o700)
        self.keygen("host")
        while not self._begin():
            pass  # somebody else took the port since it was free
        return self

    def _begin(self) -> bool:
        """Start the server; whether it has its port."""
        assert SSHD is not None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.folder / "config").write_text(_CONFIG.format(port=self.port, folder=self.folder))
        public = (self.folder / "host.pub").read_text()
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {public}")
        with self.log.open("wb") as log:
            sshd = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "config")],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        self._sshd = sshd
        wait_until(lambda: "Server listening on" in self.log.read_text() or sshd.poll() is not None)
        told = self.log.read_text()
        assert sshd.poll() is None or "Address already in use" in told, told
        return sshd.poll() is None

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        if self._sshd is not None:
            self._sshd.terminate()
            self._sshd.wait()

    # People and their keys

    def keygen(self, name: str) -> Path:
        """Make a key; gives its private file, beside which the public one is."""
        file = self.folder / name
        subprocess.run(
            [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)],
            check=True,
        )
        return file

    def let_in(self, *users: str) -> None:
        """Give people keys that let them in, by the command that does that."""
        for user in users:
            public = f"{self.keygen(user)}.pub"
            told = self.keeper("access", "add-key", user, public, "--file", str(self.keys))
            assert told.code == 0, told.err

    def let_in_without_limits(self, name: str) -> None:
        """Give somebody a key that may do what the server allows: what ours are compared with."""
        public = self.keygen(name).with_suffix(".pub").read_text()
        self.keys.parent.mkdir(mode=0o700, exist_ok=True)
        with self.keys.open("a") as file:
            file.write(public)
        self.keys.chmod(0o600)

    def keeper(self, *arguments: str) -> Answer:
        """Run Backstay as the account that the home belongs to, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "--home", str(self.home), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    # Coming in

    def options(self, user: str) -> list[str]:
        """How a client of OpenSSH is to reach the server as somebody."""
        settings = {
            "IdentityFile": str(self.folder / user),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.folder / "known"),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "SendEnv": "BACKSTAY_* PYTHON* LD_* XDG_* TEXTUAL* LANG LC_*",
            "Port": str(self.port),
            "User": ACCOUNT,
        }
        return ["-F", "none", *(f"-o{name}={value}" for name, value in settings.items())]

    def line(self, user: str, *options: str) -> list[str]:
        """A command line of ssh as somebody, to which a command can be added."""
        return [SSH or "ssh", *self.options(user), *options, "127.0.0.1", "--"]

    def start(
        self,
        user: str,
        sent: str | bytes | None = None,
        *options: str,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start ssh as somebody, who has no terminal."""
        process = subprocess.Popen(
            [*self.line(user, *options), *([sent] if sent is not None else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def __call__(
        self,
        user: str,
        sent: str | bytes | None = None,
        *options: str,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        """Come in as somebody without a terminal, send a command, and wait for its end."""
        return ended(self.start(user, sent, *options, env=env), stdin)

    # Looking

    @property
    def process(self) -> int:
        """The process that waits for people to come in."""
        assert self._sshd is not None
        return self._sshd.pid

    def sessions(self) -> list[int]:
        """The processes of sessions that are open: those that a line of ours started."""
        return [
            each.number
            for each in processes()
            if each.words[:1] == [sys.executable] and {"session", str(self.home)} <= set(each.words)
        ]

    def children(self) -> list[Process]:
        """The processes that sessions which are open have started, themselves left out."""
        sessions = self.sessions()
        family = {each.number: each for one in sessions for each in below(one)}
        return [each for each in family.values() if each.number not in sessions]

    def audit(self) -> list[tuple[str, str, str, str]]:
        """The whole audit trail, oldest first: user, action, verdict, detail."""
        lines = "SELECT user, action, verdict, detail FROM audit ORDER BY number"
        catalog = sqlite3.connect(f"file:{self.home / 'catalog.db'}?mode=ro", uri=True)
        with contextlib.closing(catalog):
            return list(catalog.execute(lines))


class Process(NamedTuple):
    """A process, as it was when it was looked at."""

    number: int
    parent: int
    words: list[str]


def processes() -> list[Process]:
    """All processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            words = (folder / "cmdline").read_bytes().split(b"\0")[:-1]
        except OSError:  # it ended since it was listed
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        found.append(Process(int(folder.name), parent, [os.fsdecode(word) for word in words]))
    return found


def below(number: int) -> list[Process]:
    """The processes that a process started, and those that they started."""
    everything, tree = processes(), [Process(number, 0, [])]
    for one in tree:
        tree += [each for each in everything if each.parent == one.number]
    return tree[1:]


def environment(process: int) -> dict[str, str]:
    """The environment that a process was started with."""
    content = os.fsdecode(Path(f"/proc/{process}/environ").read_bytes())
    return dict(each.split("=", 1) for each in content.split("\0") if "=" in each)


def ended(process: subprocess.Popen[str], stdin: str = "") -> Answer:
    """Wait for a client's end."""
    out, err = process.communicate(stdin, timeout=PATIENCE)
    return Answer(process.returncode, out, err)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
