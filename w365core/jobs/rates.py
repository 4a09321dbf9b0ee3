"""How old are the rates that money of other currencies is measured by, and how is one set? A door for pages and for the command line.

A rate moves no invoice: it decides up to which difference a later import passes, and in which order money of several currencies is listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Engine

from w365core import money
from w365core.errors import CallRefused
from w365core.jobs.permitting import acts
from w365core.store import preferences, rates as store, supplying
from w365core.store.engine import guarded
from w365core.store.ledger import Who
from w365core.store.rates import Rate

__all__ = ["Standing", "set_rate", "standing"]


@dataclass(frozen=True)
class Standing:
    """A currency's rate, and whether a person should look at it."""

    rate: Rate
    is_base: bool
    is_stale: bool
    said: str


def standing(connection: Connection, *, now: datetime) -> list[Standing]:
    """Every currency of our records, those with a stale rate first."""
    days = int(preferences.values(connection)["rate_stale_days"])
    found = [_stands(one, now=now, days=days) for one in store.all_of_them(connection)]
    return sorted(found, key=lambda one: (not one.is_stale, not one.rate.used, one.rate.code))


@acts("set rate")
def set_rate(
    engine: Engine, code: str, rate: Decimal | None, *, actor: str, now: datetime, seen: Decimal | None = None
) -> tuple[str, bool]:
    """Sets a currency's rate, or confirms the one it has; returns its code and whether the rate is another now. CallRefused where it makes no sense, or
    where somebody has changed it since it was `seen`."""
    if rate is None or not money.is_plausible(rate) or rate <= 0:
        raise CallRefused("A rate is a number above 0, such as 0.92: an amount times its rate is the amount in base currency.")
    with guarded(), engine.begin() as connection:
        supplying.one_by_one(connection)  # before any row's lock: a load takes them in this order
        found = store.locked(connection, code.strip())
        if found is None:
            raise CallRefused(f"There is no currency {code.strip()[:60]!r}; `add-currency CODE --rate N` adds it.")
        known, before = found
        if seen is not None and before != seen:
            by = store.set_by(connection, known) or "somebody"
            raise CallRefused(f"The rate of {known} was changed to {money.plain(before)} by {by} meanwhile; look at it again.")
        base = store.base(connection)
        if base == known and rate != 1:
            raise CallRefused(
                f"{known} is the base currency, whose rate is 1; another base means other rates everywhere: load a new currencies.csv."
            )
        if rate == 1 and base not in (None, known) and before != 1:
            raise CallRefused(
                f"A rate of 1 marks the base currency, and that is {base}; a currency that is worth as much has a rate such as 1.0000001."
            )
        store.save(connection, known, before=before, after=rate, who=Who(actor, now))
        return known, before != rate


def _stands(rate: Rate, *, now: datetime, days: int) -> Standing:
    if rate.rate == 1:
        return Standing(rate, is_base=True, is_stale=False, said=f"{rate.code} is the base currency")
    if rate.set_at is None:
        return Standing(rate, is_base=False, is_stale=rate.used and days > 0, said=f"nobody knows since when {rate.code} has its rate")
    age = (now - rate.set_at) // timedelta(days=1)
    stale = rate.used and 0 < days < age
    return Standing(
        rate,
        is_base=False,
        is_stale=stale,
        said=f"the rate of {rate.code} is {age:,} days old" if age else f"the rate of {rate.code} is of today",
    )
