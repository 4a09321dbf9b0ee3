"""What is kept between two runs of a page? The engine of this process, sums over an import that never changes, drawn figures, and the diagnosis of a month
for as long as nobody writes anything. The only cache.

Everything else is asked anew, so that a page is never older than the database; a figure is drawn anew as soon as anything that it shows is another.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import streamlit as st

from pages.components import signed_in
from w365core.errors import StoreUnavailable
from w365core.jobs import diagnosing, invoicing, mending, messaging, queue, rates, remaking, supplying
from w365core.jobs.supplying import Choices
from w365core.reports import (
    change_logs as change_logs_report,
    connection,
    connections as connections_report,
    differences,
    invoice_detail,
    invoice_status as status_report,
    job_lists,
    jobs as jobs_report,
    margin as margin_report,
    messages as messages_report,
    missing_references as references_report,
    reconciliation as reconciliation_report,
    reconciliation_evidence,
    reconciliation_scope,
    settings as settings_report,
    tolerances,
    usage_invoice_detail,
    usage_invoices as usage_invoices_report,
)
from w365core.reports.change_logs import ChangeLogs
from w365core.reports.connection import Connection, Engine, Installation
from w365core.reports.connections import Connections
from w365core.reports.differences import Bar, Difference
from w365core.reports.invoice_detail import Customer, InvoiceDetail, Page
from w365core.reports.invoice_status import InvoiceFilter, InvoiceStatus
from w365core.reports.job_lists import JobFilter
from w365core.reports.jobs import Jobs
from w365core.reports.margin import Margin
from w365core.reports.messages import Message, Messages
from w365core.reports.missing_references import MissingReferences
from w365core.reports.provider_invoice import Invoice
from w365core.reports.reconciliation import Reconciliation
from w365core.reports.reconciliation_evidence import Evidence
from w365core.reports.reconciliation_scope import Scope
from w365core.reports.settings import Settings
from w365core.reports.tolerances import Tolerances
from w365core.reports.usage_invoice_detail import Opened
from w365core.reports.usage_invoices import ToRemake, UsageInvoices, Wanted
from w365core.reports.why_no_usage_invoice import Found


@st.cache_resource(show_spinner="Opening the database …")
def unguarded() -> Engine:
    """The process' engine, for the frame's question who is there. It keeps no connection, so it survives a restart of the database."""
    return connection.engine()


def engine() -> Engine:
    """The same for every page. AccessRefused for whoever has no role (any more)."""
    opened = unguarded()
    signed_in.refuse_stranger(opened)
    return opened


engine.clear = unguarded.clear  # where the embedded database has moved


@contextmanager
def reading(*, seconds: int = connection.SECONDS_TO_ANSWER) -> Iterator[Connection]:
    """One read-only snapshot. Where the embedded database is away, the next one looks for it afresh and starts it."""
    try:
        with connection.reading(engine(), seconds=seconds) as opened:
            yield opened
    except StoreUnavailable:
        if connection.is_embedded():
            engine.clear()
        raise


def installation() -> Installation:
    with reading() as opened:
        return connection.installation(opened)


def around(*, filtered: bool) -> tuple[Installation, Mapping[str, Mapping[str, str]] | None]:
    """What stands around every page: the installation, and what provider invoices can be filtered by, None where the page has no such filters."""
    with reading() as opened:
        return connection.installation(opened), status_report.choices(opened) if filtered else None


def now(opened: Connection) -> datetime:
    """What time it is for this installation; a demo states its own."""
    return connection.installation(opened).now


def figure(draw: Callable[..., Any], *shown: Any, **options: Any) -> Any:
    """What `draw` makes of just these values; drawing takes most of a page's time, so the same values are drawn once. Nobody may change it."""
    return _drawn(pickle.dumps((draw, shown, options)), lambda: draw(*shown, **options))


