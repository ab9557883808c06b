"""What becomes of a project's backups when the project goes."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from tui.invocation import Invocation
from tui.plain_text import plain
from tui.wording import counted

if TYPE_CHECKING:
    from engine import Backup, Engine, Project


async def with_backups(
    engine: Engine, ref: str, going: Awaitable[Project]
) -> tuple[Project, Sequence[Backup]]:
    """Let a project go; gives it with the backups that it had, newest first."""
    from engine import BackstayError, Role

    try:
        owns = (await engine.project(ref)).role is Role.OWNER
        backups = await engine.backups(ref) if owns else []
    except BackstayError:
        backups = []  # why it cannot go is told by what follows
    return await going, backups


def still_reached(backups: Sequence[Backup], invocation: Invocation) -> list[str]:
    """How its backups are reached when a project is gone."""
    if not backups:
        return []
    newest = backups[0].id
    kept = "Its backup stays in the repository:"
    if len(backups) > 1:
        many = counted(len(backups), "backup")
        kept = f"Its {many} stay in the repository, each under its id. The newest:"
    show = invocation.command_line("show", newest)
    restore = invocation.command_line("restore", newest, "--name", "NAME")
    return [
        plain(kept),
        plain(f"  {show}"),
        plain(f"  {restore}"),
    ]
