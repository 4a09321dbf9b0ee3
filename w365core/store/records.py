"""How our records get into the database: upserted by key, set-based, in the caller's transaction.

    load(connection, records)           writes them; what happened, by file
    known(connection, references)       which of these keys the database has already
    stamp(connection, table, key=…)     marks rows made here as if their own export had been loaded
    ids_of_several, billed_to_others    what of our subscriptions contradicts itself

A row whose content equals what it was at its last load is not touched at all, so what people changed since stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from w365core import frames
from w365core.errors import InputRefused
from w365core.intake.record_cells import Value
from w365core.intake.records import MOST_BAD_ROWS, ReadFile, Records
from w365core.model import Problem
from w365core.money import EXACT
from w365core.store.engine import driver_cursor

_LOST = "nothing was loaded. Load the folder again."
_LOCK = 3650002  # two loads at once would wait for each other's rows crosswise
_DEFAULTS = {"true": True, "false": False}


@dataclass(frozen=True)
class Loaded:
    """What became of a file's rows."""

    rows: int
    inserted: int
    updated: int
    unchanged: int


def load(connection: Connection, records: Records) -> dict[str, dict[str, int]]:
    """Upserts the rows of all files in the connection's transaction; by file: rows, inserted, updated, unchanged.

    Only the columns present in a file are written; a new row gets the declared defaults for the rest. InputRefused where a new row
    lacks a column that it cannot be without, with those of every file.
    """
    with driver_cursor(connection, lost=_LOST) as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        loaded, lacking = {}, {}
        for file in records.files:
            _stage(cursor, file)
            if problems := _incomplete_newcomers(cursor, file):
                lacking[file.name] = problems
            else:
                loaded[file.name] = asdict(_upserted(cursor, file))
            cursor.execute("drop table loading")
        if lacking:
            raise _lacking(lacking)
        return loaded


