"""Do a run's rows add up to the invoice's lines? The subtotals of each verdict are summed as whole numbers, all rows at once."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from w365core import money
from w365core.reconcile import columns, conservation, exact, places


def parts(rows: pa.Table) -> conservation.Parts:
    """What the rows of a run come to: confirmed, explained, and the rest, exactly."""
    verdicts, place = places.distinct(columns.in_one_piece(rows["verdict"]))
    subtotal = exact.scaled_as_one(columns.in_one_piece(rows["subtotal"]))
    amounts, known = subtotal.numbers.values, subtotal.numbers.known
    sums = (int(amounts[known & (place == number)].sum()) for number in range(len(verdicts)))
    return conservation.parts(
        (verdict, exact.plain(Decimal(total).scaleb(-subtotal.scale, money.EXACT))) for verdict, total in zip(verdicts, sums, strict=True)
    )
