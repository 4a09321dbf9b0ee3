"""What does one batch of provider lines come to? Parse, validate, resolve and rate at most 10,000 lines: a pure function, Arrow in and out.

It returns the lines as they are stored, and partial sums that are combined afterwards: totals per kind and currency, usage summaries, missing
references, rejected lines. Regular JSON lines of usage stay in Arrow from the bytes on; all others are read one by one, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import localcontext

import pyarrow as pa

from w365core import frames, money
from w365core.arrays import batch_of, empty, lines_of
from w365core.intake import validate
from w365core.intake.parse import JSON_COLUMN, ROW_COLUMN, Rejection, parse
from w365core.kernels import charges, partials, regular_lines, usage
from w365core.kernels.partials import Job, RatedBatch
from w365core.kernels.usage import UsageLines
from w365core.model import Feed

MOST_LINES = 10_000
_NEEDED = {True: ("billing_pre_tax_total", "billing_currency"), False: ("subtotal", "currency")}  # of usage, of everything else
_THREE_LETTERS = re.compile(r"\s*[A-Za-z]{3}\s*")
_CURRENCY = usage.COMBINED.index("billing_currency")


def rate_batch(batch: pa.RecordBatch, *, first_line: int, job: Job) -> RatedBatch:
    """Rates a batch whose first line is the invoice's `first_line`-th. Bad lines come back in `rejected`, never as an exception."""
    columns = frames.COLUMNS_OF[job.feed]
    of_usage = job.feed is Feed.DAILY_RATED
    with localcontext(money.EXACT):
        if of_usage and (regular := _regular(batch, job)) is not None:
            return usage.rate(regular, range(first_line, first_line + batch.num_rows), job, empty(partials.REJECTED))
        parsed = parse(batch, columns, job.form)
        found = validate.rejections(parsed, columns, _NEEDED[of_usage])
        rejected = _rejected(found, batch, first_line)
        parsed.rejections = found
        bad = {rejection.index for rejection in found}
        numbers = [first_line + index for index in range(parsed.rows) if index not in bad]
        parsed = parsed.without_rejected()
        if of_usage:
            lines = lines_of(columns + frames.EXTRA, {**parsed.columns, "extra": parsed.extra}, parsed.rows)
            return usage.rate(UsageLines.of(lines), numbers, job, rejected)
        return charges.rate(parsed, numbers, job, rejected)


def _regular(batch: pa.RecordBatch, job: Job) -> UsageLines | None:
    """Regular JSON lines none of which would be rejected; None for all others."""
    if JSON_COLUMN not in batch.schema.names:
        return None
    read = regular_lines.read(batch.column(JSON_COLUMN), frames.DAILY_RATED, combined=usage.COMBINED, order=job.form.date_order)
    if read is None or (cost := read.numbers.get("billing_pre_tax_total")) is None or cost.null_count:
        return None
    if not all(_THREE_LETTERS.fullmatch(combination[_CURRENCY] or "") for combination in read.combinations):
        return None
    quantity = read.numbers.get("quantity", pa.nulls(batch.num_rows, pa.string()))
    return UsageLines(read.stored, read.combinations, read.of_line, quantity, cost)


def _rejected(found: Sequence[Rejection], batch: pa.RecordBatch, first_line: int) -> pa.RecordBatch:
    rows = batch.column(ROW_COLUMN).to_pylist() if ROW_COLUMN in batch.schema.names else None
    return batch_of(
        [
            (
                rows[rejection.index] if rows else first_line + rejection.index,
                rejection.column,
                None if rejection.value is None else str(rejection.value)[:200],
                rejection.expected,
            )
            for rejection in found
        ],
        partials.REJECTED,
    )
