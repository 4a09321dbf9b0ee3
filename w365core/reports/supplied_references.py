"""Which missing references do our records have by now, whoever put them there, and as what? Their invoices only have to be read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from w365core.model import ReferenceKind
from w365core.store import printed, provider_view, references

Row = Mapping[str, Any]
Place = tuple[int, str, str]  # invoice, kind, key in lower case


def supplied(connection: Connection, rows: Sequence[Row]) -> dict[Place, str]:
    """Those of them that our records have by now -> what they are there: our account, our subscription, the currency, our products."""
    of_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ReferenceKind}
    found: dict[Place, str] = {}
    for provider, mine in _by_provider(of_kind[ReferenceKind.CUSTOMER]).items():
        mapped = {key: account for key, (account, _) in provider_view.mapping_state(connection, provider).items() if account}
        found |= _known(mine, mapped)
    for provider, mine in _by_provider(of_kind[ReferenceKind.SUBSCRIPTION]).items():
        ours: dict[str, str] = {}
        for key, subscription in (pair for pairs in references.subscriptions(connection, provider) for pair in pairs):
            ours.setdefault(key.strip().lower(), subscription["subscription_id"])
        found |= _known(mine, ours)
    if of_kind[ReferenceKind.CURRENCY]:
        codes = {code.lower(): code for code in references.currencies(connection)}
        found |= _known([row for row in of_kind[ReferenceKind.CURRENCY] if row["key"] == row["invoice_currency"].upper()], codes)
    return found | _products_supplied(connection, of_kind[ReferenceKind.PRODUCT])


def _by_provider(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["provider"], []).append(row)
    return found


def _known(rows: Sequence[Row], ours: Mapping[str, str]) -> dict[Place, str]:
    """Those whose key, in lower case, is among ours."""
    return {place(row): ours[key] for row in rows if (key := row["key"].strip().lower()) in ours}


def _products_supplied(connection: Connection, rows: Sequence[Row]) -> dict[Place, str]:
    """Products that are known by now, by themselves or because every subscription that prints them has another known one."""
    if not rows:
        return {}
    known = references.products(connection)
    found: dict[Place, str] = {}
    for invoice_id in {row["provider_invoice_id"] for row in rows}:
        mine = {row["key"].lower(): row for row in rows if row["provider_invoice_id"] == invoice_id}
        run_id = next(iter(mine.values()))["import_run_id"]
        owned = printed.products_of(connection, provider_invoice_id=invoice_id, run_id=run_id, keys=list(mine))
        for key, row in mine.items():
            of_key = [one for one in owned if one.key == key]
            if key in known:
                found[place(row)] = row["key"]
            elif of_key and all(one.product in known or f"{key}:{one.sku}" in known for one in of_key):
                chosen = {one.product if one.product in known else f"{key}:{one.sku}" for one in of_key}
                found[place(row)] = ", ".join(sorted(chosen))
    return found


def place(row: Row) -> Place:
    return row["provider_invoice_id"], str(row["kind"]), row["key"].lower()
