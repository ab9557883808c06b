"""What is excluded is nowhere: not in the decrypted repository, not in a restored project."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    World,
    adopted,
    backed_up,
    change,
    make_world,
    plain_bytes,
    query,
    restored,
)

from engine.model import LeaveOut
from engine.project.instance import find

HIDDEN = "0dd0feed-1111-4222-8333-abcdefabcdef"  # a device's token
LOG = "canary-log-3f9a says the boiler is at 81 degrees"
PARSED = "/srv/tagocore/code/parser.js"
UPLOADED = "canary-upload-77b1 of last year's plan"
CODE = "canary-code-51c0"
DELETED = "canary-deleted-row-90ab"


def prepare(world: World) -> list[bytes]:
    """Plant what must never be in a backup; gives all that is to be looked for."""
    database = find(world.source).database
    device = world.files[0].stem
    change(
        database,
        "PRAGMA secure_delete = OFF",  # some builds have it on
        "INSERT INTO device_token (token, name, permission, expire_time, device_id)"
        f" VALUES ('{HIDDEN}', 'canary', 'full', 'never', '{device}')",
        f'UPDATE analysis SET variables = \'[{{"key":"TOKEN","value":"Bearer {HIDDEN}"}}]\'',
        f"INSERT INTO analysis_log SELECT 1795456331714, id, '{LOG}', 0 FROM analysis",
        # In free pages and free space, too: written, and deleted again.
        *(f"INSERT INTO analysis_log SELECT {n}, id, '{LOG}', 0 FROM analysis" for n in range(400)),
        "DELETE FROM analysis_log WHERE timestamp < 400",
        f"INSERT INTO device_params VALUES ('715f00000000000000000000', 'k', '{DELETED}', 0,"
        f" '{device}')",
        f"DELETE FROM device_params WHERE value = '{DELETED}'",
    )
    (world.source / "files").mkdir()
    (world.source / "files" / "plan.txt").write_text(UPLOADED)
    (world.source / "code" / "analysis.js").write_text(f"console.log('{CODE}')\n")
    (world.source / "code" / "parser.js").write_text(f"payload = '{CODE}'\n")
    tokens = [str(t) for (t,) in query(database, "SELECT token FROM device_token")]
    tokens += [str(t) for (t,) in query(database, "SELECT token FROM account_token")]
    known = json.loads((Path(__file__).parents[1] / "data" / "instance.json").read_text())
    assert {known["read_token"], known["account_token"], HIDDEN} <= set(tokens)
    texts = [*tokens, LOG, UPLOADED, CODE, DELETED, "hello from analysis"]
    return [text.encode() for text in texts]


def found_in(content: bytes, canaries: list[bytes]) -> list[bytes]:
    return [canary for canary in canaries if canary.lower() in content.lower()]


@pytest.mark.parametrize("leave_out", LeaveOut)
async def test_tokens_logs_code_and_files_are_nowhere(tmp_path: Path, leave_out: LeaveOut) -> None:
    world = make_world(tmp_path)
    canaries = prepare(world)
    world.set_prices(f'[snapshot]\nleave_out = "{leave_out.value}"\n')
    source = b"".join(path.read_bytes() for path in world.source.rglob("*") if path.is_file())
    assert found_in(source, canaries) == canaries  # they are there to be found
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
        audit = await engine.audit()
    repository = dict(plain_bytes(world.repository()))
    assert any(b"temperature" in content for content in repository.values())  # it is in plain
    assert {
        name: found
        for name, content in repository.items()
        if (found := found_in(content, canaries))
    } == {}
    files = [path for path in report.project.path.rglob("*") if path.is_file()]
    assert {
        str(path): found for path in files if (found := found_in(path.read_bytes(), canaries))
    } == {}
    for path in world.home.rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes(), canaries) == [], path
    assert found_in(repr(audit).encode(), canaries) == []


async def test_a_backup_says_what_it_does_not_contain(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        details = await engine.show("Plant@latest")
    excluded = {line.what for line in details.content if line.treatment == "not included"}
    assert {"Log-in tokens", "Analysis code", "Console logs", "Uploaded files"} <= excluded


async def test_new_tokens_and_keys_are_not_in_logs_or_the_catalog(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
        key = await engine.recovery_key()
    secrets = [token.token.encode() for token in report.tokens] + [key.encode()]
    assert len(secrets) == len(set(secrets)) == 8
    for path in world.home.glob("catalog.db*"):
        assert found_in(path.read_bytes(), secrets) == []
    assert key not in repr(world.repository())
    # The key is in its file, and in no other file of the home.
    holding = [
        path
        for path in world.home.rglob("*")
        if path.is_file() and found_in(path.read_bytes(), [key.encode()])
    ]
    assert [path.name for path in holding] == ["repository.key"]
