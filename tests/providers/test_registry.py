from dataclasses import replace

import pytest

from w365core.errors import CallRefused, ConfigurationMissing
from w365core.model import Provider, ProviderType, Secret
from w365core.providers import registry
from w365core.providers.addresses import Service
from w365core.providers.contract import Patience
from w365core.providers.microsoft_connector import Roots


def connected(provider):
    return registry.connector(provider, secret=Secret("x"), patience=Patience(), keep=lambda answer: None)


def test_partner_center_has_a_connector_that_lists_bills_and_shows_changes(contoso):
    can = connected(contoso.provider()).capabilities
    assert can == registry.capabilities(ProviderType.PARTNER_CENTER)
    assert (can.invoices, can.usage, can.change_evidence, can.pdf, can.files) == (True, True, True, False, True)


@pytest.mark.parametrize("kind", [ProviderType.MANUAL])
def test_other_types_take_files_and_say_so(kind):
    assert registry.capabilities(kind).files and not registry.capabilities(kind).invoices
    with pytest.raises(CallRefused, match="import its invoices from files"):
        connected(Provider("other", kind))


def test_a_connector_without_addresses_speaks_to_microsoft_and_asks_nothing_yet():
    provider = Provider("csp", ProviderType.PARTNER_CENTER, tenant_id="contoso.example", client_id="app-7")
    connector = connected(provider)
    assert connector.roots == Roots(
        "https://api.partnercenter.microsoft.com", "https://graph.microsoft.com", "https://login.microsoftonline.com"
    )
    assert not connector.storage.loopback


def test_tenant_and_client_are_needed(contoso):
    for missing in ("tenant_id", "client_id"):
        provider = replace(contoso.provider(), **{missing: None})
        with pytest.raises(ConfigurationMissing, match="no tenant or client id"):
            connected(provider)
        registry.check(provider)  # files by hand need neither
        assert registry.lacks(provider) == (f"--{missing.replace('_', '-')}",)


@pytest.mark.parametrize("place", ["api_url", "graph_url", "login_url"])
def test_a_bad_address_is_refused_when_the_provider_is_added(contoso, place):
    with pytest.raises(CallRefused, match="evil.example"):
        registry.check(contoso.provider(**{place: "https://evil.example"}))
    registry.check(contoso.provider())


def test_addresses_of_the_other_types_are_checked_too():
    registry.check(Provider("so", ProviderType.STREAMONE, api_url="https://ion.tdsynnex.com"))
    registry.check(Provider("so", ProviderType.STREAMONE, api_url="http://127.0.0.1:8080"))
    registry.check(Provider("files", ProviderType.MANUAL))
    for provider in (
        Provider("so", ProviderType.STREAMONE, api_url="http://ion.tdsynnex.com"),
        Provider("m", ProviderType.MANUAL, api_url="https://x.example"),
    ):
        with pytest.raises(CallRefused):
            registry.check(provider)


def test_a_type_of_provider_is_a_row_of_the_table(monkeypatch):
    built = []
    row = registry.Kind(
        lambda provider, means: built.append(means) or "its connector", {"api_url": Service.STREAMONE}, iter, ("client_id",)
    )
    monkeypatch.setattr(registry, "KINDS", {**registry.KINDS, ProviderType.MANUAL: row})
    provider = Provider("new-one", ProviderType.MANUAL, client_id="c", api_url="https://ion.tdsynnex.com")
    registry.check(provider)
    assert connected(provider) == "its connector" and built[0].variable == "W365_SECRET_NEW_ONE"
    assert registry.secret_of(ProviderType.MANUAL) == "client secret"
    assert registry.lacks(provider) == () and registry.lacks(replace(provider, client_id=None)) == ("--client-id",)
    with pytest.raises(CallRefused, match="evil.example"):
        registry.check(replace(provider, api_url="https://evil.example"))
