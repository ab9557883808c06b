"""What is read beside the worker is found where a clean-up has moved it meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import RepositoryDamaged
from engine.rebuild import child, databases
from engine.rebuild.results import Rebuild

if TYPE_CHECKING:
    from snapshot_support import Filled, MemoryStorage, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]


def test_a_task_is_done_again_with_the_packs_as_they_are_now(
    bench: Workbench, filled: Filled
) -> None:
    source = bench.folder / "pump.db"
    filled(source, 2_000)
    read = bench.read(source)
    child.configure(bench.repository, str(bench.folder))
    assert child.setup.reader.names(read.image).any()  # it knows the packs as they are

    storage: MemoryStorage = bench.storage  # type: ignore[assignment]  # as the fixture makes it
    for name in [name for name in storage.objects if name.startswith("packs/")]:
        storage.delete(name)
    assert bench.read(source).image.lists == read.image.lists  # the same chunks, in other packs

    path = str(bench.folder / "copy.db")
    job = Rebuild(read.image, path, b"715fabcdef0123", read.rows, "Device 'pump'")
    with pytest.raises(RepositoryDamaged):
        databases.rebuild_in_scratch(job)
    child.again(databases.rebuild_in_scratch, path, job)
    assert (bench.folder / "copy.db").stat().st_size == read.image.size
    for name in [name for name in storage.objects if name.startswith("packs/")]:
        storage.delete(name)
    child.configure(bench.repository, str(bench.folder))
    with pytest.raises(RepositoryDamaged, match="Device 'pump'"):
        child.again(databases.rebuild_in_scratch, path, job)
