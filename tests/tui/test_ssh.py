"""Owners over SSH, against a real OpenSSH server: Backstay, and nothing else of the host."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

sys.path.append(str(Path(__file__).parent))

import ssh_support
from emulator import Emulator
from ssh_support import Server, below, ended, environment, program, require_sshd, wait_until

from engine import NotAllowed
from engine.lock import WorkLock
from tui.cli import COMMANDS
from tui.remote import words_of

if TYPE_CHECKING:
    from conftest import Answer, Held, Runner

USAGE, NOT_ALLOWED = 2, 3
FREE = "free"  # a person whose key has no limits: what ours are compared with
PASSWORD = "canary-of-a-password-8c1f"


@pytest.fixture
def server(backstay: Runner, tmp_path: Path) -> Iterator[Server]:
    """A server for the prepared home, which lets in ana, an owner, and joao, a collaborator."""
    require_sshd()
    with Server(tmp_path / "server", backstay.home) as running:
        running.let_in("ana", "joao")
        yield running


@pytest.fixture
def terminal(server: Server) -> Iterator[Callable[..., Emulator]]:
    """Comes in as somebody, on a terminal."""
    opened: list[Emulator] = []

    def start(user: str, *options: str, **more: object) -> Emulator:
        opened.append(Emulator(*server.line(user, "-tt", *options), **more))  # type: ignore[arg-type]  # as given
        return opened[-1]

    yield start
    for each in opened:
        each.__exit__()


# What an owner may do


def test_an_owner_opens_the_app_and_takes_a_backup(
    server: Server, backstay: Runner, terminal: Callable[..., Emulator]
) -> None:
    app = terminal("ana")
    app.until_seen("Plant 7", "quit")
    app.press("enter")
    app.until_seen("Plant 7 › Backups")
    app.until_quiet()
    app.press("b")
    backstay.until(lambda: len(backstay("backups", "Plant 7", "--json").json) == 2)
    backstay.until_jobs("Plant 7", "succeeded", "succeeded")
    app.press("q")
    assert app.end() == 0
    backstay.until(lambda: server.audit()[-1][1] == "end session")
    begun, backup, ended_ = [line[1:] for line in server.audit() if line[0] == "ana"][-3:]
    assert backup[:2] == ("backup", "allowed")
    assert (begun[:2], ended_[:2]) == (("begin session", "allowed"), ("end session", "allowed"))
    came_from = re.fullmatch(r"(from 127\.0\.0\.1 port \d+: )the app", begun[2])
    assert came_from is not None
    assert re.fullmatch(rf"{came_from[1]}exit code 0 after \d+ s", ended_[2])
    assert (
        f"Accepted publickey for {ssh_support.ACCOUNT} {came_from[1][:-2]}"
        in server.log.read_text()
    )


def test_a_command_is_the_one_that_the_owner_would_type(server: Server, backstay: Runner) -> None:
    sent = server("ana", "backups 'Plant 7' --json")
    assert sent.json == backstay("backups", "Plant 7", "--json").json
    assert server("ana", 'backstay backups "Plant 7" --json').out == sent.out
    taken = server("ana", "backup 'Plant 7'")
    assert taken.code == 0
    # What is to be run next can be run by who reads it.
    assert re.search(r"with: backstay show [0-9a-f]{8}$", taken.out, re.MULTILINE)
    assert server("ana", "show nothing").code == 4
    assert server("ana", "backups").code == 2
    assert server("ana", "--help").out.startswith("Usage: backstay ")
    # What is not for sessions is not what they are told to do.
    assert "No worker stays. Ask whoever keeps this machine" in server("ana", "status").out
    assert "Whoever keeps this machine takes it up again" in server("ana", "forget 'Plant 7'").out


def test_an_owner_takes_a_backup_home(server: Server, backstay: Runner) -> None:
    line = [*server.line("ana"), "export 'Plant 7@latest' -"]
    got = subprocess.run(line, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert (got.returncode, got.stderr) == (0, b"")
    content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(got.stdout)).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames()[-1].endswith("/SHA256SUMS")
    assert server("ana", "export 'Plant 7@latest' plant.tar.zst").code == 3
    assert not list(backstay.home.rglob("plant.tar.zst"))


def test_without_terminal_and_command_it_is_a_plain_table(server: Server, backstay: Runner) -> None:
    told = server("ana")
    assert told.code == 0
    assert "\x1b" not in told.out
    assert re.search(r"^Plant 7 +active +owner +1, latest", told.out, re.MULTILINE)
    begun = next(line for line in server.audit() if line[1] == "begin session")
    assert begun[:3] == ("ana", "begin session", "allowed")
    assert begun[3].endswith(": the projects")


def test_who_has_no_project_is_told_what_to_do_about_it(server: Server) -> None:
    server.let_in("eve")
    told = server("eve")
    assert (told.code, told.err) == (0, "")
    assert told.out == (
        "There are no projects of yours here yet. Whoever owns one can add you to it.\n"
    )


# What a collaborator may not


def test_a_collaborator_sees_projects_and_each_other_attempt_is_told(
    server: Server, backstay: Runner
) -> None:
    (backup,) = backstay("backups", "Plant 7", "--json").json
    (job,) = backstay("jobs", "--project", "Plant 7", "--json").json
    sent = [
        *("backup 'Plant 7'", "backups 'Plant 7'", f"show {backup['id']}", "show 'Plant 7@latest'"),
        *(f"quote {backup['id']}", f"restore {backup['id']} --name Mine --accept-cost 49.00"),
        *("jobs --project 'Plant 7'", f"jobs {job['id']}", f"cancel {job['id']}"),
        *("schedule 'Plant 7'", "schedule 'Plant 7' --keep 1 --yes", "cleanup 'Plant 7'"),
        *("members 'Plant 7'", "members 'Plant 7' remove ana", "audit --project 'Plant 7'"),
        *("wake 'Plant 7'", "stop 'Plant 7'", "start 'Plant 7'", "forget 'Plant 7'"),
        *("delete 'Plant 7' --confirm 'Plant 7'", "repository key", "notify --test"),
        *(f"contents {backup['id']}", "contents 'Plant 7@latest'"),
        *("verify 'Plant 7@latest'", "status 'Plant 7'", "audit --check"),
        *("diff 'Plant 7@latest'", "export 'Plant 7@latest' -"),
        *(
            "transfer --from 'Plant 7' --to 'Plant 7' --dry-run",
            "members 'Plant 7' invite eve --role owner",
        ),
    ]
    # What is his own business: what he sees, what he owns, and how he sees it.
    left = {"projects", "costs", "open"}
    tried = {shlex.split(one)[0] for one in sent}
    assert {name for name in COMMANDS if not_over_ssh(name)} == set(COMMANDS) - tried - left
    answers = [ended(each) for each in [server.start("joao", one) for one in sent]]
    told = {one: answer.code for one, answer in zip(sent, answers, strict=True)}
    assert told == dict.fromkeys(sent, NOT_ALLOWED)
    assert all(answer.out == "" for answer in answers)
    trail = [line for line in server.audit() if line[0] == "joao"]
    assert [line[2] for line in trail].count("refused") == len(sent)
    assert [line[1] for line in trail].count("begin session") == len(sent)
    assert [line[1] for line in trail].count("end session") == len(sent)
    seen = server("joao", "projects")
    assert seen.code == 0
    assert re.search(r"^Plant 7 +active +collaborator", seen.out, re.MULTILINE)
    assert len(backstay("backups", "Plant 7", "--json").json) == 1
    for words in ("costs --json", "jobs --json", "status --json", "audit --refused --json"):
        nothing = server("joao", words).out
        assert backup["id"] not in nothing
        assert "Plant 7" not in nothing


def not_over_ssh(name: str) -> bool:
    """Whether no session may run a command, whoever's it is."""
    try:
        words_of(name)
    except NotAllowed:
        return True
    return False


