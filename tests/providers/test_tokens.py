import time
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from tests.ports import free_port
from tests.providers.scripted import SECRET, TOKEN_PATH, Step, said
from w365core.errors import CallRefused, ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import Feed
from w365core.providers.contract import Patience

EMPTY = said({"totalCount": 0, "items": []})
EXPORT = "/v1.0/reports/partners/billing/usage/billed/export"


def test_a_token_is_asked_for_over_plain_http_on_loopback_once_per_audience(contoso):
    contoso.script.on("/v1/invoices", EMPTY)
    contoso.script.on(EXPORT, Step(status=202, headers={"Location": "/v1.0/operations/7"}))
    connector = contoso.connector()
    for _ in range(2):
        connector.invoices()
        connector.request_export("G000000007", Feed.DAILY_RATED)
    forms = [parse_qs(asked.body.decode()) for asked in contoso.script.asked_for(TOKEN_PATH)]
    assert [form["scope"] for form in forms] == [
        ["https://api.partnercenter.microsoft.com/.default"],
        ["https://graph.microsoft.com/.default"],
    ]
    wanted = {"client_id": ["app-7"], "client_secret": [SECRET], "grant_type": ["client_credentials"]}
    assert all(form[name] == value for form in forms for name, value in wanted.items())
    assert [asked.header("Authorization") for asked in contoso.script.asked_for("/v1/invoices")] == ["Bearer token-1-of-contoso"] * 2
    assert [asked.header("Authorization") for asked in contoso.script.asked_for(EXPORT)] == ["Bearer token-2-of-contoso"] * 2


def test_token_answers_are_never_kept(contoso):
    contoso.script.on(TOKEN_PATH, Step(status=503), said({"token_type": "Bearer", "expires_in": 3599, "access_token": "token-9"}))
    contoso.script.on("/v1/invoices", EMPTY)
    contoso.connector().invoices()
    assert [kept.url.partition("?")[0] for kept in contoso.kept] == [f"{contoso.script.url}/v1/invoices"]


def test_a_refused_secret_is_said_with_its_variable_and_code(contoso):
    description = f"AADSTS7000215: Invalid client secret provided. You sent {SECRET}. Trace ID: 1"
    contoso.script.on(TOKEN_PATH, said({"error": "invalid_client", "error_description": description}, 401))
    with pytest.raises(ProviderRefused) as refused:
        contoso.connector().invoices()
    assert "AADSTS7000215" in str(refused.value) and "W365_SECRET_CONTOSO_CSP" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert len(contoso.script.asked_for(TOKEN_PATH)) == 1


@pytest.mark.parametrize("error", ["unauthorized_client", "invalid_request", "invalid_scope"])
def test_another_refusal_names_what_to_check(contoso, error):
    contoso.script.on(TOKEN_PATH, said({"error": error, "error_description": "AADSTS90002: Tenant not found."}, 400))
    with pytest.raises(ProviderRefused, match=rf"{error} \(AADSTS90002\)"):
        contoso.connector().invoices()


@pytest.mark.parametrize(
    "step",
    [
        Step(body=b"<html>sign in</html>"),
        said({"token_type": "Bearer"}),
        said(["token"]),
        said({"access_token": 7}),
        said({"access_token": "a\nb"}),
    ]
    + [said({"access_token": "token", "expires_in": "soon"})],
)
def test_an_answer_without_a_token_is_a_change(contoso, caplog, step):
    caplog.set_level("DEBUG")
    contoso.script.on(TOKEN_PATH, step)
    with pytest.raises(ProviderChanged):
        contoso.connector().invoices()
    assert "<html>" not in caplog.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_without_a_word_is_a_refusal(contoso, status):
    contoso.script.on(TOKEN_PATH, Step(status=status))
    with pytest.raises(ProviderRefused, match=f"{status} without a reason"):
        contoso.connector().invoices()


def test_a_redirect_of_the_sign_in_is_refused(contoso):
    contoso.script.on(TOKEN_PATH, Step(status=307, headers={"Location": f"{contoso.script.url}/elsewhere"}))
    with pytest.raises(ProviderRefused, match="redirect"):
        contoso.connector().invoices()
    assert contoso.script.asked_for("/elsewhere") == []


def test_a_sign_in_that_is_down_ends_within_ten_seconds(contoso):
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="Microsoft sign-in"):
        contoso.connector(
            provider=contoso.provider(login_url=f"http://127.0.0.1:{free_port()}"), sleep=time.sleep, patience=Patience()
        ).invoices()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("tenant", ["a/b", "../x", "contoso?x", "contoso#", "con toso"])
def test_a_tenant_that_would_bend_the_address_is_refused(contoso, tenant):
    with pytest.raises(CallRefused):
        contoso.connector(provider=replace(contoso.provider(), tenant_id=tenant))
