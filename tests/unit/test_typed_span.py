"""A span of time that is typed is meant on the clocks of a zone, or says what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime

from tui.typed_span import Span, TypedSpan


def test_moments_are_meant_on_the_clocks_of_a_zone() -> None:
    typed = TypedSpan(" 2026-07-01 08:00", "2026-07-02T00:00:00+02:00")
    until = datetime(2026, 7, 1, 22, tzinfo=UTC)
    assert typed.read("Europe/Lisbon") == Span(datetime(2026, 7, 1, 7, tzinfo=UTC), until)
    assert typed.read(None) == Span(datetime(2026, 7, 1, 8, tzinfo=UTC), until)
    assert TypedSpan().read(None) == Span()


def test_what_is_no_span_says_where() -> None:
    for text in ("yesterday", "2026-13-01", "0001-01-01 00:00", "24:00"):
        assert [field for field, _ in TypedSpan(since=text).read("Asia/Tokyo").wrong] == ["since"]
    wrong = TypedSpan("2026-07-02", "2026-07-02").read(None).wrong
    assert [field for field, _ in wrong] == ["until"]
