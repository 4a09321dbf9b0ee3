"""Which connector serves which type of provider? A row of `KINDS` each; a type without a row takes files by hand and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from w365core.errors import CallRefused
from w365core.model import CAPABILITIES, Capabilities, Provider, ProviderType, Secret
from w365core.providers import microsoft_connector, microsoft_probes, streamone_connector, streamone_probes
from w365core.providers.addresses import Service, configured_root
from w365core.providers.contract import Connector, Keep, Patience
from w365core.providers.http import Calls
from w365core.providers.means import Means
from w365core.providers.personal import PersonalConnector
from w365core.providers.probing import Proof
from w365core.providers.streamone_connector import StreamOneConnector
from w365core.providers.streamone_tokens import Rotation


@dataclass(frozen=True)
class Kind:
    """What one type of provider is made of: its connector, which of its URLs mean which service, what it cannot do without, how it is tried."""

    connected: Callable[[Provider, Means], Any]
    services: Mapping[str, Service]
    tried: Callable[..., Iterator[Proof]]
    needs: tuple[str, ...] = ()
    secret: str = "client secret"


def _streamone(provider: Provider, means: Means) -> StreamOneConnector:
    assert means.rotation is not None and means.today is not None, "a StreamOne connector needs its rotation and its day"
    told = {"secret": means.secret, "variable": means.variable, "calls": means.calls}
    return streamone_connector.connected(provider, **told, rotation=means.rotation, today=means.today)


_MICROSOFT = {"api_url": Service.PARTNER_CENTER, "graph_url": Service.GRAPH, "login_url": Service.LOGIN}
_STREAMONE = {"api_url": Service.STREAMONE, "login_url": Service.STREAMONE}
KINDS: Mapping[ProviderType, Kind] = {
    ProviderType.PARTNER_CENTER: Kind(microsoft_connector.connected, _MICROSOFT, microsoft_probes.tried, needs=("tenant_id", "client_id")),
    ProviderType.STREAMONE: Kind(_streamone, _STREAMONE, streamone_probes.tried, secret="API key and secret, as key:secret,"),
}


def capabilities(provider_type: ProviderType) -> Capabilities:
    """What a provider of this type can do."""
    return CAPABILITIES[provider_type]


def check(provider: Provider) -> None:
    """For `provider add`: CallRefused names the configured address that may not be used and says why."""
    kind = KINDS.get(provider.type)
    if kind is None:
        if provider.api_url or provider.graph_url or provider.login_url:
            raise CallRefused(
                f"Provider {provider.name} is of type {provider.type}, which is never called and takes no URLs. Leave them out."
            )
        return
    for name, service in kind.services.items():
        configured_root(getattr(provider, name), service=service)


def lacks(provider: Provider) -> tuple[str, ...]:
    """The options without which it cannot be called; invoices from files need none of them."""
    kind = KINDS.get(provider.type)
    return tuple(f"--{name.replace('_', '-')}" for name in (kind.needs if kind else ()) if not getattr(provider, name))


def kind_of(provider: Provider) -> Kind:
    """How it is called. CallRefused where it is of a type that never is."""
    kind = KINDS.get(provider.type)
    if kind is None:
        raise CallRefused(
            f"Provider {provider.name} is of type {provider.type}, which has no connection: import its invoices from files with `import`."
        )
    return kind


def secret_of(provider_type: ProviderType) -> str | None:
    """What its secret is called by those who give it; None where there is none."""
    kind = KINDS.get(provider_type)
    return kind.secret if kind else None


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
    kind = kind_of(provider)
    calls = Calls(patience=patience, keep=keep, **clockwork)
    variable = f"W365_SECRET_{provider.name.upper().replace('-', '_')}"
    return kind.connected(provider, Means(calls, secret, variable, rotation, today))


def tried(provider: Provider, connector: Connector, *, person: PersonalConnector | None, today: date) -> Iterator[Proof]:
    """What the connection may do, proved right by right; `person` is who has signed in. Nothing is imported."""
    return KINDS[provider.type].tried(connector, person=person, today=today)
