"""How does a provider invoice get in? Whole or not at all, told top to bottom.

`import_synced` fetches the lines from the provider, `import_files` takes files downloaded by hand, `validate_again` reads what landed before; all
three then go the same way: rate and stage every line, check the sums, decide, and publish in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import Connection, select

from w365core import lifecycle, money
from w365core.errors import AlreadyRunning, InputRefused, ProviderError, StoreUnavailable, W365Error
from w365core.intake.checksum import Claim
from w365core.jobs import explaining, fetching, ordering, reconciling, suggesting, usual as usual_months
from w365core.jobs.context import Context
from w365core.jobs.layouts import LayoutUnknown
from w365core.jobs.lookups import references_of
from w365core.jobs.ordering import Grounds
from w365core.jobs.rating import Whole, rate_sources
from w365core.model import Failure, Feed, InvoiceHeader, MissingReference, Problem, Provider, ProviderType, StatusReason
from w365core.providers.contract import NO_CURRENCY, Connector
from w365core.reports import wording
from w365core.store import engine as store_engine, ledger, references as store_references
from w365core.store.ledger import Attempt, Source
from w365core.store.tables import import_source, provider_invoice


@dataclass(frozen=True)
class Outcome:
    """How one import ended. `exit_code` is 0 (Active, or Populating by rule), 1 (in Error) or 3 (the provider failed)."""

    provider: str
    invoice: str
    status: str
    failure: str | None
    message: str
    lines: int = 0

    @property
    def exit_code(self) -> int:
        if self.failure is None:
            return 0
        return 3 if self.failure == Failure.PROVIDER_ERROR else 1


@dataclass(frozen=True)
class Material:
    """What an attempt is made of: landed content, its version, whether the provider has daily usage for it, and the currency of its first line where
    the header may say none."""

    sources: tuple[Source, ...]
    fingerprint: str
    daily_usage_published: bool = True
    currency: str | None = None


@dataclass(frozen=True)
class Asked:
    """How the import was asked for, and what the provider lists besides."""

    override: Decimal | None
    by_hand: bool
    activate: bool = False
    listed: tuple[InvoiceHeader, ...] = ()


def import_synced(
    context: Context,
    provider: Provider,
    connector: Connector,
    header: InvoiceHeader,
    *,
    override: Decimal | None,
    sync_run_id: int,
    by_hand: bool,
    reason: str | None = None,
    listed: Sequence[InvoiceHeader] = (),
    expected: bool = False,
) -> Outcome:
    """Imports one listed invoice from the provider. What the provider fails to give leaves the invoice in Error, never shortened. `listed` is what it
    lists besides. CallRefused where the invoice was `expected` to be here and somebody has deleted it meanwhile."""

    def fetch(attempt: Attempt) -> Material:
        fetched = fetching.fetch(context, provider, connector, header, sync_run_id=sync_run_id)
        return Material(fetched.sources, fetched.fingerprint, fetched.daily_usage_published, fetched.currency)

    asked = Asked(override, by_hand, listed=tuple(listed))
    how = {"source": "synced", "override": override, "reason": reason, "sync_run_id": sync_run_id, "expected": expected}
    with _attempt(context, provider, header, **how) as (connection, attempt):
        outcome = _import(context, connection, attempt, provider, header, fetch, asked)
    return _reconciled(context, outcome)


def import_files(
    context: Context,
    provider: Provider,
    header: InvoiceHeader,
    material: Material,
    *,
    override: Decimal | None,
    sync_run_id: int,
    activate: bool,
    reason: str | None = None,
) -> Outcome:
    """Imports an invoice from landed files by hand. InputRefused where a line cannot be read: then nothing has changed."""
    asked = Asked(override, by_hand=True, activate=activate)
    with _attempt(context, provider, header, source="file", override=override, reason=reason, sync_run_id=sync_run_id) as (
        connection,
        attempt,
    ):
        outcome = _import(context, connection, attempt, provider, header, lambda _: material, asked)
    return _reconciled(context, outcome)


def validate_again(
    context: Context,
    provider: Provider,
    invoice_number: str,
    *,
    override: Decimal | None,
    sync_run_id: int,
    reason: str | None = None,
    judged_by: Claim | None = None,
) -> Outcome:
    """Imports an invoice once more from what landed, against our records as they are now. Of one that was synced, `judged_by` says whether its
    daily usage was published and whether the reconciliation file's lines were taken instead."""
    with context.engine.connect() as connection:
        invoice = connection.execute(
            select(provider_invoice).where(
                provider_invoice.c.provider == provider.name, provider_invoice.c.invoice_number == invoice_number
            )
        ).one()
        rows = connection.execute(
            select(import_source).where(import_source.c.import_run_id == invoice.import_run_id).order_by(import_source.c.ordinal)
        ).all()
    header = InvoiceHeader(
        number=invoice.invoice_number,
        invoice_date=invoice.invoice_date,
        currency=invoice.currency,
        total=invoice.header_total,
        document_type=invoice.document_type,
        amends_of=invoice.amends_of,
        invoice_type=invoice.invoice_type,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
    )
    sources = tuple(Source(row.feed, row.name, row.fingerprint, row.form) for row in rows)
    material = Material(sources, invoice.fingerprint or "", judged_by is None or judged_by.daily_usage_published)
    if invoice.source == "file":
        return import_files(context, provider, header, material, override=override, sync_run_id=sync_run_id, activate=False, reason=reason)
    asked = Asked(override, by_hand=judged_by is not None and judged_by.reconciliation_usage_accepted)
    with _attempt(context, provider, header, source="synced", override=override, reason=reason, sync_run_id=sync_run_id) as (
        connection,
        attempt,
    ):
        outcome = _import(context, connection, attempt, provider, header, lambda _: material, asked)
    return _reconciled(context, outcome)


