"""Tables are aligned, fit the width at hand, and use colour only beside a word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from engine import (
    AuditLine,
    Backup,
    BackupDetails,
    BackupKind,
    BackupState,
    ContentLine,
    CostLine,
    DeviceFacts,
    Health,
    HealthState,
    Job,
    JobKind,
    JobState,
    MissingCode,
    Money,
    NewToken,
    Origin,
    Plan,
    PlannedRun,
    Progress,
    Project,
    ProjectState,
    QuietItem,
    Quote,
    RestoreReport,
    Role,
    Verdict,
)
from tui.invocation import Invocation
from tui.output import Layout
from tui.plain_text import cells
from tui.table import Column, table
from tui.views.audit import audit_table
from tui.views.backups import backups_table, details_lines, short_ids
from tui.views.health import health_lines
from tui.views.jobs import job_lines, jobs_table
from tui.views.money import costs_table
from tui.views.projects import members_table, projects_table
from tui.views.quotes import quote_lines
from tui.views.restored import quiet_table, report_lines, tokens_table
from tui.views.schedules import leaving_table, plan_lines

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
HOSTILE = "\x1b[2J\u202eA device whose name is very much longer than a table has room for"


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


def backup(day: int) -> Backup:
    return Backup(
        id=f"{day:02d}" * 12,
        project="0123456789ab",
        date=datetime(2026, 11, day, 3, 0, tzinfo=UTC),
        kind=BackupKind.SCHEDULED,
        state=BackupState.COMPLETE,
        size=68_200_000,
        added=6_500_000,
        data=920_000_000,
        devices=200,
        variables=2_904_452,
        actions=14,
        analyses=5,
        accounts=3,
    )


def project(name: str, *, quiet: bool = False, role: Role = Role.OWNER) -> Project:
    return Project(
        id="0123456789ab",
        name=name,
        path=Path("/srv/tagocore"),
        state=ProjectState.ACTIVE,
        quiet=quiet,
        origin=Origin.ADOPTED,
        role=role,
        owners=("rui", "marta"),
        collaborators=("joao",),
        created=NOW,
    )


QUIET = (QuietItem("data retention", "715f6b96bfa47992f15881f9", HOSTILE, "3 month"),)
DEVICES = (
    DeviceFacts("715fd9bc3b5f296f92bfa02f", HOSTILE, 14_500, NOW, NOW, 57_344),
    DeviceFacts("715f6b96bfa47992f15881f9", "Tank", 0, None, None, 0, "its file is not SQLite"),
)
DETAILS = BackupDetails(
    backup=backup(23),
    project_name=HOSTILE,
    devices=DEVICES,
    content=(ContentLine("analysis code", "not included", "its paths are listed " * 5),),
    notes=(HOSTILE * 2,),
    encrypted=True,
    longest_lock=0.0123,
)
REPORT = RestoreReport(
    job="4f2a",
    project=project("Plant 7 restored", quiet=True),
    backup=backup(23).id,
    port=8081,
    devices=200,
    variables=2_904_452,
    seconds=12.3,
    charged=euros("49"),
    tokens=(NewToken("d", HOSTILE, HOSTILE, "full", "0b6705db-3537-4b64-af2d-cef6dfe7a827"),),
    analyses_without_code=(MissingCode("715fe0c92fd40f49fc7d3be4", HOSTILE, "/srv/" * 30),),
    parsers_without_code=(),
    quiet=QUIET,
    notes=(HOSTILE,),
)
QUOTE = Quote(
    creation_fee=euros("49"),
    hourly=euros("0.034"),
    this_month=euros("55"),
    monthly=euros("24.82"),
    month_ends=datetime(2026, 12, 1, tzinfo=UTC),
    priced=True,
)
COST = CostLine("0123456789ab", HOSTILE, "2026-11", Decimal("176.4705"), euros("49"), euros("6"))
AUDIT = AuditLine(7, NOW, HOSTILE, "restore", HOSTILE, Verdict.REFUSED, "not an owner " * 12)
JOB = Job(
    id="4f2a81c09d3e",
    kind=JobKind.BACKUP,
    project="0123456789ab",
    project_name=HOSTILE,
    user="ana",
    state=JobState.FAILED,
    asked=NOW,
    progress=Progress("reading the databases", 604_000_000, 920_000_000, 210_000_000.0),
    started=NOW,
    finished=NOW + timedelta(seconds=4.2),
    error="Damaged",
    reason=HOSTILE * 2,
    hint="Mend what it names, then try again. " * 4,
    slot="2026-11-23",
    attempt=2,
)
RUNNING = JOB._replace(state=JobState.RUNNING, finished=None, reason="", hint="")
HEALTH = Health(
    project="0123456789ab",
    project_name=HOSTILE,
    state=HealthState.FAILING,
    reason="The backup failed: " + HOSTILE,
    last_good=NOW - timedelta(days=3),
    next_run=NOW + timedelta(hours=21),
    zone="Australia/Lord_Howe",
    running=RUNNING,
    hint="Backups that were made before are safe. " * 3,
)
PLAN = Plan(
    project="0123456789ab",
    project_name=HOSTILE,
    at="01:30",
    zone="America/Argentina/ComodRivadavia",
    keep=7,
    runs=(
        PlannedRun("2026-11-24", NOW + timedelta(hours=21), ""),
        PlannedRun("2026-11-25", NOW + timedelta(hours=45), "01:30 does not exist " * 5),
    ),
    notes=("2026-11-22: not doubled: " + HOSTILE,),
)

VIEWS: dict[str, Callable[[Layout], list[str]]] = {
    "projects": lambda layout: projects_table(
        [project(HOSTILE), project("Harbour", role=Role.COLLABORATOR)],
        {"0123456789ab": [backup(23)]},
        NOW,
        layout,
    ),
    "members": lambda layout: members_table(
        project("Plant 7")._replace(owners=(HOSTILE, "rui")), layout
    ),
    "backups": lambda layout: backups_table([backup(day) for day in (23, 22, 21)], NOW, layout),
    "show": lambda layout: details_lines(DETAILS, NOW, layout),
    "quote": lambda layout: quote_lines(QUOTE, layout),
    "restore": lambda layout: report_lines(REPORT, Invocation(), layout, tokens_told="In a file."),
    "tokens": lambda layout: tokens_table(REPORT.tokens, layout),
    "wake": lambda layout: quiet_table(QUIET, "Put back", layout),
    "costs": lambda layout: costs_table([COST], layout),
    "audit": lambda layout: audit_table([AUDIT], layout),
    "jobs": lambda layout: jobs_table([RUNNING, JOB], layout),
    "job": lambda layout: job_lines(JOB, NOW, layout),
    "running job": lambda layout: job_lines(RUNNING, NOW, layout),
    "status": lambda layout: health_lines([HEALTH], NOW, layout),
    "schedule": lambda layout: plan_lines(PLAN, NOW, Invocation(), layout, worker_stays=False),
    "leaving": lambda layout: leaving_table([backup(22), backup(23)], None, NOW, layout),
}


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_the_terminal(view: str, width: int) -> None:
    too_long = [line for line in VIEWS[view](Layout(width)) if cells(line) > width]
    assert too_long == []


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_names_are_neutralised_in_every_view(view: str) -> None:
    text = "\n".join(VIEWS[view](Layout()))
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("view", sorted(VIEWS.keys() - {"quote", "backups", "leaving"}))
def test_piped_output_cuts_no_name(view: str) -> None:
    text = " ".join("\n".join(VIEWS[view](Layout())).split())
    assert "\\x1b[2J\\u202eA device whose name is very much longer than a table has" in text


@pytest.mark.parametrize("view", VIEWS)
def test_colour_changes_no_word(view: str) -> None:
    coloured = "\n".join(VIEWS[view](Layout(80, colour=True)))
    for code in ("2", "31", "32", "33", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    bare = [line.rstrip() for line in VIEWS[view](Layout(80))]
    assert [line.rstrip() for line in coloured.splitlines()] == bare


def test_numbers_stand_to_the_right_and_text_to_the_left() -> None:
    columns = [Column("Name"), Column("Count", right=True), Column("End")]
    laid_out = table(columns, [["a", "1", "x"], ["long", "1,000,000", "y"]], Layout())
    assert laid_out.lines == (
        "Name      Count  End",
        "a             1  x",
        "long  1,000,000  y",
    )


def test_a_short_width_shortens_names_before_it_leaves_columns_out() -> None:
    columns = [Column("Name", least=6), Column("Id", drop=1), Column("Size", right=True)]
    rows = [["a long long name", "0123456789", "5 MB"]]
    assert table(columns, rows, Layout(26)).lines[1] == "a long…   0123456789  5 MB"
    narrow = table(columns, rows, Layout(20))
    assert narrow.lines[1] == "a long long n…  5 MB"
    assert narrow.left_out == ("Id",)
    assert narrow.note() == ["No room here for: Id. A wider terminal shows them."]


def test_a_folding_column_goes_on_under_itself() -> None:
    columns = [Column("What"), Column("Note", folds=True)]
    lines = table(columns, [["code", "put it back after a restore"]], Layout(22)).lines
    assert lines == ("What  Note", "code  put it back", "      after a restore")


def test_backups_are_told_with_date_age_size_and_sums() -> None:
    lines = backups_table([backup(23), backup(22)], NOW, Layout())
    assert lines[0].split()[:4] == ["Date", "(UTC)", "Age", "Size"]
    assert "Mon 23 Nov 2026 03:00  3 hours ago  68.2 MB  6.5 MB  scheduled" in lines[1]
    assert "2,904,452" in lines[1]
    assert lines[1].endswith(backup(23).id)
    assert lines[-1] == "2 backups of 1.8 GB of data."
    told = backups_table([backup(23), backup(22)], NOW, Layout(), 75_000_000)[-1]
    assert told == "2 backups of 1.8 GB of data. The repository of this home takes 75.0 MB."


def test_ids_are_short_on_a_terminal() -> None:
    assert backups_table([backup(23)], NOW, Layout(160))[1].endswith("  23232323")


def test_a_backup_of_the_future_is_told_as_such() -> None:
    lines = backups_table([backup(23)], NOW - timedelta(days=2), Layout())
    assert "from now" in lines[1]


def test_a_damaged_backup_is_named_in_words() -> None:
    bad = backup(23)._replace(state=BackupState.DAMAGED)
    assert "damaged" in backups_table([bad, backup(22)], NOW, Layout(80))[1]
    assert "1 damaged" in projects_table([project("P")], {"0123456789ab": [bad]}, NOW, Layout())[1]


def test_ids_are_shortened_only_as_far_as_they_stay_apart() -> None:
    alike = ["abcdef0123456", "abcdef0123999", "abcdef0123999"]
    assert short_ids(alike) == {
        "abcdef0123456": "abcdef01234",
        "abcdef0123999": "abcdef01239",
    }
    assert short_ids(["0" * 24, "1" * 24]) == {"0" * 24: "0" * 8, "1" * 24: "1" * 8}


def test_devices_without_data_are_told_with_the_reason() -> None:
    text = "\n".join(details_lines(DETAILS, NOW, Layout(80)))
    assert "not in it" in text
    assert "Tank (715f6b96bfa47992f15881f9): its file is not SQLite" in text
    assert "12 ms" in text


def test_no_prices_are_told_as_such() -> None:
    free = QUOTE._replace(priced=False)
    assert "No prices are set in this home" in "\n".join(quote_lines(free, Layout()))


def test_a_quote_adds_up_until_the_last_day_of_the_month() -> None:
    text = "\n".join(quote_lines(QUOTE, Layout()))
    assert "This month, until 30 Nov  49.00 EUR + 6.00 EUR = 55.00 EUR" in text
    assert "0.034 EUR an hour, about 24.82 EUR a month" in text


def test_a_collaborator_reads_whose_the_backups_are() -> None:
    lines = projects_table([project("Harbour", role=Role.COLLABORATOR)], {}, NOW, Layout())
    assert "owners only: rui, marta" in lines[1]


def test_costs_are_summed_by_currency() -> None:
    other = COST._replace(creation_fee=Money(Decimal(10), "USD"), running=Money(Decimal(1), "USD"))
    assert "In all 110.00 EUR, 11.00 USD." in costs_table([COST, COST, other], Layout())


def test_a_job_that_took_no_time_is_told_as_done() -> None:
    done = JOB._replace(state=JobState.SUCCEEDED, finished=NOW, reason="", hint="")
    assert jobs_table([done], Layout())[1].endswith("  ana  done")
    assert "took" not in "\n".join(job_lines(done, NOW, Layout()))
    longer = done._replace(finished=NOW + timedelta(milliseconds=12))
    assert jobs_table([longer], Layout())[1].endswith("  took 12 ms")
    never_began = done._replace(state=JobState.CANCELLED, started=None)
    assert jobs_table([never_began], Layout())[1].endswith("  –")


def test_a_running_job_tells_how_far_it_is_and_how_long_it_will_take() -> None:
    text = "\n".join(job_lines(RUNNING, NOW, Layout()))
    assert "604.0 MB of 920.0 MB, 65 %, 210.0 MB/s" in text
    assert "  Left     about 2 s" in text
    assert jobs_table([RUNNING], Layout())[1].endswith("  65 %, about 2 s left")
    unknown = RUNNING._replace(progress=Progress("looking", 0, 0))
    assert "estimating" in "\n".join(job_lines(unknown, NOW, Layout()))
    assert jobs_table([unknown], Layout())[1].endswith("  looking")


def test_a_slot_that_ran_again_and_those_that_went_otherwise_are_told() -> None:
    text = "\n".join(job_lines(JOB, NOW, Layout()))
    assert "the scheduled backup of 2026-11-23, once more after its worker had died" in text
    assert "not doubled" in "\n".join(
        plan_lines(PLAN, NOW, Invocation(), Layout(), worker_stays=True)
    )


def test_remarks_have_a_column_only_where_there_are_some() -> None:
    def titles(plan: Plan) -> str:
        lines = plan_lines(plan, NOW, Invocation(), Layout(), worker_stays=True)
        return next(line for line in lines if line.startswith("Next runs"))

    assert titles(PLAN).split("  ")[-1] == "Remark"
    assert "Remark" not in titles(PLAN._replace(runs=PLAN.runs[:1]))


def test_each_date_of_a_plan_is_told_in_its_own_zone() -> None:
    text = "\n".join(health_lines([HEALTH], NOW, Layout()))
    assert "Fri 20 Nov 2026 17:00 UTC+11, 3 days ago" in text
    assert "Tue 24 Nov 2026 14:00 UTC+11, in 21 hours" in text
