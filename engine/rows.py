"""The newest rows of one device of a backup, a page at a time, without restoring anything.

Only that device's chunks are read. Rows come by time, newest first, those of one time by their
places in the table; behind them those whose time is no number. A cursor names the last row of a
page by both: ``TIME:PLACE``, and ``-:PLACE`` where the time is no number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.errors import Invalid, RepositoryDamaged
from engine.model import DataRow, Value, VariableFacts
from engine.names import shown
from engine.project.tables import BrokenText, quote
from engine.project.tables import Value as Read
from engine.rebuild.stored import Stored, opened_device
from engine.repository.index import load_index
from engine.repository.manifest import Image
from engine.repository.repository import ChunkReader, Repository

MOST_ROWS = 10_000  # of one page
_CURSOR = re.compile(r"(-|[-+0-9.e]{1,32}):(-?[0-9]{1,20})")
_NAMED = ("time", "variable", "value")


class Cursor(NamedTuple):
    """The last row of a page: its time, None where that is no number, and its place."""

    time: int | float | None
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
        return Cursor(None if time == "-" else _number(time), int(_number(number)))
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
    repository: Repository, image: Image, question: Question, scratch: Path, what: str
) -> Answer:
    """Answer a question about a device. Blocks; raises `RepositoryDamaged`, naming it `what`.

    A clean-up may move chunks while they are read: what is not found is looked for once more.
    """
    try:
        return _read(repository, image, question, scratch, what)
    except RepositoryDamaged:
        return _read(repository, image, question, scratch, what)


def _read(
    repository: Repository, image: Image, question: Question, scratch: Path, what: str
) -> Answer:
    reader = ChunkReader(repository, load_index(repository.storage, repository.keys))
    with opened_device(reader, image, scratch, what) as device:
        rows = []
        for row in _pages(device, question):
            rows.append(row)
            if len(rows) > question.limit:
                break
        variables = tuple(_variables(device)) if question.with_variables else None
    following = ""
    if len(rows) > question.limit:
        del rows[question.limit :]
        time = rows[-1].time
        following = f"{time if isinstance(time, int | float) else '-'}:{rows[-1].number}"
    return Answer(tuple(rows), following, variables)


def _pages(device: Stored, question: Question) -> Iterator[DataRow]:
    """The rows that are asked for, and perhaps more behind them."""
    before, has_time = question.before, "time" in device.columns
    if question.variable is not None and "variable" not in device.columns:
        return
    if has_time and (before is None or before.time is not None):
        yield from _by_time(device, question)
    if question.since is None and question.until is None:
        yield from _without_time(device, question)


def _by_time(device: Stored, question: Question) -> Iterator[DataRow]:
    """Rows whose times are numbers. Every text, and every BLOB, is more than any number."""
    where, values = ["time < ''"], list[object]()
    before = question.before
    if before is not None:
        where.append(f"time <= ? AND (time < ? OR {_place(device)} < ?)")
        values += [before.time, before.time, before.number]
    for limit, sign in ((question.since, ">="), (question.until, "<")):
        if limit is not None:
            where.append(f"time {sign} ?")
            values.append(limit)
    leading = ["time"]
    if question.variable is not None:
        where.append("variable = ?")
        values.append(question.variable)
        leading = ["variable", "time"]
    order = f"time DESC, {_place(device)} DESC"
    yield from _select(device, leading, where, values, order, question.limit)


def _without_time(device: Stored, question: Question) -> Iterator[DataRow]:
    """Rows whose times are missing, or no numbers: first the ones that came last."""
    where, values = [], list[object]()
    if "time" in device.columns:
        where.append("(time IS NULL OR time >= '')")
    if question.before is not None and question.before.time is None:
        where.append(f"{_place(device)} < ?")
        values.append(question.before.number)
    if question.variable is not None:
        where.append("variable = ?")
        values.append(question.variable)
    order = f"{_place(device)} DESC"
    yield from _select(device, [], where or ["1"], values, order, question.limit)


def _place(device: Stored) -> str:
    return "place" if device.key == "id" else device.key


def _select(
    device: Stored,
    leading: list[str],
    where: list[str],
    values: list[object],
    order: str,
    limit: int,
) -> Iterator[DataRow]:
    others = [name for name in device.columns if name not in _NAMED]
    named = [quote(name) if name in device.columns else "NULL" for name in _NAMED]
    source = device.source(*leading)
    if device.key == "id":  # WITHOUT ROWID: rows are counted off in the order of their ids
        source = f"(SELECT row_number() OVER (ORDER BY id) AS place, * FROM {source})"  # noqa: S608
    listed = ", ".join([_place(device), *named, *map(quote, others)])
    statement = (
        f"SELECT {listed} FROM {source} WHERE {' AND '.join(where)} "  # noqa: S608  # quoted
        f"ORDER BY {order} LIMIT ?"
    )
    for number, time, variable, value, *rest in device.connection.execute(
        statement, (*values, limit + 1)
    ):
        more = tuple((name, _value(each)) for name, each in zip(others, rest, strict=True))
        yield DataRow(number, _value(time), _value(variable), _value(value), more)


def _variables(device: Stored) -> Iterator[VariableFacts]:
    """The variables of a device, with their first and last times that are numbers."""
    if "variable" not in device.columns:
        return
    times = ("iif(time < '', time, NULL)",) * 2 if "time" in device.columns else ("NULL", "NULL")
    for name, rows, first, last in device.connection.execute(
        f"SELECT variable, count(*), min({times[0]}), max({times[1]}) "  # noqa: S608  # ours
        f"FROM {device.source('variable', 'time')} GROUP BY variable ORDER BY variable"
    ):
        yield VariableFacts(_value(name), rows, first, last)


def _value(value: Read) -> Value:
    return value.raw if isinstance(value, BrokenText) else value
