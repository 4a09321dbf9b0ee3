"""Would the ledger be the same if it were made again from what landed? And making it again where it is not, or is not there.

Replayed is what the audit log seals, in its order: each import and each failure by its landed order, each transition by the function that did it
the first time. The ledger is built beside the one in use and takes its place only if every decision is the one that was made then. No network.

A change of the ledger that a later feature brings has to be sealed in the log as well, and to have its line in `_REPLAYED`; until then a rebuild
refuses rather than forgets it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec
from sqlalchemy import Connection, Engine, Row, func, select

from w365core.errors import CallRefused, ConfigurationMissing, W365Error
from w365core.jobs import ordering
from w365core.jobs.context import Context
from w365core.jobs.importing import check_staged
from w365core.jobs.ordering import Grounds
from w365core.jobs.rating import Whole, rate_sources
from w365core.store import audit, billed, corrections, drafts, ledger, noticing, orders, past_billing, rebuilding, schema, transitions
from w365core.store.ledger import Source, Who
from w365core.store.orders import Order
from w365core.store.rebuilding import Digest
from w365core.store.tables import audit_log, provider_invoice

MOST_FINDINGS = 100
# A sentence that is worded better today is no other decision; orders of before say the first failure only.
_SENTENCES = {"message": "", "warnings": (), "failures": ()}


@dataclass(frozen=True)
class Compared:
    """One table as it is in use and as it comes out of the landing; `found` is None where it is not there."""

    table: str
    found: Digest | None
    rebuilt: Digest

    @property
    def same(self) -> bool:
        return self.found == self.rebuilt


@dataclass(frozen=True)
class Rebuilt:
    """What came out. `findings` are decisions that came out otherwise than then: with one of them nothing is replaced."""

    events: int
    tables: tuple[Compared, ...]
    findings: tuple[str, ...]
    replaced: bool

    @property
    def exit_code(self) -> int:
        return 1 if self.findings else 0


def rebuild(context: Context, *, check: bool) -> Rebuilt:
    """Rebuilds the ledger and puts it in the place of the one in use, or with `check` only compares the two and changes nothing.

    CallRefused where an invoice has no order (it came in before orders were kept), the audit log is broken, or the log tells of a change that this
    version cannot replay; ConfigurationMissing where something is missing from the landing.
    """
    _check_schema(context)
    _sweep(context)
    with rebuilding.alone(context.engine), rebuilding.beside(context.engine) as apart, context.engine.begin() as held:
        rebuilding.hold(held)
        events = _events(held)
        findings = _replay(context, apart, events)
        tables = _compared(held, apart)
        findings += _differences_found(tables) if check else _lost(held)
        if not (check or findings):
            rebuilding.take_place(held, next_ids=_next_ids(held))
            _say_so(context, held, events, tables)
    return Rebuilt(len(events), tables, tuple(findings[:MOST_FINDINGS]), not (check or findings))


# --- what is to be replayed --------------------------------------------------------------------------------------------------------------


def _check_schema(context: Context) -> None:
    if schema.current(engine=context.engine) != schema.newest():
        raise ConfigurationMissing("The database has no schema of this version; run `python -m w365core init`.")


def _sweep(context: Context) -> None:
    """Dead attempts are ended first, so that the log tells of them; where the ledger is lost there is none."""
    with context.engine.connect() as connection:
        whole = rebuilding.is_whole(connection)
    if whole:
        ledger.sweep(context.engine, landing=context.landing, who=context.who)
    context.landing.sweep()


def _events(connection: Connection) -> list[Row]:
    """What the log tells of the ledger, oldest first; of an invoice that was deleted only what came after."""
    broken = audit.first_broken(connection)
    if broken is not None:
        raise CallRefused(f"The audit log is broken at row {broken}; a ledger is not rebuilt from it. Restore the database from a backup.")
    rows = connection.execute(select(audit_log).where(audit_log.c.target_kind.in_(_KINDS)).order_by(audit_log.c.audit_id)).all()
    deleted = {row.target: row.audit_id for row in rows if row.action == _DELETED}
    events = [row for row in rows if row.audit_id > deleted.get(row.target, 0)]
    for event in events:
        if event.action not in _REPLAYED:
            raise CallRefused(
                f"The audit log tells of a change that this version cannot replay ({event.action}, {event.target}); nothing was changed."
            )
        if _REPLAYED[event.action] in _ORDERED and not (event.after or {}).get("order"):
            raise CallRefused(
                f"{event.target} came in before import orders were kept, so the ledger cannot be rebuilt from landing. Delete that invoice and "
                f"import it again, or restore the ledger from a backup."
            )
    return events


def _next_ids(connection: Connection) -> dict[str, int]:
    """Ids are never given twice, not even those of invoices deleted since."""
    named = {"provider_invoice": "provider_invoice_id", "import_run": "import_run_id"}
    given = {
        table: connection.execute(
            select(func.max(audit_log.c.after[name].as_integer())).where(audit_log.c.target_kind.in_(_KINDS))
        ).scalar()
        for table, name in named.items()
    }
    return {table: (most or 0) + 1 for table, most in given.items()}


# --- replaying ---------------------------------------------------------------------------------------------------------------------------


def _replay(context: Context, apart: Engine, events: Sequence[Row]) -> list[str]:
    """Everything in its order into the ledger beside; returns what came out otherwise than then."""
    findings: list[str] = []
    beside = replace(context, engine=apart)
    for event in events:
        context.report(f"{event.target}: {event.action}, {event.at:%Y-%m-%d %H:%M}")
        try:
            with apart.connect() as connection:
                said = _REPLAYED[event.action](beside, connection, event)
                said += _sealed_otherwise(connection, event)
        except ConfigurationMissing:
            raise
        except (W365Error, AssertionError) as error:
            said = [str(error)]
        findings += [f"{event.target}, {event.action} of {event.at:%Y-%m-%d %H:%M}: {sentence}" for sentence in said]
    return findings


def _replay_attempt(context: Context, connection: Connection, event: Row) -> list[str]:
    """An attempt from its order: begun, rated and staged again, decided again, and ended as it ended."""
    fingerprint = event.after["order"]
    order = orders.read(context.landing, fingerprint)
    _check_landed(context, order)
    with connection.begin():
        attempt = ledger.begin_again(connection, order.begun)
    then = ordering.grounds_of(order)
    now, whole, findings = None, None, []
    if then is not None:
        sources = [Source(source["feed"], source["name"], source["fingerprint"], source["form"]) for source in order.begun.sources]
        whole = rate_sources(context, connection, attempt, sources, then.references)
        check_staged(whole)
        now = replace(then, decision=ordering.judged(then.claim, whole))
        findings = _differences(then, now, whole)
    with connection.begin():
        ordering.carry_out(connection, attempt, order, fingerprint=fingerprint, grounds=now, whole=whole)
    return findings


def _differences(then: Grounds, now: Grounds, whole: Whole) -> list[str]:
    """What of the decision is not what was decided then, to the last digit."""
    was, is_now = (msgspec.to_builtins(replace(grounds.decision, **_SENTENCES)) for grounds in (then, now))
    found = [f"{name} was {was[name]} and comes out as {is_now[name]}" for name in was if was[name] != is_now[name]]
    lacked, lacks = (msgspec.to_builtins([replace(one, suggestion="") for one in missing]) for missing in (then.missing, whole.missing))
    return found + ([] if lacked == lacks else ["other references come out as missing than were missing then"])


def _check_landed(context: Context, order: Order) -> None:
    """Every file the order reads is there and is what it was."""
    for source in order.begun.sources if order.job is not None else ():
        path = context.landing.path(source["fingerprint"])
        try:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == source["fingerprint"]
        except OSError:
            whole = False
        if not whole:
            raise ConfigurationMissing(f"{path} is missing or damaged; the ledger depends on it. Restore the landing folder from a backup.")


def _replay_activate(_context: Context, connection: Connection, event: Row) -> list[str]:
    with connection.begin():
        transitions.activate(connection, provider_invoice_id=_invoice(connection, event).provider_invoice_id, who=_who(event))
    return []


def _replay_deactivate(_context: Context, connection: Connection, event: Row) -> list[str]:
    with connection.begin():
        invoice_id = _invoice(connection, event).provider_invoice_id
        transitions.deactivate(connection, provider_invoice_id=invoice_id, who=_who(event), reason=event.reason)
    return []


def _replay_notice(_context: Context, connection: Connection, event: Row) -> list[str]:
    """Rows of before tell of a total alone."""
    total, fingerprint = event.after.get("header_total"), event.after.get("fingerprint")
    with connection.begin():
        invoice = _invoice(connection, event)
        noticing.notice(
            connection, invoice, header_total=None if total is None else Decimal(total), fingerprint=fingerprint, who=_who(event)
        )
    return []


def _replay_went_back(_context: Context, connection: Connection, event: Row) -> list[str]:
    with connection.begin():
        noticing.went_back(connection, _invoice(connection, event), who=_who(event))
    return []


def _replay_unlink(_context: Context, connection: Connection, event: Row) -> list[str]:
    number, status = event.before["customer_invoice"], event.before["customer_invoice_status"]
    with connection.begin():
        invoice = _invoice(connection, event)
        billed.unlink_one(connection, invoice, customer_invoice_number=number, status=status, reason=event.reason or "", who=_who(event))
    return []


def _replay_settlement(context: Context, connection: Connection, event: Row) -> list[str]:
    with connection.begin():
        past_billing.settle_again(connection, orders.content(context.landing, event.after["order"]), who=_who(event), said=event.after)
    return []


def _replay_usage_invoice(context: Context, connection: Connection, event: Row) -> list[str]:
    with connection.begin():
        drafts.again(connection, orders.content(context.landing, event.after["order"]), event)
    return []


def _replay_correction(context: Context, connection: Connection, event: Row) -> list[str]:
    with connection.begin():
        corrections.set_again(connection, orders.content(context.landing, event.after["order"]), event=event, who=_who(event))
    return []


def _invoice(connection: Connection, event: Row) -> Row:
    found = connection.execute(
        select(provider_invoice).where(provider_invoice.c.provider + " " + provider_invoice.c.invoice_number == event.target)
    ).first()
    if found is None:
        raise CallRefused("the invoice is not there at that time")
    return found


def _who(event: Row) -> Who:
    return Who(event.actor, event.at)


def _sealed_otherwise(connection: Connection, event: Row) -> list[str]:
    """The replay writes a log of its own beside; its row has to tell what the real one tells."""
    mine = connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(1)).first()
    names = ("at", "actor", "action", "target_kind", "target", "reason", "before", "after")
    different = [name for name in names if mine is None or not _tells(getattr(mine, name), getattr(event, name))]
    return [f"the log would tell another {name}: {_told(getattr(mine, name, None), getattr(event, name))}" for name in different]


def _tells(now: object, then: object) -> bool:
    """Whether the replay says all that the log says; what only a later version says besides is no difference."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        return all(name in now and now[name] == value for name, value in then.items())
    return now == then


