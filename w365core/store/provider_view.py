"""What does the provider know, as it said last? Its customers, subscriptions and changes, beside our records and never in their place.

    save_customers, save_subscriptions, save_changes     what was fetched replaces what was known; what is listed no more is marked gone
    save_proposals                                       which account each unmapped customer most likely is
    save_pull                                            up to when each kind was fetched, and what the provider had forgotten by then
    mapping_state, oldest_under_way                      what a sync needs to know beforehand

Ids are kept in lower case. A row says since when it has been known (`first_seen_at`), when it was listed last and since when no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, delete, func, null, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from w365core.model import ProviderChange, ProviderCustomer, ProviderSubscription
from w365core.store.tables import provider_account, provider_change, provider_customer, provider_pull, provider_subscription

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Counted:
    """What became of a list: how many were listed, of those how many are new or say something else, and how many are listed no more."""

    listed: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0


@dataclass(frozen=True)
class Proposed:
    """The account that a customer most likely is; without one, why there is no choice."""

    customer_id: str
    account_id: str | None
    confidence: Decimal | None
    because: str


# --- writing -----------------------------------------------------------------------------------------------------------------------------


def save_customers(connection: Connection, provider: str, listed: Iterable[ProviderCustomer], *, now: datetime) -> Counted:
    """The whole list; who is not on it is gone, and so is what they owned."""
    rows = {one.id.lower(): _values(one, provider, {"id": "provider_customer_id"}) for one in listed}
    counted = _replace(connection, provider_customer, provider, rows, among=None, now=now)
    gone = select(provider_customer.c.provider_customer_id).where(
        provider_customer.c.provider == provider, provider_customer.c.gone_at.is_not(None)
    )
    connection.execute(
        update(provider_subscription)
        .where(
            provider_subscription.c.provider == provider,
            provider_subscription.c.provider_customer_id.in_(gone),
            provider_subscription.c.gone_at.is_(None),
        )
        .values(gone_at=now)
    )
    return counted


def save_subscriptions(
    connection: Connection,
    provider: str,
    listed: Iterable[ProviderSubscription],
    *,
    told_by: Collection[str],
    refused: Mapping[str, str],
    now: datetime,
) -> Counted:
    """All of the customers `told_by`; what they own no more is gone. Of customers who were not asked, or `refused`, what is known stays."""
    names = {"id": "provider_subscription_id", "customer_id": "provider_customer_id"}
    rows = {one.id.lower(): _values(one, provider, names) for one in listed}
    told = {customer.lower() for customer in told_by}
    counted = _replace(connection, provider_subscription, provider, rows, among=told, now=now)
    said = {customer.lower(): message for customer, message in refused.items()}
    here = provider_customer.c.provider == provider
    connection.execute(update(provider_customer).where(here, provider_customer.c.refused.is_not(None)).values(refused=None))
    for customer, message in said.items():
        connection.execute(
            update(provider_customer).where(here, provider_customer.c.provider_customer_id == customer).values(refused=message)
        )
    return counted


def save_changes(connection: Connection, provider: str, listed: Sequence[ProviderChange], *, now: datetime) -> Counted:
    """The changes of some days, each replacing what it said before; nothing else is ever removed, since the provider forgets.

    Two pulls of a provider at once, as a daily job and an account sync make them, take turns until the end of the transaction.
    """
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"changes of {provider.lower()}"})
    rows = {change.id: _change(change, provider) for change in listed}
    known = _known_changes(connection, provider, rows)
    records = {_record(change_id) for change_id in rows}
    stale = [change_id for change_id in known if change_id not in rows and _record(change_id) in records]
    for part in _parts(stale):
        connection.execute(delete(provider_change).where(provider_change.c.provider == provider, provider_change.c.change_id.in_(part)))
    new = [row for change_id, row in rows.items() if change_id not in known]
    changed = [row for change_id, row in rows.items() if change_id in known and _differs(row, known[change_id])]
    _upsert(connection, provider_change, [row | {"first_seen_at": now} for row in (*new, *changed)])
    return Counted(len(rows), len(new), len(changed))


def save_proposals(connection: Connection, provider: str, proposals: Iterable[Proposed]) -> None:
    """These and no others."""
    here = provider_customer.c.provider == provider
    none = {"proposed_account_id": None, "confidence": None, "proposed_because": None}
    connection.execute(update(provider_customer).where(here, provider_customer.c.proposed_because.is_not(None)).values(**none))
    for one in proposals:
        said = {"proposed_account_id": one.account_id, "confidence": one.confidence, "proposed_because": one.because}
        connection.execute(
            update(provider_customer).where(here, provider_customer.c.provider_customer_id == one.customer_id.lower()).values(**said)
        )


def save_pull(
    connection: Connection,
    provider: str,
    what: str,
    *,
    until: datetime,
    at: datetime,
    lost: tuple[date, date] | None = None,
    message: str = "",
) -> None:
    """That this kind has been fetched up to that moment. A lost range is remembered for good: a later one widens it."""
    values: dict[str, Any] = {"pulled_until": until, "pulled_at": at}
    if lost is not None:
        values |= {"lost_from": lost[0], "lost_to": lost[1], "message": message}
    statement = insert(provider_pull).values(provider=provider, what=what, **values)
    replaced: dict[str, Any] = dict(values)
    if lost is not None:
        replaced |= {
            "lost_from": func.least(provider_pull.c.lost_from, statement.excluded.lost_from),
            "lost_to": func.greatest(provider_pull.c.lost_to, statement.excluded.lost_to),
        }
    connection.execute(statement.on_conflict_do_update(index_elements=["provider", "what"], set_=replaced))


# --- reading -----------------------------------------------------------------------------------------------------------------------------


def mapping_state(connection: Connection, provider: str) -> dict[str, tuple[str | None, bool]]:
    """Provider account id in lower case -> (our account, None while unmapped; whether sync is enabled), as our records say."""
    rows = connection.execute(
        select(
            func.lower(func.btrim(provider_account.c.provider_account_id)), provider_account.c.account_id, provider_account.c.sync_enabled
        ).where(func.lower(provider_account.c.provider) == provider.lower())
    )
    return {key: (account_id, enabled is not False) for key, account_id, enabled in rows}


def oldest_under_way(connection: Connection, provider: str, *, since: datetime) -> datetime | None:
    """The moment of the oldest change from then on that the provider had not finished when it was read."""
    query = select(func.min(provider_change.c.at)).where(
        provider_change.c.provider == provider, provider_change.c.status == "progress", provider_change.c.at >= since
    )
    return connection.execute(query).scalar()


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _replace(
    connection: Connection, table: Table, provider: str, rows: Mapping[str, dict[str, Any]], *, among: set[str] | None, now: datetime
) -> Counted:
    """Writes the rows and marks as gone what is not among them: of these customers, or of all."""
    key = list(table.primary_key.columns)[1].name
    known = {row[key]: row for row in connection.execute(select(table).where(table.c.provider == provider)).mappings()}
    new = [one for one in rows if one not in known]
    changed = [one for one, row in rows.items() if one in known and (_differs(row, known[one]) or known[one]["gone_at"] is not None)]
    seen = {"seen_at": now, "gone_at": None}
    _upsert(connection, table, [row | seen | {"first_seen_at": now} for row in rows.values()])
    gone = [
        one
        for one, row in known.items()
        if one not in rows and row["gone_at"] is None and (among is None or row["provider_customer_id"] in among)
    ]
    for part in _parts(gone):
        connection.execute(update(table).where(table.c.provider == provider, table.c[key].in_(part)).values(gone_at=now))
    return Counted(len(rows), len(new), len(changed), len(gone))


def _upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Whatever stands there is replaced, but for the moment that it was first seen at."""
    keys = [column.name for column in table.primary_key.columns]
    for part in _parts(rows):
        statement = insert(table).values([_without_json_null(table, row) for row in part])
        written = [name for name in part[0] if name not in keys and name != "first_seen_at"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={name: statement.excluded[name] for name in written}))


