"""The main database of a made-up project: devices, tokens, actions, analyses, accounts, logs."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.project.demo import schema
from engine.project.demo.chunks import DAY_MS
from engine.project.demo.flavours import Setting
from engine.project.demo.identity import object_id, password, token
from engine.project.demo.plan import PlannedDevice

HALF_HOUR_MS = 1_800_000
_MOST_STATISTICS = 2_000


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis to be written; `code` is the file it runs, if it has one."""

    id: str
    name: str
    active: bool
    code: Path | None
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time a project has lived through (epoch milliseconds)."""

    founded: int
    until: int


def write_main(
    path: Path,
    rng: random.Random,
    setting: Setting,
    devices: Sequence[PlannedDevice],
    last_inputs: Sequence[int | None],
    stretch: Stretch,
    code: Path,
) -> None:
    """Make data.db; `last_inputs` belong to `devices` one by one, `code` is the code's folder."""
    connection = schema.create(path, schema.MAIN)
    try:
        connection.execute("INSERT INTO migrations_lock (is_locked) VALUES (0)")
        connection.executemany(
            "INSERT INTO migrations (name, batch, migration_time) VALUES (?, 1, ?)",
            [(name, stretch.founded + 17 * n) for n, name in enumerate(schema.MIGRATIONS)],
        )
        for planned, last_input in zip(devices, last_inputs, strict=True):
            parser = code / "decode-payload.js" if planned.parsed else None
            insert_device(connection, rng, planned, parser, last_input)
        analyses = _analyses(connection, rng, stretch.founded, code)
        _insert_analyses(connection, analyses, stretch)
        _insert_actions(connection, rng, devices, analyses, stretch)
        for analysis in analyses:
            if analysis.active:
                log_runs(connection, rng, analysis.id, stretch.until - DAY_MS, stretch.until)
        statistics(
            connection,
            rng,
            max(stretch.founded, stretch.until - _MOST_STATISTICS * HALF_HOUR_MS),
            stretch.until,
        )
        _insert_accounts(connection, rng, setting, stretch.founded)
        connection.execute("COMMIT")
    finally:
        connection.close()


