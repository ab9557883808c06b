"""The projects of the home in which the user has a role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType

from engine import (
    CostLine,
    Health,
    HealthState,
    Invitation,
    Origin,
    Project,
    ProjectState,
    Role,
)
from tui.remote import serving, start_worker
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import NONE, brief, city, day_there, listed, money

_WORST_FIRST = (
    HealthState.FAILING,
    HealthState.LATE,
    HealthState.NO_WORKER,
    HealthState.NEVER,
    HealthState.FINE,
)
_WORKER = "Run backstay worker, or install its --unit, to keep schedules."


_WAKING = """\
Its actions and its data retention are put back as they were.
Data retention then deletes what is older than it keeps.
Actions may send messages to the same people and places as the old ones."""


class Shown(NamedTuple):
    """The projects, how the backups of those are that the user owns, this month's costs, and
    what the user is invited to."""

    projects: Sequence[Project]
    healths: dict[str, Health]
    costs: Sequence[CostLine]
    invitations: Sequence[Invitation] = ()


class ProjectsPage(ListPage[Shown]):
    """The first screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="Show the backups of the project"),
        Binding("w", "wake", "wake", tooltip="Wake the project: actions, data retention"),
        Binding("i", "invitations", "answer", tooltip="Accept or decline what you are invited to"),
        Binding("c", "costs", "costs", tooltip="What projects cost"),
        Binding("J", "jobs", "jobs", tooltip="The jobs of all projects that you own"),
        Binding("A", "audit", "audit", show=False, tooltip="Who did what, and what was refused"),
        Binding("m", "move_data", "move data", tooltip="Move data from or into the project"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
    ]
    follows = True
    noun = ("project", "projects")
    orders = ("name", "state", "backups")
    reading = "Reading the projects…"

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay",)

    @property
    def who(self) -> str:
        """Who I am, and where."""
        return f"{self.backstay.engine.user} · {self.backstay.machine}"

    async def read(self) -> Shown:
        """Ask for the projects, their health and what they cost this month."""
        engine = self.backstay.engine
        projects = await engine.projects()
        healths = {health.project: health for health in await engine.status()}
        costs = await engine.costs(f"{self.backstay.now:%Y-%m}")
        return Shown(projects, healths, costs, await engine.invitations())

    def listed(self, data: Shown) -> Listed:
        """The projects in the order that was chosen."""
        columns = [
            Column(self.heading("name", "Project", rising=True), least=12),
            Column(self.heading("state", "State", rising=True)),
            Column("You are", drop=1),
            Column(self.heading("backups", "Backups"), least=14),
            Column("Next", least=26),
            Column(f"{self.backstay.now:%b %Y}", right=True),
        ]
        spent: dict[str, list[str]] = {}
        for line in data.costs:  # one for each currency
            spent.setdefault(line.project, []).append(money(line.total))
        rows = [
            self._row(project, data.healths.get(project.id), spent.get(project.id, ()))
            for project in self._sorted(data)
        ]
        return Listed(columns, rows, _invited(data.invitations))

    def said_of_selected(self, data: Shown) -> Sequence[str]:
        """Whose a project is, or what is wrong with it."""
        project = self.selected
        if project is None:
            return []
        health = data.healths.get(project.id)
        if health is None:
            owners = listed(project.owners) or "nobody"
            belongs = f"{project.name} belongs to {owners}."
            return [f"{belongs} You collaborate on it; backups are for owners."]
        if health.state in (HealthState.LATE, HealthState.FAILING):
            return [f"{project.name}: {health.reason}"]
        if project.quiet:
            return [f"{project.name} is quiet: its actions are off until you wake it (w)."]
        if health.state is HealthState.NO_WORKER:
            return [f"No worker runs. {start_worker(_WORKER)}"]
        return []

    def _sorted(self, data: Shown) -> list[Project]:
        order = self.orders[self.order]
        if order == "state":
            return sorted(data.projects, key=lambda project: state_text(project))
        if order == "backups":
            return sorted(data.projects, key=lambda project: _rank(data.healths.get(project.id)))
        return list(data.projects)

    def _row(self, project: Project, health: Health | None, spent: Sequence[str]) -> Row:
        if health is None:
            backups, following = Cell("owners only", "dim"), Cell(NONE, "dim")
        else:
            backups, following = self._backups(health), self._next(health)
        state = Cell(state_text(project), "dim" if project.state is ProjectState.STOPPED else "")
        role = Cell(project.role.value if project.role else NONE, "dim")
        cost = Cell(", ".join(spent) or NONE)
        cells = [Cell(project.name), state, role, backups, following, cost]
        return Row(project.id, cells, dim=health is None)

    def _backups(self, health: Health) -> Cell:
        now = self.backstay.now
        if health.state is HealthState.LATE and health.since is not None:
            return Cell(f"! late {brief(now - health.since)}", "warn")
        if health.state is HealthState.FAILING:
            return Cell("✗ failing", "bad")
        if health.last_good is None:
            return Cell("– none yet", "dim")
        age = f"{brief(now - health.last_good)} ago"
        return Cell(f"✓ {age}", "good")

    def _next(self, health: Health) -> Cell:
        if health.next_run is None:
            return Cell("no schedule", "dim")
        if health.state is HealthState.NO_WORKER:
            return Cell("! no worker", "warn")
        until = brief(health.next_run - self.backstay.now)
        when = day_there(health.next_run, health.zone)
        return Cell(f"{when} {city(health.zone)}, in {until}", "dim")

    def say_empty(self, data: Shown, state: State) -> None:
        """Say how to get a first project."""
        lines = [
            "Register an instance of TagoCore in a shell:",
            "  backstay adopt PATH --name NAME",
            "Or ask who owns a project here to add you to it.",
        ]
        if serving():
            lines = ["Ask who owns a project here to add you to it."]
        state.tell("No projects yet.", *_invited(data.invitations), *lines)

    @property
    def selected(self) -> Project | None:
        """The project that is selected."""
        if self.data is None:
            return None
        key = self.rows.selected
        return next((each for each in self.data.projects if each.id == key), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs a project, or one that is quiet, is offered only then."""
        if action == "open":
            return self.selected is not None
        if action == "wake":
            project = self.selected
            return project is not None and project.quiet and project.role is Role.OWNER
        if action == "move_data":
            project = self.selected
            return project is not None and project.role is Role.OWNER and self._owns_several()
        if action == "invitations":
            return self.data is not None and bool(self.data.invitations)
        return super().check_action(action, parameters)

    @on(Rows.Opened)
    def action_open(self) -> None:
        """Show the selected project's backups."""
        project = self.selected
        if project is not None:
            self.backstay.open_project(project)

    def action_wake(self) -> None:
        """Ask, then let the selected project work again as it did when it was backed up."""
        from tui.dialogs.confirm import Confirm

        project = self.selected
        if project is None:
            return

        async def agreed(yes: bool | None) -> None:
            if yes:
                await self.backstay.wake(project)
                self.read_soon()

        name = project.name
        self.app.push_screen(
            Confirm(f"Wake {name}?", _WAKING, f"Wake {name}", "Leave it quiet"), agreed
        )

    def _owns_several(self) -> bool:
        projects = self.data.projects if self.data is not None else ()
        return sum(project.role is Role.OWNER for project in projects) > 1

    def action_move_data(self) -> None:
        """Ask what is to be moved out of a project that was restored, or into one in use."""
        project = self.selected
        if project is not None and project.origin is Origin.RESTORED:
            self.backstay.open_transfer(source=project.id)
        elif project is not None:
            self.backstay.open_transfer(target=project.id)

    def action_invitations(self) -> None:
        """Show what the user is invited to."""
        from tui.dialogs.invitations import InvitationsPage

        self.app.push_screen(InvitationsPage())

    def action_costs(self) -> None:
        """Show what projects cost."""
        self.backstay.open_costs()

    def action_jobs(self) -> None:
        """Show all jobs."""
        self.backstay.open_jobs(None, "")

    def action_audit(self) -> None:
        """Show who did what."""
        self.backstay.open_audit()


def _rank(health: Health | None) -> int:
    """What needs somebody to look comes first; what is not the user's, last."""
    return len(_WORST_FIRST) if health is None else _WORST_FIRST.index(health.state)


def _invited(invitations: Sequence[Invitation]) -> list[str]:
    """A line that says who invites the user to what, and the key to answer with."""
    if not invitations:
        return []
    if len(invitations) > 1:
        return [f"You are invited to {len(invitations):,} projects. Press i to answer."]
    one = invitations[0]
    role = "an owner" if one.role is Role.OWNER else "a collaborator"
    return [f"{one.by} invites you to {one.project_name} as {role}. Press i to answer."]


def state_text(project: Project) -> str:
    """What a project does now, in a word."""
    if project.state is ProjectState.STOPPED:
        return "stopped"
    if project.state is ProjectState.ABSENT:
        return "not present"
    return "quiet" if project.quiet else project.state.value
