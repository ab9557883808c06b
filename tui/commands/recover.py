"""backstay recover: a new home of a repository whose own home is lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import follow, run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from engine import Progress, Recovery
    from tui.output import Layout

_LONGEST = 1024  # characters of a file with a key


@click.command(
    "recover",
    cls=Command,
    example="backstay recover /mnt/rescued/repository --home /srv/backstay\n"
    "backstay recover /mnt/rescued/repository --key-file recovery-key.txt",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="The lost home's repository.key, or a file with the recovery key (- is standard input); "
    "asked for otherwise.",
)
@pass_invocation
def command(invocation: Invocation, path: Path, key_file: Path | None) -> None:
    """Make a new home of the repository in PATH.

    For a repository whose own home is lost; PATH may be that home, too. It is copied and left as
    it is. Its backups can be seen and restored at once; each project is not present until its
    folder is adopted again. Ends with 6 where a backup cannot be read.
    """
    from engine import Handle, needs_key, recover

    encrypted = run(lambda: needs_key(path))
    # A key that is at hand is never left aside: it tells a repository that only says it needs none.
    key = _key(key_file) if encrypted or key_file is not None else None

    def make(report: Callable[[Progress], None]) -> Coroutine[object, object, Recovery]:
        return recover(path, invocation.home, key=key, user=invocation.user, report=report)

    async def work() -> Recovery:
        return await follow(Handle("recover", make), invocation)

    recovery = run(work)
    if invocation.json:
        print_json(recovery.as_json())
    else:
        print_lines(_lines(recovery, path, invocation, layout()))
    if not recovery.whole:
        from engine import RepositoryDamaged

        raise click.exceptions.Exit(RepositoryDamaged.exit_code)


def _key(file: Path | None) -> str:
    """The key, from where the command was told to take it."""
    from tui.asking import ask_secret

    if file is None:
        key = ask_secret("Recovery key:")
    elif file == Path("-"):
        key = sys.stdin.read(_LONGEST).strip()
    else:
        try:
            with file.open(encoding="ascii", errors="replace") as opened:
                key = opened.read(_LONGEST).strip()
        except OSError as error:
            raise click.UsageError(
                f"The key file {file} cannot be read: {error.strerror}. Nothing was changed."
            ) from error
    if not key:
        raise click.UsageError("No key was given. Nothing was changed.")
    return key


def _lines(recovery: Recovery, path: Path, invocation: Invocation, layout: Layout) -> list[str]:
    from tui.views.facts import notes
    from tui.views.recovered import recovered_table
    from tui.wording import counted

    count = counted(recovery.backups, "backup")
    lines = [plain(f"{recovery.home} is a home now, with {count}. {path} was not changed.")]
    if recovery.projects:
        lines += ["", *recovered_table(recovery.projects, layout)]
    told = [f"The backup {part.name} cannot be read. {part.reason}" for part in recovery.unreadable]
    told += [f"Pack {pack} could not be read and is not here." for pack in recovery.lost]
    told += [
        f"{found.project.name} ({found.project.id}) gave its name or folder to a younger project: "
        f"its {counted(found.backups, 'backup')} can be reached by their ids."
        for found in recovery.forgotten
    ]
    lines += notes(told, layout)
    if recovery.projects:
        name = recovery.projects[0].project.name
        steps = [
            ("See what is there:", invocation.command_line("show", f"{name}@latest")),
            (
                "Prove that it restores, and make a new project of it:",
                invocation.command_line("verify", f"{name}@latest"),
                invocation.command_line("restore", f"{name}@latest", "--name", f"{name} restored"),
            ),
            (
                "Where a project's own folder is there, back it up again:",
                invocation.command_line("adopt", "PATH", "--name", name),
            ),
        ]
        lines += ["", "To do, in this order"]
        for number, (what, *commands) in enumerate(steps, 1):
            lines += [f"  {number}  {what}", *(f"     {plain(each)}" for each in commands)]
    return [*lines, *notes(_NOT_THERE, layout, title="To be set again")]


_NOT_THERE = (
    "backstay.toml: prices, notifications, which indexes are left out.",
    "Schedules and collaborators. Costs and the audit trail of the lost home are gone.",
)
