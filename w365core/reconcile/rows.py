"""What is said of an invoice's rows? One row per subscription and window: both sides, the verdict, the prices, the money; and its change logs.

Subscriptions are numbered in the order of their ids and rows by subscription and window, so that everything between is done on integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from w365core.reconcile import (
    agreeing,
    at_risk,
    columns,
    keys,
    names,
    offers,
    our_side,
    prices,
    provider_side,
    quantities,
    reasons,
    right_amounts,
    verdicts,
)
from w365core.reconcile.agreeing import Agreed
from w365core.reconcile.columns import DAY, NEVER, NOWHERE, Columns, Maybe
from w365core.reconcile.explained import Explained, explained
from w365core.reconcile.keys import Billed, Keyed
from w365core.reconcile.offers import Offered
from w365core.reconcile.our_side import History, Printed, Subscribed
from w365core.reconcile.prices import Costs, Terms
from w365core.reconcile.verdicts import CODES, Rows
from w365core.reconciliation import Verdict


@dataclass(frozen=True)
class Given:
    """What is reconciled, in the columns of `reconciliation`: the lines, our subscriptions in the order of their ids, and the place there of each line's and of each
    change log's (NOWHERE: none); and what reads the change logs."""

    lines: pa.RecordBatch
    subscriptions: pa.RecordBatch
    logs: pa.RecordBatch
    of_line: np.ndarray
    of_log: np.ndarray
    printed: Printed
    currency: str


@dataclass(frozen=True)
class All(Columns):
    """All rows: those of lines that were looked into, in the order of their keys, those without a line, those that plainly agree. Of each: whose it is, its window, its
    subscription (NOWHERE: none), how many lines it has, both sides' seats, the verdict (a number of CODES), the day of the snapshot; and the places of what it
    prints, among the names, the costs, and what is told."""

    owner: np.ndarray
    window: np.ndarray
    subscription: np.ndarray
    lines: np.ndarray
    theirs: Maybe
    ours: Maybe
    then: Maybe
    verdict: np.ndarray
    snapshot: np.ndarray
    source: np.ndarray
    cost: np.ndarray
    told: np.ndarray


@dataclass(frozen=True)
class Judged:
    """All rows in whole numbers, and the tables that their places are of. `looked_into` are the first of them. The change logs outside their views, and what all were
    made of."""

    given: Given
    all: All
    looked_into: Rows
    changes: Explained
    names: Mapping[str, pa.Array]
    owners: pa.Array
    costs: Costs
    offered: Offered
    reasons: pa.Array
    money_at_risk: pa.Array
    billed: Billed
    is_right: np.ndarray
    terms: Terms
    keyed: Keyed
    history: History
    scale: int


