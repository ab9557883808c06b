"""One screen of the app: a line that says where and who, what it shows, and its keys."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from engine import BackstayError, NotAllowed, NotFound
from tui.screens.own_screen import OwnScreen
from tui.widgets.keys_line import KeysLine
from tui.widgets.menu import Menu
from tui.widgets.state import State
from tui.widgets.top_line import TopLine
from tui.wording import moment_shown

D = TypeVar("D")
_SOON = 0.3  # seconds after which it is told that something is still being read


class Page(OwnScreen[None], Generic[D]):
    """A screen that reads something from the engine and shows it.

    It reads when it comes up, when something was changed by anyone, and on request. What could not
    be read leaves what was shown before, and says so.
    """

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  # declared by textual as of the instance
        (0, "-narrow"),
        (110, "-wide"),
    ]
    READS_AGAIN: ClassVar[bool] = True  # when another screen that was in front is gone
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", tooltip="Go back"),
        Binding("r", "try_again", "try again", tooltip="Try to read it again"),
        Binding("r", "read_again", "read again", show=False, tooltip="Read what is shown anew"),
    ]
    reading = "Reading…"  # what is said while it takes long

    def __init__(self) -> None:
        super().__init__()
        self.data: D | None = None
        self.read_at: datetime | None = None
        self._seen = -1  # the number of the change that was seen last
        self._looking = False
        self._in_trouble = False  # whether what is shown could not be read when it was tried last
        self._refused = False  # each try would be one more refusal in the audit trail
        self._being_read = 0  # one that is cancelled may not have ended when the next begins

    # What each page says of itself

    @property
    @abstractmethod
    def where(self) -> tuple[str, ...]:
        """Where I am, from the left."""

    @property
    def who(self) -> str:
        """Who I am here."""
        return self.backstay.engine.user

    @abstractmethod
    def body(self) -> Iterable[Widget]:
        """The widgets between the first line and the keys."""

    @abstractmethod
    async def read(self) -> D:
        """Ask the engine for what is shown."""

    @abstractmethod
    def show(self, data: D) -> None:
        """Show what was read; called again each minute, for the ages of things."""

    # What is the same for all

    @property
    def open_menu(self) -> Menu | None:
        """The menu that is over the page. It is asked for each key: no query."""
        return next((child for child in self.children if isinstance(child, Menu)), None)

    @property
    def menu_is_open(self) -> bool:
        """Whether a menu is over the page."""
        return self.open_menu is not None

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        yield TopLine()
        with Vertical(id="body"):
            yield from self.body()
            yield State(id="state")
        yield State(id="trouble")
        yield KeysLine()

    def _compositor_refresh(self) -> None:
        """Render, unless nothing is painted yet: textual would render and throw it away."""
        if self.backstay.paints:
            super()._compositor_refresh()

    def on_mount(self) -> None:
        """Say where we are, and begin to read.

        Textual calls this after the `on_mount` of each subclass; none calls it itself.
        """
        self.query_one(TopLine).tell(self.where, self.who)
        self.read_soon()
        self.set_timer(_SOON, self._tell_that_it_reads)

    def on_screen_resume(self) -> None:
        """Read again what may have changed while another screen was in front."""
        # Not for subclasses to override: Textual calls the handlers of all classes.
        if self.READS_AGAIN and self.read_at is not None:
            self.read_soon()

    def read_soon(self) -> None:
        """Read anew, instead of what is being read now."""
        self._read()

    async def look(self) -> None:
        """Look soon whether another process has changed something since, and read that.

        The app does not wait for it: where the catalog is held, keys go on to work.
        """
        if not self._looking and not self._refused:
            self._look_for_changes()

    @work(group="look")
    async def _look_for_changes(self) -> None:
        self._looking = True
        try:
            changes = await self.backstay.engine.changes()
            # What is being read now is not begun anew: changes come faster than it may end.
            if changes != self._seen and not self._being_read:
                self.read_soon()
        except BackstayError:
            pass  # the page itself tells, when it reads
        finally:
            self._looking = False

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        self._being_read += 1
        try:
            await self._read_and_show()
            self.backstay.begin_to_paint()
        finally:
            self._being_read -= 1

    async def _read_and_show(self) -> None:
        try:
            self._seen = await self.backstay.engine.changes()
            data = await self.read()
        except (NotAllowed, NotFound) as error:
            self.refuse(error)
        except BackstayError as error:
            self.could_not_read(error)
        else:
            self.data, self.read_at = data, self.backstay.now
            self._refused, self._in_trouble = False, False
            self.query_one("#trouble", State).hush()
            self.query_one("#state", State).hush()
            self.query_one(TopLine).tell(self.where, self.who)
            self.show(data)
            self.refresh_bindings()

    def tick(self) -> None:
        """Show again what depends on the time."""
        if self.data is not None:
            self.show(self.data)

    def refuse(self, error: BackstayError) -> None:
        """Say in place of everything that this is not to be seen."""
        self.data, self.read_at = None, None
        self._refused, self._in_trouble = True, False
        self.query_one("#trouble", State).hush()
        self.query_one("#state", State).tell(error.message, "", error.hint, glyph="–")
        self.query_one(TopLine).tell(self.where, self.who)
        self.refresh_bindings()

    def could_not_read(self, error: BackstayError) -> None:
        """Keep what was shown, and say since when it is old, why, and what to do."""
        self._in_trouble = True
        why = f"{error.hint} Press r to try again.".strip()
        if self.read_at is None:
            self.query_one("#state", State).tell(error.message, "", why, glyph="!")
        else:
            since = moment_shown(self.read_at, self.backstay.now)
            self.query_one("#trouble", State).tell(
                f"This is from {since} and could not be read since:",
                f"{error.message} {why}",
                glyph="!",
                style="$warning",
            )
        self.refresh_bindings()

    def _tell_that_it_reads(self) -> None:
        state = self.query_one("#state", State)
        if self.read_at is None and not state.speaks:
            state.tell(self.reading, style="$quiet")

    def action_back(self) -> None:
        """Go back to the screen before; the first one stays."""
        self.backstay.back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Going back is not offered on the first screen."""
        if self.menu_is_open and action not in ("help", "leave"):
            return False  # the menu comes first
        if action == "try_again":
            return self._in_trouble
        if action == "back":
            return self.backstay.leads_back
        return super().check_action(action, parameters)

    def action_try_again(self) -> None:
        """Read anew what could not be read."""
        self.action_read_again()

    def action_read_again(self) -> None:
        """Read anew."""
        self.read_soon()
