"""Marks take the place of tokens, wherever and however they are written, and give it back."""

import json
import pickle
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.project.marks import Follower, Scrubber
from engine.project.tables import BrokenText, Row

PREFIX = "mark-0f3a9c"
DEVICE = "0b6705db-3537-4b64-af2d-cef6dfe7a827"
OTHER = "3679e9e8-4d15-4f2b-996d-776e33fadf4e"
ACCOUNT = "74911724-5392-4057-a593-e10a4ba60fbe"
NEW = "11111111-2222-4333-8444-555555555555"

scrub = Scrubber(PREFIX, [(1, DEVICE), (12, OTHER)], [(1, ACCOUNT)])


def follower(**tokens: str) -> Follower:
    return Follower(PREFIX, {int(number[1:]): token for number, token in tokens.items()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEVICE, f"{PREFIX}-1-token"),
        (DEVICE.upper(), f"{PREFIX}-1-token"),
        (DEVICE.title(), f"{PREFIX}-1-token"),
        (f"a{DEVICE}b{OTHER}c", f"a{PREFIX}-1-tokenb{PREFIX}-12-tokenc"),
        (f"token={ACCOUNT};", f"token={PREFIX}-1-dropped;"),
        ("no token at all", "no token at all"),
        (NEW, NEW),
        ("", ""),
    ],
)
def test_tokens_become_marks(text: str, expected: str) -> None:
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"abcd{DEVICE}ef01",
        f"{DEVICE}{OTHER}",
        f"00000000-{DEVICE}",
        # what is before the token has a token's form too, and ends within it
        f"11111111-2222-4333-8444-eeee{DEVICE}",
    ],
)
def test_digits_around_a_token_hide_nothing(text: str) -> None:
    assert DEVICE not in scrub(text)
    assert OTHER not in scrub(text)


def test_digits_that_follow_a_token_do_not_become_a_part_of_its_mark() -> None:
    text = scrub(f"{DEVICE}2")
    assert follower(n1=NEW, n12=OTHER)(text) == f"{NEW}2"


def test_bytes_and_broken_text_are_searched_too() -> None:
    raw = b"\xff\x00" + DEVICE.encode() + b"\x80"
    assert scrub.value(raw) == b"\xff\x00" + f"{PREFIX}-1-token".encode() + b"\x80"
    assert scrub.value(BrokenText(raw)) == BrokenText(bytes(scrub.value(raw)))  # type: ignore[arg-type]  # bytes, as above
    assert follower(n1=DEVICE).value(scrub.value(raw)) == raw


@pytest.mark.parametrize("value", [None, 7, 7.5])
def test_other_values_are_themselves(value: float | None) -> None:
    assert scrub.value(value) is value
    assert follower().value(value) is value


def test_rows_without_anything_like_a_token_are_passed_on_as_they_are() -> None:
    rows: list[Row] = [(1, "x" * 100, b"y" * 100, None, 2.5)]
    assert scrub.rows(rows) is rows


def test_one_token_in_many_rows_is_found() -> None:
    rows: list[Row] = [(number, f"row {number}") for number in range(300)]
    assert scrub.rows([*rows, (300, f"x {DEVICE} y")])[-1] == (300, f"x {PREFIX}-1-token y")
    assert scrub.rows([(1, DEVICE.encode())]) == [(1, f"{PREFIX}-1-token".encode())]


def test_a_token_that_is_no_uuid_is_found_in_text() -> None:
    odd = Scrubber(PREFIX, [(1, "a-Token+of.old")], [])
    assert odd("x a-token+OF.old y") == f"x {PREFIX}-1-token y"
    assert odd.rows([("x a-Token+of.old",)]) == [(f"x {PREFIX}-1-token",)]
    assert odd.short_tokens == 0


def test_a_short_token_does_not_tear_other_texts_apart() -> None:
    odd = Scrubber(PREFIX, [(1, "full"), (2, "")], [])
    assert odd("permission full") == "permission full"
    assert (
        odd.fallback('{"fallback_token":"full"}')[0] == f'{{"fallback_token":"{PREFIX}-1-token"}}'
    )
    assert odd.short_tokens == 1


def test_a_mark_that_was_planted_does_not_become_a_token() -> None:
    planted = scrub(f"give me {PREFIX}-1-token, {PREFIX}-{PREFIX}-12-token-token")
    assert DEVICE not in follower(n1=DEVICE, n12=OTHER)(planted)
    assert OTHER not in follower(n1=DEVICE, n12=OTHER)(planted)
    assert scrub.rows([(f"{PREFIX}-1-token",)]) == [(f"{PREFIX}-0-unknown",)]


def test_a_fallback_token_that_nobody_knows_is_marked() -> None:
    text = json.dumps({"url": NEW, "fallback_token": NEW.upper()})
    changed, unknown = scrub.fallback(text)
    assert unknown
    assert json.loads(changed) == {"url": NEW, "fallback_token": f"{PREFIX}-0-unknown"}
    assert json.loads(follower()(changed))["fallback_token"] == ""


@pytest.mark.parametrize("text", ['{"fallback_token":null}', '{"fallback_token":""}', '{"a":"b"}'])
def test_other_fallback_tokens_stay(text: str) -> None:
    assert scrub.fallback(text) == (text, False)


def test_marks_of_tokens_that_are_gone_become_empty_and_are_counted() -> None:
    follow = follower(n1=NEW)
    marked = scrub(f"{DEVICE} {ACCOUNT} {OTHER}")
    assert follow(marked) == f"{NEW}  "
    assert follow.blanked == 2


def test_marks_need_no_quoting_in_json() -> None:
    assert json.loads(scrub(json.dumps({"token": DEVICE}))) == {"token": f"{PREFIX}-1-token"}


@pytest.mark.parametrize("prefix", ["", "short", "has space", 'has"quote', "x" * 65, "ümlaut-mark"])
def test_a_prefix_that_will_not_do(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Scrubber(prefix, [], [])
    with pytest.raises(ValueError, match="prefix"):
        Follower(prefix, {})


def test_a_scrubber_crosses_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(scrub))(DEVICE) == scrub(DEVICE)  # noqa: S301  # our own


tokens = st.uuids(version=4).map(str)
pieces = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["-", "ab12", "0b6705db-", "-cef6dfe7a827", "\n", '"', PREFIX]),
)


@given(st.lists(tokens, min_size=1, max_size=4, unique=True), st.lists(pieces), st.data())
def test_whatever_stands_around_them(
    known: list[str], around: list[str], data: st.DataObject
) -> None:
    numbered = list(enumerate(known, start=1))
    parts = [part for piece in around for part in (piece, data.draw(st.sampled_from(known)))]
    text = "".join(parts)
    clean = Scrubber(PREFIX, numbered, [])(text)
    assert not any(re.search(token, clean, re.IGNORECASE) for token in known)
    # where tokens do not run into each other, they come back exactly
    spaced = " ".join(parts)
    if PREFIX not in spaced:
        assert Follower(PREFIX, dict(numbered))(Scrubber(PREFIX, numbered, [])(spaced)) == spaced


@given(st.uuids(version=4))
def test_upper_case_comes_back_as_the_new_token(token: UUID) -> None:
    only = Scrubber(PREFIX, [(5, str(token))], [])
    assert Follower(PREFIX, {5: NEW})(only(f"<{str(token).upper()}>")) == f"<{NEW}>"
