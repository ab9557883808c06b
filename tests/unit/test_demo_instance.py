"""A made-up project looks like one that TagoCore wrote, and can be made again byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from engine.errors import Invalid, Taken
from engine.project.demo import Flavour, grow, write_instance
from engine.project.demo.chunks import bounds, expired_before, milliseconds
from engine.project.demo.flavours import SETTINGS
from engine.project.demo.plan import plan_devices

REAL = Path(__file__).parent.parent / "data" / "instance"
UNTIL = datetime(2026, 11, 16, 3, tzinfo=UTC)
PLUGIN = "0810916b6ca256fb25afbe19b4f83b23"
ID = re.compile(r"[0-9a-f]{24}")


def make(folder: Path, flavour: Flavour = Flavour.PLANT, *, seed: int = 7, rows: int = 900) -> Path:
    write_instance(folder, seed=seed, devices=7, rows=rows, until=UNTIL, port=8888, flavour=flavour)
    return folder / "PluginFiles" / PLUGIN


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def query_text(path: Path, sql: str) -> list[str]:
    return [str(row[0]) for row in query(path, sql)]


def schema(path: Path) -> list[tuple[object, ...]]:
    return query(path, "SELECT type, name, sql FROM sqlite_master ORDER BY rowid")


def databases(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.db"))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in databases(folder)
    }


def device_files(data: Path) -> dict[str, Path]:
    return {path.stem: path for path in (data / "devices").iterdir()}


def newest(data: Path) -> dict[str, tuple[object, ...]]:
    return {
        device: query(path, "SELECT count(*), min(time), max(time), max(created_at) FROM data")[0]
        for device, path in device_files(data).items()
    }


@pytest.mark.parametrize("flavour", list(Flavour))
def test_every_schema_is_the_one_that_tagocore_makes(tmp_path: Path, flavour: Flavour) -> None:
    data = make(tmp_path / "project", flavour)
    real = REAL / "PluginFiles" / PLUGIN
    assert schema(data / "data.db") == schema(real / "data.db")
    immutable = schema(real / "devices" / "715f6b96bfa47992f15881f9.db")
    mutable = schema(real / "devices" / "715fd9bc3b5f296f92bfa02f.db")
    rows = query(data / "data.db", "SELECT id, type FROM device")
    kinds = {str(device): str(kind) for device, kind in rows}
    assert set(kinds.values()) == {"mutable", "immutable"}
    for device, kind in kinds.items():
        expected = mutable if kind == "mutable" else immutable
        assert schema(data / "devices" / f"{device}.db") == expected


def test_the_main_database_starts_like_the_real_one(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    real = REAL / "PluginFiles" / PLUGIN
    for sql in (
        "SELECT id, name, batch FROM migrations",
        "SELECT * FROM migrations_lock",
        "SELECT * FROM sqlite_sequence",
    ):
        assert query(data / "data.db", sql) == query(real / "data.db", sql)


@pytest.mark.parametrize("flavour", list(Flavour))
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, flavour: Flavour) -> None:
    folder = tmp_path / "project"
    seen = []
    for _ in range(2):
        make(folder, flavour)
        for day in range(1, 6):
            grow(folder, seed=7, day=day, now=UNTIL + timedelta(days=day))
        seen.append(digests(folder))
        shutil.rmtree(folder)
    assert seen[0] == seen[1]
    assert len(seen[0]) > 8


def test_another_seed_gives_other_data(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b", seed=8)
    one, other = (digests(tmp_path / name / "PluginFiles" / PLUGIN) for name in "ab")
    assert one["data.db"] != other["data.db"]
    one_devices, other_devices = (
        {name: digest for name, digest in each.items() if name.startswith("devices/")}
        for each in (one, other)
    )
    assert not set(one_devices) & set(other_devices)
    assert not set(one_devices.values()) & set(other_devices.values())


@pytest.mark.parametrize("rows", [0, 5, 900, 10_003])
def test_the_rows_are_as_many_as_asked_for(tmp_path: Path, rows: int) -> None:
    data = make(tmp_path / "project", rows=rows)
    devices = query_text(data / "data.db", "SELECT id FROM device")
    counted = {
        device: int(query_text(data / "devices" / f"{device}.db", "SELECT count(*) FROM data")[0])
        for device in devices
    }
    assert sum(counted.values()) == rows


@pytest.mark.parametrize("flavour", list(Flavour))
def test_mutable_devices_stay_below_what_tagocore_lets_them_hold(flavour: Flavour) -> None:
    planned = plan_devices(
        random.Random(7),
        SETTINGS[flavour],
        devices=9,
        rows=3_000_017,
        until=milliseconds(UNTIL),
    )
    assert sum(each.rows for each in planned) == 3_000_017
    assert {each.rows for each in planned if each.device.type == "mutable"} == {45_000}


@pytest.mark.parametrize("flavour", list(Flavour))
def test_databases_are_sound_and_ids_are_as_tagocore_makes_them(
    tmp_path: Path, flavour: Flavour
) -> None:
    data = make(tmp_path / "project", flavour)
    for path in databases(tmp_path):
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        assert query(path, "PRAGMA foreign_key_check") == []
        assert query(path, "PRAGMA page_size") == [(4096,)]
        assert query(path, "PRAGMA journal_mode") == [("delete",)]
    for path in device_files(data).values():
        for variable, group, created in query(path, "SELECT id, `group`, created_at FROM data"):
            digits = str(created)
            prefix = f"{digits[1]}{digits[0]}{int(digits[2:4]):02x}"
            assert ID.fullmatch(str(variable))
            assert ID.fullmatch(str(group))
            assert str(variable).startswith(prefix)
            assert str(group)[::-1].startswith(prefix)


def test_the_rows_of_one_post_share_group_and_time(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    for path in device_files(data).values():
        posts = query(
            path,
            "SELECT count(*), count(DISTINCT time), count(DISTINCT created_at),"
            " count(DISTINCT variable) FROM data GROUP BY `group`",
        )
        assert {post[1:3] for post in posts} == {(1, 1)}
        assert all(post[0] == post[3] for post in posts)
        assert max(int(str(post[0])) for post in posts) >= 5


def test_values_look_as_sqlite_writes_them_for_tagocore(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    values: dict[str, list[str]] = {}
    for path in device_files(data).values():
        assert query(path, "SELECT DISTINCT typeof(value) FROM data") == [("text",)]
        for variable, value in query(path, "SELECT variable, value FROM data"):
            values.setdefault(str(variable), []).append(str(value))
    assert set(values["door_open"]) == {"0", "1"}
    assert all(re.fullmatch(r"\d{10}\.0", value) for value in values["gas_pulses"])
    assert any(re.fullmatch(r"\d\.\de-09", value) for value in values["leak_rate"])
    assert any(re.fullmatch(r"\d+", value) for value in values["humidity"])
    assert any(re.fullmatch(r"-\d+\.\d+", value) for value in values["temperature"])
    assert all(re.fullmatch(r"[0-9a-f]{24}|[0-9a-f]{40}", value) for value in values["payload"])


def test_json_is_compact_and_locations_are_points(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    texts = []
    for path in device_files(data).values():
        texts += query_text(path, "SELECT metadata FROM data WHERE metadata IS NOT NULL")
        for text in query_text(path, "SELECT location FROM data WHERE location IS NOT NULL"):
            texts.append(text)
            point = json.loads(text)
            assert point["type"] == "Point"
            longitude, latitude = point["coordinates"]
            assert -9 < longitude < -8
            assert 41 < latitude < 42
    for column, table in (
        ("tags", "device"),
        ("action", "action"),
        ("trigger", "action"),
        ("variables", "analysis"),
    ):
        texts += query_text(data / "data.db", f"SELECT {column} FROM {table}")
    assert len(texts) > 100
    for text in texts:
        again = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
        assert again == text


@pytest.mark.parametrize("flavour", list(Flavour))
def test_what_actions_and_analyses_name_exists(tmp_path: Path, flavour: Flavour) -> None:
    data = make(tmp_path / "project", flavour)
    main = data / "data.db"
    devices = set(query_text(main, "SELECT id FROM device"))
    tokens = set(query_text(main, "SELECT token FROM device_token"))
    analyses = set(query_text(main, "SELECT id FROM analysis"))
    assert all(uuid.UUID(token).version == 4 and str(uuid.UUID(token)) == token for token in tokens)
    kinds = set()
    fallbacks = 0
    for kind, action_text, trigger_text in query(main, "SELECT type, action, trigger FROM action"):
        action, trigger = json.loads(str(action_text)), json.loads(str(trigger_text))
        kinds.add(kind)
        assert all(each["device"] in devices for each in trigger if "device" in each)
        assert set(action.get("script", [])) <= analyses
        if "fallback_token" in action:
            fallbacks += 1
            assert action["fallback_token"] in tokens
    assert kinds == {"condition", "interval", "schedule"}
    assert fallbacks == 1
    assert {row[0] for row in query(main, "SELECT active FROM action")} == {0, 1}
    for (path,) in query(main, "SELECT file_path FROM analysis WHERE file_path IS NOT NULL"):
        assert Path(str(path)).is_file()
    for (parser,) in query(main, "SELECT DISTINCT payload_parser FROM device"):
        assert parser is None or Path(str(parser)).is_file()
    assert query(main, "SELECT count(*) > 20 FROM analysis_log") == [(1,)]
    assert query(main, "SELECT count(*) > 20 FROM statistic") == [(1,)]
    permissions = query(main, "SELECT DISTINCT permission, expire_time FROM device_token")
    assert ("full", "never") in permissions


def test_permissions_and_expiry_of_tokens_differ_in_the_demo_of_its_usual_size(
    tmp_path: Path,
) -> None:
    write_instance(tmp_path / "p", seed=7, devices=24, rows=0, until=UNTIL, port=8888)
    found = query(
        tmp_path / "p" / "PluginFiles" / PLUGIN / "data.db",
        "SELECT DISTINCT permission, expire_time FROM device_token",
    )
    assert set(found) == {("full", "never"), ("write", "never"), ("read", "1 month")}


def test_passwords_are_scrypt_as_tagocore_checks_them(tmp_path: Path) -> None:
    data = make(tmp_path / "project")

    def matches(stored: str, text: str) -> bool:
        salt, digest = stored[2:26], stored[26:]
        made = hashlib.scrypt(text.encode(), salt=salt.encode(), n=16384, r=8, p=1, dklen=48)
        return stored.startswith("24") and digest == made.hex()

    rows = query(data / "data.db", "SELECT username, password FROM account")
    accounts = {str(user): str(stored) for user, stored in rows}
    assert matches(accounts["ana"], "seven-plants")
    assert not matches(accounts["ana"], "eight-plants")
    # The same check accepts the password of the instance that TagoCore wrote.
    facts = json.loads((REAL.parent / "instance.json").read_text())
    real = yaml.safe_load((REAL / "tagocore.yml").read_text())
    assert matches(real["master_password"], facts["master_password"])
    made = yaml.safe_load((tmp_path / "project" / "tagocore.yml").read_text())
    assert matches(made["master_password"], "plant-master")


def test_settings_name_the_folder_the_database_and_the_port(tmp_path: Path) -> None:
    folder = tmp_path / 'pro"ject: #1'
    data = make(folder)
    real = yaml.safe_load((REAL / "tagocore.yml").read_text())
    made = yaml.safe_load((folder / "tagocore.yml").read_text())
    assert list(made) == list(real)
    assert made["settings_folder"] == str(folder)
    assert made["port"] == "8888"
    assert made["database_plugin"] == real["database_plugin"]
    plugin = yaml.safe_load((data / "settings.yml").read_text())
    assert plugin["modules"] == [{"id": "sqlite", "values": {"file": str(data / "data.db")}}]
    storage = next((data / "plugins").iterdir())
    assert query(storage, "SELECT key, type, typeof(value) FROM storage") == [
        ("subscriptions", "object", "blob")
    ]


def test_every_device_has_its_file_and_a_deleted_one_left_its_own(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    devices = set(query_text(data / "data.db", "SELECT id FROM device"))
    files = set(device_files(data))
    assert devices < files
    assert len(files - devices) == 1


def test_nobody_else_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make(tmp_path / "project")
    finally:
        os.umask(before)
    for path in [tmp_path / "project", *(tmp_path / "project").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_files_are_dated_in_the_made_up_time(tmp_path: Path) -> None:
    make(tmp_path / "project")
    files = [path for path in (tmp_path / "project").rglob("*") if path.is_file()]
    assert {path.stat().st_mtime for path in files} == {UNTIL.timestamp()}
    now = UNTIL + timedelta(days=1)
    grow(tmp_path / "project", seed=7, day=1, now=now)
    dates = {path.suffix: path.stat().st_mtime for path in files if path.name != "data.db"}
    assert dates[".yml"] == UNTIL.timestamp()
    assert dates[".js"] == UNTIL.timestamp()
    assert {path.stat().st_mtime for path in files} == {UNTIL.timestamp(), now.timestamp()}


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    with pytest.raises(Taken, match="is there already"):
        make(folder)
    assert [path.name for path in folder.iterdir()] == ["mine"]


@pytest.mark.parametrize(("devices", "rows"), [(0, 10), (-1, 10), (3, -1)])
def test_a_size_that_makes_no_sense_is_refused(tmp_path: Path, devices: int, rows: int) -> None:
    with pytest.raises(Invalid, match="at least one device"):
        write_instance(tmp_path / "p", seed=7, devices=devices, rows=rows, until=UNTIL, port=8888)
    assert not (tmp_path / "p").exists()


def test_one_device_is_enough(tmp_path: Path) -> None:
    write_instance(tmp_path / "p", seed=7, devices=1, rows=100, until=UNTIL, port=8888)
    for day in range(1, 8):
        grow(tmp_path / "p", seed=7, day=day, now=UNTIL + timedelta(days=day))
    data = tmp_path / "p" / "PluginFiles" / PLUGIN
    assert len(query_text(data / "data.db", "SELECT id FROM device")) == 2


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_day_adds_rows_and_what_follows_from_them(tmp_path: Path, flavour: Flavour) -> None:
    data = make(tmp_path / "project", flavour)
    main = data / "data.db"
    before = newest(data)
    logs = int(query_text(main, "SELECT count(*) FROM analysis_log")[0])
    statistics = int(query_text(main, "SELECT count(*) FROM statistic")[0])
    now = UNTIL + timedelta(days=1)
    grow(tmp_path / "project", seed=7, day=1, now=now)
    after = newest(data)
    grown = [device for device in before if after[device] != before[device]]
    devices = query_text(main, "SELECT id FROM device")
    assert 3 <= len(grown) < len(devices)
    assert set(grown) <= set(devices)
    for device in grown:
        assert UNTIL.timestamp() * 1000 < int(str(after[device][2])) < now.timestamp() * 1000
    for known, last_input in query(main, "SELECT id, last_input FROM device"):
        assert last_input == after[str(known)][3]
    assert int(query_text(main, "SELECT count(*) FROM analysis_log")[0]) > logs + 20
    assert int(query_text(main, "SELECT count(*) FROM statistic")[0]) == statistics + 48
    times = [
        datetime.fromisoformat(text)
        for text in query_text(main, "SELECT time FROM statistic ORDER BY time")
    ]
    steps = {later - earlier for earlier, later in pairwise(times)}
    assert steps == {timedelta(minutes=30)}
    assert times[-1] == now - timedelta(minutes=30)


def test_signals_go_on_from_where_they_were(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    (first,) = query_text(data / "data.db", "SELECT id FROM device WHERE name LIKE 'Boiler%'")
    path = data / "devices" / f"{first}.db"
    for day in range(1, 5):
        grow(tmp_path / "project", seed=7, day=day, now=UNTIL + timedelta(days=day))
    pulses = [
        float(value)
        for value in query_text(
            path, "SELECT value FROM data WHERE variable = 'gas_pulses' ORDER BY time"
        )
    ]
    assert len(pulses) > 40
    assert pulses == sorted(pulses)
    assert len(set(pulses)) == len(pulses)


def test_devices_keep_their_rhythm_from_day_to_day(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    for day in range(1, 5):
        grow(tmp_path / "project", seed=7, day=day, now=UNTIL + timedelta(days=day))
    intervals = query(
        data / "data.db", "SELECT device_id, value FROM device_params WHERE key = 'interval'"
    )
    assert len(intervals) == 8
    for device, interval in intervals:
        path = data / "devices" / f"{device}.db"
        found = query_text(path, "SELECT DISTINCT time FROM data ORDER BY time")
        steps = [int(later) - int(earlier) for earlier, later in pairwise(found)]
        every = int(str(interval)) * 1000
        assert {step % every for step in steps} == {0}
        # A day on which the device was silent is a longer step.
        silent = [step for step in steps if step > every]
        assert len(silent) <= 4
        assert all(step >= 86_400_000 for step in silent)


def test_devices_do_not_send_all_at_the_same_moment(tmp_path: Path) -> None:
    times = [facts[2] for facts in newest(make(tmp_path / "project")).values()]
    assert len(set(times)) == len(times)
    before = [UNTIL.timestamp() * 1000 - int(str(time)) for time in times]
    assert sorted(before)[0] >= 1000
    # All but the left-over file, and none later than its interval.
    assert sorted(before)[-2] <= 14_401_000


def test_a_day_that_comes_twice_adds_no_reading_twice(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    grow(tmp_path / "project", seed=7, day=1, now=UNTIL + timedelta(days=1))
    grow(tmp_path / "project", seed=8, day=1, now=UNTIL + timedelta(days=1))
    for path in device_files(data).values():
        (posts,) = query(path, "SELECT count(DISTINCT time), count(DISTINCT `group`) FROM data")
        assert posts[0] == posts[1]


def test_on_the_second_day_an_action_is_edited(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    sql = "SELECT trigger, updated_at FROM action ORDER BY rowid"
    before = query(data / "data.db", sql)
    now = UNTIL + timedelta(days=2)
    grow(tmp_path / "project", seed=7, day=2, now=now)
    after = query(data / "data.db", sql)
    assert after[1:] == before[1:]
    assert after[0] != before[0]
    assert after[0][1] == milliseconds(now)


def test_on_the_third_day_a_device_is_added_with_tokens_and_rows(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    before = set(query_text(data / "data.db", "SELECT id FROM device"))
    grow(tmp_path / "project", seed=7, day=3, now=UNTIL + timedelta(days=3))
    (added,) = set(query_text(data / "data.db", "SELECT id FROM device")) - before
    names = query_text(data / "data.db", "SELECT name FROM device")
    assert len(set(names)) == len(names)
    main = data / "data.db"
    assert query(main, f"SELECT count(*) > 0 FROM device_token WHERE device_id = '{added}'") == [
        (1,)
    ]
    assert query(data / "devices" / f"{added}.db", "SELECT count(*) FROM data") == [(30,)]


def test_on_the_fifth_day_a_device_is_deleted_and_its_file_left(tmp_path: Path) -> None:
    data = make(tmp_path / "project")
    main = data / "data.db"
    before = set(query_text(main, "SELECT id FROM device"))
    grow(tmp_path / "project", seed=7, day=5, now=UNTIL + timedelta(days=5))
    (deleted,) = before - set(query_text(main, "SELECT id FROM device"))
    assert (data / "devices" / f"{deleted}.db").is_file()
    assert query(main, f"SELECT * FROM device_token WHERE device_id = '{deleted}'") == []
    assert query(main, "PRAGMA foreign_key_check") == []


def test_data_retention_removes_old_rows_of_devices_that_have_it(tmp_path: Path) -> None:
    data = make(tmp_path / "project", rows=9000)
    before = newest(data)
    now = UNTIL + timedelta(days=3)
    for day in (1, 2, 3):
        grow(tmp_path / "project", seed=7, day=day, now=UNTIL + timedelta(days=day))
    after = newest(data)
    rows = query(
        data / "data.db", "SELECT id, chunk_period, chunk_retention, last_retention FROM device"
    )
    thinned = [
        row for row in rows if row[0] in before and after[str(row[0])][1] != before[str(row[0])][1]
    ]
    assert [row[1:3] for row in thinned] == [("day", 12)]
    device, _, _, last = thinned[0]
    assert last == milliseconds(now)
    oldest = int(str(after[str(device)][1]))
    assert milliseconds(now - timedelta(days=13)) < oldest
    assert all(row[3] is None for row in rows if row not in thinned)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("week", datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        ("quarter", datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_chunks_are_whole_periods_in_utc(period: str, start: datetime, end: datetime) -> None:
    expected = (milliseconds(start), milliseconds(end) - 1)
    for moment in (start, datetime(2026, 11, 22, 23, 59, 59, 999000, UTC)):
        assert bounds(period, milliseconds(moment)) == expected
    assert bounds(period, milliseconds(end))[0] == milliseconds(end)


def test_chunks_of_the_real_instance_are_the_same() -> None:
    path = REAL / "PluginFiles" / PLUGIN / "devices" / "715f6b96bfa47992f15881f9.db"
    rows = query(path, "SELECT time, chunk_timestamp_start, chunk_timestamp_end FROM data")
    assert rows
    for time, start, end in rows:
        assert bounds("month", int(str(time))) == (start, end)


@pytest.mark.parametrize(
    ("period", "retention", "limit"),
    [
        ("day", 3, datetime(2026, 2, 12, 9, tzinfo=UTC)),
        ("week", 2, datetime(2026, 2, 1, 9, tzinfo=UTC)),
        ("month", 3, datetime(2025, 11, 1, 9, tzinfo=UTC)),
        ("quarter", 1, datetime(2025, 11, 1, 9, tzinfo=UTC)),
    ],
)
def test_retention_counts_whole_periods_back(period: str, retention: int, limit: datetime) -> None:
    now = milliseconds(datetime(2026, 2, 15, 9, tzinfo=UTC))
    assert expired_before(period, retention, now) == milliseconds(limit)


def test_an_unknown_period_is_an_error() -> None:
    with pytest.raises(ValueError, match="fortnight"):
        bounds("fortnight", 0)
