"""The newest rows of one device of a backup, a page at a time, without restoring anything.

Only the chunks are read that the page needs. Rows come by time, newest first, those of one time by
their places in the table; behind them those whose time is a text or a BLOB, and then those without
one, both by their places. A cursor names the last row of a page by its time and its place:
``TIME:PLACE``, ``text:PLACE`` or ``none:PLACE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import apsw

from engine.errors import Invalid, RepositoryDamaged
from engine.model import DataRow, Value, VariableFacts
from engine.names import shown
from engine.project.tables import quote
from engine.rebuild.paged import paged_device
from engine.rebuild.stored import Described
from engine.repository.chunk_reader import ChunkReader
from engine.repository.index import load_index
from engine.repository.manifest import Image
from engine.repository.repository import Repository

MOST_ROWS = 10_000  # of one page
_MOST_COUNTED = 200_000  # rows of a device whose variables are counted
_MOST_NAMED = 1_000  # variables that are looked up one by one
_CURSOR = re.compile(r"(text|none|[-+0-9.e]{1,32}):(-?[0-9]{1,20})")
_NAMED = ("time", "variable", "value")
_Bound = str | int | float | None


class Cursor(NamedTuple):
    """The last row of a page: its time, or what it has in place of a number, and its place."""

    time: int | float | Literal["text", "none"]
    number: int


class Question(NamedTuple):
    """Which rows are asked for: from `since` and before `until`, in epoch milliseconds."""

    variable: str | None = None
    since: int | None = None
    until: int | None = None
    before: Cursor | None = None
    limit: int = 50
    with_variables: bool = False


class Answer(NamedTuple):
    """The rows that were asked for; `next` is where the following page begins, or empty."""

    rows: tuple[DataRow, ...]
    next: str
    variables: tuple[VariableFacts, ...] | None


def cursor(text: str) -> Cursor:
    """Read what `Answer.next` gave. Raises `Invalid` for anything else."""
    found = _CURSOR.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        time, number = found.groups()
        kind: dict[str, Literal["text", "none"]] = {"text": "text", "none": "none"}
        return Cursor(kind[time] if time in kind else _number(time), int(_number(number)))
    except (ValueError, OverflowError):
        raise Invalid(
            f"{shown(text)} is no place between rows.",
            hint="Nothing was changed. Give what the page before gave as next.",
        ) from None


def _number(text: str) -> int | float:
    number = int(text) if text.lstrip("-").isdigit() else float(text)
    if not -(2**63) <= number < 2**63:
        raise OverflowError
    return number


def read_rows(
    repository: Repository, image: Image, rows: int, question: Question, what: str
) -> Answer:
    """Answer a question about a device of so many rows. Blocks.

    Raises `RepositoryDamaged`, naming it `what`. A clean-up may move chunks while they are read:
    what is not found is looked for once more.
    """
    try:
        return _read(repository, image, rows, question, what)
    except RepositoryDamaged:
        return _read(repository, image, rows, question, what)


class _Device(NamedTuple):
    """A device's database, open."""

    connection: apsw.Connection
    shape: Described

    @property
    def place(self) -> str:
        """What a row's place in the table is called."""
        return "place" if self.shape.key == "id" else self.shape.key


def _read(
    repository: Repository, image: Image, rows_there: int, question: Question, what: str
) -> Answer:
    reader = ChunkReader(repository, load_index(repository.storage, repository.keys))
    with paged_device(reader, image, what) as opened:
        device = _Device(*opened)
        rows = []
        for row in _pages(device, question):
            rows.append(row)
            if len(rows) > question.limit:
                break
        variables = tuple(_variables(device, rows_there)) if question.with_variables else None
    following = ""
    if len(rows) > question.limit:
        del rows[question.limit :]
        time = rows[-1].time
        kind = "none" if time is None else time if isinstance(time, int | float) else "text"
        following = f"{kind}:{rows[-1].number}"
    return Answer(tuple(rows), following, variables)


def _pages(device: _Device, question: Question) -> Iterator[DataRow]:
    """The rows that are asked for, and perhaps more behind them."""
    if question.variable is not None and "variable" not in device.shape.columns:
        return
    spanned = question.since is not None or question.until is not None
    if "time" not in device.shape.columns:
        if not spanned:
            yield from _by_place(device, question, "1", "none")
        return
    reached = "number" if question.before is None else question.before.time
    if reached not in ("text", "none"):
        yield from _by_time(device, question)
    if not spanned and reached != "none":
        yield from _by_place(device, question, "time >= ''", "text")
    if not spanned:
        yield from _by_place(device, question, "time IS NULL", "none")


