"""One Partner Center tenant as a connector: headers, customers and changes from Partner Center, lines from Microsoft Graph.

Each of the two services wants a token of its own audience; both are asked for by the app alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from w365core.model import (
    CAPABILITIES,
    Capabilities,
    Feed,
    InvoiceHeader,
    Provider,
    ProviderChange,
    ProviderCustomer,
    ProviderSubscription,
    ProviderType,
)
from w365core.providers import graph_billing, partner_center, partner_center_accounts, partner_center_audit
from w365core.providers.addresses import Allowed, Service, allowed, configured_root
from w365core.providers.contract import Blob, CustomerRefused, DayForgotten, Manifest, NoData
from w365core.providers.http import Access, Calls, naming_graph, naming_partner_center
from w365core.providers.means import Means
from w365core.providers.tokens import GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Tokens, tenant_of


@dataclass(frozen=True)
class Roots:
    """The host roots of a provider's services."""

    partner_center: str
    graph: str
    login: str


@dataclass(frozen=True)
class MicrosoftConnector:
    """Invoice headers from Partner Center, lines from Microsoft Graph; each with a token of its own audience."""

    roots: Roots
    calls: Calls = field(repr=False)
    headers_access: Access = field(repr=False)
    lines_access: Access = field(repr=False)
    storage: Allowed
    capabilities: Capabilities = CAPABILITIES[ProviderType.PARTNER_CENTER]

    def invoices(self) -> list[InvoiceHeader]:
        return partner_center.invoices(self.calls, self.headers_access, root=self.roots.partner_center)

    def request_export(self, invoice_number: str, feed: Feed) -> str:
        return graph_billing.request_export(self.calls, self.lines_access, root=self.roots.graph, invoice_number=invoice_number, feed=feed)

    def request_unbilled(self, currency: str, period: str, feed: Feed) -> str:
        return graph_billing.request_unbilled(
            self.calls, self.lines_access, root=self.roots.graph, currency=currency, period=period, feed=feed
        )

    def wait_for_export(self, operation_url: str) -> Manifest | NoData:
        return graph_billing.wait_for_export(self.calls, self.lines_access, operation_url=operation_url, storage=self.storage)

    def customers(self) -> Iterator[ProviderCustomer]:
        return partner_center_accounts.customers(self.calls, self.headers_access, root=self.roots.partner_center)

    def subscriptions(self, customer_ids: Iterable[str]) -> Iterator[ProviderSubscription | CustomerRefused]:
        return partner_center_accounts.subscriptions(
            self.calls, self.headers_access, root=self.roots.partner_center, customer_ids=customer_ids
        )

    def changes(self, *, since: date, until: date) -> Iterator[ProviderChange | DayForgotten]:
        return partner_center_audit.changes(self.calls, self.headers_access, root=self.roots.partner_center, since=since, until=until)

    def download(self, manifest: Manifest, blob: Blob, to: Path) -> None:
        graph_billing.download(self.calls, manifest=manifest, blob=blob, to=to, storage=self.storage)


def roots(provider: Provider) -> Roots:
    """The provider's configured addresses, or Microsoft's own. CallRefused where one may not be used."""
    return Roots(
        partner_center=configured_root(provider.api_url, service=Service.PARTNER_CENTER),
        graph=configured_root(provider.graph_url, service=Service.GRAPH),
        login=configured_root(provider.login_url, service=Service.LOGIN),
    )


def connected(provider: Provider, means: Means) -> MicrosoftConnector:
    """The connector of a provider. CallRefused where an address may not be used, or tenant or client id is missing."""
    places, calls = roots(provider), means.calls
    tenant_of(provider)

    def access(service: Service, root: str, *, scope: str, naming: Callable[[str], dict[str, str]], permission: str) -> Access:
        tokens = Tokens(provider=provider, secret=means.secret, scope=scope, root=places.login, calls=calls)
        return Access(allowed(root, service=service), tokens.bearer, tokens.renew, naming, permission)

    return MicrosoftConnector(
        roots=places,
        calls=calls,
        headers_access=access(
            Service.PARTNER_CENTER,
            places.partner_center,
            scope=PARTNER_CENTER_SCOPE,
            naming=naming_partner_center,
            permission=partner_center.PERMISSION,
        ),
        lines_access=access(Service.GRAPH, places.graph, scope=GRAPH_SCOPE, naming=naming_graph, permission=graph_billing.PERMISSION),
        storage=allowed(places.graph, service=Service.STORAGE),
    )
