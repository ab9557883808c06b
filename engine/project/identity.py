"""An identity of its own for a restored project: tokens, references to them, code, quiet."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from engine.errors import RepositoryDamaged
from engine.model import HeldItem, MissingCode, NewToken
from engine.names import shown
from engine.project.marks import Follower
from engine.project.quiet import hold
from engine.project.tables import (
    BrokenText,
    Table,
    Value,
    as_text,
    database_errors,
    quote,
    read_columns,
    read_tables,
    read_text,
)

_TOKEN = ("token", "device_id", "name", "permission")


@dataclass(frozen=True, slots=True)
class Renewed:
    """What became of a restored main database.

    `held` is what waking will put back. `follow` puts the new tokens where marks stand in any
    other text of the same backup. `notes` tell the owner what could not be kept.
    """

    tokens: tuple[NewToken, ...]
    analyses_without_code: tuple[MissingCode, ...]
    parsers_without_code: tuple[MissingCode, ...]
    held: tuple[HeldItem, ...]
    notes: tuple[str, ...]
    follow: Follower


def new_token() -> str:
    """A token as TagoCore makes them: a UUID v4 in lower case, from the system's randomness."""
    return str(uuid4())


def renew_main(
    database: Path, mark_prefix: str, *, make_token: Callable[[], str] | None = new_token
) -> Renewed:
    """Make a restored data.db that of a new project: all of it, or nothing.

    Every device token becomes a new one of the same name, permission and expiry, and what names
    it follows; names of tokens that a restored project does not have become empty. Paths of
    analysis and payload parser code are cleared. Actions and data retention are held. Accounts
    and their passwords stay. `mark_prefix` is the one that the copy was made with. Without
    `make_token` its devices have no tokens, and what named one is empty. Raises
    `RepositoryDamaged` or `StorageFailed` when the file cannot be read or written.
    """
    with database_errors(database.name, RepositoryDamaged), closing(_open(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tables = {table.name.lower(): table for table in read_tables(connection)}
        device_names = _names(connection, "device")
        tokens, follow = _renew_tokens(connection, device_names, mark_prefix, make_token)
        notes = _follow(connection, tuple(tables.values()), follow)
        if "account_token" in tables:
            connection.execute("DELETE FROM account_token")
        analyses = _clear_analyses(connection, tables.get("analysis"), notes)
        parsers = _clear_parsers(connection, tables.get("device"))
        held = hold(connection)
        connection.execute("COMMIT")
    return Renewed(tokens, analyses, parsers, held, tuple(notes), follow)


def tokens_of(database: Path) -> tuple[NewToken, ...]:
    """The tokens of a project's devices, as data.db has them now. Raises as `renew_main` does."""
    address = f"{database.absolute().as_uri()}?mode=ro"
    with (
        database_errors(database.name, RepositoryDamaged),
        closing(sqlite3.connect(address, uri=True)) as connection,
    ):
        connection.text_factory = read_text
        names = _names(connection, "device")
        rows = read_columns(connection, "device_token", _TOKEN)
        return tuple(
            _token(names, device, name, permission, token)
            for token, device, name, permission in rows
            if token
        )


def renew_plugin_storage(database: Path, follow: Follower) -> None:
    """Put the new tokens into a plugin's restored storage; `follow` is what `renew_main` gave.

    The errors are those of `renew_main`.
    """
    with database_errors(database.name, RepositoryDamaged), closing(_open(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _follow(connection, read_tables(connection), follow)
        connection.execute("COMMIT")


def verify_rows(connection: sqlite3.Connection, rows: Sequence[tuple[str, int]]) -> None:
    """Check that every table holds as many rows as were backed up.

    Raises `RepositoryDamaged`, naming the table and both numbers, where one does not.
    """
    for name, expected in rows:
        try:
            query = f"SELECT count(*) FROM {quote(name)}"  # noqa: S608  # quoted
            (found,) = connection.execute(query).fetchone()
        except sqlite3.DatabaseError as error:
            raise RepositoryDamaged(
                f"The table {shown(name)} of data.db cannot be read: {error}."
            ) from error
        if found != expected:
            raise RepositoryDamaged(
                f"The table {shown(name)} of data.db has {found} rows; {expected} were backed up."
            )


def _open(database: Path) -> sqlite3.Connection:
    uri = f"{database.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.text_factory = read_text
    # the file is thrown away when anything fails, so its journal need not outlive the process
    for setting in ("journal_mode = MEMORY", "foreign_keys = OFF", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _names(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    return {
        identity: name or ""
        for identity, name in read_columns(connection, table, ("id", "name"))
        if identity
    }


def _renew_tokens(
    connection: sqlite3.Connection,
    device_names: dict[str, str],
    mark_prefix: str,
    make_token: Callable[[], str] | None,
) -> tuple[tuple[NewToken, ...], Follower]:
    if make_token is None:
        connection.execute("DELETE FROM device_token")
        return (), Follower(mark_prefix, {})
    made: list[NewToken] = []
    renewed: dict[int, str] = {}
    follow = Follower(mark_prefix, renewed)
    rows = read_columns(connection, "device_token", _TOKEN)
    for mark, device, name, permission in rows:
        if not mark:
            continue  # TagoCore finds no device by an empty token
        token = make_token()
        number = follow.number(mark)
        if number is not None:
            renewed[number] = token
        connection.execute("UPDATE device_token SET token = ? WHERE token = ?", (token, mark))
        made.append(_token(device_names, device, name, permission, token))
    return tuple(made), follow


def _token(
    names: dict[str, str], device: str | None, name: str | None, permission: str | None, token: str
) -> NewToken:
    return NewToken(
        device=device or "",
        device_name=names.get(device or "", ""),
        name=name or "",
        permission=permission or "",
        token=token,
    )


def _follow(connection: sqlite3.Connection, tables: Sequence[Table], follow: Follower) -> list[str]:
    """Put tokens in the place of marks in every table; tells where one was left empty."""
    notes: list[str] = []
    for table in tables:
        key, columns = ", ".join(table.key), [quote(column) for column in table.columns]
        marked = " OR ".join(f"instr({column}, ?1)" for column in columns)
        found = connection.execute(
            f"SELECT {key} FROM {table.quoted} WHERE {marked}",  # noqa: S608  # quoted
            (follow.prefix,),
        ).fetchall()
        for place in found:
            _follow_row(connection, table, columns, place, follow, notes)
    return notes


def _follow_row(
    connection: sqlite3.Connection,
    table: Table,
    columns: list[str],
    place: tuple[Value, ...],
    follow: Follower,
    notes: list[str],
) -> None:
    where = " AND ".join(f"{column} IS ?" for column in table.key)  # a key may hold NULL
    row = connection.execute(
        f"SELECT {', '.join(columns)} FROM {table.quoted} WHERE {where}",  # noqa: S608  # quoted
        place,
    ).fetchone()
    blanked = follow.blanked
    changed = {
        column: after
        for column, before in zip(columns, row, strict=True)
        if (after := follow.value(before)) != before
    }
    if not changed:
        return
    setting = ", ".join(
        f"{column} = CAST(? AS TEXT)" if isinstance(value, BrokenText) else f"{column} = ?"
        for column, value in changed.items()
    )
    values = (v.raw if isinstance(v, BrokenText) else v for v in changed.values())
    connection.execute(
        f"UPDATE {table.quoted} SET {setting} WHERE {where}",  # noqa: S608  # quoted
        (*values, *place),
    )
    if follow.blanked > blanked:
        name = table.place("name")
        called = as_text(row[name - len(table.row) + len(columns)]) if name is not None else None
        which = f", {shown(called)}," if called else ""
        notes.append(
            f"A row of {shown(table.name)}{which} named a token that the new project does not "
            "have; it is empty there now."
        )


def _clear_analyses(
    connection: sqlite3.Connection, table: Table | None, notes: list[str]
) -> tuple[MissingCode, ...]:
    """Clear where analyses find their code: a script, and the program that runs it."""
    if table is None:
        return ()
    missing = []
    for identity, name, script, program in read_columns(
        connection, "analysis", ("id", "name", "file_path", "binary_path")
    ):
        if script or program:
            missing.append(MissingCode(identity or "", name or "", script or program or ""))
        if script and program:
            notes.append(f"The analysis {shown(name or '')} was run by {shown(program)}.")
    _clear(connection, table, ("file_path", "binary_path"))
    return tuple(missing)


def _clear_parsers(connection: sqlite3.Connection, table: Table | None) -> tuple[MissingCode, ...]:
    if table is None:
        return ()
    missing = tuple(
        MissingCode(identity or "", name or "", parser)
        for identity, name, parser in read_columns(
            connection, "device", ("id", "name", "payload_parser")
        )
        if parser
    )
    _clear(connection, table, ("payload_parser",))
    return missing


def _clear(connection: sqlite3.Connection, table: Table, columns: Sequence[str]) -> None:
    """Set columns to NULL, as TagoCore has them where nothing was chosen."""
    for column in columns:
        if table.place(column) is not None:
            connection.execute(f"UPDATE {table.quoted} SET {column} = NULL")  # noqa: S608  # ours
