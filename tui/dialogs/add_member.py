"""Giving somebody a role in a project, or inviting them to one."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from engine import BackstayError, Member, Project, Role
from tui.screens.own_screen import OwnScreen
from tui.widgets.choice import Choice, Choices
from tui.widgets.form import Field, FormLine
from tui.widgets.keys_line import KeysLine
from tui.widgets.state import State
from tui.widgets.told import Told
from tui.widgets.top_line import TopLine

_LONGEST = 64  # characters of a user's name, as the engine has it
_SIGN = "[A-Za-z0-9._@-]"
_NAME = f"(?!-){_SIGN}*"
_A = {Role.OWNER: "an owner", Role.COLLABORATOR: "a collaborator"}
_MEANS = {
    Role.OWNER: "Sees backups, restores them and pays, chooses members.",
    Role.COLLABORATOR: "Sees that the project is there, nothing of its backups.",
}


class AddMember(OwnScreen[None]):
    """Asks for a user's name and role, and adds or invites them.

    What is refused is told, and stays.
    """

    CSS_PATH: ClassVar = ["add_member.tcss", "../widgets/form.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
    ]

    def __init__(self, project: Project, member: Member | None, *, invite: bool = False) -> None:
        """With `member`, it begins at giving them the other role; with `invite`, they decide."""
        super().__init__()
        self._invites = invite
        self._project = project
        self._user = member.user if member else ""
        was = member.role if member else Role.OWNER
        self._role = Role.COLLABORATOR if was is Role.OWNER else Role.OWNER

    @property
    def _verb(self) -> str:
        return "Invite" if self._invites else "Add"

    def compose(self) -> ComposeResult:
        """Lay out name, role, and the two choices."""
        yield TopLine()
        with Vertical(id="body"):
            yield FormLine("Name", Field(_SIGN, _LONGEST, name="user", whole=_NAME))
            yield FormLine("Role", Choice(self._role.value, name="role"))
            yield Told(name="means")
            yield State(id="state")
            with Choices():
                yield Choice("Cancel", name="cancel")
                yield Choice(self._verb, name="add", disabled=True)
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin at the name, or where that is known, at the role."""
        where = ["Backstay", self._project.name, "Members", self._verb]
        self.query_one(TopLine).tell(where, self.backstay.engine.user)
        field = self.query_one("#user", Input)
        field.value = self._user
        (self.query_one("#role") if self._user else field).focus()
        self._tell()

    def _tell(self) -> None:
        """Say what will be, as it stands."""
        user, role = self._user, self._role
        self.query_one("#role", Choice).say(role.value)
        add = self.query_one("#add", Choice)
        has = role_of(self._project, user)
        kind = "an owner" if role is Role.OWNER else "a collaborator"
        if not user:
            add.say(self._verb)
        elif has and not self._invites:
            add.say(f"Make {user} {kind}")
        else:
            add.say(f"{self._verb} {user} as {kind}")
        # An owner has nothing to accept: who is to be less is told so, not asked.
        add.disabled = not user or has is role or (self._invites and has is Role.OWNER)
        self.query(FormLine).first().say(f"is {_A[has]} now" if has else "")
        self.query_one("#means", Told).tell(("", [_MEANS[role], *self._decides]))

    @property
    def _decides(self) -> list[str]:
        if not self._invites:
            return []
        who = self._user or "Who is invited"
        return [f"{who} sees the invitation in the app, and has no new role before accepting it."]

    @on(Input.Changed, "#user")
    def _typed(self, event: Input.Changed) -> None:
        self._user = event.value
        self._tell()

    @on(Input.Submitted, "#user")
    def _named(self) -> None:
        self.query_one("#role").focus()

    @on(Choice.Pressed, "#role")
    def _switch(self) -> None:
        self._role = Role.COLLABORATOR if self._role is Role.OWNER else Role.OWNER
        self._tell()

    @on(Choice.Pressed, "#add")
    @work(exclusive=True)
    async def _add(self) -> None:
        engine = self.backstay.engine
        give = engine.invite if self._invites else engine.add_member
        try:
            await give(self._project.id, self._user, self._role)
        except BackstayError as error:
            self.query_one("#state", State).tell(error.message, "", error.hint, glyph="✗")
            return
        self.dismiss(None)

    @on(Choice.Pressed, "#cancel")
    def action_leave(self) -> None:
        """Leave without a change."""
        self.dismiss(None)


def role_of(project: Project, user: str) -> Role | None:
    """What somebody is to a project; None for nothing."""
    if user in project.owners:
        return Role.OWNER
    return Role.COLLABORATOR if user in project.collaborators else None
