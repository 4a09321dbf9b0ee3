"""What is stored of usage that people correct: rows to judge, their past, the correction itself, and the taking back of it.

A correction lies beside the provider's figures: `corrected_quantity` and `corrected_cost` are null where they are the provider's own. Each row says
what it was and what it became, and every change is sealed in the audit log with a landed document of its rows, from which a rebuild sets them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, text, update

from w365core.errors import CallRefused
from w365core.store import audit
from w365core.store.copy_text import copied_rows
from w365core.store.engine import driver_cursor
from w365core.store.ledger import Who
from w365core.store.tables import usage_correction

CORRECT, UNDO = "correct usage", "undo correction of usage"
PURPOSE = "correction"
Keep = Callable[[bytes], str]
T = TypeVar("T")


class Values(NamedTuple):
    """The values of one row from now on; quantity and cost are those in force, also where they are the provider's. Numbers travel as exact text."""

    usage_id: str
    provider_invoice_id: int
    quantity: str
    cost: str
    markup_pct: str | None
    selling_amount: str | None


# --- what was done -----------------------------------------------------------------------------------------------------------------------------

# Of a correction what still stands: rows that are there with the values that it left, open, and not corrected again by one that stands.
_STANDING = """
    select r.usage_id, r.currency, r.quantity_before, r.cost_before, r.markup_before, r.selling_before, u.provider_invoice_id, u.status,
        u.invoice_number, u.usage_id is null as gone,
        (coalesce(u.corrected_quantity, u.quantity), coalesce(u.corrected_cost, u.cost), u.markup_pct, u.selling_amount)
            is distinct from (r.quantity_after, r.cost_after, r.markup_after, r.selling_after) or u.created_at > c.at as otherwise,
        (select max(o.correction_id) from usage_correction_row o join usage_correction oc using (correction_id)
            where o.usage_id = r.usage_id and o.correction_id > r.correction_id and oc.undone_at is null) as later
    from usage_correction_row r join usage_correction c using (correction_id)
    left join usage_summary u on u.usage_id = r.usage_id and u.provider_invoice_id = r.provider_invoice_id
"""

_RECEIPTS = text(f"""
    select h.correction_id, h.at, h.actor, h.reason, h.source, h.name, h.fingerprint, h.rows, h.undone_at, h.undone_by, s.currency, s.rows as of_currency,
        s.before, s.after, s.gone, s.invoiced, s.changed
    from (select * from usage_correction order by correction_id desc limit :most) h
    join lateral (
        select st.currency, count(*) as rows, coalesce(sum(st.selling_before), 0) as before, coalesce(sum(st.after), 0) as after,
            count(*) filter (where h.undone_at is null and st.gone) as gone, count(*) filter (where h.undone_at is null and st.status = 'Invoiced') as invoiced,
            count(*) filter (where h.undone_at is null and not st.gone and st.status <> 'Invoiced' and (st.otherwise or st.later is not null)) as changed
        from ({_STANDING.replace("select r.usage_id", "select r.selling_after as after, r.usage_id")} where r.correction_id = h.correction_id) st
        group by st.currency
    ) s on true
    order by h.correction_id desc, s.currency
""")


def receipts(connection: Connection, *, most: int = 50) -> list[Mapping[str, Any]]:
    """The latest corrections, one row per currency, with what of each can no longer be taken back: rows gone, invoiced, or changed again since."""
    return [dict(row) for row in connection.execute(_RECEIPTS, {"most": most}).mappings()]


def latest_by(connection: Connection, fingerprint: str) -> int | None:
    """The latest correction by this file; None where there is none. Waits for whoever is making one, so that what it says stays so, also of one whose
    maker has died: its transaction may live on for a while."""
    connection.execute(text("lock table usage_correction in share mode"))
    return connection.execute(
        select(func.max(usage_correction.c.correction_id)).where(usage_correction.c.fingerprint == fingerprint)
    ).scalar()


