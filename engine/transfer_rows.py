"""Moving the rows of one device into another's database: tasks of child processes.

A row that is there already is not brought again. Rows are the same when their variable, time,
value and group are; of several that are the same, as many are brought as the target lacks. Rows
come in their order, each short transaction looks at what is there by then, and nothing is changed
or removed: whatever interrupts a transfer, running it again brings exactly what is missing.
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
from engine.transfer_devices import MUTABLE_LIMIT, full_reason, mend
from engine.transfer_shape import KEY, SAME, affinity, shape_of
from engine.transfer_turns import HOLD, Slow, Turns

_STEP = 0.4  # seconds that one task works, about
_LONGEST_WAIT = 20.0  # seconds for a target that others hold
_FIRST_BATCH = 1000  # rows
_SMALLEST_BATCH, _LARGEST_BATCH = 20, 20_000
_GROWTH = 2.0  # at most, from one batch to the next: the next rows may take longer
_LARGEST_UNCHOSEN, _BATCH_BYTES = 4_000, 2_000_000  # rows where none of them is chosen
_LONG = ("value", "metadata", "location")  # columns whose texts may be of any length
_LACKING = "p.origin NOT IN (SELECT origin FROM temp.there)"
_WANTED = f"NOT p.lost AND {_LACKING}"
_FEW = 50
_FEW_NEAR = (
    "INSERT INTO temp.near WITH RECURSIVE each(time) AS ("  # noqa: S608  # ours
    "SELECT min(time) FROM main.data WHERE time BETWEEN ?1 AND ?2 UNION ALL "
    "SELECT (SELECT min(time) FROM main.data WHERE time > each.time AND time <= ?2) FROM each "
    f"WHERE each.time IS NOT NULL) SELECT time FROM each WHERE time IS NOT NULL LIMIT {_FEW + 1}"
)
_ALL_NEAR = (
    "INSERT INTO temp.near SELECT DISTINCT p.time FROM temp.picked p "
    "WHERE EXISTS (SELECT 1 FROM main.data t WHERE t.time = p.time)"
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
        uri = f"{Path(move.target).absolute().as_uri()}?mode=rw"
        self.database = database = sqlite3.connect(uri, uri=True, isolation_level=None)
        try:
            for setting in (
                "busy_timeout = 5000",
                "cache_spill = 0",  # else it would lock readers out before the commit
                "cache_size = -65536",
                "temp_store = MEMORY",
                "synchronous = FULL",
                "trusted_schema = OFF",
                "mmap_size = 67108864",  # more is mapped anew whenever a file grows
            ):
                database.execute(f"PRAGMA {setting}")
            mend(move.source)
            origin = Path(move.source).absolute().as_uri()
            database.execute("ATTACH ? AS source", (f"{origin}?mode=ro",))
            self.turns = Turns(database)
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
        self._lost = " OR ".join(lost) or "0"
        self._insert = (
            f"INSERT INTO main.data (id, {', '.join(into)}) "  # noqa: S608  # quoted
            f"SELECT printf('%s%010x', ?, ? + p.number), {', '.join(values)} "
            "FROM temp.picked p CROSS JOIN source.data s ON s.rowid = p.origin "
            f"WHERE {_WANTED} ORDER BY p.number"
        )
        self._by_time = theirs.by_time
        lengths = [f"coalesce(length(CAST({n} AS BLOB)), 0)" for n in _LONG if n in ours.types]
        self._window = (
            f"SELECT rowid, {' + '.join(lengths)} FROM source.data "  # noqa: S608  # ours
            "WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?"
        )
        self.database.create_function("chunk_of", 2, self._chunk, deterministic=True)
        key = ", ".join(f'"{name}" {ours.types[name]}' for name in KEY)
        for table in (
            "picked (number INTEGER PRIMARY KEY, origin INTEGER, time, lost INTEGER)",
            "near (time PRIMARY KEY)",
            f"close (origin INTEGER PRIMARY KEY, {key}, nth INTEGER, first INTEGER)",
            "counts (first INTEGER PRIMARY KEY, prior INTEGER, found INTEGER)",
            "there (origin INTEGER PRIMARY KEY)",
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
        before = place
        chosen = self._pick(place.last, upper)
        place = place._replace(looked=place.looked + chosen)
        if not chosen:
            return place._replace(last=upper, batch=min(place.batch * 2, _LARGEST_UNCHOSEN))
        seen = self._look()
        wanted, lost = self._wanted()
        rows = chosen
        if write and wanted:
            rows = wanted
            try:
                wanted, lost = self._bring(place, seen)
            except Slow:
                return before._replace(
                    batch=max(_SMALLEST_BATCH, chosen // 2),
                    longest=max(place.longest, self.turns.longest),
                )
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
                f"SELECT count(*) FROM temp.picked p WHERE {_WANTED} AND time < ?",  # noqa: S608  # ours
                (self.move.expired,),
            ).fetchone()
        return place._replace(
            last=upper,
            batch=_next_batch(place.batch, rows, self.turns.held),
            given=place.given + chosen,
            copied=place.copied + wanted,
            already_there=place.already_there + chosen - wanted - lost,
            refused=place.refused + lost,
            expired=place.expired + late,
            reason=reason,
            longest=max(place.longest, self.turns.longest),
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
        return self.database.execute(
            f"INSERT INTO temp.picked (origin, time, lost) SELECT rowid, time, {self._lost} "  # noqa: S608
            f"FROM source.data s WHERE rowid > ? AND rowid <= ?{which} ORDER BY rowid",
            (*values, *more),
        ).rowcount

    def _look(self) -> int:
        """Compare at one moment; gives the version of the target then."""
        with self.turns.reading(time.monotonic() + _LONGEST_WAIT):
            seen = self.turns.version()
            self._compare()
        return seen

    def _compare(self) -> None:
        """Find which rows the target has by now.

        Most rows are told apart by their time alone: a look into its index where the target has
        nothing in the span of the batch. Only rows of a time that the target knows are compared.
        """
        for table in ("near", "close", "counts", "there"):
            self.database.execute(f"DELETE FROM temp.{table}")  # noqa: S608  # ours
        which = "p.time IS NULL OR p.time IN (SELECT time FROM temp.near)"
        if not self._find_near():
            which = "1"
        key = ", ".join(f"s.{quote(name)}" for name in KEY)
        close = self.database.execute(
            f"INSERT INTO temp.close SELECT p.origin, {key}, row_number() OVER same, "  # noqa: S608
            "first_value(p.origin) OVER same FROM temp.picked p "
            f"CROSS JOIN source.data s ON s.rowid = p.origin WHERE {which} "
            f"WINDOW same AS (PARTITION BY {key} ORDER BY p.origin)"
        ).rowcount
        if not close:
            return
        # of rows that are the same, the source's earlier ones have been brought before
        self.database.execute(
            "INSERT INTO temp.counts SELECT p.origin, (SELECT count(*) FROM source.data s "  # noqa: S608
            f"WHERE {SAME.format('s')} AND s.rowid < p.origin), (SELECT count(*) FROM main.data t "
            f"WHERE {SAME.format('t')}) FROM temp.close p WHERE p.nth = 1"
        )
        self.database.execute(
            "INSERT INTO temp.there SELECT p.origin FROM temp.close p JOIN temp.counts c "
            "ON c.first = p.first WHERE p.nth + c.prior <= c.found"
        )

    def _find_near(self) -> bool:
        """Find the times of the batch that the target knows; False where it has no index on time.

        A few in the span of the batch are simply taken; where there are more, each is looked for.
        """
        if not self._by_time:
            return False
        span = self.database.execute("SELECT min(time), max(time) FROM temp.picked").fetchone()
        few = self.database.execute(_FEW_NEAR, span).rowcount
        if few > _FEW:
            self.database.execute("DELETE FROM temp.near")
            self.database.execute(_ALL_NEAR)
        return True

    def _wanted(self) -> tuple[int, int]:
        """How many rows the target lacks, and how many of these it cannot hold."""
        wanted, lost = self.database.execute(
            f"SELECT coalesce(sum({_WANTED}), 0), coalesce(sum(lost AND {_LACKING}), 0) "  # noqa: S608
            "FROM temp.picked p"
        ).fetchone()
        return wanted, lost

    def _bring(self, place: Place, seen: int) -> tuple[int, int]:
        """Bring the rows that are wanted in one transaction; waits while others hold the target.

        Raises `_Full`, and `Slow` where that takes long: then nothing is brought.
        """
        deadline = time.monotonic() + _LONGEST_WAIT
        while True:
            try:
                with self.turns.writing(deadline):
                    if self.turns.version() != seen:
                        seen = -1  # if this transaction is not kept, look again
                        self._compare()
                    wanted, lost = self._wanted()
                    if self.move.mutable:
                        count = "SELECT count(*) FROM main.data"
                        (there,) = self.database.execute(count).fetchone()
                        if there + wanted > MUTABLE_LIMIT:
                            raise _Full
                    # so few rows have to be brought, however long it takes
                    few = wanted <= _SMALLEST_BATCH
                    with contextlib.nullcontext() if few else self.turns.in_time():
                        self.database.execute(self._insert, (place.prefix, place.given))
            except sqlite3.OperationalError as error:
                busy = primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() >= deadline:
                    raise
            else:
                return wanted, lost


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


def _next_batch(batch: int, rows: int, held: float) -> int:
    """How many rows to look at next, where so many held the target for so long."""
    fitting = int(max(rows, 1) * HOLD / max(held, 1e-6))
    return max(_SMALLEST_BATCH, min(fitting, int(batch * _GROWTH), _LARGEST_BATCH))