# What nobody may


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


# What a connection that drops does


@pytest.mark.parametrize("options", [[], ["-tt"]], ids=["no terminal", "terminal"])
def test_a_session_that_is_dropped_leaves_its_restore_running(
    server: Server, backstay: Runner, options: list[str]
) -> None:
    lock = WorkLock(backstay.home)
    lock.acquire()
    sent = "restore 'Plant 7@latest' --name Again --accept-cost 49.00"
    client = server.start("ana", sent, *options)
    backstay.until_jobs("Plant 7", "queued", "succeeded")
    client.kill()
    client.wait()
    wait_until(lambda: "Connection closed by" in server.log.read_text() or not connections(server))
    backstay.until_jobs("Plant 7", "queued", "succeeded")
    lock.release()
    backstay.until_jobs("Plant 7", "succeeded", "succeeded")
    names = [each["name"] for each in backstay("projects", "--json").json]
    assert sorted(names) == ["Again", "Plant 7"]
    backstay.until(lambda: server.audit()[-1][1] == "end session")


def connections(server: Server) -> list[int]:
    """The processes of the server that serve somebody."""
    return [
        each.number
        for each in below(server.process)
        if each.words and each.words[0].startswith("sshd: ")
    ]


def test_an_app_whose_connection_drops_ends_and_is_told_of(
    server: Server, backstay: Runner, terminal: Callable[..., Emulator]
) -> None:
    app = terminal("ana")
    app.until_seen("Plant 7", "quit")
    assert len(server.sessions()) == 1
    app.process.kill()
    wait_until(lambda: not server.sessions())
    last = server.audit()[-1]
    assert last[:3] == ("ana", "end session", "allowed")
    assert f"exit code {128 + signal.SIGHUP} " in last[3]


