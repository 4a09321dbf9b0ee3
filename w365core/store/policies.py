"""Which tolerance policies are there, who set them, and how did the invoices of a provider differ over time?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import tolerance_policy
from w365core.tolerance import Policy

_KIND = "tolerance policy"
_NAMES = tuple(Policy.__dataclass_fields__)


def find(connection: Connection, provider: str, currency: str) -> Policy | None:
    """The policy of that provider and currency, expired or not; names are compared without regard to case."""
    query = select(*(tolerance_policy.c[name] for name in _NAMES)).where(*_named(provider, currency))
    row = connection.execute(query).mappings().first()
    return None if row is None else Policy(**row)


def all_of_them(connection: Connection) -> list[Mapping[str, Any]]:
    """Every policy with who set it and when."""
    query = select(*tolerance_policy.columns).order_by(tolerance_policy.c.provider, tolerance_policy.c.currency)
    return [dict(row) for row in connection.execute(query).mappings()]


def changed_by(connection: Connection, policy: Policy) -> str | None:
    """Who has set or removed it last; None where nobody has."""
    return audit.last_actor(connection, target_kind=_KIND, targets=(_target(policy),))


def one_by_one(connection: Connection) -> None:
    """Whoever changes a policy next waits until this transaction has ended."""
    connection.execute(text("lock table tolerance_policy in share row exclusive mode"))


def save(connection: Connection, policy: Policy, *, who: Who) -> bool:
    """Sets a policy and says so in the log; False where it is set just so already."""
    before = find(connection, policy.provider, policy.currency)
    if before == policy:
        return False
    values = asdict(policy) | {"set_by": who.actor, "set_at": who.now}
    statement = insert(tolerance_policy).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=["provider", "currency"], set_=values))
    _say(connection, "set tolerance policy", policy, before, policy, who)
    return True


def remove(connection: Connection, policy: Policy, *, who: Who) -> None:
    """Takes a policy away, so that the default holds again."""
    connection.execute(delete(tolerance_policy).where(*_named(policy.provider, policy.currency)))
    _say(connection, "remove tolerance policy", policy, policy, None, who)


def differences(connection: Connection, *, since: date) -> list[Mapping[str, Any]]:
    """Every invoice since that day whose header or usage differs from its lines, oldest first: what it differs by, and what became of it."""
    statement = text(
        "select provider_invoice_id, provider, invoice_number, invoice_date, currency, status_reason, header_total, difference, "
        "usage_total - daily_rated_total as usage_difference, overridden, override_tolerance, override_reason, proven_cause, explanation is not null as explained "
        "from provider_invoice where invoice_date >= :since and (coalesce(difference, 0) <> 0 or coalesce(usage_total - daily_rated_total, 0) <> 0) "
        "order by invoice_date, provider, invoice_number"
    )
    return [dict(row) for row in connection.execute(statement, {"since": since}).mappings()]


def overrides(connection: Connection, *, most: int = 200) -> list[Mapping[str, Any]]:
    """Every import that an override let pass, latest first, as the audit log tells it."""
    statement = text(
        "select at, actor, target, reason, after ->> 'override_tolerance' as override_tolerance, after ->> 'difference' as difference, "
        "after ->> 'usage_difference' as usage_difference, after ->> 'currency' as currency, after ->> 'proven_cause' as proven_cause, "
        "after ->> 'provider_invoice_id' as provider_invoice_id from audit_log where target_kind = 'provider invoice' "
        "and action = 'import provider invoice' and (after ->> 'overridden')::boolean order by audit_id desc limit :most"
    )
    return [dict(row) for row in connection.execute(statement, {"most": most}).mappings()]


def _named(provider: str, currency: str) -> tuple[Any, ...]:
    return func.lower(tolerance_policy.c.provider) == provider.lower(), tolerance_policy.c.currency == currency.upper()


def _target(policy: Policy) -> str:
    return f"{policy.provider} {policy.currency}"


def _say(connection: Connection, action: str, policy: Policy, before: Policy | None, after: Policy | None, who: Who) -> None:
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=action,
        target_kind=_KIND,
        target=_target(policy),
        reason=policy.reason or None,
        before=None if before is None else asdict(before),
        after=None if after is None else asdict(after),
    )
