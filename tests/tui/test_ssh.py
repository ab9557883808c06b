"""A team over SSH, against a real OpenSSH server: what owners and collaborators may, and drops."""

from __future__ import annotations

import io
import re
import shlex
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

sys.path.append(str(Path(__file__).parent))

import ssh_support
from emulator import Emulator
from ssh_support import Server, below, ended, wait_until

from engine import NotAllowed
from engine.lock import WorkLock
from tui.cli import COMMANDS
from tui.remote import words_of

if TYPE_CHECKING:
    from conftest import Held, Runner

NOT_ALLOWED = 3
SSH_FAILED = 255  # how ssh(1) ends that is not let in


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


def test_the_app_tells_who_came_in_of_no_command_that_is_not_for_them(
    server: Server, backstay: Runner, terminal: Callable[..., Emulator]
) -> None:
    told = backstay("schedule", "Plant 7", "--at", "03:00", "--timezone", "UTC")
    assert "Start one with: backstay " in told.out  # to the account that can
    app = terminal("ana")
    for key in ("", "enter", "s"):  # the projects, the backups of one, its main database
        app.press(*([key] if key else []))
        app.until_seen("Ask whoever keeps this machine to start a worker.")
        assert "backstay worker" not in app.text
        app.until_quiet()
    server.let_in("eve")
    app = terminal("eve")
    app.until_seen("No projects yet.", "\n   Ask who owns a project here to add you to it.")
    assert "backstay adopt" not in app.text


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


# Who is let in no more


def test_a_key_that_is_removed_ends_the_sessions_of_its_owner(
    server: Server, backstay: Runner, terminal: Callable[..., Emulator], held: Held
) -> None:
    of_ana, of_joao = terminal("ana"), terminal("joao")
    of_ana.until_seen("Plant 7", "quit")
    of_joao.until_seen("Plant 7", "quit")
    working = server.start("ana", f"backup {held.name}")
    backstay.until_jobs(held.name, "running")
    told = server.keeper("access", "remove", "ana", "--file", str(server.keys))
    assert told.out == "1 key lets ana in no more. 2 open sessions were ended.\n"
    stopped = 128 + signal.SIGTERM
    assert (of_ana.end(), ended(working).code) == (stopped, stopped)
    assert of_ana.taken == []
    backstay.until_jobs(held.name, "cancelled")
    ends = [line for line in server.audit() if line[:2] == ("ana", "end session")]
    assert [f"exit code {stopped} " in line[3] for line in ends] == [True, True]
    of_joao.press("?")
    of_joao.until_seen("What it does")
    assert server("ana", "projects").code == SSH_FAILED


def test_an_open_session_may_do_no_more_than_its_owner_may_now(
    server: Server, backstay: Runner, terminal: Callable[..., Emulator]
) -> None:
    app = terminal("ana")
    app.until_seen("Plant 7", "quit")
    app.press("enter")
    app.until_seen("Plant 7 › Backups", "manual")
    assert backstay("members", "Plant 7", "remove", "ana", user="rui").code == 0
    app.until_seen("Plant 7 is not among your projects any more.")
    assert "manual" not in app.text  # what was read before
    app.press("b")
    app.until_quiet()
    app.press("escape")
    app.until_seen("No projects yet.")
    assert len(backstay("jobs", "--json", user="rui").json) == 1


# Many at once


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
