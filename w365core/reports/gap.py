"""What is there to be said of what an invoice's lines leave open: how much the header differs from them, and whether that was explained or accepted?"""

from __future__ import annotations

from w365core import money
from w365core.model import Failure, StatusReason
from w365core.reports import wording
from w365core.reports.provider_invoice import Invoice


def said(subject: Invoice) -> tuple[str, ...]:
    """A few sentences; none where no lines were ever added up."""
    if subject.difference is None or subject.header_total is None:
        return ()
    usage = _usage(subject)
    sums = f"The header says {_amount(subject, 'header_total')}, the lines with tax come to {_amount(subject, 'lines_total')}"
    if not subject.difference:
        return (f"{sums}: not a cent of difference.", *usage, *_proven(subject))
    tolerance = f"the tolerance is {_amount(subject, 'tolerance')}"
    return (f"{sums}: a difference of {_amount(subject, 'difference')}; {tolerance}. {_treated(subject)}", *usage, *_proven(subject))


def _treated(subject: Invoice) -> str:
    if not subject.overridden:
        return "So it counts as rounding."
    if subject.status == StatusReason.ERROR:
        return "So the invoice is held back until it is explained, or accepted by a person."
    return "A person let it pass with a tolerance of its own; who and why stands in the history."


def _usage(subject: Invoice) -> tuple[str, ...]:
    """Monthly against daily-rated usage, where both are there and differ."""
    if subject.usage_total is None or subject.daily_rated_total is None or subject.usage_total == subject.daily_rated_total:
        return ()
    differs = wording.amount(money.EXACT.subtract(subject.usage_total, subject.daily_rated_total), subject.currency)
    monthly, daily = _amount(subject, "usage_total"), _amount(subject, "daily_rated_total")
    return (f"Usage before tax is {monthly} in the reconciliation file and {daily} in the daily-rated one: a difference of {differs}.",)


def _proven(subject: Invoice) -> tuple[str, ...]:
    if subject.proven_cause:
        return (f"Proven cause: {subject.proven_cause}",)
    is_open = subject.overridden or subject.failure == Failure.CHECKSUM_FAILED
    return ("No cause is proven.",) if is_open else ()


def _amount(subject: Invoice, name: str) -> str:
    return wording.amount(getattr(subject, name), subject.currency)
