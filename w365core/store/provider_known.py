"""What does the provider know of these few customers and subscriptions? Questions of whoever explains what is missing; keys are in lower case."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, func, select, text

from w365core.model import ProviderCustomer, ProviderSubscription
from w365core.store import stage
from w365core.store.tables import provider_customer, provider_subscription, subscription


def customers(connection: Connection, provider: str, keys: Collection[str]) -> dict[str, tuple[ProviderCustomer, Mapping[str, Any]]]:
    """Key -> the customer, and its row: `gone_at`, `refused`."""
    rows = _of(connection, provider_customer, provider, keys)
    names = ("name", "domain", "country", "status")
    return {key: (ProviderCustomer(id=key, **{name: row[name] for name in names}), row) for key, row in rows.items()}


def subscriptions(
    connection: Connection, provider: str, keys: Collection[str]
) -> dict[str, tuple[ProviderSubscription, Mapping[str, Any]]]:
    """Key -> the subscription, and its row: `gone_at`."""
    rows = _of(connection, provider_subscription, provider, keys)
    return {key: (_subscription(row), row) for key, row in rows.items()}


def ours(connection: Connection, provider: str, keys: Collection[str]) -> dict[str, str]:
    """Of these provider ids, those that are subscriptions of ours: key -> our id."""
    key = func.lower(subscription.c.provider_subscription_id)
    query = select(key, subscription.c.subscription_id).where(func.lower(subscription.c.provider) == provider.lower(), key.in_(list(keys)))
    return {found: own for found, own in connection.execute(query)}


def customer_of_staged(connection: Connection, *, run_id: int, keys: Collection[str]) -> dict[str, str]:
    """Subscriptions that the staged lines of a run name and our records lack -> the customer that the lines print beside them."""
    if not keys or not stage.exists(connection, run_id=run_id):
        return {}
    license, usage = (stage.table_of(which, run_id) for which in (stage.LICENSE, stage.USAGE))
    statement = text(
        f"select lower(btrim(provider_subscription_id)) as key, lower(btrim(provider_customer_id)) as customer from {license} "
        "where subscription_id is null and lower(btrim(provider_subscription_id)) = any(:keys) union "
        f"select lower(btrim(coalesce(nullif(entitlement_id, ''), provider_subscription_id))), lower(btrim(provider_customer_id)) from {usage} "
        "where subscription_id is null and lower(btrim(coalesce(nullif(entitlement_id, ''), provider_subscription_id))) = any(:keys)"
    )
    return {row.key: row.customer for row in connection.execute(statement, {"keys": list(keys)}) if row.customer}


def _of(connection: Connection, table: Any, provider: str, keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
    key = list(table.primary_key.columns)[1]
    query = select(table).where(func.lower(table.c.provider) == provider.lower(), key.in_(list(keys)))
    return {row[key.name]: dict(row) for row in connection.execute(query).mappings()}


def _subscription(row: Mapping[str, Any]) -> ProviderSubscription:
    own = {"id": "provider_subscription_id", "customer_id": "provider_customer_id"}
    said = {name: row[own.get(name, name)] for name in ProviderSubscription.__dataclass_fields__}
    return ProviderSubscription(**said | {"refundable": tuple(row["refundable"])})
