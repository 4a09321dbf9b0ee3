"""Which tolerance is proposed for an invoice that failed its checksum, and why that one? None is proposed on a guess."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from w365core import money
from w365core.model import Failure, StatusReason
from w365core.reports import wording, worklist
from w365core.reports.provider_invoice import Invoice

ONE_CLICK = Decimal("0.50")  # so much may differ, and one click lets it pass


@dataclass(frozen=True)
class Proposal:
    """`amount` is what the field begins with, None where nothing is proposed; `would_pass` is the least that passes. `why` says why it is so."""

    amount: Decimal | None
    would_pass: Decimal
    why: str
    is_small: bool

    def needs_reason(self, override: Decimal) -> bool:
        """Whether this tolerance has to be explained: any but the one that lets a small difference pass."""
        return not (self.is_small and override <= self.would_pass)


def of(subject: Invoice, *, one_click: Decimal = ONE_CLICK) -> Proposal | None:
    """None where no tolerance would help: the invoice did not fail its checksum, or the provider has not published its usage."""
    if subject.status != StatusReason.ERROR or subject.failure != Failure.CHECKSUM_FAILED or subject.waits_for_provider:
        return None
    gap = worklist.unexplained(subject).copy_abs()
    would_pass, said = money.override_for(gap), wording.amount(gap, subject.currency)
    limit = wording.digits(one_click, subject.currency)
    if gap <= one_click:
        return Proposal(would_pass, would_pass, f"Proposed because the difference of {said} is at most {limit}.", is_small=True)
    if subject.proven_cause:
        return Proposal(would_pass, would_pass, f"Proposed because the cause is proven: {subject.proven_cause}", is_small=False)
    why = f"Nothing is proposed: the difference of {said} is above {limit} and its cause is not proven. {would_pass} would pass."
    return Proposal(None, would_pass, why, is_small=False)
