"""What may a fix refer to, and how is one refused or told of? The checks that all fixes share; ids are given back as our records write them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from w365core import money
from w365core.errors import InputRefused
from w365core.model import Fix, Problem, Provider
from w365core.store import audit, providers as store_providers
from w365core.store.ledger import Who
from w365core.store.tables import account, product, subscription

LONGEST = 400


def refused(column: str, value: object, expected: str) -> InputRefused:
    """The refusal of one cell, in one sentence."""
    said = None if value is None else str(value)
    found = f"{column} is {said!r}" if said else f"{column} is blank"
    return InputRefused(f"{found}: expected {expected}. Nothing was changed.", [Problem("", None, column, said, expected)])


def whose(connection: Connection, fix: Fix) -> Provider:
    """The provider whose lines print the key."""
    found = store_providers.find(connection, fix.provider) if fix.provider else None
    if found is None:
        raise refused("provider", fix.provider, "a provider; `provider list` shows them")
    return found


def account_id(connection: Connection, account_id: str | None) -> str:
    """An account of ours."""
    return found(connection, account, "account_id", account_id, "an account of ours; load it with accounts.csv first")


def product_id(connection: Connection, product_id: str) -> str:
    """A product of ours."""
    return found(connection, product, "product_id", product_id, "a product of ours; load it with products.csv first")


def owned(connection: Connection, subscription_id: str | None) -> Any:
    """The row of a subscription of ours, locked."""
    known = found(
        connection, subscription, "subscription_id", subscription_id, "a subscription of ours; load it with subscriptions.csv first"
    )
    return connection.execute(select(subscription).where(subscription.c.subscription_id == known).with_for_update()).one()


def found(connection: Connection, table: Table, column: str, value: str | None, expected: str) -> str:
    """The id as it is written in our records."""
    known = connection.execute(select(table.c[column]).where(same(table.c[column], value or ""))).scalars().first() if value else None
    if known is None:
        raise refused(column, value, expected)
    return known


def one_of(column: str, value: str | None, choices: tuple[str, ...]) -> str:
    """The value, where it is one of the choices."""
    if value not in choices:
        raise refused(column, value, f"one of {', '.join(choices)}")
    return value


def same(column: ColumnElement, value: str) -> ColumnElement[bool]:
    """Ids compare without regard to case and to spaces around them."""
    return func.lower(func.btrim(column)) == value.strip().lower()


def folded(value: str | None) -> str | None:
    """An id as it is compared."""
    return None if value is None else value.strip().lower()


def told(
    connection: Connection,
    who: Who,
    action: str,
    target_kind: str,
    target: str,
    reason: str | None,
    after: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> None:
    """The row of the audit log; numbers in plain notation."""
    told = {name: money.plain(value) if isinstance(value, Decimal) else value for name, value in after.items() if value is not None}
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=action,
        target_kind=target_kind,
        target=target,
        reason=reason,
        before=before,
        after=told,
    )
