"""Our records as one import sees them: what its lines may refer to, ready to be looked up."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from w365core.intake.resolve import References, Subscription, subscriptions_by_provider_id
from w365core.store import references as store_references


def references_of(connection: Connection, *, provider: str, invoice_number: str, currency: str) -> References:
    """Our records as this import sees them."""

    def known(pairs: Iterable[tuple[str, dict]]) -> Iterable[tuple[str, Subscription]]:
        return ((provider_id, Subscription(**values)) for provider_id, values in pairs)

    return References(
        provider=provider,
        invoice_number=invoice_number,
        currency=currency,
        customers=store_references.customers(connection, provider),
        subscriptions=subscriptions_by_provider_id(*map(known, store_references.subscriptions(connection, provider))),
        currencies=frozenset(store_references.currencies(connection)),
        products=store_references.products(connection),
    )
