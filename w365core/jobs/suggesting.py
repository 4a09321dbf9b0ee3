"""What would resolve what is missing? The suggestions of `intake.suggest`, made with what the store knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from w365core.intake.suggest import View, with_suggestions
from w365core.model import MissingReference, ReferenceKind
from w365core.store import provider_known, provider_view, queries, references

Rows = Sequence[Mapping[str, Any]]


def suggested(connection: Connection, provider: str, missing: Sequence[MissingReference], *, run_id: int) -> tuple[MissingReference, ...]:
    """What the lines of an import run lack, each with its fix."""
    accounts = references.accounts(connection)
    view = view_of(connection, provider, missing, run_id=run_id)
    return tuple(with_suggestions(missing, provider=provider, accounts=accounts, view=view))


def missing_references(connection: Connection, *, provider_invoice_id: int | None = None) -> Rows:
    """What is missing, biggest money first; named and explained with what the provider has told since the import."""
    rows = [dict(row) for row in queries.missing_references(connection, provider_invoice_id=provider_invoice_id)]
    accounts = references.accounts(connection) if rows else []
    by_attempt: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        by_attempt.setdefault((row["provider"], row["import_run_id"]), []).append(row)
    for (provider, run_id), of_attempt in by_attempt.items():
        missing = [_reference(row) for row in of_attempt]
        view = view_of(connection, provider, missing, run_id=run_id)
        renewed = with_suggestions(missing, provider=provider, accounts=accounts, view=view)
        for row, before, now in zip(of_attempt, missing, renewed, strict=True):
            row["name"] = view.name_of(before)
            if view.knows(before):
                row["suggestion"] = now.suggestion
    return rows


def view_of(connection: Connection, provider: str, missing: Sequence[MissingReference], *, run_id: int | None) -> View:
    """What the provider says of these things, and our records of the provider accounts that they belong to."""
    customer_keys = {one.key.lower() for one in missing if one.kind is ReferenceKind.CUSTOMER}
    keys = {one.key.lower() for one in missing if one.kind is ReferenceKind.SUBSCRIPTION}
    if not customer_keys and not keys:
        return View()
    owned = provider_known.subscriptions(connection, provider, keys)
    printed = provider_known.customer_of_staged(connection, run_id=run_id, keys=keys - owned.keys()) if run_id is not None else {}
    customer_keys |= {known.customer_id for known, _ in owned.values()} | set(printed.values())
    customers = provider_known.customers(connection, provider, customer_keys)
    mapped = provider_view.mapping_state(connection, provider)
    former = {known.migrated_from_id.lower() for known, _ in owned.values() if known.migrated_from_id}
    return View(
        customers={key: known for key, (known, _) in customers.items()},
        subscriptions={key: known for key, (known, _) in owned.items()},
        customer_of=printed | {key: known.customer_id for key, (known, _) in owned.items()},
        account_of={key: account for key, (account, _) in mapped.items() if account},
        ours=provider_known.ours(connection, provider, former),
        sync_disabled=frozenset(key for key, (_, enabled) in mapped.items() if not enabled),
        refused={key: row["refused"] for key, (_, row) in customers.items() if row["refused"]},
        gone=frozenset(key for key, (_, row) in (*customers.items(), *owned.items()) if row["gone_at"]),
    )


def _reference(row: Mapping[str, Any]) -> MissingReference:
    names = ("key", "name", "lines", "amount", "currency")
    return MissingReference(kind=ReferenceKind(row["kind"]), **{name: row[name] for name in names})
