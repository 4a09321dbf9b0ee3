"""How does an invoice of any size go through the kernel? Bucket by bucket: all of a subscription stands in one, and what comes out is put together.

A bucket stays so small that what the kernel makes of two of them fits beside all of it in memory. Who calls says how they are gone through: one after the
other, two at once, or each on another machine of a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core.kernels.reconcile import Reconciled, reconcile
from w365core.reconcile import findings

MOST_LOGS = 225_000
Bucket = tuple[pa.Table, pa.Table, pa.Table]  # lines, subscriptions, change logs
Over = Callable[[Callable[[Bucket], Reconciled], Iterable[Bucket]], Iterable[Reconciled]]  # as `map`
_KEYS = {
    "rows": [("line_id", "ascending")],
    "change_logs": [("line_id", "ascending"), ("change_log_id", "ascending")],
    "findings": findings.IN_ORDER,
}


def reconcile_all(
    lines: pa.Table, subscriptions: pa.Table, change_logs: pa.Table, *, currency: str, most: int = MOST_LOGS, over: Over = map
) -> Reconciled:
    """The same as the kernel gives for all of it at once, sorted in the same way."""
    buckets = -(-max(change_logs.num_rows, lines.num_rows) // most)
    if buckets <= 1:
        return reconcile(lines, subscriptions, change_logs, currency=currency)
    buckets += buckets % 2  # so that of two at once none is alone at the end
    done = list(over(lambda bucket: reconcile(*bucket, currency=currency), _buckets((lines, subscriptions, change_logs), buckets)))
    whole = {name: pa.concat_tables([getattr(one, name) for one in done]).sort_by(keys) for name, keys in _KEYS.items()}
    return Reconciled(**whole)


def _buckets(tables: Bucket, buckets: int) -> Iterator[Bucket]:
    """Subscriptions by their place among ours; lines without one are together in the first."""
    known = tables[1]["subscription_id"].combine_chunks()
    places = [pc.index_in(table["subscription_id"].combine_chunks(), value_set=known).to_numpy(zero_copy_only=False) for table in tables]
    of_row = [np.nan_to_num(place).astype(np.int64) % buckets for place in places]
    for number in range(buckets):
        yield tuple(table.filter(pa.array(mine == number)) for table, mine in zip(tables, of_row, strict=True))
