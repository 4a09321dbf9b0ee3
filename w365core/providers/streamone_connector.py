"""One StreamOne account as a connector: invoices and their files by API key, customers, subscriptions and orders by token.

The two interfaces share a host and nothing else: without a refresh token invoices still come in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from w365core.errors import CallRefused, ConfigurationMissing
from w365core.model import (
    CAPABILITIES,
    Capabilities,
    InvoiceHeader,
    Provider,
    ProviderChange,
    ProviderCustomer,
    ProviderSubscription,
    ProviderType,
    Secret,
)
from w365core.providers import streamone, streamone_accounts
from w365core.providers.addresses import Allowed, Service, allowed, configured_root
from w365core.providers.contract import LineFile, NoEvidence
from w365core.providers.http import Access, Calls
from w365core.providers.streamone import Naming
from w365core.providers.streamone_tokens import Rotation, Tokens, basic

YEARS_LISTED = 3
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class StreamOneConnector:
    """`root` is the host; `account` may lack where only invoices are wanted."""

    root: str
    account: str | None
    today: date
    naming: Naming
    calls: Calls = field(repr=False)
    by_key: Access = field(repr=False)
    by_token: Access = field(repr=False)
    storage: Allowed
    capabilities: Capabilities = CAPABILITIES[ProviderType.STREAMONE]

    def invoices(self) -> list[InvoiceHeader]:
        since = date(self.today.year - YEARS_LISTED, self.today.month, 1)
        return streamone.invoices(self.calls, self.by_key, root=self.root, since=since, naming=self.naming)

    def files_of(self, header: InvoiceHeader) -> list[LineFile]:
        return streamone.files_of(self.calls, self.by_key, root=self.root, header=header, naming=self.naming)

    def download_file(self, file: LineFile, to: Path) -> None:
        self.calls.download(file.address.reveal(), within=self.storage, to=to, what=f"the download of {file.name}")

    def customers(self) -> Iterator[ProviderCustomer]:
        return streamone_accounts.customers(self.calls, self.by_token, root=self._accounts())

    def subscriptions(self, customer_ids: Iterable[str]) -> Iterator[ProviderSubscription]:
        wanted = {customer.lower() for customer in customer_ids}
        listed = streamone_accounts.subscriptions(self.calls, self.by_token, root=self._accounts())
        return (subscription for subscription, _ in listed if subscription.customer_id.lower() in wanted)

    def changes(self, *, since: date, until: date) -> Iterator[ProviderChange]:
        try:
            root = self._accounts()
            known = streamone_accounts.subscriptions(self.calls, self.by_token, root=root)
            known_as = {own.lower(): subscription.id for subscription, own in known if own}
        except (ConfigurationMissing, CallRefused) as error:  # invoices need no token, and must not wait for one
            raise NoEvidence(f"The orders of {self.naming.provider} were not asked for: {error}") from None
        return streamone_accounts.changes(self.calls, self.by_token, root=root, since=since, until=until, known_as=known_as)

    def _accounts(self) -> str:
        if not self.account or not _ACCOUNT.fullmatch(self.account):
            raise CallRefused(
                f"Provider {self.naming.provider} has no account id that StreamOne could know. Add it: `provider add {self.naming.provider} --account-id …`."
            )
        return f"{self.root}/api/v3/accounts/{self.account}"


def connected(provider: Provider, *, secret: Secret, variable: str, calls: Calls, rotation: Rotation, today: date) -> StreamOneConnector:
    """The connector of a provider. CallRefused where an address may not be used, ConfigurationMissing where the secret is no `key:secret`."""
    root = configured_root(provider.api_url, service=Service.STREAMONE)
    login = configured_root(provider.login_url or provider.api_url, service=Service.STREAMONE)
    key = basic(provider, secret, variable=variable)
    tokens = Tokens(root=login, calls=calls, rotation=rotation)
    within = allowed(root, service=Service.STREAMONE)

    def access(bearer: Callable[[], Secret], renew: Callable[[], None], scheme: str, permission: str) -> Access:
        return Access(within, bearer, renew, naming=lambda request_id: {"X-Request-Id": request_id}, permission=permission, scheme=scheme)

    return StreamOneConnector(
        root=root,
        account=provider.account_id,
        today=today,
        naming=Naming(provider.name, variable),
        calls=calls,
        by_key=access(lambda: key, lambda: None, "Basic", streamone.PERMISSION),
        by_token=access(tokens.bearer, tokens.renew, "Bearer", streamone_accounts.PERMISSION),
        storage=allowed(root, service=Service.STREAMONE_FILES),
    )
