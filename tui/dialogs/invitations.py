"""What the user is invited to: each invitation is accepted or declined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from engine import BackstayError, Invitation, Role
from tui.dialogs.confirm import Confirm
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import brief

_AS = {Role.OWNER: "an owner", Role.COLLABORATOR: "a collaborator"}
_MEANS = {
    Role.OWNER: "An owner sees backups, makes projects of them and pays for those.",
    Role.COLLABORATOR: "A collaborator sees that the project is there, nothing of its backups.",
}


class InvitationsPage(ListPage[Sequence[Invitation]]):
    """The invitations that the user has not answered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", "accept", tooltip="Take on the role that is offered"),
        Binding("x", "decline", "decline", tooltip="Refuse the role that is offered"),
        Binding("delete", "decline", "decline", show=False),
    ]
    follows = True
    noun = ("invitation", "invitations")
    orders = ("when",)
    reading = "Reading the invitations…"

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", "Invitations")

    async def read(self) -> Sequence[Invitation]:
        """Ask what the user is invited to."""
        return await self.backstay.engine.invitations()

    def listed(self, data: Sequence[Invitation]) -> Listed:
        """The invitations, the oldest first."""
        now = self.backstay.now
        rows = [
            Row(
                each.project,
                [
                    Cell(each.project_name),
                    Cell(each.role.value),
                    Cell(each.by, "dim"),
                    Cell(f"{brief(now - each.at)} ago", "dim"),
                ],
            )
            for each in data
        ]
        columns = [
            Column("Project", least=12),
            Column("You would be"),
            Column("By"),
            Column("When"),
        ]
        return Listed(columns, rows)

    def said_of_selected(self, data: Sequence[Invitation]) -> Sequence[str]:
        """What the role means that is offered."""
        chosen = self.selected
        return [] if chosen is None else [_MEANS[chosen.role]]

    def say_empty(self, data: Sequence[Invitation], state: State) -> None:
        """Say that nothing is left to answer."""
        state.tell("No invitations.", "You have answered them all. Press esc to go back.")

    @property
    def selected(self) -> Invitation | None:
        """The invitation that is selected."""
        key = self.rows.selected
        return next((each for each in self.data or () if each.project == key), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Answering is offered where there is an invitation."""
        if action in ("accept", "decline"):
            return self.selected is not None
        return super().check_action(action, parameters)

    @on(Rows.Opened)
    def action_accept(self) -> None:
        """Take on the role, after asking."""
        chosen = self.selected
        if chosen is not None:
            engine = self.backstay.engine
            self._ask(
                chosen,
                f"Join {chosen.project_name} as {_AS[chosen.role]}?",
                f"{chosen.by} invites you. {_MEANS[chosen.role]}",
                f"Join as {_AS[chosen.role]}",
                lambda: engine.accept(chosen.project),
                f"You are {_AS[chosen.role]} of {chosen.project_name} now.",
            )

    def action_decline(self) -> None:
        """Refuse the role, after asking."""
        chosen = self.selected
        if chosen is not None:
            engine = self.backstay.engine
            self._ask(
                chosen,
                f"Decline the invitation to {chosen.project_name}?",
                f"{chosen.by} can invite you again. What you are in the project stays as it is.",
                "Decline",
                lambda: engine.decline(chosen.project),
                f"You declined the invitation to {chosen.project_name}.",
            )

    def _ask(
        self,
        chosen: Invitation,
        question: str,
        explanation: str,
        yes: str,
        answer: Callable[[], Awaitable[object]],
        then: str,
    ) -> None:
        def agreed(agrees: bool | None) -> None:
            if agrees:
                self._answer(chosen, answer, then)

        self.app.push_screen(Confirm(question, explanation, yes), agreed)

    @work(exclusive=True, group="answer")
    async def _answer(
        self, chosen: Invitation, answer: Callable[[], Awaitable[object]], then: str
    ) -> None:
        """Answer what was shown: another offer that came meanwhile is asked about anew."""
        try:
            if chosen not in await self.backstay.engine.invitations():
                self.notify(
                    f"The invitation to {chosen.project_name} was changed or taken back "
                    "meanwhile. Nothing was answered.",
                    severity="warning",
                    markup=False,
                )
            else:
                await answer()
                self.notify(then, markup=False)
        except BackstayError as error:
            self.backstay.tell_error(error)
        self.read_soon()
