"""The life of a provider invoice in the store: an attempt begins, and ends published, failed or taken back; what dead attempts left is swept.

An attempt commits its run and its stage first; lines are copied in; one transaction makes them the invoice's lines and says so in the audit log.
A failed attempt keeps its stage, so that what the provider sent can be looked at; the next attempt drops it. A run is dead when it says
`running` and nobody holds its invoice's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from w365core import lifecycle
from w365core.errors import CallRefused
from w365core.model import Failure, InvoiceHeader, InvoiceState, MissingReference, StatusReason
from w365core.store import audit, engine as store_engine, orders, stage
from w365core.store.copy_text import copied_rows
from w365core.store.landing import Landing
from w365core.store.orders import Begun, Ending, Order
from w365core.store.tables import deleted_invoice, import_run, import_source, missing_reference, provider_invoice, usage_summary

# What a document comes to before its lines were seen: an attempt that never got that far must not show what an earlier one found.
_UNSEEN: Mapping[str, Any] = {
    **dict.fromkeys(("license_total", "usage_total", "tax_total", "rounding", "overridden", "lines_total", "difference", "tolerance")),
    "daily_rated_total": None,
    "license_lines": 0,
    "usage_lines": 0,
    **dict.fromkeys(("explanation", "proven_cause", "customers", "usage_days")),
}
# What an invoice says of the provider once an attempt has read the version that the provider has.
_CURRENT: Mapping[str, Any] = {"changed_at_provider": False, "header_total_now": None, "fingerprint_now": None}
_AT_ONCE = 5_000  # rows that are copied together
BROKEN_OFF = "The import was broken off before it was complete; nothing of it was stored. Sync it again."


@dataclass(frozen=True)
class Who:
    """Who acts, and when."""

    actor: str
    now: datetime


@dataclass(frozen=True)
class Attempt:
    """One try at importing one invoice."""

    provider: str
    invoice_number: str
    provider_invoice_id: int
    import_run_id: int
    source: str  # synced | file


@dataclass(frozen=True)
class Source:
    """Landed content that an attempt reads, in order. `form` says how a file by hand is to be read."""

    feed: str
    name: str
    fingerprint: str
    form: Mapping[str, Any] | None = None


def lock_names(provider: str, invoice_number: str) -> tuple[str, str, str]:
    """What the advisory lock of an invoice is taken on."""
    return "provider invoice", provider.lower(), invoice_number.lower()


def begin(
    connection: Connection,
    *,
    provider: str,
    header: InvoiceHeader,
    source: str,
    who: Who,
    sync_run_id: int | None,
    override: Decimal | None,
    reason: str | None = None,
    expected: bool = False,
) -> Attempt:
    """Starts an attempt in the caller's transaction: the invoice says Populating, the stage stands. CallRefused while it is Active, or where it was
    `expected` to be here and somebody has deleted it meanwhile."""
    number = provider_invoice.c.invoice_number
    mine = select(provider_invoice).where(provider_invoice.c.provider == provider, func.lower(number) == header.number.lower())
    found = connection.execute(mine.order_by((number == header.number).desc()).limit(1).with_for_update()).first()
    if found:  # as it was written first
        header = replace(header, number=found.invoice_number)
    values = _header_values(header)
    if found and not lifecycle.allows("import", found.status_reason):
        raise CallRefused(f"Invoice {header.number} of {provider} is Active and is not downloaded again; deactivate it first, then sync.")
    if found is None and expected:
        said = audit.last_said(connection, target_kind="provider invoice", target=f"{provider} {header.number}")
        raise CallRefused(
            f"Invoice {header.number} is not here any more: {said or 'somebody has deleted it'}. Sync it again to have it anew."
        )
    changed = {
        **values,
        "state": InvoiceState.ACTIVE,
        "status_reason": StatusReason.POPULATING,
        "failure": None,
        "message": "The import is running.",
        "last_attempt_at": who.now,
        "override_tolerance": override,
        "override_reason": reason if override is not None else None,
        "source": source,
    }
    if found:
        invoice_id = found.provider_invoice_id
        changed["attempts"] = found.attempts + 1
    else:
        seen = _first_seen(connection, provider, header.number) or who.now
        made = insert(provider_invoice).values(provider=provider, first_seen_at=seen, attempts=1, **changed)
        invoice_id = connection.execute(made.returning(provider_invoice.c.provider_invoice_id)).scalar_one()
    run_id = connection.execute(
        insert(import_run)
        .values(
            sync_run_id=sync_run_id,
            provider_invoice_id=invoice_id,
            status="running",
            previous=None if found is None else orders.as_text({name: getattr(found, name) for name in (*changed, "import_run_id")}),
            started_at=who.now,
        )
        .returning(import_run.c.import_run_id)
    ).scalar_one()
    changed_now = {**changed, "import_run_id": run_id} if found else {"import_run_id": run_id}
    connection.execute(update(provider_invoice).where(provider_invoice.c.provider_invoice_id == invoice_id).values(**changed_now))
    stage.create(connection, run_id=run_id, provider_invoice_id=invoice_id)
    return Attempt(provider, header.number, invoice_id, run_id, source)


def _first_seen(connection: Connection, provider: str, invoice_number: str) -> datetime | None:
    """When an invoice that was deleted here had been seen first."""
    found = select(deleted_invoice.c.first_seen_at).where(
        deleted_invoice.c.provider == provider.lower(), deleted_invoice.c.invoice_number == invoice_number.lower()
    )
    return connection.execute(found).scalar()


def record_sources(connection: Connection, attempt: Attempt, sources: Sequence[Source], *, fingerprint: str) -> None:
    """Says which landed content the attempt reads, so that it can be read again without the provider."""
    rows = [
        {
            "import_run_id": attempt.import_run_id,
            "ordinal": ordinal,
            "feed": source.feed,
            "name": source.name,
            "fingerprint": source.fingerprint,
            "form": dict(source.form or {}),
        }
        for ordinal, source in enumerate(sources, 1)
    ]
    if rows:
        connection.execute(insert(import_source), rows)
    connection.execute(update(import_run).where(import_run.c.import_run_id == attempt.import_run_id).values(fingerprint=fingerprint))


def has_read(connection: Connection, import_run_id: int, feed: str) -> bool:
    """Whether an attempt read a file of that kind."""
    found = select(import_source.c.import_run_id).where(import_source.c.import_run_id == import_run_id, import_source.c.feed == feed)
    return connection.execute(found.limit(1)).first() is not None


def say_currency(connection: Connection, attempt: Attempt, currency: str) -> None:
    """Says the currency of an invoice whose header says none."""
    mine = provider_invoice.c.provider_invoice_id == attempt.provider_invoice_id
    connection.execute(update(provider_invoice).where(mine).values(currency=currency))


def publish(
    connection: Connection,
    attempt: Attempt,
    *,
    outcome: Mapping[str, Any],
    summaries: Iterable[Any],
    missing: Sequence[MissingReference],
    fingerprint: str,
    who: Who,
    populating: bool,
    order: str,
) -> None:
    """The one transaction: the staged lines become the invoice's lines, the header says so, the log seals it with the fingerprint of its order."""
    before = _locked(connection, attempt)
    stage.index(connection, run_id=attempt.import_run_id)
    stage.publish(connection, run_id=attempt.import_run_id, provider_invoice_id=attempt.provider_invoice_id)
    connection.execute(delete(usage_summary).where(usage_summary.c.provider_invoice_id == attempt.provider_invoice_id))
    _copy_summaries(connection, attempt, summaries, who)
    _replace_missing(connection, attempt, missing)
    reason = StatusReason.POPULATING if populating else StatusReason.ACTIVE
    _finish(
        connection,
        attempt,
        before,
        action="import provider invoice",
        run_status="done",
        who=who,
        order=order,
        values={
            **outcome,
            "state": InvoiceState.ACTIVE,
            "status_reason": reason,
            "failure": None,
            "fingerprint": fingerprint,
            "version": before.version + 1,
            "imported_at": who.now,
            **_CURRENT,
        },
    )


