"""backstay audit: who did or tried what."""

from __future__ import annotations

from datetime import datetime

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine

_CHANGED = 6  # the exit code when a line was changed or removed: damage


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    """A date, or a date and time, as it is typed; UTC where no other zone is given."""
    if text is None:
        return None
    from datetime import UTC

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("give a date such as 2026-11-23, or 2026-11-23T03:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command(
    "audit",
    cls=Command,
    example="backstay audit --project 'Plant 7' --user rui\n"
    "backstay audit --since 2026-11-01 --refused\nbackstay audit --check",
)
@click.option("--project", metavar="PROJECT", help="Only what concerns this project.")
@click.option("--user", metavar="USER", help="Only what this user did or tried.")
@click.option("--since", metavar="DATE", callback=_moment, help="Only from this moment on (UTC).")
@click.option("--until", metavar="DATE", callback=_moment, help="Only before this moment (UTC).")
@click.option("--allowed", "verdict", flag_value="allowed", help="Only what was allowed.")
@click.option("--refused", "verdict", flag_value="refused", help="Only what was refused.")
@click.option("--check", "checks", is_flag=True, help="See whether a line was changed or removed.")
@pass_invocation
def command(
    invocation: Invocation,
    project: str | None,
    user: str | None,
    since: datetime | None,
    until: datetime | None,
    verdict: str | None,
    checks: bool,
) -> None:
    """Show who changed or was refused what.

    Every change and every refusal in the projects that you own, and who asked for the recovery
    key: you, or anyone where every project is yours. With --check, whether the trail is whole; the
    exit code is 6 where it is not.
    """
    if checks:
        if any((project, user, since, until, verdict)):
            raise click.UsageError("--check is of the whole trail: give it alone.")
        _check(invocation)
        return
    from engine import Verdict

    wanted = Verdict(verdict) if verdict else None
    lines = with_engine(
        invocation,
        lambda engine: engine.audit(
            project=project, user=user, since=since, until=until, verdict=wanted
        ),
    )
    if invocation.json:
        print_json([line.as_json() for line in lines])
        return
    from tui.views.audit import audit_table

    nothing = ["Nothing is recorded that you may see, or that you asked for."]
    print_lines(audit_table(lines, layout()) if lines else nothing)


def _check(invocation: Invocation) -> None:
    from tui.wording import counted

    found = with_engine(invocation, lambda engine: engine.check_audit())
    if invocation.json:
        print_json(found.as_json())
    elif found.problem:
        print_lines([f"The audit trail is not as it was written: {found.problem}."])
    else:
        print_lines(
            [
                f"{counted(found.lines, 'line')}, none of which was changed or removed.",
                f"Seal of the last: {found.seal}",
                "Keep it elsewhere: whoever rewrites the whole trail cannot come to it again.",
            ]
        )
    if found.problem:
        raise click.exceptions.Exit(_CHANGED)
