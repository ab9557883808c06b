"""Projects as a table: is each one safe, and whose is it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from engine import Backup, BackupState, Project, ProjectState, Role
from tui.output import Layout
from tui.table import Column, table
from tui.wording import age, counted, listed

_STATES = {
    "active": "green",
    "quiet": "amber",
    "stopped": "dim",
    "stopped, quiet": "dim",
    "not present": "amber",
}


def state_text(project: Project) -> str:
    """A project's state in a word: active, quiet, stopped, not present."""
    if project.state is ProjectState.ABSENT:
        return "not present"
    if project.state is ProjectState.ACTIVE:
        return "quiet" if project.quiet else "active"
    return f"{project.state.value}, quiet" if project.quiet else project.state.value


def projects_table(
    projects: Sequence[Project],
    backups: Mapping[str, Sequence[Backup]],
    now: datetime,
    layout: Layout,
) -> list[str]:
    """Projects with what is known of their backups; `backups` holds those of the user's own."""
    columns = [
        Column("Project", least=12),
        Column("State", colours=_STATES),
        Column("You are", drop=2),
        Column("Backups", least=16),
        Column("Id", drop=1),
    ]
    rows = [
        [
            project.name,
            state_text(project),
            project.role.value if project.role else "",
            _backups_text(project, backups.get(project.id, ()), now),
            project.id,
        ]
        for project in projects
    ]
    return list(table(columns, rows, layout).lines)


def _backups_text(project: Project, backups: Sequence[Backup], now: datetime) -> str:
    if project.role is not Role.OWNER:
        return f"owners only: {', '.join(project.owners)}"
    if not backups:
        return "none yet"
    latest = f"{len(backups)}, latest {age(backups[0].date, now)}"
    damaged = sum(backup.state is BackupState.DAMAGED for backup in backups)
    return f"{latest}, {damaged} damaged" if damaged else latest


def belongs_to(project: Project) -> str:
    """A sentence on whose project it is."""
    if not project.owners:
        return "It has no owner."
    return f"It belongs to {listed(project.owners)}."


def members_table(project: Project, layout: Layout) -> list[str]:
    """Who is what to a project."""
    rows = [[user, Role.OWNER.value] for user in project.owners]
    rows += [[user, Role.COLLABORATOR.value] for user in project.collaborators]
    return list(table([Column("User", least=12), Column("Role")], rows, layout).lines)


def count_line(projects: Sequence[Project]) -> str:
    """How many projects there are."""
    return f"{counted(len(projects), 'project')}."