@st.cache_resource(max_entries=200, show_spinner=False)
def _drawn(shown: bytes, _draw: Callable[[], Any]) -> Any:
    """The figure, which says itself in the same words each time it is shown: plotly would copy all of it first."""
    drawn = _draw()
    said = drawn.to_dict()
    drawn.to_dict = lambda: said
    return drawn


@st.cache_data(max_entries=200, show_spinner="Adding up the customers …")
def customers(provider_invoice_id: int, import_run_id: int | None, standing: str) -> tuple[Customer, ...]:
    """By customer. The run and the standing are in the key because another import has other lines."""
    with reading() as opened:
        return invoice_detail.customers(opened, provider_invoice_id)


@st.cache_data(max_entries=200, show_spinner="Adding up the difference …")
def difference_bars(
    provider_invoice_id: int, import_run_id: int | None, standing: str, dimension: str, *, of_usage: bool
) -> tuple[Bar, ...]:
    """A difference by customer, product or charge type; keyed as the customers are."""
    with reading() as opened:
        return differences.bars(opened, invoice(provider_invoice_id).invoice, dimension, of_usage=of_usage)


def difference(of: Invoice) -> Difference | None:
    """What the invoice's difference is made of, as it is now."""
    with reading() as opened:
        return differences.load(opened, of, now=connection.installation(opened).now)


def tolerance_policies() -> Tolerances:
    """Limits, what expires and what was overridden, as it is now."""
    with reading() as opened:
        return tolerances.load(opened, now=connection.installation(opened).now)


def settings() -> Settings:
    """What is set, as it is now."""
    with reading() as opened:
        at = now(opened)
        return settings_report.load(opened, rates.standing(opened, now=at), today=at.date())


def invoice_status(wanted: InvoiceFilter) -> InvoiceStatus:
    """The page of the chosen invoices, as they are now."""
    with reading() as opened:
        return status_report.load(opened, wanted, now=now(opened))


def connections() -> Connections:
    """The providers, as they are now."""
    with reading() as opened:
        return connections_report.load(opened)


def missing_references(wanted: InvoiceFilter, *, kind: str | None, invoice: int | None) -> MissingReferences:
    """What is missing on the chosen invoices, as things are now."""
    with reading() as opened:
        return references_report.load(opened, supplying.missing(opened), wanted, kind=kind, invoice=invoice)


def choices() -> Choices:
    """What can be chosen to supply it."""
    with reading() as opened:
        return supplying.choices(opened)


def invoice(provider_invoice_id: int) -> InvoiceDetail | None:
    """One invoice's head, as it is now."""
    with reading() as opened:
        return invoice_detail.load(opened, provider_invoice_id, now=now(opened))


def usage_invoices(wanted: Wanted) -> UsageInvoices:
    """What is to be billed, made again or credited, and the usage invoices there are."""
    with reading() as opened:
        today = now(opened).date()
        plans = invoicing.plans(opened, invoicing.Period.until(today), today=today)
        return usage_invoices_report.load(opened, plans, remaking.drafts_again(opened), wanted, today=today)


def to_remake(number: str) -> ToRemake | None:
    """How the Draft would come out otherwise today; None where it would not, or is none."""
    with reading() as opened:
        return usage_invoices_report.to_remake(remaking.drafts_again(opened, invoice_number=number))


def usage_invoice(number: str) -> Opened | None:
    """One usage invoice, as it is now."""
    with reading() as opened:
        return usage_invoice_detail.load(opened, number)


def diagnosed(choose: Callable[[date], str]) -> Found:
    """Why there are no usage invoices in a month, as things are now. `choose` says in which (2026-11), being told which day it is."""
    with reading() as opened:
        today = now(opened).date()
        return _diagnosed(choose(today), today, connection.moment(opened), opened)


