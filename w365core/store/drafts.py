"""How does a usage invoice come about, stand and go? Header, lines and the usage on it in one transaction, each step sealed in the audit log.

    make, unmake, remake      a Draft out of usage; its usage billable again; the same invoice out of what is there now
    mark                      Draft, Billed, Paid: a status only ever moves on
    again                     what a rebuild does: the same marks on the usage, out of the document that landed

What changes usage is landed before it is carried out (`keep` lands a document and returns its fingerprint), because usage is a part of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, text, update

from w365core import money
from w365core.errors import CallRefused
from w365core.store import audit, records
from w365core.store.ledger import Who
from w365core.store.tables import billing_contract, customer_invoice, customer_invoice_line, usage_commitment, usage_invoice, usage_summary
from w365core.usage_invoice import BILLED, DRAFT, PAID, Draft

BILL, UNBILL, REGENERATE, MARK = "bill usage", "unbill usage", "regenerate usage invoice", "mark customer invoice"
PURPOSE = "usage invoice"
_ORDER = {DRAFT: 0, BILLED: 1, PAID: 2}
Keep = Callable[[bytes], str]


@dataclass(frozen=True)
class Mark:
    """A usage summary and the line of the customer invoice that bills it."""

    provider_invoice_id: int
    usage_id: str
    invoice_number: str
    invoice_line: int | None


@dataclass(frozen=True)
class Document:
    """What landed of a change: first the usage that is taken off, then the usage that is put on."""

    off: list[Mark]
    on: list[Mark]


def find(connection: Connection, invoice_number: str, *, locked: bool = False) -> Row | None:
    """The customer invoice of that number, whatever its letters' case; with whether and how it was made here. None where there is none."""
    ours = [
        usage_invoice.c[name] for name in ("usage_total", "top_up_total", "next_invoice_date_before", "next_invoice_date_after", "made_at")
    ]
    query = (
        select(*(customer_invoice.c[name] for name in _HEADER), *ours)
        .outerjoin(usage_invoice, usage_invoice.c.invoice_number == customer_invoice.c.invoice_number)
        .where(func.lower(customer_invoice.c.invoice_number) == invoice_number.strip().lower())
        .order_by(customer_invoice.c.invoice_number != invoice_number.strip())
    )
    return connection.execute(query.with_for_update(of=customer_invoice) if locked else query).first()


def made_here(connection: Connection) -> Sequence[Row]:
    """Every customer invoice that was made here, with its total and whether it still reconciles, newest first."""
    return connection.execute(_MADE_HERE).all()


def make(connection: Connection, draft: Draft, *, who: Who, keep: Keep) -> None:
    """Writes the Draft, puts its usage on it and moves the contract's date on, in the caller's transaction."""
    _write(connection, draft, who)
    marks = _marks(draft)
    _put_on(connection, marks)
    move_date(connection, draft.contract_id, draft.next_before, draft.next_date)
    check(connection, draft.invoice_number)
    order = keep(msgspec.json.encode(Document([], marks)))
    _say(connection, BILL, draft.invoice_number, who, after={**_told(draft), "order": order})


def unmake(connection: Connection, invoice: Row, *, who: Who, keep: Keep, reason: str | None = None) -> int:
    """Deletes a Draft: its usage is billable again. Returns how many summaries that were. The contract's date is moved by `move_date`."""
    taken = take_off(connection, invoice.invoice_number)
    _delete(connection, invoice.invoice_number)
    before = {name: invoice._mapping[name] for name in ("contract_id", "cycle_start", "cycle_end", "currency", "status")}
    order = keep(msgspec.json.encode(Document(taken, [])))
    after = {"summaries": len(taken), "order": order}
    _say(connection, UNBILL, invoice.invoice_number, who, before=before, after=after, reason=reason)
    return len(taken)


def remake(
    connection: Connection,
    invoice: Row,
    draft: Draft,
    *,
    who: Who,
    keep: Keep,
    reason: str | None = None,
    taken: Sequence[Mark] | None = None,
) -> None:
    """The Draft out of what is there now: same number, same date, other lines. `taken` is its usage where that was taken off already."""
    before = {"total": connection.execute(_TOTAL, {"number": invoice.invoice_number}).scalar_one()}
    off = list(take_off(connection, invoice.invoice_number) if taken is None else taken)
    _delete(connection, invoice.invoice_number, header=False)
    _write(connection, draft, who, header=False)
    marks = _marks(draft)
    _put_on(connection, marks)
    check(connection, draft.invoice_number)
    order = keep(msgspec.json.encode(Document(off, marks)))
    _say(connection, REGENERATE, draft.invoice_number, who, before=before, after={**_told(draft), "order": order}, reason=reason)


def next_date(connection: Connection, contract_id: str) -> tuple[date | None, list[tuple[str, date | None, date | None]]]:
    """The contract's next invoice date, and of each invoice made here for it that stands its number and from where to where it has moved that date."""
    day = connection.execute(select(billing_contract.c.next_invoice_date).where(billing_contract.c.contract_id == contract_id)).scalar()
    moved = select(*(usage_invoice.c[name] for name in ("invoice_number", "next_invoice_date_before", "next_invoice_date_after")))
    return day, [tuple(row) for row in connection.execute(moved.where(usage_invoice.c.contract_id == contract_id))]


