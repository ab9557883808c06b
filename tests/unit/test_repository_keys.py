"""A repository's config and keys: the wrong key is told apart, and a key survives being written."""

from __future__ import annotations

import base64
import contextlib
import json
import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Invalid, NotFound, RepositoryDamaged, TooNew, WrongKey
from engine.model import Encryption
from engine.repository.keys import KEY_LENGTH, Keys, new_key, parse_recovery_text, recovery_text
from engine.repository.repository import (
    create_repository,
    open_repository,
    repository_encryption,
)

if TYPE_CHECKING:
    from snapshot_support import MemoryStorage

pytest_plugins = ["tests.engine.snapshot_support"]

KEY = bytes(range(100, 132))
TEXT = recovery_text(KEY)

deterministic = settings(derandomize=True, max_examples=100, deadline=None, database=None)


@deterministic
@given(st.binary(min_size=KEY_LENGTH, max_size=KEY_LENGTH))
def test_a_key_survives_being_written_down(key: bytes) -> None:
    text = recovery_text(key)
    assert len(text) == 58 + 9
    assert set(text) <= set(string.ascii_uppercase + "234567-")
    for written in (
        text,
        text.lower(),
        text.replace("-", " "),
        text.replace("-", ""),
        f"  {text}\n",
        text.replace("O", "0").replace("I", "1"),
    ):
        assert parse_recovery_text(written) == key


def key_of(text: str) -> bytes:
    """The key that is in a text, whether or not its check is right."""
    return base64.b32decode(text.replace("-", "") + "======")[:KEY_LENGTH]


@deterministic
@given(st.integers(0, 66), st.sampled_from(string.ascii_uppercase + "234567"))
def test_a_wrong_letter_is_noticed(place: int, letter: str) -> None:
    typed = TEXT[:place] + letter + TEXT[place + 1 :]
    if typed == TEXT:
        return
    if place == len(TEXT) - 1 and key_of(typed) == KEY:
        return  # two bits of the last letter say nothing
    with pytest.raises(Invalid) as refused:
        parse_recovery_text(typed)
    told = refused.value.message + refused.value.hint
    assert TEXT[:6] not in told
    assert typed[:6] not in told


@deterministic
@given(st.integers(0, 65))
def test_letters_that_change_places_are_noticed(place: int) -> None:
    one, other = TEXT[place], TEXT[place + 1]
    if one == other or "-" in (one, other):
        return
    with pytest.raises(Invalid):
        parse_recovery_text(TEXT[:place] + other + one + TEXT[place + 2 :])


@deterministic
@given(st.text())
def test_any_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(Invalid, match="not a recovery key"):
        parse_recovery_text(text)


@pytest.mark.parametrize(
    "text", ["", TEXT[:-1], TEXT[1:], TEXT + "A", TEXT + TEXT, "=" * 58, "8" * 58]
)
def test_what_is_too_short_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_recovery_text(text)


def test_keys_are_random_and_each_use_has_its_own() -> None:
    assert new_key() != new_key()
    one = Keys.derive(KEY, "a" * 32, Encryption.AES_256_GCM)
    other = Keys.derive(KEY, "b" * 32, Encryption.AES_256_GCM)
    derived = {KEY, one.chunk, one.pack, one.manifest, bytes.fromhex(one.check)}
    derived |= {other.chunk, other.pack, other.manifest, bytes.fromhex(other.check)}
    assert len(derived) == 9


@pytest.mark.parametrize("encryption", list(Encryption))
def test_a_repository_opens_with_its_key(
    memory_storage: MemoryStorage, encryption: Encryption
) -> None:
    assert repository_encryption(memory_storage) is None
    with pytest.raises(NotFound):
        open_repository(memory_storage, KEY)
    create_repository(memory_storage, encryption, KEY)
    assert repository_encryption(memory_storage) is encryption
    repository = open_repository(memory_storage, KEY)
    assert repository.encrypted is (encryption is Encryption.AES_256_GCM)
    assert open_repository(memory_storage, KEY).id == repository.id
    before = dict(memory_storage.objects)
    create_repository(memory_storage, Encryption.NONE, b"x" * 32)
    assert memory_storage.objects == before