def fail(
    connection: Connection,
    attempt: Attempt,
    *,
    failure: Failure,
    message: str,
    outcome: Mapping[str, Any],
    missing: Sequence[MissingReference],
    fingerprint: str | None,
    who: Who,
    keep_stage: bool,
    order: str,
    run_status: str = "failed",
) -> None:
    """Ends the attempt in Error, with no children; its stage stays readable where the lines themselves are whole. `fingerprint` is the version that
    was read, None where none was."""
    before = _locked(connection, attempt)
    stage.withdraw(connection, provider_invoice_id=attempt.provider_invoice_id)
    connection.execute(delete(usage_summary).where(usage_summary.c.provider_invoice_id == attempt.provider_invoice_id))
    if keep_stage:
        stage.index(connection, run_id=attempt.import_run_id)
    else:
        stage.drop(connection, run_id=attempt.import_run_id)
    _replace_missing(connection, attempt, missing)
    _finish(
        connection,
        attempt,
        before,
        action="fail provider invoice",
        run_status=run_status,
        who=who,
        order=order,
        values={
            **_UNSEEN,
            **(_CURRENT if fingerprint is not None else {}),
            "failures": [failure],
            **outcome,
            "state": InvoiceState.INACTIVE,
            "status_reason": StatusReason.ERROR,
            "failure": failure,
            "message": message,
            "fingerprint": fingerprint,
        },
    )