def _told(now: object, then: object) -> str:
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        return ", ".join(f"{k} {then.get(k)} then, {now.get(k)} now" for k in sorted({*now, *then}) if now.get(k) != then.get(k))
    return f"{then} then, {now} now"


_DELETED = "delete provider invoice"
_KINDS = ("provider invoice", "usage")
_REPLAYED: Mapping[str, Callable[[Context, Connection, Row], list[str]]] = {
    "import provider invoice": _replay_attempt,
    "fail provider invoice": _replay_attempt,
    "abandon import": _replay_attempt,
    "activate provider invoice": _replay_activate,
    "deactivate provider invoice": _replay_deactivate,
    noticing.NOTICE: _replay_notice,
    noticing.WENT_BACK: _replay_went_back,
    billed.UNLINK: _replay_unlink,
    "settle past usage": _replay_settlement,
    **dict.fromkeys((drafts.BILL, drafts.UNBILL, drafts.REGENERATE), _replay_usage_invoice),
    corrections.CORRECT: _replay_correction,
    corrections.UNDO: _replay_correction,
}
_ORDERED = (_replay_attempt, _replay_settlement, _replay_usage_invoice, _replay_correction)


# --- comparing and replacing -------------------------------------------------------------------------------------------------------------


def _compared(held: Connection, apart: Engine) -> tuple[Compared, ...]:
    found = rebuilding.digests(held)
    with apart.connect() as connection:
        rebuilt = rebuilding.digests(connection)
    return tuple(Compared(name, found[name], rebuilt[name]) for name in rebuilt)


def _differences_found(tables: Sequence[Compared]) -> list[str]:
    return [_difference(one) for one in tables if not one.same]


def _lost(held: Connection) -> list[str]:
    """What a replacement would undo that no event of the log tells of."""
    lost = rebuilding.unbilled_by(held)
    return [f"{lost:,} usage summaries that are billed now would be open to be billed again; nothing was replaced"] if lost else []


def _difference(one: Compared) -> str:
    if one.found is None:
        return f"{one.table} is missing; {one.rebuilt.rows:,} rows of it landed"
    return f"{one.table} holds {one.found.rows:,} rows that are not the {one.rebuilt.rows:,} that landed"


def _say_so(context: Context, held: Connection, events: Sequence[Row], tables: Sequence[Compared]) -> None:
    audit.append(
        held,
        at=context.now,
        actor=context.actor,
        action="rebuild ledger",
        target_kind="ledger",
        target="all providers",
        after={"events": len(events), "different_before": " ".join(one.table for one in tables if not one.same) or "none"},
    )
