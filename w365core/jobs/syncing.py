"""Which invoices does a sync import? The daily job's choice, and the one that a person names.

The daily job takes everything listed of the provider's latest invoice month, and what failed before and is inside its 15 days; it leaves Active
invoices alone but notices when the provider has changed their total since. Older ones come by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import delete, select

from w365core.dates import month_of
from w365core.errors import CallRefused, ConfigurationMissing, ProviderError, W365Error
from w365core.jobs import estimating, evidence, importing, signing_in, tokens
from w365core.jobs.context import Context
from w365core.jobs.importing import Outcome
from w365core.jobs.runs import recorded, sweep
from w365core.lifecycle import RETRY_DAYS
from w365core.model import Answer, InvoiceHeader, InvoiceState, Provider, StatusReason
from w365core.providers import registry
from w365core.providers.contract import Connector, Keep, Patience
from w365core.store import landing as store_landing, ledger, listings, providers as store_providers
from w365core.store.tables import line_export, provider_invoice


@dataclass
class SyncResult:
    """What one sync did, provider by provider; `failures` are providers that could not be asked at all."""

    outcomes: list[Outcome] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: list[tuple[str, W365Error]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)  # what the provider had forgotten before anybody asked

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


def sync_invoice(context: Context, *, provider_name: str | None, invoice_number: str, override: Decimal | None) -> SyncResult:
    """A manual sync of one invoice: from the provider, or for one imported by hand from what landed. CallRefused while it is Active."""
    sweep(context)
    local = _local(context, provider_name, invoice_number)
    provider = _provider_of(context, provider_name, local, invoice_number)
    if local and (local.state, local.status_reason) == (InvoiceState.ACTIVE, StatusReason.ACTIVE):
        raise CallRefused(
            f"Invoice {local.invoice_number} of {provider.name} is Active and is not downloaded again; deactivate it first, then sync."
        )
    with recorded(context, provider.name, "sync invoice") as run_id:
        if local and local.source == "file":
            return SyncResult([importing.validate_again(context, provider, local.invoice_number, override=override, sync_run_id=run_id)])
        connector = connect(context, provider, sync_run_id=run_id)
        wanted, headers = invoice_number.lower(), connector.invoices()
        listings.keep(context.engine, provider.name, headers, at=context.now)
        header = next((h for h in headers if wanted in (h.number.lower(), (h.provider_id or "").lower())), None)
        if header is None:
            raise CallRefused(
                f"{provider.name} does not list an invoice {invoice_number}; `sync --provider {provider.name}` shows what it lists."
            )
        return SyncResult([_import(context, provider, connector, header, local, run_id, override=override, by_hand=True)])


def connect(context: Context, provider: Provider, *, sync_run_id: int | None) -> Connector:
    """The provider's connector, keeping every answer in landing. ConfigurationMissing without its secret."""
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
    _sync_listed(context, provider, connector, headers, run_id, result)
    aging = tokens.warned(context, provider)
    if with_estimate and connector.capabilities.usage:
        result.warnings += estimating.refresh(context, provider, connector, currencies=_latest_currencies(headers), sync_run_id=run_id)
    if with_estimate:
        _pull_changes(context, provider, connector, result)
        _warn(context, result, signing_in.exercise(context, provider, keep=keeping(context, provider, sync_run_id=run_id)))
    if aging:
        _warn(context, result, tokens.warning(context, provider, aging))


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
    context: Context, provider: Provider, connector: Connector, headers: Sequence[InvoiceHeader], run_id: int, result: SyncResult
) -> None:
    latest = max((month_of(header.invoice_date) for header in headers), default=None)
    known = _all_local(context, provider)
    for header in sorted(headers, key=lambda header: (header.invoice_date, header.number)):
        local = known.get(header.number.lower())
        if local is None:
            if month_of(header.invoice_date) != latest:
                continue
        elif local.status_reason == StatusReason.ERROR:
            if context.now.date() > (local.first_seen_at + timedelta(days=RETRY_DAYS)).date():
                result.skipped.append(header.number)
                continue
        else:
            if local.state == InvoiceState.ACTIVE and _notice_change(context, provider, local, header):
                result.changed.append(header.number)
            continue
        try:
            result.outcomes.append(_import(context, provider, connector, header, local, run_id, override=None, by_hand=False))
        except CallRefused as error:  # somebody else imports it right now, or just has
            context.report(str(error))
            result.skipped.append(header.number)


def _import(context: Context, provider: Provider, connector: Connector, header: InvoiceHeader, local, run_id: int, **how) -> Outcome:
    if local is not None and local.header_total != header.total:
        with context.engine.begin() as connection:  # another total means other lines: what was exported before is no use
            connection.execute(
                delete(line_export).where(line_export.c.provider == provider.name, line_export.c.invoice_number == header.number)
            )
    return importing.import_synced(context, provider, connector, header, sync_run_id=run_id, **how)


def _notice_change(context: Context, provider: Provider, local, header: InvoiceHeader) -> bool:
    """Marks an Active invoice whose total the provider has changed since; the stored one stays. One event per change."""
    if local.source != "synced" or header.total is None or header.total == local.header_total:
        return False
    if local.changed_at_provider and local.header_total_now == header.total:
        return True
    with context.engine.begin() as connection:
        said = ledger.notice_change(connection, local, header_total=header.total, who=context.who)
    context.report(f"{local.invoice_number}: {said}")
    return True


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


def _all_local(context: Context, provider: Provider) -> dict:
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
