"""What are a row and its parts called? Names are gathered once, at the end: until then a row knows in which place its own stand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import arrays
from w365core.reconcile import columns, exact, groups, places
from w365core.reconcile.columns import FOREVER, NOWHERE
from w365core.reconcile.groups import Groups
from w365core.reconcile.keys import Keyed

NOT_ON_INVOICE = "not-on-invoice"
_OF_LINES = ("provider_subscription_id", "provider_customer_id", "account_id", "customer_name", "product_id", "product_name")


def owners(keyed: Keyed, subscription_ids: pa.Array) -> pa.Array:
    """What all are called whose a row can be, in the order of their numbers."""
    return pa.concat_arrays([subscription_ids, columns.arrow("customer:" + keyed.customers)]) if len(keyed.customers) else subscription_ids


def are_apart(owners: pa.Array) -> bool:
    """Whether the names stand in their order, whatever comes after each: none begins the next."""
    names = columns.text(owners)
    name, before = names.slice(1), names.head(max(0, len(names) - 1))
    return bool((name > before).all()) and not name.str.starts_with(before).any()


def line_ids(owner: np.ndarray, window: np.ndarray, keyed: Keyed, owners: pa.Array) -> pa.Array:
    """What each row is called in every run: whose it is, and the window; a row without a line has no window (NOWHERE)."""
    windows = arrays.text_array([*keyed.windows.printed, f"/{NOT_ON_INVOICE}"])
    of_window = np.where(window == NOWHERE, len(windows) - 1, window)
    return pc.binary_join_element_wise(columns.at(owners, owner), columns.at(windows, of_window), arrays.scalar(""))


def printed(lines: pa.RecordBatch, keyed: Keyed, absent: pa.RecordBatch) -> tuple[dict[str, pa.Array], np.ndarray]:
    """The names and the subtotal of lines, of rows of several lines (the least names and the sum), and of subscriptions without a line; and in which place
    each row's stand, of those without a line after those with one."""
    several = np.flatnonzero(keyed.rows.sizes > 1)
    place, rows = groups.within(keyed.rows.bounds, several)
    line = keyed.lines.line[place]
    ours = {"provider_subscription_id": _lower(absent["provider_subscription_id"]), "product_name": absent["name"]}
    whole = {}
    for name in (*_OF_LINES, "subtotal"):
        mine = columns.at(lines[name], line)
        of_several = _least(mine, rows) if name != "subtotal" else _sum(mine, rows)
        whole[name] = pa.concat_arrays([lines[name], of_several, ours.get(name, pa.nulls(len(absent), pa.string()))])
    source = keyed.lines.line[keyed.rows.bounds[:-1]]
    source[several] = len(lines) + np.arange(len(several))
    return whole, np.concatenate([source, len(lines) + len(several) + np.arange(len(absent))])


def _lower(texts: pa.Array) -> pa.Array:
    return columns.arrow(columns.text(texts).str.to_lowercase())


def _least(texts: pa.Array, rows: Groups) -> pa.Array:
    """The least text of each of these; null where all are."""
    values, place = places.encoded(texts)
    known = values.to_pylist()
    order = sorted(range(len(known)), key=known.__getitem__)
    rank = np.append(np.argsort(order), FOREVER).astype(np.int64)
    least = rows.least(rank[place], FOREVER)
    return columns.named([known[number] for number in order], np.where(least == FOREVER, NOWHERE, least))


def _sum(amounts: pa.Array, rows: Groups) -> pa.Array:
    found = exact.summed(amounts, rows)
    return exact.texts(found.numbers, found.scale)
