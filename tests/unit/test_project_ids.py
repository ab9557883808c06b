"""Ids as TagoCore makes them, and prefixes that never meet."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from engine.project.ids import IdPrefixes, clock_digits, new_object_id

FACTS = json.loads((Path(__file__).parents[1] / "data" / "instance.json").read_text())
WHEN = datetime.fromtimestamp(1795456331, UTC)  # when the real instance was made


def test_ids_begin_as_those_that_tagocore_made() -> None:
    for device in FACTS["devices"]:
        assert device["id"].startswith(clock_digits(WHEN))
    assert re.fullmatch("715f[0-9a-f]{20}", new_object_id(WHEN))


def test_two_objects_have_two_ids() -> None:
    assert new_object_id(WHEN) != new_object_id(WHEN)


def test_a_seed_gives_the_same_ids() -> None:
    assert new_object_id(WHEN, Random(7)) == new_object_id(WHEN, Random(7))


@given(st.integers(10**9, 7 * 10**9))
def test_the_clock_gives_four_hex_digits(seconds: int) -> None:
    digits = clock_digits(datetime.fromtimestamp(seconds, UTC))
    assert re.fullmatch("[0-9]{2}[0-9a-f]{2}", digits)


class Repeating(Random):
    """Draws each number three times."""

    def __init__(self) -> None:
        super().__init__(1)
        self.draws = 0

    def getrandbits(self, k: int) -> int:
        self.draws += 1
        return self.draws // 3


def test_no_prefix_is_given_twice_even_when_chance_repeats_itself() -> None:
    prefixes = IdPrefixes(WHEN, Repeating())
    given = [prefixes.next() for _ in range(200)]
    assert len(set(given)) == 200


def test_a_prefix_and_a_row_number_make_an_id() -> None:
    prefix = IdPrefixes(WHEN).next()
    assert re.fullmatch(rb"715f[0-9a-f]{10}", prefix)
    assert len(prefix.decode() + f"{2**33:010x}") == 24


def test_two_restores_draw_different_prefixes() -> None:
    assert IdPrefixes(WHEN).next() != IdPrefixes(WHEN).next()
