"""What does a provider list? It is asked, and what it lists is stored for the Sync dialog; nothing is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from w365core.errors import CallRefused
from w365core.jobs.context import Context
from w365core.jobs.runs import recorded
from w365core.jobs.syncing import connect
from w365core.model import Provider
from w365core.providers import registry
from w365core.store import listings, providers as store_providers
from w365core.store.engine import guarded


@dataclass(frozen=True)
class Listing:
    """What was listed, and how much of it is not here."""

    provider: str
    listed: int
    absent: int
    at: datetime

    @property
    def sentence(self) -> str:
        listed = f"{self.listed:,} invoice{'' if self.listed == 1 else 's'}"
        if not self.listed:
            return f"{self.provider} lists no invoice."
        return f"{self.provider} lists {listed}{f', {self.absent:,} of them not here' if self.absent else ', all of them here'}."


def list_invoices(context: Context, *, provider_name: str) -> Listing:
    """Asks the provider and replaces what it listed before. CallRefused where it has no connection; ProviderError where it does not answer."""
    provider = listable(context, provider_name)
    with recorded(context, provider.name, "list invoices") as run_id:
        context.report(f"{provider.name}: asking for its invoices")
        headers = connect(context, provider, sync_run_id=run_id).invoices()
        listings.keep(context.engine, provider.name, headers, at=context.now)
    with context.engine.connect() as connection:
        rows = listings.of_provider(connection, provider.name)
    return Listing(provider.name, len(rows), sum(row["provider_invoice_id"] is None for row in rows), context.now)


def listable(context: Context, provider_name: str) -> Provider:
    """The provider of that name, where it can be asked for its invoices. CallRefused where it cannot."""
    with guarded(), context.engine.connect() as connection:
        provider = store_providers.named(connection, provider_name)
    if not registry.capabilities(provider.type).invoices:
        raise CallRefused(f"{provider.name} has no connection that could be asked; its invoices are imported from files.")
    return provider
