"""What no session over SSH may, whoever's it is: to reach anything of the host but Backstay."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parent))

from emulator import Emulator
from ssh_support import Server, ended, environment, program, wait_until

if TYPE_CHECKING:
    from conftest import Held, Runner

USAGE, NOT_ALLOWED = 2, 3
FREE = "free"  # a person whose key has no limits: what ours are compared with


def hostile(canary: Path) -> list[str | bytes]:
    """Commands that are none, each of which would make `canary` where it reached a shell."""
    touch = f"touch {canary}"
    return [
        f"; {touch}",
        f"projects; {touch}",
        f"projects && {touch}",
        f"projects | {touch}",
        f"$({touch})",
        f"`{touch}`",
        f"projects\n{touch}",
        f"projects\r{touch}",
        f"> {canary}",
        touch,
        f"sh -c '{touch}'",
        f"/bin/sh -c '{touch}'",
        "sh",
        "projects --as root",
        "projects --as=root",
        "--as root projects",
        "--as=root",
        "'--as' root projects",
        "--a\\s root projects",
        "-- --as root projects",
        "projects -- --as=root",
        "projects --home /",
        "--home=/ projects",
        "../../bin/sh",
        f"../../../..{canary}",
        f"restore 'Plant 7@latest' --name Mine --accept-cost 49.00 --tokens-file {canary}",
        f"restore 'Plant 7@latest' --name Mine --accept-cost 49.00 --tokens-file={canary}",
        f"adopt {canary.parent} --name Mine",
        "demo",
        "worker",
        "worker --unit",
        "session",
        "access list",
        f"access add-key eve {canary}",
        "repository key --enter",
        "repository -- key --enter",
        "projects '",
        "projects \\",
        "A" * 100_000,
        "projects " * 12_000,
        b"projects \xff\xfe",
        b"\xc3(",
        "projects \x1b]0;owned\x07",
        "projects \u202e",
        "internal-sftp",
        f"scp -t {canary}",
        "rsync --server . /",
        "git-upload-pack /",
    ]


def test_nothing_that_is_sent_starts_anything_else(
    server: Server, backstay: Runner, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    sent = hostile(canary)
    before = len(server.audit())
    refused = 0
    with watched(server) as (sessions, others):
        for first in range(0, len(sent), 8):
            started = [server.start("ana", each) for each in sent[first : first + 8]]
            for each, answer in zip(sent[first:], map(ended, started), strict=False):
                assert answer.code in (USAGE, NOT_ALLOWED), (each[:100], answer)
                assert answer.out == ""
                refused += answer.code == NOT_ALLOWED
    assert not canary.exists()
    assert len(sessions) > 1
    assert others == set()
    trail = server.audit()[before:]
    told = [line for line in trail if line[:3] == ("ana", "run command", "refused")]
    assert len(told) == refused > len(sent) - 5  # the others are commands with a word too many
    for line in told:
        assert re.match(r"from 127\.0\.0\.1 port \d+: This cannot be run over SSH: ", line[3])
    assert not any(str(canary) in line[3] for line in trail)
    assert {line[1] for line in trail} == {"run command", "begin session", "end session"}
    assert [each["name"] for each in backstay("projects", "--json").json] == ["Plant 7"]


def test_other_spellings_of_an_option_are_only_not_understood(server: Server) -> None:
    for sent in ("projects --a root", "projects --hom /", "projects -a root", "-as=root projects"):
        assert server("ana", sent).code == 2


@contextmanager
def watched(server: Server) -> Iterator[tuple[set[int], set[str]]]:
    """The sessions that there are meanwhile, and what they start, as far as looking shows it.

    What a shell's own start-up files start before them is no part of it.
    """
    sessions: set[int] = set()
    others: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            sessions.update(server.sessions())
            others.update(" ".join(each.words) for each in server.children())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield sessions, others
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("words", [("sftp",), ("scp",), ("scp", "-O")], ids=" ".join)
def test_files_are_not_copied(server: Server, tmp_path: Path, words: tuple[str, ...]) -> None:
    server.let_in_without_limits(FREE)
    source = tmp_path / "source file"
    source.write_text("it")

    def put(user: str) -> bool:
        target = tmp_path / f"copied by {user}"
        options = [*words[1:], *server.options(user)]
        if words[0] == "sftp":
            line = [program("sftp"), *options, "-b", "-", "127.0.0.1"]
            typed = f"put '{source}' '{target}'\n"
        else:
            there = str(target) if "-O" not in words else shlex.quote(str(target))
            line, typed = [program("scp"), *options, str(source), f"127.0.0.1:{there}"], ""
        done = subprocess.run(line, input=typed, capture_output=True, text=True, check=False)
        assert target.exists() == (done.returncode == 0), done.stderr
        return target.exists()

    assert put(FREE)
    assert not put("ana")


class Greeter:
    """A service of the host that says hello, and should be out of reach."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                other, _ = self._socket.accept()
            except OSError:  # it was shut down
                return
            with other:
                other.sendall(b"hello")

    def close(self) -> None:
        """Serve nobody any more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


@pytest.fixture
def greeter() -> Iterator[Greeter]:
    """Such a service."""
    made = Greeter()
    yield made
    made.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def said_at(port: int, client: subprocess.Popen[str], first: bytes = b"") -> bytes:
    """What is said at a port that an ssh is to forward, until it is closed; nothing where it ended.

    `first` is sent before.
    """
    said = b""
    while client.poll() is None:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=180)
        except ConnectionRefusedError:  # not yet
            continue
        with connection:
            connection.sendall(first)
            try:
                while part := connection.recv(100):
                    said += part
            except ConnectionResetError:
                pass
            return said
    return said


@pytest.mark.parametrize("how", ["-L", "-R", "-D", "-W"])
def test_no_port_is_forwarded(server: Server, greeter: Greeter, how: str) -> None:
    server.let_in_without_limits(FREE)

    def reached(user: str) -> bool:
        port, to = free_port(), f"127.0.0.1:{greeter.port}"
        if how == "-W":
            return "hello" in ended(server.start(user, None, f"-W{to}")).out
        forward = f"-D127.0.0.1:{port}" if how == "-D" else f"{how}127.0.0.1:{port}:{to}"
        client = server.start(user, None, forward, "-N", "-oExitOnForwardFailure=yes")
        address = bytes([127, 0, 0, 1]) + greeter.port.to_bytes(2)
        socks = b"\x05\x01\x00" + b"\x05\x01\x00\x01" + address  # RFC 1928
        said = said_at(port, client, socks if how == "-D" else b"")
        client.kill()
        return said.endswith(b"hello")

    assert reached(FREE)
    assert not reached("ana")


def test_neither_the_agent_nor_the_display_is_forwarded(
    server: Server, tmp_path: Path, terminal: Callable[..., Emulator]
) -> None:
    server.let_in_without_limits(FREE)
    agent = tmp_path / "agent"
    running = subprocess.Popen(
        [program("ssh-agent"), "-D", "-a", str(agent)],
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(agent.exists)
        ours = {"SSH_AUTH_SOCK": str(agent), "DISPLAY": "127.0.0.1:99"}
        # With limits of ours these two would be in the environment, too.
        told = server(FREE, 'echo "$SSH_AUTH_SOCK $DISPLAY"', "-A", "-Y", env=ours).out.split()
        assert len(told) == (2 if shutil.which("xauth") else 1)
        app = terminal("ana", "-A", "-Y", environment=ours)
        app.until_seen("Plant 7", "quit")
        (session,) = server.sessions()
        assert {"SSH_AUTH_SOCK", "DISPLAY"}.isdisjoint(environment(session))
        app.press("q")
        assert app.end() == 0
    finally:
        running.terminate()
        running.wait()


def test_what_a_client_says_of_the_environment_changes_nothing(
    server: Server, backstay: Runner, held: Held, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    evil = tmp_path / "evil"
    for module in ("tui", "engine", "sitecustomize", "usercustomize", "click"):
        (evil / module).mkdir(parents=True)
        (evil / module / "__init__.py").write_text(f"open({str(canary)!r}, 'w')")
    sent = {
        "BACKSTAY_HOME": "/",
        "BACKSTAY_TRACEBACK": "1",
        "PYTHONPATH": str(evil),
        "PYTHONHOME": str(evil),
        "PYTHONSTARTUP": str(evil / "tui" / "__init__.py"),
        "PYTHONINSPECT": "1",
        "PYTHONVERBOSE": "1",
        "PYTHONIOENCODING": "utf-16",
        "LD_LIBRARY_PATH": str(evil),
        "LD_BIND_NOW": "1",
        "XDG_DATA_HOME": str(evil),
        "TEXTUAL": "debug",
        "LC_MESSAGES": str(evil),
        "LANG": f"../../../../../..{evil}",
    }
    texts = evil / "LC_MESSAGES" / "messages.mo"
    texts.parent.mkdir()
    texts.write_bytes(translation("Show this message and exit.", "A text of the client's."))
    server.let_in_without_limits(FREE)
    arrived = server(FREE, "env", env=sent).out.splitlines()
    assert {f"{name}={value}" for name, value in sent.items()} <= set(arrived)
    plain, changed = (server("ana", "backups 'Plant 7' --json", env=env) for env in (None, sent))
    assert changed == plain
    for words in ("show nothing", "--help"):
        assert server("ana", words, env=sent) == server("ana", words)

    client = server.start("ana", f"backup {held.name}", env=sent)
    wait_until(lambda: len(server.children()) > 1)
    for child in server.children():
        told = set(environment(child.number))
        assert told & set(sent) == set()
        assert not any(name.startswith(("SSH", "BACKSTAY", "PYTHON", "LD_")) for name in told)
    held.let_go()
    assert ended(client).code == 0
    assert not canary.exists()


def translation(text: str, into: str) -> bytes:
    """A file of translations with one in it, as GNU gettext's manual says ("MO files")."""
    texts = ["", text, "Content-Type: text/plain; charset=UTF-8\n", into]
    table, at = b"", 28 + 4 * 8
    for each in texts:
        table += struct.pack("<II", len(each), at)
        at += len(each) + 1
    head = struct.pack("<7I", 0x950412DE, 0, 2, 28, 28 + 2 * 8, 0, 0)
    return head + table + b"".join(each.encode() + b"\0" for each in texts)