def hold(connection: Connection) -> None:
    """Before any row is locked: whoever locks the whole table (a settlement, a rebuild) comes before this transaction or after it, never in between."""
    connection.execute(text("lock table usage_summary in row exclusive mode"))


# --- changing --------------------------------------------------------------------------------------------------------------------------------


def correct(
    connection: Connection,
    rows: Sequence[Values],
    *,
    source: str,
    name: str | None,
    fingerprint: str | None,
    reason: str | None,
    who: Who,
    keep: Keep,
    meanwhile: Callable[[], T],
) -> tuple[int, T]:
    """Makes the correction in the caller's transaction, which holds the rows; returns its id. `quantity` and `cost` are those in force from now on.

    The server sets the rows while `keep` keeps the document of them and the caller does what it has to do `meanwhile`, whose result is returned too.
    """
    head = {
        "at": who.now,
        "actor": who.actor,
        "reason": reason,
        "source": source,
        "name": name,
        "fingerprint": fingerprint,
        "rows": len(rows),
    }
    correction_id = connection.execute(insert(usage_correction).values(**head).returning(usage_correction.c.correction_id)).scalar_one()
    _put_aside(connection, rows)
    with _rows_set(connection, len(rows), remembered_for=correction_id):
        said = {"rows": len(rows), "source": source, "name": name, "fingerprint": fingerprint, "order": keep(_document(rows))}
        done = meanwhile()
    _say(connection, CORRECT, correction_id, said, reason, who)
    return correction_id, done


def undo(connection: Connection, correction_id: int, *, who: Who, keep: Keep) -> int:
    """Gives every row of the correction the values of before, in the caller's transaction; returns how many. CallRefused where it is not there, is
    undone already, or any of its rows is gone, invoiced, or was changed again."""
    head = connection.execute(select(usage_correction).where(usage_correction.c.correction_id == correction_id).with_for_update()).first()
    if head is None:
        raise CallRefused(f"There is no correction {correction_id}; `markup corrections` lists those there are.")
    if head.undone_at is not None:
        raise CallRefused(f"Correction {correction_id} is undone already: by {head.undone_by} on {head.undone_at:%Y-%m-%d %H:%M} UTC.")
    hold = "select usage_id from usage_summary where usage_id in (select usage_id from usage_correction_row where correction_id = :id) order by usage_id for update"
    connection.execute(text(hold), {"id": correction_id})
    rows = connection.execute(text(f"{_STANDING} where r.correction_id = :id order by r.usage_id"), {"id": correction_id}).all()
    _refuse_what_moved_on(correction_id, rows)
    before = [_values_before(row) for row in rows]
    _put_aside(connection, before)
    with _rows_set(connection, len(before)):
        order = keep(_document(before))
    connection.execute(
        update(usage_correction).where(usage_correction.c.correction_id == correction_id).values(undone_at=who.now, undone_by=who.actor)
    )
    _say(connection, UNDO, correction_id, {"rows": len(before), "order": order}, None, who)
    return len(before)


def set_again(connection: Connection, document: bytes, *, event: Row, who: Who) -> None:
    """Sets the values of a correction, or of one taken back, that landed once: what a rebuild does. Rows of an invoice deleted since are skipped."""
    rows = [Values(*values) for values in msgspec.json.decode(document)]
    _put_aside(connection, rows)
    with _rows_set(connection, None):
        pass
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=event.action,
        target_kind="usage",
        target=event.target,
        reason=event.reason,
        after=event.after,
    )


def _values_before(row: Row) -> Values:
    numbers = (row.quantity_before, row.cost_before, row.markup_before, row.selling_before)
    return Values(row.usage_id, row.provider_invoice_id, *(None if number is None else format(number, "f") for number in numbers))


