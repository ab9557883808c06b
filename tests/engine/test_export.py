"""An export holds what a restore makes, all of it and no secret, in forms that others read."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import io
import json
import os
import shutil
import sqlite3
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
import zstandard

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    COLLABORATOR,
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    hashes,
    ids,
    leftovers,
    make_world,
    query,
    restored,
    rows_without_ids,
)
from test_promise_damage import flip_a_frame
from test_promise_nothing_excluded import found_in, prepare

from engine.engine import Engine
from engine.errors import (
    Cancelled,
    ExtraMissing,
    NotAllowed,
    RepositoryDamaged,
    StorageFailed,
    Taken,
)
from engine.model import ExportFormat, ExportReport
from engine.project.instance import find
from engine.project.tables import BrokenText

PARQUET = ExportFormat.PARQUET
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HUGE = json.dumps({"readings": ["x" * 997] * 2000})  # two megabytes
# variable, value, location, metadata, time: what stands in the database, whatever its column says.
HOSTILE: list[tuple[object, ...]] = [
    ("nul", "a\0b", None, None, 0),
    ("huge", HUGE, None, HUGE, 1),
    ("large", "1e308", None, "1e308", 2),
    ("before", "-1", None, None, -2_208_988_800_123),
    (
        "emoji",
        "🌡️ 21° \U0001f9ca",
        '{"type":"Point","coordinates":[-9.1,38.7]}',
        '{"é":"\\u0000"}',
        3,
    ),
    ("blob", b"\x00\xff\r\n", b"\x80", None, 4),
    ("number", "21.50", None, "5", 5),
    ("beyond", "", None, None, 1 << 62),
    ("no time", None, None, None, "yesterday"),
    ("between", "\r\n\t\x1b[31m\u202e", None, None, 1.5),
]


def with_hostile_rows(world: World) -> Path:
    """Add them to a device, with a column of its own and a text that is no UTF-8; its file."""
    file = world.files[0]
    with closing(sqlite3.connect(file, isolation_level=None)) as device:
        device.execute("ALTER TABLE data ADD COLUMN `odd one` text")
        for number, row in enumerate(HOSTILE):
            device.execute(
                "INSERT INTO data (id, variable, value, location, metadata, time, `odd one`)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (f"{number:024x}", *row, f"odd {number}" if number == 0 else None),
            )
        device.execute(
            "INSERT INTO data (id, variable, value) VALUES (?, 'broken', CAST(x'61FF62' AS TEXT))",
            ("f" * 24,),
        )
    return file


async def exported(
    engine: Engine,
    target: Path | int,
    form: ExportFormat = ExportFormat.DATABASES,
    *,
    replace: bool = False,
) -> ExportReport:
    handle = await engine.export("Plant@latest", target, form=form, replace=replace)
    return await handle.result()


def unpacked(archive: bytes, folder: Path) -> Path:
    """Unpack a tar, compressed or not; the one folder that it holds."""
    folder.mkdir()
    plain = archive
    if archive[:4] == b"\x28\xb5\x2f\xfd":
        reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(archive))
        plain = reader.read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert all(
            (entry.isreg() and entry.mode == 0o600) or (entry.isdir() and entry.mode == 0o700)
            for entry in tar
        )
        tar.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


def check_sums(root: Path) -> dict[str, object]:
    """Every file is in the list of checksums, and as it says; gives the manifest."""
    lines = (root / "SHA256SUMS").read_text().splitlines()
    told = {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
    there = {name: digest for name, digest in hashes(root).items() if digest}
    assert there.pop("SHA256SUMS")
    assert told == there
    manifest = json.loads((root / "manifest.json").read_bytes())
    listed = {file["path"]: (file["size"], file["sha256"]) for file in manifest["files"]}
    del there["manifest.json"]
    assert listed == {
        path: ((root / path).stat().st_size, digest) for path, digest in there.items()
    }
    assert isinstance(manifest, dict)
    return manifest


@contextmanager
def unread_pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A pipe that is full after some bytes: its reading end, and its writing end."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(reader, "rb") as reading, os.fdopen(writer, "wb") as writing:
        yield reading, writing


async def test_an_unpacked_export_is_the_project_without_tokens(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with_hostile_rows(world)
    target = tmp_path / "plant.tar.zst"
    umask = os.umask(0)
    try:
        async with world.opened() as engine:
            await adopted(engine, world)
            backup = await backed_up(engine)
            report = await exported(engine, target)
            audit = await engine.audit()
    finally:
        os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o600
    assert (report.file, report.size) == (str(target), target.stat().st_size)
    assert (report.backup, report.rows, report.missing) == (backup.id, backup.variables, ())
    (line,) = [line for line in audit if line.action == "export"]
    assert backup.id in line.detail
    assert str(target) in line.detail
    assert leftovers(world.home) == []
    assert list(world.home.glob(".aside-*")) == []

    root = unpacked(target.read_bytes(), tmp_path / "unpacked")
    assert root.name == f"plant-2026-11-23-{backup.id[:6]}"
    manifest = check_sums(root)
    source, copy = find(world.source), find(root)
    assert copy.database == root / source.database.relative_to(world.source)
    assert all_rows(root) == all_rows(world.source)
    for file in world.files:
        made = copy.device_file(file.stem)
        assert set(ids(made)).isdisjoint(ids(file))
        assert query(made, "PRAGMA integrity_check") == [("ok",)]
        schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
        assert query(made, schema) == query(file, schema)
    assert query(copy.database, "PRAGMA integrity_check") == [("ok",)]
    accounts = "SELECT * FROM account ORDER BY id"
    assert query(copy.database, accounts) == query(source.database, accounts)
    for table in ("device_token", "account_token", "analysis_log"):
        assert query(copy.database, f"SELECT count(*) FROM {table}") == [(0,)]
    devices = manifest["devices"]
    assert isinstance(devices, list)
    assert {device["id"]: device["rows"] for device in devices} == {
        file.stem: len(ids(file)) for file in world.files
    }
    told = "SELECT device_id, name, permission, expire_time FROM device_token ORDER BY rowid"
    tokens = manifest["device_tokens"]
    assert isinstance(tokens, list)
    assert [tuple(token.values()) for token in tokens] == query(source.database, told)
    for word in ("/nonexistent/tagocore", str(world.source), str(world.home), "-token"):
        for path in root.rglob("*.yml"):
            assert word not in path.read_text()


async def test_an_unpacked_export_can_be_adopted_woken_and_restored(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await exported(engine, tmp_path / "plant.tar.zst")
        root = unpacked((tmp_path / "plant.tar.zst").read_bytes(), tmp_path / "unpacked")
        database = find(root).database
        # Settings of no kind that a restore holds are not believed, nor those that were changed.
        manifest = json.loads((root / "manifest.json").read_bytes())
        assert len(manifest["held"]) > 1
        account = {"kind": "account", "column": "password", "was": "x", "held": None}
        manifest["held"] += [manifest["held"][0] | account, 5, {"kind": "action"}]
        (root / "manifest.json").write_text(json.dumps(manifest))

        adoption = await engine.adopt(root, "Again")
        assert adoption.project.quiet
        assert any("quiet" in note for note in adoption.notes)
        assert query(database, "SELECT DISTINCT active FROM action") == [(0,)]
        woken = await engine.wake("Again")
        assert (len(woken.woken), woken.left) == (len(manifest["held"]) - 3, ())
        for table, columns in (("action", "active"), ("device", "chunk_retention, data_retention")):
            settings = f"SELECT id, {columns} FROM {table} ORDER BY id"
            assert query(database, settings) == query(find(world.source).database, settings)

        await backed_up(engine, "Again")
        copy = (await restored(engine, "Copy", "Again@latest")).project.path
        assert all_rows(copy) == all_rows(world.source)
        await engine.forget("Again")
        assert not (await engine.adopt(root, "Once more")).project.quiet, "it is awake"


async def test_no_secret_is_in_an_export(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    canaries = prepare(world)
    webhook, header = "https://hooks.example.com/T0/canary-hook", "canary-header-aa01"
    post = json.dumps({"type": "post", "url": webhook, "headers": {"Authorization": header}})
    change(find(world.source).database, f"UPDATE action SET action = '{post}'")
    password = query(find(world.source).database, "SELECT password FROM account")[0][0]
    only_in_databases = [webhook.encode(), header.encode(), str(password).encode(), b"Bearer "]
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await exported(engine, tmp_path / "plant.tar.zst")
        await exported(engine, tmp_path / "parquet", PARQUET)
    databases = unpacked((tmp_path / "plant.tar.zst").read_bytes(), tmp_path / "unpacked")
    content = b"".join(path.read_bytes() for path in databases.rglob("*") if path.is_file())
    assert found_in(content, canaries) == []
    assert found_in(content, only_in_databases) == only_in_databases  # and they can be found
    files = [path for path in (tmp_path / "parquet").rglob("*") if path.is_file()]
    texts = [
        _parquet_text(path) if path.suffix == ".parquet" else path.read_bytes() for path in files
    ]
    assert b"temperature" in b"".join(texts)
    assert found_in(b"".join(texts), [*canaries, *only_in_databases]) == []


def _parquet_text(path: Path) -> bytes:
    return repr(pq.read_table(path).to_pylist()).encode()


def by_duckdb(sql: str) -> list[tuple[object, ...]]:
    """The rows that DuckDB gives."""
    relation = duckdb.sql(sql)
    assert relation is not None
    return list(relation.fetchall())


async def test_parquet_holds_every_value_for_duckdb_and_pandas(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    hostile = with_hostile_rows(world)
    target = tmp_path / "plant"
    async with world.opened() as engine:
        await adopted(engine, world)
        backup = await backed_up(engine)
        report = await exported(engine, target, PARQUET)
    check_sums(target)
    assert report.size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    every = f"'{target}/variables/*.parquet'"
    assert by_duckdb(f"SELECT count(*) FROM {every}") == [(backup.variables,)]

    for file in world.files:
        rows = [row[1:] for row in rows_without_ids(file)]
        table = pq.read_table(target / "variables" / f"{file.stem}.parquet").to_pylist()
        names = query(file, "SELECT name FROM pragma_table_info('data') WHERE name <> 'id'")
        columns = sorted(str(name) for (name,) in names)
        assert [_stored(row, file.stem, columns) for row in table] == rows

    own = f"'{target}/variables/{hostile.stem}.parquet'"
    read = {row[0]: row[1] for row in by_duckdb(f"SELECT variable, value FROM {own}")}
    assert {name: read[str(name)] for name, value, *_ in HOSTILE if isinstance(value, str)} == {
        name: value for name, value, *_ in HOSTILE if isinstance(value, str)
    }
    times = {row[0]: row[1] for row in by_duckdb(f"SELECT variable, epoch_ms(time) FROM {own}")}
    assert times["before"] == -2_208_988_800_123
    assert times["beyond"] is None
    blob = f"SELECT unhex(other->'value'->>'blob') FROM {own} WHERE variable = 'blob'"
    assert by_duckdb(blob) == [(b"\x00\xff\r\n",)]

    frame = pd.read_parquet(target / "variables")
    assert len(frame) == backup.variables
    by_name = frame.set_index("variable")
    assert by_name.loc["nul", "value"] == "a\0b"
    assert by_name.loc["huge", "metadata"] == HUGE
    assert by_name.loc["before", "time"] == EPOCH - timedelta(milliseconds=2_208_988_800_123)
    assert pd.isna(by_name.loc["no time", "time"])

    told = f"SELECT id, name, type, tags FROM '{target}/devices.parquet' ORDER BY id"
    assert by_duckdb(told) == query(
        find(world.source).database, "SELECT id, name, type, tags FROM device ORDER BY id"
    )
    actions = json.loads((target / "actions.json").read_bytes())
    stored = query(find(world.source).database, "SELECT id, active FROM action ORDER BY rowid")
    assert [(action["id"], action["active"]) for action in actions] == [
        (key, bool(active)) for key, active in stored
    ]
    assert {"id", "name", "username", "created_at"} == set(
        json.loads((target / "accounts.json").read_bytes())[0]
    )


def _stored(row: dict[str, object], device: str, columns: list[str]) -> tuple[object, ...]:
    """A row of Parquet as the database has it: what stands in `other` put back."""
    assert row["device"] == device
    other = json.loads(str(row["other"])) if row["other"] is not None else {}
    values = []
    for name in columns:
        value = row.get(name)
        if name in other:
            assert value is None
            ((kind, value),) = other[name].items()
            if kind in ("blob", "broken_text"):
                raw = bytes.fromhex(value)
                value = raw if kind == "blob" else BrokenText(raw)
            elif kind == "real":
                value = float(value)
        elif isinstance(value, datetime):
            value = (value - EPOCH) // timedelta(milliseconds=1)
        elif name in ("location", "metadata") and isinstance(value, str):
            value = _number(value)
        values.append(value)
    return tuple(values)


def _number(text: str) -> object:
    """JSON as SQLite keeps it in a column of the type json, where a number alone is a number."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


