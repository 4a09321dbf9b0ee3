"""Is an export that failed at the provider asked for anew, and one that only takes its time never asked for twice?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.providers.scripted import Scripted, Step, said, scripted
from w365core.jobs import configuring, syncing
from w365core.jobs.context import Context
from w365core.model import ProviderType

BILLING = "/v1.0/reports/partners/billing"
EXPORT = f"{BILLING}/reconciliation/billed/export"
HEADER = {"id": "G1", "invoiceDate": "2026-11-08T00:00:00Z", "totalCharges": 1, "currencyCode": "EUR"}


@pytest.fixture
def graph(context: Context) -> Iterator[tuple[Scripted, Context]]:
    with scripted() as server:
        server.on("/v1/invoices", said({"totalCount": 1, "items": [HEADER]}))
        server.on(EXPORT, *(Step(status=202, headers={"Location": f"{BILLING}/operations/op-{number}"}) for number in (1, 2, 3)))
        known = replace(context, settings=replace(context.settings, environment={"W365_SECRET_MS": "s"}))
        given = {"type": ProviderType.PARTNER_CENTER, "tenant_id": "contoso.example", "client_id": "app"}
        configuring.add_provider(known, "ms", given | dict.fromkeys(("api_url", "graph_url", "login_url"), server.url))
        yield server, known


def failures(context: Context, times: int) -> list[tuple[str | None, str]]:
    done = [syncing.sync_invoice(context, provider_name="ms", invoice_number="G1", override=None) for _ in range(times)]
    return [(one.outcomes[0].failure, one.outcomes[0].message) for one in done]


def test_an_export_that_failed_is_asked_for_anew_in_the_next_run(graph) -> None:
    server, context = graph
    for number in (1, 2, 3):
        server.on(
            f"{BILLING}/operations/op-{number}", said({"status": "failed", "error": {"code": "5001", "message": f"job {number} died"}})
        )
    said_of = failures(context, 3)
    assert [kind for kind, _ in said_of] == ["provider_error"] * 3
    assert [f"job {number} died" in message for number, (_, message) in enumerate(said_of, 1)] == [True] * 3
    assert len(server.asked_for(EXPORT)) == 3


def test_an_operation_that_asks_to_wait_longer_than_we_do_is_waited_on_by_the_next_run(graph) -> None:
    server, context = graph
    server.on(f"{BILLING}/operations/op-1", Step(status=429, headers={"Retry-After": "86400"}))
    for kind, message in failures(context, 2):
        assert kind == "provider_error" and "Try again after 20" in message
    assert (len(server.asked_for(EXPORT)), len(server.asked_for(f"{BILLING}/operations/op-1"))) == (1, 2)
