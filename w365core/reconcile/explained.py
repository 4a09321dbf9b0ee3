"""Which change logs explain a row, what is each of them worth, and what have we not invoiced of them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from w365core import money
from w365core.reconcile import columns, exact, places, products, worth
from w365core.reconcile.calendar_months import months_of_price
from w365core.reconcile.columns import NOWHERE, Columns, Maybe
from w365core.reconcile.exact import Scaled
from w365core.reconcile.groups import Groups
from w365core.reconcile.offers import Offered
from w365core.reconcile.our_side import Printed
from w365core.reconcile.verdicts import Outside
from w365core.reconciliation import CHANGE_LOG_IN, LogBilling

_PRINTED = tuple(column.name for column in CHANGE_LOG_IN if column.name != "subscription_id")
_TERMS = ("prorate_unit", "frequency", "contract_start")
_BILLING = (LogBilling.INVOICED, LogBilling.EXCLUDED, LogBilling.NOT_INVOICED)


@dataclass(frozen=True)
class Explained:
    """Change logs outside their rows' views: the place of each one's `row`, what it prints, whether it is billed, what it is worth and in which currency. And of every
    row, what of them is not billed yet, in whole coins of the invoice's currency: of rows that nobody looked into that is unknown."""

    row: np.ndarray
    printed: pa.RecordBatch
    billing: pa.Array
    worth: pa.Array
    worth_currency: pa.Array
    unbilled: Maybe


@dataclass(frozen=True)
class _Factors(Columns):
    """What a change is worth: `quantity` x `price` x `numerator` / `denominator`."""

    quantity: Scaled
    price: Scaled
    numerator: np.ndarray
    denominator: np.ndarray


def explained(
    outside: Outside,
    subscription: np.ndarray,
    window: tuple[pa.Array, pa.Array],
    ours: pa.RecordBatch,
    offered: Offered,
    printed: Printed,
    currency: str,
) -> Explained:
    """What the logs outside say. Of every row: its `subscription` among `ours`, and the days of its `window`."""
    cells, mine = printed(outside.logs.log, _PRINTED), subscription[outside.row]
    codes, code = _currencies(cells, offered, mine)
    factors = _factors(
        cells, offered, mine, [columns.at(ours[name], mine) for name in _TERMS], [columns.at(day, outside.row) for day in window]
    )
    worths, printed_worth = _worths(factors, codes, code)
    billing = columns.first_true([(outside.logs.invoiced, 0), (outside.logs.archived, 1)], 2)
    is_ours = np.array([one == currency for one in codes], dtype=bool)[code]
    return Explained(
        row=outside.row,
        printed=cells,
        billing=columns.named([str(one) for one in _BILLING], billing),
        worth=printed_worth,
        worth_currency=columns.named(codes, code),
        unbilled=_unbilled(outside, billing == 2, worths.where(is_ours), count=len(subscription)),
    )


def _factors(
    cells: pa.RecordBatch, offered: Offered, subscription: np.ndarray, terms: Sequence[pa.Array], window: Sequence[pa.Array]
) -> _Factors:
    """What is multiplied: the change of seats, its own price, else its subscription's, and its share of so many months of that price."""
    numerator, denominator = worth.shares([cells["effective_date"], *terms, *window])
    offer, is_own = offered.offer[subscription], columns.valid(cells["selling_price"])
    prices = exact.scaled_as_one(pa.concat_arrays([cells["selling_price"], columns.texts(offered.column("selling_price"))]))
    price = prices.numbers[np.where(is_own, np.arange(len(offer)), len(offer) + offer)].where(numerator != NOWHERE)
    months = np.array([months_of_price(one.unit) for one in offered.offers], dtype=np.int64)[offer]
    quantity = exact.scaled_as_one(cells["quantity"])
    return _Factors(quantity, Scaled(price, prices.scale), numerator, denominator * months)


def _worths(factors: _Factors, codes: list[str | None], code: np.ndarray) -> tuple[Maybe, pa.Array]:
    """What each is worth, in whole coins of its currency and as text; unknown without one."""
    worths, texts, place = columns.unknown(len(code)), [columns.texts([])], np.full(len(code), NOWHERE)
    for number in np.unique(code).tolist():
        if not codes[number]:
            continue
        rows, coin = np.flatnonzero(code == number), money.minor_units(codes[number])
        mine = factors[rows]
        found = products.rounded(mine.quantity, mine.price, mine.numerator, mine.denominator, coin=coin)
        worths = columns.put(worths, rows, found)
        place[rows] = sum(map(len, texts)) + np.arange(len(rows))
        texts.append(exact.texts(found, coin))
    return worths, columns.at(pa.concat_arrays(texts), place)


def _currencies(cells: pa.RecordBatch, offered: Offered, subscription: np.ndarray) -> tuple[list[str | None], np.ndarray]:
    """The currency of each log's price: its own, where it prints both; else of its subscription."""
    own, of_log = places.distinct(cells["currency"])
    is_own = columns.valid(cells["selling_price"]) & np.array([one is not None for one in own], dtype=bool)[of_log]
    codes = [*offered.currencies, *(one and one.upper() for one in own)]
    return codes, np.where(is_own, len(offered.currencies) + of_log, offered.currency[subscription])


def _unbilled(outside: Outside, still: np.ndarray, worth: Maybe, *, count: int) -> Maybe:
    """Of the rows that were looked into; unknown where one of their logs that is `still` to bill has no worth in the invoice's currency."""
    rows = Groups(np.append(np.searchsorted(outside.row, outside.looked_into), len(outside.row)))
    sums = rows.sum(columns.with_room(np.where(still, worth.filled(0), 0)))
    found = Maybe(sums, ~rows.any(still & ~worth.known))
    return columns.put(columns.unknown(count), outside.looked_into, found)
