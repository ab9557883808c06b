"""What was read and rebuilt is what was there: any table that SQLite itself can have made."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model import LeaveOut
from engine.pages.btree import PADDING
from engine.pages.ids import table_leaves, write_ids
from engine.repository.manifest import Image

if TYPE_CHECKING:
    from snapshot_support import Content, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]

COLUMNS = [
    "`id` varchar(24)",
    "`variable` varchar(100)",
    "`type` varchar(15)",
    "`value` text",
    "`unit` varchar(100)",
    "`group` varchar(24)",
    "`location` json",
    "`metadata` json",
    "`time` datetime",
    "`created_at` datetime",
    "`serie` varchar(100)",
]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a database: its layout, its rows, and what happens to them afterwards."""

    page_size: int
    columns: tuple[str, ...]
    rows: int
    step: int
    base: int
    seed: int
    longest: int
    deleted: int  # of ten rows
    updated: int  # of ten rows
    vacuum: bool
    auto_vacuum: int
    encoding: str
    wal: bool
    leave_out: LeaveOut


@st.composite
def recipes(draw: st.DrawFn, *, fallback: bool) -> Recipe:
    kept = draw(st.sets(st.sampled_from(COLUMNS[1:]), min_size=2)) | {COLUMNS[0]}
    columns = draw(st.permutations(sorted(kept)))
    page_size = draw(st.sampled_from([512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]))
    return Recipe(
        page_size=page_size,
        columns=tuple(columns),
        rows=draw(st.integers(0, 150)),
        step=draw(st.sampled_from([1, 1, 2, 1000])),
        base=draw(st.sampled_from([0, 1, 100, 120, 32_700, 8_388_600, 2**31 - 5, 2**39])),
        seed=draw(st.integers(0, 1 << 30)),
        longest=draw(st.sampled_from([5, 100, page_size, 4 * page_size])),
        deleted=draw(st.sampled_from([0, 0, 1, 5, 10])),
        updated=draw(st.sampled_from([0, 0, 2, 5])),
        vacuum=draw(st.booleans()),
        auto_vacuum=draw(st.sampled_from([0, 1, 2])) if fallback else 0,
        encoding=draw(st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"])) if fallback else "UTF-8",
        wal=draw(st.booleans()),
        leave_out=draw(st.sampled_from(list(LeaveOut))),
    )


def value(dice: random.Random, longest: int) -> object:
    length = dice.choice([0, 3, 12, dice.randint(0, longest)])
    return dice.choice(
        [
            None,
            dice.choice([0, 1, -1, 127, 128, 1 << 31, -(1 << 47), 1 << 62]),
            dice.uniform(-1e9, 1e9),
            "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * (length // 2) + "x",
            dice.randbytes(length),
            "715e" + "".join(dice.choices("0123456789abcdef", k=20)),  # looks like an id
        ]
    )


def make(path: Path, recipe: Recipe, create: Callable[..., None]) -> sqlite3.Connection:
    """Make the database; the connection is left open, for one in WAL mode keeps its WAL so."""
    dice = random.Random(recipe.seed)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        f"PRAGMA page_size = {recipe.page_size}; PRAGMA auto_vacuum = {recipe.auto_vacuum};"
        f"PRAGMA encoding = '{recipe.encoding}'; PRAGMA synchronous = OFF;"
    )
    create(connection, recipe.columns)
    names = [column.split("`")[1] for column in recipe.columns]
    listed = ", ".join(f"`{name}`" for name in names)
    marks = ", ".join("?" * (len(names) + 1))
    connection.execute("BEGIN")
    for number in range(recipe.rows):
        row = [
            f"715e{dice.getrandbits(80):020x}" if name == "id" else value(dice, recipe.longest)
            for name in names
        ]
        connection.execute(
            f"INSERT INTO data (rowid, {listed}) VALUES ({marks})",
            [recipe.base + number * recipe.step, *row],
        )
    connection.execute("COMMIT")
    connection.execute("BEGIN")
    for number in range(recipe.rows):
        if dice.randrange(10) < recipe.deleted:
            connection.execute(
                "DELETE FROM data WHERE rowid = ?", [recipe.base + number * recipe.step]
            )
    changed = names[-1] if names[-1] != "id" else names[-2]
    for number in range(recipe.rows):
        if dice.randrange(10) < recipe.updated:
            connection.execute(
                f"UPDATE data SET `{changed}` = ? WHERE rowid = ?",
                [value(dice, recipe.longest), recipe.base + number * recipe.step],
            )
    connection.execute("COMMIT")
    if recipe.vacuum:
        connection.execute("VACUUM")
    if recipe.wal:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(
            f"INSERT INTO data (rowid, id, `{names[0] if names[0] != 'id' else names[1]}`)"
            " VALUES (?, '715e0000000000000000ffff', 'only in the WAL')",
            [recipe.base + recipe.rows * recipe.step],
        )
    return connection


quick = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quick
@given(recipe=recipes(fallback=False))
def test_what_is_rebuilt_is_what_was_read(
    make_bench: Callable[[Path], Workbench],
    table: Callable[..., None],
    content_of: Callable[[Path], Content],
    recipe: Recipe,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "device.db")
        with contextlib.closing(make(path, recipe, table)):
            source = content_of(path)
            bench = make_bench(Path(folder))
            read = bench.read(path, recipe.leave_out)
        bench.check(source, read)
        if read.image.id_column is not None:
            check_image(bench, read.image, source)


def check_image(bench: Workbench, image: Image, source: Content) -> None:
    """The image is sound, has none of the ids, and is whole once it has ids and is reindexed."""
    raw = bench.image_bytes(image)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(raw)
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        ids = connection.execute("SELECT id FROM data NOT INDEXED").fetchall()
        assert ids == [("\0" * 24,)] * len(source.ids)
    assert image.id_column is not None
    flat = np.frombuffer(raw + bytes(PADDING), np.uint8).copy()
    lookalikes = np.array(image.lookalikes, np.int64)
    leaves = table_leaves(flat, image.page_size, image.page_count, 1, lookalikes)
    write_ids(flat, image.page_size, leaves, image.id_column, b"715f0000000000")
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(flat[:-PADDING].tobytes())
        connection.execute("REINDEX")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@settings(quick, max_examples=50)
@given(recipe=recipes(fallback=True))
def test_what_is_kept_as_it_is_gets_new_ids_too(
    make_bench: Callable[[Path], Workbench],
    table: Callable[..., None],
    content_of: Callable[[Path], Content],
    recipe: Recipe,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "device.db")
        with contextlib.closing(make(path, recipe, table)):
            source = content_of(path)
            bench = make_bench(Path(folder))
            read = bench.read(path, recipe.leave_out)
        bench.check(source, read)
        assert (recipe.auto_vacuum == 0 and recipe.encoding == "UTF-8") or (
            read.image.id_column is None
        )
