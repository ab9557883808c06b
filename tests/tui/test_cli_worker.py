"""The worker, its unit for systemd, the state of health for monitors, and messages of trouble."""

from __future__ import annotations

import asyncio
import configparser
import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine import Engine
from tui.unit import unit_text

if TYPE_CHECKING:
    from conftest import Held, Runner, Terminal

    Open = Callable[..., Terminal]

HEALTH_KEYS = {
    *("project", "project_name", "state", "reason", "hint", "since", "last_good", "next_run"),
    *("zone", "running"),
}
DAY = timedelta(days=1)


def scheduled(backstay: Runner, project: str, days_ago: int) -> None:
    """Back a project up every day, an hour and a half ago, since some days ago."""
    now = datetime.now(UTC)

    async def schedule() -> None:
        async with Engine.open(
            backstay.home, user="ana", clock=lambda: now - days_ago * DAY
        ) as engine:
            at = f"{now - timedelta(hours=1, minutes=30):%H:%M}"
            await engine.set_schedule(project, at=at, zone="UTC")

    asyncio.run(schedule())


def ask(backstay: Runner, project: str) -> None:
    """Ask the worker for a backup, and wait for nothing."""

    async def backup() -> None:
        async with Engine.open(backstay.home, user="ana") as engine:
            await engine.backup(project)

    asyncio.run(backup())


@pytest.fixture
def late(backstay: Runner, source: Path) -> str:
    """The name of a project whose backup should have been made an hour and a half ago."""
    assert backstay("adopt", str(source), "--name", "Harbour").code == 0
    scheduled(backstay, "Harbour", 3)
    return "Harbour"


# The worker


def test_a_worker_that_is_told_to_end_leaves_its_job_to_the_next(
    backstay: Runner, held: Held
) -> None:
    worker = backstay.start("worker")
    backstay.until_worker("stays")
    ask(backstay, held.name)
    backstay.until_jobs(held.name, "running")
    worker.send_signal(signal.SIGTERM)
    said, complained = worker.communicate()
    assert (worker.returncode, said, complained) == (0, "The worker has ended.\n", "")
    backstay.until_jobs(held.name, "queued")
    held.let_go()
    once = backstay("worker", "--once")
    assert (once.code, once.out) == (0, "The worker has ended.\n"), once.err
    assert backstay.until_jobs(held.name, "succeeded")
    assert len(backstay("backups", held.name, "--json").json) == 1


def test_a_second_worker_is_one_too_many(backstay: Runner) -> None:
    backstay.start("worker")
    backstay.until_worker("stays")
    for more in ([], ["--once"]):
        second = backstay("worker", *more, "--json")
        assert (second.code, second.error["name"]) == (5, "Busy")
        assert second.error["message"] == "This home has a worker already."
        assert " jobs" in second.error["hint"]


def test_ctrl_c_ends_a_worker_on_a_terminal(backstay: Runner, on_terminal: Open) -> None:
    terminal = on_terminal("worker")
    terminal.read_until("Ctrl+C ends it cleanly.")
    backstay.until_worker("stays")
    terminal.type("\x03")
    assert terminal.end() == 0
    assert "The worker has ended." in terminal.text
    assert "Traceback" not in terminal.text
    assert backstay("status", "--json").json["worker"] == "none"


def test_a_worker_that_does_not_stay_does_what_is_due_once(backstay: Runner, late: str) -> None:
    for _ in range(2):
        assert backstay("worker", "--once", "--json").json == {"worker": "ended"}
        (backup,) = backstay("backups", late, "--json").json
        assert backup["kind"] == "scheduled"
    (job,) = backstay("jobs", "--project", late, "--json").json
    assert job["slot"] is not None
    assert job["user"] != "ana"
    assert f"the scheduled backup of {job['slot']}\n" in backstay("jobs", job["id"]).out


def test_a_worker_needs_a_home(nowhere: Runner) -> None:
    for more in ([], ["--once"], ["--unit"]):
        assert nowhere("worker", *more).code == 4
    assert not nowhere.home.exists()
    assert nowhere("worker", "--once", "--unit").code == 2


# Its unit


def unit_of(text: str) -> configparser.ConfigParser:
    """A unit, read."""
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=["="], comment_prefixes=["#"], strict=True
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # its names keep their case
    parser.read_string(text)
    return parser


def test_a_unit_names_program_and_home_wherever_it_is_read(backstay: Runner) -> None:
    told = backstay("worker", "--unit")
    assert told.code == 0
    assert told.out == backstay("worker", "--unit", "--json").json["unit"]
    service = unit_of(told.out)["Service"]
    words = shlex.split(service["ExecStart"])
    assert Path(words[0]).is_absolute()
    assert words[-3:] == ["--home", str(backstay.home), "worker"]
    assert service["ReadWritePaths"] == str(backstay.home)
    assert (service["UMask"], service["NoNewPrivileges"]) == ("0077", "yes")
    assert service["Restart"] == "on-failure"
    assert f"# To install it: backstay --home {backstay.home} worker --unit | sudo " in told.out