def take_back(connection: Connection, attempt: Attempt) -> None:
    """Undoes an attempt whose input turned out unreadable: the invoice is as it was before, or gone where this attempt made it."""
    _locked(connection, attempt)
    stage.drop(connection, run_id=attempt.import_run_id)
    run = connection.execute(select(import_run).where(import_run.c.import_run_id == attempt.import_run_id)).one()
    connection.execute(delete(import_source).where(import_source.c.import_run_id == attempt.import_run_id))
    connection.execute(delete(import_run).where(import_run.c.import_run_id == attempt.import_run_id))
    mine = provider_invoice.c.provider_invoice_id == attempt.provider_invoice_id
    if run.previous is None:
        connection.execute(delete(provider_invoice).where(mine))
    else:
        connection.execute(update(provider_invoice).where(mine).values(**run.previous))


def abandon(connection: Connection, attempt: Attempt, *, who: Who, order: str) -> None:
    """Ends a dead attempt whose invoice another one has taken over meanwhile: nothing but its run is left to be closed."""
    stage.drop(connection, run_id=attempt.import_run_id)
    connection.execute(_run_ended(attempt, "abandoned", BROKEN_OFF, who))
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action="abandon import",
        target_kind="provider invoice",
        target=f"{attempt.provider} {attempt.invoice_number}",
        after=_sealed(attempt, order),
    )


def begin_again(connection: Connection, begun: Begun) -> Attempt:
    """The rows of an attempt as it began once, ids included: what a rebuild starts from. Takes ids as given, so not for the ledger in use."""
    if begun.invoice is not None:
        mine = provider_invoice.c.provider_invoice_id == begun.invoice["provider_invoice_id"]
        if connection.execute(update(provider_invoice).where(mine).values(**begun.invoice)).rowcount == 0:
            connection.execute(insert(provider_invoice).values(**begun.invoice))
    connection.execute(insert(import_run).values(**begun.run))
    if begun.sources:
        connection.execute(insert(import_source), begun.sources)
    run_id, invoice_id = begun.run["import_run_id"], begun.run["provider_invoice_id"]
    if begun.invoice is not None:
        stage.create(connection, run_id=run_id, provider_invoice_id=invoice_id)
    source = begun.invoice["source"] if begun.invoice else "synced"  # an attempt at files that was overtaken has nothing left to take back
    return Attempt(begun.provider, begun.invoice_number, invoice_id, run_id, source)