def test_an_app_without_a_shell_behind_it_does_not_stop(
    terminal: Callable[..., Emulator],
) -> None:
    app = terminal("ana")
    app.until_seen("Plant 7", "quit")
    app.press("ctrl+z")
    app.press("q")
    assert app.end() == 0


# Many at once, and what others could reach


def test_ten_sessions_at_once_lose_nothing(server: Server, backstay: Runner, held: Held) -> None:
    users = [f"user{number}" for number in range(5)]
    backup = backstay.start("backup", held.name)
    backstay.until_jobs(held.name, "running")
    before = len(server.audit())
    clients = [
        *(
            server.start("ana", f"members 'Plant 7' add {user} --role collaborator")
            for user in users
        ),
        *(server.start("ana", "backups 'Plant 7' --json") for _ in range(3)),
        *(server.start("joao", sent) for sent in ("projects", "backups 'Plant 7'")),
    ]
    answers = [ended(client) for client in clients]
    assert [answer.code for answer in answers] == [0] * 9 + [NOT_ALLOWED], answers
    members = backstay("members", "Plant 7", "--json").out
    assert all(user in members for user in users)
    actions = [line[1] for line in server.audit()[before:]]
    assert {action: actions.count(action) for action in set(actions)} == {
        "begin session": 10,
        "end session": 10,
        "add member": 5,
        "see backups": 1,
    }
    assert backup.poll() is None
    held.let_go()
    backstay.until_jobs(held.name, "succeeded")


def test_whatever_the_umask_nothing_of_the_home_is_for_others(
    server: Server, backstay: Runner
) -> None:
    line = next(line for line in server.keys.read_text().splitlines() if line.endswith(" ana"))
    forced = line.split('command="', 1)[1].split('" ssh-', 1)[0].replace('\\"', '"')
    for sent in (
        "backup 'Plant 7'",
        "restore 'Plant 7@latest' --name Again --accept-cost 49.00",
        "notify --test",
    ):
        done = subprocess.run(
            ["/bin/sh", "-c", forced],
            env={**os.environ, "SSH_ORIGINAL_COMMAND": sent},
            umask=0,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 2), done.stderr
    made = [backstay.home, *backstay.home.rglob("*")]
    assert len(made) > 20
    assert [path for path in made if path.lstat().st_mode & 0o077 and not path.is_symlink()] == []


