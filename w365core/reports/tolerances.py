"""Which limits hold for overrides, what expires soon, and how often did invoices differ and pass all the same?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money, tolerance
from w365core.model import StatusReason
from w365core.reports import wording
from w365core.reports.tables import Column, Table, amount, moment, number
from w365core.store import policies, providers, queries, references
from w365core.tolerance import Policy

SOON = timedelta(days=30)
SINCE = timedelta(days=400)

POLICY_COLUMNS = (
    Column("provider", "Provider", width=130),
    Column("currency", "Currency", width=75),
    Column("holds", "Holds", width=190),
    amount("one_click_amount", "One click up to", width=110),
    number("one_click_percent", "… and % of header", width=125),
    amount("most_amount", "Never above", width=100),
    number("most_percent", "… and % of header ", width=125),
    number("drop_percent", "Drop said aloud at %", width=140),
    Column("owner", "Owner", width=130),
    Column("reason", "Reason", width=260),
    Column("set_by", "Set by", width=90),
    moment("set_at", "Set (UTC)", width=130),
)
OVERRIDE_COLUMNS = (
    moment("at", "When (UTC)", width=130),
    Column("actor", "Who", width=100),
    Column("provider", "Provider", width=120),
    Column("number", "Invoice", width=120),
    amount("override", "Override", width=90),
    amount("difference", "Header differed by", width=130),
    amount("usage_difference", "Usage differed by", width=130),
    Column("currency", "Currency", width=70),
    Column("reason", "Reason", width=260),
    Column("cause", "Proven cause", width=420),
)


@dataclass(frozen=True)
class Differed:
    """What the documents of a month differed by in one currency, whatever the sign: overridden, held up, passed within the tolerance."""

    month: str
    overridden: Decimal
    held_up: Decimal
    passed: Decimal


@dataclass(frozen=True)
class Tolerances:
    """`history` is by provider and currency, oldest month first; `soon` are sentences on what expires or has expired."""

    policies: Table
    known: tuple[Policy, ...]
    soon: tuple[str, ...]
    history: Mapping[tuple[str, str], tuple[Differed, ...]]
    overrides: Table
    providers: tuple[str, ...]
    currencies: tuple[str, ...]


def load(connection: Connection, *, now: datetime) -> Tolerances:
    """The page as things are now."""
    rows = policies.all_of_them(connection)
    known = tuple(Policy(**{name: row[name] for name in Policy.__dataclass_fields__}) for row in rows)
    currencies = {*references.currencies(connection), *queries.choices(connection)["currencies"]}
    return Tolerances(
        policies=Table("tolerance policies", POLICY_COLUMNS, [_row(row, one, now.date()) for row, one in zip(rows, known, strict=True)]),
        known=known,
        soon=tuple(filter(None, (_expiry(one, now.date()) for one in known))),
        history=history(policies.differences(connection, since=now.date() - SINCE)),
        overrides=Table("overrides", OVERRIDE_COLUMNS, [_override(row) for row in policies.overrides(connection)]),
        providers=tuple(one.name for one in providers.all_of_them(connection)),
        currencies=tuple(sorted(currencies)),
    )


def history(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[Differed, ...]]:
    """By provider and currency, month by month; only those where something was ever beyond the tolerance."""
    found: dict[tuple[str, str], dict[str, Differed]] = {}
    for row in rows:
        month = f"{row['invoice_date']:%Y-%m}"
        months = found.setdefault((row["provider"], row["currency"]), {})
        so_far = months.get(month, Differed(month, money.ZERO, money.ZERO, money.ZERO))
        name = _became(row)
        size = max((row["difference"] or money.ZERO).copy_abs(), (row["usage_difference"] or money.ZERO).copy_abs())
        months[month] = replace(so_far, **{name: money.EXACT.add(getattr(so_far, name), size)})
    beyond = {key for key, months in found.items() if any(one.overridden or one.held_up for one in months.values())}
    return {key: tuple(found[key][month] for month in sorted(found[key])) for key in sorted(beyond)}


def ruling(policy: Policy, *, difference: Decimal, header: Decimal | None) -> str:
    """What the policy would say of a difference, to try it out."""
    return tolerance.may_override(policy, difference=difference, header=header).sentence


def _became(row: Mapping[str, Any]) -> str:
    if row["status_reason"] == StatusReason.ERROR and row["explained"]:
        return "held_up"
    return "overridden" if row["explained"] and row["override_tolerance"] is not None else "passed"


def _row(row: Mapping[str, Any], policy: Policy, today: date) -> dict[str, Any]:
    return {**row, "holds": _holds(policy, today)}


def _holds(policy: Policy, today: date) -> str:
    if policy.expires_on is None:
        return "until it is changed"
    expired = policy.has_expired(today)
    return (
        f"expired, the default holds since {wording.day(policy.expires_on + timedelta(days=1))}"
        if expired
        else f"until {wording.day(policy.expires_on)}"
    )


def _expiry(policy: Policy, today: date) -> str | None:
    if policy.expires_on is None or policy.expires_on > today + SOON:
        return None
    whose = f"The policy of {policy.provider} in {policy.currency} ({policy.owner})"
    if policy.has_expired(today):
        return f"{whose} has expired on {wording.day(policy.expires_on)}: the default of {money.plain(tolerance.ONE_CLICK)} {policy.currency} holds again."
    left = (policy.expires_on - today).days
    when = "today is its last day" if not left else f"its last day is {wording.day(policy.expires_on)}, in {wording.counted(left, 'day')}"
    return f"{whose} expires: {when}."


def _override(row: Mapping[str, Any]) -> dict[str, Any]:
    provider, _, invoice = row["target"].rpartition(" ")
    amounts = {name: None if row[name] is None else Decimal(row[name]) for name in ("difference", "usage_difference")}
    override = None if row["override_tolerance"] is None else Decimal(row["override_tolerance"])
    told = {"provider": provider, "number": invoice, "override": override, "cause": row["proven_cause"] or "not proven"}
    return {**row, **amounts, **told, "reason": row["reason"] or "none given"}