def sweep(engine: Engine, *, landing: Landing, who: Who) -> int:
    """Ends the runs that died, drops their stages and those nobody refers to; returns how many runs that were."""
    swept = 0
    with engine.connect() as connection:
        running = connection.execute(
            select(
                import_run.c.import_run_id,
                import_run.c.provider_invoice_id,
                provider_invoice.c.provider,
                provider_invoice.c.invoice_number,
                provider_invoice.c.source,
            )
            .join(provider_invoice, provider_invoice.c.provider_invoice_id == import_run.c.provider_invoice_id)
            .where(import_run.c.status == "running")
        ).all()
        connection.commit()
        for run in running:
            attempt = Attempt(run.provider, run.invoice_number, run.provider_invoice_id, run.import_run_id, run.source)
            if not store_engine.lock(connection, *lock_names(run.provider, run.invoice_number)):
                connection.commit()
                continue
            connection.commit()
            try:
                with connection.begin():
                    swept += _end_dead(connection, attempt, who, engine, landing)
            finally:
                store_engine.unlock(connection, *lock_names(run.provider, run.invoice_number))
                connection.commit()
        with connection.begin():
            _drop_orphaned_stages(connection)
    return swept


def _end_dead(connection: Connection, attempt: Attempt, who: Who, engine: Engine, landing: Landing) -> int:
    still = select(import_run.c.status).where(import_run.c.import_run_id == attempt.import_run_id)
    if connection.execute(still).scalar() != "running":
        return 0
    invoice = _locked(connection, attempt)
    overtaken = invoice.import_run_id != attempt.import_run_id
    if invoice.source == "file" and not overtaken:
        take_back(connection, attempt)
        return 1
    named = {"provider": attempt.provider, "invoice_number": attempt.invoice_number}
    begun = orders.begun(connection, **named, import_run_id=attempt.import_run_id)
    ending = Ending.OVERTAKEN if overtaken else Ending.ABANDONED
    order = Order(begun, ending, who.actor, who.now, BROKEN_OFF, None if overtaken else Failure.PROVIDER_ERROR)
    landed = orders.land(engine, landing, order)
    if overtaken:
        abandon(connection, attempt, who=who, order=landed)
    else:
        break_off(connection, attempt, who=who, order=landed)
    return 1


def break_off(connection: Connection, attempt: Attempt, *, who: Who, order: str) -> None:
    """Ends an attempt that died before it was decided."""
    fail(
        connection,
        attempt,
        failure=Failure.PROVIDER_ERROR,
        message=BROKEN_OFF,
        outcome={},
        missing=(),
        fingerprint=None,
        who=who,
        keep_stage=False,
        order=order,
        run_status="abandoned",
    )


def _drop_orphaned_stages(connection: Connection) -> None:
    """Stages that no invoice refers to any more, whose run is over."""
    staged = stage.all_runs(connection)
    if not staged:
        return
    referred = set(connection.execute(select(provider_invoice.c.import_run_id)).scalars())
    running = set(connection.execute(select(import_run.c.import_run_id).where(import_run.c.status == "running")).scalars())
    for run_id in staged - referred - running:
        stage.drop(connection, run_id=run_id)


def _locked(connection: Connection, attempt: Attempt) -> Row:
    return connection.execute(
        select(provider_invoice).where(provider_invoice.c.provider_invoice_id == attempt.provider_invoice_id).with_for_update()
    ).one()


def _finish(
    connection: Connection, attempt: Attempt, before: Row, *, action: str, run_status: str, who: Who, order: str, values: Mapping[str, Any]
) -> None:
    connection.execute(
        update(provider_invoice).where(provider_invoice.c.provider_invoice_id == attempt.provider_invoice_id).values(**values)
    )
    lines = values.get("license_lines", 0) + values.get("usage_lines", 0)
    connection.execute(_run_ended(attempt, run_status, values.get("message", ""), who, lines=lines))
    run = connection.execute(select(import_run.c.previous).where(import_run.c.import_run_id == attempt.import_run_id)).scalar_one()
    if run and run["import_run_id"] is not None:
        stage.drop(connection, run_id=run["import_run_id"])
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=action,
        target_kind="provider invoice",
        target=f"{attempt.provider} {attempt.invoice_number}",
        reason=before.override_reason,
        before={k: run[k] for k in ("state", "status_reason", "failure")} if run else None,
        after={
            "state": values["state"],
            "status_reason": values["status_reason"],
            "failure": values["failure"],
            "version": values.get("version", before.version),
            "header_total": values.get("header_total", before.header_total),
            "lines_total": values.get("lines_total"),
            "override_tolerance": before.override_tolerance,
            "fingerprint": values.get("fingerprint"),
            **(_overridden(before, values) if before.override_tolerance is not None else {}),
            **_sealed(attempt, order),
        },
    )


