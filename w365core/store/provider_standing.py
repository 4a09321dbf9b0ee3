"""How does each provider stand? Up to when it was asked, what it lists, what it did not tell, and whom of its customers nobody has mapped."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from w365core.model import ReferenceKind, StatusReason
from w365core.store.tables import (
    missing_reference,
    provider_account,
    provider_customer,
    provider_invoice,
    provider_pull,
    provider_subscription,
)


def pulls(connection: Connection, provider: str | None = None) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(provider, what) -> until when it was fetched, and what was lost."""
    query = select(provider_pull)
    rows = connection.execute(query if provider is None else query.where(provider_pull.c.provider == provider)).mappings()
    return {(row["provider"], row["what"]): dict(row) for row in rows}


def waiting_proposals(connection: Connection, provider: str | None = None) -> list[Mapping[str, Any]]:
    """Customers that the provider lists and nobody has mapped, the surest proposal first; among them those without any."""
    mapped = (
        select(provider_account.c.account_id)
        .where(
            func.lower(provider_account.c.provider) == func.lower(provider_customer.c.provider),
            func.lower(func.btrim(provider_account.c.provider_account_id)) == provider_customer.c.provider_customer_id,
            provider_account.c.account_id.is_not(None),
        )
        .exists()
    )
    query = (
        select(
            provider_customer.c.provider,
            provider_customer.c.provider_customer_id,
            provider_customer.c.name,
            provider_customer.c.domain,
            provider_customer.c.proposed_account_id,
            provider_customer.c.confidence,
            provider_customer.c.proposed_because,
        )
        .where(provider_customer.c.gone_at.is_(None), ~mapped)
        .order_by(
            provider_customer.c.confidence.desc().nulls_last(),
            provider_customer.c.name,
            provider_customer.c.provider,
            provider_customer.c.provider_customer_id,
        )
    )
    if provider is not None:
        query = query.where(provider_customer.c.provider == provider)
    return [dict(row) for row in connection.execute(query).mappings()]


def held_up(connection: Connection) -> dict[tuple[str, str], dict[str, Decimal]]:
    """(provider, customer) -> currency -> what its lines on invoices in Error come to, where our records lack the customer."""
    customer = func.lower(func.btrim(missing_reference.c.key))
    query = (
        select(provider_invoice.c.provider, customer, missing_reference.c.currency, func.sum(missing_reference.c.amount))
        .join(provider_invoice, provider_invoice.c.provider_invoice_id == missing_reference.c.provider_invoice_id)
        .where(missing_reference.c.kind == ReferenceKind.CUSTOMER, provider_invoice.c.status_reason == StatusReason.ERROR)
        .group_by(provider_invoice.c.provider, customer, missing_reference.c.currency)
    )
    found: dict[tuple[str, str], dict[str, Decimal]] = {}
    for provider, key, currency, amount in connection.execute(query):
        found.setdefault((provider, key), {})[currency] = amount
    return found


def refusals(connection: Connection) -> list[Mapping[str, Any]]:
    """Customers that are listed and whose subscriptions the provider did not tell, with what it said."""
    query = (
        select(
            provider_customer.c.provider, provider_customer.c.provider_customer_id, provider_customer.c.name, provider_customer.c.refused
        )
        .where(provider_customer.c.refused.is_not(None), provider_customer.c.gone_at.is_(None))
        .order_by(provider_customer.c.provider, provider_customer.c.name, provider_customer.c.provider_customer_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def counts(connection: Connection) -> dict[str, tuple[int, int]]:
    """Provider -> how many customers and subscriptions it lists today."""
    found: dict[str, list[int]] = {}
    for place, table in enumerate((provider_customer, provider_subscription)):
        query = select(table.c.provider, func.count()).where(table.c.gone_at.is_(None)).group_by(table.c.provider)
        for provider, number in connection.execute(query):
            found.setdefault(provider, [0, 0])[place] = number
    return {provider: (customers, owned) for provider, (customers, owned) in found.items()}
