"""Do the rows' verdicts add up to the invoice's lines? Confirmed, explained and unexplained subtotals, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from w365core import money
from w365core.reconcile import exact
from w365core.reconciliation import EXPLAINED, Verdict


@dataclass(frozen=True)
class Parts:
    """Sums of subtotal by what became of the rows."""

    confirmed: Decimal
    explained: Decimal
    unexplained: Decimal

    @property
    def lines(self) -> Decimal:
        return money.total((self.confirmed, self.explained, self.unexplained))


def parts(rows: Iterable[tuple[str, str | None]]) -> Parts:
    """Verdict and subtotal of each row (null: no line) -> the three sums, which are all there is."""
    sums = {"confirmed": money.ZERO, "explained": money.ZERO, "unexplained": money.ZERO}
    for verdict, subtotal in rows:
        if subtotal is not None:
            part = "confirmed" if verdict == Verdict.CONFIRMED else "explained" if verdict in EXPLAINED else "unexplained"
            sums[part] = money.EXACT.add(sums[part], exact.number(subtotal))
    return Parts(**sums)
