"""A home and a project in a temporary folder, and what the tests of promises look at in them."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import zstandard

from engine.engine import Engine
from engine.home import Home
from engine.model import Backup, Encryption, RestoreReport, Role
from engine.project.instance import Instance, find
from engine.project.tables import read_text
from engine.repository.packs import HEAD, open_frame, read_trailer
from engine.repository.repository import Repository

INSTANCE = Path(__file__).parents[1] / "data" / "instance"
START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PRICES = '[prices]\ncurrency = "EUR"\ncreation_fee = "49.00"\nhourly = "0.034"\n'
FEE = Decimal("49.00")
OWNER, COLLABORATOR, STRANGER = "ana", "carlos", "zoe"

Row = tuple[object, ...]


@dataclass
class Now:
    """A clock that only the test moves."""

    moment: datetime = START

    def __call__(self) -> datetime:
        """The moment it stands at."""
        return self.moment

    def pass_by(self, **time: float) -> None:
        """Move on, by what `timedelta` takes."""
        self.moment += timedelta(**time)


@dataclass
class World:
    """A home that is not there yet, and a copy of a real instance to adopt."""

    folder: Path
    now: Now = field(default_factory=Now)

    @property
    def home(self) -> Path:
        """The home."""
        return self.folder / "home"

    @property
    def source(self) -> Path:
        """The instance."""
        return self.folder / "source"

    @property
    def data(self) -> Path:
        """The folder that data.db of the instance is in."""
        return find(self.source).database.parent

    @property
    def files(self) -> list[Path]:
        """The files of the instance's devices that still exist as devices, by id."""
        instance = find(self.source)
        return [instance.device_file(device) for device in device_names(instance)]

    @asynccontextmanager
    async def opened(self, user: str = OWNER) -> AsyncIterator[Engine]:
        """The home, open as a user."""
        async with Engine.open(
            self.home, user=user, clock=self.now, create=True, works=True
        ) as engine:
            yield engine

    def set_prices(self, text: str = PRICES) -> None:
        """Write the home's settings."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        file = self.home / "backstay.toml"
        file.write_text(text)
        file.chmod(0o600)

    def repository(self) -> Repository:
        """The home's repository, opened beside the engine."""
        return Home(self.home).open_repository(Encryption.AES_256_GCM)


def make_world(folder: Path) -> World:
    """A world with a copy of the instance that TagoCore itself wrote."""
    world = World(folder)
    shutil.copytree(INSTANCE, world.source)
    return world


async def adopted(engine: Engine, world: World, name: str = "Plant") -> str:
    """Adopt the world's instance, with a collaborator; gives the project's id."""
    project = (await engine.adopt(world.source, name)).project
    await engine.add_member(name, COLLABORATOR, Role.COLLABORATOR)
    return project.id


async def backed_up(engine: Engine, ref: str = "Plant", *, without_damaged: bool = False) -> Backup:
    """Take a backup and wait for it."""
    return await (await engine.backup(ref, without_damaged=without_damaged)).result()


async def restored(
    engine: Engine, name: str, ref: str = "Plant@latest", fee: Decimal | None = None
) -> RestoreReport:
    """Restore a backup at the price that is quoted, and wait for it."""
    price = (await engine.quote(ref)).creation_fee.amount if fee is None else fee
    return await (await engine.restore(ref, name, accept_cost=price)).result()


def query(database: Path, sql: str) -> list[Row]:
    """The rows that a query on a database gives; texts that are no UTF-8 as `BrokenText`."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as reader:
        reader.text_factory = read_text
        return list(reader.execute(sql))


def change(database: Path, *statements: str) -> None:
    """Run statements on a database, each committed at once."""
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        for statement in statements:
            writer.execute(statement)


def device_names(instance: Instance) -> dict[str, str]:
    """The names of an instance's devices by their ids."""
    return {str(key): str(name) for key, name in query(instance.database, DEVICES)}


DEVICES = "SELECT id, name FROM device ORDER BY id"


def rows_without_ids(database: Path) -> list[Row]:
    """A device's rows in the order of their rowids, rowid first, without their ids."""
    names = [str(name) for (name,) in query(database, "SELECT name FROM pragma_table_info('data')")]
    columns = ", ".join(f'"{name}"' for name in sorted(names) if name != "id")
    return query(database, f"SELECT rowid, {columns} FROM data ORDER BY rowid")


def all_rows(root: Path) -> dict[str, list[Row]]:
    """The rows of every device of a project, without their ids."""
    instance = find(root)
    return {key: rows_without_ids(instance.device_file(key)) for key in device_names(instance)}


def ids(database: Path) -> list[str]:
    """The ids of a device's rows, in the order of their rowids."""
    return [str(key) for (key,) in query(database, "SELECT id FROM data ORDER BY rowid")]


def hashes(folder: Path) -> dict[str, str]:
    """What is in a folder: every name below it, with its bytes' hash where it is a file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if stat.S_ISREG(path.lstat().st_mode)
        else ""
        for path in sorted(folder.rglob("*"))
    }


def leftovers(home: Path) -> list[str]:
    """What a job may leave behind only while it runs: half-made projects, temporary files."""
    found = [path for path in home.rglob("*") if path.name.startswith((".partial-", ".new-"))]
    found += list((home / "scratch").glob("*"))
    found += list(home.glob(".repository.key-*"))
    return sorted(str(path.relative_to(home)) for path in found)


def plain_bytes(repository: Repository) -> Iterator[tuple[str, bytes]]:
    """All that is in a repository, unsealed and decompressed: each frame and each manifest."""
    storage, keys = repository.storage, repository.keys
    for pack, size in repository.packs().items():
        trailer = read_trailer(storage, keys, pack, size)
        offset, chunk = len(HEAD), 0
        table = zip(trailer.frame_lengths.tolist(), trailer.frame_chunks.tolist(), strict=True)
        for number, (length, chunks) in enumerate(table):
            plain = int(trailer.chunk_lengths[chunk : chunk + chunks].sum())
            where = {"number": number, "offset": offset, "length": length, "size": plain}
            yield f"{pack}#{number}", open_frame(storage, keys, pack, **where)
            offset, chunk = offset + length, chunk + chunks
        assert chunk == len(trailer.names)
    for backup in repository.manifests():
        sealed = repository.storage.read(f"manifests/{backup}")
        nonce, body = sealed[9:21], sealed[21:]
        packed = repository.keys.manifest_sealer(backup).open(nonce, body)
        limit = 64 << 20
        yield backup, zstandard.ZstdDecompressor().decompress(packed, max_output_size=limit)