def move_date(connection: Connection, contract_id: str | None, before: date | None, after: date | None) -> None:
    """Moves the contract's next invoice date, only from where it was seen: somebody may have set another one since."""
    if before == after or contract_id is None:
        return
    connection.execute(
        update(billing_contract)
        .where(billing_contract.c.contract_id == contract_id, billing_contract.c.next_invoice_date == before)
        .values(next_invoice_date=after)
    )


def take_off(connection: Connection, invoice_number: str) -> list[Mark]:
    """Takes all usage off the invoice, unsealed: `unmake` and `remake` say it. Returns what was on it."""
    query = select(*(usage_summary.c[name] for name in Mark.__dataclass_fields__)).where(usage_summary.c.invoice_number == invoice_number)
    ordered = query.order_by(usage_summary.c.provider_invoice_id, usage_summary.c.usage_id)
    taken = [Mark(**row) for row in connection.execute(ordered.with_for_update()).mappings()]
    _take_off(connection, taken)
    return taken


def mark(connection: Connection, invoice: Row, status: str, *, who: Who) -> bool:
    """Moves the invoice on; False where it stands there already. CallRefused where that would be a step back."""
    number, now = invoice.invoice_number, invoice.status or DRAFT
    if now == status == DRAFT:
        raise CallRefused(f"Invoice {number} is a Draft already, and a status only moves on: mark it Billed or Paid.")
    if now == status:
        return False
    if status == DRAFT:
        raise CallRefused(f"Invoice {number} is {now}: it does not become a Draft again. Credit it, or make another invoice.")
    if _ORDER[status] < _ORDER[now]:
        raise CallRefused(f"Invoice {number} is {now}: a status only ever moves on, from Draft to Billed to Paid. Credit it instead.")
    if now == DRAFT and invoice.made_at is not None and not reconciles(connection, number):
        raise CallRefused(
            f"Invoice {number} no longer says what its usage sells for, because usage was taken off it: regenerate or delete the Draft first, or the "
            f"customer is charged for usage that is billable again."
        )
    connection.execute(update(customer_invoice).where(customer_invoice.c.invoice_number == number).values(status=status))
    after = {"status": status, "contract_id": invoice.contract_id}
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=MARK,
        target_kind="customer invoice",
        target=number,
        before={"status": now},
        after=after,
    )
    return True


def reconciles(connection: Connection, invoice_number: str) -> bool:
    """Whether the lines come to what the usage on them sells for and the top-ups, to the cent."""
    return connection.execute(_RECONCILES, {"number": invoice_number}).scalar_one()


def check(connection: Connection, invoice_number: str) -> None:
    """The same, asserted before anything is committed."""
    if not reconciles(connection, invoice_number):
        raise AssertionError(f"Invoice {invoice_number} does not come to what its usage sells for; nothing was changed.")


def is_made_of_usage(connection: Connection, invoice_number: str) -> bool:
    """Whether every line of the invoice has usage behind it, and there is a line or at least usage."""
    return connection.execute(_OF_USAGE, {"number": invoice_number}).scalar_one()


def bills_more_than_usage(connection: Connection, invoice_number: str) -> bool:
    """Whether a line of the invoice is of no usage subscription of ours."""
    return connection.execute(_OF_LICENSES, {"number": invoice_number}).scalar_one()


def again(connection: Connection, document: bytes, event: Row) -> None:
    """Sets the marks of a change that landed once, in the caller's transaction, and says what was said. Usage of an invoice deleted since has no row."""
    told = msgspec.json.decode(document, type=Document)
    _take_off(connection, told.off)
    _put_on(connection, told.on)
    _say(connection, event.action, event.target, Who(event.actor, event.at), before=event.before, after=event.after, reason=event.reason)


# --- helpers -----------------------------------------------------------------------------------------------------------------------------

_HEADER = ("invoice_number", "contract_id", "account_id", "invoice_date", "cycle_start", "cycle_end", "currency", "status")

_TOTAL = text("select coalesce(sum(amount), 0) from customer_invoice_line where invoice_number = :number")

_RECONCILED = """
    (select coalesce(sum(amount), 0) from customer_invoice_line where invoice_number = :number)
         = (select coalesce(sum(selling_amount), 0) from usage_summary where invoice_number = :number and invoice_line is not null)
         + (select coalesce(sum(top_up_total), 0) from usage_invoice where invoice_number = :number)
       and not exists (
         select from usage_summary u left join customer_invoice_line l on l.invoice_number = u.invoice_number and l.line_number = u.invoice_line
         where u.invoice_number = :number and l.amount is distinct from u.selling_amount
       )
       and (select count(*) from usage_summary where invoice_number = :number)
         = (select count(*) from customer_invoice_line l where l.invoice_number = :number and l.quantity is not null)
"""
_RECONCILES = text(f"select {_RECONCILED}")

