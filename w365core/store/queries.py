"""What the pages and the command line ask: one named function per question, columns listed, parameters bound, paged by keyset.

Every row comes back as a mapping whose amounts are `Decimal` and whose names are the columns' own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select, text, tuple_

from w365core.store import customers, stage
from w365core.store.tables import (
    account,
    audit_log,
    import_run,
    installation,
    license_line,
    missing_reference,
    preference,
    provider_invoice,
    sync_run,
    usage_summary,
)

Rows = list[Mapping[str, Any]]

INVOICE_COLUMNS = tuple(column for column in provider_invoice.columns)


@dataclass(frozen=True)
class InvoiceFilter:
    """Which provider invoices; an empty choice means all of them. `months` are those of the invoice date, as 2026-11.

    `customers` are ids as `store.customers` gives them; an invoice counts that has a line of any of them.
    """

    providers: Sequence[str] = ()
    months: Sequence[str] = ()
    statuses: Sequence[str] = ()  # "Active", "Populating", "Error", "Deactivated"
    currencies: Sequence[str] = ()
    customers: Sequence[str] = ()


def provider_invoices(connection: Connection, wanted: InvoiceFilter = InvoiceFilter()) -> Rows:
    """The invoices, newest first."""
    query = select(*INVOICE_COLUMNS)
    if wanted.providers:
        query = query.where(func.lower(provider_invoice.c.provider).in_([name.lower() for name in wanted.providers]))
    if wanted.months:
        query = query.where(func.to_char(provider_invoice.c.invoice_date, "YYYY-MM").in_(wanted.months))
    if wanted.statuses:
        query = query.where(provider_invoice.c.status_reason.in_(wanted.statuses))
    if wanted.currencies:
        query = query.where(provider_invoice.c.currency.in_(wanted.currencies))
    if wanted.customers:
        query = query.where(provider_invoice.c.provider_invoice_id.in_(customers.invoices_of(connection, wanted.customers)))
    ordered = query.order_by(
        provider_invoice.c.invoice_date.desc().nulls_last(), provider_invoice.c.provider, provider_invoice.c.invoice_number
    )
    return _rows(connection, ordered)


def provider_invoice_by_id(connection: Connection, provider_invoice_id: int) -> Mapping[str, Any] | None:
    """One invoice, or None."""
    found = _rows(connection, select(*INVOICE_COLUMNS).where(provider_invoice.c.provider_invoice_id == provider_invoice_id))
    return found[0] if found else None


def provider_invoice_named(connection: Connection, *, provider: str, number: str) -> Mapping[str, Any] | None:
    """The provider's invoice of that number, compared without regard to case, or None."""
    query = select(*INVOICE_COLUMNS).where(
        provider_invoice.c.provider == provider, func.lower(provider_invoice.c.invoice_number) == number.strip().lower()
    )
    found = _rows(connection, query.limit(1))
    return found[0] if found else None


def amended_documents(connection: Connection) -> Rows:
    """The documents that amend another one, and those that are amended, oldest first."""
    amending = select(func.lower(provider_invoice.c.provider), func.lower(provider_invoice.c.amends_of)).where(
        provider_invoice.c.amends_of.is_not(None)
    )
    named = tuple_(func.lower(provider_invoice.c.provider), func.lower(provider_invoice.c.invoice_number))
    told = [provider_invoice.c[name] for name in ("provider", "invoice_number", "amends_of", "currency", "header_total")]
    query = select(*told).where(provider_invoice.c.amends_of.is_not(None) | named.in_(amending))
    return _rows(connection, query.order_by(provider_invoice.c.invoice_date.nulls_first(), provider_invoice.c.invoice_number))


def license_lines(connection: Connection, provider_invoice_id: int, *, after: int = 0, most: int = 200, kind: str | None = None) -> Rows:
    """The reconciliation file's lines after a line number, as stored; for an invoice in Error those that are staged."""
    return _lines(
        connection, stage.LICENSE, provider_invoice_id, after, most, "" if kind is None else "and line.kind = :kind", {"kind": kind}
    )