@st.cache_data(max_entries=20, show_spinner=False)
def _diagnosed(period: str, today: date, moment: str, _opened: Connection) -> Found:
    """Asked anew as soon as anything has been written since: choosing among the rows of a month writes nothing."""
    first_day = date.fromisoformat(f"{period}-01")
    known = diagnosing.records(_opened)
    rows = diagnosing.diagnose(_opened, period=first_day, today=today, known=known)
    late = diagnosing.lateness(_opened, period=first_day, rows=rows, known=known)
    return Found(period, today, rows, late, known.rates)


def reconciliation(wanted: reconciliation_report.Wanted) -> Reconciliation:
    """The reconciliation of an invoice or a month, as it is now."""
    with reading() as opened:
        scope = reconciliation_scope.load(opened, invoice_id=wanted.invoice_id, month=wanted.month)
        return reconciliation_report.load(opened, wanted, scope=scope)


def reconciliation_row(wanted: reconciliation_report.Wanted, *, provider_invoice_id: int, line_id: str) -> tuple[Scope, Evidence | None]:
    """One row with its evidence, and the invoices that it was chosen from; those of the row where it is of none of them."""
    with reading() as opened:
        scope = reconciliation_scope.load(opened, invoice_id=wanted.invoice_id, month=wanted.month)
        if provider_invoice_id not in {one["provider_invoice_id"] for one in scope.chosen}:
            scope = reconciliation_scope.load(opened, invoice_id=provider_invoice_id, month=None)
        mine = next((one for one in scope.reconciled if one["provider_invoice_id"] == provider_invoice_id), None)
        if mine is None:
            return scope, None
        return scope, reconciliation_evidence.load(opened, scope, wanted, run=mine["reconciliation_id"], line_id=line_id)


def margin(
    *, invoice_id: int | None, month: str | None, since: date | None, until: date | None, customers: Sequence[str], families: Sequence[str]
) -> Margin:
    """What an invoice or a month earns, as it is now."""
    with reading() as opened:
        return margin_report.load(
            opened, invoice_id=invoice_id, month=month, since=since, until=until, customers=customers, families=families
        )


def change_logs() -> ChangeLogs:
    """The four checks of our change logs, as they are now."""
    with reading() as opened:
        return change_logs_report.build(mending.check(opened, today=now(opened).date()), logs=reconciliation_scope.change_logs(opened))


def jobs() -> Jobs:
    """What runs, waits, has failed and runs by itself, as it is now."""
    with reading() as opened:
        return jobs_report.load(opened, now=now(opened))


def job_history(wanted: JobFilter, before: int | None) -> Page:
    """A page of the jobs that have ended."""
    with reading() as opened:
        return job_lists.history(opened, wanted, before=before)


def count_jobs(wanted: JobFilter) -> int:
    with reading() as opened:
        return job_lists.count(opened, wanted)


def every_job(wanted: JobFilter) -> Iterator[Mapping[str, Any]]:
    """All of them, read as they are taken, without a time limit."""
    with reading(seconds=0) as opened:
        yield from job_lists.everything(opened, wanted)


def messages(*, states: Sequence[str], kinds: Sequence[str]) -> Messages:
    """The outbox and who is told, as it is now."""
    with reading() as opened:
        return messages_report.load(opened, states=states, kinds=kinds, now=now(opened))


def templates() -> dict[str, messaging.Words]:
    """What messages say, as it is now."""
    with reading() as opened:
        return messaging.words(opened)


def said_today(kind: str) -> messaging.Facts | None:
    """The facts of what there is to be said of that kind today; None where there is nothing."""
    with reading() as opened:
        return messaging.today(opened, now=now(opened)).get(kind)


def message(outbox_id: int) -> Message | None:
    """One message, as it is now."""
    with reading() as opened:
        return messages_report.message(opened, outbox_id)


def messages_going() -> tuple[int, bool]:
    """How many messages are about to be sent, and whether a worker is there to do it."""
    with reading() as opened:
        return messages_report.going(opened), queue.someone_works(opened)
