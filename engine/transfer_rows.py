"""Moving the rows of one device into another's database: tasks of child processes.

A row that is there already is not brought again. Rows are the same when their variable, time,
value and group are; of several that are the same, as many are brought as the target lacks. Rows
come in their order, each short transaction looks at what is there by then, and nothing is changed
or removed: whatever interrupts a transfer, running it again brings exactly what is missing.

TagoCore waits 1,000 ms for a lock, and looks every 25 ms or less only in the first 130 ms of that.
So a transaction aims at `_HOLD`, and `_REST` at least lies between two.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from engine.errors import Busy
from engine.project.demo.chunks import bounds
from engine.project.tables import database_errors, primary_code, quote
from engine.transfer_shape import KEY, affinity, shape_of

MUTABLE_LIMIT = 50_000  # rows, at which TagoCore takes no more for a mutable device
_STEP = 0.4  # seconds that one task works, about
_HOLD = 0.06  # seconds that a transaction is to hold the target
_REST = 0.03  # seconds that it is left alone between two
_LONGEST_WAIT = 20.0  # seconds for a target that others hold
_PATIENT, _HASTY = "busy_timeout = 5000", "busy_timeout = 100"
_FIRST_BATCH = 500  # rows
_LARGEST_BATCH = 20_000
_LARGEST_UNSEEN = 4_000  # until it is known how long rows take
_BATCH_BYTES = 2_000_000
_LONG = ("value", "metadata", "location")  # columns whose texts may be of any length
_SAME = " AND ".join(f'{{0}}."{name}" IS p."{name}"' for name in KEY[:3]) + (
    ' AND +{0}."group" IS p."group"'  # the plus keeps SQLite from the index on group alone
)


class Move(NamedTuple):
    """What is to be brought from one device's database to another's.

    Times are epoch milliseconds, from `since` and before `until`. `period` is the target's chunk
    period ('' for none), `expired` what its data retention removes rows before. `prefixes` are for
    new ids; the first that the target does not know is taken.
    """

    source: str
    target: str
    variables: tuple[str, ...]
    since: int | None
    until: int | None
    mutable: bool
    period: str
    same_chunks: bool  # whether the source's chunks are the target's
    expired: int | None
    prefixes: tuple[str, ...]


class Place(NamedTuple):
    """How far a device is, and what was done so far; the first one is ``Place()``."""

    last: int = -(2**63)  # row number in the source
    end: int | None = None  # the last one when it began
    batch: int = _FIRST_BATCH
    prefix: str = ""
    given: int = 0  # ids
    looked: int = 0  # rows that were chosen
    copied: int = 0
    already_there: int = 0
    refused: int = 0
    expired: int = 0
    reason: str = ""  # why some were refused
    done: bool = False
    longest: float = 0.0  # seconds that the target was held


class _Opened:
    """Two databases, open together: the target as ``main``, the source as ``source``."""

    def __init__(self, move: Move) -> None:
        self.move = move
        self.released = 0.0
        uri = f"{Path(move.target).absolute().as_uri()}?mode=rw"
        self.database = database = sqlite3.connect(uri, uri=True, isolation_level=None)
        try:
            for setting in (
                _PATIENT,
                "cache_spill = 0",  # else it would lock readers out before the commit
                "cache_size = -65536",
                "temp_store = MEMORY",
                "synchronous = FULL",
                "trusted_schema = OFF",
                "mmap_size = 67108864",  # more is mapped anew whenever a file grows
            ):
                database.execute(f"PRAGMA {setting}")
            origin = f"{Path(move.source).absolute().as_uri()}?mode=ro"
            database.execute("ATTACH ? AS source", (origin,))
            self.reason = self._prepare()
        except BaseException:
            database.close()
            raise

    def _prepare(self) -> str:
        """Make the tables of a batch; gives what is in the way."""
        theirs, ours = shape_of(self.database, "main"), shape_of(self.database, "source")
        for shape, whose in ((theirs, "target"), (ours, "source")):
            if isinstance(shape, str):
                return f"its database in the {whose} {shape}"
        if isinstance(theirs, str) or isinstance(ours, str):
            return "its database cannot be used"
        for name in sorted(theirs.types.keys() & ours.types.keys()):
            if affinity(theirs.types[name]) != affinity(ours.types[name]):
                return f"the column {name} is of another type in the target"
        computed = {"chunk_timestamp_start": 0, "chunk_timestamp_end": 1}
        into, values = [], []
        for name in ours.types:
            if name == "id" or name not in theirs.types:
                continue
            if name in computed and not self.move.same_chunks:
                continue
            into.append(quote(name))
            values.append(f"s.{quote(name)}")
        if self.move.period and not self.move.same_chunks:
            for name, end in computed.items():
                if name in theirs.types:
                    into.append(quote(name))
                    values.append(f"chunk_of(s.time, {end})")
        ignored = set() if self.move.same_chunks else set(computed)
        lost = [f"s.{quote(n)} IS NOT NULL" for n in ours.types.keys() - theirs.types - ignored]
        self._missing = sorted(ours.types.keys() - theirs.types - ignored)
        self._insert = (
            f"INSERT INTO main.data (id, {', '.join(into)}) "  # noqa: S608  # quoted
            f"SELECT printf('%s%010x', ?, ? + w.number), {', '.join(values)} "
            "FROM temp.wanted w CROSS JOIN source.data s ON s.rowid = w.origin "
            "WHERE NOT w.lost ORDER BY w.number"
        )
        self._want = (
            "INSERT INTO temp.wanted (origin, time, lost) SELECT p.origin, p.time, "  # noqa: S608
            f"{' OR '.join(lost) or '0'} FROM temp.picked p "
            "CROSS JOIN temp.firsts f ON f.first = p.first CROSS JOIN temp.there t "
            "ON t.first = p.first CROSS JOIN source.data s ON s.rowid = p.origin "
            "WHERE p.nth + f.prior > t.found ORDER BY p.origin"
        )
        lengths = [f"coalesce(length(CAST({n} AS BLOB)), 0)" for n in _LONG if n in ours.types]
        self._window = (
            f"SELECT rowid, {' + '.join(lengths)} FROM source.data "  # noqa: S608  # ours
            "WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?"
        )
        self.database.create_function("chunk_of", 2, self._chunk, deterministic=True)
        key = ", ".join(f'"{name}" {ours.types[name]}' for name in KEY)
        for table in (
            f"picked (origin INTEGER PRIMARY KEY, {key}, nth INTEGER, first INTEGER)",
            "firsts (first INTEGER PRIMARY KEY, prior INTEGER)",
            "there (first INTEGER PRIMARY KEY, found INTEGER)",
            "wanted (number INTEGER PRIMARY KEY, origin INTEGER, time, lost INTEGER)",
        ):
            self.database.execute(f"CREATE TEMP TABLE {table}")
        return ""

    def _chunk(self, moment: object, end: int) -> int | None:
        if not isinstance(moment, int):
            return None
        try:
            return bounds(self.move.period, moment)[end]
        except (ValueError, OverflowError, OSError):
            return None  # a date that no calendar knows

    def first_place(self, place: Place) -> Place:
        """Where to begin, with a prefix for ids that the target does not know."""
        (end,) = self.database.execute("SELECT max(rowid) FROM source.data").fetchone()
        for prefix in self.move.prefixes:
            known = "SELECT 1 FROM main.data WHERE id >= ? AND id < ? LIMIT 1"
            if self.database.execute(known, (prefix, prefix + "g")).fetchone() is None:
                return place._replace(end=end, prefix=prefix, done=end is None)
        raise Busy("All ids that were drawn are taken.")

    def step(self, place: Place, *, write: bool) -> Place:
        """Look at the next rows, and bring those that are wanted."""
        upper = self._upper(place)
        if upper is None:
            return place._replace(done=True)
        chosen = self._pick(place.last, upper)
        place = place._replace(looked=place.looked + chosen)
        if not chosen:
            return place._replace(last=upper, batch=min(place.batch * 2, _LARGEST_UNSEEN))
        seen = self._version()
        self._compare()
        wanted, lost = self._wanted()
        held = 0.0
        if write and wanted:
            try:
                wanted, lost, held = self._bring(place, seen)
            except _Full:
                return place._replace(
                    done=True,
                    refused=place.refused + wanted,
                    reason=full_reason(),
                )
        reason = place.reason
        if lost:
            reason = f"the target lacks columns that rows use: {', '.join(self._missing)}"
        late = 0
        if self.move.expired is not None and wanted:
            (late,) = self.database.execute(
                "SELECT count(*) FROM temp.wanted WHERE NOT lost AND time < ?", (self.move.expired,)
            ).fetchone()
        return place._replace(
            last=upper,
            batch=_next_batch(place.batch, wanted, held),
            given=place.given + wanted + lost,
            copied=place.copied + wanted,
            already_there=place.already_there + chosen - wanted - lost,
            refused=place.refused + lost,
            expired=place.expired + late,
            reason=reason,
            longest=max(place.longest, held),
        )

    def _upper(self, place: Place) -> int | None:
        """The last row of the next batch: so many rows, and so many bytes."""
        upper, size = None, 0
        for number, length in self.database.execute(
            self._window, (place.last, place.end, place.batch)
        ).fetchall():
            size += length
            if upper is not None and size > _BATCH_BYTES:
                break
            upper = number
        return upper

    def _pick(self, last: int, upper: int) -> int:
        move, which, values = self.move, "", [last, upper]
        more: list[object] = []
        if move.variables:
            which += f" AND variable IN ({', '.join('?' * len(move.variables))})"
            more += move.variables
        for limit, sign in ((move.since, ">="), (move.until, "<")):
            if limit is not None:
                # text would be later than any number
                which += f" AND typeof(time) IN ('integer', 'real') AND time {sign} ?"
                more.append(limit)
        self.database.execute("DELETE FROM temp.picked")
        self.database.execute("DELETE FROM temp.firsts")
        key = ", ".join(quote(name) for name in KEY)
        chosen = self.database.execute(
            f"INSERT INTO temp.picked SELECT rowid, {key}, row_number() OVER same, "  # noqa: S608
            f"first_value(rowid) OVER same FROM source.data WHERE rowid > ? AND rowid <= ?{which} "
            f"WINDOW same AS (PARTITION BY {key} ORDER BY rowid)",
            (*values, *more),
        ).rowcount
        self.database.execute(
            "INSERT INTO temp.firsts SELECT p.origin, (SELECT count(*) FROM source.data s "  # noqa: S608
            f"WHERE {_SAME.format('s')} AND s.rowid <= ?) FROM temp.picked p WHERE p.nth = 1",
            (last,),
        )
        return chosen

    def _compare(self) -> None:
        """Find how many of each row the target has by now, and hence which are wanted."""
        self.database.execute("DELETE FROM temp.there")
        self.database.execute("DELETE FROM temp.wanted")
        self.database.execute(
            "INSERT INTO temp.there SELECT p.origin, (SELECT count(*) FROM main.data t "  # noqa: S608
            f"WHERE {_SAME.format('t')}) FROM temp.picked p WHERE p.nth = 1"
        )
        self.database.execute(self._want)

    def _wanted(self) -> tuple[int, int]:
        wanted, lost = self.database.execute(
            "SELECT count(*) - coalesce(sum(lost), 0), coalesce(sum(lost), 0) FROM temp.wanted"
        ).fetchone()
        return wanted, lost

    def _version(self) -> int:
        (version,) = self.database.execute("PRAGMA main.data_version").fetchone()
        return int(version)

    def _bring(self, place: Place, seen: int) -> tuple[int, int, float]:
        """Bring the rows that are wanted in one transaction; waits while others hold the target."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while True:
            time.sleep(max(0.0, self.released + _REST - time.monotonic()))
            try:
                self.database.execute("BEGIN IMMEDIATE")
                # a commit that waits for readers keeps others out: not for long
                self.database.execute(f"PRAGMA {_HASTY}")
                began = time.monotonic()
                if self._version() != seen:
                    seen = -1  # if this transaction is not kept, look again
                    self._compare()
                wanted, lost = self._wanted()
                if self.move.mutable:
                    (count,) = self.database.execute("SELECT count(*) FROM main.data").fetchone()
                    if count + wanted > MUTABLE_LIMIT:
                        raise _Full
                self.database.execute(self._insert, (place.prefix, place.given))
                self.database.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._undo()
                busy = primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() >= deadline:
                    raise
            except BaseException:
                self._undo()
                raise
            else:
                self.released = time.monotonic()
                self.database.execute(f"PRAGMA {_PATIENT}")
                return wanted, lost, self.released - began

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            self.database.execute(f"PRAGMA {_PATIENT}")
        self.released = time.monotonic()


