"""What the keys of a screen do, in words: for the help, and for the palette."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from textual.actions import parse
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

from tui.widgets.choice import Choice
from tui.widgets.keys_line import key_name
from tui.widgets.menu import Menu
from tui.widgets.rows import Rows

_MOST = 2  # keys of those that do the same
_OURS = "tui."  # textual's own bindings, such as those of every field, are not told
_CALLED: dict[type[DOMNode], str] = {
    Rows: "In the list",
    Menu: "In the menu",
    Input: "In the field",
    Choice: "In the dialog",
    Screen: "Here",
    App: "Everywhere",
}


class Deed(NamedTuple):
    """Something that keys do: `node` is what they are bound to, `where` that in words.

    `name` is what the line of keys calls it, `what` says it in more words.
    """

    where: str
    keys: str
    name: str
    what: str
    action: str
    node: DOMNode
    possible: bool  # now


def deeds(screen: Screen[object]) -> list[Deed]:
    """What the keys do on a screen: where the focus is, on the screen as such, and everywhere."""
    focused = screen.focused
    found: list[Deed] = []
    for node in (screen, focused, screen.app):
        if node is not None:
            found += _deeds_of(node)
    return found


def _deeds_of(node: DOMNode) -> Iterator[Deed]:
    where = next((name for kind, name in _CALLED.items() if isinstance(node, kind)), "Here")
    keys: dict[str, list[str]] = {}  # of each action
    told: dict[str, Binding] = {}
    for binding in _bindings_of(node):
        if binding.system or not binding.description:
            continue
        names = [key_name(key) for key in binding.key.split(",")]
        known = keys.setdefault(binding.action, [])
        known += [name for name in names if name not in known]
        told.setdefault(binding.action, binding)
    possible = {action: _is_possible(node, action) for action in told}
    taken = {name for action, names in keys.items() if possible[action] for name in names}
    for action, binding in told.items():
        own = keys[action] if possible[action] else [n for n in keys[action] if n not in taken]
        if own:  # a key that does something else now is told of that
            what = binding.tooltip or binding.description
            text = what[0].upper() + what[1:]
            shown = "  ".join(own[:_MOST])
            yield Deed(where, shown, binding.description, text, action, node, possible[action])


def _bindings_of(node: DOMNode) -> Iterator[Binding]:
    """The bindings that our classes give a node, its own class's first."""
    for kind in type(node).__mro__:
        if kind.__module__.startswith(_OURS):
            for binding in kind.__dict__.get("BINDINGS", ()):
                if isinstance(binding, Binding):
                    yield binding


def _is_possible(node: DOMNode, action: str) -> bool:
    target, name, parameters = parse(action)
    of = {"app": node.app, "screen": node.screen}.get(target, node) if target else node
    return bool(of.check_action(name, parameters))