@pytest.mark.parametrize(
    "name", ["plain", "with a space", "100 %h", 'a "$HOME" \\x20 ${USER}', "usine é 冷蔵庫"]
)
def test_a_unit_is_understood_whatever_the_home_is_called(
    backstay: Runner, tmp_path: Path, name: str
) -> None:
    home = tmp_path / name / "home"
    home.parent.mkdir()
    shutil.move(backstay.home, home)
    text = unit_text(home, "backstay worker --unit")
    service = unit_of(text)["Service"]
    of_unit = str(home).replace("%", "%%")  # a sign with a meaning there stands twice
    assert shlex.split(service["ExecStart"])[-2] == of_unit.replace("$", "$$")
    assert shlex.split(service["ReadWritePaths"]) == [of_unit]
    assert shlex.split(unit_of(text)["Unit"]["RequiresMountsFor"]) == [of_unit]
    checker = shutil.which("systemd-analyze")
    if checker is not None:
        unit = tmp_path / "backstay-test.service"
        unit.write_text(text)
        checked = subprocess.run(
            [checker, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        told = [line for line in checked.stderr.splitlines() if str(unit) in line]
        assert told == []


def test_a_home_that_a_unit_cannot_name_is_told(backstay: Runner, tmp_path: Path) -> None:
    home = tmp_path / "two\nlines"
    shutil.move(backstay.home, home)
    backstay.home = home
    refused = backstay("worker", "--unit", "--json")
    assert (refused.code, refused.error["name"]) == (2, "Invalid")


# For monitors


def test_the_state_of_health_is_told_to_scripts(backstay: Runner) -> None:
    told = backstay("status", "--json").json
    assert set(told) == {"worker", "sqlite", "projects"}
    assert told["worker"] == "none"
    assert told["sqlite"].startswith("3.")
    (health,) = told["projects"]
    assert set(health) >= HEALTH_KEYS
    (backup,) = backstay("backups", "Plant 7", "--json").json
    assert (health["state"], health["last_good"]) == ("fine", backup["date"])
    assert backstay("status", "Plant 7", "--json").json["projects"] == [health]


def test_a_library_of_sqlite_with_a_known_fault_is_told(
    backstay: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, told in (((3, 51, 2), True), ((3, 51, 3), False)):
        monkeypatch.setattr("sqlite3.sqlite_version_info", version)
        line = backstay("status").out.splitlines()[-1]
        assert line.startswith("SQLite's library is 3.")
        assert ("3.51.3 mends" in line) is told


def test_the_state_of_health_is_for_owners(backstay: Runner) -> None:
    for user in ("joao", "stranger"):
        assert backstay("status", "--json", user=user).json["projects"] == []
        assert "You own no project here.\n" in backstay("status", user=user).out
    assert backstay("status", "Plant 7", user="joao").code == 3
    assert backstay("status", "Plant 7", user="stranger").code == 4
    assert backstay("status", "Nothing").code == 4


def test_a_late_backup_alarms_until_it_is_there(backstay: Runner, late: str) -> None:
    alarm = backstay("status", "--json")
    assert alarm.code == 1
    assert {each["project_name"]: each["state"] for each in json.loads(alarm.out)["projects"]} == {
        "Harbour": "late",
        "Plant 7": "fine",
    }
    assert alarm.err == ""
    assert backstay("status", "Plant 7").code == 0, "only what was asked about"
    told = backstay("status")
    assert told.code == 1
    assert "Harbour: The backup due " in told.out
    assert backstay("worker", "--once").code == 0
    assert backstay("status", late).code == 0


def test_a_failed_backup_alarms_until_there_is_a_good_one(backstay: Runner, damaged: str) -> None:
    assert backstay("backup", damaged).code == 6
    alarm = backstay("status", damaged, "--json")
    assert alarm.code == 1
    (health,) = json.loads(alarm.out)["projects"]
    assert health["state"] == "failing"
    assert "Tank immutable" in health["reason"]
    assert backstay("backup", damaged, "--without-damaged").code == 0
    assert backstay("status", damaged).code == 0


def test_without_a_worker_it_says_how_to_start_one(backstay: Runner) -> None:
    assert backstay("schedule", "Plant 7", "--at", "03:00", "--timezone", "UTC").code == 0
    told = backstay("status")
    assert told.code == 0, "nothing is late yet"
    assert "\nPlant 7  no worker  " in told.out
    assert f"No worker stays. Start one with: backstay --home {backstay.home} worker\n" in told.out
    worker = backstay.start("worker")
    backstay.until_worker("stays")
    told = backstay("status")
    assert told.code == 0
    assert "\nPlant 7  fine   " in told.out
    assert "A worker stays and keeps the schedules.\n" in told.out
    worker.terminate()
    assert worker.wait() == 0


def test_what_runs_is_told(backstay: Runner, held: Held) -> None:
    backstay.start("backup", held.name)
    (job,) = backstay.until_jobs(held.name, "running")
    assert "Busy: There is no backup yet; the first is being made now. A backup is " in (
        backstay("status", held.name).out
    )
    (health,) = backstay("status", held.name, "--json").json["projects"]
    assert health["running"]["id"] == job["id"]


# Messages


class Listener:
    """A server on this machine that keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.called: list[str] = []  # the paths that were asked for
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                listener.called.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def place(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Where to send to, with a password in it."""
        return f"json://ana:hunter2@{self.place}/secret-path"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.close()


def set_urls(backstay: Runner, *urls: str) -> None:
    """Name these URLs in the home's settings."""
    with (backstay.home / "backstay.toml").open("a") as settings:
        settings.write(f"\n[notify]\nurls = {json.dumps(urls)}\n")


def test_a_test_message_arrives(backstay: Runner, listener: Listener) -> None:
    set_urls(backstay, listener.url)
    told = backstay("notify", "--test")
    assert told.code == 0, told.err
    assert told.out.splitlines()[1].split("  ")[1] == "sent"
    (message,) = listener.heard
    assert "test" in message["title"]
    assert "ana" in message["message"]
    (delivery,) = backstay("notify", "--test", "--json").json["sent"]
    assert set(delivery) == {"to", "problem"}
    assert delivery["problem"] is None
    assert "hunter2" not in told.out + delivery["to"]
    assert "secret-path" not in told.out + delivery["to"]


def test_a_message_that_does_not_arrive_is_told_without_secrets(
    backstay: Runner, listener: Listener
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        closed = f"json://ana:hunter2@127.0.0.1:{nobody.getsockname()[1]}/secret-path"
        set_urls(backstay, closed, listener.url)
        told = backstay("notify", "--test")
        scripts = backstay("notify", "--test", "--json")
    assert (told.code, scripts.code) == (1, 1)
    assert len(listener.heard) == 2, "the one that works is still told"
    words = [line.split("  ")[1] for line in told.out.splitlines()[1:]]
    assert words == ["failed", "sent"]
    first, second = json.loads(scripts.out)["sent"]
    assert first["problem"]
    assert second["problem"] is None
    for text in (told.out, told.err, scripts.out, scripts.err):
        assert "hunter2" not in text
        assert "secret-path" not in text


def test_test_messages_need_urls_and_an_owner(backstay: Runner, listener: Listener) -> None:
    assert backstay("notify").code == 2
    refused = backstay("notify", "--test", "--json")
    assert (refused.code, refused.error["name"]) == (2, "Invalid")
    assert str(backstay.home / "backstay.toml") in refused.error["message"]
    set_urls(backstay, listener.url)
    for user in ("joao", "stranger"):
        assert backstay("notify", "--test", user=user).code == 3
    assert listener.heard == []


def test_trouble_is_told_once_and_once_that_it_is_over(
    backstay: Runner, listener: Listener, damaged: str, source: Path, instance: Path
) -> None:
    set_urls(backstay, listener.url)
    for _ in range(2):
        assert backstay("backup", damaged).code == 6
        backstay("worker", "--once")
    assert [message["title"] for message in listener.heard] == [
        f"Backstay: the backup of {damaged} failed"
    ]
    whole = next(instance.rglob("715f6b96bfa47992f15881f9.db"))
    shutil.copyfile(whole, next(source.rglob("715f6b96bfa47992f15881f9.db")))
    assert backstay("backup", damaged).code == 0
    backstay("worker", "--once")
    assert [message["title"] for message in listener.heard[1:]] == [
        f"Backstay: {damaged} is backed up again"
    ]


def test_a_healthcheck_is_called_after_good_backups_only(
    backstay: Runner, listener: Listener, damaged: str
) -> None:
    with (backstay.home / "backstay.toml").open("a") as settings:
        settings.write(f'\n[healthcheck]\nurl = "http://{listener.place}/ping/1234"\n')
    assert backstay("backup", damaged).code == 6
    assert backstay("cleanup", damaged).code == 0
    assert listener.called == []
    assert backstay("backup", "Plant 7").code == 0
    assert listener.called == ["/ping/1234"]


def test_the_program_is_run_as_the_unit_does(backstay: Runner) -> None:
    """Through its absolute path, from another folder."""
    service = unit_of(backstay("worker", "--unit").out)["Service"]
    words = shlex.split(service["ExecStart"])
    assert words[0] in (sys.executable, str(Path(sys.executable).with_name("backstay")))
    done = subprocess.run(
        [*words, "--once"], cwd="/", env={"PATH": "/usr/bin"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"The worker has ended.\n"), done.stderr
