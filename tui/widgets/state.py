"""What is said in place of a list: that there is nothing yet, or why it cannot be shown."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.plain_text import plain


class State(Static):
    """A sentence and what to do, in place of a list; hidden while it has nothing to say."""

    DEFAULT_CLASSES = "-silent"

    def tell(self, title: str, *lines: str, glyph: str = "", style: str = "bold") -> None:
        """Say something; a glyph and a style (of the theme) go with its title."""
        head = f"{glyph} {plain(title)}" if glyph else plain(title)
        body = "".join(f"\n{plain(line)}" for line in lines)
        self.update(Content.assemble((head, style), body))
        self.remove_class("-silent")

    def hush(self) -> None:
        """Say nothing."""
        if not self.has_class("-silent"):
            self.add_class("-silent")
            self.update("")

    @property
    def speaks(self) -> bool:
        """Whether anything is said."""
        return not self.has_class("-silent")