def insert_device(
    connection: sqlite3.Connection,
    rng: random.Random,
    planned: PlannedDevice,
    parser: Path | None,
    last_input: int | None,
) -> None:
    """Add a device with its tokens and configuration parameters; times are epoch milliseconds."""
    device, created = planned.device, planned.created
    tags = [{"key": "site", "value": planned.site}, {"key": "kind", "value": device.kind.value}]
    connection.execute(
        "INSERT INTO device (id, name, active, tags, payload_parser, last_input, created_at,"
        " chunk_period, chunk_retention, encoder_stack, type)"
        " VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, '[]', ?)",
        (
            device.id,
            planned.name,
            compact(tags),
            str(parser) if parser else None,
            last_input,
            created,
            device.chunk_period,
            device.chunk_retention,
            device.type,
        ),
    )
    tokens = [("Default", "full", "never")]
    if rng.random() < 0.3:
        tokens.append(("Gateway", "write", "never"))
    if rng.random() < 0.2:
        tokens.append(("Dashboard", "read", "1 month"))
    connection.executemany(
        "INSERT INTO device_token (token, name, permission, expire_time, device_id, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(token(rng), *fields, device.id, created + 148) for fields in tokens],
    )
    params = [
        ("interval", str(device.interval // 1000), 1),
        ("longitude", str(device.place[0]), 1),
        ("latitude", str(device.place[1]), 1),
        ("firmware", f"2.{rng.randint(0, 9)}.{rng.randint(0, 30)}", 0),
    ]
    connection.executemany(
        "INSERT INTO device_params (id, key, value, sent, device_id) VALUES (?, ?, ?, ?, ?)",
        [(object_id(rng, created), *fields, device.id) for fields in params],
    )


def log_runs(
    connection: sqlite3.Connection, rng: random.Random, analysis: str, start: int, until: int
) -> None:
    """Add the console log of an analysis that ran every two hours in [start, until)."""
    lines = []
    for run in range(start, until, 4 * HALF_HOUR_MS):
        late = rng.randint(1, 40_000)
        lines.append((run + late, analysis, f"Starting analysis {analysis}", 0))
        lines.append((run + late + 55, analysis, f"checked {rng.randint(5, 400)} readings\n", 0))
        if rng.random() < 0.1:
            lines.append((run + late + 58, analysis, "no answer from the mail server\n", 1))
        lines.append((run + late + 64, analysis, "Finishing script execution with code 0", 0))
    connection.executemany(
        "INSERT INTO analysis_log (timestamp, analysis_id, message, error) VALUES (?, ?, ?, ?)",
        lines,
    )
    connection.execute(
        "UPDATE analysis SET last_run = ? WHERE id = ?",
        (lines[-1][0] if lines else None, analysis),
    )


def statistics(connection: sqlite3.Connection, rng: random.Random, start: int, until: int) -> None:
    """Add the numbers of requests, one row for every half hour that begins in [start, until)."""
    first = -(-start // HALF_HOUR_MS) * HALF_HOUR_MS
    connection.executemany(
        "INSERT OR IGNORE INTO statistic (time, input, output) VALUES (?, ?, ?)",
        [
            (_statistic_time(time), rng.randint(20, 90), rng.randint(0, 40))
            for time in range(first, until, HALF_HOUR_MS)
        ],
    )


def compact(value: object) -> str:
    """JSON as TagoCore stores it: no spaces, letters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _statistic_time(time: int) -> str:
    return f"{datetime.fromtimestamp(time // 1000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def _analyses(
    connection: sqlite3.Connection, rng: random.Random, founded: int, code: Path
) -> tuple[Analysis, ...]:
    (device_token,) = connection.execute("SELECT token FROM device_token LIMIT 1").fetchone()
    return (
        Analysis(
            object_id(rng, founded),
            "Daily report",
            True,
            code / "daily-report.js",
            (("DEVICE_TOKEN", device_token), ("REPORT_TO", "operations@example.com")),
        ),
        Analysis(object_id(rng, founded), "Cold chain alarm", True, code / "alarm.js", ()),
        Analysis(object_id(rng, founded), "Import of 2024", False, None, (("YEAR", "2024"),)),
    )


def _insert_analyses(
    connection: sqlite3.Connection, analyses: Sequence[Analysis], stretch: Stretch
) -> None:
    connection.executemany(
        "INSERT INTO analysis (id, name, active, tags, binary_path, file_path, variables,"
        " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                analysis.id,
                analysis.name,
                int(analysis.active),
                compact([{"key": "team", "value": "operations"}]),
                "/usr/bin/node" if analysis.code else None,
                str(analysis.code) if analysis.code else None,
                compact([{"key": key, "value": value} for key, value in analysis.variables]),
                stretch.founded + 900,
                stretch.founded + DAY_MS,
            )
            for analysis in analyses
        ],
    )


def _insert_actions(
    connection: sqlite3.Connection,
    rng: random.Random,
    devices: Sequence[PlannedDevice],
    analyses: Sequence[Analysis],
    stretch: Stretch,
) -> None:
    report, alarm, _ = (analysis.id for analysis in analyses)
    first = devices[0]
    (fallback,) = connection.execute(
        "SELECT token FROM device_token WHERE device_id = ? LIMIT 1", (first.device.id,)
    ).fetchone()
    post = {
        "type": "post",
        "url": "https://example.com/door",
        "headers": {"x-api-key": f"{rng.getrandbits(96):024x}"},
        "fallback_token": fallback,
    }
    tag = {"tag_key": "site", "tag_value": first.site, "variable": "door_open"}
    by_tag = [tag | {"is": "=", "value": "true", "value_type": "boolean"}]
    warm = {"device": first.device.id, "variable": "temperature", "value_type": "number"}
    too_warm = [
        warm | {"is": ">", "value": "-12"},
        warm | {"is": "<", "value": "-15", "unlock": True},
    ]
    run_report = {"type": "script", "script": [report]}
    run_alarm = {"type": "script", "script": [alarm]}
    cron = [{"cron": "0 6 * * *", "timezone": "Europe/Lisbon"}]
    actions = [
        (f"{first.name} too warm", True, run_alarm, too_warm, "condition"),
        (f"Door opened, {first.site}", True, post, by_tag, "condition"),
        ("Watch every hour", True, run_alarm, [{"interval": "1 hour"}], "interval"),
        ("Morning report", True, run_report, cron, "schedule"),
        ("Old weekly report", False, run_report, [{"interval": "7 days"}], "interval"),
    ]
    connection.executemany(
        "INSERT INTO action (id, name, active, tags, action, trigger, last_triggered, created_at,"
        " type, lock) VALUES (?, ?, ?, '[]', ?, ?, ?, ?, ?, 0)",
        [
            (
                object_id(rng, stretch.founded),
                name,
                int(active),
                compact(action),
                compact(trigger),
                stretch.until - rng.randint(1, DAY_MS) if active else None,
                stretch.founded + 1000 * number,
                kind,
            )
            for number, (name, active, action, trigger, kind) in enumerate(actions)
        ],
    )


def _insert_accounts(
    connection: sqlite3.Connection, rng: random.Random, setting: Setting, founded: int
) -> None:
    for person in setting.people:
        account = object_id(rng, founded)
        connection.execute(
            "INSERT INTO account (id, name, username, created_at, password, password_hint)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                account,
                person.name,
                person.username,
                founded + 200,
                password(rng, person.password),
                person.hint,
            ),
        )
        connection.execute(
            "INSERT INTO account_token (token, account_id, expire_time, permission, created_at)"
            " VALUES (?, ?, '1 month', 'full', ?)",
            (token(rng), account, founded + DAY_MS),
        )