def taxed_lines(connection: Connection, provider_invoice_id: int, *, after: tuple[Decimal, int] | None = None, most: int = 200) -> Rows:
    """The reconciliation file's lines that print a tax, the biggest tax first whatever its sign, after (size of the tax, line number)."""
    place, bound = "", {}
    if after is not None:  # said in two steps, so that the index on the tax finds the place
        place = "and abs(line.tax_total) <= :size and (abs(line.tax_total) < :size or line.line_number > :after)"
        bound = {"size": after[0], "after": after[1]}
    statement = f"{_lines_of(connection, stage.LICENSE, provider_invoice_id)} and line.tax_total <> 0 {place} {_BY_TAX} limit :most"
    given = {"id": provider_invoice_id, "most": most, **bound}
    return [dict(row) for row in connection.execute(text(statement), given).mappings()]


def all_license_lines(connection: Connection, provider_invoice_id: int) -> Iterator[Mapping[str, Any]]:
    """Every published license line, in order, read as it is asked for; none of an invoice in Error."""
    query = select(license_line).where(license_line.c.provider_invoice_id == provider_invoice_id, license_line.c.kind == "license")
    yield from connection.execution_options(yield_per=2_000).execute(query.order_by(license_line.c.line_number)).mappings()


def usage_lines(connection: Connection, provider_invoice_id: int, *, after: int = 0, most: int = 200, usage_id: str | None = None) -> Rows:
    """The usage lines after a line number, of one usage summary or of all; for an invoice in Error those that are staged."""
    only = "" if usage_id is None else "and line.usage_id = :usage_id"
    return _lines(connection, stage.USAGE, provider_invoice_id, after, most, only, {"usage_id": usage_id})


def is_staged(connection: Connection, provider_invoice_id: int) -> bool:
    """Whether the invoice's lines are a preview: staged by a failed import, not published."""
    return staged_run(connection, provider_invoice_id) is not None


def every_license_line(connection: Connection, provider_invoice_id: int, *, kind: str | None = None) -> Iterator[Mapping[str, Any]]:
    """All of the reconciliation file's lines, or those of a kind, published or staged, in order, read as they are taken, for an export."""
    only = "" if kind is None else "and line.kind = :kind"
    return _every_line(connection, stage.LICENSE, provider_invoice_id, only, {"kind": kind})


def every_taxed_line(connection: Connection, provider_invoice_id: int) -> Iterator[Mapping[str, Any]]:
    """All lines that print a tax, the biggest tax first, read as they are taken, for an export."""
    return _every_line(connection, stage.LICENSE, provider_invoice_id, "and line.tax_total <> 0", {}, order=_BY_TAX)


def every_usage_line(connection: Connection, provider_invoice_id: int, *, usage_id: str | None = None) -> Iterator[Mapping[str, Any]]:
    """All usage lines, published or staged, of one usage summary or of all, in order, read as they are taken, for an export."""
    only = "" if usage_id is None else "and line.usage_id = :usage_id"
    return _every_line(connection, stage.USAGE, provider_invoice_id, only, {"usage_id": usage_id})


def _lines(
    connection: Connection, which: str, provider_invoice_id: int, after: int, most: int, only: str, bound: Mapping[str, Any]
) -> Rows:
    statement = (
        f"{_lines_of(connection, which, provider_invoice_id)} and line.line_number > :after {only} order by line.line_number limit :most"
    )
    given = {"id": provider_invoice_id, "after": after, "most": most} | {k: v for k, v in bound.items() if v is not None}
    return [dict(row) for row in connection.execute(text(statement), given).mappings()]


_BY_TAX = "order by abs(line.tax_total) desc, line.line_number"


def _every_line(
    connection: Connection,
    which: str,
    provider_invoice_id: int,
    only: str,
    bound: Mapping[str, Any],
    *,
    order: str = "order by line.line_number",
) -> Iterator[Mapping[str, Any]]:
    statement = f"{_lines_of(connection, which, provider_invoice_id)} {only} {order}"
    given = {"id": provider_invoice_id} | {k: v for k, v in bound.items() if v is not None}
    yield from connection.execution_options(yield_per=2_000).execute(text(statement), given).mappings()


