"""A file that is surely as it was is not read again; when in doubt it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.repository.manifest import Stamp
from engine.stamps import GRANULARITY, is_unchanged

if TYPE_CHECKING:
    from snapshot_support import Filled, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]


@pytest.fixture
def path(filled: Filled, tmp_path: Path) -> Path:
    path = tmp_path / "device.db"
    filled(path, 50)
    return path


@pytest.fixture
def stamp(bench: Workbench, path: Path) -> Stamp:
    """The stamp of a look that was taken long enough after the last change."""
    found = bench.read(path).stamp
    return found._replace(looked=found.changed + 2 * GRANULARITY)


def test_a_file_that_nobody_touched_is_unchanged(path: Path, stamp: Stamp) -> None:
    assert is_unchanged(path, stamp)
    assert is_unchanged(path, stamp, counter=False)


def test_without_a_look_before_it_is_changed(path: Path) -> None:
    assert not is_unchanged(path, None)


@pytest.mark.parametrize("late", [0, 1, GRANULARITY - 1])
def test_a_look_too_close_to_the_change_is_no_proof(path: Path, stamp: Stamp, late: int) -> None:
    assert not is_unchanged(path, stamp._replace(looked=stamp.changed + late))
    assert is_unchanged(path, stamp._replace(looked=stamp.changed + GRANULARITY))


def rewrite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE data SET value = 'x' WHERE rowid = 1")


def rewrite_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_a_copy(path: Path) -> None:
    before = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.rename(path)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(4096))


def begin_a_journal(path: Path) -> None:
    Path(f"{path}-journal").write_bytes(b"")


def leave_a_wal(path: Path) -> None:
    Path(f"{path}-wal").symlink_to("nowhere")


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        rewrite_and_set_the_time_back,
        replace_by_a_copy,
        append,
        begin_a_journal,
        leave_a_wal,
        Path.unlink,
    ],
)
def test_any_doubt_counts_as_a_change(
    path: Path, stamp: Stamp, change: Callable[[Path], None]
) -> None:
    assert is_unchanged(path, stamp)
    change(path)
    assert not is_unchanged(path, stamp)


def test_the_change_counter_counts_where_the_times_do_not(path: Path, stamp: Stamp) -> None:
    assert not is_unchanged(path, stamp._replace(counter=stamp.counter + 1))
    assert is_unchanged(path, stamp._replace(counter=stamp.counter + 1), counter=False)
