"""What is set in this installation, by whom and since when, and what of it should somebody look at?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Protocol
from zoneinfo import available_timezones

from sqlalchemy import Connection

from w365core import money
from w365core.preferences import BY_NAME, Form, Preference
from w365core.reports import wording
from w365core.reports.tables import Column, Table, day, moment, number
from w365core.store import contracts as store_contracts, preferences as store_preferences
from w365core.store.rates import Rate

Row = Mapping[str, Any]
# By the first word of a setting's name; a word that is not here is a group of its own.
_GROUPS = {
    **dict.fromkeys(("time", "language"), "General"),
    **dict.fromkeys(("sync", "bill", "schedule", "retry"), "Schedule"),
    **dict.fromkeys(("mail", "smtp", "webhook", "notify", "message"), "Messages"),
    **dict.fromkeys(("rate", "default"), "Money"),
    **dict.fromkeys(("keep", "backup"), "Keeping"),
}
_ORDER = ("General", "Money", "Schedule", "Messages", "Keeping")
_WORDS = {"pct": "%", "url": "address", "smtp": "SMTP", "cc": "CC"}

_CURRENCIES = Table(
    "currencies",
    (
        Column("code", "Currency"),
        number("rate", "Rate to base", help="An amount times its rate is the amount in base currency"),
        Column("age", "Rate is"),
        moment("set_at", "Since", help="When it was set, or confirmed by a load of currencies.csv"),
        Column("set_by", "By"),
        number("invoices", "Provider invoices"),
        number("contracts", "Contracts"),
        number("subscriptions", "Subscriptions"),
    ),
    (),
)
_CONTRACTS = Table(
    "contracts",
    (
        Column("contract_id", "Contract"),
        Column("account", "Customer"),
        Column("name", "Name"),
        Column("frequency", "Frequency"),
        day("next_invoice_date", "Invoiced next"),
        Column("due", "Due"),
        day("last_invoice_date", "Last invoice"),
        Column("currency", "Currency"),
        Column("status", "Status"),
        number("usage_subscriptions", "Usage subscriptions"),
    ),
    (),
)


class RateStanding(Protocol):
    """A currency's rate, and whether somebody should look at it."""

    rate: Rate
    is_base: bool
    is_stale: bool
    said: str


@dataclass(frozen=True)
class Setting:
    """One setting as it stands. `set_by` None: it has its default."""

    of: Preference
    value: str
    set_by: str | None
    set_at: datetime | None

    @property
    def label(self) -> str:
        """rate_stale_days -> Rate stale (days)."""
        words = [_WORDS.get(word, word) for word in self.of.name.split("_")]
        words[-1] = "(days)" if words[-1] == "days" else words[-1]
        return " ".join((words[0][:1].upper() + words[0][1:], *words[1:]))

    @property
    def said(self) -> str:
        """Who set it and when, or that nobody has."""
        if self.set_by is None:
            return "Default"
        return f"Set by {self.set_by}, {wording.zoned(self.set_at)}; the default is {self.of.default or 'blank'}"


@dataclass(frozen=True)
class Notice:
    """Something that somebody should look at, and in which section."""

    title: str
    sentence: str
    section: str


@dataclass(frozen=True)
class Settings:
    groups: Mapping[str, tuple[Setting, ...]]
    currencies: Table
    contracts: Table
    notices: tuple[Notice, ...]
    base: str | None


def load(connection: Connection, rates: Sequence[RateStanding], *, today: date) -> Settings:
    """The page as things are now."""
    return build(store_preferences.all_of_them(connection), rates, store_contracts.all_of_them(connection), today=today)


def build(preferences: Sequence[Row], rates: Sequence[RateStanding], contracts: Sequence[Row], *, today: date) -> Settings:
    """`preferences` as the store tells them; `contracts` with their days."""
    groups: dict[str, list[Setting]] = {name: [] for name in _ORDER}
    for row in preferences:
        setting = Setting(BY_NAME[row["name"]], row["value"], row["set_by"], row["set_at"])
        groups.setdefault(group_of(setting.of), []).append(setting)
    currencies = [_currency(one) for one in rates]
    dated = [{**row, "due": _due(row, today)} for row in contracts]
    return Settings(
        {name: tuple(found) for name, found in groups.items() if found},
        Table(_CURRENCIES.name, _CURRENCIES.columns, currencies),
        Table(_CONTRACTS.name, _CONTRACTS.columns, dated),
        (*_about_rates(rates), *_about_contracts(dated)),
        next((one.rate.code for one in rates if one.is_base), None),
    )


def group_of(preference: Preference) -> str:
    """Settings are grouped by the first word of their names."""
    first = preference.name.partition("_")[0]
    return _GROUPS.get(first, first.capitalize())


@cache
def zones() -> tuple[str, ...]:
    """Every time zone that this machine knows, by name; UTC first."""
    return (
        "UTC",
        *sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/", "right/"))),
    )


def effect_of_rate(code: str, before: Decimal, after: Decimal, base: str | None) -> str:
    """What another rate changes, before it is set."""
    then, now = (wording.digits(money.EXACT.multiply(rate, Decimal(1000))) for rate in (before, after))
    worth = f"1,000 {code} {'are' if before == after else f'were {then}, and will be'} {now} {base or 'in base currency'}"
    if before == after:
        return f"{worth}, as before: this says that the rate is still so today."
    return f"{worth}. It moves no invoice: it decides up to which difference later imports pass, and in which order currencies are listed."


def _currency(one: RateStanding) -> dict[str, Any]:
    standing = "base" if one.is_base else "stale" if one.is_stale else "not used" if not one.rate.used else "of late"
    told = {name: getattr(one.rate, name) for name in ("code", "rate", "set_at", "set_by", "invoices", "contracts", "subscriptions")}
    return told | {"age": standing}


def _due(row: Row, today: date) -> str | None:
    """How far the day is away, where there is one."""
    if row["next_invoice_date"] is None or row["status"] not in (None, "Active"):
        return None
    days = (row["next_invoice_date"] - today).days
    if days == 0:
        return "today"
    return f"in {wording.counted(days, 'day')}" if days > 0 else f"{wording.counted(-days, 'day')} ago"


def _about_rates(rates: Sequence[RateStanding]) -> list[Notice]:
    return [
        Notice(
            "Stale rate",
            f"{one.said[0].upper()}{one.said[1:]}; {wording.counted(one.rate.invoices, 'provider invoice')} and "
            f"{wording.counted(one.rate.contracts, 'contract')} are in it.",
            "Currencies",
        )
        for one in rates
        if one.is_stale
    ]


def _about_contracts(contracts: Sequence[Row]) -> list[Notice]:
    passed = [row for row in contracts if (row["due"] or "").endswith("ago") and row["usage_subscriptions"]]
    if not passed:
        return []
    named = ", ".join(f"{row['contract_id']} ({wording.day(row['next_invoice_date'])})" for row in passed[:3])
    more = f" and {len(passed) - 3:,} more" if len(passed) > 3 else ""
    return [
        Notice(
            "Day has passed",
            f"{wording.counted(len(passed), 'contract')} should have been invoiced: {named}{more}.",
            "Contracts",
        )
    ]


def form_help(of: Preference) -> str:
    """How a value is written, and the command that sets it."""
    bounds = f" from {of.least:,} to {of.most:,}" if of.form in (Form.WHOLE, Form.PERCENT) else ""
    return f"{str(of.form).capitalize()}{bounds}. By command: `settings set {of.name} VALUE`"
