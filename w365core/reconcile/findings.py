"""What is odd about single lines, beside their quantities? Findings never block."""

from __future__ import annotations

import polars as pl

from w365core.reconcile.rows import Judged

SCHEMA = {
    **{"line_id": pl.String, "line_number": pl.Int64, "kind": pl.String, "expected": pl.String, "found": pl.String, "amount": pl.String},
    **{"currency": pl.String, "reason": pl.String},
}


def found(judged: Judged, *, currency: str) -> pl.DataFrame:
    """Every finding, in the columns of FINDING."""
    return pl.DataFrame(schema=SCHEMA)
