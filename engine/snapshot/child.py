"""What a child process was set up with for one backup, and the tasks that concern all of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.model import PATIENCE, LeaveOut
from engine.pages.btree import PADDING, Bytes
from engine.pages.shape import Shape
from engine.repository.index import load_index
from engine.repository.repository import Repository
from engine.snapshot.live import LiveFile
from engine.snapshot.pieces import Pieces
from engine.snapshot.results import Measured
from engine.snapshot.store import ChunkStore, measure
from engine.snapshot.tasks import SLICE as SLICE
from engine.spool import Spool


class Setup:
    """The setup of this process: set by `configure`, read by the tasks."""

    store: ChunkStore
    pieces: Pieces
    leave_out: LeaveOut
    scratch: Path
    spool: Spool
    buffer: Bytes  # SLICE bytes and padding, reused by every task
    shape: tuple[tuple[tuple[object, ...], ...], Shape] | None  # the last one, and its schema


setup = Setup()


def configure(
    repository: Repository, leave_out: LeaveOut, scratch: str, patience: float = PATIENCE
) -> None:
    """Set this process up for one backup; `scratch` is a private folder for temporary files.

    `patience` is how many seconds to wait for a writer that holds a database.
    """
    LiveFile.patience = patience
    setup.scratch = Path(scratch)
    setup.store = ChunkStore(repository, setup.scratch)
    setup.pieces = Pieces(repository.keys.chunk)
    setup.leave_out = leave_out
    setup.spool = Spool(setup.scratch / "spool")
    setup.shape = None
    setup.buffer = np.zeros(SLICE + PADDING, np.uint8)


def finish() -> dict[str, int]:
    """Store what this process still holds; the packs it made, with their sizes."""
    return setup.store.finish()


def measure_images(images: list[bytes], packs: Mapping[str, int]) -> list[Measured]:
    """Look up the chunks of images, once `packs` (with their sizes) were made for them.

    The trailers of these are read back from the storage. See `measure`.
    """
    repository = setup.store.repository
    made = load_index(repository.storage, repository.keys, packs, folder=setup.scratch)
    return measure([made, setup.store.index], images)
