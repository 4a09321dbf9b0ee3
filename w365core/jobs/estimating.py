"""What will the usage of the running month come to? The provider's unbilled usage as an estimate: replaced each day, never billed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, insert

from w365core.errors import ProviderError, W365Error
from w365core.intake.parse import TextForm
from w365core.jobs.context import Context
from w365core.jobs.lookups import references_of
from w365core.jobs.rating import Sums, Whole
from w365core.kernels.lines import rate_batch
from w365core.kernels.partials import Job
from w365core.model import Feed, Provider
from w365core.providers import blobs, files
from w365core.providers.contract import Connector, NoData
from w365core.rating.summaries import UsageSummary
from w365core.store import landing as store_landing
from w365core.store.tables import usage_estimate


def refresh(context: Context, provider: Provider, connector: Connector, *, currencies: Sequence[str], sync_run_id: int) -> list[str]:
    """Replaces the provider's estimate, one export per currency; returns a warning for each that could not be had."""
    summaries: list[UsageSummary] = []
    warnings: list[str] = []
    for currency in currencies:
        try:
            summaries += _estimate(context, provider, connector, currency, sync_run_id)
        except ProviderError as error:
            warnings.append(f"The estimate of unbilled usage in {currency} could not be had: {error}")
            context.report(warnings[-1])
        except W365Error as error:
            warnings.append(f"The unbilled usage in {currency} could not be read: {error}")
            context.report(warnings[-1])
    if warnings:
        return warnings
    rows = [_row(summary, provider, context) for summary in summaries]
    with context.engine.begin() as connection:
        connection.execute(delete(usage_estimate).where(usage_estimate.c.provider == provider.name))
        if rows:
            connection.execute(insert(usage_estimate), rows)
    return warnings


def _estimate(context: Context, provider: Provider, connector: Connector, currency: str, sync_run_id: int) -> list[UsageSummary]:
    operation = connector.request_unbilled(currency, "current", Feed.DAILY_RATED)
    manifest = connector.wait_for_export(operation)
    if isinstance(manifest, NoData):
        return []
    with context.engine.connect() as connection:
        references = references_of(connection, provider=provider.name, invoice_number="unbilled", currency=currency)
    sums = Sums()
    job = Job(feed=Feed.DAILY_RATED, references=references, form=TextForm())
    for blob in manifest.blobs:
        with context.landing.aside() as path:
            connector.download(manifest, blob, path)
            form = blobs.form_of(path, feed=Feed.DAILY_RATED, name=blob.name)
            fingerprint, size = context.landing.adopt(path)
        store_landing.record_file(
            context.engine,
            fingerprint=fingerprint,
            size=size,
            name=blob.name,
            provider=provider.name,
            sync_run_id=sync_run_id,
            invoice_number="unbilled",
            purpose=f"unbilled {currency}",
            at=context.now,
            request_id=manifest.etag,
        )
        for batch in files.batches(context.landing.path(fingerprint), form):
            sums.add(rate_batch(batch, first_line=1, job=job))
    return sums.into(Whole()).summaries


def _row(summary: UsageSummary, provider: Provider, context: Context) -> dict:
    values = asdict(summary)
    for unused in ("markup_pct", "selling_amount"):
        values.pop(unused)
    return values | {"provider": provider.name, "estimated_at": context.now}
