"""Is StreamOne read in whatever envelope it answers, to the last digit, and called at no other address than it may be?"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.providers.scripted import Scripted, Step, said
from w365core.errors import CallRefused, ProviderChanged, ProviderError, ProviderRefused, ProviderUnavailable
from w365core.model import Answer, InvoiceHeader, Provider, ProviderType, Secret
from w365core.providers import registry
from w365core.providers.contract import NoEvidence, Patience, SasExpired
from w365core.providers.streamone_connector import StreamOneConnector

LIST, DETAIL, ACCOUNT = "/api/v1/invoices/myinvoices", "/api/v1/invoices/48977/detailed", "/api/v3/accounts/70012"
HEADER = InvoiceHeader("48977", date(2026, 10, 31), "EUR", None)


@dataclass
class Ion:
    """A connector of the scripted server, whose refresh tokens are handed on in memory."""

    script: Scripted
    kept: list[Answer] = field(default_factory=list)
    refresh: str = "rt-0"

    def connector(self, **changed: str | None) -> StreamOneConnector:
        provider = Provider("ion", ProviderType.STREAMONE, **{"account_id": "70012", "api_url": self.script.url, **changed})

        def rotation(exchange: Callable):
            exchanged = exchange(Secret(self.refresh))
            self.refresh = exchanged.refresh.reveal()
            return exchanged

        return registry.connector(
            provider,
            secret=Secret("key:planted-secret"),
            patience=Patience(timeout=3, tries=2, poll=0.05, deadline=20),
            keep=self.kept.append,
            rotation=rotation,
            today=date(2026, 11, 12),
            sleep=lambda seconds: None,
        )


@pytest.fixture
def ion(script: Scripted) -> Ion:
    tokens = [{"access_token": f"at-{n}", "refresh_token": f"rt-{n}", "expires_in": 7200} for n in range(1, 9)]
    script.on("/oauth/token", *map(said, tokens))
    return Ion(script)


def answers(ion: Ion, path: str, *documents: object) -> None:
    ion.script.on(path, *map(said, documents))


@pytest.mark.parametrize(
    "envelope",
    [
        lambda items: items,
        lambda items: {"data": items},
        lambda items: {"invoices": items},
        lambda items: {"data": {"invoice": items}},
        lambda items: {"Data": {"Invoices": {"invoice": items}}, "total": len(items)},
        lambda items: {"data": {"invoice": items[0]}},
    ],
)
def test_any_envelope_will_do(ion: Ion, envelope: Callable) -> None:
    answers(
        ion, LIST, envelope([{"id": 7, "billingStartDate": "2026-10-01", "total": "1234.50", "currency": {"code": "USD"}}]), {"data": []}
    )
    (header,) = ion.connector().invoices()
    assert (header.number, header.total, header.currency, header.invoice_date) == ("7", Decimal("1234.50"), "USD", date(2026, 10, 1))


@pytest.mark.parametrize(
    "answer",
    [
        {"message": "hello"},
        "text",
        {"data": [{"billingStartDate": "2026-10-01"}]},
        {"data": [{"id": "1"}]},
        {"data": [{"id": "1", "billingStartDate": "1 October"}]},
        {"data": [{"id": "1", "billingStartDate": "2026-10-01", "total": "1.234,50"}]},
        {"data": [3]},
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_made_up(ion: Ion, answer: object) -> None:
    answers(ion, LIST, answer)
    with pytest.raises(ProviderChanged):
        ion.connector().invoices()


def listed(*numbers: int) -> list[dict]:
    return [{"id": number, "billingStartDate": "2026-10-01"} for number in numbers]


def test_pages_go_on_by_what_came_whatever_the_servers_limit(ion: Ion) -> None:
    answers(ion, LIST, listed(1, 2), listed(3, 4), listed(4, 5), [])
    assert [header.number for header in ion.connector().invoices()] == ["1", "2", "3", "4", "5"]
    asked = ion.script.asked_for(LIST)
    assert [one.query["offset"] for one in asked] == ["0", "2", "4", "6"]
    assert asked[0].query["filter[billingStartDate:gte]"] == "2023-11-01"


def test_a_server_that_knows_no_offset_ends_and_one_that_counts_more_is_not_believed(ion: Ion) -> None:
    answers(ion, LIST, listed(1, 2))
    assert len(ion.connector().invoices()) == 2
    answers(ion, LIST, {"data": listed(1, 2), "total": 3}, {"data": listed(1, 2), "total": 3})
    with pytest.raises(ProviderUnavailable, match="counts 3 invoices but listed only 2"):
        ion.connector().invoices()


def test_pages_by_token_are_followed_and_a_circle_is_noticed(ion: Ion) -> None:
    path = f"{ACCOUNT}/customers"
    answers(ion, path, {"customers": [{"id": "1"}], "nextPageToken": "a b"}, {"customers": [{"id": "2"}]})
    assert [customer.id for customer in ion.connector().customers()] == ["1", "2"]
    assert ion.script.asked_for(path)[1].query["pageToken"] == "a b"
    answers(ion, path, {"customers": [{"id": "1"}], "nextPageToken": "x"})
    with pytest.raises(ProviderUnavailable, match="circle"):
        list(ion.connector().customers())


def test_each_interface_is_shown_its_own_credential_and_files_none(ion: Ion, tmp_path: Path) -> None:
    answers(ion, LIST, {"invoices": [], "you_said": base64.b64encode(b"key:planted-secret").decode()})
    answers(ion, f"{ACCOUNT}/customers", {"customers": [], "you_said": "at-1"})
    answers(ion, DETAIL, {"data": {"invoice": {"detailedInvoiceFilesUrls": [f"{ion.script.url}/signed/a%20b.csv?sig=s3cret%2B"]}}})
    ion.script.on("/signed/a%20b.csv", Step(body=b"x,y\n"))
    connector = ion.connector()
    connector.invoices()
    list(connector.customers())
    (file,) = connector.files_of(HEADER)
    connector.download_file(file, tmp_path / "file")
    assert (file.name, (tmp_path / "file").read_bytes(), "s3cret" in repr(file)) == ("a b.csv", b"x,y\n", False)
    shown = {asked.path: asked.header("Authorization") for asked in ion.script.asked}
    assert shown[LIST].startswith("Basic ") and shown[f"{ACCOUNT}/customers"] == "Bearer at-1"
    assert shown["/signed/a%20b.csv"] is None and shown["/oauth/token"] is None
    assert "sig=s3cret%2B" in ion.script.asked_for("/signed/a%20b.csv")[0].target  # as it was signed
    kept = b"".join(answer.content for answer in ion.kept)
    assert len(ion.kept) == 3 and kept.count(b"you_said") == 2  # the answer with the tokens was not kept
    assert not any(secret in kept for secret in (b"s3cret", b"at-1", base64.b64encode(b"key:planted-secret")))


@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://ion.tdsynnex.com.evil.example/f.csv",
        "https://evil.example/f.csv",
        "file:///etc/passwd",
        "https://user@bucket.s3.amazonaws.com/f.csv",
        "http://bucket.s3.amazonaws.com/f.csv",
        "https://bucket.s3.amazonaws.com:8443/f.csv",
        "https://notamazonaws.com/f.csv",
    ],
)
def test_a_file_elsewhere_is_refused_before_anything_is_sent(ion: Ion, tmp_path: Path, address: str) -> None:
    answers(ion, DETAIL, {"data": {"invoice": {"detailedInvoiceFilesUrls": [address]}}})
    connector = ion.connector()
    (file,) = connector.files_of(HEADER)
    with pytest.raises(ProviderRefused, match="refused"):
        connector.download_file(file, tmp_path / "file")


def test_loopback_files_are_for_loopback_providers_only(tmp_path: Path, ion: Ion) -> None:
    away = ion.connector(api_url="https://ion.tdsynnex.com")
    assert not away.storage.loopback and away.root == "https://ion.tdsynnex.com"
    answers(ion, DETAIL, {"detailedInvoiceFilesUrls": ["https://127.0.0.1:9/f.csv"]})
    (file,) = ion.connector().files_of(HEADER)
    with pytest.raises(ProviderRefused):
        away.download_file(file, tmp_path / "file")


def test_an_address_that_ran_out_says_so(ion: Ion, tmp_path: Path) -> None:
    answers(ion, DETAIL, {"detailedInvoiceFilesUrls": [f"{ion.script.url}/f.csv"]})
    ion.script.on("/f.csv", Step(status=403))
    connector = ion.connector()
    with pytest.raises(SasExpired):
        connector.download_file(connector.files_of(HEADER)[0], tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_401_takes_a_new_token_once_and_then_says_what_to_check(ion: Ion) -> None:
    path = f"{ACCOUNT}/customers"
    ion.script.on(path, said({"message": "expired"}, 401), said({"customers": []}))
    connector = ion.connector()
    assert list(connector.customers()) == [] and ion.refresh == "rt-2"
    ion.script.on(path, said({"message": "no"}, 401))
    with pytest.raises(ProviderRefused, match="also with a new token. Check --account-id"):
        list(connector.customers())


def test_no_orders_is_no_evidence_and_no_account_is_said(ion: Ion) -> None:
    answers(ion, f"{ACCOUNT}/subscriptions", {"subscriptions": []})
    ion.script.on(f"{ACCOUNT}/orders", Step(status=404))
    with pytest.raises(NoEvidence):
        list(ion.connector().changes(since=date(2026, 10, 1), until=date(2026, 10, 2)))
    with pytest.raises(CallRefused, match="--account-id"):
        ion.connector(account_id=None).customers()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said({"error": "invalid_grant"}, 400), ProviderRefused),
        (said({"error": "server_error"}, 503), ProviderUnavailable),
        (Step(status=302, headers={"Location": "https://evil.example"}), ProviderRefused),
        (said({"access_token": "a"}), ProviderChanged),
        (said({"access_token": "a\r\nX: 1", "refresh_token": "b"}), ProviderChanged),
        (Step(body=b"<html>"), ProviderError),
    ],
)
def test_a_token_that_does_not_come_is_said_without_its_secret(ion: Ion, answer: Step, error: type) -> None:
    ion.refresh = "rt-planted"
    ion.script.on("/oauth/token", answer)
    with pytest.raises(error) as raised:
        list(ion.connector().customers())
    assert "rt-planted" not in str(raised.value)
