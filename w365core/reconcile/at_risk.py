"""How much money is a row about, in the invoice's currency? Never negative; null where the price it takes is unknown or in another currency."""

from __future__ import annotations

from decimal import Decimal

from w365core import money
from w365core.reconcile import exact, prices
from w365core.reconciliation import Verdict

_RESIDUAL = (Verdict.PARTLY_EXPLAINED, Verdict.UNEXPLAINED, Verdict.CHANGE_LOG_MISMATCH)
_SUBTOTAL = (Verdict.SUSPENDED_BUT_BILLED, Verdict.NO_SUBSCRIPTION, Verdict.NOT_RECONCILABLE)
_DIFFERENCE = (Verdict.EXPLAINED_NOT_INVOICED, Verdict.EXCLUDED, Verdict.PROVISIONING_GAP)


def money_at_risk(
    verdict: str,
    residual: str | None,
    difference: str | None,
    our_quantity: str | None,
    subtotal: str | None,
    unit_cost: str | None,
    selling_price: str | None,
    cost_price: str | None,
    unit: str | None,
    comparable: bool,
    currency: str,
) -> str | None:
    """The money of one combination, at the coin of the invoice's currency; `comparable`: our prices are in the invoice's currency."""
    if verdict in _SUBTOTAL:
        return None if subtotal is None else exact.plain(exact.number(subtotal).copy_abs())
    if verdict in _RESIDUAL:
        return _product(residual, exact.number(unit_cost) if unit_cost else None, currency)
    if verdict in _DIFFERENCE:
        return _product(difference, prices.monthly(selling_price, unit) if comparable else None, currency)
    if verdict == Verdict.NOT_ON_INVOICE:
        return _product(our_quantity, prices.monthly(cost_price, unit) if comparable else None, currency)
    return "0"


def _product(quantity: str | None, price: Decimal | None, currency: str) -> str | None:
    if quantity is None or price is None:
        return None
    return exact.plain(money.in_currency(money.EXACT.multiply(exact.number(quantity), price).copy_abs(), currency))
