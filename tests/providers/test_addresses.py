import pytest

from w365core.errors import CallRefused, ProviderRefused
from w365core.providers.addresses import Allowed, Service, admitted, allowed, configured_root, joined, vetted

GRAPH = Allowed(Service.GRAPH)
STORAGE = Allowed(Service.STORAGE)
HERE = Allowed(Service.GRAPH, loopback=True)

HOSTILE = [
    "http://graph.microsoft.com/x",
    "http://graph.microsoft.com:443/x",
    "https://graph.microsoft.com:8443/x",
    "https://graph.microsoft.com:80/x",
    "https://graph.microsoft.com:0/x",
    "https://graph.microsoft.com:99999/x",
    "https://graph.microsoft.com:/x",
    "https://graph.microsoft.com@evil.example/x",
    "https://graph.microsoft.com:443@evil.example/x",
    "https://user:hunter2@graph.microsoft.com/x",
    "https://evil.example\\@graph.microsoft.com/x",
    "https://evil.example/@graph.microsoft.com",
    "https://evil.example?@graph.microsoft.com",
    "https://evil.example#@graph.microsoft.com",
    "https://graph.microsoft.com#@evil.example",
    "https://graph.microsoft.com.evil.example/x",
    "https://evilgraph.microsoft.com/x",
    "https://graph-microsoft.com/x",
    "https://microsoft.com/x",
    "https://.graph.microsoft.com/x",
    "https://a..graph.microsoft.com/x",
    "https://graph.microsoft.com./x",
    "https://graph%2emicrosoft%2ecom/x",
    "https://graph。microsoft。com/x",
    "https://ｇraph.microsoft.com/x",
    "https://graph.microsoft.com\t.evil.example/x",
    "https://graph.microsoft.com/x\r\nHost: evil.example",
    " https://graph.microsoft.com/x",
    "https://graph.microsoft.com/x y",
    "https:graph.microsoft.com/x",
    "https:/graph.microsoft.com/x",
    "https:///graph.microsoft.com/x",
    "//graph.microsoft.com/x",
    "ftp://graph.microsoft.com/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://169.254.169.254/metadata",
    "http://169.254.169.254/metadata",
    "https://2852039166/metadata",
    "https://0xa9fea9fe/metadata",
    "https://0251.0376.0251.0376/metadata",
    "https://10.0.0.8/x",
    "https://[::1]/x",
    "https://[::ffff:169.254.169.254]/x",
    "https://[fe80::1]/x",
    "http://127.0.0.1:8080/x",
    "https://127.0.0.1/x",
    "http://localhost/x",
    "http://127.0.0.1.nip.io/x",
    "https://storage.blob.core.windows.net/x",
    "",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused(url):
    with pytest.raises(ProviderRefused):
        admitted(url, within=GRAPH)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1:80/x",
        "http://0.0.0.0:80/x",
        "http://[::ffff:127.0.0.1]:80/x",
        "http://localhost.evil.example/x",
        "http://192.168.0.2/x",
    ],
)
def test_loopback_opens_this_machine_and_nothing_that_resembles_it(url):
    with pytest.raises(ProviderRefused):
        admitted(url, within=HERE)


@pytest.mark.parametrize(
    ("url", "within", "spelled"),
    [
        ("https://graph.microsoft.com/v1.0/x?a=1", GRAPH, "https://graph.microsoft.com/v1.0/x?a=1"),
        ("HTTPS://Graph.Microsoft.COM:443/v1.0/X", GRAPH, "https://graph.microsoft.com/v1.0/X"),
        ("https://adls201.blob.core.windows.net/a/b=c", STORAGE, "https://adls201.blob.core.windows.net/a/b=c"),
        ("http://127.0.0.1:8080/x", HERE, "http://127.0.0.1:8080/x"),
        ("http://127.9.9.9:1/x", HERE, "http://127.9.9.9:1/x"),
        ("http://[::1]:8080/x", HERE, "http://[::1]:8080/x"),
        ("http://LOCALHOST:8080/x", HERE, "http://localhost:8080/x"),
    ],
)
def test_the_providers_own_addresses_pass(url, within, spelled):
    assert admitted(url, within=within) == spelled


def test_the_refusal_names_the_host_and_neither_query_nor_user():
    with pytest.raises(ProviderRefused) as refused:
        admitted("https://evil.example/x?sig=topsecret&a=1", within=GRAPH)
    assert "evil.example" in str(refused.value) and "topsecret" not in str(refused.value)
    with pytest.raises(ProviderRefused, match="user name") as refused:
        admitted("https://user:hunter2@evil.example/x", within=GRAPH)
    assert "evil.example" in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_relative_location_stays_on_the_host_that_gave_it():
    base = "https://graph.microsoft.com/v1.0/reports/export"
    assert joined("/v1.0/operations/7", base=base, within=GRAPH) == "https://graph.microsoft.com/v1.0/operations/7"
    assert joined("operations/7", base=base, within=GRAPH) == "https://graph.microsoft.com/v1.0/reports/operations/7"
    for elsewhere in (
        "//evil.example/x",
        "https://evil.example/x",
        "\\\\evil.example\\x",
        "/\\evil.example/x",
        "/opera\ttions",
        "http://graph.microsoft.com/x",
    ):
        with pytest.raises(ProviderRefused):
            joined(elsewhere, base=base, within=GRAPH)


def test_loopback_is_open_only_from_a_root_on_loopback():
    assert allowed("http://127.0.0.1:9", service=Service.STORAGE).loopback
    assert not allowed("https://graph.microsoft.com", service=Service.STORAGE).loopback


def test_a_configured_address_is_a_host_root():
    assert configured_root(None, service=Service.GRAPH) == "https://graph.microsoft.com"
    assert configured_root("https://graph.microsoft.com/", service=Service.GRAPH) == "https://graph.microsoft.com"
    assert configured_root("http://localhost:8080", service=Service.LOGIN) == "http://localhost:8080"
    china = "https://partner.partnercenterapi.microsoftonline.cn"
    assert configured_root(china, service=Service.PARTNER_CENTER) == china


@pytest.mark.parametrize(
    "url",
    [
        "https://graph.microsoft.com/v1.0",
        "https://evil.example",
        "http://graph.microsoft.com",
        "graph.microsoft.com",
        "http://10.0.0.1",
        "nonsense",
    ]
    + ["https://graph.microsoft.com?x=1", "http://127.0.0.1:70000", "https://u:p@graph.microsoft.com"],
)
def test_a_configured_address_that_breaks_the_rules_is_refused_as_a_call(url):
    with pytest.raises(CallRefused):
        configured_root(url, service=Service.GRAPH)


INSIDE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "127.0.0.1",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
    "::1",
    "fe80::1%eth0",
]
INSIDE += ["fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:0a00:0001::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_a_public_name_that_resolves_to_the_inside_is_refused(address):
    with pytest.raises(ProviderRefused):
        vetted("adls.blob.core.windows.net", 443, resolve=lambda host, port: ["20.60.1.1", address])


def test_a_public_name_that_resolves_outside_is_connected_to_at_these_addresses():
    addresses = ["20.60.1.1", "2603:1030::1", "64:ff9b::143c:101"]
    assert vetted("adls.blob.core.windows.net", 443, resolve=lambda host, port: addresses) == addresses


def test_localhost_pointing_elsewhere_is_refused():
    with pytest.raises(ProviderRefused):
        vetted("localhost", 80, resolve=lambda host, port: ["20.60.1.1"])
