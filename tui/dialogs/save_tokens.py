"""Where new tokens are to be saved: in a new file that only its owner can read."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from engine import BackstayError, NewToken
from tui.plain_text import plain
from tui.tokens_file import TokensFile
from tui.widgets.choice import Choice, Choices
from tui.widgets.keys_line import KeysLine
from tui.widgets.name_field import NameField
from tui.widgets.top_line import TopLine
from tui.wording import counted

_MOST_TRIED = 100  # names, until its owner has to think of one


class SaveTokens(Screen[Path | None]):
    """Asks for a file's name, and writes the tokens there; gives the file, or None where not.

    A file that is there already is never touched.
    """

    CSS_PATH = "save_tokens.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "buttons"),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("escape", "leave", "back"),
    ]

    def __init__(self, tokens: Sequence[NewToken], project_name: str) -> None:
        super().__init__()
        self._tokens = tokens
        self._project_name = project_name

    def compose(self) -> ComposeResult:
        """Lay out the name, what is done with it, and the two choices."""
        yield TopLine()
        with Vertical(id="body"), Vertical(id="dialog"):
            yield Horizontal(Static("File", id="title"), NameField(name="file"), id="naming")
            yield Static(id="said")
            yield Static(
                "A CSV file: device, token name, permission, token; one token a line.\n"
                "Only you can read it (0600), on the machine where Backstay runs.\n"
                "A file that is there already is never overwritten.",
                id="explanation",
                markup=False,
            )
            with Choices():
                yield Choice("Cancel", name="cancel")
                yield Choice(f"Save {counted(len(self._tokens), 'token')}", name="save")
        yield KeysLine()

    def on_mount(self) -> None:
        """Suggest a name that is free, and begin there."""
        self.query_one(TopLine).tell(("Save the new tokens",), self._project_name)
        field = self.query_one("#file", NameField)
        field.value = suggested_file(self._project_name)
        field.cursor_position = len(field.value)
        field.focus()

    @on(Input.Changed, "#file")
    def _typed(self) -> None:
        self._say("")

    @on(Input.Submitted, "#file")
    @on(Choice.Pressed, "#save")
    def _chosen(self) -> None:
        self._save(self.query_one("#file", NameField).value)

    @work(exclusive=True, group="save")
    async def _save(self, text: str) -> None:
        if not text.strip() or "\0" in text:
            self._say("Give the name of a file.")
            return
        try:
            file = await asyncio.to_thread(_write, text, self._tokens)
        except (BackstayError, OSError, ValueError, RuntimeError) as error:
            said = error.message if isinstance(error, BackstayError) else str(error)
            self._say(said)
        else:
            self.dismiss(file)

    def _say(self, text: str) -> None:
        said = self.query_one("#said", Static)
        content = Content.assemble(("✗ ", "$error"), plain(text)) if text else Content("")
        if content != said.content:
            said.update(content)

    @on(Choice.Pressed, "#cancel")
    def action_leave(self) -> None:
        """Leave without a file."""
        self.dismiss(None)


def _write(text: str, tokens: Sequence[NewToken]) -> Path:
    """Write the tokens; gives the file with its whole path. Blocks."""
    path = Path(text.strip()).expanduser().absolute()
    with TokensFile(path) as file:
        file.write(tokens)
    return path


def suggested_file(project_name: str) -> str:
    """A name for a file of tokens, in the user's own folder, that is not there yet."""
    return free_file(project_name, "tokens", ".csv")


def free_file(project_name: str, what: str, end: str) -> str:
    """A name in the user's own folder that is not there yet; nothing where there are too many."""
    letters = unicodedata.normalize("NFKD", project_name).encode("ascii", "ignore").decode("ascii")
    words = re.sub(r"[^a-z0-9]+", "-", letters.casefold()).strip("-") or "project"
    for number in range(1, _MOST_TRIED + 1):
        ending = "" if number == 1 else f"-{number}"
        name = f"~/{words}-{what}{ending}{end}"
        if not os.path.lexists(Path(name).expanduser()):
            return name
    return ""
