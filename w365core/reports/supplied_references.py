"""Which missing references do our records have by now, whoever put them there? Their invoices only have to be validated again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from w365core.model import ReferenceKind
from w365core.store import printed, provider_view, references

Row = Mapping[str, Any]
Place = tuple[int, str, str]  # invoice, kind, key in lower case


def supplied(connection: Connection, rows: Sequence[Row]) -> set[Place]:
    """Which of them our records have by now, whoever put it there."""
    of_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ReferenceKind}
    found: set[Place] = set()
    for provider in {row["provider"] for row in of_kind[ReferenceKind.CUSTOMER]}:
        mapped = {key for key, (account, _) in provider_view.mapping_state(connection, provider).items() if account}
        found |= {
            place(row) for row in of_kind[ReferenceKind.CUSTOMER] if row["provider"] == provider and row["key"].strip().lower() in mapped
        }
    for provider in {row["provider"] for row in of_kind[ReferenceKind.SUBSCRIPTION]}:
        known = {key.strip().lower() for pairs in references.subscriptions(connection, provider) for key, _ in pairs}
        found |= {place(row) for row in of_kind[ReferenceKind.SUBSCRIPTION] if row["provider"] == provider and row["key"].lower() in known}
    if of_kind[ReferenceKind.CURRENCY]:
        codes = references.currencies(connection)
        found |= {
            place(row)
            for row in of_kind[ReferenceKind.CURRENCY]
            if row["key"].upper() in codes and row["key"] == row["invoice_currency"].upper()
        }
    return found | _products_supplied(connection, of_kind[ReferenceKind.PRODUCT])


def _products_supplied(connection: Connection, rows: Sequence[Row]) -> set[Place]:
    """Products that are known by now, by themselves or because every subscription that prints them has another known one."""
    if not rows:
        return set()
    known = references.products(connection)
    found = set()
    for invoice_id in {row["provider_invoice_id"] for row in rows}:
        mine = {row["key"].lower(): row for row in rows if row["provider_invoice_id"] == invoice_id}
        run_id = next(iter(mine.values()))["import_run_id"]
        owned = printed.products_of(connection, provider_invoice_id=invoice_id, run_id=run_id, keys=list(mine))
        for key, row in mine.items():
            of_key = [one for one in owned if one.key == key]
            if key in known or (of_key and all(one.product in known or f"{key}:{one.sku}" in known for one in of_key)):
                found.add(place(row))
    return found


def place(row: Row) -> Place:
    return row["provider_invoice_id"], str(row["kind"]), row["key"].lower()
