"""Text that is safe to print: names come from databases and may hold anything.

A device could be called ``\\x1b[2J`` (clear the screen) or carry a character that turns the
reading direction around. Whatever a terminal would obey, or would not show, is written as its
escape, so that a name can neither act nor pretend to be another name.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


def plain(text: str) -> str:
    """Return `text` on one line with every unprintable character written as its escape.

    Control characters, line and paragraph separators, formatting characters (bidi overrides,
    zero-width ones) and lone surrogates all become ``\\n``, ``\\x1b``, ``\\u202e`` and the like.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters two, combining ones none."""
    return len(text) if text.isascii() else _cells(text)


@lru_cache(maxsize=4096)  # lists hold the same few marks and words over and over
def _cells(text: str) -> int:
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` columns, ending in an ellipsis where it was shortened."""
    if cells(text) <= width:
        return text
    kept, room = "", max(width - 1, 0)
    for character in text:
        room -= _cells_of(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + "…" if width > 0 else ""


def wrap(text: str, width: int) -> list[str]:
    """Split `text` into lines of at most `width` columns, between words where it can."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if cells(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        line = word
        while cells(line) > width:
            head = _head(line, width)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line] if line or not lines else lines


def _head(text: str, width: int) -> str:
    """The longest beginning of `text` that fits, but never nothing."""
    room = width
    for position, character in enumerate(text):
        room -= _cells_of(character)
        if room < 0:
            return text[: max(position, 1)]
    return text
