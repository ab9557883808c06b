"""Manifests: what was written is read; what was altered or forged is refused, in one way only."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Failed, RepositoryDamaged, TooNew
from engine.model import BackupKind, Encryption
from engine.repository.manifest import (
    DeviceEntry,
    Image,
    Layout,
    MainEntry,
    Manifest,
    PluginEntry,
    Stamp,
)
from engine.repository.manifest_json import decode, decode_devices, encode
from engine.repository.repository import CHUNK_SIZE, Repository, create_repository, open_repository

if TYPE_CHECKING:
    from snapshot_support import MemoryStorage

pytest_plugins = ["tests.engine.snapshot_support"]

KEY = b"k" * 32
BACKUP = "0123456789ab"
STAMP = Stamp(4096, 1_700_000_000_000_000_000, 1, 2, 3, 4)
IMAGE = Image(4096, 20_000, (b"a" * 16, b"b" * 16), 0, ("sqlite_autoindex_data_1",), (3, 9), 77)
MANIFEST = Manifest(
    backup=BACKUP,
    project="ba9876543210",
    project_name='Pumps \N{GREEK SMALL LETTER ALPHA} "quoted"\n',
    path="/srv/tago/pumps",
    owners=("ana", "zoe"),
    port=8888,
    date=datetime(2026, 11, 23, 3, 0, 0, 123000, tzinfo=UTC),
    kind=BackupKind.SCHEDULED,
    main=MainEntry(
        image=IMAGE._replace(page_count=1, lists=(bytes(16),), lookalikes=(), id_column=None),
        tables=(("device", 2), ("a table", 0)),
        actions=1,
        analyses=2,
        accounts=3,
        stamps=(("/srv/tago/pumps/data.db", STAMP),),
    ),
    devices=(
        DeviceEntry("715f6b96bfa47992f15881f9", "pump", 17, -5, 1 << 50, IMAGE, "", STAMP),
        DeviceEntry("715faf2b8b4aa32a54b18ffc", "gone", 0, None, None, None, "It is gone.", None),
    ),
    plugins=(PluginEntry("0810916b6ca256fb25afbe19b4f83b23", IMAGE, (("storage", 4),)),),
    settings=(("tagocore.yml", "a: 1\n"), ("PluginFiles/x/settings.yml", "")),
    packs={"a" * 32: 1000},
    mark_prefix="backstay-token-0123abcd",
    leave_out="primary-key",
    size=1,
    added=2,
    data=3,
    longest_lock=0.25,
    notes=("a note",),
    layout=Layout("0810916b", "/srv/tago/data.db", "/srv/tago/devices", "/srv/tago/plugins"),
)
BODY = json.loads(encode(MANIFEST))


def forged(body: object) -> bytes:
    return json.dumps(body, allow_nan=True).encode()


def test_what_was_written_is_read() -> None:
    assert decode(encode(MANIFEST), BACKUP, CHUNK_SIZE) == MANIFEST


def test_a_name_that_is_no_unicode_survives() -> None:
    odd = MANIFEST._replace(project_name="\ud800 \x00 \N{ESCAPE}[2J")
    assert decode(encode(odd), BACKUP, CHUNK_SIZE) == odd


def test_one_device_is_found_by_its_id_or_name_whatever_names_hold() -> None:
    first, second = MANIFEST.devices
    planted = f'{{"id":"{first.id}","name":"x"}}'
    odd = MANIFEST._replace(
        project_name=planted, devices=(first, second._replace(name=planted)), notes=(planted,)
    )
    for raw in (encode(odd), forged(json.loads(encode(odd)))):  # as it is written, and otherwise
        for ref in (first.id, first.name, second.id, planted):
            (found,) = decode_devices(raw, BACKUP, CHUNK_SIZE, ref)
            assert found in odd.devices
            assert ref in (found.id, found.name)
        for ref in ("", "nobody", '"', "\ud800"):
            assert decode_devices(raw, BACKUP, CHUNK_SIZE, ref) == ()
        with pytest.raises(RepositoryDamaged, match="another backup"):
            decode_devices(raw, "ba9876543210", CHUNK_SIZE, first.id)
    twice = odd._replace(devices=(first, first))
    assert decode_devices(encode(twice), BACKUP, CHUNK_SIZE, first.id) == (first, first)
    cut_short = encode(odd)[: encode(odd).index(b'"image"', encode(odd).index(first.id.encode()))]
    with pytest.raises(RepositoryDamaged):
        decode_devices(cut_short, BACKUP, CHUNK_SIZE, first.id)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, the whole of it first."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


def put(body: Any, path: tuple[str | int, ...], junk: object) -> Any:
    """A copy of a document with something else in one place."""
    changed = copy.deepcopy(body)
    if not path:
        return junk
    inside = changed
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = junk
    return changed


def at(body: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


JUNK: tuple[object, ...] = (
    None,
    True,
    False,
    -1,
    0.5,
    math.nan,
    math.inf,
    -math.inf,
    1e300,
    1 << 63,
    10**4000,
    "",
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b",
    "715f6b96bfa47992f15881f9/../x",
    "x" * 70,
    [],
    [[]],
    [None],
    [["only one"]],
    [["a", "b", "c"]],
    {},
    {"a": {"b": None}},
)


@pytest.mark.parametrize("path", list(places(BODY)), ids=lambda path: "/".join(map(str, path)))
def test_junk_in_any_place_is_damage_or_harmless(path: tuple[str | int, ...]) -> None:
    for junk in JUNK:
        raw = forged(put(BODY, path, junk))
        try:
            found = decode(raw, BACKUP, CHUNK_SIZE)
        except RepositoryDamaged:
            continue
        except TooNew:
            if path == ("format",):
                continue
            raise
        # What passes is of the right type: it says the same when it is written again.
        again = json.loads(encode(found))
        assert at(again, path) == junk or junk is None
        assert type(at(again, path)) in (type(at(BODY, path)), type(None), type(junk))


@pytest.mark.parametrize("path", [path for path in places(BODY) if path])
def test_what_is_missing_is_damage_or_none(path: tuple[str | int, ...]) -> None:
    changed = copy.deepcopy(BODY)
    inside = at(changed, path[:-1])
    if not isinstance(inside, dict):
        return
    del inside[path[-1]]
    if path[-1] in ("first", "last", "id_column", "a" * 32) or (
        path[-1] in ("stamp", "image") and (path[0] == "devices")
    ):
        decode(forged(changed), BACKUP, CHUNK_SIZE)
        return
    with pytest.raises(RepositoryDamaged):
        decode(forged(changed), BACKUP, CHUNK_SIZE)


ELSEWHERE = [
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a b",
    "a.db",
    "",
    "x" * 65,
    "a\n",
    "\N{FULLWIDTH SOLIDUS}",
    "\u0661",
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_name_leads_out_of_its_folder(name: str) -> None:
    for path in (("devices", 0, "id"), ("plugins", 0, "plugin"), ("settings", 0, 0)):
        with pytest.raises(RepositoryDamaged):
            decode(forged(put(BODY, path, name)), BACKUP, CHUNK_SIZE)


@pytest.mark.parametrize(
    "name",
    [
        "tagocore.yml/../x",
        "PluginFiles/../settings.yml",
        "PluginFiles/x/../../settings.yml",
        "PluginFiles//settings.yml",
        "PluginFiles/x/settings.yml\n",
        "PluginFiles/x/y/settings.yml",
        "./tagocore.yml",
        "TAGOCORE.YML",
        "PluginFiles/x/other.yml",
    ],
)
def test_no_settings_file_is_written_anywhere_else(name: str) -> None:
    with pytest.raises(RepositoryDamaged):
        decode(forged(put(BODY, ("settings", 0, 0), name)), BACKUP, CHUNK_SIZE)


def test_nothing_stands_twice() -> None:
    for key in ("devices", "plugins", "settings"):
        twice = copy.deepcopy(BODY)
        twice[key].append(twice[key][0])
        with pytest.raises(RepositoryDamaged, match="twice"):
            decode(forged(twice), BACKUP, CHUNK_SIZE)
    same_but_for_case = copy.deepcopy(BODY)
    upper = {**BODY["devices"][0], "id": BODY["devices"][0]["id"].upper()}
    same_but_for_case["devices"].append(upper)
    with pytest.raises(RepositoryDamaged, match="twice"):
        decode(forged(same_but_for_case), BACKUP, CHUNK_SIZE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("page_size",), 1000),
        (("page_size",), 256),
        (("page_size",), 131072),
        (("page_count",), 0),
        (("page_count",), 1 << 32),
        (("page_count",), 80_000),  # needs more lists than there are
        (("lists",), ""),
        (("lists",), "AAAA"),
        (("lists",), "not base64!"),
        (("lists",), "A==="),
        (("id_column",), 2001),
        (("lookalikes",), [0]),
        (("lookalikes",), [20_001]),
        (("lookalikes",), [1] * 70_000),
        (("left_out",), ["a\0b"]),
        (("left_out",), ["x" * 201]),
    ],
)
def test_an_image_that_does_not_add_up_is_refused(path: tuple[str], value: object) -> None:
    with pytest.raises(RepositoryDamaged):
        decode(forged(put(BODY, ("devices", 0, "image", *path), value)), BACKUP, CHUNK_SIZE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format":' * 50_000,
        b"1" * 5000,
        b"NaN",
        b'{"format": 1}',
    ],
)
def test_what_is_no_manifest_is_damaged(raw: bytes) -> None:
    with pytest.raises(RepositoryDamaged):
        decode(raw, BACKUP, CHUNK_SIZE)


def test_a_newer_format_is_too_new_whatever_else_is_in_it() -> None:
    with pytest.raises(TooNew, match="format 2"):
        decode(forged({"format": 2, "devices": "a thing of the future"}), BACKUP, CHUNK_SIZE)


@settings(derandomize=True, max_examples=200, deadline=None, database=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(BODY)), inner),
        max_leaves=20,
    )
)
def test_any_document_is_damaged_or_too_new(body: object) -> None:
    with pytest.raises((RepositoryDamaged, TooNew)):
        decode(forged(body), BACKUP, CHUNK_SIZE)


@pytest.fixture(params=list(Encryption))
def repository(memory_storage: MemoryStorage, request: pytest.FixtureRequest) -> Repository:
    create_repository(memory_storage, request.param, KEY)
    return open_repository(memory_storage, KEY)


def test_a_manifest_is_put_once(repository: Repository, memory_storage: MemoryStorage) -> None:
    size = repository.put_manifest(MANIFEST)
    assert repository.manifests() == {BACKUP: size}
    assert memory_storage.size(f"manifests/{BACKUP}") == size
    assert repository.manifest(BACKUP) == MANIFEST
    with pytest.raises(Failed, match="exists already"):
        repository.put_manifest(MANIFEST._replace(size=999))
    assert repository.manifest(BACKUP) == MANIFEST
    assert (b"Pumps" in memory_storage.read(f"manifests/{BACKUP}")) is False


def test_every_flipped_byte_is_noticed(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    repository.put_manifest(MANIFEST)
    whole = memory_storage.objects[f"manifests/{BACKUP}"]
    for number in range(len(whole)):
        for bit in (0x02, 0x80):
            changed = bytearray(whole)
            changed[number] ^= bit
            memory_storage.objects[f"manifests/{BACKUP}"] = bytes(changed)
            with pytest.raises(RepositoryDamaged):
                repository.manifest(BACKUP)


def test_every_cut_is_noticed(repository: Repository, memory_storage: MemoryStorage) -> None:
    repository.put_manifest(MANIFEST)
    whole = memory_storage.objects[f"manifests/{BACKUP}"]
    for length in range(len(whole)):
        memory_storage.objects[f"manifests/{BACKUP}"] = whole[:length]
        with pytest.raises(RepositoryDamaged):
            repository.manifest(BACKUP)
    memory_storage.objects[f"manifests/{BACKUP}"] = whole + b"\0"
    with pytest.raises(RepositoryDamaged):
        repository.manifest(BACKUP)


def test_manifests_that_change_places_are_noticed(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    other = "ffffffffffff"
    repository.put_manifest(MANIFEST)
    repository.put_manifest(MANIFEST._replace(backup=other))
    objects = memory_storage.objects
    one, two = f"manifests/{BACKUP}", f"manifests/{other}"
    objects[one], objects[two] = objects[two], objects[one]
    for backup in (BACKUP, other):
        with pytest.raises(RepositoryDamaged):
            repository.manifest(backup)


def sealed(repository: Repository, plain: bytes, backup: str = BACKUP) -> bytes:
    """A manifest as somebody who holds the key could have written it."""
    packed = zstandard.ZstdCompressor().compress(plain)
    nonce = bytes(12)
    return b"BKSTMFST\x01" + nonce + repository.keys.manifest_sealer(backup).seal(nonce, packed)


def test_a_well_sealed_forgery_is_checked_too(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    name = f"manifests/{BACKUP}"
    memory_storage.objects[name] = sealed(repository, encode(MANIFEST))
    assert repository.manifest(BACKUP) == MANIFEST
    for body in (
        put(BODY, ("devices", 0, "id"), "../../x"),
        put(BODY, ("backup",), "ffffffffffff"),
        put(BODY, ("format",), 0.5),
    ):
        memory_storage.objects[name] = sealed(repository, forged(body))
        with pytest.raises(RepositoryDamaged):
            repository.manifest(BACKUP)


def test_a_newer_manifest_is_too_new(repository: Repository, memory_storage: MemoryStorage) -> None:
    memory_storage.objects[f"manifests/{BACKUP}"] = b"BKSTMFST\x02" + b"of the future" * 9
    with pytest.raises(TooNew):
        repository.manifest(BACKUP)
    assert BACKUP in repository.manifests()


def test_a_manifest_that_is_not_there_is_damage(repository: Repository) -> None:
    with pytest.raises(RepositoryDamaged, match=BACKUP) as told:
        repository.manifest(BACKUP)
    assert "This backup is lost" in told.value.hint


def test_strange_names_are_no_backups(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    repository.put_manifest(MANIFEST)
    raw = memory_storage.objects[f"manifests/{BACKUP}"]
    for name in ("0123456789abc", "x/0123456789ab", "copy-of-0123456789ab", "0123456789ag"):
        memory_storage.objects[f"manifests/{name}"] = raw
    assert list(repository.manifests()) == [BACKUP]
