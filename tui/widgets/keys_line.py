"""The last line of each screen: the keys that do something here now. Each can be clicked, too."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.screen import Screen
from textual.style import Style
from textual.widgets import Static

from tui.plain_text import cells

_NAMES = {
    "enter": "⏎",
    "escape": "esc",
    "question_mark": "?",
    "slash": "/",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
}
_GAP = "   "
_FIRST = "try again"  # what is to be done where something went wrong
_LAST = ("help", "quit")  # what stays where room is short, besides what comes first


class KeysLine(Static):
    """The keys of the screen that are shown and possible, in their order."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._told: list[tuple[str, str, str]] = []
        self._to_look = False

    def on_mount(self) -> None:
        """Hear of what is possible when it changes."""
        self.screen.bindings_updated_signal.subscribe(self, self._look_soon)
        self.call_after_refresh(self._look_soon, self.screen)

    def on_resize(self) -> None:
        """Lay the line out anew."""
        self._lay_out()

    def _look_soon(self, screen: Screen[object]) -> None:
        """Look once, however often it changes until then."""
        if not self._to_look:
            self._to_look = True
            self.call_next(self._look, screen)

    def _look(self, screen: Screen[object]) -> None:
        self._to_look = False
        if not self.is_mounted or not screen.is_current:
            return
        told: list[tuple[str, str, str]] = []
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.description:
                key = binding.key_display or key_name(binding.key)
                target = "app" if active.node is self.app else "screen"
                if active.node not in (self.app, screen):
                    target = "focused"
                whole = binding.action.partition("(")[0].count(".") == 1  # it names its target
                action = binding.action if whole else f"{target}.{binding.action}"
                entry = (key, binding.description, action)
                if entry[1:] not in [each[1:] for each in told]:  # the first key of several
                    told.append(entry)
        own = [getattr(binding, "action", "") for binding in type(screen).BINDINGS]
        told.sort(key=lambda entry: _place(entry, own))
        if told != self._told:
            self._told = told
            self._lay_out()

    def _lay_out(self) -> None:
        room = self.content_size.width
        shown = list(self._told)
        while len(shown) > 1 and _width(shown) > room:
            spare = [entry for entry in shown if entry[1] not in _LAST]
            shown.remove(spare[-1] if spare else shown[-1])
        parts: list[Content] = []
        for number, (key, description, action) in enumerate(shown):
            if number:
                parts.append(Content(_GAP))
            click = Style.from_meta({"@click": action})
            parts.append(Content.assemble((key, "bold"), f" {description}").stylize(click))
        self.update(Content("").join(parts), layout=False)


def _place(entry: tuple[str, str, str], own: Sequence[str]) -> int:
    """Where a key stands: what has the focus first, then the screen's own in their order."""
    where, _, action = entry[2].partition(".")
    if where == "focused" or entry[1] == _FIRST:
        return -1
    if entry[1] in _LAST:
        return len(own) + 1 + _LAST.index(entry[1])
    if entry[2] in own:  # an action that names its target
        return own.index(entry[2])
    return own.index(action) if action in own else len(own)


def key_name(key: str) -> str:
    """How a key is written: the first of several that do the same."""
    first = key.split(",")[0]
    return _NAMES.get(first, first)


def _width(entries: list[tuple[str, str, str]]) -> int:
    texts = [f"{key} {description}" for key, description, _ in entries]
    return cells(_GAP.join(texts))
