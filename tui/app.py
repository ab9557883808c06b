"""The terminal app: what belongs to all screens, and how one leads to the next."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from textual import events
from textual._path import CSSPathType
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.worker import WorkerFailed

from engine import BackstayError, Backup, Clock, DeviceFacts, Engine, ExportReport, Project
from tui.deeds import Deed
from tui.screens.list_page import ListPage
from tui.screens.page import Page
from tui.theme import COLOURLESS, THEME, VARIABLES, wants_no_colour
from tui.wording import counted, size

_LOOK = 1.0  # seconds between two looks at whether anything has changed
_MINUTE = 60.0
_PATIENCE = 0.4  # seconds for which an empty screen is not painted
_HERE = Path(__file__).parent
_SHEETS = (
    "app.tcss",
    "screens/page.tcss",
    "screens/list_page.tcss",
    "widgets/choice.tcss",
    "widgets/health_strip.tcss",
    "widgets/keys_line.tcss",
    "widgets/menu.tcss",
    "widgets/rows.tcss",
    "widgets/state.tcss",
    "widgets/top_line.tcss",
)
NARROWEST, LOWEST = 60, 16  # columns and lines that every screen fits into


class Backstay(App[int]):
    """Backups of projects, for one user. Its result is an exit code."""

    CSS_PATH: ClassVar[CSSPathType | None] = [_HERE / sheet for sheet in _SHEETS]
    TITLE = "Backstay"
    ENABLE_COMMAND_PALETTE = False  # a plain screen of ours is in its place
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", tooltip="What the keys do here"),
        Binding("q", "leave", "quit", tooltip="Quit; jobs go on"),
        Binding("ctrl+p", "palette", "palette", show=False, tooltip="All that can be done here"),
        Binding("ctrl+c,ctrl+q", "leave", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, system=True),
        Binding("ctrl+l", "paint_anew", "paint anew", show=False, system=True),
    ]

    def __init__(
        self, engine: Engine, clock: Clock, *, machine: str, project: Project | None = None
    ) -> None:
        """`machine` is where the app runs; with `project` it begins there."""
        if not wants_no_colour():
            os.environ.pop("NO_COLOR", None)  # textual would take an empty one for a wish, too
        super().__init__()
        # Before anything is read of style sheets: a change of theme makes all be read again.
        self.register_theme(THEME)
        self.set_reactive(App.theme, COLOURLESS if wants_no_colour() else THEME.name)
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_class(wants_no_colour(), "-colourless")
        self.engine = engine
        self.clock = clock
        self.machine = machine
        self._begins_at = project
        self._nothing_to_show_yet = contextlib.ExitStack()
        self.paints = False  # whether there is anything to show

    @property
    def now(self) -> datetime:
        """The time now, in UTC."""
        return self.clock()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The colours that our style sheets name beyond textual's own."""
        return VARIABLES

    # From beginning to end

    def get_driver_class(self) -> type[Driver]:
        """What writes to the terminal: see `tui.driver`."""
        from tui.driver import SparingDriver

        return SparingDriver

    def on_mount(self) -> None:
        """Show the first screen, and follow what others change."""
        self._nothing_to_show_yet.enter_context(self.batch_update())
        self.set_timer(_PATIENCE, self.begin_to_paint)
        if self._begins_at is not None:
            self.open_project(self._begins_at)
        else:
            from tui.screens.projects import ProjectsPage

            self.push_screen(ProjectsPage())
        self.set_interval(_LOOK, self._look)
        self.set_interval(_MINUTE, self._tick)

    def begin_to_paint(self) -> None:
        """Paint from now on: there is something to show, or it takes long to come."""
        if not self.paints:
            self.paints = True
            self._nothing_to_show_yet.close()
            self.screen.refresh()

    def end_on_signals(self) -> None:
        """From now on, end as usual when told to end: the terminal is put back as it was."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, 128 + number)

    def action_suspend_process(self) -> None:
        """Suspend, where a shell can go on with it: not what a session over SSH started."""
        if os.getpgrp() != os.getsid(0):
            super().action_suspend_process()

    def on_key(self, event: events.Key) -> None:
        """Give a menu the letter that was typed before it had the focus.

        Over SSH both keys come in one packet, and bindings are looked up here, after all else.
        """
        menu = self.screen.open_menu if isinstance(self.screen, Page) else None
        if menu is not None and not menu.has_focus:
            menu.on_key(event)

    def action_leave(self) -> None:
        """Leave. Jobs go on without the app."""
        self.exit(0)

    def _fatal_error(self) -> None:
        """End because of a fault; whoever runs the app tells it, once the terminal is put back.

        Textual would print the values at hand, too, and they may be secret.
        """
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        """End because the terminal cannot be read any more: there is nobody to tell anything."""
        self.exit(128 + signal.SIGHUP)

    def fault(self) -> BaseException | None:
        """The fault that ended the app, if one did."""
        error = self._exception
        return error.error if isinstance(error, WorkerFailed) else error

    def action_paint_anew(self) -> None:
        """Paint everything, where something else has written to the terminal."""
        from tui.driver import SparingDriver

        if isinstance(self._driver, SparingDriver):
            self._driver.forget()
        self.screen.refresh()

    async def _look(self) -> None:
        if isinstance(self.screen, Page):
            with contextlib.suppress(BackstayError):  # the page itself tells, when it reads
                await self.screen.look()

    def _tick(self) -> None:
        if isinstance(self.screen, Page):
            self.screen.tick()

    def on_resize(self, event: events.Resize) -> None:
        """Say so where the terminal is too small for any screen, until it is larger."""
        from tui.screens.too_small import TooSmall

        self.action_paint_anew()
        too_small = event.size.width < NARROWEST or event.size.height < LOWEST
        if too_small and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())
        elif not too_small and isinstance(self.screen, TooSmall):
            self.pop_screen()

    # Telling

    def tell_error(self, error: BackstayError) -> None:
        """Tell of something that could not be done, with what is safe and what to do next."""
        text = f"{error.message} {error.hint}".strip()
        self.notify(text, severity="error", timeout=12, markup=False)

    def copy(self, text: str, what: str) -> None:
        """Copy a text, and show it: not every terminal lets itself be told to copy."""
        self.copy_to_clipboard(text)
        self.notify(f"Copied {what}: {text}", timeout=8, markup=False)

    async def wake(self, project: Project) -> None:
        """Let a project that was restored work, and tell what was put back."""
        try:
            report = await self.engine.wake(project.id)
        except BackstayError as error:
            self.tell_error(error)
            return
        back, left = len(report.woken), len(report.left)
        kept = f"; {left} changed meanwhile and stay as they are" if left else ""
        text = f"{project.name} is awake: {counted(back, 'setting')} put back{kept}."
        self.notify(text, markup=False)

    # From screen to screen

    @property
    def leads_back(self) -> bool:
        """Whether there is a screen to go back to."""
        return len(self.screen_stack) > 2 or self._begins_at is not None

    def back(self) -> None:
        """Go back to the screen before; to the projects, where the app began further on."""
        if len(self.screen_stack) > 2:
            self.pop_screen()
        elif self._begins_at is not None:
            from tui.screens.projects import ProjectsPage

            self._begins_at = None
            self.switch_screen(ProjectsPage())

    def open_project(self, project: Project) -> None:
        """Show a project's backups."""
        from tui.screens.backups import BackupsPage

        self.push_screen(BackupsPage(project.id, project.name))

    def open_contents(self, backup: Backup, project_name: str) -> None:
        """Show what is in a backup."""
        from tui.screens.contents import ContentsPage

        self.push_screen(ContentsPage(backup, project_name))

    def open_rows(self, backup: Backup, project_name: str, device: DeviceFacts) -> None:
        """Show the newest rows of a device of a backup."""
        from tui.screens.device_rows import DeviceRowsPage

        self.push_screen(DeviceRowsPage(backup, project_name, device))

    def open_compare(self, backup: Backup, project_name: str) -> None:
        """Ask what a backup is to be compared with, and show what differs."""
        from tui.dialogs.choose_backup import ChooseBackup, Other
        from tui.screens.comparison import ComparisonPage

        def chosen(other: Other | None) -> None:
            if other is not None:
                self.push_screen(ComparisonPage(project_name, backup, other.backup))

        self.push_screen(ChooseBackup(backup), chosen)

    def open_new_project(self, backup: Backup, project_name: str) -> None:
        """Ask for what a new project from a backup needs; its job is shown when it is agreed."""
        from tui.dialogs.new_project import NewProject

        self.push_screen(NewProject(backup, project_name))

    def open_export(self, backup: Backup, project_name: str) -> None:
        """Ask where a backup is to be written to, write it there, and tell of it."""
        from tui.dialogs.export import ExportBackup

        self.push_screen(ExportBackup(backup, project_name), self._exported)

    def _exported(self, report: ExportReport | None) -> None:
        if report is not None:
            written = f"{size(report.size)}, {counted(report.devices, 'device')}"
            text = f"Exported to {report.file}: {written}. Checksums are in {report.checksums}."
            self.notify(text, timeout=20, markup=False)

    def open_transfer(self, *, source: str | None = None, target: str | None = None) -> None:
        """Ask what is to be moved from a project into another; ids to begin with."""
        from tui.screens.transfer import TransferPage

        self.push_screen(TransferPage(source=source, target=target))

    def open_job(self, job: str) -> None:
        """Show a job: how far it is, and what came of it."""
        from tui.screens.job import JobPage

        self.push_screen(JobPage(job))

    def open_jobs(self, project: str | None, name: str) -> None:
        """Show the jobs of a project, or of all that the user owns."""
        from tui.screens.jobs import JobsPage

        self.push_screen(JobsPage(project, name))

    def open_main_database(self, project: str, name: str) -> None:
        """Show when a project is backed up, and what else is set for it."""
        from tui.screens.main_database import MainDatabasePage

        self.push_screen(MainDatabasePage(project, name))

    def open_costs(self) -> None:
        """Show what projects cost."""
        from tui.screens.costs import CostsPage

        self.push_screen(CostsPage())

    def open_audit(self) -> None:
        """Show who did what."""
        from tui.screens.audit import AuditPage

        self.push_screen(AuditPage())

    def action_help(self) -> None:
        """Show what the keys do here."""
        from tui.screens.help import HelpPage
        from tui.screens.too_small import TooSmall

        if not isinstance(self.screen, HelpPage | TooSmall):
            self.push_screen(HelpPage(self.screen))

    def action_palette(self) -> None:
        """Show what can be done here and now, and do what is chosen of it."""
        from tui.palette import Palette
        from tui.screens.too_small import TooSmall

        if isinstance(self.screen, ListPage) and self.focused is self.screen.field:
            self.screen.keep_filter()  # what is typed must not hide what its list can do
            self.call_after_refresh(self.action_palette)
        elif not isinstance(self.screen, Palette | TooSmall):
            self.push_screen(Palette(self.screen), self.do)

    async def do(self, deed: Deed | None) -> None:
        """Do what a key does, by another way than its key."""
        if deed is not None:
            await self.run_action(deed.action, deed.node)


async def run_app(
    engine: Engine, clock: Clock, *, machine: str, project: Project | None, mouse: bool
) -> int:
    """Run the app until it is left, and give its exit code. Raises the fault that ended it."""
    app = Backstay(engine, clock, machine=machine, project=project)
    app.end_on_signals()
    gc.freeze()  # what was loaded lives to the end: to look through it would hold a key for 50 ms
    code = await app.run_async(mouse=mouse)
    if code is not None:  # a screen that was still coming up may have failed because of the end
        return code
    fault = app.fault()
    if fault is not None:
        raise fault
    return app.return_code or 0
