"""How much money is a row about, in the invoice's currency? Never negative; null where the price it takes is unknown or in another currency."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import money
from w365core.reconcile import columns, exact, products
from w365core.reconcile.calendar_months import months_of_price
from w365core.reconcile.columns import NOWHERE, Maybe
from w365core.reconcile.exact import Scaled
from w365core.reconcile.offers import Offer
from w365core.reconcile.reasons import Facts
from w365core.reconcile.verdicts import CODES
from w365core.reconciliation import Verdict

_RESIDUAL = (Verdict.PARTLY_EXPLAINED, Verdict.UNEXPLAINED, Verdict.CHANGE_LOG_MISMATCH)
_SUBTOTAL = (Verdict.SUSPENDED_BUT_BILLED, Verdict.NO_SUBSCRIPTION, Verdict.NOT_RECONCILABLE)
_DIFFERENCE = (Verdict.EXPLAINED_NOT_INVOICED, Verdict.EXCLUDED, Verdict.PROVISIONING_GAP)
_CALM = (Verdict.CONFIRMED, Verdict.EXPLAINED_INVOICED)
_MISSING = (Verdict.NOT_ON_INVOICE,)


def _of(verdict: np.ndarray, verdicts: tuple[Verdict, ...]) -> np.ndarray:
    return np.isin(verdict, [CODES[one] for one in verdicts])


def money_at_risk(
    rows: Facts,
    scale: int,
    *,
    subtotal: pa.Array,
    cost: np.ndarray,
    costs: list[str],
    offer: np.ndarray,
    offers: list[Offer],
    currency: str,
) -> pa.Array:
    """As text at the coin of the invoice's currency: the whole subtotal, or the quantity in question at the price it would have. `cost` and `offer` of each row are
    places among `costs` and `offers`, or NOWHERE; what agrees is about nothing."""
    of_residual, of_subtotal, of_difference, of_missing = (_of(rows.verdict, of) for of in (_RESIDUAL, _SUBTOTAL, _DIFFERENCE, _MISSING))
    difference = (rows.theirs - rows.ours).where(of_difference)
    quantity = columns.either(of_residual, rows.residual, columns.either(of_missing, rows.ours, difference))
    # All prices stand one after the other: the costs, what each offer is sold for, what it costs us; and one that is not known.
    own = [[getattr(offer, name) if offer.comparable else None for offer in offers] for name in ("selling_price", "cost_price")]
    price = exact.scaled_as_one(columns.texts([*costs, *own[0], *own[1], None]))
    of_offer = np.where(of_missing, len(costs) + len(offers), len(costs)) + offer
    place = np.where(of_residual, cost, np.where(offer == NOWHERE, NOWHERE, of_offer))  # the last is the one that is not known
    months = np.array([*([1] * len(costs)), *(2 * [months_of_price(offer.unit) for offer in offers]), 1])
    found = products.rounded(
        Scaled(quantity, scale),
        price[place],
        np.ones_like(place),
        months[place],
        coin=money.minor_units(currency),
    )
    size = columns.either(_of(rows.verdict, _CALM), columns.certain(np.zeros_like(place)), Maybe(np.abs(found.values), found.known))
    here = np.arange(len(rows))
    whole = pc.utf8_ltrim(exact.canonical(columns.at(subtotal, np.where(of_subtotal, here, NOWHERE))), "-")
    cells = pa.concat_arrays([exact.texts(size, money.minor_units(currency)), whole])
    return columns.at(cells, np.where(of_subtotal, len(rows) + here, here))