def _without_json_null(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """None in a JSON column would be stored as the JSON value null."""
    return {name: null() if value is None and isinstance(table.c[name].type, JSONB) else value for name, value in row.items()}


def _values(one: ProviderCustomer | ProviderSubscription, provider: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The row, its columns named as the table has them."""
    said = {names.get(name, name): value for name, value in asdict(one).items()}
    said |= {name: said[name].lower() for name in names.values()}
    if isinstance(one, ProviderSubscription):
        said |= {"refundable": list(one.refundable)}
    return {"provider": provider} | said


def _change(change: ProviderChange, provider: str) -> dict[str, Any]:
    said = asdict(change)
    return {
        "provider": provider,
        "change_id": said.pop("id"),
        "provider_customer_id": _lower(said.pop("customer_id")),
        "provider_subscription_id": _lower(said.pop("subscription_id")),
    } | said


def _known_changes(connection: Connection, provider: str, rows: Mapping[str, dict[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """What is stored of the days that the rows are of, and under their ids."""
    if not rows:
        return {}
    since = min(row["at"] for row in rows.values())
    query = select(provider_change).where(provider_change.c.provider == provider, provider_change.c.at >= since)
    return {row["change_id"]: dict(row) for row in connection.execute(query).mappings()}


def _record(change_id: str) -> str:
    """The record that a change stands in: what comes before the number of its subscription."""
    return change_id.rpartition("/")[0] or change_id


def _differs(row: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return any(known[name] != value for name, value in row.items())


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _parts(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))