class _Full(Exception):
    """A mutable device that would have more rows than TagoCore takes."""


class _Current:
    """What this process has open."""

    opened: _Opened | None = None


def configure() -> None:
    """Set this process up for a transfer."""


def step(move: Move, place: Place, write: bool) -> Place:
    """Go on with a device for a moment; without `write` nothing is changed, only counted.

    Raises `Busy` for a database that others hold for long, `SourceDamaged` and `StorageFailed`.
    """
    began = time.monotonic()
    with database_errors(f"The database {Path(move.target).name}, or its source,"):
        opened = _opened(move)
        if opened.reason:
            return place._replace(reason=opened.reason, done=True)
        if place.end is None:
            place = opened.first_place(place)
        while not place.done and time.monotonic() - began < _STEP:
            place = opened.step(place, write=write)
    if place.done:
        close()
    return place


def count_rows(path: str) -> int:
    """How many rows a device's database holds."""
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    with (
        database_errors(Path(path).name),
        contextlib.closing(sqlite3.connect(uri, uri=True)) as database,
    ):
        database.execute("PRAGMA busy_timeout = 5000")
        (count,) = database.execute("SELECT count(*) FROM data").fetchone()
    return int(count)


def full_reason() -> str:
    """Why a mutable device takes no more."""
    return f"a mutable device holds {MUTABLE_LIMIT:,} rows at most"


def close() -> None:
    """Let go of the databases."""
    if _Current.opened is not None:
        _Current.opened.database.close()
        _Current.opened = None


def _opened(move: Move) -> _Opened:
    if _Current.opened is None or _Current.opened.move != move:
        close()
        _Current.opened = _Opened(move)
    return _Current.opened


def _next_batch(batch: int, wanted: int, held: float) -> int:
    if not held:
        return max(batch, min(_LARGEST_UNSEEN, batch * 2))
    fitting = int(max(wanted, 1) * _HOLD / held)
    return max(20, min(fitting, batch * 2, _LARGEST_BATCH))