# --- the steps ---------------------------------------------------------------------------------------------------------------------------


def _import(
    context: Context,
    connection: Connection,
    attempt: Attempt,
    provider: Provider,
    header: InvoiceHeader,
    fetch: Callable[[Attempt], Material],
    asked: Asked,
) -> Outcome:
    """One attempt, step by step."""
    context.report(f"{attempt.invoice_number}: importing")
    try:
        material = fetch(attempt)
        _say_sources(connection, attempt, material)
        header = _with_currency(connection, attempt, header, material)
        references = _references(connection, provider, header)
        whole = rate_sources(context, connection, attempt, material.sources, references)
        check_staged(whole)
    except ProviderError as error:
        return _fail(context, connection, attempt, Failure.PROVIDER_ERROR, error)
    except LayoutUnknown as error:
        return _fail(context, connection, attempt, Failure.INVALID_DATA, error)
    if whole.problems and attempt.source == "file":
        raise InputRefused(_unreadable(whole.problems), whole.problems)
    claim = _claim(context, connection, attempt, provider, header, material, asked)
    decision = ordering.judged(claim, whole)
    explanation = explaining.of_attempt(connection, attempt, claim, decision, whole)
    grounds = Grounds(claim, whole.used, decision, _suggested(connection, attempt, whole), explanation)
    return _settle(context, connection, attempt, grounds, whole, populating=provider.type is ProviderType.MANUAL and not asked.activate)


@contextmanager
def _attempt(
    context: Context,
    provider: Provider,
    header: InvoiceHeader,
    *,
    source: str,
    override: Decimal | None,
    reason: str | None,
    sync_run_id: int,
    expected: bool = False,
) -> Iterator[tuple[Connection, Attempt]]:
    """The invoice's lock and a begun attempt; an attempt that ends with an error of ours is taken back, one that dies is swept later."""
    names = ledger.lock_names(provider.name, header.number)
    with store_engine.guarded(), context.engine.connect() as connection:
        if not store_engine.lock(connection, *names):
            raise AlreadyRunning(
                f"Invoice {header.number} of {provider.name} is being imported by somebody else right now; look again in a minute."
            )
        connection.commit()
        try:
            with connection.begin():
                attempt = ledger.begin(
                    connection,
                    provider=provider.name,
                    header=header,
                    source=source,
                    who=context.who,
                    sync_run_id=sync_run_id,
                    override=override,
                    reason=reason,
                    expected=expected,
                )
            try:
                yield connection, attempt
            except StoreUnavailable:
                raise
            except W365Error:
                connection.rollback()
                with connection.begin():
                    ledger.take_back(connection, attempt)
                raise
        finally:
            if not connection.invalidated and not connection.closed:
                connection.rollback()
                store_engine.unlock(connection, *names)
                connection.commit()


def _say_sources(connection: Connection, attempt: Attempt, material: Material) -> None:
    with connection.begin():
        ledger.record_sources(connection, attempt, material.sources, fingerprint=material.fingerprint)


def _with_currency(connection: Connection, attempt: Attempt, header: InvoiceHeader, material: Material) -> InvoiceHeader:
    """A header without a currency has that of its first line."""
    if header.currency != NO_CURRENCY or not material.currency:
        return header
    with connection.begin():
        ledger.say_currency(connection, attempt, material.currency)
    return replace(header, currency=material.currency)


