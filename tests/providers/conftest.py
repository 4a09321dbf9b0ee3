"""A scripted server, and a connector that speaks to it and to nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.providers.scripted import SECRET, Scripted, scripted
from w365core.model import Answer, Provider, ProviderType, Secret
from w365core.providers import registry
from w365core.providers.contract import Connector, Patience


@dataclass
class Contoso:
    """The connector of a provider whose three addresses are the scripted server; what it kept and how long it meant to sleep."""

    script: Scripted
    kept: list[Answer] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def provider(self, **changed: str | None) -> Provider:
        url = self.script.url
        places = {"api_url": url, "graph_url": url, "login_url": url, **changed}
        return Provider("contoso-csp", ProviderType.PARTNER_CENTER, tenant_id="contoso.example", client_id="app-7", **places)

    def connector(self, *, patience: Patience | None = None, provider: Provider | None = None, **clockwork: Callable) -> Connector:
        return registry.connector(
            provider or self.provider(),
            secret=Secret(SECRET),
            patience=patience or Patience(timeout=3, tries=4, poll=0.05, deadline=20),
            keep=self.kept.append,
            **{"sleep": self.slept.append, **clockwork},
        )


@pytest.fixture
def script() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


@pytest.fixture
def contoso(script: Scripted) -> Contoso:
    return Contoso(script)
