"""Which rates do currencies have, since when, and what goes by them? Setting one, and saying that a load has confirmed those of its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from w365core.store import audit
from w365core.store.ledger import Who
from w365core.store.tables import currency, currency_rate


@dataclass(frozen=True)
class Rate:
    """`set_at` None: nobody knows since when it is so. What goes by it: provider invoices, contracts, subscriptions, each as a number."""

    code: str
    rate: Decimal
    set_by: str | None
    set_at: datetime | None
    invoices: int
    contracts: int
    subscriptions: int

    @property
    def used(self) -> bool:
        return bool(self.invoices or self.contracts or self.subscriptions)


_ALL = text("""
    select c.code, c.rate_to_base as rate, r.set_by, r.set_at,
           (select count(*) from provider_invoice where upper(currency) = upper(c.code)) as invoices,
           (select count(*) from billing_contract where upper(currency) = upper(c.code)) as contracts,
           (select count(*) from subscription where upper(currency) = upper(c.code)) as subscriptions
    from currency c left join currency_rate r on r.code = upper(c.code) and r.rate_to_base = c.rate_to_base
    order by upper(c.code)
""")


def all_of_them(connection: Connection) -> list[Rate]:
    """Every currency of our records, by code."""
    return [Rate(**row) for row in connection.execute(_ALL).mappings()]


def base(connection: Connection) -> str | None:
    """The currency whose rate is 1; of several the first by code."""
    return next(iter(bases(connection)), None)


def bases(connection: Connection) -> list[str]:
    """Every currency whose rate is 1, by code: one, where our records are right."""
    return list(connection.execute(select(currency.c.code).where(currency.c.rate_to_base == 1).order_by(currency.c.code)).scalars())


def locked(connection: Connection, code: str) -> tuple[str, Decimal] | None:
    """The currency as it is written, and its rate, which nobody else changes until the caller's transaction ends."""
    query = select(currency.c.code, currency.c.rate_to_base).where(func.upper(currency.c.code) == code.upper())
    found = connection.execute(query.with_for_update()).first()
    return None if found is None else (found.code, found.rate_to_base)


def set_by(connection: Connection, code: str) -> str | None:
    """Who has set or confirmed the rate that it has now; None where nobody knows."""
    return next((one.set_by for one in all_of_them(connection) if one.code == code), None)


def save(connection: Connection, code: str, *, before: Decimal, after: Decimal, who: Who) -> None:
    """Sets the rate and says so in the log; setting it to what it is says that it still is so."""
    connection.execute(update(currency).where(currency.c.code == code).values(rate_to_base=after))
    confirm(connection, [(code, after)], who=who)
    action = "confirm currency rate" if before == after else "set currency rate"
    told = {"before": {"rate_to_base": before}, "after": {"rate_to_base": after}}
    audit.append(connection, at=who.now, actor=who.actor, action=action, target_kind="currency", target=code.upper(), **told)


def confirm(connection: Connection, rates: Sequence[tuple[str, Decimal]], *, who: Who) -> None:
    """Says of each that this is its rate now. One that our records have otherwise stays unknown."""
    for code, rate in rates:
        written = {"code": code.upper(), "rate_to_base": rate, "set_by": who.actor, "set_at": who.now}
        connection.execute(insert(currency_rate).values(**written).on_conflict_do_update(index_elements=["code"], set_=written))