def _lines_of(connection: Connection, which: str, provider_invoice_id: int) -> str:
    """The lines of invoice :id, published or staged, with the account's name."""
    run_id = staged_run(connection, provider_invoice_id)
    table = which if run_id is None else stage.table_of(which, run_id)
    names = ", ".join(f"line.{column.name}" for column in stage.columns_of(which))
    return (
        f"select {names}, account.name as account_name from {table} line left join account on account.account_id = line.account_id "
        "where line.provider_invoice_id = :id"
    )


def staged_run(connection: Connection, provider_invoice_id: int) -> int | None:
    """The run whose lines are staged as a preview of an invoice in Error; None where its lines are published, or there are none."""
    row = connection.execute(
        select(provider_invoice.c.import_run_id, provider_invoice.c.status_reason).where(
            provider_invoice.c.provider_invoice_id == provider_invoice_id
        )
    ).first()
    if row is None or row.import_run_id is None or row.status_reason != "Error":
        return None
    return row.import_run_id if stage.exists(connection, run_id=row.import_run_id) else None


def usage_summaries(
    connection: Connection, provider_invoice_id: int, *, after: str = "", most: int | None = None, by_cost: bool = False
) -> Rows:
    """The usage summaries with their account's name, by id (keyset), or the dearest first."""
    query = (
        select(*usage_summary.columns, account.c.name.label("account_name"))
        .outerjoin(account, account.c.account_id == usage_summary.c.account_id)
        .where(usage_summary.c.provider_invoice_id == provider_invoice_id, usage_summary.c.usage_id > after)
        .order_by(*([usage_summary.c.cost.desc()] if by_cost else []), usage_summary.c.usage_id)
    )
    return _rows(connection, query if most is None else query.limit(most))


def usage_summaries_by_cost(
    connection: Connection, provider_invoice_id: int, *, after: tuple[Decimal, str] | None = None, most: int | None = None
) -> Rows:
    """The usage summaries, the dearest first, after (cost, usage id): a keyset in falling order."""
    place = tuple_(-usage_summary.c.cost, usage_summary.c.usage_id)
    query = (
        select(*usage_summary.columns, account.c.name.label("account_name"))
        .outerjoin(account, account.c.account_id == usage_summary.c.account_id)
        .where(usage_summary.c.provider_invoice_id == provider_invoice_id)
        .order_by(usage_summary.c.cost.desc(), usage_summary.c.usage_id)
    )
    if after is not None:
        query = query.where(place > tuple_(-after[0], after[1]))
    return _rows(connection, query if most is None else query.limit(most))


def missing_references(connection: Connection, *, provider_invoice_id: int | None = None) -> Rows:
    """What is missing, biggest money first, with the number and provider of the invoice that waits on it."""
    attempt = [provider_invoice.c[name] for name in ("invoice_number", "provider", "import_run_id", "status_reason")]
    attempt.append(provider_invoice.c.currency.label("invoice_currency"))
    query = select(*missing_reference.columns, *attempt).join(
        provider_invoice, provider_invoice.c.provider_invoice_id == missing_reference.c.provider_invoice_id
    )
    if provider_invoice_id is not None:
        query = query.where(missing_reference.c.provider_invoice_id == provider_invoice_id)
    order = (
        missing_reference.c.blocking.desc(),
        func.abs(missing_reference.c.amount).desc(),
        missing_reference.c.kind,
        missing_reference.c.key,
    )
    return _rows(connection, query.order_by(*order))


def history(connection: Connection, *, provider: str, invoice_number: str, most: int = 50) -> Rows:
    """What happened to an invoice, latest first."""
    query = select(audit_log).where(audit_log.c.target_kind == "provider invoice", audit_log.c.target == f"{provider} {invoice_number}")
    return _rows(connection, query.order_by(audit_log.c.audit_id.desc()).limit(most))


