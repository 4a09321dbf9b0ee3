"""Do a run's rows add up to the invoice's lines? The subtotals of each verdict are summed as whole numbers, all rows at once."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from w365core.reconcile import conservation, exact


def parts(rows: pa.Table) -> conservation.Parts:
    """What the rows of a run come to: confirmed, explained, and the rest, exactly."""
    frame = pl.DataFrame(pl.from_arrow(rows.select(["verdict", "subtotal"])))
    return conservation.parts(exact.sums(frame, by="verdict", of="subtotal").iter_rows())
