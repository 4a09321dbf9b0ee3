"""Which invoices does a sync import? The daily job's choice, and the one that a person names.

The daily job takes everything listed of the provider's latest invoice month, and what failed before or was deleted here and is inside its 15 days;
it leaves Active invoices alone but notices when the provider has changed them since. Older ones come by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Row, select

from w365core import lifecycle
from w365core.dates import month_of
from w365core.errors import CallRefused, ConfigurationMissing, ProviderError, W365Error
from w365core.jobs import comparing, estimating, evidence, fetching, importing, signing_in, tokens, tolerances
from w365core.jobs.context import Context
from w365core.jobs.importing import Outcome
from w365core.jobs.runs import recorded, sweep
from w365core.model import Answer, InvoiceHeader, InvoiceState, Provider, StatusReason
from w365core.providers import registry
from w365core.providers.contract import Connector, Keep, Patience
from w365core.store import landing as store_landing, ledger, listings, providers as store_providers
from w365core.store.tables import deleted_invoice, provider_invoice


@dataclass
class SyncResult:
    """What one sync did, provider by provider; `failures` are providers that could not be asked at all."""

    outcomes: list[Outcome] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: list[tuple[str, W365Error]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)  # what the provider had forgotten before anybody asked
    notes: list[str] = field(default_factory=list)  # what else there is to be said, such as which invoices were left alone and why

    @property
    def exit_code(self) -> int:
        """The gravest: 3, then 4 and 1."""
        codes = {outcome.exit_code for outcome in self.outcomes} | {error.exit_code for _, error in self.failures}
        codes |= {1} if self.changed or self.gaps else set()
        return 3 if 3 in codes else max(codes, default=0)


def sync_daily(context: Context, *, provider_name: str | None, with_estimate: bool = True) -> SyncResult:
    """The daily job, for one provider or for all that have a connection; without estimate and evidence where a past day is made up for."""
    sweep(context)
    result = SyncResult()
    providers = _connected(context, provider_name)
    for provider in providers:
        try:
            with recorded(context, provider.name, "sync") as run_id:
                _sync_provider(context, provider, run_id, result, with_estimate=with_estimate)
        except (ProviderError, ConfigurationMissing) as error:  # caught outside, so that the run is recorded as failed
            if provider_name:
                raise
            context.report(f"{provider.name}: {error}")
            result.failures.append((provider.name, error))
    unconfigured = [error for _, error in result.failures if isinstance(error, ConfigurationMissing)]
    if unconfigured and len(unconfigured) == len(providers):
        raise unconfigured[0]
    return result


def sync_invoice(
    context: Context, *, provider_name: str | None, invoice_number: str, override: Decimal | None, reason: str | None = None
) -> SyncResult:
    """A manual sync of one invoice: from the provider, or for one imported by hand from what landed. CallRefused while it is Active, or where a policy
    refuses the override; `reason` is why it is overridden."""
    sweep(context)
    local = _local(context, provider_name, invoice_number)
    provider = _provider_of(context, provider_name, local, invoice_number)
    if local and (local.state, local.status_reason) == (InvoiceState.ACTIVE, StatusReason.ACTIVE):
        raise CallRefused(
            f"Invoice {local.invoice_number} of {provider.name} is Active and is not downloaded again; deactivate it first, then sync."
        )
    with recorded(context, provider.name, "sync invoice") as run_id:
        how = {"override": override, "reason": reason}
        if local and local.source == "file":
            _refuse_beyond(context, provider, local.currency, override, local.header_total)
            return SyncResult([importing.validate_again(context, provider, local.invoice_number, sync_run_id=run_id, **how)])
        connector = connect(context, provider, sync_run_id=run_id)
        headers = connector.invoices()
        listings.keep(context.engine, provider.name, headers, at=context.now)
        header = listed(provider, headers, invoice_number)
        _refuse_beyond(context, provider, header.currency, override, header.total)
        return SyncResult([import_listed(context, provider, connector, header, local, run_id, by_hand=True, listed=headers, **how)])


def listed(provider: Provider, headers: Sequence[InvoiceHeader], invoice_number: str) -> InvoiceHeader:
    """The invoice as the provider lists it, by its number or the provider's own id. CallRefused where it lists none such."""
    wanted = invoice_number.lower()
    for header in headers:
        if wanted in (header.number.lower(), (header.provider_id or "").lower()):
            return header
    raise CallRefused(f"{provider.name} does not list an invoice {invoice_number}; `sync --provider {provider.name}` shows what it lists.")