def _overridden(before: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of an import that was asked for with an override: what differed, whether the override let it pass, and what is proven of it."""
    explanation = values.get("explanation") or {}
    gaps = {"difference": explanation.get("header_gap"), "usage_difference": explanation.get("usage_gap")}
    passed = values["failure"] is None and any(gaps.values())
    return {"currency": before.currency, **gaps, "overridden": passed, "proven_cause": values.get("proven_cause")}


def _sealed(attempt: Attempt, order: str) -> dict[str, Any]:
    """What a rebuild goes by: the order that was carried out, and the ids that are taken."""
    return {"provider_invoice_id": attempt.provider_invoice_id, "import_run_id": attempt.import_run_id, "order": order}


def _run_ended(attempt: Attempt, status: str, message: str, who: Who, *, lines: int = 0):
    return (
        update(import_run)
        .where(import_run.c.import_run_id == attempt.import_run_id)
        .values(status=status, message=message, lines=lines, finished_at=who.now)
    )


def _replace_missing(connection: Connection, attempt: Attempt, missing: Sequence[MissingReference]) -> None:
    connection.execute(delete(missing_reference).where(missing_reference.c.provider_invoice_id == attempt.provider_invoice_id))
    rows = [
        {
            "provider_invoice_id": attempt.provider_invoice_id,
            "kind": reference.kind,
            "key": reference.key,
            "name": reference.name,
            "blocking": reference.blocking,
            "lines": reference.lines,
            "amount": reference.amount,
            "currency": reference.currency,
            "suggestion": reference.suggestion,
        }
        for reference in missing
    ]
    if rows:
        connection.execute(insert(missing_reference), rows)


def _copy_summaries(connection: Connection, attempt: Attempt, summaries: Iterable[Any], who: Who) -> None:
    """Copies the usage summaries as they come; an invoice may have a hundred thousand of them."""
    names = ("usage_id", "subscription_id", "account_id", "provider_subscription_id", "product_id", "sku_id", "product", "charge_start")
    names += ("charge_end", "quantity", "cost", "markup_pct", "selling_amount", "currency", "lines")
    values = attrgetter(*names, "markup_pct")
    left = iter(summaries)
    while some := [(attempt.provider_invoice_id, who.now, *values(summary)) for summary in islice(left, _AT_ONCE)]:
        columns, options, content = copied_rows(("provider_invoice_id", "created_at", *names, "stamped_markup_pct"), some)
        cursor = connection.connection.driver_connection.cursor()
        with cursor, cursor.copy(f"copy {usage_summary.name} ({columns}) from stdin ({options})") as sink:
            sink.write(content)


def _header_values(header: InvoiceHeader) -> dict[str, Any]:
    return {
        "invoice_number": header.number,
        "document_type": header.document_type,
        "amends_of": header.amends_of,
        "invoice_type": header.invoice_type,
        "invoice_date": header.invoice_date,
        "period_start": header.period_start,
        "period_end": header.period_end,
        "currency": header.currency,
        "header_total": header.total,
    }


def named(engine: Engine, *, provider_name: str | None, invoice_number: str) -> Row:
    """The same, where it has to be there."""
    found = find(engine, provider_name=provider_name, invoice_number=invoice_number)
    if found is None:
        raise CallRefused(f"There is no invoice {invoice_number}; `invoices` shows those there are.")
    return found


def find(engine: Engine, *, provider_name: str | None, invoice_number: str) -> Row | None:
    """The invoice of that number, ids compared without regard to case; of several of one provider, the one that is written so. CallRefused where several providers have one."""
    query = select(provider_invoice).where(func.lower(provider_invoice.c.invoice_number) == invoice_number.lower())
    if provider_name:
        query = query.where(func.lower(provider_invoice.c.provider) == provider_name.lower())
    with engine.connect() as connection:
        found = connection.execute(query).all()
    if provider_name and len(found) > 1:
        found = [row for row in found if row.invoice_number == invoice_number] or found
    if len(found) > 1:
        raise CallRefused(f"Several providers have an invoice {invoice_number}; say whose with --provider NAME.")
    return found[0] if found else None
