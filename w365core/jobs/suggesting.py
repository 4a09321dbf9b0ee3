"""What would resolve what is missing? The suggestions of `intake.suggest`, made with what the store knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from w365core.intake.fixes import Past, Surroundings, best_name, fixes_of
from w365core.intake.suggest import View, once_supplied, with_suggestions
from w365core.model import MissingReference, ReferenceKind
from w365core.reports.supplied_references import place, supplied
from w365core.store import printed, provider_known, provider_view, queries, references

Rows = Sequence[Mapping[str, Any]]


def suggested(connection: Connection, provider: str, missing: Sequence[MissingReference], *, run_id: int) -> tuple[MissingReference, ...]:
    """What the lines of an import run lack, each with its fix."""
    accounts = references.accounts(connection)
    view = view_of(connection, provider, missing, run_id=run_id)
    return tuple(with_suggestions(missing, provider=provider, accounts=accounts, view=view))


def missing_references(connection: Connection, *, provider_invoice_id: int | None = None) -> Rows:
    """What is missing, biggest money first; named and explained with what is known since the import. `fix` is what would supply it: None where nothing
    would, or where somebody has done so since."""
    rows = [dict(row) for row in queries.missing_references(connection, provider_invoice_id=provider_invoice_id)]
    accounts = references.accounts(connection) if rows else []
    by_attempt: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for row in rows:
        by_attempt.setdefault((row["provider"], row["import_run_id"], row["provider_invoice_id"]), []).append(row)
    earlier = {provider: _earlier(connection, provider, rows) for provider in {row["provider"] for row in rows}}
    for (provider, run_id, _), of_attempt in by_attempt.items():
        missing = [_reference(row) for row in of_attempt]
        view = view_of(connection, provider, missing, run_id=run_id)
        around = _surroundings(
            connection, provider, missing, run_id=run_id, currency=of_attempt[0]["invoice_currency"], past=earlier[provider]
        )
        renewed = with_suggestions(_as_printed(missing, around), provider=provider, accounts=accounts, view=view)
        fixes = fixes_of(missing, provider=provider, accounts=accounts, view=view, around=around)
        for row, before, now, fix in zip(of_attempt, missing, renewed, fixes, strict=True):
            row["name"], row["fix"] = best_name(before, view, around), fix
            if view.knows(before):
                row["suggestion"] = now.suggestion
    names = {account_id: name for account_id, name, _ in accounts}
    by_now = supplied(connection, rows)
    for row in rows:
        if (ours := by_now.get(place(row))) is not None:
            kind = ReferenceKind(row["kind"])
            name = names.get(ours) if kind is ReferenceKind.CUSTOMER else None
            row["suggestion"], row["fix"] = once_supplied(kind, ours, name=name), None
    return rows


def _surroundings(
    connection: Connection,
    provider: str,
    missing: Sequence[MissingReference],
    *,
    run_id: int | None,
    currency: str,
    past: Mapping[tuple[str, str], Past],
) -> Surroundings:
    """What our records and the lines, these and earlier ones, say of what is missing."""
    keys = {kind: {one.key.lower() for one in missing if one.kind is kind} for kind in ReferenceKind}
    customers, subscriptions = keys[ReferenceKind.CUSTOMER], keys[ReferenceKind.SUBSCRIPTION]
    return Surroundings(
        currency=currency,
        currencies=frozenset(references.currencies(connection)) if keys[ReferenceKind.CURRENCY] else frozenset(),
        products=references.product_names(connection) if keys[ReferenceKind.PRODUCT] else (),
        domains=printed.domains(connection, run_id=run_id, customers=customers) if run_id is not None else {},
        past=past,
        of_usage=printed.of_usage(connection, run_id=run_id, subscriptions=subscriptions) if run_id is not None else frozenset(),
    )


def _earlier(connection: Connection, provider: str, rows: Rows) -> Mapping[tuple[str, str], Past]:
    """What all the missing customers and subscriptions of a provider were before, asked for once."""
    keys = {
        kind: {row["key"].lower() for row in rows if row["provider"] == provider and row["kind"] == kind}
        for kind in (ReferenceKind.CUSTOMER, ReferenceKind.SUBSCRIPTION)
    }
    found = printed.before(connection, provider, customers=keys[ReferenceKind.CUSTOMER], subscriptions=keys[ReferenceKind.SUBSCRIPTION])
    return {key: Past(row.ours, row.of_invoice, row.name) for key, row in found.items()}


def _as_printed(missing: Sequence[MissingReference], around: Surroundings) -> list[MissingReference]:
    """Each with its domain in the place of the suggestion, as `with_suggestions` wants it."""
    return [
        replace(one, suggestion=around.domains.get(one.key.lower(), "") if one.kind is ReferenceKind.CUSTOMER else "") for one in missing
    ]


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
