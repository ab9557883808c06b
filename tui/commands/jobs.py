"""backstay jobs: what was asked for, where it is, and how it ended."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import watch, with_engine

_MOST = 100  # jobs in the list


@click.command(
    "jobs",
    cls=Command,
    example="backstay jobs --project 'Plant 7'\nbackstay jobs 4f2a81c0 --watch\n"
    "backstay jobs 4f2a81c0 --tokens",
)
@click.argument("job", required=False)
@click.option("--watch", "watches", is_flag=True, help="Follow JOB until it ends.")
@click.option("--report", "reports", is_flag=True, help="What a restore made, and what is to do.")
@click.option("--tokens", is_flag=True, help="The new tokens of a restore, as CSV: secret.")
@click.option("--project", metavar="PROJECT", help="Only the jobs of this project.")
@pass_invocation
def command(
    invocation: Invocation,
    job: str | None,
    watches: bool,
    reports: bool,
    tokens: bool,
    project: str | None,
) -> None:
    """List the latest jobs of your projects, or show one.

    JOB is its id or the beginning of it. With --watch the exit code is how the job ended; Ctrl+C
    ends the watching and not the job. --report and --tokens are for restores that succeeded: as
    `backstay restore` told them, for who was not there any more to read it.
    """
    if watches + reports + tokens > 1:
        raise click.UsageError("Give one of --watch, --report and --tokens.")
    if job is None:
        if watches or reports or tokens:
            what = "watch" if watches else "report" if reports else "tokens"
            raise click.UsageError(f"Name the job: jobs JOB --{what}.")
        _list(invocation, project)
    elif project is not None:
        raise click.UsageError("A job has one project: give either JOB or --project.")
    elif reports or tokens:
        _report(invocation, job, tokens=tokens)
    else:
        _show(invocation, job, watches)


def _list(invocation: Invocation, project: str | None) -> None:
    jobs = with_engine(invocation, lambda engine: engine.jobs(project, limit=_MOST))
    if invocation.json:
        print_json([job.as_json() for job in jobs])
        return
    if not jobs:
        print_lines(["Nothing was asked for yet, of projects that you own."])
        return
    from tui.views.jobs import jobs_table

    lines = [*jobs_table(jobs, layout()), ""]
    if len(jobs) == _MOST:
        lines.append(f"These are the latest {_MOST}.")
    one = plain(invocation.command_line("jobs", jobs[0].id[:8]))
    print_lines([*lines, f"See one with: {one}"])


def _show(invocation: Invocation, ref: str, watches: bool) -> None:
    from engine import Engine, Job

    async def find(engine: Engine) -> Job:
        if watches:
            return await watch(await engine.watch(ref), invocation)
        return await engine.job(ref)

    # The job runs in a worker of its own: it has to go on when nobody watches any more.
    job = with_engine(invocation, find, works=False)
    if invocation.json:
        print_json(job.as_json())
        return
    from engine import JobKind, JobState, system_clock
    from tui.views.jobs import job_lines

    lines = job_lines(job, system_clock(), layout())
    if job.kind is JobKind.RESTORE and job.state is JobState.SUCCEEDED:
        report = plain(invocation.command_line("jobs", job.id[:8], "--report"))
        lines += ["", f"See what it made with: {report}"]
    print_lines(lines)


def _report(invocation: Invocation, ref: str, *, tokens: bool) -> None:
    report = with_engine(invocation, lambda engine: engine.report(ref), works=False)
    if invocation.json:
        print_json([each.as_json() for each in report.tokens] if tokens else report.as_json())
        return
    if tokens:
        from tui.tokens_file import tokens_csv

        print_lines(tokens_csv(report.tokens).splitlines())
        return
    from tui.views.restored import report_lines

    print_lines(report_lines(report, invocation, layout()))