_MADE_HERE = text(f"""
    select i.invoice_number, i.contract_id, i.account_id, i.invoice_date, i.cycle_start, i.cycle_end, i.currency, coalesce(i.status, 'Draft') as status,
           m.usage_total, m.top_up_total, m.next_invoice_date_before, m.next_invoice_date_after, m.made_at, m.made_by,
           coalesce((select sum(l.amount) from customer_invoice_line l where l.invoice_number = i.invoice_number), 0) as total,
           {_RECONCILED.replace(":number", "i.invoice_number")} as reconciles
    from usage_invoice m join customer_invoice i on i.invoice_number = m.invoice_number
    order by i.invoice_date desc nulls last, i.invoice_number
""")

_OF_LICENSES = text("""
    select exists (
      select from customer_invoice_line l left join subscription s on s.subscription_id = l.subscription_id
      where l.invoice_number = :number and s.kind is distinct from 'Usage'
    )
""")
_OF_USAGE = text("""
    select exists (select from usage_summary where invoice_number = :number)
       and not exists (
         select from customer_invoice_line l where l.invoice_number = :number
           and not exists (select from usage_summary u where u.invoice_number = l.invoice_number and u.subscription_id = l.subscription_id)
       )
""")


def _write(connection: Connection, draft: Draft, who: Who, *, header: bool = True) -> None:
    number = draft.invoice_number
    if header:
        said = {name: getattr(draft, name) for name in _HEADER if name != "status"}
        connection.execute(insert(customer_invoice).values(**said, status=DRAFT))
    names = ("subscription_id", "description", "quantity", "unit_price", "amount", "cost_amount")
    rows = [{"invoice_number": number, "line_number": line.number} | {name: getattr(line, name) for name in names} for line in draft.lines]
    connection.execute(insert(customer_invoice_line), rows)
    made = {"contract_id": draft.contract_id, "usage_total": draft.usage_total, "top_up_total": draft.top_up_total}
    dates = {"next_invoice_date_before": draft.next_before, "next_invoice_date_after": draft.next_after}
    connection.execute(insert(usage_invoice).values(invoice_number=number, **made, **dates, made_at=who.now, made_by=who.actor))
    if draft.commitments:
        connection.execute(insert(usage_commitment), [asdict(one) for one in draft.commitments])
    _stamp(connection, number)


def _stamp(connection: Connection, invoice_number: str) -> None:
    """As if its own export had been loaded: loading that touches nothing then, nor what is done to it later."""
    for table in (customer_invoice, customer_invoice_line):
        records.stamp(connection, table.name, invoice_number=invoice_number)


def _delete(connection: Connection, invoice_number: str, *, header: bool = True) -> None:
    for table in (customer_invoice_line, usage_commitment, usage_invoice, *((customer_invoice,) if header else ())):
        connection.execute(delete(table).where(table.c.invoice_number == invoice_number))


def _marks(draft: Draft) -> list[Mark]:
    return [
        Mark(line.usage.provider_invoice_id, line.usage.usage_id, draft.invoice_number, line.number)
        for line in draft.lines
        if line.usage is not None
    ]


def _put_on(connection: Connection, marks: Sequence[Mark]) -> None:
    if not marks:
        return
    on = (
        update(usage_summary)
        .where(
            usage_summary.c.provider_invoice_id == bindparam("of_invoice"),
            usage_summary.c.usage_id == bindparam("of_usage"),
            usage_summary.c.status == "Not invoiced",
        )
        .values(status="Invoiced", invoice_number=bindparam("number"), invoice_line=bindparam("line"))
    )
    given = [
        {"of_invoice": one.provider_invoice_id, "of_usage": one.usage_id, "number": one.invoice_number, "line": one.invoice_line}
        for one in marks
    ]
    connection.execute(on, given)


def _take_off(connection: Connection, marks: Sequence[Mark]) -> None:
    if not marks:
        return
    off = (
        update(usage_summary)
        .where(
            usage_summary.c.provider_invoice_id == bindparam("of_invoice"),
            usage_summary.c.usage_id == bindparam("of_usage"),
            usage_summary.c.invoice_number == bindparam("number"),
        )
        .values(status="Not invoiced", invoice_number=None, invoice_line=None)
    )
    connection.execute(
        off, [{"of_invoice": one.provider_invoice_id, "of_usage": one.usage_id, "number": one.invoice_number} for one in marks]
    )


def _told(draft: Draft) -> dict[str, Any]:
    return {
        "contract_id": draft.contract_id,
        "cycle_start": draft.cycle_start,
        "cycle_end": draft.cycle_end,
        "invoice_date": draft.invoice_date,
        "currency": draft.currency,
        "total": money.plain(draft.total),
        "top_ups": money.plain(draft.top_up_total),
        "summaries": len(draft.usage),
    }


def _say(
    connection: Connection,
    action: str,
    number: str,
    who: Who,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    audit.append(
        connection, at=who.now, actor=who.actor, action=action, target_kind="usage", target=number, reason=(reason or "").strip() or None,
        before=before, after=after,
    )  # fmt: skip
