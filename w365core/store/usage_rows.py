"""Which usage is it about? Usage summaries as they are stored and as a file prints them, those that are chosen, and what they have been before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from w365core.store.engine import driver_cursor

_AT_ONCE = 1000  # rows

# In the order of rating.cells.Stored; quantity and cost are those in force.
_STORED = """
    select u.usage_id, p.invoice_number as invoice, u.account_id as account, u.subscription_id as subscription, u.product, u.charge_start,
        u.charge_end, coalesce(u.corrected_quantity, u.quantity) as quantity, coalesce(u.corrected_cost, u.cost) as cost, u.currency, u.markup_pct,
        u.selling_amount, u.status, u.version, u.provider_invoice_id, u.confirmed, u.invoice_number as customer_invoice, a.name as account_name
    from usage_summary u join provider_invoice p using (provider_invoice_id) left join account a on a.account_id = u.account_id
"""


@dataclass(frozen=True)
class Chosen:
    """Which usage: each that is given narrows it, blank chooses all. `open_only` leaves out what is invoiced or archived, or not of an Active invoice."""

    invoices: Sequence[int] = ()  # provider_invoice_id
    accounts: Sequence[str] = ()
    subscriptions: Sequence[str] = ()
    products: Sequence[str] = ()
    usage_ids: Sequence[str] = ()
    open_only: bool = False


def by_ids(connection: Connection, usage_ids: Sequence[str], *, lock: bool) -> Sequence[tuple]:
    """Those usage summaries; with `lock` nobody else changes them before the caller's transaction ends."""
    hold = " order by u.usage_id for update of u" if lock else ""
    return [tuple(row) for row in connection.execute(text(f"{_STORED} where u.usage_id = any(:ids){hold}"), {"ids": list(usage_ids)})]


# In the order of rating.corrections.Line. The cells as a file prints them; what is printed otherwise there is compared value by value instead.
_LINE = """
    select u.usage_id, u.version, concat_ws(E'\\x1f', p.invoice_number, coalesce(u.account_id, ''), coalesce(u.subscription_id, ''),
        coalesce(u.product, ''), coalesce(to_char(u.charge_start, 'YYYY-MM-DD'), ''), coalesce(to_char(u.charge_end, 'YYYY-MM-DD'), ''),
        trim_scale(coalesce(u.corrected_quantity, u.quantity)), round(cost.trimmed, greatest(scale(cost.trimmed), 2)), u.currency),
        coalesce(trim_scale(u.markup_pct)::text, ''), concat_ws(E'\\x1f', coalesce(u.selling_amount::text, ''), u.status), u.provider_invoice_id,
        u.account_id, a.name, u.currency, u.status, u.confirmed, u.selling_amount
    from (
        select usage_id, provider_invoice_id, account_id, subscription_id, product, charge_start, charge_end, quantity, cost, corrected_quantity,
            corrected_cost, markup_pct, selling_amount, currency, status, confirmed, version
        from usage_summary where usage_id = any(string_to_array(%s, E'\\x1f')) {hold}
    ) u
    join provider_invoice p using (provider_invoice_id) left join account a on a.account_id = u.account_id
    cross join lateral (select trim_scale(coalesce(u.corrected_cost, u.cost)) as trimmed) cost
"""


def lines(connection: Connection, usage_ids: Iterable[str], *, lock: bool) -> Iterator[tuple]:
    """Those usage summaries as printed, one after the other: the server prints the next while the caller looks at these."""
    statement = _LINE.format(hold="order by usage_id for update" if lock else "")
    with driver_cursor(connection) as cursor:
        yield from cursor.stream(statement, ("\x1f".join(usage_ids),), size=_AT_ONCE)


def chosen(connection: Connection, which: Chosen, *, lock: bool = False, most: int | None = None) -> Sequence[Row]:
    """The chosen usage summaries, by invoice and id; with `most` the dearest of them."""
    where, bound = condition(which)
    order = " order by u.cost desc, u.usage_id limit :most" if most is not None else " order by u.usage_id"
    hold = " for update of u" if lock else ""
    return connection.execute(text(f"{_STORED} where {where}{order}{hold}"), bound | {"most": most}).all()


def how_many(connection: Connection, which: Chosen) -> tuple[int, int]:
    """How many usage summaries are chosen, and how many of them are invoiced, so that nobody can change them."""
    where, bound = condition(which)
    statement = text(
        f"select count(*), count(*) filter (where u.status = 'Invoiced') from usage_summary u join provider_invoice p using (provider_invoice_id) where {where}"
    )
    counted = connection.execute(statement, bound).one()
    return counted[0], counted[1]


def condition(which: Chosen) -> tuple[str, dict[str, Any]]:
    """Of usage summaries `u` and their provider invoices `p`, with what it is bound to."""
    named = {
        "invoices": "u.provider_invoice_id", "accounts": "u.account_id", "subscriptions": "u.subscription_id", "products": "u.product",
        "usage_ids": "u.usage_id",
    }  # fmt: skip
    parts = [f"{column} = any(:{name})" for name, column in named.items() if getattr(which, name)]
    if which.open_only:
        parts.append("u.status = 'Not invoiced' and p.state = 'Active'")
    return " and ".join(parts) or "true", {name: list(getattr(which, name)) for name in named if getattr(which, name)}


def markups_now(connection: Connection, subscription_ids: Iterable[str]) -> dict[str, Any]:
    """What each subscription's markup is today; those that have none are left out."""
    query = text("select subscription_id, markup_pct from subscription where subscription_id = any(:ids) and markup_pct is not null")
    return {row.subscription_id: row.markup_pct for row in connection.execute(query, {"ids": list(set(subscription_ids))})}


_PAST = text("""
    select r.usage_id, c.correction_id, c.actor, c.at, c.undone_by, c.undone_at, r.quantity_before, r.cost_before, r.markup_before,
        r.selling_before, r.quantity_after, r.cost_after, r.markup_after, r.selling_after
    from usage_correction_row r join usage_correction c using (correction_id) where r.usage_id = any(:ids) order by c.correction_id
""")


def past(connection: Connection, usage_ids: Sequence[str]) -> Sequence[Row]:
    """Every correction of these rows, undone ones included, oldest first."""
    return connection.execute(_PAST, {"ids": list(usage_ids)}).all()