def _references(connection: Connection, provider: Provider, header: InvoiceHeader):
    with connection.begin():
        return references_of(connection, provider=provider.name, invoice_number=header.number, currency=header.currency)


def check_staged(whole: Whole) -> None:
    """The database's own count and sums against the kernel's: what was staged is what was rated."""
    staged, reconciled = whole.staged, [t for t in whole.totals if t.feed is not Feed.DAILY_RATED]
    assert staged.license_lines == sum(t.lines for t in reconciled), "staged and rated license lines differ in number"
    assert staged.license_total == money.total(t.total for t in reconciled), "staged and rated license lines differ in total"
    assert staged.usage_lines == sum(s.lines for s in whole.summaries), "staged and summed usage lines differ in number"
    assert staged.usage_cost == money.total(s.cost for s in whole.summaries), "staged and summed usage lines differ in cost"


def _claim(
    context: Context,
    connection: Connection,
    attempt: Attempt,
    provider: Provider,
    header: InvoiceHeader,
    material: Material,
    asked: Asked,
) -> Claim:
    with connection.begin():
        usual = usual_months.usual_for(connection, provider.name, header, listed=asked.listed, today=context.now.date())
        rate = store_references.currencies(connection).get(header.currency.upper())
        first_seen = connection.execute(
            select(provider_invoice.c.first_seen_at).where(provider_invoice.c.provider_invoice_id == attempt.provider_invoice_id)
        ).scalar_one()
    return Claim(
        currency=header.currency,
        header_total=header.total,
        tolerance=provider.tolerance,
        rate_to_base=rate,
        override=asked.override,
        daily_usage_published=material.daily_usage_published,
        reconciliation_usage_accepted=asked.by_hand and lifecycle.window_closed(first_seen, context.now),
        usual=usual,
    )


def _settle(context: Context, connection: Connection, attempt: Attempt, grounds: Grounds, whole: Whole, *, populating: bool) -> Outcome:
    """Lands the order, then carries it out: published or failed, in one transaction."""
    decision = grounds.decision
    failed, message = decision.status is StatusReason.ERROR, explaining.with_cause(decision.message, grounds.explanation)
    if populating and not failed:
        message = " ".join(filter(None, [message, "Its lines are complete; activate it so that its usage can be billed."]))
    order = ordering.decided(context, connection, attempt, grounds, message=message, populating=populating)
    fingerprint = ordering.land(context, order)
    with connection.begin():
        ordering.carry_out(connection, attempt, order, fingerprint=fingerprint, grounds=grounds, whole=whole)
    if failed:
        context.report(f"{attempt.invoice_number}: Error, {message}")
        return Outcome(attempt.provider, attempt.invoice_number, "Inactive/Error", str(decision.failure), message, whole.lines)
    context.report(
        f"{attempt.invoice_number}: {'complete, to be activated' if populating else 'Active'}, {wording.counted(whole.lines, 'line')}"
    )
    status = "Active/Populating" if populating else "Active/Active"
    return Outcome(attempt.provider, attempt.invoice_number, status, None, message, whole.lines)


def _fail(context: Context, connection: Connection, attempt: Attempt, failure: Failure, error: W365Error) -> Outcome:
    connection.rollback()
    order = ordering.undecided(context, connection, attempt, failure=failure, message=str(error))
    fingerprint = ordering.land(context, order)
    with connection.begin():
        ordering.carry_out(connection, attempt, order, fingerprint=fingerprint, grounds=None, whole=None)
    context.report(f"{attempt.invoice_number}: Error, {error}")
    return Outcome(attempt.provider, attempt.invoice_number, "Inactive/Error", str(failure), str(error))


def _reconciled(context: Context, outcome: Outcome) -> Outcome:
    """The import has ended; an Active invoice is held against our records at once. What goes wrong there is said, and the invoice is in all the same."""
    if outcome.status != "Active/Active":
        return outcome
    said = reconciling.after_import(context, provider=outcome.provider, invoice_number=outcome.invoice)
    return replace(outcome, message=" ".join(filter(None, [outcome.message, said])))


def _suggested(connection: Connection, attempt: Attempt, whole: Whole) -> tuple[MissingReference, ...]:
    if not whole.missing:
        return ()
    with connection.begin():
        return suggesting.suggested(connection, attempt.provider, whole.missing, run_id=attempt.import_run_id)


def _unreadable(problems: Sequence[Problem]) -> str:
    more = f" and {len(problems) - 1} more bad cells" if len(problems) > 1 else ""
    return f"{problems[0]}{more}. Nothing was imported; correct the file and import it again."
