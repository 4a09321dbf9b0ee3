"""Which license change logs do not hold together? The four checks, each with the money that it is about and what to do.

mismatch                    the changes do not come to what the subscription says
missing_data                a change without a price, a currency, a quantity, a subscription or a day
archived_without_invoice    put away and never billed
awaiting_or_failed          not at the provider, and which later changes wait behind it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, text

from w365core import money
from w365core.store import audit, mending_days
from w365core.store.ledger import Who
from w365core.store.mending_days import Since
from w365core.store.tables import license_change_log

Entry = dict[str, Any]
CHECKS = ("mismatch", "missing_data", "archived_without_invoice", "awaiting_or_failed")

# A suspended subscription counts none: one whose changes come to nothing, or to what it had, is as it should be; one without any is not.
_MISMATCH = """
    select s.subscription_id, s.account_id, a.name as customer, s.name, s.provider, s.quantity, s.status, s.start_date, s.cost_price, s.selling_price,
        s.currency, coalesce(g.sum, 0) as logged, coalesce(g.logs, 0) as logs, g.last, s.quantity - coalesce(g.sum, 0) as residual,
        (select max(c.at)::date from provider_change c join subscription_alias_or_own k on k.provider = lower(c.provider)
            and k.key = c.provider_subscription_id where k.subscription_id = s.subscription_id and c.status <> 'failed'
            and c.quantity_after - c.quantity_before = s.quantity - coalesce(g.sum, 0)) as changed_at_provider
    from subscription s left join account a on a.account_id = s.account_id
    left join (select subscription_id, sum(quantity) as sum, count(*) as logs, max(effective_date) as last from license_change_log group by 1) g
        on g.subscription_id = s.subscription_id
    where s.kind = 'License' and s.quantity is not null and (cast(:subscription as text) is null or s.subscription_id = :subscription)
        and coalesce(g.sum, 0) <> s.quantity and not coalesce(s.status = 'Suspended' and g.logs > 0 and g.sum = 0, false)
    order by abs(s.quantity - coalesce(g.sum, 0)) * coalesce(s.selling_price, 0) desc, s.subscription_id
""".replace(
    "subscription_alias_or_own",
    """(select lower(provider) as provider, lower(btrim(provider_subscription_id)) as key, subscription_id from subscription
        union select lower(provider), lower(btrim(provider_subscription_id)), subscription_id from subscription_alias)""",
)
_LOG = """
    select g.change_log_id, g.subscription_id, g.event, g.quantity, g.effective_date, g.provisioning_status, g.status_reason, g.invoice_number,
        g.initiated_by, g.selling_price, coalesce(g.currency, s.currency) as currency, g.currency as own_currency, s.subscription_id as known, s.account_id,
        a.name as customer, s.name, abs(g.quantity) * coalesce(g.selling_price, s.selling_price) as amount
    from license_change_log g left join subscription s on s.subscription_id = g.subscription_id left join account a on a.account_id = s.account_id
"""
_MISSING = f"""
    {_LOG} where g.selling_price is null or g.currency is null or g.quantity is null or s.subscription_id is null or g.effective_date is null
    order by g.subscription_id nulls first, g.change_log_id
"""
_ARCHIVED = f"{_LOG} where g.status_reason = 'Archived' and g.invoice_number is null order by amount desc nulls first, g.subscription_id, g.change_log_id"
# A change waits behind an earlier one of its subscription that is not through; what is through, or was made at the provider, does not.
_WAITING = f"""
    select w.*, array(
        select l.change_log_id from license_change_log l
        where l.subscription_id = w.subscription_id and (l.effective_date, l.change_log_id) > (w.effective_date, w.change_log_id)
            and l.provisioning_status in ('Awaiting Provisioning', 'Failed Provisioning') order by l.effective_date, l.change_log_id
    ) as holds_up
    from ({_LOG} where g.provisioning_status in ('Awaiting Provisioning', 'Failed Provisioning')) w
    order by w.amount desc nulls first, w.subscription_id, w.effective_date, w.change_log_id
