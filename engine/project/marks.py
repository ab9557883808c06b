"""Marks: what stands in a backup where a token stood.

A token is as good as a password, so none may be in a backup. `Scrubber` replaces each by a mark on
the way in: the backup's own prefix, a number, and what it stood for, as in
``<prefix>-7-token``. `Follower` turns marks into the tokens of a restored project on the way out.
Both work on whole values and inside longer text, such as an action's JSON.

The end of a mark is part of it, so that digits which follow a token in some text cannot turn mark
1 into mark 12; and it has no character that JSON or YAML would have to quote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from engine.project.tables import BrokenText, Row, Value, as_text

_HEX = "[0-9a-fA-F]"
_TOKEN_TEXT = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_TOKEN_LENGTH = 36
# looked ahead for, because digits before a token may begin another match that overlaps it
_TOKEN = re.compile(f"(?=({_TOKEN_TEXT}))")
_FALLBACK = re.compile(r'("fallback_token"\s*:\s*")([^"]*)(")')
_PREFIX = re.compile(r"[0-9A-Za-z_-]{8,64}")
_SHORTEST_SOUGHT = 12  # characters; a shorter word may stand in a text by chance


def _mark(prefix: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(prefix)}-(-?[0-9]+)-(token|dropped|unknown)")


class Scrubber:
    """Replaces the tokens it was given; call it with a text to get the text without them.

    `device_tokens` and `account_tokens` map each token to its row number. A token is found as a
    whole value or inside text or bytes, in upper or lower case. One that is not a UUID and shorter
    than 12 characters is found only as a fallback token: such a word may stand anywhere by
    chance. `short_tokens` counts those.
    """

    def __init__(
        self,
        prefix: str,
        device_tokens: Iterable[tuple[int, str]],
        account_tokens: Iterable[tuple[int, str]],
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("a mark's prefix is 8 to 64 letters, digits, '-' and '_'")
        self._prefix = prefix
        self._mark = _mark(prefix)
        self._unknown = f"{prefix}-0-unknown"
        self._marks: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        for kind, tokens in (("token", device_tokens), ("dropped", account_tokens)):
            for number, token in tokens:
                if not token:
                    continue
                mark = f"{prefix}-{number}-{kind}"
                self._marks.setdefault(token, mark)
                self._folded.setdefault(token.casefold(), mark)
        odd = {token for token in self._marks if not re.fullmatch(_TOKEN_TEXT, token)}
        sought = {token for token in odd if len(token) >= _SHORTEST_SOUGHT}
        self.short_tokens = len(odd) - len(sought)
        self._odd = (
            re.compile("|".join(map(re.escape, sorted(sought, key=_longest_first))), re.IGNORECASE)
            if sought
            else None
        )
        self._shortest = min([_TOKEN_LENGTH, len(f"{prefix}-0-token"), *map(len, sought)])

    def mark_of(self, token: str) -> str:
        """The mark of a token of the instance, written exactly so."""
        return self._marks.get(token, self._unknown)

    def __call__(self, text: str) -> str:
        """The text with a mark in the place of each token."""
        if self._prefix in text:
            # only we write marks: one that was planted must not become a token on restore
            text = self._mark.sub(self._unknown, text)
        text = self._without_tokens(text)
        if self._odd is None:
            return text
        return self._odd.sub(lambda found: self._find(found.group()) or self._unknown, text)

    def value(self, value: Value) -> Value:
        """A value of any type without tokens; bytes are searched as they are."""
        return _within(value, self)

    def rows(self, rows: list[Row]) -> list[Row]:
        """The rows without tokens; the list itself where nothing looks like one."""
        long = [
            value
            for value in chain.from_iterable(rows)
            if type(value) is str and len(value) >= self._shortest  # quicker than isinstance()
        ]
        if not {bytes, BrokenText}.isdisjoint(map(type, chain.from_iterable(rows))):
            long += (
                as_text(value) or ""
                for value in chain.from_iterable(rows)
                if isinstance(value, bytes | BrokenText)
            )
        if not long or not self._suspicious("\n".join(long)):
            return rows
        return [tuple(map(self.value, row)) for row in rows]

    def fallback(self, text: str) -> tuple[str, bool]:
        """An action's JSON whose fallback token belongs to no device any more, if it has one.

        Returns the text, with a mark where a token-shaped fallback token stood that nobody
        knows, and whether there was one.
        """
        unknown = False

        def replaced(found: re.Match[str]) -> str:
            nonlocal unknown
            before, token, after = found.groups()
            mark = self._find(token)
            if mark is None and re.fullmatch(_TOKEN_TEXT, token.strip()):
                unknown = True
                mark = self._unknown
            return f"{before}{mark or token}{after}"

        return _FALLBACK.sub(replaced, text), unknown

    def _find(self, token: str) -> str | None:
        return self._marks.get(token) or self._folded.get(token.casefold())

    def _suspicious(self, text: str) -> bool:
        return (
            _TOKEN.search(text) is not None
            or self._prefix in text
            or (self._odd is not None and self._odd.search(text) is not None)
        )

    def _without_tokens(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        for found in _TOKEN.finditer(text):
            start = found.start()
            mark = self._find(found.group(1)) if start >= done else None
            if mark is not None:
                parts += (text[done:start], mark)
                done = start + _TOKEN_LENGTH
        return "".join((*parts, text[done:])) if parts else text


def _within(value: Value, change: Callable[[str], str]) -> Value:
    if isinstance(value, str):
        return change(value)
    # latin-1 gives every byte a character of its own, and back
    if isinstance(value, bytes):
        return change(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, BrokenText):
        return BrokenText(change(value.raw.decode("latin-1")).encode("latin-1"))
    return value


def _longest_first(token: str) -> tuple[int, str]:
    return (-len(token), token)


class Follower:
    """Puts the new tokens where marks stand; call it with a text to get the text with them.

    `tokens` maps a device token's row number to the new token. Marks of tokens that a restored
    project does not have become empty text; `blanked` counts those.
    """

    def __init__(self, prefix: str, tokens: Mapping[int, str]) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("a mark's prefix is 8 to 64 letters, digits, '-' and '_'")
        self.prefix = prefix
        self.blanked = 0
        self._tokens = tokens
        self._mark = _mark(prefix)

    def __call__(self, text: str) -> str:
        """The text with tokens in the place of marks."""
        return self._mark.sub(self._token, text) if self.prefix in text else text

    def number(self, mark: str) -> int | None:
        """The number of a device token's mark; None for any other text."""
        found = self._mark.fullmatch(mark)
        return int(found.group(1)) if found and found.group(2) == "token" else None

    def value(self, value: Value) -> Value:
        """A value of any type with tokens in the place of marks."""
        return _within(value, self)

    def _token(self, found: re.Match[str]) -> str:
        number, kind = found.groups()
        token = self._tokens.get(int(number)) if kind == "token" else None
        if token is None:
            self.blanked += 1
            return ""
        return token
