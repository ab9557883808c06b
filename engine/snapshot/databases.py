"""Tasks of child processes that read databases into the repository.

A file of up to `SLICE` bytes is read by one task, `begin`. A larger one takes several: `begin`
plans it, `read_slice` reads and stores one part in whatever child is free, and `seal` makes an
image of the parts, or `settle` where somebody has written to the file meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceDamaged
from engine.model import LeaveOut
from engine.pages.accounting import EMPTY, LEAF, NO_FACTS, Account, IndexDamaged
from engine.pages.btree import PADDING, TABLE_LEAF, Bytes, Ints, ReadPages, be16, walk
from engine.pages.canonical import (
    Plan,
    apply,
    check_covered,
    keep_as_is,
    plan_as_is,
    plan_image,
    plan_table,
)
from engine.pages.header import HEADER_SIZE, Header, NotCanonical, parse_header
from engine.pages.shape import Shape, read_shape
from engine.repository.chunks import BLOCK
from engine.repository.manifest import NAME_LENGTH, Image
from engine.repository.places import Names
from engine.snapshot.child import SLICE, setup
from engine.snapshot.live import LiveFile
from engine.snapshot.pieces import PIECE
from engine.snapshot.results import Opening, Read, Slice, Way

NO_LEAF = -1


def begin(path: str, *, way: Way) -> Opening | Read:
    """Plan a file; one that fits a slice is read and stored at once, in the way that it allows.

    Raises `SourceDamaged` and `Busy`.
    """
    try:
        return _begin(path, way)
    except IndexDamaged:
        return begin(path, way=Way.TABLE_ONLY)
    except NotCanonical:
        return begin(path, way=Way.AS_IS)


def _begin(path: str, way: Way) -> Opening | Read:
    with LiveFile(Path(path)) as live:
        if live.glance().wal:
            return _begin_copy(live, way)
        with live.locked():
            header = live.header()
            total = header.page_count * header.page_size
            small = total <= SLICE
            flat = setup.buffer[: total + PADDING]
            if small:
                live.read_into(flat.data[:-PADDING], 0)
            opening = look(live, way, flat[:-PADDING] if small else None)
    opening = opening._replace(longest_lock=live.longest_lock)
    if not small:
        return opening
    if opening.plan.leaves is None:
        _check_by_sqlite(path, flat[:-PADDING])
    return seal(opening, [store_pages(opening.plan, 1, flat)])


def _check_by_sqlite(path: str, pages: Bytes) -> None:
    """Check a small file that only SQLite knows what to make of, as a restore will check it."""
    verdict = []
    try:
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(pages.data)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            verdict = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        verdict = [str(error)]
    if verdict != ["ok"]:
        raise SourceDamaged(f"{path} is damaged: {'; '.join(verdict)[:300]}.")


def _begin_copy(live: LiveFile, way: Way) -> Opening | Read:
    """Copy a database in WAL mode, where readers hold nobody up, and go on with the copy."""
    stamp = live.stamp()
    handle, copy = tempfile.mkstemp(dir=setup.scratch, suffix=".db")
    os.close(handle)
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as target:
        target.execute("PRAGMA synchronous = OFF")
        with live.told():
            live.connection.backup(target, pages=-1)
        target.execute("PRAGMA journal_mode = DELETE")
    begun = begin(copy, way=way)
    if isinstance(begun, Read):
        Path(copy).unlink()
    return begun._replace(stamp=stamp, longest_lock=0.0)


def look(live: LiveFile, way: Way, content: Bytes | None = None) -> Opening:
    """Inside a file's lock: plan it, and note what the manifest says of it.

    `content` is the whole file where it has been read already, in the same lock.

    Raises `IndexDamaged` where the way is the usual one and an index is seen to be damaged.
    """
    header = live.header()
    plan, names, rows = _plan(live, header, way, content)
    try:
        first, last = _time_span(live.connection, header, way)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if way is not Way.USUAL or code & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        raise IndexDamaged(str(error)) from None
    counter = header.change_counter
    return Opening(
        str(live.path),
        way,
        plan,
        counter,
        live.stamp(),
        first,
        last,
        names,
        rows,
        live.longest_lock,
    )


def read_slice(path: str, plan: Plan, first: int, count: int) -> Slice:
    """Read and store `count` pages from page number `first` on; `plan` may be cut to them."""
    flat = setup.buffer[: count * plan.page_size + PADDING]
    with LiveFile(Path(path)) as live, live.locked():
        counter, header = live.counter(), live.header()
        end = (first - 1 + count) * plan.page_size
        whole = header.page_count * header.page_size >= end
        if whole:
            live.read_into(flat.data[:-PADDING], (first - 1) * plan.page_size)
    # Where the file has become shorter there is nothing to compare with: no tag is all zeros.
    pieces = np.zeros((-(-count * plan.page_size // PIECE), NAME_LENGTH), np.uint8)
    part = no_slice(first, count)
    if whole:
        pieces = setup.pieces.tags(flat[:-PADDING])
        with contextlib.suppress(NotCanonical):  # then it is read again when the file is settled
            part = store_pages(plan, first, flat)
    return part._replace(counter=counter, pieces=pieces, longest_lock=live.longest_lock)


def seal(opening: Opening, parts: Iterable[Slice]) -> Read:
    """Store the lists of an image whose slices, in order, are all stored.

    Raises `SourceDamaged` where the table is damaged, and `IndexDamaged` where only something else
    is; there is no other way then but to keep the table only.
    """
    plan = opening.plan
    account = None if plan.leaves is None else Account(plan.kinds, plan.leaves)
    names, lookalikes, counted, longest = [], [], 0, opening.longest_lock
    for part in parts:  # one at a time: of a large file there are many
        if bool((part.rows == NO_LEAF).any()):
            raise SourceDamaged(f"{opening.path} is damaged: a page of its table is none.")
        counted += int(part.rows.sum())
        longest = max(longest, part.longest_lock)
        lookalikes += part.lookalikes.tolist()
        if part.names is not None:
            names.append(part.names)
        if account is not None:
            account.add(part.facts)
    if account is not None:
        _check(opening, account, counted)
    every = np.concatenate(names)
    lists = setup.store.add_list(every)
    image = Image(
        page_size=plan.page_size,
        page_count=plan.page_count,
        lists=lists,
        id_column=plan.id_column,
        left_out=opening.index_names,
        lookalikes=tuple(lookalikes),
        stored=0,
    )
    return Read(
        way=opening.way,
        image=image,
        names=_joined(every, lists),
        rows=opening.rows if opening.rows is not None else counted,
        first=opening.first,
        last=opening.last,
        stamp=opening.stamp,
        longest_lock=longest,
    )


def _check(opening: Opening, account: Account, rows: int) -> None:
    """See whether a file comes out of whose table `rows` were read. Raises as `seal` does."""
    try:
        account.check(rows)
    except NotCanonical as error:
        if isinstance(error, IndexDamaged) and opening.way is Way.USUAL:
            raise
        raise SourceDamaged(f"{opening.path} is damaged: {error}.") from None


def store_plain(path: Path) -> tuple[Image, bytes]:
    """Store a private file that nobody else has open, as it is; its image and all its chunks."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        header = parse_header(os.pread(file, HEADER_SIZE, 0), os.fstat(file).st_size)
        size = header.page_size
        chunk = setup.store.repository.chunk_length(size)
        parts = []
        total = header.page_count * size
        for at in range(0, total, SLICE):
            flat = setup.buffer[: min(SLICE, total - at)]
            if os.preadv(file, [flat.data], at) != flat.size:
                raise SourceDamaged(f"{path} was cut short while it was being read.")
            parts.append(setup.store.add(flat, chunk))
    finally:
        os.close(file)
    names = np.concatenate(parts)
    lists = setup.store.add_list(names)
    image = Image(size, header.page_count, lists, None, (), (), 0)
    return image, _joined(names, lists)


