"""What a new project costs: shown in full, and agreed to, before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from engine import BackstayError, Backup, Invalid, Money, PriceNotAccepted, Quote, Taken
from tui.plain_text import cells, plain
from tui.screens.page import Page
from tui.views.quotes import FREE, PAID, quote_facts
from tui.widgets.choice import Choice, Choices
from tui.widgets.state import State
from tui.wording import money

_SOON = 0.3  # seconds after which it is told that the project is still being asked for


class Cost(Page[Quote]):
    """Shows the price, and asks for the project when it is agreed to; begins at Cancel.

    What is agreed to is the price that is on the screen: where it is another one by then, the new
    one is shown, and has to be agreed to anew.
    """

    CSS_PATH = "cost.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "buttons"),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("escape", "back", "back"),
    ]
    reading = "Asking for the price…"

    def __init__(
        self, backup: Backup, project_name: str, name: str, agreed: Callable[[str], None]
    ) -> None:
        """`name` is that of the new project; `agreed` is called with the job that makes it."""
        super().__init__()
        self.backup = backup
        self.project_name = project_name
        self.new_name = name
        self._agreed = agreed
        self._shown: Quote | None = None
        self._asking = False
        self._job = ""

    @property
    def where(self) -> tuple[str, ...]:
        """What is shown."""
        return ("What it costs",)

    @property
    def who(self) -> str:
        """The project that it is the price of."""
        return self.new_name

    def body(self) -> Iterable[Widget]:
        """The price, what it means, and whether to agree."""
        yield Vertical(
            Static(id="price"),
            Static(id="meaning"),
            State(id="told"),
            Choices(
                Choice("Cancel", name="cancel"),
                Choice("Create project", name="create", disabled=True),
            ),
            id="dialog",
        )

    def on_mount(self) -> None:
        """Begin at what changes nothing."""
        self.query_one("#cancel").focus()

    def on_screen_resume(self) -> None:
        """Go on where the project was asked for while another screen was in front."""
        if self._job:
            self._agreed(self._job)

    async def read(self) -> Quote:
        """Ask for the price as it is now."""
        return await self.backstay.engine.quote(self.backup.id)

    def show(self, data: Quote) -> None:
        """Show a price; another one than before has to be agreed to anew."""
        before, self._shown = self._shown, data
        if before == data:
            return
        self.query_one("#price", Static).update(_price(data))
        self.set_class(not data.priced, "-free")
        self.query_one("#meaning", Static).update(Content(self._meaning(data)))
        fee = f" for {money(data.creation_fee)}" if data.priced else ""
        button = self.query_one("#create", Choice)
        button.say(f"Create project{fee}")
        button.disabled = False
        if before is not None and _rates(before) != _rates(data):
            self.query_one("#cancel").focus()
            self._tell(
                f"The price has changed. {_change(before, data)}",
                "Nothing was made, and nothing was charged. Agree to the new price, or cancel.",
                glyph="!",
                style="$warning",
            )

    def _meaning(self, data: Quote) -> str:
        unchanged = f"{plain(self.project_name)} is not changed."
        return f"{PAID if data.priced else FREE}\n{unchanged}"

    def tick(self) -> None:
        """Ask anew each minute: what is left of the month gets less."""
        if self.data is not None:
            self.read_soon()

    def refuse(self, error: BackstayError) -> None:
        """Say in place of everything that this is not for the user, or not there any more."""
        self.query_one("#dialog").display = False
        super().refuse(error)

    def _tell(self, title: str, *lines: str, glyph: str, style: str) -> None:
        self.query_one("#told", State).tell(title, *lines, glyph=glyph, style=style)
        self.call_after_refresh(self._keep_in_view)

    def _keep_in_view(self) -> None:
        """What is told moves the buttons down: on a low terminal out of view."""
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    # Agreeing

    @on(Choice.Pressed, "#create")
    def _pressed(self) -> None:
        if self._shown is not None and not self._asking and not self._job:
            self._asking = True
            self.refresh_bindings()
            self.query_one("#told", State).hush()
            self.set_timer(_SOON, self._tell_that_it_asks)
            self._create(self._shown)

    @work(group="create")
    async def _create(self, agreed: Quote) -> None:
        """Ask for the project at the price that was agreed to, and leave for its job."""
        engine = self.backstay.engine
        try:
            handle = await engine.restore(self.backup.id, self.new_name, accept_cost=agreed)
            self._job = handle.job
        except PriceNotAccepted:  # it has changed since
            self.read_soon()
        except BackstayError as error:
            self._tell_error(error)
        finally:
            self._asking = False
            self.refresh_bindings()
        if self._job and self.is_active:
            self._agreed(self._job)

    def _tell_error(self, error: BackstayError) -> None:
        lines = [error.hint] if error.hint else []
        if isinstance(error, (Taken, Invalid)):
            lines.append("Esc leads back to the name.")
        self._tell(error.message, *lines, glyph="✗", style="$error")

    def _tell_that_it_asks(self) -> None:
        if self._asking:
            self._tell("Asking for the project…", glyph="", style="$quiet")

    # Leaving

    @on(Choice.Pressed, "#cancel")
    def _cancel(self) -> None:
        if not self._asking and not self._job:
            self.action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Going back is not offered for the moment in which the project is asked for."""
        if action == "back" and (self._asking or self._job):
            return False
        return super().check_action(action, parameters)


def _price(quote: Quote) -> Content:
    """The lines of a price, what is due at once first."""
    pairs = quote_facts(quote, money)
    room = max(cells(name) for name, _ in pairs) + 4
    lines = [
        Content.assemble((f"{name:{room}}", "$quiet"), (value, "" if number else "bold"))
        for number, (name, value) in enumerate(pairs)
    ]
    return Content("\n").join(lines)


def _rates(quote: Quote) -> tuple[Money, Money, bool]:
    """What makes two prices the same, whenever they were asked for."""
    return quote.creation_fee, quote.hourly, quote.priced


def _change(before: Quote, now: Quote) -> str:
    """How a price has changed, in a sentence."""
    changes = []
    if before.creation_fee != now.creation_fee:
        old, new = money(before.creation_fee), money(now.creation_fee)
        changes.append(f"creating it was {old} and is {new} now")
    if before.hourly != now.hourly:
        old, new = money(before.hourly), money(now.hourly)
        changes.append(f"an hour was {old} and is {new} now")
    if not changes:
        changes.append("prices are set now" if now.priced else "no prices are set any more")
    said = "; ".join(changes)
    return f"{said[0].upper()}{said[1:]}."