def judged(given: Given) -> Judged:
    """All that is said of the rows."""
    lines, subscriptions, currency = given.lines, given.subscriptions, given.currency
    charged = quantities.billed(lines)
    seats = quantities.seats_of(*(charged, subscriptions["quantity"], given.logs["quantity"]), of_line=given.of_line, of_log=given.of_log)
    ours = our_side.subscribed(subscriptions, seats.subscriptions)
    history = our_side.replayed(given.logs, subscription=given.of_log, seats=seats.logs, count=len(ours))
    windows, window = keys.windows(lines)
    terms = prices.terms_of(lines, window)
    billed = Billed(given.of_line, window, terms.number, keys.charges(lines), seats.lines, columns.whole(lines["charge_start"], null=NEVER))
    is_right = right_amounts.plainly_right(
        lines["subtotal"], terms.prices, terms.rates, terms=terms.number, seats=seats.lines, scale=seats.scale, currency=currency
    )
    is_listed = np.array([price is None for price in terms.exceeded], dtype=bool)[terms.number]
    agreed = agreeing.agreed(lines, billed, is_right & is_listed, ours, history)
    is_left = np.ones(len(billed), dtype=bool)
    is_left[agreed.line] = False
    keyed = keys.keyed(lines, billed, np.flatnonzero(is_left), windows, owners=len(ours))
    provider = provider_side.charged(keyed.lines, keyed.rows, columns.looked_up(ours.seats, keyed.subscription))
    snapshot = np.where(provider.last_event == NEVER, windows.start[keyed.window], provider.last_event // DAY)
    rows = verdicts.judged(keyed.subscription, snapshot, provider, ours, our_side.held(history), history)
    rows, outside = verdicts.looked_into(rows, history, given.printed)
    absent = _absent(ours, billed)
    printed_names, source = names.printed(lines, keyed, subscriptions.take(columns.numbers(absent)))
    costs, offered = prices.unit_costs(billed, terms), offers.offered(subscriptions, currency)
    cost = prices.costs_of(keyed.lines, keyed.rows, costs)
    days = (windows.start[keyed.window], windows.end[keyed.window])
    changes = explained(
        outside,
        keyed.subscription,
        tuple(columns.numbers(day, day != NEVER, kind=pa.date32()) for day in days),
        *(subscriptions, offered, given.printed, currency),
    )
    whole = columns.joined(
        _of_lines(rows, keyed, source[: len(rows)], cost),
        _of_absent(ours, absent, source[len(rows) :]),
        _of_agreed(agreed, costs.place[terms.number[agreed.line] * 2 + 1]),
    )
    whole, sentences, money = _told(whole, rows, provider.why, printed_names["subtotal"], costs, offered, seats.scale, currency)
    owners = names.owners(keyed, subscriptions["subscription_id"])
    return Judged(
        given=given, all=whole, looked_into=rows, changes=changes, names=printed_names, owners=owners,
        costs=costs, offered=offered, reasons=sentences, money_at_risk=money,
        billed=billed, is_right=is_right, terms=terms, keyed=keyed, history=history, scale=seats.scale,
    )  # fmt: skip


def _absent(ours: Subscribed, billed: Billed) -> np.ndarray:
    """The subscriptions that should have been on the invoice and have no line there."""
    is_on_it = np.zeros(len(ours), dtype=bool)
    is_on_it[billed.subscription[billed.subscription != NOWHERE]] = True
    return np.flatnonzero(ours.expected & ~is_on_it)


def _of_lines(rows: Rows, keyed: Keyed, source: np.ndarray, cost: np.ndarray) -> All:
    return All(
        owner=keyed.owner, window=keyed.window, subscription=keyed.subscription, lines=keyed.rows.sizes,
        theirs=rows.theirs, ours=rows.ours, then=rows.then, verdict=rows.verdict, snapshot=rows.snapshot,
        source=source, cost=cost, told=np.zeros_like(source),
    )  # fmt: skip


def _of_absent(ours: Subscribed, absent: np.ndarray, source: np.ndarray) -> All:
    nothing, nowhere, unknown = np.zeros_like(absent), np.full_like(absent, NOWHERE), columns.unknown(len(absent))
    verdict = np.full(len(absent), CODES[Verdict.NOT_ON_INVOICE], dtype=np.int8)
    return All(
        owner=absent, window=nowhere, subscription=absent, lines=nothing,
        theirs=unknown, ours=ours.seats[absent], then=unknown, verdict=verdict, snapshot=np.full_like(absent, NEVER),
        source=source, cost=nowhere, told=nothing,
    )  # fmt: skip


def _of_agreed(agreed: Agreed, cost: np.ndarray) -> All:
    seats = columns.certain(agreed.seats)
    verdict = np.full(len(agreed), CODES[Verdict.CONFIRMED], dtype=np.int8)
    return All(
        owner=agreed.subscription, window=agreed.window, subscription=agreed.subscription, lines=np.ones_like(agreed.line),
        theirs=seats, ours=seats, then=agreed.then, verdict=verdict, snapshot=agreed.snapshot,
        source=agreed.line, cost=cost, told=np.zeros_like(agreed.line),
    )  # fmt: skip


def _told(
    whole: All, rows: Rows, why: np.ndarray, subtotals: pa.Array, costs: Costs, offered: Offered, scale: int, currency: str
) -> tuple[All, pa.Array, pa.Array]:
    """The rows with the place of what is told of each; the reasons, and the money at risk. Rows that agree, nine of ten, share the first, and nothing more of them is
    looked at."""
    differs = whole.verdict != CODES[Verdict.CONFIRMED]
    differs[: len(rows)] |= rows.changed_since
    told = np.flatnonzero(differs)
    others, of_rows = whole[told], np.where(told < len(rows), told, NOWHERE)
    facts = reasons.Facts(
        verdict=others.verdict,
        snapshot=others.snapshot,
        theirs=others.theirs,
        ours=others.ours,
        then=others.then,
        changed_since=columns.or_else(rows.changed_since, of_rows, False),
        settles=columns.or_else(rows.settles.known & rows.settles.values, of_rows, False),
        why=columns.or_else(why, of_rows, NOWHERE),
        logs=columns.or_else(rows.logs, of_rows, 0),
        outside=columns.or_else(rows.outside, of_rows, 0),
        residual=columns.looked_up(rows.residual, of_rows),
    )
    money = at_risk.money_at_risk(
        facts,
        scale,
        subtotal=columns.at(subtotals, others.source),
        cost=others.cost,
        costs=costs.printed,
        offer=columns.or_else(offered.offer, others.subscription, NOWHERE),
        offers=offered.offers,
        currency=currency,
    )
    place = np.zeros(len(whole), dtype=np.int64)
    place[told] = np.arange(1, len(told) + 1)
    sentences = pa.concat_arrays([columns.texts([reasons.AGREES]), reasons.reasons(facts, scale)])
    return replace(whole, told=place), sentences, pa.concat_arrays([columns.texts(["0"]), money])