def _joined(names: Names, lists: tuple[bytes, ...]) -> bytes:
    return b"".join([names.tobytes(), *lists])


def _plan(
    live: LiveFile, header: Header, way: Way, content: Bytes | None
) -> tuple[Plan, tuple[str, ...], int | None]:
    """Plan a file inside its lock: the plan, the indexes it leaves out, rows if counted here."""
    read = page_reader(live, header) if content is None else _reader_of(content, header)
    try:
        shape = _shape(live.connection)
    except NotCanonical:
        return keep_as_is(header, None), (), _count(live)
    try:
        try:
            check_covered(header, shape)
        except NotCanonical:
            table = walk(read, shape.table_root, header.page_count, index=False)
            return keep_as_is(header, table), (), None
        leave_out = LeaveOut.ALL if way is Way.TABLE_ONLY else setup.leave_out
        if way is Way.AS_IS or leave_out is LeaveOut.NONE:
            return plan_as_is(read, header, shape), (), None
        names = tuple(index.name for index in shape.left_out(leave_out))
        first_page = read(np.ones(1, np.int64))[0].tobytes()
        if way is Way.TABLE_ONLY:
            return plan_table(read, header, shape, first_page), names, None
        return plan_image(read, header, shape, leave_out, first_page), names, None
    except NotCanonical as error:
        if isinstance(error, IndexDamaged) and way is Way.USUAL:
            raise
        raise SourceDamaged(f"{live.path} is damaged: {error}.") from None


def _shape(connection: sqlite3.Connection) -> Shape:
    """`read_shape`, but for a file that has the schema of the one before, as nearly all have.

    Nothing else than the schema's rows goes into a shape.
    """
    schema = tuple(
        connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema")
    )
    if setup.shape is None or setup.shape[0] != schema:
        setup.shape = (schema, read_shape(connection))
    return setup.shape[1]


