"""Since which day does the provider charge what our change logs lack? Of each subscription the windows of the latest runs, one after the other.

A window has the missing quantity where the provider agrees once it is added to our logs: the run says so of a mismatch (`residual_settles`); where the
provider charges what we have now, our logs up to the day that it counted on come to that with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from w365core.store.reconciliations import LATEST_RUNS

# Of a window that stands on several invoices the newest one holds.
_WINDOWS = f"""
    with latest as ({LATEST_RUNS}),
    wanted as (select * from unnest(cast(:subscriptions as text[]), cast(:residuals as numeric[])) as w(subscription_id, residual)),
    windows as (
        select distinct on (w.subscription_id, l.charge_start, l.charge_end) w.subscription_id, l.charge_start,
            case
                when l.provider_quantity = s.quantity then coalesce((
                    select sum(g.quantity) from license_change_log g where g.subscription_id = w.subscription_id and g.effective_date <= l.snapshot
                ), 0) + w.residual = l.provider_quantity
                else coalesce(l.residual_settles and l.residual = w.residual, false)
            end as has_it
        from wanted w join subscription s on s.subscription_id = w.subscription_id
        join reconciliation_line l on l.subscription_id = w.subscription_id
        join latest on latest.reconciliation_id = l.reconciliation_id
        join provider_invoice p on p.provider = latest.provider and p.invoice_number = latest.invoice_number
        where l.charge_start is not null and l.provider_quantity is not null and p.status_reason in ('Active', 'Active Usage', 'Populating')
        order by w.subscription_id, l.charge_start, l.charge_end, p.invoice_date desc nulls last, l.reconciliation_id desc
    )
    select subscription_id, charge_start, bool_and(has_it) as has_it from windows group by 1, 2 order by 1, 2
"""


@dataclass(frozen=True)
class Since:
    """The start of the first window from which on every one has the missing quantity; `always`: no earlier window is known."""

    day: date
    always: bool


def since(connection: Connection, residuals: Mapping[str, Decimal]) -> dict[str, Since]:
    """Of the subscriptions, each with the quantity that its logs lack, those whose latest window has it."""
    if not residuals:
        return {}
    bound = {"subscriptions": list(residuals), "residuals": list(residuals.values())}
    windows: dict[str, list[tuple[date, bool]]] = {}
    for row in connection.execute(text(_WINDOWS), bound):
        windows.setdefault(row.subscription_id, []).append((row.charge_start, row.has_it))
    found = {of: _first(known) for of, known in windows.items()}
    return {of: first for of, first in found.items() if first is not None}


def _first(known: list[tuple[date, bool]]) -> Since | None:
    """`known` are the days on which windows begin, the oldest first."""
    lacking = [place for place, (_, has_it) in enumerate(known) if not has_it]
    place = lacking[-1] + 1 if lacking else 0
    return Since(known[place][0], not place) if place < len(known) else None