def _refuse_what_moved_on(correction_id: int, rows: Sequence[Row]) -> None:
    begin = f"Correction {correction_id} cannot be undone, and nothing was changed: "
    invoiced = [row for row in rows if row.status == "Invoiced"]
    if invoiced:
        numbers = sorted({row.invoice_number for row in invoiced})
        said = ", ".join(numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
        plural = len(numbers) > 1
        raise CallRefused(
            f"{begin}{_some(invoiced)} on customer invoice{'s' if plural else ''} {said} by now; delete {'those' if plural else 'that'} first."
        )
    later = [row for row in rows if row.later is not None]
    if later:
        numbers = ", ".join(map(str, sorted({row.later for row in later}, reverse=True)[:5]))
        raise CallRefused(f"{begin}{_some(later)} changed again by correction {numbers}, which stands; undo that first.")
    gone = [row for row in rows if row.gone]
    if gone:
        raise CallRefused(f"{begin}{_some(gone)} not there any more: their provider invoice was deleted or imported anew.")
    otherwise = [row for row in rows if row.otherwise]
    if otherwise:
        raise CallRefused(
            f"{begin}{_some(otherwise)} changed since, as an invoice that was imported anew is; correct them as they are now instead."
        )


def _some(rows: Sequence[Row]) -> str:
    """3 of its rows (u1, u2, u3) are."""
    named = ", ".join(row.usage_id for row in rows[:3]) + (", …" if len(rows) > 3 else "")
    return f"{len(rows):,} of its rows ({named}) {'is' if len(rows) == 1 else 'are'}"


def _document(rows: Sequence[Values]) -> bytes:
    return msgspec.json.encode(rows)


def _put_aside(connection: Connection, rows: Sequence[Values]) -> None:
    """The values into a table of this transaction, by COPY."""
    connection.execute(text("drop table if exists pg_temp.usage_values"))
    connection.execute(
        text(
            "create temporary table usage_values (usage_id text, provider_invoice_id bigint, quantity numeric, cost numeric, markup_pct numeric, "
            "selling_amount numeric) on commit drop"
        )
    )
    columns, options, content = copied_rows(Values._fields, rows)
    with (
        driver_cursor(connection) as cursor,
        cursor.copy(f"copy pg_temp.usage_values ({columns}) from stdin ({options})") as sink,
    ):
        sink.write(content)


_REMEMBER = """
    insert into usage_correction_row (correction_id, usage_id, provider_invoice_id, account_id, currency, markup_before, markup_after, quantity_before,
        quantity_after, cost_before, cost_after, selling_before, selling_after)
    select %s, u.usage_id, u.provider_invoice_id, u.account_id, u.currency, u.markup_pct, v.markup_pct,
        coalesce(u.corrected_quantity, u.quantity), v.quantity, coalesce(u.corrected_cost, u.cost), v.cost, u.selling_amount, v.selling_amount
    from pg_temp.usage_values v join usage_summary u using (usage_id, provider_invoice_id) order by u.usage_id
"""  # in the order of its indexes, which grow at their end then
_SET = """
    update usage_summary u set corrected_quantity = nullif(v.quantity, u.quantity), corrected_cost = nullif(v.cost, u.cost), markup_pct = v.markup_pct,
        selling_amount = v.selling_amount, version = u.version + 1
    from pg_temp.usage_values v where u.usage_id = v.usage_id and u.provider_invoice_id = v.provider_invoice_id
"""


@contextmanager
def _rows_set(connection: Connection, expected: int | None, *, remembered_for: int | None = None) -> Iterator[None]:
    """Sets the values that were put aside while the body runs, and remembers for a correction what was before; `expected` rows must be there."""
    with driver_cursor(connection) as cursor:
        with cursor.connection.pipeline():
            if remembered_for is not None:
                cursor.execute(_REMEMBER, (remembered_for,))
            cursor.execute(_SET)
            yield
        found = cursor.rowcount
    assert expected is None or found == expected, f"{found} rows were changed, {expected} are to be"


def _say(connection: Connection, action: str, correction_id: int, said: Mapping[str, Any], reason: str | None, who: Who) -> None:
    target = f"correction {correction_id}"
    audit.append(connection, at=who.now, actor=who.actor, action=action, target_kind="usage", target=target, reason=reason, after=said)