def _count(live: LiveFile) -> int:
    """Rows of a table whose pages are not known; a file without one is no device's."""
    found = live.connection.execute("SELECT type FROM sqlite_schema WHERE name = 'data'").fetchone()
    if found != ("table",):
        raise SourceDamaged(f"{live.path} has no table of variables.")
    (rows,) = live.connection.execute("SELECT count(*) FROM data").fetchone()
    return int(rows)


def _reader_of(content: Bytes, header: Header) -> ReadPages:
    """A function that gives pages of a file that is in memory, each of them a copy."""
    pages = content.reshape(header.page_count, header.page_size)

    def read(numbers: Ints) -> Bytes:
        if numbers.size and int(numbers.max()) > header.page_count:
            raise NotCanonical("a page is named that the file does not have")
        return pages[numbers - 1]

    return read


def page_reader(live: LiveFile, header: Header) -> ReadPages:
    """A function that reads pages in any order; neighbours are read together."""
    size = header.page_size

    def read(numbers: Ints) -> Bytes:
        if numbers.size and int(numbers.max()) > header.page_count:
            raise NotCanonical("a page is named that the file does not have")
        pages = np.empty((numbers.size, size), np.uint8)
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        for begin_at, end_at in itertools.pairwise([0, *breaks.tolist(), numbers.size]):
            if end_at > begin_at:
                part = pages[begin_at:end_at].reshape(-1)
                live.read_into(part.data, (int(numbers[begin_at]) - 1) * size)
        return pages

    return read


def _time_span(
    connection: sqlite3.Connection, header: Header, way: Way
) -> tuple[int | None, int | None]:
    """The first and last time of a device's rows, where an index or a small table tells it."""
    leading = connection.execute(
        "SELECT i.name FROM pragma_index_list('data') l, pragma_index_info(l.name) i"
        " WHERE i.seqno = 0"
    ).fetchall()
    columns = connection.execute("SELECT name FROM pragma_table_info('data')").fetchall()
    small = header.page_count * header.page_size <= SLICE
    indexed = ("time",) in leading and way is not Way.TABLE_ONLY
    if ("time",) not in columns or not (indexed or small):
        return None, None
    source = "data NOT INDEXED" if way is Way.TABLE_ONLY else "data"
    # A text that is no UTF-8 must not even be fetched.
    first, last = connection.execute(
        "SELECT iif(typeof(a) = 'integer', a, NULL), iif(typeof(b) = 'integer', b, NULL) FROM"  # noqa: S608  # two constants
        f" (SELECT (SELECT min(time) FROM {source}) AS a, (SELECT max(time) FROM {source}) AS b)"
    ).fetchone()
    return (None, None) if first is None or last is None else (int(first), int(last))


def store_pages(plan: Plan, first: int, flat: Bytes) -> Slice:
    """Make the image's pages of raw ones in place, and store them."""
    size = plan.page_size
    chunk = setup.store.repository.chunk_length(size)
    count = (flat.size - PADDING) // size
    leaves = np.flatnonzero(plan.kinds_of(first, count) == LEAF)
    rows = np.bincount(
        leaves * size // chunk,
        weights=be16(flat, leaves * size + 3),
        minlength=-(-count * size // chunk),
    ).astype(np.int64)
    torn = leaves[flat[leaves * size] != TABLE_LEAF]
    rows[torn * size // chunk] = NO_LEAF  # kept as it is, a page is stored whatever it is
    facts, lookalikes = apply(plan, first, flat)
    names = setup.store.add(flat[: count * size], chunk, blank=_blank(plan, first, count))
    pieces = np.empty((0, NAME_LENGTH), np.uint8)
    return Slice(first, 0, names, pieces, rows, lookalikes, facts, 0.0)


def _blank(plan: Plan, first: int, count: int) -> NDArray[np.bool_] | None:
    """Which blocks have nothing but pages that are zeros in an image."""
    if plan.id_column is None:
        return None
    empty = plan.kinds_of(first, count) == EMPTY
    empty[[number - first for number in plan.written if first <= number < first + count]] = False
    if plan.page_size >= BLOCK:
        return np.repeat(empty, plan.page_size // BLOCK)
    per = BLOCK // plan.page_size
    padded = np.ones(-(-count // per) * per, bool)
    padded[:count] = empty
    return np.asarray(padded.reshape(-1, per).all(axis=1), np.bool_)


def no_slice(first: int, count: int) -> Slice:
    """A slice of `count` pages of which nothing is stored."""
    pieces = np.empty((0, NAME_LENGTH), np.uint8)
    nothing = np.empty(0, np.int64)
    return Slice(first, 0, None, pieces, nothing, nothing, NO_FACTS, 0.0)