async def test_a_reader_that_leaves_or_waits_holds_nothing_up(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        with unread_pipe() as (reading, writing):
            handle = await engine.export(first.id, writing.fileno())
            await _begun(reading)
            assert len(list(world.home.glob(".aside-*"))) == 1
            handle.cancel()
            with pytest.raises(Cancelled):
                await handle.result()
        with unread_pipe() as (reading, writing):
            reading.close()
            with pytest.raises(StorageFailed) as told:
                await exported(engine, writing.fileno())
            assert isinstance(told.value.__cause__, BrokenPipeError)
        for form in ExportFormat:
            handle = await engine.export(first.id, tmp_path / "plant", form=form)
            async for _ in handle.progress():
                handle.cancel()
            with pytest.raises(Cancelled):
                await handle.result()
            assert _names(tmp_path) == {"source", "home"}
    assert list(world.home.glob(".aside-*")) == []


async def _begun(reading: BinaryIO) -> None:
    """Wait until something is in a pipe that nobody reads."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(reading, begun.set)
    await begun.wait()
    loop.remove_reader(reading)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_no_clean_up_removes_a_backup_that_is_being_exported(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await engine.set_schedule("Plant", keep=1)
        first = await backed_up(engine)
        before = all_rows(world.source)
        with unread_pipe() as (reading, writing):
            handle = await engine.export(first.id, writing.fileno())
            await _begun(reading)
            for file in world.files:
                change(file, "DELETE FROM data")
            world.now.pass_by(days=1)
            second = await backed_up(engine)
            report = await (await engine.clean_up("Plant")).result()
            assert report.removed == ()
            content = asyncio.create_task(asyncio.to_thread(reading.read))
            await handle.result()
            writing.close()
            archive = await content
        assert all_rows(unpacked(archive, tmp_path / "unpacked")) == before
        report = await (await engine.clean_up("Plant")).result()
        assert report.removed == (first.id,)
        assert [backup.id for backup in await engine.backups("Plant")] == [second.id]


async def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
    left = world.home / ".aside-0123456789ab-00000000"
    left.mkdir()
    (left / "device.db").write_bytes(b"readings")
    async with world.opened():
        assert not left.exists()


async def test_damage_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    target = tmp_path / "plant"
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        flip_a_frame(world)
        for form in ExportFormat:
            with pytest.raises(RepositoryDamaged) as told:
                await exported(engine, target, form)
            assert told.value.exit_code == 6
            assert _names(tmp_path) == {"source", "home"}
        await backed_up(engine)
        await exported(engine, target)


async def test_nothing_is_overwritten_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.write_text("mine")
    folder.mkdir()
    link.symlink_to(file)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        for form in ExportFormat:
            for target in (file, folder, link):
                with pytest.raises(Taken):
                    await exported(engine, target, form)
        for target in (folder, link):
            with pytest.raises(Taken):
                await exported(engine, target, replace=True)
        with pytest.raises(StorageFailed):
            await exported(engine, tmp_path / "nowhere" / "file")
        assert file.read_text() == "mine"
        await exported(engine, file, replace=True)
        check_sums(unpacked(file.read_bytes(), tmp_path / "unpacked"))
        shutil.rmtree(tmp_path / "unpacked")
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(ExtraMissing, match="pyarrow"):
            await exported(engine, tmp_path / "parquet", PARQUET)
    async with world.opened(COLLABORATOR) as engine:
        with pytest.raises(NotAllowed):
            await exported(engine, tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()
