"""What is there to be said of what an invoice's lines leave open: how much the header differs from them, and whether that was explained or accepted?"""

from __future__ import annotations

from w365core.model import StatusReason
from w365core.reports import wording
from w365core.reports.provider_invoice import Invoice


def said(subject: Invoice) -> tuple[str, ...]:
    """A few sentences; none where no lines were ever added up."""
    if subject.difference is None or subject.header_total is None:
        return ()
    sums = f"The header says {_amount(subject, 'header_total')}, the lines with tax come to {_amount(subject, 'lines_total')}"
    if not subject.difference:
        return (f"{sums}: not a cent of difference.", *_proven(subject))
    tolerance = f"the tolerance is {_amount(subject, 'tolerance')}"
    return (f"{sums}: a difference of {_amount(subject, 'difference')}; {tolerance}. {_treated(subject)}", *_proven(subject))


def _treated(subject: Invoice) -> str:
    if not subject.overridden:
        return "So it counts as rounding."
    if subject.status == StatusReason.ERROR:
        return "So the invoice is held back until it is explained, or accepted by a person."
    return "A person let it pass with a tolerance of its own; who and why stands in the history."


def _proven(subject: Invoice) -> tuple[str, ...]:
    if subject.proven_cause:
        return (f"Proven cause: {subject.proven_cause}",)
    return ("No cause is proven.",) if subject.overridden else ()


def _amount(subject: Invoice, name: str) -> str:
    return wording.amount(getattr(subject, name), subject.currency)
