"""The tokens that a restore made, shown to who asked for them: they are secrets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine import NewToken
from tui.dialogs.save_tokens import SaveTokens
from tui.remote import serving
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row
from tui.widgets.state import State
from tui.wording import counted


class TokensPage(ListPage[Sequence[NewToken]]):
    """New tokens by device, as they are in the new project now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy"),
        Binding("f", "save", "save as a file"),
        Binding("slash", "filter", "filter"),
        Binding("o", "sort", "sort"),
        Binding("escape", "back", "back"),
    ]
    noun = ("token", "tokens")
    follows = True
    orders = ("as in the project", "device", "name", "permission")
    reading = "Reading the tokens…"

    def __init__(self, job: str, project_name: str) -> None:
        """`job` is the restore that made them, `project_name` what the project is called."""
        super().__init__()
        self.job = job
        self.project_name = project_name

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", self.project_name, "New tokens")

    async def read(self) -> Sequence[NewToken]:
        """Ask for the tokens."""
        return (await self.backstay.engine.report(self.job)).tokens

    def listed(self, data: Sequence[NewToken]) -> Listed:
        """The tokens in the order that was chosen."""
        columns = [
            Column(self.heading("device", "Device", rising=True), least=20),
            Column(self.heading("name", "Token name", rising=True), least=12, drop=1),
            Column(self.heading("permission", "Permission", rising=True), drop=2),
            Column("New token", least=36),
        ]
        rows = [
            Row(
                token.token,
                [
                    Cell(token.device_name),
                    Cell(token.name, "dim"),
                    Cell(token.permission, "dim"),
                    Cell(token.token),
                ],
            )
            for token in self._sorted(data)
        ]
        said = f"{counted(len(data), 'token')}. Who has one can send data as its device."
        return Listed(columns, rows, [said])

    def said_of_selected(self, data: Sequence[NewToken]) -> Sequence[str]:
        """What the selected token is of, in full."""
        token = self.selected
        if token is None:
            return []
        return [f"{token.device_name} · {token.name} · {token.permission}"]

    def _sorted(self, tokens: Sequence[NewToken]) -> Sequence[NewToken]:
        order = self.orders[self.order]
        if order == "device":
            return sorted(tokens, key=lambda token: token.device_name.casefold())
        if order == "name":
            return sorted(tokens, key=lambda token: token.name.casefold())
        if order == "permission":
            return sorted(tokens, key=lambda token: token.permission)
        return tokens

    def say_empty(self, data: Sequence[NewToken], state: State) -> None:
        """Say that there are none."""
        state.tell("No tokens.", f"The devices of {self.project_name} have none now.")

    @property
    def selected(self) -> NewToken | None:
        """The token that is selected."""
        key = self.rows.selected
        return next((each for each in self.data or () if each.token == key), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs a token is offered only where there is one."""
        if action in ("copy", "save"):
            return self.selected is not None
        return super().check_action(action, parameters)

    def action_copy(self) -> None:
        """Copy the selected token."""
        token = self.selected
        if token is not None:
            self.backstay.copy(token.token, f"the token of {token.device_name}")

    def action_save(self) -> None:
        """Ask for a file's name, then save all tokens in it; over SSH, say how to save them."""
        if self.data and serving():
            command = f"ssh HOST jobs {self.job[:8]} --tokens > tokens.csv"
            text = f"No file is made on this machine for you. On yours, type: {command}"
            self.notify(text, timeout=20, markup=False)
        elif self.data:
            self.app.push_screen(SaveTokens(self.data, self.project_name), self._saved)

    def _saved(self, file: Path | None) -> None:
        if file is not None:
            tokens = counted(len(self.data or ()), "token")
            text = f"Saved {tokens} in {file}, which only you can read."
            self.notify(text, markup=False)
