"""backstay audit: who did or tried what."""

from __future__ import annotations

from datetime import datetime

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.moments import span_options
from tui.output import layout, print_json, print_lines
from tui.running import with_engine

_MOST = 1000  # lines of a table where no other number is asked for
_CHANGED = 6  # the exit code when a line was changed or removed: damage


@click.command(
    "audit",
    cls=Command,
    example="backstay audit --project 'Plant 7' --user rui\n"
    "backstay audit --since 2026-11-01 --refused\nbackstay audit --check",
)
@click.option("--project", metavar="PROJECT", help="Only what concerns this project.")
@click.option("--user", metavar="USER", help="Only what this user did or tried.")
@span_options()
@click.option("--allowed", is_flag=True, help="Only what was allowed.")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@click.option(
    "--last",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Only the newest N. [default: all with --json, else {_MOST:,}]",
)
@click.option("--check", "checks", is_flag=True, help="See whether a line was changed or removed.")
@click.option("--seal", metavar="SEAL", help="With --check: a seal that was kept elsewhere.")
@pass_invocation
def command(
    invocation: Invocation,
    project: str | None,
    user: str | None,
    since: datetime | None,
    until: datetime | None,
    allowed: bool,
    refused: bool,
    last: int | None,
    checks: bool,
    seal: str | None,
) -> None:
    """Show who changed or was refused what.

    Every change and every refusal in the projects that you own, and who asked for the recovery
    key: you, or anyone where every project is yours. With --check, whether the trail is whole; the
    exit code is 6 where it is not. It tells a seal to keep elsewhere: with that, a later --check
    shows whether the lines up to it are still the same.
    """
    if allowed and refused:
        raise click.UsageError("Every line is allowed or refused: give one of the two, or neither.")
    if checks:
        if any((project, user, since, until, allowed, refused, last)):
            raise click.UsageError("--check is of the whole trail: give it without a filter.")
        _check(invocation, seal)
        return
    if seal is not None:
        raise click.UsageError("--seal goes with --check.")
    from engine import Verdict

    wanted = Verdict.ALLOWED if allowed else Verdict.REFUSED if refused else None
    cut = last is None and not invocation.json
    limit = _MOST + 1 if cut else last  # one more shows that there are more
    lines = with_engine(
        invocation,
        lambda engine: engine.audit(
            project=project, user=user, since=since, until=until, verdict=wanted, limit=limit
        ),
    )
    if invocation.json:
        print_json([line.as_json() for line in lines])
        return
    from tui.views.audit import audit_table

    if not lines:
        print_lines(["Nothing is recorded that you may see, or that you asked for."])
        return
    more = cut and len(lines) > _MOST
    told = [*audit_table(lines[:_MOST] if more else lines, layout())]
    if more:
        told += [
            "",
            f"These are the newest {_MOST:,}. Others: --last N, --since T, --until T.",
        ]
    print_lines(told)


def _check(invocation: Invocation, kept: str | None) -> None:
    from tui.wording import counted

    found = with_engine(invocation, lambda engine: engine.check_audit(kept))
    if invocation.json:
        print_json(found.as_json())
    elif found.problem:
        print_lines([f"The audit trail is not as it was written: {found.problem}."])
    else:
        lines = [f"{counted(found.lines, 'line')}, none of which was changed or removed."]
        if found.kept_line is not None:
            lines.append(f"The seal that was kept is that of line {found.kept_line}.")
        lines += [
            f"Seal of the last: {found.seal}",
            "Keep it elsewhere: whoever rewrites the whole trail cannot come to it again. To see",
            "whether that was done: backstay audit --check --seal SEAL",
        ]
        print_lines(lines)
    if found.problem:
        raise click.exceptions.Exit(_CHANGED)
