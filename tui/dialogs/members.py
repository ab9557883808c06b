"""Who owns a project, who collaborates on it, and who is invited to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType

from engine import BackstayError, Invitation, Member, Project, Role
from tui.dialogs.confirm import Confirm
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import brief

_INVITED = "invited "  # begins the key of a row: a member can be invited to another role


class Shown(NamedTuple):
    """Who belongs to a project, and who is invited to."""

    project: Project
    invited: Sequence[Invitation]


class MembersPage(ListPage[Shown]):
    """Everyone who belongs to a project, for its owners."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "invite", "invite", tooltip="Offer somebody a role; they decide"),
        Binding("a", "add", "add", tooltip="Give somebody a role at once"),
        Binding("enter", "change_role", "change role"),
        Binding("x", "withdraw", "withdraw", tooltip="Take the invitation back"),
        Binding("x", "remove", "remove"),
        Binding("delete", "withdraw", "withdraw", show=False),
        Binding("delete", "remove", "remove", show=False),
    ]
    noun = ("member", "members")
    orders = ("role", "name")
    reading = "Reading the members…"

    def __init__(self, project: str, name: str) -> None:
        """`project` is an id; `name` what it is called."""
        super().__init__()
        self.project = project
        self.project_name = name

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", self.project_name, "Main Database", "Members")

    @property
    def who(self) -> str:
        """Who I am here."""
        role = "" if self.data is None else " · owner"
        return f"{self.backstay.engine.user}{role}"

    async def read(self) -> Shown:
        """Ask who belongs to the project, and who is invited."""
        engine = self.backstay.engine
        project = await engine.members(self.project)
        return Shown(project, await engine.invited(self.project))

    def listed(self, data: Shown) -> Listed:
        """The members: owners first, or by name; then who is invited."""
        members = members_of(data.project)
        if self.orders[self.order] == "name":
            members.sort(key=lambda member: member.user)
        me = self.backstay.engine.user
        rows = [
            Row(
                member.user,
                [
                    Cell(member.user),
                    Cell(member.role.value, "" if member.role is Role.OWNER else "dim"),
                    Cell("you" if member.user == me else "", "dim"),
                ],
            )
            for member in members
        ]
        now = self.backstay.now
        for each in data.invited:
            note = f"invited by {each.by} {brief(now - each.at)} ago, not answered yet"
            cells = [Cell(each.user), Cell(each.role.value, "dim"), Cell(note, "dim")]
            rows.append(Row(_INVITED + each.user, cells, dim=True))
        columns = [Column("Name", least=12), Column("Role"), Column("")]
        said = [
            "Owners see backups, make projects of them and pay for those, and choose who belongs.",
            "Collaborators only see that the project is there.",
        ]
        return Listed(columns, rows, said)

    def say_empty(self, data: Shown, state: State) -> None:
        """Say that nobody is left: a catalog that Backstay wrote has an owner always."""
        state.tell(f"Nobody belongs to {data.project.name}.", "Press a to add an owner.")

    @property
    def selected(self) -> Member | None:
        """The member that is selected."""
        if self.data is None:
            return None
        key = self.rows.selected
        return next((each for each in members_of(self.data.project) if each.user == key), None)

    @property
    def selected_invitation(self) -> Invitation | None:
        """The invitation that is selected, where it is one."""
        if self.data is None:
            return None
        key = self.rows.selected
        return next((each for each in self.data.invited if _INVITED + each.user == key), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs a member is offered where one is selected."""
        if action in ("add", "invite"):
            return self.data is not None
        if action == "withdraw":
            return self.selected_invitation is not None
        if action in ("remove", "change_role"):
            return self.selected is not None
        return super().check_action(action, parameters)

    def action_add(self) -> None:
        """Ask who is to belong to the project."""
        self._open_form(None)

    def action_invite(self) -> None:
        """Ask who is to be invited to the project."""
        self._open_form(None, invite=True)

    @on(Rows.Opened)
    def action_change_role(self) -> None:
        """Ask what the selected member is to be from now on."""
        if self.selected is not None:
            self._open_form(self.selected)

    def _open_form(self, member: Member | None, *, invite: bool = False) -> None:
        from tui.dialogs.add_member import AddMember

        if self.data is not None:
            self.app.push_screen(AddMember(self.data.project, member, invite=invite))

    def action_withdraw(self) -> None:
        """Take the selected invitation back, after asking."""
        chosen = self.selected_invitation
        if chosen is None:
            return
        user, name = chosen.user, self.project_name
        question = Confirm(
            f"Withdraw the invitation of {user}?",
            f"{user} cannot accept it any more. {user} can be invited to {name} again.",
            "Withdraw the invitation",
            "Keep it",
        )

        def agreed(yes: bool | None) -> None:
            if yes:
                self._withdraw(user)

        self.app.push_screen(question, agreed)

    @work(exclusive=True, group="remove")
    async def _withdraw(self, user: str) -> None:
        try:
            await self.backstay.engine.withdraw(self.project, user)
        except BackstayError as error:
            self.backstay.tell_error(error)
        self.read_soon()

    def action_remove(self) -> None:
        """Take the selected member's role away, after asking."""
        member = self.selected
        if member is None:
            return
        user, name = member.user, self.project_name
        mine = user == self.backstay.engine.user
        if member.role is not Role.OWNER:
            then = f"{user} will not see {name} any more."
        elif mine:
            then = f"You will not see {name} any more, nor its backups. Another owner can add you."
        else:
            then = f"{user} will not see {name} any more, nor its backups."
        question = Confirm(
            f"Remove {user} from {name}?",
            f"{then}\nBackups, and projects that were made of them, are not changed.",
            f"Remove {user}",
        )

        def agreed(yes: bool | None) -> None:
            if yes:
                self._remove(user)

        self.app.push_screen(question, agreed)

    @work(exclusive=True, group="remove")
    async def _remove(self, user: str) -> None:
        try:
            await self.backstay.engine.remove_member(self.project, user)
        except BackstayError as error:
            self.backstay.tell_error(error)
        self.read_soon()


def members_of(project: Project) -> list[Member]:
    """Everyone who belongs to a project, owners first."""
    owners = [Member(user, Role.OWNER) for user in project.owners]
    return owners + [Member(user, Role.COLLABORATOR) for user in project.collaborators]
