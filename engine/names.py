"""Names and ids: what a project may be called, when two names are the same, how texts are shown."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from engine.errors import Invalid

LONGEST_NAME = 60  # characters, after normalisation
LONGEST_PATH = 4096  # characters that Linux takes

_ID = re.compile(r"[0-9a-f]{12}")
_FORBIDDEN_SIGNS = "/\\@"
_FORBIDDEN_CATEGORIES = {
    "Cc": "a control character",
    "Cf": "an invisible formatting character",
    "Cs": "a half of a surrogate pair",
    "Co": "a private-use character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
# Unicode files these under letters, marks or symbols, yet nothing of them is seen on a screen:
# the Hangul fillers, the combining grapheme joiner, two Khmer vowels, the empty Braille pattern.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u2800")


def new_id() -> str:
    """A new random id: 12 lowercase hex digits."""
    return os.urandom(6).hex()


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id."""
    return _ID.fullmatch(text) is not None


def shown(text: str, longest: int = LONGEST_NAME) -> str:
    """`text` in quotes, cut to `longest` characters, fit for a message and a terminal.

    A text with control, formatting or other unprintable characters is shown with escapes instead.
    """
    cut = text if len(text) <= longest else text[:longest] + "…"
    return f'"{cut}"' if cut.isprintable() else _escaped(text)


def shown_path(path: Path) -> str:
    """A path as `shown` shows a text, but whole: a part of it leads nowhere."""
    return shown(str(path), LONGEST_PATH)


def check_project_name(text: str) -> str:
    """Give the name as it is kept: `text` in Unicode's composed form (NFC).

    Raises `Invalid`, which names the rule that was broken and shows `text` with escapes only.
    """
    # NFC makes a text at most three times longer, and a name that is far too long is not worth it.
    if len(text) > 100 * LONGEST_NAME:
        raise _refused(text, f"a name has at most {LONGEST_NAME} characters, this has {len(text)}")
    name = unicodedata.normalize("NFC", text)
    for sign in name:
        what = _FORBIDDEN_CATEGORIES.get(unicodedata.category(sign))
        if sign in _FORBIDDEN_SIGNS:
            raise _refused(text, f"a name cannot hold {sign}")
        if what is not None or sign in _BLANK:
            what = what or "an invisible character"
            raise _refused(text, f"a name cannot hold {what} (U+{ord(sign):04X})")
    if not name.strip():
        raise _refused(text, "a name cannot be empty")
    if len(name) > LONGEST_NAME:
        raise _refused(text, f"a name has at most {LONGEST_NAME} characters, this has {len(name)}")
    if name != name.strip():
        raise _refused(text, "a name cannot begin or end with a space")
    if name.startswith(".") or name.endswith("."):
        raise _refused(text, "a name cannot begin or end with a full stop")
    if name.startswith("-"):
        raise _refused(text, "a name cannot begin with a hyphen")
    if not any(unicodedata.category(sign)[0] in "LN" for sign in name):
        raise _refused(text, "a name needs at least one letter or digit")
    # Compared as lookups compare, so that no name can ever stand in for a project's id.
    if is_id(name_key(name)):
        raise _refused(text, "a name of 12 hex digits would be taken for a project's id")
    return name


def name_key(text: str) -> str:
    """What makes two names the same: upper and lower case, forms and runs of spaces do not differ.

    Unicode's compatibility caseless match (definition D146 of the standard, chapter 3.13).
    """
    key = unicodedata.normalize("NFD", text).casefold()
    key = unicodedata.normalize("NFKD", key).casefold()
    return " ".join(unicodedata.normalize("NFKC", key).split())


def folder_name(name: str, project_id: str) -> str:
    """The folder of a new project: plain ASCII letters, digits and hyphens, and part of its id."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    return f"{slug or 'project'}-{project_id[:6]}"


def word(name: str) -> str:
    """A name as a command takes it: in quotes where a shell would need them."""
    import shlex

    return shlex.quote(name)


def _escaped(text: str) -> str:
    return ascii(text) if len(text) <= 40 else ascii(text[:40]) + "..."


def _refused(text: str, rule: str) -> Invalid:
    return Invalid(
        f"{_escaped(text)} cannot be a project's name: {rule}.",
        hint=f"Nothing was changed. Choose 1 to {LONGEST_NAME} letters, digits and spaces.",
    )
