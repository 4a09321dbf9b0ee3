"""Does a connection test say of each right how it stands, with who has to grant it, and leave everything as it was?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests import estates, streamones
from tests.conftest import Command
from tests.estates import Estate, Served, seat
from tests.ports import free_port
from tests.providers.scripted import Scripted, Step, said, scripted
from w365core.errors import CallRefused, ConfigurationMissing
from w365core.jobs import configuring, documents, proving, queue, running, signing_in
from w365core.jobs.context import Context
from w365core.jobs.proving import Proved
from w365core.model import ProviderType
from w365core.providers.microsoft_probes import IMPOSSIBLE
from w365core.store import job_runs
from w365core.store.tables import landed_answer, line_export, provider_invoice, stored_token

CAPABILITIES = ["invoice headers", "license lines", "usage", "customers", "subscriptions", "audit records", "PDF"]
GRAPH = "/v1.0/reports/partners/billing"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    estate = Estate(tmp_path / "estate", client_secret=estates.SECRET)
    estate.invoice("G1", [seat("100.00")], total="100.00")
    with estates.serve(estate) as running_one:
        yield running_one


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def verdicts(proved: Proved) -> dict[str, str]:
    return {proof.capability: str(proof.verdict) for proof in proved.proofs}


def prove(context: Context, name: str = estates.PROVIDER) -> Proved:
    return proving.prove(context, provider_name=name)


@pytest.fixture
def script(context: Context) -> Iterator[tuple[Scripted, Context]]:
    """A Partner Center of which each answer can be chosen; at first everything works."""
    with scripted() as server:
        server.on("/v1/invoices", said({"totalCount": 1, "items": [{"id": "G7"}]}, MS_RequestId="support-1"))
        server.on(f"{GRAPH}/reconciliation/billed/export", said({"error": {"code": "NotFound", "message": "No such invoice"}}, 404))
        server.on(f"{GRAPH}/usage/billed/export", said({"error": {"code": "BadRequest", "message": "invoiceId"}}, 400))
        server.on("/v1/customers", said({"items": [{"id": "c-1"}, {"id": "c-2"}]}))
        server.on("/v1/customers/c-1/subscriptions", said({"code": "20002", "description": "no relation"}, 403))
        server.on("/v1/customers/c-2/subscriptions", said({"items": []}))
        server.on("/v1/auditrecords", said({"items": []}))
        known = replace(context, settings=replace(context.settings, environment={"W365_SECRET_MS": "s"}))
        given = {"type": ProviderType.PARTNER_CENTER, "tenant_id": "contoso.example", "client_id": "app"}
        configuring.add_provider(known, "ms", given | dict.fromkeys(("api_url", "graph_url", "login_url"), server.url))
        yield server, known


def test_where_everything_is_granted_all_works_and_nothing_is_stored(configured: Context) -> None:
    proved = prove(configured)
    assert verdicts(proved) == dict.fromkeys(CAPABILITIES, "works") | {"PDF": "not possible", "subscriptions": "not possible"}
    assert proved.exit_code == 0 and f"provider sign-in {estates.PROVIDER}" in proved.proofs[-1].said
    with configured.engine.connect() as connection:
        for table in (landed_answer, provider_invoice, line_export):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
    signing_in.sign_in(configured, estates.PROVIDER)
    assert verdicts(prove(configured))["PDF"] == "works"


def test_an_export_that_cannot_be_proves_the_right_and_one_customer_that_left_does_not_hide_it(script) -> None:
    server, context = script
    proved = prove(context, "ms")
    assert (proved.exit_code, set(verdicts(proved).values())) == (0, {"works", "not possible"})
    bodies = [json.loads(asked.body) for asked in server.asked if asked.path.endswith("/export")]
    assert [body["invoiceId"] for body in bodies] == [IMPOSSIBLE] * 2


@pytest.mark.parametrize(
    ("path", "step", "capability", "words"),
    [
        ("/v1/invoices", said({"code": "900150", "description": "role"}, 403, MS_RequestId="r-7"), "invoice headers", "Admin agent role"),
        (
            f"{GRAPH}/reconciliation/billed/export",
            said({"error": {"code": "Forbidden"}}, 403, request_id="r-7"),
            "license lines",
            "7c3e1994-38ff-4412",
        ),
        (f"{GRAPH}/usage/billed/export", Step(status=403, headers={"request-id": "r-7"}), "usage", "PartnerBilling.Read.All"),
        ("/v1/customers", Step(status=401, headers={"MS-RequestId": "r-7"}), "customers", "Admin agent role"),
        ("/v1/customers/c-2/subscriptions", said({"code": "20002"}, 403, MS_RequestId="r-7"), "subscriptions", "reseller relationship"),
        ("/v1/auditrecords", said({"code": "900421"}, 401, MS_RequestId="r-7"), "audit records", "with MFA"),
    ],
)
def test_a_missing_right_is_named_with_what_to_grant_and_what_support_asks_for(
    script, path: str, step: Step, capability: str, words: str
) -> None:
    server, context = script
    server.on(path, step)
    proved = prove(context, "ms")
    (found,) = [proof for proof in proved.proofs if proof.verdict == "missing"]
    assert (found.capability, found.status, found.request_id) == (capability, step.status, "r-7") and words in found.said
    assert proved.exit_code == 1
    assert found.code == (None if not step.body else json.loads(step.body).get("code") or "Forbidden")


def test_a_wrong_secret_is_missing_everywhere_and_an_outage_is_none(script) -> None:
    server, context = script
    server.on("/contoso.example/oauth2/v2.0/token", said({"error": "invalid_client", "error_description": "AADSTS7000215: no"}, 401))
    refused = prove(context, "ms")
    assert refused.exit_code == 1 and "AADSTS7000215" in refused.proofs[0].said and "W365_SECRET_MS" in refused.proofs[0].said
    away = f"http://127.0.0.1:{free_port()}"
    configuring.add_provider(context, "ms", {"graph_url": away})
    server.on("/contoso.example/oauth2/v2.0/token", said({"token_type": "Bearer", "expires_in": 3599, "access_token": "t"}))
    proved = prove(context, "ms")
    assert proved.exit_code == 3
    assert [name for name, verdict in verdicts(proved).items() if verdict == "not reachable"] == ["license lines", "usage"]


def test_a_sign_in_without_a_second_factor_is_missing_one_though_it_still_works(script, tmp_path: Path) -> None:
    server, context = script
    server.on(
        "/contoso.example/oauth2/v2.0/devicecode",
        said({"device_code": "d", "user_code": "ABCD", "verification_uri": "https://microsoft.com/devicelogin"}),
    )
    tokens = {"token_type": "Bearer", "expires_in": 3599, "access_token": "t", "refresh_token": "r"}
    server.on("/contoso.example/oauth2/v2.0/token", said(tokens))
    server.on("/v1/invoices", said({"items": [{"id": "G7"}]}, isMfaCompliant="false"))
    server.on("/v1/invoices/G7", said({"id": "G7", "pdfDownloadLink": "/invoices/G7/x"}, isMfaCompliant="false"))
    server.on("/v1/invoices/G7/x", Step(body=b"%PDF-1.7"))
    assert signing_in.sign_in(context, "ms").mfa is False
    proof = prove(context, "ms").proofs[-1]
    assert (proof.capability, proof.verdict) == ("PDF", "missing") and "provider sign-in ms" in proof.said
    told: list[str] = []
    documents.fetch_pdf(replace(context, report=told.append), provider_name="ms", invoice_number="G7", to=tmp_path / "g7.pdf")
    assert "without MFA" in told[0] and (tmp_path / "g7.pdf").exists()


def test_without_a_secret_or_a_connection_it_says_so(configured: Context) -> None:
    with pytest.raises(ConfigurationMissing, match="W365_SECRET_CSP"):
        prove(replace(configured, settings=replace(configured.settings, environment={})))
    configuring.add_provider(configured, "files", {"type": ProviderType.MANUAL})
    with pytest.raises(CallRefused, match="no connection to test"):
        prove(configured, "files")


@pytest.fixture
def streamone(context: Context, tmp_path: Path) -> Iterator[Callable[..., tuple[Context, streamones.Served]]]:
    account = streamones.Account(tmp_path / "ion")
    with streamones.serve(account) as running_one:
        yield lambda: (streamones.configure(context, running_one.url, tmp_path / "ours"), running_one)


def test_streamone_is_tried_with_one_exchange_of_its_token(streamone) -> None:
    context, ion = streamone()
    assert prove(context, streamones.NAME).exit_code == 0
    with context.engine.connect() as connection:
        row = connection.execute(select(stored_token)).one()
    assert row.exchanging_since is None
    assert set(verdicts(prove(context, streamones.NAME)).values()) == {"works"}
    ion.faults.replace(["500@streamone"])
    before = verdicts(prove(replace(context, settings=replace(context.settings, http_tries=1)), streamones.NAME))
    assert set(before.values()) == {"not reachable"}
    with context.engine.connect() as connection:
        assert connection.execute(select(stored_token.c.encrypted)).scalar() is not None
    ion.faults.replace([])
    keyless = replace(
        context, settings=replace(context.settings, environment={**streamones.ENVIRONMENT, "W365_SECRET_ION_EU": "key-41:wrong"})
    )
    assert verdicts(prove(keyless, streamones.NAME))["v1 invoices"] == "missing"
    assert prove(context, streamones.NAME).exit_code == 0  # no token was lost on the way


def test_a_job_of_the_queue_tells_the_page_right_by_right(configured: Context) -> None:
    job_id = queue.ask(configured.engine, kind=queue.TEST, provider=estates.PROVIDER, actor="bo")
    assert "imported or changed" in queue.plan(configured.engine, kind=queue.TEST, provider=estates.PROVIDER).sentence
    with configured.engine.begin() as connection:
        job = job_runs.find(connection, job_id)
    done = running._do(configured, job)
    assert running.summary(done).startswith("5 of 7 work; not possible: subscriptions, PDF")
    assert [check["capability"] for check in running.outcome(done)["checks"]] == CAPABILITIES


def test_on_the_command_line(configured: Context, w365: Command) -> None:
    done = w365("provider", "test", estates.PROVIDER, "--json", W365_SECRET_CSP=estates.SECRET)
    told = json.loads(done.stdout)
    assert (done.returncode, told["provider"], told["works"]) == (0, estates.PROVIDER, True)
    assert {"capability", "verdict", "permission", "said", "status", "code", "request_id"} == set(told["checks"][0])
    assert w365("provider", "test", estates.PROVIDER).returncode == 4
