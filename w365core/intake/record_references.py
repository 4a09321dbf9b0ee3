"""What do our records refer to that is nowhere? Accounts, contracts, products … by key (pure).

references(records)         the keys that the rows refer to and no file of the folder has
dangling(records, known)    what of those is not known elsewhere either, as warnings
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from w365core.intake.record_cells import Value
from w365core.intake.records import ReadFile, Records

MOST_WARNINGS = 100

_TARGETS = {
    "account_id": "account",
    "contract_id": "billing_contract",
    "product_id": "product",
    "subscription_id": "subscription",
    "currency": "currency",
    "invoice_number": "customer_invoice",
}


def _referring(records: Records) -> Iterator[tuple[ReadFile, int, str, str]]:
    """(file, position of the column, column, table it refers to) for each column that refers to another table."""
    for file in records.files:
        for position, column in enumerate(file.columns):
            target = _TARGETS.get(column)
            if target and target != file.declared.table:
                yield file, position, column, target


def _own_keys(records: Records, table: str) -> set[Value]:
    return {row[0] for file in records.files if file.declared.table == table for row in file.rows}


def references(records: Records) -> dict[str, set[str]]:
    """By table: the keys that rows refer to and that no file of the folder has."""
    wanted: dict[str, set[str]] = {}
    for file, position, _, target in _referring(records):
        wanted.setdefault(target, set()).update(row[position] for row in file.rows)
    outside = {table: keys - _own_keys(records, table) - {None} for table, keys in wanted.items()}
    return {table: keys for table, keys in outside.items() if keys}


def dangling(records: Records, known: Mapping[str, Collection[str]]) -> list[str]:
    """One warning per column whose references lead nowhere, neither in the folder nor in `known` (table -> keys)."""
    outside = {table: keys.difference(known.get(table, ())) for table, keys in references(records).items()}
    warnings = []
    for file, position, column, target in _referring(records):
        missing = outside.get(target)
        if not missing:
            continue
        hits = [(line, row[position]) for line, row in zip(file.lines, file.rows, strict=True) if row[position] in missing]
        if hits:
            line, key = hits[0]
            distinct = len({key for _, key in hits})
            place = target.replace("_", " ")
            rows = "1 row names" if len(hits) == 1 else f"{len(hits):,} rows name"
            warnings.append(f"{file.name}: {rows} in {column} no known {place} ({distinct} distinct; the first: row {line}, {key})")
    return warnings[:MOST_WARNINGS]