def test_the_wrong_key_is_told(memory_storage: MemoryStorage) -> None:
    create_repository(memory_storage, Encryption.AES_256_GCM, KEY)
    for key in (None, bytes(32), KEY[:-1] + b"x"):
        with pytest.raises(WrongKey) as wrong:
            open_repository(memory_storage, key)
        assert KEY.hex() not in str(wrong.value)
    assert KEY.hex().encode() not in memory_storage.objects["config"]


def test_what_is_not_encrypted_needs_no_key(memory_storage: MemoryStorage) -> None:
    create_repository(memory_storage, Encryption.NONE, KEY)
    assert open_repository(memory_storage, None) == open_repository(memory_storage, KEY)


def test_encryption_cannot_be_taken_away_by_who_does_not_have_the_key(
    memory_storage: MemoryStorage,
) -> None:
    create_repository(memory_storage, Encryption.AES_256_GCM, KEY)
    memory_storage.delete("config")
    create_repository(memory_storage, Encryption.NONE, b"e" * 32)
    with pytest.raises(WrongKey):
        open_repository(memory_storage, KEY)


def config_with(storage: MemoryStorage, **changes: object) -> None:
    config = {**json.loads(storage.objects["config"]), **changes}
    storage.objects["config"] = json.dumps(config).encode()


@pytest.mark.parametrize("encryption", list(Encryption))
@pytest.mark.parametrize("field", ["format", "id", "encryption", "chunk_size", "key_check", "key"])
@pytest.mark.parametrize(
    "junk", [None, True, -1, 1.5, 10**400, "", "x", "ab" * 16, [], [[]], {}, {"a": 1}]
)
def test_junk_in_the_config_is_damage(
    memory_storage: MemoryStorage, encryption: Encryption, field: str, junk: object
) -> None:
    create_repository(memory_storage, encryption, KEY)
    config_with(memory_storage, **{field: junk})
    with contextlib.suppress(RepositoryDamaged, WrongKey, TooNew):
        open_repository(memory_storage, KEY)
        # Not checked: a format below ours, and a key where none is needed.
        assert field == "format" or (field == "key" and encryption is Encryption.AES_256_GCM)


@pytest.mark.parametrize("field", ["format", "id", "encryption", "chunk_size", "key_check", "key"])
def test_what_is_missing_in_the_config_is_damage(memory_storage: MemoryStorage, field: str) -> None:
    create_repository(memory_storage, Encryption.NONE, KEY)
    config = json.loads(memory_storage.objects["config"])
    del config[field]
    memory_storage.objects["config"] = json.dumps(config).encode()
    with pytest.raises(RepositoryDamaged):
        open_repository(memory_storage, KEY)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b"3", b"null", b"[" * 100_000])
def test_a_config_that_is_none_is_damage(memory_storage: MemoryStorage, raw: bytes) -> None:
    memory_storage.objects["config"] = raw
    with pytest.raises(RepositoryDamaged, match="config"):
        open_repository(memory_storage, KEY)
    with pytest.raises(RepositoryDamaged, match="config"):
        repository_encryption(memory_storage)


def test_every_flipped_byte_of_the_config_is_told(memory_storage: MemoryStorage) -> None:
    create_repository(memory_storage, Encryption.AES_256_GCM, KEY)
    whole = memory_storage.objects["config"]
    opened = 0
    for number in range(len(whole)):
        changed = bytearray(whole)
        changed[number] ^= 0x10
        memory_storage.objects["config"] = bytes(changed)
        with contextlib.suppress(RepositoryDamaged, WrongKey, TooNew):
            open_repository(memory_storage, KEY)
            opened += 1
    assert opened == 0


def test_a_newer_repository_is_too_new(memory_storage: MemoryStorage) -> None:
    create_repository(memory_storage, Encryption.AES_256_GCM, KEY)
    config_with(memory_storage, format=3, encryption="of the future")
    with pytest.raises(TooNew, match="format 3"):
        open_repository(memory_storage, KEY)
