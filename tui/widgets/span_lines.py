"""Two lines to fill in: since when, and until when."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from tui.typed_span import Span, TypedSpan
from tui.widgets.form import Field, FormLine
from tui.wording import date_there

_SIGN = "[0-9TZW:+. -]"  # what a moment can be made of
_LONGEST, _SHOWN = 25, 22  # characters of a moment; columns of its field
_EMPTY = {"since": "from the first row on", "until": "to the last row"}


class SpanLines(Vertical):
    """The fields `since` and `until`; what each means, or what is wrong, is said beside it."""

    def __init__(self, begin: TypedSpan | None = None) -> None:
        """`begin` is what is filled in at first."""
        super().__init__()
        self._begin = begin or TypedSpan()

    def compose(self) -> ComposeResult:
        """Lay out the two lines."""
        for name, text in zip(TypedSpan._fields, self._begin, strict=True):
            field = Field(_SIGN, _LONGEST, name=name)
            field.value = text
            field.styles.width = _SHOWN  # so that what it means finds room beside it
            yield FormLine(name.capitalize(), field)

    @property
    def typed(self) -> TypedSpan:
        """What is filled in."""
        return TypedSpan(*(self.query_one(f"#{name}", Input).value for name in TypedSpan._fields))

    def tell(self, span: Span, zone: str | None) -> None:
        """Say what is meant, with dates on the clocks of a zone."""
        wrong = dict(span.wrong)
        lines = zip(
            TypedSpan._fields, span[:2], ("from", "before"), self.query(FormLine), strict=True
        )
        for name, moment, word, line in lines:
            if name in wrong:
                line.say(wrong[name], wrong=True)
            elif moment is None:
                line.say(_EMPTY[name])
            else:
                line.say(f"{word} {date_there(moment, zone)}")
