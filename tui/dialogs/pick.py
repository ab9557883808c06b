"""A choice of one or of several of many things: projects, devices, variables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType

from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import counted

_TICK = "✓"


class Item(NamedTuple):
    """Something to choose; `more` are the cells beside its name."""

    key: str
    name: str
    more: Sequence[str] = ()


class Items(NamedTuple):
    """What there is to choose from, and what is said below it."""

    items: Sequence[Item]
    note: str = ""


class Picking(NamedTuple):
    """What is asked for: its title, what is listed, how that is read, and what is chosen now.

    Where `many` may be chosen, none means all.
    """

    title: str
    noun: tuple[str, str]
    columns: Sequence[Column]  # the first is that of the names
    read: Callable[[], Awaitable[Items]]
    chosen: Collection[str]
    many: bool
    nothing: str  # what is said where there is nothing to choose


class Pick(ListPage[Items]):
    """Lists things; `done` is called with the keys of those chosen, in the order of the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "tick", tooltip="Choose it, or take that back"),
        Binding("a", "tick_all", "all or none", tooltip="Choose all that are listed, or none"),
        Binding("enter", "done", "choose", tooltip="Take what is chosen"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
    ]
    follows = True

    def __init__(self, picking: Picking, done: Callable[[tuple[str, ...]], None]) -> None:
        super().__init__()
        self.picking = picking
        self._done = done
        self._ticked = set(picking.chosen)
        self._begun = False

    @property
    def noun(self) -> tuple[str, str]:  # type: ignore[override]  # it is asked for
        """What is listed."""
        return self.picking.noun

    @property
    def where(self) -> tuple[str, ...]:
        """What is to be chosen."""
        return (self.picking.title,)

    async def read(self) -> Items:
        """Ask for what there is."""
        return await self.picking.read()

    async def look(self) -> None:
        """What there is to choose is not read anew while it is chosen from."""

    def listed(self, data: Items) -> Listed:
        """All of it, with ticks where many may be chosen."""
        many = self.picking.many
        ticks = [Column("")] if many else []
        rows = [
            Row(
                item.key,
                [
                    *([Cell(_TICK if item.key in self._ticked else " ", "good")] if many else []),
                    Cell(item.name),
                    *(Cell(text, "dim") for text in item.more),
                ],
            )
            for item in data.items
        ]
        return Listed([*ticks, *self.picking.columns], rows, [data.note] if data.note else [])

    def show(self, data: Items) -> None:
        """Show it; begin at what is chosen."""
        super().show(data)
        if not self._begun:
            self._begun = True
            first = next((each.key for each in data.items if each.key in self._ticked), None)
            if first is not None:
                self.rows.select(first)

    def say_empty(self, data: Items, state: State) -> None:
        """Say that there is nothing to choose."""
        state.tell(self.picking.nothing)

    def said_of_selected(self, data: Items) -> Sequence[str]:
        """How many are chosen."""
        if not self.picking.many:
            return []
        ticked = sum(item.key in self._ticked for item in data.items)
        all_of_them = counted(len(data.items), *self.picking.noun)
        if not ticked:
            return [f"None of {all_of_them} is ticked: that means all of them."]
        return [f"{ticked:,} of {all_of_them} {'is' if ticked == 1 else 'are'} ticked."]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Ticks are for where many may be chosen."""
        if action in ("tick", "tick_all"):
            return self.picking.many and self.data is not None and bool(self.rows.keys)
        if action == "done":
            return self.data is not None and bool(self.picking.many or self.rows.selected)
        return super().check_action(action, parameters)

    @on(Rows.Opened)
    def _clicked_again(self) -> None:
        if self.picking.many:
            self.action_tick()
        else:
            self.action_done()

    def action_tick(self) -> None:
        """Choose what is selected, or take that back."""
        key = self.rows.selected
        if key is not None:
            self._ticked ^= {key}
            self.tick()

    def action_tick_all(self) -> None:
        """Choose all that are listed now; none, where all of them are chosen."""
        shown = set(self.rows.keys)
        self._ticked = self._ticked - shown if shown <= self._ticked else self._ticked | shown
        self.tick()

    def action_done(self) -> None:
        """Take what is chosen."""
        if self.data is None:
            return
        selected = {self.rows.selected}
        chosen = self._ticked if self.picking.many else selected
        keys = tuple(item.key for item in self.data.items if item.key in chosen)
        self.backstay.back()
        self._done(keys)