"""


@dataclass(frozen=True)
class Mending:
    """The change log that makes the changes of a subscription come to what it says. `because` says why it is effective on that day; it is not stored."""

    change_log_id: str
    subscription_id: str
    event: str
    quantity: Decimal
    effective_date: date
    provisioning_status: str
    status_reason: str
    cost_price: Decimal | None
    selling_price: Decimal | None
    currency: str | None
    because: str


_STORED = tuple(one.name for one in fields(Mending) if one.name != "because")


def check(connection: Connection, *, today: date) -> dict[str, list[Entry]]:
    """All four, each as a list of entries, the biggest money first."""
    wrong = _rows(connection, _MISMATCH, subscription=None)
    known = _since(connection, wrong)
    return {
        "mismatch": [_mismatch(row, known.get(row["subscription_id"]), today) for row in wrong],
        "missing_data": [_missing(row) for row in _rows(connection, _MISSING)],
        "archived_without_invoice": [_archived(row) for row in _rows(connection, _ARCHIVED)],
        "awaiting_or_failed": [_waiting(row) for row in _rows(connection, _WAITING)],
    }


def mending(connection: Connection, subscription_id: str, *, today: date) -> Mending | None:
    """The log that would mend a subscription's mismatch; None where there is none."""
    found = _rows(connection, _MISMATCH, subscription=subscription_id)
    return _mending(found[0], _since(connection, found).get(subscription_id), today) if found else None


def hold(connection: Connection, subscription_id: str) -> str | None:
    """Keeps everybody else from mending the subscription before the transaction ends; its id as stored, None where there is none."""
    query = text(
        "select subscription_id from subscription where lower(subscription_id) = lower(:id) order by subscription_id = :id desc limit 1 for update"
    )
    return connection.execute(query, {"id": subscription_id}).scalar()


def add(connection: Connection, log: Mending, *, reason: str, who: Who) -> str:
    """Adds the log as a record made here, which an export hands on, with an audit row; returns its id."""
    named = free_id(connection, log.change_log_id)
    row = {name: getattr(log, name) for name in _STORED} | {
        "change_log_id": named,
        "source": "w365",
        "initiated_by": who.actor,
    }
    connection.execute(insert(license_change_log).values(**row))
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action="mend change logs",
        target_kind="license change log",
        target=named,
        reason=reason,
        after={name: money.plain(value) if isinstance(value, Decimal) else value for name, value in row.items()},
    )
    return named


def free_id(connection: Connection, wanted: str) -> str:
    """The id, with the first number behind it that is not taken."""
    query = text("select change_log_id from license_change_log where starts_with(change_log_id, :wanted)")
    taken = set(connection.execute(query, {"wanted": wanted}).scalars())
    number = next(number for number in range(1, len(taken) + 2) if f"{wanted}-{number}" not in taken)
    return f"{wanted}-{number}"


# --- entries -----------------------------------------------------------------------------------------------------------------------------


def _since(connection: Connection, wrong: Sequence[Mapping[str, Any]]) -> dict[str, Since]:
    """Where the provider does not say on which day it was changed, its invoices may."""
    return mending_days.since(connection, {row["subscription_id"]: row["residual"] for row in wrong if row["changed_at_provider"] is None})


def _mismatch(row: Mapping[str, Any], since: Since | None, today: date) -> Entry:
    log = _mending(row, since, today)
    price = row["selling_price"]
    come = f"its {_counted(row['logs'], 'change log')} come{'s' if row['logs'] == 1 else ''} to {_number(row['logged'])}"
    return {
        "subscription_id": row["subscription_id"],
        "change_log_id": None,
        "residual": row["residual"],
        "amount": None if price is None else money.EXACT.multiply(row["residual"].copy_abs(), price),
        "currency": row["currency"],
        "suggestion": f"The subscription says {_number(row['quantity'])}, {come if row['logs'] else 'and it has no change log'}. Add a log of "
        f"{_signed(row['residual'])} effective {log.effective_date} ({log.because}): `change-logs mend --subscription {row['subscription_id']} "
        "--reason TEXT`.",
        "quantity": row["quantity"],
        "logged": row["logged"],
        "logs": row["logs"],
        "mending": {name: getattr(log, name) for name in (*_STORED, "because") if name != "change_log_id"},
        **_whose(row),
    }


