"""What may the lines of an invoice refer to? Our records as lookups, and the accounts that an unmapped customer might be."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from w365core.model import ProviderType
from w365core.store.tables import account, currency, product, provider, provider_account, subscription, subscription_alias

_SUBSCRIPTION = (
    subscription.c.subscription_id,
    subscription.c.account_id,
    subscription.c.product_id,
    subscription.c.kind,
    subscription.c.markup_pct,
)


def customers(connection: Connection, provider_name: str) -> dict[str, str | None]:
    """Provider account id, lower-cased -> our account, None while unmapped."""
    rows = connection.execute(
        select(func.lower(provider_account.c.provider_account_id), provider_account.c.account_id).where(
            func.lower(provider_account.c.provider) == provider_name.lower()
        )
    )
    return {key: account_id for key, account_id in rows}


def subscriptions(connection: Connection, provider_name: str) -> tuple[list[tuple[str, Mapping[str, Any]]], ...]:
    """(provider's id, what rating needs) three times: the provider's own subscriptions, its aliases, those of manual providers."""
    own = select(subscription.c.provider_subscription_id, *_SUBSCRIPTION).where(
        func.lower(subscription.c.provider) == provider_name.lower(), subscription.c.provider_subscription_id.is_not(None)
    )
    aliases = (
        select(subscription_alias.c.provider_subscription_id, *_SUBSCRIPTION)
        .join(subscription, subscription.c.subscription_id == subscription_alias.c.subscription_id)
        .where(func.lower(subscription_alias.c.provider) == provider_name.lower())
    )
    manual = (
        select(subscription.c.provider_subscription_id, *_SUBSCRIPTION)
        .join(provider, func.lower(provider.c.name) == func.lower(subscription.c.provider))
        .where(provider.c.type == ProviderType.MANUAL, subscription.c.provider_subscription_id.is_not(None))
    )
    names = [column.name for column in _SUBSCRIPTION]
    return tuple(
        [(row[0], dict(zip(names, row[1:], strict=True))) for row in connection.execute(query.order_by(subscription.c.subscription_id))]
        for query in (own, aliases, manual)
    )


def currencies(connection: Connection) -> dict[str, Decimal]:
    """Currency code, upper-cased -> rate to base."""
    return {code.upper(): rate for code, rate in connection.execute(select(currency.c.code, currency.c.rate_to_base))}


def products(connection: Connection) -> frozenset[str]:
    """Every product id and provider part number, lower-cased."""
    rows = connection.execute(select(product.c.product_id, product.c.provider_part_number))
    return frozenset(text.lower() for row in rows for text in row if text)


def product_names(connection: Connection) -> list[tuple[str, str | None]]:
    """(product id, name) of every product, by id."""
    return [tuple(row) for row in connection.execute(select(product.c.product_id, product.c.name).order_by(product.c.product_id))]


def manual_providers(connection: Connection) -> list[str]:
    """The providers whose subscriptions answer for any provider's old ids, by name."""
    return list(
        connection.execute(select(provider.c.name).where(provider.c.type == ProviderType.MANUAL).order_by(provider.c.name)).scalars()
    )


def subscription_names(connection: Connection) -> list[Mapping[str, Any]]:
    """Every subscription of ours to choose from, by its account's name: ids, name, kind, the account's name."""
    query = (
        select(
            *(subscription.c[name] for name in ("subscription_id", "provider", "name", "kind", "product_id")),
            account.c.name.label("account_name"),
        )
        .outerjoin(account, account.c.account_id == subscription.c.account_id)
        .order_by(account.c.name, subscription.c.name, subscription.c.subscription_id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def accounts(connection: Connection) -> list[tuple[str, str | None, str | None]]:
    """(account id, name, domain) of every account, by id."""
    return [
        tuple(row)
        for row in connection.execute(select(account.c.account_id, account.c.name, account.c.domain).order_by(account.c.account_id))
    ]
