"""Writing a backup to a file: where to, in which form, how far that is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from engine import BackstayError, Backup, Cancelled, ExportFormat, ExportReport, Handle
from tui.dialogs.save_tokens import free_file
from tui.plain_text import plain
from tui.progress import far
from tui.screens.own_screen import OwnScreen
from tui.widgets.choice import Choice, Choices
from tui.widgets.keys_line import KeysLine
from tui.widgets.name_field import NameField
from tui.widgets.top_line import TopLine
from tui.wording import date_with_zone

if TYPE_CHECKING:
    from engine import Progress


class _Form(NamedTuple):
    """How a form is called, how its file's name ends, and what is to be known of it."""

    called: str
    end: str
    explanation: str


_FORMS = {
    ExportFormat.DATABASES: _Form(
        "a tar of databases",
        ".tar.zst",
        "The databases as a restore makes them, but without tokens.\n"
        "Unpack it (tar --zstd -xf): backstay adopt takes the folder as it is.\n"
        "It is not encrypted; passwords' hashes and plugins' settings are in it.",
    ),
    ExportFormat.PARQUET: _Form(
        "Parquet files",
        "",
        "A folder with a Parquet file for each device: for DuckDB, pandas, ...\n"
        "Devices, actions, analyses and accounts are listed beside them.\n"
        "It is not encrypted; passwords and settings are not in it.",
    ),
}
_COMMON = (
    "Only you can read it (0600), on the machine where Backstay runs.\n"
    "It gets its name when it is whole; no file is ever overwritten."
)
_STAY = "Stay until it is done: leaving cancels it."


class ExportBackup(OwnScreen["ExportReport | None"]):
    """Asks for a file and a form, and writes it; gives what was written, or None where nothing."""

    CSS_PATH = "export.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "buttons"),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("escape", "leave", "back"),
    ]

    def __init__(self, backup: Backup, project_name: str) -> None:
        super().__init__()
        self._backup = backup
        self._project_name = project_name
        self._form = ExportFormat.DATABASES
        self._suggested = ""
        self._handle: Handle[ExportReport] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the name, the form, what is made, and the choices."""
        yield TopLine()
        with Vertical(id="body"), Vertical(id="dialog"):
            yield Horizontal(Static("File", classes="title"), NameField(name="file"))
            yield Horizontal(Static("As", classes="title"), Choice("", name="form"))
            yield Static(id="said")
            yield Static(id="explanation", markup=False)
            with Choices():
                yield Choice("Cancel", name="cancel")
                yield Choice("Export", name="export")
        yield KeysLine()

    def on_mount(self) -> None:
        """Suggest a name that is free, and begin there."""
        name = f"{self._project_name} · {date_with_zone(self._backup.date)}"
        self.query_one(TopLine).tell(("Export",), plain(name))
        field = self.query_one("#file", NameField)
        field.ready = True
        self._show_form()
        field.focus()

    def _show_form(self) -> None:
        """Tell of the form, with a name for it unless another one was typed."""
        form = _FORMS[self._form]
        self.query_one("#form", Choice).say(form.called)
        self.query_one("#explanation", Static).update(f"{form.explanation}\n\n{_COMMON}")
        field = self.query_one("#file", NameField)
        if field.value == self._suggested:
            what = f"{self._backup.date:%Y-%m-%d}"
            self._suggested = free_file(self._project_name, what, form.end)
            field.value = self._suggested
            field.cursor_position = len(field.value)

    @on(Choice.Pressed, "#form")
    def _other_form(self) -> None:
        forms = list(_FORMS)
        self._form = forms[(forms.index(self._form) + 1) % len(forms)]
        self._show_form()

    @on(Input.Changed, "#file")
    def _typed(self) -> None:
        if self._handle is None:
            self._say("")

    @on(Input.Submitted, "#file")
    @on(Choice.Pressed, "#export")
    def _chosen(self) -> None:
        if self._handle is None:
            self._export(self.query_one("#file", NameField).value)

    @work(exclusive=True, group="export")
    async def _export(self, text: str) -> None:
        if not text.strip() or "\0" in text:
            self._say("Give the name of a file.", wrong=True)
            return
        try:
            target = await asyncio.to_thread(_path, text)
            engine = self.backstay.engine
            self._handle = await engine.export(self._backup.id, target, form=self._form)
            self._begin()
            async for progress in self._handle.progress():
                self._tell(progress)
            report = await self._handle.result()
        except Cancelled:
            self.dismiss(None)
        except (BackstayError, OSError, ValueError, RuntimeError) as error:
            told = f"{error.message} {error.hint}" if isinstance(error, BackstayError) else error
            self._end()
            self._say(str(told), wrong=True)
        else:
            self.dismiss(report)

    def on_unmount(self) -> None:
        """Leave nothing half-made, however this ends."""
        if self._handle is not None:
            self._handle.cancel()

    def _begin(self) -> None:
        for name in ("#file", "#form", "#export"):
            self.query_one(name).disabled = True
        self.query_one("#explanation", Static).update(_STAY)
        cancel = self.query_one("#cancel", Choice)
        cancel.say("Cancel the export")
        cancel.focus()

    def _end(self) -> None:
        """Let it be tried again."""
        self._handle = None
        for name in ("#file", "#form", "#export"):
            self.query_one(name).disabled = False
        self.query_one("#cancel", Choice).say("Cancel")
        self._show_form()
        self.query_one("#file").focus()

    def _tell(self, progress: Progress) -> None:
        share = f"{progress.done / progress.total:.0%}  " if progress.total else ""
        self._say(f"{progress.stage}  {share}{far(progress)}".replace("%", " %"))

    def _say(self, text: str, *, wrong: bool = False) -> None:
        said = self.query_one("#said", Static)
        content = Content.assemble(("✗ ", "$error") if wrong else "", plain(text))
        if content != said.content:
            said.update(content)

    @on(Choice.Pressed, "#cancel")
    def action_leave(self) -> None:
        """Leave; what is being written is cancelled first, and nothing of it is left."""
        if self._handle is None:
            self.dismiss(None)
        else:
            self._say("Cancelling: what is half-made is being removed.")
            self._handle.cancel()


def _path(text: str) -> Path:
    """The path that was typed, in whole. Blocks."""
    return Path(text.strip()).expanduser().absolute()