def _mending(row: Mapping[str, Any], since: Since | None, today: date) -> Mending:
    """Effective on the day that fits what is known of when just so many changed."""
    first = not row["logs"]
    day, because = _day(row, since, today)
    return Mending(
        f"MEND-{row['subscription_id']}", row["subscription_id"], "Create" if first else "Update", row["residual"], day, "Not Applicable", "Active",
        row["cost_price"], row["selling_price"], row["currency"], because,
    )  # fmt: skip


def _day(row: Mapping[str, Any], since: Since | None, today: date) -> tuple[date, str]:
    """The day and why: the provider names it, its invoices tell it, else the first day of a subscription that has no logs, else today. Where no invoice
    is older than the first that charges them, a subscription without logs had them from its own first day."""
    begun = row["start_date"] if not row["logs"] else None
    if row["changed_at_provider"] is not None:
        return row["changed_at_provider"], "the provider says that as many changed on that day"
    if since is not None and not (begun is not None and since.always and begun <= since.day):
        return since.day, "the provider counts it from the charge window of that day on"
    if begun is not None:
        return begun, "the subscription began on that day"
    return today, "today, since nothing that is known says when it changed"


def _missing(row: Mapping[str, Any]) -> Entry:
    named = {
        "price": row["selling_price"] is None,
        "currency": row["own_currency"] is None,
        "quantity": row["quantity"] is None,
        "subscription": row["known"] is None,
        "effective date": row["effective_date"] is None,
    }
    absent = [name for name, is_absent in named.items() if is_absent]
    return _entry(row) | {
        "suggestion": f"{row['change_log_id']} has no {' and no '.join(absent)}, so it cannot be billed right. Fill it where it was made, and load it again.",
        "missing": absent,
    }


def _archived(row: Mapping[str, Any]) -> Entry:
    worth = f"{_amount(row['amount'], row['currency'])} a month" if row["amount"] is not None else "nobody knows how much"
    return _entry(row) | {
        "suggestion": f"{row['change_log_id']} ({_signed(row['quantity'])} on {row['effective_date'] or 'an unknown day'}) is archived and was never billed: {worth}. Make it "
        "Active so that it is billed, or say on which invoice it was.",
    }


def _waiting(row: Mapping[str, Any]) -> Entry:
    failed = row["provisioning_status"].startswith("Failed")
    what = (
        "failed at the provider: mend the cause and set it back to Awaiting"
        if failed
        else "waits for the provider: see why it is not provisioned"
    )
    behind = (
        f" {len(row['holds_up'])} later change{' waits' if len(row['holds_up']) == 1 else 's wait'} behind it." if row["holds_up"] else ""
    )
    return _entry(row) | {
        "suggestion": f"{row['change_log_id']} ({_signed(row['quantity'])} on {row['effective_date'] or 'an unknown day'}) {what}.{behind}",
        "holds_up": list(row["holds_up"]),
        "provisioning_status": row["provisioning_status"],
    }


def _entry(row: Mapping[str, Any]) -> Entry:
    same = ("subscription_id", "change_log_id", "amount", "currency", "quantity", "effective_date", "status_reason", "initiated_by")
    return {name: row[name] for name in same} | _whose(row)


def _whose(row: Mapping[str, Any]) -> Entry:
    return {"account_id": row["account_id"], "customer": row["customer"], "subscription_name": row["name"]}


def _number(number: Decimal) -> str:
    return f"{money.trimmed(number):,f}"


def _amount(number: Decimal, currency: str | None) -> str:
    return f"{money.in_currency(number, currency or ''):,f} {currency or ''}".strip()


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _signed(number: Decimal | None) -> str:
    return "?" if number is None else f"{money.trimmed(number):+,f}"


def _rows(connection: Connection, query: str, **bound: Any) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(text(query), bound).mappings()]