def import_runs(connection: Connection, provider_invoice_id: int, *, most: int = 20) -> Rows:
    """The attempts at an invoice, latest first."""
    query = select(import_run).where(import_run.c.provider_invoice_id == provider_invoice_id)
    return _rows(connection, query.order_by(import_run.c.import_run_id.desc()).limit(most))


def lines_by_account(connection: Connection, provider_invoice_id: int, *, most: int = 15) -> Rows:
    """Published or staged license lines summed by customer, biggest first: account, its name as the lines print it, lines, total with tax."""
    run_id = staged_run(connection, provider_invoice_id)
    table = "license_line" if run_id is None else stage.table_of(stage.LICENSE, run_id)
    statement = text(
        f"select line.account_id, coalesce(account.name, max(line.customer_name), '(not given)') as account_name, count(*) as lines, "
        f"sum(line.subtotal) filter (where line.kind = 'license') as license, sum(line.subtotal) filter (where line.kind = 'usage') as usage, "
        f"sum(line.total) as total from {table} line left join account on account.account_id = line.account_id "
        f"where line.provider_invoice_id = :id group by line.account_id, account.name, "
        f"case when line.account_id is null then line.provider_customer_id end order by sum(line.total) desc limit :most"
    )
    return [dict(row) for row in connection.execute(statement, {"id": provider_invoice_id, "most": most}).mappings()]


def billed_by_month(connection: Connection) -> Rows:
    """Per provider, month of the invoice date, currency and status: how many invoices and what their headers come to."""
    month = func.to_char(provider_invoice.c.invoice_date, "YYYY-MM").label("month")
    query = (
        select(
            provider_invoice.c.provider,
            month,
            provider_invoice.c.currency,
            provider_invoice.c.status_reason,
            func.count().label("invoices"),
            func.sum(provider_invoice.c.header_total).label("total"),
        )
        .where(provider_invoice.c.invoice_date.is_not(None))
        .group_by(provider_invoice.c.provider, month, provider_invoice.c.currency, provider_invoice.c.status_reason)
        .order_by(month, provider_invoice.c.provider, provider_invoice.c.currency)
    )
    return _rows(connection, query)


def last_runs(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Provider -> its last sync of invoices: when it began and how it ended."""
    last = (
        select(func.max(sync_run.c.sync_run_id))
        .where(sync_run.c.provider.is_not(None), sync_run.c.command.not_in(("sync accounts", "validate", "list invoices")))
        .group_by(sync_run.c.provider)
    )
    told = (sync_run.c.provider, sync_run.c.started_at, sync_run.c.status, sync_run.c.message)
    query = select(*told).where(sync_run.c.sync_run_id.in_(last))
    return {row["provider"]: row for row in _rows(connection, query)}


def snapshot(connection: Connection) -> str:
    """Which rows of which database this transaction sees."""
    seen = (
        "select concat_ws(' ', pg_postmaster_start_time(), oid, pg_current_snapshot()) from pg_database where datname = current_database()"
    )
    return connection.execute(text(seen)).scalar_one()


def installation_facts(connection: Connection) -> Mapping[str, str]:
    """What this installation says of itself: "demo", "clock"; and what is set as its "time_zone"."""
    said = select(installation.c.name, installation.c.value)
    zone = select(preference.c.name, preference.c.value).where(preference.c.name == "time_zone")
    return {name: value for name, value in connection.execute(said.union_all(zone))}


def choices(connection: Connection) -> Mapping[str, list[str]]:
    """What the invoices can be filtered by: providers, months (newest first), statuses, currencies."""

    def distinct(column, descending: bool = False) -> list[str]:
        query = select(column).where(column.is_not(None)).distinct()
        return sorted(connection.execute(query).scalars(), reverse=descending)

    return {
        "providers": distinct(provider_invoice.c.provider),
        "months": distinct(func.to_char(provider_invoice.c.invoice_date, "YYYY-MM"), descending=True),
        "statuses": distinct(provider_invoice.c.status_reason),
        "currencies": distinct(provider_invoice.c.currency),
    }


def _rows(connection: Connection, query) -> Rows:
    return [dict(row) for row in connection.execute(query).mappings()]