def connect(context: Context, provider: Provider, *, sync_run_id: int | None) -> Connector:
    """The provider's connector, keeping every answer in landing. CallRefused where it has none, ConfigurationMissing without its secret."""
    registry.kind_of(provider)
    settings = context.settings
    patience = Patience(timeout=settings.http_timeout, tries=settings.http_tries, poll=settings.poll)
    return registry.connector(
        provider,
        secret=settings.provider_secret(provider.name),
        patience=patience,
        keep=keeping(context, provider, sync_run_id=sync_run_id),
        rotation=tokens.rotation(context, provider),
        today=context.now.date(),
    )


def keeping(context: Context, provider: Provider, *, sync_run_id: int | None) -> Keep:
    """What puts every answer of the provider into landing."""

    def keep(answer: Answer) -> None:
        store_landing.record_answer(
            context.engine,
            context.landing,
            answer,
            provider=provider.name,
            sync_run_id=sync_run_id,
            invoice_number=None,
            purpose=_purpose(answer),
        )

    return keep


# --- which ones --------------------------------------------------------------------------------------------------------------------------


def _sync_provider(context: Context, provider: Provider, run_id: int, result: SyncResult, *, with_estimate: bool) -> None:
    connector = connect(context, provider, sync_run_id=run_id)
    headers = connector.invoices()
    listings.keep(context.engine, provider.name, headers, at=context.now)
    known = _all_local(context, provider)
    _sync_listed(context, provider, connector, headers, known, run_id, result)
    aging = tokens.warned(context, provider)
    if with_estimate and connector.capabilities.usage:
        result.warnings += estimating.refresh(context, provider, connector, currencies=_latest_currencies(headers), sync_run_id=run_id)
    if with_estimate:
        _pull_changes(context, provider, connector, result)
        _warn(context, result, signing_in.exercise(context, provider, keep=keeping(context, provider, sync_run_id=run_id)))
    if aging:
        _warn(context, result, tokens.warning(context, provider, aging))
    pairs = _comparable(context, headers, known)  # as they were before this run: what it imported is what the provider says
    compared = comparing.compare(context, provider, connector, pairs, sync_run_id=run_id, with_versions=with_estimate)
    result.changed += compared.changed
    result.warnings += compared.warnings


def _warn(context: Context, result: SyncResult, said: str) -> None:
    if said:
        context.report(said)
        result.warnings.append(said)


def _pull_changes(context: Context, provider: Provider, connector: Connector, result: SyncResult) -> None:
    """Today's evidence of changes; whatever becomes of it, the invoices stand, and it is said."""
    pulled = evidence.pull_daily(context, provider, connector)
    if pulled is None:
        return
    failed = str(pulled.failure or pulled.missing)
    if failed:
        context.report(f"{provider.name}: {failed}")
        result.warnings.append(failed)
    elif pulled.findings:
        result.gaps += [f"{provider.name}: {sentence}" for sentence in pulled.findings]


def _sync_listed(
    context: Context,
    provider: Provider,
    connector: Connector,
    headers: Sequence[InvoiceHeader],
    known: Mapping[str, Row],
    run_id: int,
    result: SyncResult,
) -> None:
    latest = max((month_of(header.invoice_date) for header in headers), default=None)
    deleted = _deleted_here(context, provider)
    for header in sorted(headers, key=lambda header: (header.invoice_date, header.number)):
        local, number = known.get(header.number.lower()), header.number
        if local is None and number.lower() in deleted:
            if lifecycle.window_closed(deleted[number.lower()], context.now):
                _leave_alone(context, result, number, "was deleted here", deleted[number.lower()])
                continue
        elif local is None:
            if month_of(header.invoice_date) != latest:
                continue
        elif local.status_reason != StatusReason.ERROR:
            continue
        elif lifecycle.window_closed(local.first_seen_at, context.now):
            _leave_alone(context, result, number, "is in Error", local.first_seen_at)
            continue
        try:
            how = {"override": None, "by_hand": False, "listed": headers}
            result.outcomes.append(import_listed(context, provider, connector, header, local, run_id, **how))
        except CallRefused as error:  # somebody else imports it right now, or just has
            context.report(str(error))
            result.skipped.append(number)