def known(connection: Connection, references: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Of the keys by table, those that the database has."""
    found: dict[str, set[str]] = {}
    with driver_cursor(connection, lost=_LOST) as cursor:
        for declared in frames.RECORD_FILES.values():
            keys = references.get(declared.table)
            if keys:
                query = sql.SQL("select {key} from {table} where {key} = any(%s)").format(
                    key=sql.Identifier(declared.key[0]), table=sql.Identifier(declared.table)
                )
                found[declared.table] = {row[0] for row in cursor.execute(query, (list(keys),))}
    return found


def stamp(connection: Connection, table: str, **key: str) -> None:
    """Marks the rows of that key, of a table of our records, as loaded with what they say now: loading their own export leaves them alone."""
    declared = next(declared for declared in frames.RECORD_FILES.values() if declared.table == table)
    columns = tuple(column.name for column in declared.columns)
    ((name, value),) = key.items()
    with driver_cursor(connection) as cursor:
        query = sql.SQL("select {columns} from {table} where {name} = %s").format(
            columns=_names(columns), table=sql.Identifier(table), name=sql.Identifier(name)
        )
        rows = cursor.execute(query, (value,)).fetchall()
        matched = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(one)) for one in declared.key)
        places = [columns.index(one) for one in declared.key]
        marked = sql.SQL("update {table} set loaded_fingerprint = %s where {matched}").format(table=sql.Identifier(table), matched=matched)
        printed = fingerprints(ReadFile(table, columns, rows))
        cursor.executemany(marked, [(seal, *(row[place] for place in places)) for seal, row in zip(printed, rows, strict=True)])


def ids_of_several(connection: Connection) -> list[tuple[str, str, list[str]]]:
    """Provider, id and subscriptions where an id of the provider's, or an alias, is that of several subscriptions: a line of it can be of one alone."""
    with driver_cursor(connection) as cursor:
        return cursor.execute(_IDS_OF_SEVERAL).fetchall()


def billed_to_others(connection: Connection) -> list[tuple[str, str, str, str]]:
    """Subscription, its account, contract and its account, where the two accounts are known and not the same."""
    with driver_cursor(connection) as cursor:
        return cursor.execute(_BILLED_TO_OTHERS).fetchall()


_IDS_OF_SEVERAL = """
    select min(provider), min(printed), array_agg(distinct subscription_id order by subscription_id)
    from (
        select provider, provider_subscription_id as printed, subscription_id from subscription
        union all
        select provider, provider_subscription_id, subscription_id from subscription_alias
    ) named
    where btrim(printed) <> '' group by lower(provider), lower(btrim(printed)) having count(distinct subscription_id) > 1 order by 1, 2
"""
_BILLED_TO_OTHERS = """
    select s.subscription_id, s.account_id, c.contract_id, c.account_id from subscription s join billing_contract c using (contract_id)
    join account mine on mine.account_id = s.account_id join account other on other.account_id = c.account_id
    where s.account_id <> c.account_id order by 1
"""


# --- one file --------------------------------------------------------------------------------------------------------------------------


def _upserted(cursor: psycopg.Cursor, file: ReadFile) -> Loaded:
    inserted, updated = cursor.execute(_upsert(file)).fetchone()
    return Loaded(len(file.rows), inserted, updated, len(file.rows) - inserted - updated)


def _stage(cursor: psycopg.Cursor, file: ReadFile) -> None:
    """The file's rows as a temporary table: its columns, the line each starts on and the fingerprint of its content."""
    create = sql.SQL(
        "create temporary table loading on commit drop as select {columns}, 0::bigint as line, loaded_fingerprint from {table} limit 0"
    )
    cursor.execute(create.format(columns=_names(file.columns), table=_table(file)))
    present = [column for column in file.declared.columns if column.name in file.columns]
    defaults = [_default_of(column) for column in present]
    with cursor.copy(sql.SQL("copy loading ({columns}, line, loaded_fingerprint) from stdin").format(columns=_names(file.columns))) as copy:
        for row, line, fingerprint in zip(file.rows, file.lines, fingerprints(file), strict=True):
            filled = (default if value is None else value for value, default in zip(row, defaults, strict=True))
            copy.write_row((*filled, line, fingerprint))
    cursor.execute("analyze loading")


def fingerprints(file: ReadFile) -> Iterator[str]:
    """One per row, over the present columns and their values: 10 and 10.00 are the same content, and so is any order of columns."""
    start = hashlib.blake2b("\x1f".join(file.columns).encode(), digest_size=16)
    for row in file.rows:
        content = start.copy()
        content.update("".join(["\x1e" if value is None else f"\x1f{_printed(value)}" for value in row]).encode())
        yield content.hexdigest()


def _printed(value: Value) -> str:
    return format(value.normalize(EXACT), "f") if isinstance(value, Decimal) else str(value)


def _default_of(column: frames.Column) -> Value:
    return _DEFAULTS.get(column.default, column.default) if column.default else None


def _incomplete_newcomers(cursor: psycopg.Cursor, file: ReadFile) -> list[Problem]:
    """A file may leave out columns of rows we have; a new row cannot be without the required ones."""
    missing = [column.name for column in file.declared.columns if column.required and column.name not in file.columns]
    if not missing:
        return []
    query = sql.SQL("select line from loading left join {table} stored using ({key}) where stored.{first} is null order by line limit %s")
    newcomers = cursor.execute(
        query.format(table=_table(file), key=_names(file.declared.key), first=sql.Identifier(missing[0])), (MOST_BAD_ROWS,)
    ).fetchall()
    return [
        Problem(file.name, line, column, None, "a value, because the row is new; add the column to the file")
        for (line,) in newcomers
        for column in missing
    ]


def _lacking(problems: Mapping[str, list[Problem]]) -> InputRefused:
    """The refusal of these files, by name."""
    columns = {name: ", ".join(dict.fromkeys(problem.column for problem in found)) for name, found in problems.items()}
    said = "; ".join(f"{name} has new rows and no column {lacks}" for name, lacks in columns.items())
    named = [problem for found in problems.values() for problem in found]
    return InputRefused(f"Nothing was loaded: {said}. Add the column and load the folder again.", named[:MOST_BAD_ROWS])


def _upsert(file: ReadFile) -> sql.Composed:
    """One statement: new rows with their defaults, changed rows in the present columns only, unchanged rows not even locked.

    A row that says what is stored already, as an export of ours does, is written down as loaded and counts as unchanged."""
    declared = file.declared
    absent = [column for column in declared.columns if column.name not in file.columns and (column.default or column.required)]
    written = (*file.columns, *(column.name for column in absent), "loaded_fingerprint")
    values = [_qualified("loading", name) for name in file.columns]
    # A required column that the file leaves out: the stored value stands, since even a conflicting row is checked for nulls.
    values += [sql.Literal(_default_of(c)) if c.default else _qualified("stored", c.name) for c in absent]
    values.append(_qualified("loading", "loaded_fingerprint"))
    changed = [name for name in (*file.columns, "loaded_fingerprint") if name not in declared.key]
    told = [name for name in file.columns if name not in declared.key] or list(declared.key)
    return sql.SQL(
        "with same as ("
        " select {key} from loading join {table} stored using ({key}) where ({stored}) is not distinct from ({given})"
        "), done as ("
        " insert into {table} as target ({written})"
        " select {values} from loading left join {table} stored using ({key})"
        " where stored.{first} is null or stored.loaded_fingerprint is distinct from loading.loaded_fingerprint"
        " on conflict ({key}) do update set {assignments}"
        " where target.loaded_fingerprint is distinct from excluded.loaded_fingerprint"
        " returning (xmax = 0) as new, {own_key})"
        " select count(*) filter (where new), count(*) filter (where not new and same.{first} is null) from done left join same using ({key})"
    ).format(
        stored=sql.SQL(", ").join(_qualified("stored", name) for name in told),
        given=sql.SQL(", ").join(_qualified("loading", name) for name in told),
        own_key=sql.SQL(", ").join(_qualified("target", name) for name in declared.key),
        table=_table(file),
        written=_names(written),
        values=sql.SQL(", ").join(values),
        key=_names(declared.key),
        first=sql.Identifier(declared.key[0]),
        assignments=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in changed),
    )


def _table(file: ReadFile) -> sql.Identifier:
    return sql.Identifier(file.declared.table)


def _names(names: Collection[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _qualified(table: str, name: str) -> sql.Identifier:
    return sql.Identifier(table, name)
