"""What cannot be restored whole is not restored: the error names the device, never a stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import RepositoryDamaged
from engine.model import LeaveOut
from engine.rebuild import child, databases
from engine.repository.manifest import Image

if TYPE_CHECKING:
    from snapshot_support import Filled, MemoryStorage, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]

MESSAGE = "Device 'pump' cannot be restored"


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest) -> str:
    """One task, or several."""
    kind: str = request.param
    if kind == "large":
        request.getfixturevalue("small_slices")
    return kind


def rows_of(size: str) -> int:
    return 300 if size == "small" else 6000


def flip(storage: MemoryStorage) -> None:
    (pack,) = [name for name in storage.objects if name.startswith("packs/")]
    raw = bytearray(storage.objects[pack])
    raw[len(raw) // 3] ^= 1
    storage.objects[pack] = bytes(raw)


@pytest.mark.parametrize("leave_out", list(LeaveOut))
def test_a_damaged_frame_is_told_and_stored_again(
    filled: Filled,
    bench: Workbench,
    memory_storage: MemoryStorage,
    tmp_path: Path,
    size: str,
    leave_out: LeaveOut,
) -> None:
    path = tmp_path / "device.db"
    source = filled(path, rows_of(size))
    bench = type(bench)(tmp_path, memory_storage)
    read = bench.read(path, leave_out)
    bench.check(source, read)
    flip(memory_storage)
    with pytest.raises(RepositoryDamaged, match=MESSAGE):
        bench.rebuild(read)
    assert bench.repository.has_damage()
    again = bench.read(path, leave_out)
    bench.check(source, again)
    bench.check(source, read)


def test_a_pack_that_is_gone_is_told(
    filled: Filled, bench: Workbench, memory_storage: MemoryStorage, tmp_path: Path, size: str
) -> None:
    path = tmp_path / "device.db"
    filled(path, rows_of(size))
    bench = type(bench)(tmp_path, memory_storage)
    read = bench.read(path)
    for name in [name for name in memory_storage.objects if name.startswith("packs/")]:
        memory_storage.delete(name)
    with pytest.raises(RepositoryDamaged, match=MESSAGE):
        bench.rebuild(read)


def other_rows(image: Image, rows: int) -> tuple[Image, int]:
    return image, rows + 1


def other_id_column(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(id_column=1), rows


def id_column_far_away(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(id_column=1999), rows


def no_primary_key(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(left_out=image.left_out[1:]), rows


def unknown_index(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(left_out=(*image.left_out, 'x"; DROP TABLE data; --')), rows


def lookalike_that_is_a_leaf(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(lookalikes=tuple(range(2, image.page_count))), rows


def other_page_size(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(page_size=2048, page_count=image.page_count * 2), rows


def kept_as_it_is(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(id_column=None, left_out=()), rows + 1


def fewer_pages(image: Image, rows: int) -> tuple[Image, int]:
    return image._replace(page_count=image.page_count - 5), rows


@pytest.mark.parametrize("leave_out", [LeaveOut.PRIMARY_KEY, LeaveOut.ALL])
@pytest.mark.parametrize(
    "forge",
    [
        other_rows,
        other_id_column,
        id_column_far_away,
        no_primary_key,
        unknown_index,
        lookalike_that_is_a_leaf,
        other_page_size,
        kept_as_it_is,
        fewer_pages,
    ],
    ids=lambda forge: forge.__name__,
)
def test_a_manifest_that_does_not_fit_the_image_is_told(
    filled: Filled, bench: Workbench, tmp_path: Path, size: str, leave_out: LeaveOut, forge: object
) -> None:
    assert callable(forge)
    path = tmp_path / "device.db"
    filled(path, rows_of(size))
    read = bench.read(path, leave_out)
    image, rows = forge(read.image, read.rows)
    with pytest.raises(RepositoryDamaged, match=MESSAGE):
        bench.rebuild(read._replace(image=image, rows=rows))


@pytest.mark.parametrize("leave_out", list(LeaveOut))
def test_what_sqlite_finds_malformed_in_the_source_is_told(
    filled: Filled, bench: Workbench, tmp_path: Path, leave_out: LeaveOut
) -> None:
    path = tmp_path / "device.db"
    filled(path, 300)
    raw = bytearray(path.read_bytes())
    leaf = next(at for at in range(4096, len(raw), 4096) if raw[at] == 0x0D)
    raw[leaf + 7] = 60  # bytes that are said to be lost between the cells; no row is concerned
    path.write_bytes(raw)
    with pytest.raises(RepositoryDamaged, match=r"malformed.*\n?.*Fragmentation"):
        bench.rebuild(bench.read(path, leave_out))


def test_a_database_is_never_written_over_another(
    filled: Filled, bench: Workbench, tmp_path: Path, size: str
) -> None:
    path = tmp_path / "device.db"
    filled(path, rows_of(size))
    read = bench.read(path)
    (tmp_path / "restored-1.db").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError):
        bench.rebuild(read)
    assert (tmp_path / "restored-1.db").read_bytes() == b"somebody's"


def test_a_database_that_was_copied_by_rows_is_restored_byte_for_byte(
    filled: Filled, bench: Workbench, tmp_path: Path, size: str
) -> None:
    from engine.snapshot import child as snapshot_child
    from engine.snapshot.databases import store_plain

    path, made = tmp_path / "main.db", tmp_path / "made.db"
    filled(path, rows_of(size))
    snapshot_child.configure(bench.repository, LeaveOut.PRIMARY_KEY, str(tmp_path))
    image, _ = store_plain(path)
    snapshot_child.finish()
    snapshot_child.setup.store._writer.close()
    child.configure(bench.repository, str(tmp_path))
    child.setup._reader = None
    databases.restore_as_is(image, str(made), "The main database")
    assert made.read_bytes() == path.read_bytes()
    assert made.stat().st_mode & 0o777 == 0o600