def _leave_alone(context: Context, result: SyncResult, number: str, why: str, first_seen_at: datetime) -> None:
    """The window has closed: said on every run for as long as the provider lists it."""
    result.skipped.append(number)
    until = lifecycle.last_retry(first_seen_at)
    result.notes.append(f"{number} {why} and was left alone: its retry window closed on {until:%Y-%m-%d}. Sync it by hand to have it.")
    context.report(result.notes[-1])


def _comparable(context: Context, headers: Sequence[InvoiceHeader], known: Mapping[str, Row]) -> list[tuple[Row, InvoiceHeader]]:
    """The Active invoices that were synced, are still listed, and are young enough, each with what the provider says of it; the newest first."""
    since = lifecycle.compared_since(context.now.date())
    in_order = sorted(headers, key=lambda header: (header.invoice_date, header.number), reverse=True)
    pairs = [(known[header.number.lower()], header) for header in in_order if header.number.lower() in known]
    return [
        (local, header)
        for local, header in pairs
        if local.source == "synced" and (local.invoice_date or since) >= since and lifecycle.allows("notice change", local.status_reason)
    ]


def import_listed(
    context: Context, provider: Provider, connector: Connector, header: InvoiceHeader, local: Row | None, run_id: int, **how
) -> Outcome:
    """Imports what the provider lists; `local` is how it is known here so far."""
    if local is not None and local.header_total != header.total:
        fetching.forget(context, provider, header.number)
    return importing.import_synced(context, provider, connector, header, sync_run_id=run_id, expected=local is not None, **how)


def _refuse_beyond(context: Context, provider: Provider, currency: str, override: Decimal | None, total: Decimal | None) -> None:
    with context.engine.connect() as connection:
        tolerances.refuse_beyond(
            connection, provider=provider.name, currency=currency, override=override, header_total=total, today=context.now.date()
        )


def _connected(context: Context, provider_name: str | None) -> list[Provider]:
    with context.engine.connect() as connection:
        if provider_name:
            return [store_providers.named(connection, provider_name)]
        found = [p for p in store_providers.all_of_them(connection) if registry.capabilities(p.type).invoices]
    if not found:
        raise ConfigurationMissing("No provider with a connection is configured; add one: `provider add NAME --type partner_center …`.")
    return found


def _provider_of(context: Context, provider_name: str | None, local, invoice_number: str) -> Provider:
    with context.engine.connect() as connection:
        if provider_name or local:
            return store_providers.named(connection, provider_name or local.provider)
        connected = [p for p in store_providers.all_of_them(connection) if registry.capabilities(p.type).invoices]
    if len(connected) != 1:
        raise CallRefused(f"Say whose invoice {invoice_number} is: add --provider NAME.")
    return connected[0]


def _local(context: Context, provider_name: str | None, invoice_number: str):
    return ledger.find(context.engine, provider_name=provider_name, invoice_number=invoice_number)


def _deleted_here(context: Context, provider: Provider) -> dict[str, datetime]:
    """When each invoice of the provider that was deleted here had been seen first, by number in lower case."""
    query = select(deleted_invoice.c.invoice_number, deleted_invoice.c.first_seen_at).where(
        deleted_invoice.c.provider == provider.name.lower()
    )
    with context.engine.connect() as connection:
        return {number: first_seen_at for number, first_seen_at in connection.execute(query)}


def _all_local(context: Context, provider: Provider) -> dict[str, Row]:
    """What is known of the provider's invoices, by number in lower case."""
    with context.engine.connect() as connection:
        found = connection.execute(select(provider_invoice).where(provider_invoice.c.provider == provider.name)).all()
    return {invoice.invoice_number.lower(): invoice for invoice in found}


def _latest_currencies(headers: Sequence[InvoiceHeader]) -> list[str]:
    latest = max((month_of(header.invoice_date) for header in headers), default=None)
    return sorted({header.currency for header in headers if month_of(header.invoice_date) == latest})


def _purpose(answer: Answer) -> str:
    path = answer.url.partition("?")[0]
    for part, purpose in (
        ("/detailed", "files of an invoice"),
        ("/export", "export"),
        ("/operations/", "operation"),
        ("/manifests/", "manifest"),
        ("/invoices", "invoices"),
        ("/auditrecords", "changes"),
        ("/customers", "accounts"),
    ):
        if part in path:
            return purpose
    return "answer"
