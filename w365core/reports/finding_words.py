"""What is odd about a line of the provider's? A finding as a sentence, its amounts and days as a page has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from w365core.reconciliation import FindingKind
from w365core.reports import wording

LABELS = {
    FindingKind.AMOUNT_OFF: "Amount fits neither rounding rule",
    FindingKind.CREDIT_LOST: "Partner credit lost",
    FindingKind.ABOVE_LIST: "Price above list",
    FindingKind.CHARGED_TWICE: "Charged twice",
    FindingKind.BILLED_AFTER_CANCELLATION: "Charged after the cancellation",
}
_DAY = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


def sentence(row: Mapping[str, Any]) -> str:
    """`row` as the store gives it, or a run before it is stored: then nobody says which quantity and pricing currency the line prints."""
    kind, found, expected = row["kind"], row["found"], row["expected"]
    reason = row["reason"] or LABELS[kind]
    if row["line_id"] is None or " on invoice " in reason:  # usage, and what other invoices say: the sentence has its amounts already
        return _with_days(reason)
    if kind == FindingKind.AMOUNT_OFF and None not in (found, expected):
        return f"The amount is {_amount(found, row)}, and the provider's own rules of rounding give {_amount(expected, row)} for its price and {_seats(row)}."
    if kind == FindingKind.ABOVE_LIST and None not in (found, expected):
        return f"A seat costs {_price(found, row)} in this window, and the list price for it is {_price(expected, row)}."
    if kind == FindingKind.CHARGED_TWICE and None not in (found, expected):
        return f"The window is charged more than once: {_amount(found, row)} together, where one charge is {_amount(expected, row)}; no credit takes one back."
    return _with_days(reason) if kind == FindingKind.BILLED_AFTER_CANCELLATION else reason


def _with_days(reason: str) -> str:
    return _DAY.sub(lambda day: wording.day(date(*map(int, day.groups()))), reason)


def _amount(number: Decimal, row: Mapping[str, Any]) -> str:
    return wording.amount(number, row["currency"] or "").strip()


def _price(number: Decimal, row: Mapping[str, Any]) -> str:
    """Prices are in the pricing currency, which may be another than the invoice's."""
    currency = row.get("pricing_currency")
    return wording.amount(number, currency) if currency else wording.digits(number)


def _seats(row: Mapping[str, Any]) -> str:
    quantity = row.get("quantity")
    return "quantity" if quantity is None else f"{wording.digits(quantity)} {'seat' if quantity == 1 else 'seats'}"
