"""Which change logs explain a row, what is each of them worth, and what have we not invoiced of them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from w365core import money
from w365core.reconcile import columns, exact, places, products, worth
from w365core.reconcile.calendar_months import months_of_price
from w365core.reconcile.columns import NOWHERE, Maybe
from w365core.reconcile.exact import Scaled
from w365core.reconcile.groups import Groups
from w365core.reconcile.offers import Offered
from w365core.reconcile.our_side import Printed
from w365core.reconcile.verdicts import Outside
from w365core.reconciliation import CHANGE_LOG_IN, LogBilling

_PRINTED = tuple(column.name for column in CHANGE_LOG_IN if column.name != "subscription_id")
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
    terms = [columns.at(ours[name], mine) for name in ("prorate_unit", "frequency", "contract_start")]
    numerator, denominator = worth.shares([cells["effective_date"], *terms, *(columns.at(day, outside.row) for day in window)])
    has_price = columns.valid(cells["selling_price"])
    offer = offered.offer[mine]
    price = exact.scaled_as_one(pa.concat_arrays([cells["selling_price"], columns.texts(offered.column("selling_price"))]))
    price = Scaled(price.numbers[np.where(has_price, np.arange(len(mine)), len(mine) + offer)], price.scale)
    months = np.array([months_of_price(one.unit) for one in offered.offers], dtype=np.int64)[offer]
    quantity = exact.scaled_as_one(cells["quantity"])
    quantity = Scaled(quantity.numbers.where(numerator != NOWHERE), quantity.scale)
    codes, code = _currencies(cells["currency"], has_price, offered, mine)
    whole, texts, place = columns.unknown(len(mine)), [], np.full(len(mine), NOWHERE)
    for number in np.unique(code).tolist():
        if not codes[number]:
            continue
        rows, coin = np.flatnonzero(code == number), money.minor_units(codes[number])
        found = products.rounded(
            *(Scaled(of.numbers[rows], of.scale) for of in (quantity, price)), numerator[rows], (denominator * months)[rows], coin=coin
        )
        whole = columns.put(whole, rows, found)
        place[rows] = sum(map(len, texts)) + np.arange(len(rows))
        texts.append(exact.texts(found, coin))
    billing = columns.first_true([(outside.logs.invoiced, 0), (outside.logs.archived, 1)], 2)
    return Explained(
        outside.row,
        cells,
        columns.named([str(one) for one in _BILLING], billing),
        columns.at(pa.concat_arrays([*texts, columns.texts([])]), place),
        columns.named(codes, code),
        _unbilled(
            outside, billing == 2, whole.where(np.array([one == currency for one in codes], dtype=bool)[code]), count=len(subscription)
        ),
    )


def _currencies(
    printed: pa.Array, has_price: np.ndarray, offered: Offered, subscription: np.ndarray
) -> tuple[list[str | None], np.ndarray]:
    """The currency of each log's price: its own, where it prints both; else of its subscription."""
    own, of_log = places.distinct(printed)
    is_own = has_price & np.array([one is not None for one in own], dtype=bool)[of_log]
    codes = [*offered.currencies, *(one and one.upper() for one in own)]
    return codes, np.where(is_own, len(offered.currencies) + of_log, offered.currency[subscription])


def _unbilled(outside: Outside, still: np.ndarray, worth: Maybe, *, count: int) -> Maybe:
    """Of the rows that were looked into; unknown where one of their logs that is `still` to bill has no worth in the invoice's currency."""
    rows = Groups(np.append(np.searchsorted(outside.row, outside.looked_into), len(outside.row)))
    sums = rows.sum(np.where(still, worth.filled(0), 0))
    found = Maybe(sums, ~rows.any(still & ~worth.known))
    return columns.put(columns.unknown(count), outside.looked_into, found)
