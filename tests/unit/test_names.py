"""Names and ids: what a project may be called, and when two names are the same."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import Invalid
from engine.names import check_project_name, folder_name, is_id, name_key, new_id, shown


@pytest.mark.parametrize(
    "name",
    ["Plant 7", "a", "7", "Кухня №2", "倉庫", "Cold chain (south) & co.?!", "ü" * 60, "x-", "a.b"],
)
def test_a_reasonable_name_is_kept_as_it_is(name: str) -> None:
    assert check_project_name(name) == name


def test_a_name_is_kept_in_its_composed_form() -> None:
    decomposed = "Ku\u0308che"
    assert check_project_name(decomposed) == "Küche"
    assert check_project_name("u\u0308" * 60) == "ü" * 60, "the length is that of what is kept"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 61, "at most 60 characters, this has 61"),
        ("x" * 300, "at most 60 characters, this has 300"),
        ("x" * 100_000, "at most 60 characters, this has 100000"),
        ("a/b", "cannot hold /"),
        ("..\\b", "cannot hold \\"),
        ("Plant@latest", "cannot hold @"),
        ("a\x00b", "control character (U+0000)"),
        ("a\x1b[2Jb", "control character (U+001B)"),
        ("a\u0085b", "control character (U+0085)"),
        ("a\u202eb", "formatting character (U+202E)"),
        ("a\u200bb", "formatting character (U+200B)"),
        ("a\udc80b", "surrogate pair (U+DC80)"),
        ("a\ue000b", "private-use character (U+E000)"),
        ("a\u2028b", "line separator"),
        ("a\u2029b", "paragraph separator"),
        ("\u3164", "invisible character (U+3164)"),
        ("a\u2800", "invisible character (U+2800)"),
        (" a", "begin or end with a space"),
        ("a\u00a0", "begin or end with a space"),
        (".a", "full stop"),
        ("a.", "full stop"),
        ("-a", "begin with a hyphen"),
        ("!?", "at least one letter or digit"),
        ("0123456789ab", "taken for a project's id"),
        ("0123456789AB", "taken for a project's id"),
        (
            "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff41\uff42",
            "project's id",
        ),
    ],
)
def test_a_bad_name_is_refused_with_the_rule_it_breaks(name: str, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_project_name(name)
    assert rule in refused.value.message
    assert refused.value.exit_code == 2
    assert refused.value.message.isascii(), "nothing of a hostile name reaches the terminal raw"
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 300


@given(st.text(st.characters(), max_size=80))
@example("ﬀ" * 30)
@example("ΐ" * 60)
def test_what_is_accepted_keeps_every_rule(text: str) -> None:
    try:
        name = check_project_name(text)
    except Invalid:
        return
    assert 1 <= len(name) <= 60
    assert name == unicodedata.normalize("NFC", name) == name.strip()
    assert not set(name) & set("/\\@")
    assert {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}.isdisjoint(map(unicodedata.category, name))
    assert not is_id(name_key(name)), "a name never stands in for an id"
    assert check_project_name(name) == name, "what is kept is a name again"


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co"]), min_size=1))
def test_a_refusal_shows_nothing_raw(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_project_name(text)
    assert refused.value.message.isascii()
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Plant 7", "pLANT 7"),
        ("Straße", "STRASSE"),
        ("Küche", "Ku\u0308che"),
        ("Plant 7", "Plant\u00a07"),
        ("Plant 7", "Plant  7"),
        ("ﬁre", "FIRE"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("Plant™ 7", "plantTM 7"),
        ("α\u0345\u0301", "α\u0301\u0345"),  # the same marks, in another order
    ],
)
def test_names_that_look_alike_are_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_names_that_differ_stay_different() -> None:
    assert len({name_key(name) for name in ("Plant 7", "Plant 8", "Plant7", "Plânt 7")}) == 4


@given(st.text(st.characters(codec="utf-8")))
@example("\u0345\u0390")
def test_a_key_is_the_same_for_every_form_of_a_name(text: str) -> None:
    key = name_key(text)
    assert name_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert name_key(unicodedata.normalize(form, text)) == key
    assert name_key(text.casefold()) == key


@given(st.text(), st.from_regex(r"\A[0-9a-f]{12}\Z"))
def test_a_folder_is_plain_ascii_and_carries_the_id(name: str, project: str) -> None:
    folder = folder_name(name, project)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{6}", folder)
    assert folder.endswith(project[:6])
    assert len(folder) <= 47


def test_a_folder_says_which_project_it_is() -> None:
    assert folder_name("Küche / Süd 2", "0123456789ab") == "kuche-sud-2-012345"
    assert folder_name("倉庫", "0123456789ab") == "project-012345"


def test_ids_are_twelve_hex_digits_and_differ() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(map(is_id, ids))


@pytest.mark.parametrize("text", ["", "0123456789a", "0123456789abc", "0123456789AB", "a\n" * 6])
def test_other_texts_are_no_ids(text: str) -> None:
    assert not is_id(text)
    assert not is_id("0123456789ab\n")


def test_a_text_is_shown_in_quotes_cut_and_without_control_characters() -> None:
    assert shown("Küche") == '"Küche"'
    assert shown("x" * 100, 5) == '"xxxxx…"'
    assert shown("a\x1b[2J\u202e") == "'a\\x1b[2J\\u202e'"
    assert shown("\x00" * 1000) == "'" + "\\x00" * 40 + "'..."