def _by_time(device: _Device, question: Question) -> Iterator[DataRow]:
    """Rows whose times are numbers: an index is read from the one upper bound on."""
    where, values = [], list[_Bound]()
    before, until = question.before, question.until
    if before is not None and (until is None or not _is_behind(before, until)):
        where.append(f"time <= ? AND (time < ? OR {device.place} < ?)")
        values += [before.time, before.time, before.number]
    elif until is not None:
        where.append("time < ?")
        values.append(until)
    else:
        where.append("time < ''")  # every text, and every BLOB, is more than any number
    if question.since is not None:
        where.append("time >= ?")
        values.append(question.since)
    order = f"time DESC, {device.place} DESC"
    yield from _select(device, question, where, values, order)


def _is_behind(before: Cursor, until: int) -> bool:
    """Whether a cursor stands behind the end of a span: then it bounds nothing."""
    return isinstance(before.time, int | float) and before.time >= until


def _by_place(device: _Device, question: Question, times: str, kind: str) -> Iterator[DataRow]:
    """Rows whose times are no numbers: first the ones that came last."""
    where, values = [times], list[_Bound]()
    if question.before is not None and question.before.time == kind:
        where.append(f"{device.place} < ?")
        values.append(question.before.number)
    yield from _select(device, question, where, values, f"{device.place} DESC")


def _select(
    device: _Device, question: Question, where: list[str], values: list[_Bound], order: str
) -> Iterator[DataRow]:
    leading = ["time"]
    if question.variable is not None:
        where, values = [*where, "variable = ?"], [*values, question.variable]
        leading = ["variable", "time"]
    others = [name for name in device.shape.columns if name not in _NAMED]
    named = [quote(name) if name in device.shape.columns else "NULL" for name in _NAMED]
    source = device.shape.source(*leading)
    if device.shape.key == "id":  # WITHOUT ROWID: rows are counted off in the order of their ids
        source = f"(SELECT row_number() OVER (ORDER BY id) AS place, * FROM {source})"  # noqa: S608
    listed = ", ".join([device.place, *map(_typed, [*named, *map(quote, others)])])
    statement = (
        f"SELECT {listed} FROM {source} WHERE {' AND '.join(where)} "  # noqa: S608  # quoted
        f"ORDER BY {order} LIMIT ?"
    )
    for number, *found in device.connection.execute(statement, (*values, question.limit + 1)):
        time, variable, value, *rest = _values(found)
        yield DataRow(number, time, variable, value, tuple(zip(others, rest, strict=True)))


def _variables(device: _Device, rows: int) -> Iterator[VariableFacts]:
    """The variables of a device, with their first and last times that are numbers.

    Their rows are counted where that does not take long, or nothing else can be done.
    """
    if "variable" not in device.shape.columns:
        return
    source = device.shape.source("variable", "time")
    if rows > _MOST_COUNTED and "INDEXED BY" in source:
        yield from _named_variables(device, source)
        return
    time = "iif(time < '', time, NULL)" if "time" in device.shape.columns else "NULL"
    for *name, count, first, last in device.connection.execute(
        f"SELECT {_typed('variable')}, count(*), min({time}), max({time}) "  # noqa: S608
        f"FROM {source} GROUP BY variable ORDER BY variable"
    ):
        (variable,) = _values(name)
        yield VariableFacts(variable, count, first, last)


def _named_variables(device: _Device, source: str) -> Iterator[VariableFacts]:
    """Variables, found by leaping through an index from one to the next; the first thousand."""
    execute = device.connection.execute
    leap = (
        f"SELECT {_typed('variable')} FROM {source} WHERE variable {{}} ORDER BY variable LIMIT 1"  # noqa: S608
    )
    end = f"SELECT time FROM {source} WHERE variable {{}} AND time < '' ORDER BY time {{}} LIMIT 1"  # noqa: S608
    some = leap.format("IS NOT NULL")
    found = execute(leap.format("IS NULL")).fetchone() or execute(some).fetchone()
    for _ in range(_MOST_NAMED):
        if found is None:
            return
        value, kind = found
        bound = "CAST(? AS TEXT)" if kind == "text" else "?"
        ends = [
            execute(end.format(f"IS {bound}", order), (value,)).fetchone() or (None,)
            for order in ("ASC", "DESC")
        ]
        (variable,) = _values([value, kind])
        yield VariableFacts(variable, None, ends[0][0], ends[1][0])
        further = (some, ()) if kind == "null" else (leap.format(f"> {bound}"), (value,))
        found = execute(*further).fetchone()


def _typed(column: str) -> str:
    """A value and its type; texts as their bytes, for not all are UTF-8."""
    return f"iif(typeof({column}) = 'text', CAST({column} AS BLOB), {column}), typeof({column})"


def _values(found: list[Any]) -> Iterator[Value]:
    """Values of what `_typed` selected; texts that are no UTF-8 stay bytes."""
    for value, kind in zip(found[::2], found[1::2], strict=True):
        if kind == "text":
            try:
                yield value.decode()
            except UnicodeDecodeError:
                yield value
        else:
            yield value
