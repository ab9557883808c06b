"""The command palette: every key of the screen that does something now, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.screen import Screen

from tui.widgets.keys_line import key_name

if TYPE_CHECKING:
    from tui.app import Backstay


def commands(app: Backstay, screen: Screen[object]) -> Iterable[SystemCommand]:
    """What can be done on a screen now, each with the key that does the same."""
    told = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if not active.enabled or not binding.description or binding.action in told:
            continue
        told.add(binding.action)
        title = binding.description[0].upper() + binding.description[1:]
        key = binding.key_display or key_name(binding.key)

        async def run(action: str = binding.action, node: object = active.node) -> None:
            await app.run_action(action, node)  # type: ignore[arg-type]  # a node of the DOM

        yield SystemCommand(title, f"key: {key}", run)
