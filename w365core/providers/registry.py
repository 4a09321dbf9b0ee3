"""Which connector serves a provider, and what each type of provider can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from w365core.errors import CallRefused
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
    Secret,
)
from w365core.providers import graph_billing, partner_center, partner_center_accounts, partner_center_audit, streamone_connector
from w365core.providers.addresses import Allowed, Service, allowed, configured_root
from w365core.providers.contract import Blob, Connector, CustomerRefused, DayForgotten, Keep, Manifest, NoData, Patience
from w365core.providers.http import Access, Calls, naming_graph, naming_partner_center
from w365core.providers.streamone_tokens import Rotation
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


def capabilities(provider_type: ProviderType) -> Capabilities:
    """What a provider of this type can do."""
    return CAPABILITIES[provider_type]


def check_addresses(provider: Provider) -> None:
    """For `provider add`: CallRefused names the configured address that may not be used and says why."""
    if provider.type is ProviderType.PARTNER_CENTER:
        roots(provider)
    elif provider.type is ProviderType.STREAMONE:
        configured_root(provider.api_url, service=Service.STREAMONE)
        configured_root(provider.login_url, service=Service.STREAMONE)
    elif provider.api_url or provider.graph_url or provider.login_url:
        raise CallRefused(f"Provider {provider.name} is of type {provider.type}, which is never called and takes no URLs. Leave them out.")


def roots(provider: Provider) -> Roots:
    """The provider's configured addresses, or Microsoft's own. CallRefused where one may not be used."""
    return Roots(
        partner_center=configured_root(provider.api_url, service=Service.PARTNER_CENTER),
        graph=configured_root(provider.graph_url, service=Service.GRAPH),
        login=configured_root(provider.login_url, service=Service.LOGIN),
    )


def connector(
    provider: Provider,
    *,
    secret: Secret,
    patience: Patience,
    keep: Keep,
    rotation: Rotation | None = None,
    today: date | None = None,
    **clockwork: Callable[..., Any],
) -> Connector:
    """The connector that speaks to this provider. CallRefused where its type has none, or its settings cannot be used.

    `rotation` and `today` are for StreamOne: who keeps its refresh token, and from which day on it looks back. `clockwork` (resolve, sleep, chance,
    clock) is for tests.
    """
    if provider.type is ProviderType.MANUAL:
        raise CallRefused(
            f"Provider {provider.name} is of type {provider.type}, which has no connection: import its invoices from files with `import`."
        )
    calls = Calls(patience=patience, keep=keep, **clockwork)
    if provider.type is ProviderType.STREAMONE:
        assert rotation is not None and today is not None, "a StreamOne connector needs its rotation and its day"
        variable = f"W365_SECRET_{provider.name.upper().replace('-', '_')}"
        return streamone_connector.connected(provider, secret=secret, variable=variable, calls=calls, rotation=rotation, today=today)
    places = roots(provider)
    tenant_of(provider)

    def access(service: Service, root: str, *, scope: str, naming: Callable[[str], dict[str, str]], permission: str) -> Access:
        tokens = Tokens(provider=provider, secret=secret, scope=scope, root=places.login, calls=calls)
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
