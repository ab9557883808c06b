"""Jobs: what was asked for is seen, followed and stopped from anywhere, and outlives a terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tui.commands.jobs
from engine.lock import WorkLock

if TYPE_CHECKING:
    from conftest import Held, Runner, Terminal

    Open = Callable[..., Terminal]

# The same command, whose progress bar shows at once.
IMPATIENT = """
import sys, tui.progress
tui.progress.PATIENCE = 0
from tui.cli import main
sys.exit(main())
"""
JOB_KEYS = {
    *("id", "kind", "project", "project_name", "user", "state", "asked", "started", "finished"),
    *("stage", "done", "total", "rate", "seconds_left", "reason", "hint", "slot", "attempt"),
}


def test_jobs_are_listed_newest_first(backstay: Runner) -> None:
    assert backstay("cleanup", "Plant 7").code == 0
    jobs = backstay("jobs", "--json").json
    assert [(job["kind"], job["state"]) for job in jobs] == [
        ("clean-up", "succeeded"),
        ("backup", "succeeded"),
    ]
    assert all(set(job) >= JOB_KEYS for job in jobs)
    assert backstay("jobs", "--project", "Plant 7", "--json").json == jobs
    lines = backstay("jobs").out.splitlines()
    assert lines[0].split() == [
        "Id",
        "Kind",
        "Project",
        "State",
        "Asked",
        "(UTC)",
        "By",
        "Progress",
    ]
    assert lines[1].startswith(f"{jobs[0]['id']}  clean-up  Plant 7  succeeded  ")
    assert "  ana  took " in lines[1]
    assert lines[-1].endswith(f" jobs {jobs[0]['id'][:8]}")


def test_a_list_of_jobs_that_is_cut_says_so(
    backstay: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backstay("cleanup", "Plant 7").code == 0
    assert "latest" not in backstay("jobs").out
    monkeypatch.setattr(tui.commands.jobs, "_MOST", 1)
    assert "These are the latest 1." in backstay("jobs").out
    assert len(backstay("jobs", "--json").json) == 1


def test_a_job_is_found_by_its_id_and_its_beginning(backstay: Runner) -> None:
    (listed,) = backstay("jobs", "--json").json
    for ref in (listed["id"], listed["id"][:8], listed["id"][:4].upper()):
        assert backstay("jobs", ref, "--json").json == listed
    text = backstay("jobs", listed["id"]).out
    assert text.startswith(f"Job {listed['id']}: backup of Plant 7\n  State    succeeded\n")
    assert " UTC by ana, " in text
    assert " UTC, took " in text


@pytest.mark.parametrize("command", [["jobs"], ["jobs", "--watch"], ["cancel"]], ids=" ".join)
def test_only_owners_know_of_a_job(backstay: Runner, command: list[str]) -> None:
    (job,) = backstay("jobs", "--json").json
    assert backstay(*command, job["id"], "--json", user="stranger").error["name"] == "NotFound"
    refused = backstay(*command, job["id"], "--json", user="joao")
    assert (refused.code, refused.error["name"]) == (3, "NotAllowed")
    unknown = backstay(*command, "zzzz", "--json")
    assert (unknown.code, unknown.error["message"]) == (4, 'There is no job "zzzz".')


def test_a_list_of_jobs_is_for_owners(backstay: Runner) -> None:
    for user in ("joao", "stranger"):
        assert backstay("jobs", "--json", user=user).json == []
        told = backstay("jobs", user=user)
        assert told.out == "Nothing was asked for yet, of projects that you own.\n"
    assert backstay("jobs", "--project", "Plant 7", user="joao").code == 3
    assert backstay("jobs", "--project", "Plant 7", user="stranger").code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["--watch"],
        ["--report"],
        ["--tokens"],
        ["4f2a", "--report", "--watch"],
        ["4f2a", "--project", "Plant 7"],
    ],
    ids=" ".join,
)
def test_what_jobs_cannot_do_together_is_told(backstay: Runner, arguments: list[str]) -> None:
    answer = backstay("jobs", *arguments, "--json")
    assert (answer.code, answer.error["name"]) == (2, "Usage")


def test_a_job_that_failed_tells_why_and_what_to_do(backstay: Runner, damaged: str) -> None:
    assert backstay("backup", damaged).code == 6
    (job,) = backstay("jobs", "--project", damaged, "--json").json
    assert (job["state"], job["error"]) == ("failed", "SourceDamaged")
    assert "Tank immutable" in job["reason"]
    assert "--without-damaged" in job["hint"]
    line = backstay("jobs").out.splitlines()[1]
    assert f"  failed     {job['asked'][:10]} " in line
    assert "Tank immutable" in line
    text = backstay("jobs", job["id"])
    assert text.code == 0, "the job failed; showing it did not"
    assert "  Reason   " in text.out
    assert "  To do    " in text.out
    watched = backstay("jobs", job["id"], "--watch", "--json")
    assert watched.code == 6
    assert watched.error["message"] == job["reason"]


def test_a_job_is_watched_until_it_ends(backstay: Runner, held: Held) -> None:
    asking = backstay.start("backup", held.name)
    (job,) = backstay.until_jobs(held.name, "running")
    watching = backstay.start("jobs", job["id"][:8], "--watch", "--json")
    backstay.until(lambda: bool(backstay("jobs", job["id"], "--json").json["done"]))
    assert " %, " in backstay("jobs", "--project", held.name).out.splitlines()[1]
    text = backstay("jobs", job["id"]).out
    assert "  State    running\n" in text
    assert "  Stage    " in text
    assert "  Left     " in text
    held.let_go()
    said, complained = watching.communicate()
    assert (watching.returncode, complained) == (0, "")
    assert '"state": "succeeded"' in said
    assert asking.wait() == 0


def test_ctrl_c_ends_the_watching_and_not_the_job(
    backstay: Runner, held: Held, open_terminal: Open
) -> None:
    asking = backstay.start("backup", held.name)
    (job,) = backstay.until_jobs(held.name, "running")
    watching = open_terminal(
        *(IMPATIENT, "--home", str(backstay.home), "--as", "ana", "jobs", job["id"], "--watch")
    )
    watching.read_until("reading the databases")
    watching.type("\x03")
    assert watching.end() == 130
    assert "The job goes on." in watching.text
    backstay.until_jobs(held.name, "running")
    held.let_go()
    assert asking.wait() == 0


def test_a_job_that_runs_is_cancelled_and_that_is_no_failure(backstay: Runner, held: Held) -> None:
    asking = backstay.start("backup", held.name, "--json")
    (job,) = backstay.until_jobs(held.name, "running")
    told = backstay("cancel", job["id"][:8])
    assert told.code == 0
    assert f"The backup of {held.name} " in told.out
    assert f" jobs {job['id'][:8]}\n" in told.out
    assert "The work was cancelled." in asking.communicate()[1]
    assert asking.returncode == 1
    (job,) = backstay.until_jobs(held.name, "cancelled")
    assert backstay("backups", held.name, "--json").json == []
    assert backstay("status", held.name, "--json").json["projects"][0]["state"] == "never"
    again = backstay("cancel", job["id"], "--json")
    assert again.code == 2
    assert again.error["message"] == f"The job {job['id']} has ended already: cancelled."
    assert "backstay jobs" in again.error["hint"]


def test_a_job_that_waits_is_cancelled_at_once(backstay: Runner, held: Held) -> None:
    first = backstay.start("backup", held.name)
    backstay.until_jobs(held.name, "running")
    second = backstay.start("backup", held.name)
    waiting, _ = backstay.until_jobs(held.name, "queued", "running")
    assert "  waits\n" in backstay("jobs").out
    told = backstay("cancel", waiting["id"])
    assert told.out == (
        f"The backup of {held.name} was still waiting. It is cancelled: nothing was begun.\n"
    )
    assert second.wait() == 1
    text = backstay("jobs", waiting["id"]).out
    assert "Started" not in text
    assert "took" not in text
    held.let_go()
    assert first.wait() == 0


def test_cancelling_gives_the_job_to_scripts(backstay: Runner, held: Held) -> None:
    backstay.start("backup", held.name)
    (job,) = backstay.until_jobs(held.name, "running")
    told = backstay("cancel", job["id"], "--json").json
    assert set(told) >= JOB_KEYS
    assert told["id"] == job["id"]


def test_a_restore_goes_on_when_its_terminal_is_gone(backstay: Runner, on_terminal: Open) -> None:
    lock = WorkLock(backstay.home)
    lock.acquire()  # so that it cannot be done before the terminal is gone
    terminal = on_terminal(
        *("restore", "Plant 7@latest", "--name", "Again", "--accept-cost", "49.00")
    )
    backstay.until_jobs("Plant 7", "queued", "succeeded")
    assert terminal.hang_up() == -signal.SIGHUP, "the kernel told it that nobody is there"
    backstay.until_jobs("Plant 7", "queued", "succeeded")
    lock.release()
    backstay.until_jobs("Plant 7", "succeeded", "succeeded")
    _, made = sorted(backstay("projects", "--json").json, key=lambda each: len(each["path"]))
    assert made["name"] == "Again"
    assert (Path(made["path"]) / "tagocore.yml").is_file()