@pytest.mark.parametrize(
    ("name", "mode"),
    [("", 0o770), ("", 0o707), ("repository.key", 0o640), ("backstay.toml", 0o666)],
)
def test_a_home_that_others_can_reach_is_refused_by_name(
    server: Server, backstay: Runner, name: str, mode: int
) -> None:
    path = backstay.home / name
    path.chmod(mode)
    told = server("ana", "backups 'Plant 7'")
    assert told.code == 7
    assert told.out == ""
    assert f"{path} can be" in told.err
    assert f"chmod {'600' if name else '700'} {path}" in told.err
    path.chmod(0o600 if name else 0o700)
    assert server("ana", "backups 'Plant 7'").code == 0


def test_authorized_keys_that_others_can_change_is_refused_by_name(server: Server) -> None:
    public = f"{server.keygen('rui')}.pub"
    for path in (server.keys, server.keys.parent):
        before = server.keys.read_bytes()
        path.chmod(0o777)
        for arguments in (("list",), ("remove", "ana"), ("add-key", "rui", public)):
            told = server.keeper("access", *arguments, "--file", str(server.keys))
            assert told.code == 7
            assert f"{path} can be changed by other users" in told.err
        path.chmod(0o700)
        assert server.keys.read_bytes() == before


def test_no_secret_is_where_others_could_see_it(
    server: Server, backstay: Runner, held: Held
) -> None:
    with (backstay.home / "backstay.toml").open("a") as settings:
        settings.write(f'[notify]\nurls = ["json://user:{PASSWORD}@127.0.0.1:9/"]\n')
    secrets = [PASSWORD, backstay("repository", "key", "--json", user=ssh_support.ACCOUNT)
               .json["recovery_key"], *tokens(backstay)]  # fmt: skip
    assert len(secrets) > 3
    told: list[Answer] = [
        server("ana", sent)
        for sent in (
            "notify --test",
            "restore 'Plant 7@latest' --name Again --accept-cost 49.00",
            f"restore --tokens-file {PASSWORD}",
            f"projects --as {PASSWORD}",
            f"projects; {PASSWORD}",
            "audit",
            "jobs",
        )
    ]
    # What sends a secret back to who sent it tells nobody anything; that it is kept would.
    client = server.start("ana", f"backup {held.name}")
    wait_until(lambda: len(server.children()) > 1)
    family = [*server.sessions(), *(each.number for each in server.children())]
    shown = [Path(f"/proc/{each}/{what}") for each in family for what in ("cmdline", "environ")]
    seen = b"\n".join(path.read_bytes() for path in shown)
    held.let_go()
    told.append(ended(client))
    told.append(server("ana", "restore 'Plant 7@latest' --name Mine --accept-cost 49.00 --json"))
    new_tokens = [each["token"] for each in json.loads(told.pop().out)["tokens"]]
    seen += b"".join(path.read_bytes() for path in backstay.home.glob("*.log"))
    seen += server.log.read_bytes()
    seen += "\n".join(answer.out + answer.err for answer in told).encode()
    seen += repr(server.audit()).encode()
    for secret in [*secrets, *new_tokens]:
        assert secret.encode() not in seen


def tokens(backstay: Runner) -> list[str]:
    """The device tokens of Plant 7."""
    told = backstay("projects", "--json").json
    (project,) = (each for each in told if each["name"] == "Plant 7")
    (file,) = Path(project["path"]).rglob("data.db")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        found = [token for (token,) in database.execute("SELECT token FROM device_token")]
    database.close()
    return found
