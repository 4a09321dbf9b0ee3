"""Which invoices does a sync take, and what becomes of them when the provider misbehaves?"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from sqlalchemy import event, select, text

from tests import estates
from tests.estates import Estate, Served, daily, seat, usage
from tests.ports import free_port
from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing, ProviderError
from w365core.jobs import configuring, syncing
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.store import audit, engine as store_engine, ledger, providers as store_providers
from w365core.store.tables import audit_log, import_run, provider_invoice, sync_run, usage_estimate

DAY = timedelta(days=1)

# What must never leave memory, as the sandbox writes it: tokens, and signatures of storage addresses.
_TOKEN = re.compile(r"(?:graph|partner-center)\.[0-9]{10}\.[0-9a-f]{64}")
_SIGNATURE = re.compile(r"sig=[A-Za-z0-9%+/]{20,}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate", client_secret=estates.SECRET)) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def hurried(context: Context, **settings: object) -> Context:
    return replace(context, settings=replace(context.settings, **{"http_tries": 1, "http_timeout": 0.5, **settings}))


def day_by_day(context: Context) -> list[tuple[str, str]]:
    return [(o.invoice, o.status) for o in syncing.sync_daily(context, provider_name=estates.PROVIDER).outcomes]


def by_hand(context: Context, number: str = "G1") -> syncing.SyncResult:
    return syncing.sync_invoice(context, provider_name=None, invoice_number=number, override=None)


def invoices(context: Context) -> dict:
    with context.engine.connect() as connection:
        return {row.invoice_number: row for row in connection.execute(select(provider_invoice))}


# --- which ones --------------------------------------------------------------------------------------------------------------------------


def test_the_daily_job_takes_every_series_and_currency_of_the_latest_month_only(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()], dated="2026-10-08")
    served.estate.invoice("G2", [seat()], dated="2026-11-01")
    served.estate.invoice("G3", [seat(currency="USD")], dated="2026-11-08", currency="USD")
    served.estate.invoice("D4", [seat()], dated="2026-11-30")
    assert day_by_day(configured) == [("G2", "Active/Active"), ("G3", "Active/Active"), ("D4", "Active/Active")]
    assert day_by_day(configured) == []
    assert {number: row.currency for number, row in invoices(configured).items()} == {"G2": "EUR", "G3": "USD", "D4": "EUR"}
    assert by_hand(configured).outcomes[0].status == "Active/Active"  # an older one comes by hand


def test_a_failed_invoice_is_tried_again_up_to_its_fifteenth_day(context: Context, served: Served, tmp_path: Path) -> None:
    unmapped = served.estate.records(tmp_path / "records", provider_accounts=estates.without_customer(estates.CONTOSO))
    configured = estates.configure(context, served.url, records=unmapped)
    served.estate.invoice("G1", [seat()])
    assert day_by_day(configured) == [("G1", "Inactive/Error")]
    served.estate.invoice("G2", [], total="0", dated="2026-12-01")  # a later month has come: it stays a retry, not a new one
    assert ("G1", "Inactive/Error") in day_by_day(configured.at(configured.now + 15 * DAY + timedelta(hours=17, minutes=59)))
    attempts = invoices(configured)["G1"].attempts
    late = syncing.sync_daily(configured.at(configured.now + 16 * DAY), provider_name=None)
    assert (late.outcomes, late.skipped, invoices(configured)["G1"].attempts) == ([], ["G1"], attempts)
    estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))
    assert day_by_day(configured.at(configured.now + 15 * DAY)) == [("G1", "Active/Active")]


def test_a_deactivated_invoice_is_left_alone(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    day_by_day(configured)
    with configured.engine.begin() as connection:
        connection.execute(provider_invoice.update().values(state="Inactive", status_reason="Deactivated"))
    before = estates.digest(configured.engine)
    served.estate.invoice("G1", [seat("900.00")])
    result = syncing.sync_daily(configured, provider_name=None)
    assert (result.outcomes, result.changed, estates.digest(configured.engine)) == ([], [], before)


def test_a_changed_total_is_flagged_once_and_the_stored_invoice_stays(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("10000.00")])
    day_by_day(configured)
    served.faults.replace(["changed-total:G1"])
    for _ in range(2):
        result = syncing.sync_daily(configured.at(configured.now + DAY), provider_name=None)
        assert (result.changed, result.outcomes, result.exit_code) == (["G1"], [], 1)
    found = invoices(configured)["G1"]
    assert (found.header_total, found.header_total_now, found.changed_at_provider) == (Decimal(10000), Decimal(12000), True)
    assert "10000.00 was imported, it says 12000.00 EUR now" in found.message
    assert estates.children(configured.engine) == (1, 0, 0)
    with configured.engine.connect() as connection:
        noticed = select(audit_log.c.after).where(audit_log.c.action == "notice change at provider")
        assert connection.execute(noticed).scalars().all() == [{"header_total": "12000.00"}]
        assert audit.first_broken(connection) is None


def test_an_invoice_in_error_takes_the_total_the_provider_says_now(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("100.00")], total="250.00")
    assert day_by_day(configured) == [("G1", "Inactive/Error")]
    served.estate.invoice("G1", [seat("100.00"), seat("150.00")], total="250.00")
    assert day_by_day(configured) == [("G1", "Active/Active")]


def test_an_invoice_nobody_lists_is_a_wrong_call(configured: Context) -> None:
    with pytest.raises(CallRefused, match="does not list an invoice G9"):
        by_hand(configured, "G9")
    assert invoices(configured) == {}


def test_the_unbilled_usage_is_replaced_each_day_and_never_confirmed(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    served.estate.export("unbilled-EUR-current", "usage", [[daily("1.25")], [daily("2.50", day=2)]])
    day_by_day(configured)
    served.estate.export("unbilled-EUR-current", "usage", [[daily("7.125")]])
    assert day_by_day(configured) == []
    with configured.engine.connect() as connection:
        (estimate,) = connection.execute(select(usage_estimate)).all()
    assert (estimate.cost, estimate.subscription_id, estimate.currency, estimate.lines) == (Decimal("7.125"), "U-1", "EUR", 1)
    assert estates.children(configured.engine) == (1, 0, 0)


def test_an_estimate_that_cannot_be_had_keeps_the_old_one_and_no_invoice_out(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()], dated="2026-11-08")
    served.estate.export("unbilled-EUR-current", "usage", [[daily("1.25")]])
    day_by_day(configured)
    served.faults.replace(["truncated@blob"])
    result = syncing.sync_daily(configured, provider_name=None)
    assert (len(result.warnings), result.exit_code) == (1, 0)
    with configured.engine.connect() as connection:
        assert connection.execute(select(usage_estimate.c.cost)).scalars().all() == [Decimal("1.25")]
    assert estates.leftovers(configured.engine, configured.settings.home) == []


# --- the provider misbehaves ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("truncated@blob", "damaged"),
        ("missing-blob", "does not have what was announced"),
        ("wrong-count", "lists 2 of 3 blobs"),
        ("hang@blob", "no answer within 0.5 s"),
        ("hang@operation", "no answer within 0.5 s"),
        ("reset@blob", "broke off"),
        ("reset@export", "."),
        ("500@export", "answered 500"),
        ("500@operation", "answered 500"),
        ("throttle@export", "asks to wait"),
        ("throttle:99999@blob", "asks to wait"),
        ("expired-sas", "run out"),
        ("new-etag", "changed the reconciliation export of G1 while it was downloaded"),
        ("empty-401@export", "401"),
    ],
)
def test_a_fault_ends_whole_or_nothing_and_heals(configured: Context, served: Served, fault: str, said: str) -> None:
    estates.two_invoices_worth(served.estate)
    served.faults.replace([fault])
    result = by_hand(hurried(configured))
    (outcome,) = result.outcomes
    assert (outcome.status, outcome.failure, result.exit_code) == ("Inactive/Error", "provider_error", 3)
    assert said in outcome.message and outcome.message.endswith(".") and len(outcome.message) < 400
    assert re.search(r"again|[Aa]sk|[Gg]rant|[Cc]heck|[Rr]eport", outcome.message)
    assert invoices(configured)["G1"].message == outcome.message
    assert estates.children(configured.engine) == (0, 0, 0)
    assert estates.leftovers(configured.engine, configured.settings.home) == []
    served.faults.replace([])
    assert by_hand(configured).outcomes[0].status == "Active/Active"
    assert estates.children(configured.engine) == (4, 4, 1)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


@pytest.mark.parametrize("fault", ["500@exportx1", "expired-sasx1", "new-etagx1", "reset@blobx1", "empty-401@exportx1"])
def test_a_passing_fault_is_overcome_within_the_same_sync(configured: Context, served: Served, fault: str) -> None:
    estates.two_invoices_worth(served.estate)
    served.faults.replace([fault])
    assert by_hand(hurried(configured, http_tries=2)).outcomes[0].status == "Active/Active"
    assert served.faults.left() == []
    assert estates.children(configured.engine) == (4, 4, 1)


@pytest.mark.parametrize(("fault", "said"), [("refused-secret", "secret"), ("500@invoices", "answered 500"), ("empty-401@invoices", "401")])
def test_a_provider_that_lists_nothing_changes_nothing(configured: Context, served: Served, fault: str, said: str) -> None:
    served.estate.invoice("G1", [seat()])
    served.faults.replace([fault])
    with pytest.raises(ProviderError, match=said) as failure:
        syncing.sync_daily(hurried(configured), provider_name=estates.PROVIDER)
    assert failure.value.exit_code == 3
    assert invoices(configured) == {}
    served.faults.replace([])
    assert day_by_day(configured) == [("G1", "Active/Active")]


def test_a_refused_connection_ends_within_ten_seconds(configured: Context) -> None:
    elsewhere = estates.configure(configured, f"http://127.0.0.1:{free_port()}")
    begun = time.monotonic()
    with pytest.raises(ProviderError, match="was refused"):
        by_hand(hurried(elsewhere, http_tries=6, http_timeout=100))
    assert time.monotonic() - begun < 10


def test_one_provider_that_is_down_leaves_the_other_to_its_work(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    with configured.engine.begin() as connection:
        url = "http://127.0.0.1:1"
        down = Provider(
            "a-down", ProviderType.PARTNER_CENTER, tenant_id="t.example", client_id="c", api_url=url, graph_url=url, login_url=url
        )
        store_providers.save(connection, down, now=configured.now)
    secrets = {"W365_SECRET_A_DOWN": "another", "W365_SECRET_CSP": estates.SECRET}
    result = syncing.sync_daily(hurried(configured, environment=secrets), provider_name=None)
    assert [(name, o.status) for name, o in zip(["csp"], result.outcomes, strict=True)] == [("csp", "Active/Active")]
    assert [name for name, _ in result.failures] == ["a-down"] and result.exit_code == 3
    health = {row["name"]: row["health"] for row in configuring.list_providers(hurried(configured, environment=secrets))}
    assert health["csp"].startswith("ok") and health["a-down"].startswith("failed") and "refused" in health["a-down"]


def test_a_missing_secret_names_its_variable(configured: Context) -> None:
    with pytest.raises(ConfigurationMissing, match="W365_SECRET_CSP") as missing:
        syncing.sync_daily(hurried(configured, environment={}), provider_name=None)
    assert missing.value.exit_code == 4


def test_a_provider_without_its_secret_does_not_keep_the_others_from_being_synced(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    configuring.add_provider(configured, "aaa", {"type": ProviderType.PARTNER_CENTER, "tenant_id": "t", "client_id": "c"})
    result = syncing.sync_daily(hurried(configured), provider_name=None)
    assert [name for name, _ in result.failures] == ["aaa"]
    assert "W365_SECRET_AAA" in str(result.failures[0][1])
    assert result.exit_code == 4
    assert result.outcomes


def test_an_export_that_is_still_young_is_waited_on_not_asked_for_again(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    served.faults.replace(["truncated@blob"])
    by_hand(hurried(configured))
    served.faults.replace(["500@export"])  # whoever asks anew for the reconciliation export fails now
    assert "usage export" in by_hand(hurried(configured)).outcomes[0].message
    with configured.engine.connect() as connection:
        asked = text("select count(*) from landed_answer where method = 'POST' and http_status = 202")
        assert connection.execute(asked).scalar_one() == 1


def test_a_provider_that_has_moved_is_asked_anew(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    served.faults.replace(["truncated@blob"])
    by_hand(hurried(configured))
    with estates.serve(served.estate) as elsewhere:
        estates.configure(configured, elsewhere.url)
        assert by_hand(hurried(configured)).outcomes[0].status == "Active/Active"


def test_a_blob_that_landed_whole_is_not_fetched_again(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    served.faults.replace(["500@exportx2"])
    by_hand(hurried(configured, http_tries=1))
    served.faults.replace([])
    by_hand(configured)
    with configured.engine.begin() as connection:
        connection.execute(provider_invoice.update().values(state="Inactive", status_reason="Deactivated"))
    served.faults.replace(["500@blob"])
    assert by_hand(hurried(configured)).outcomes[0].status == "Active/Active"


def test_a_blob_that_did_not_add_up_is_fetched_again_also_where_the_provider_failed_in_between(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("60.00"), seat("40.00")])
    for fault, failure in (("damaged:last-line@blob", "checksum_failed"), ("wrong-count", "provider_error")):
        served.faults.replace([fault])
        assert by_hand(hurried(configured)).outcomes[0].failure == failure
    served.faults.replace([])
    assert by_hand(configured).outcomes[0].status == "Active/Active"


def test_a_blob_that_did_not_add_up_is_fetched_again_also_where_the_invoice_is_written_otherwise_here(
    configured: Context, served: Served
) -> None:
    served.estate.invoice("G1", [seat("60.00"), seat("40.00")])
    served.faults.replace(["damaged:last-line@blob"])
    assert by_hand(hurried(configured)).outcomes[0].failure == "checksum_failed"
    with configured.engine.begin() as connection:
        connection.execute(provider_invoice.update().values(invoice_number="g1"))
    later = configured.at(configured.now + timedelta(days=1))
    assert by_hand(hurried(later)).outcomes[0].failure == "checksum_failed"
    served.faults.replace([])
    assert by_hand(later).outcomes[0].status == "Active/Active"


# --- several at once -----------------------------------------------------------------------------------------------------------------------


def test_an_invoice_somebody_else_imports_is_left_to_them(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    with configured.engine.connect() as other:
        assert store_engine.lock(other, *ledger.lock_names(estates.PROVIDER, "g1"))
        with pytest.raises(AlreadyRunning, match="being imported by somebody else right now"):
            by_hand(configured)
        assert syncing.sync_daily(configured, provider_name=None).skipped == ["G1"]
    assert day_by_day(configured) == [("G1", "Active/Active")]


def test_an_invoice_that_became_active_in_between_is_skipped_by_the_daily_job(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    served.estate.invoice("G2", [seat()])
    raced = []

    def import_it_first(connection, cursor, statement, parameters, execution, many) -> None:
        if not raced and "pg_try_advisory_lock" in statement and "provider invoice" in str(parameters):
            raced.append(True)  # the daily job has seen that G1 is not there, and is about to begin
            assert by_hand(configured, "G1").outcomes[0].status == "Active/Active"

    event.listen(configured.engine, "before_cursor_execute", import_it_first)
    result = syncing.sync_daily(configured, provider_name=None)
    assert raced
    assert (result.skipped, [o.invoice for o in result.outcomes], result.exit_code) == (["G1"], ["G2"], 0)
    assert estates.children(configured.engine) == (2, 0, 0)


def test_what_a_dead_run_left_is_swept_and_said(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat(), usage()], [daily()])
    header = next(h for h in _headers(configured) if h.number == "G1")
    with configured.engine.begin() as connection:
        attempt = ledger.begin(
            connection, provider="csp", header=header, source="synced", who=configured.who, sync_run_id=None, override=None
        )
    incoming = configured.landing.folder / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    (incoming / "999999999-half").write_bytes(b"half")
    assert ledger.sweep(configured.engine, landing=configured.landing, who=configured.who) == 1
    found = invoices(configured)["G1"]
    assert (found.status_reason, found.failure, found.message) == ("Error", "provider_error", ledger.BROKEN_OFF)
    with configured.engine.connect() as connection:
        ended = select(import_run.c.status).where(import_run.c.import_run_id == attempt.import_run_id)
        assert connection.execute(ended).scalar_one() == "abandoned"
    assert day_by_day(configured) == [("G1", "Active/Active")]
    assert estates.leftovers(configured.engine, configured.settings.home) == []
    assert ledger.sweep(configured.engine, landing=configured.landing, who=configured.who) == 0


def _headers(context: Context) -> list:
    with context.engine.connect() as connection:
        provider = store_providers.named(connection, estates.PROVIDER)
    return syncing.connect(context, provider, sync_run_id=None).invoices()


# --- secrets -------------------------------------------------------------------------------------------------------------------------------


def test_no_secret_token_or_signature_is_written_anywhere(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    said: list[str] = []
    talking = replace(configured, report=said.append)
    for fault in ("refused-secret", "expired-sas", "reset@blob", "500@export", "empty-401@export", "empty-401@invoices", "missing-blob"):
        served.faults.replace([fault])
        try:
            said.append(str(by_hand(hurried(talking))))
        except ProviderError as error:
            said.append(str(error))
    served.faults.replace([])
    said.append(str(by_hand(talking)))
    written = "\n".join([*said, *_everything_stored(configured), *_everything_landed(configured)])
    assert "/v1/invoices" in written and "operations/" in written  # what we look through is really there
    for secret in (re.compile(re.escape(estates.SECRET)), _TOKEN, _SIGNATURE):
        assert secret.search(written) is None, f"{secret.pattern} is written down"


def test_the_search_for_secrets_would_find_them(served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": estates.SECRET}
    form["scope"] = "https://graph.microsoft.com/.default"
    token = requests.post(f"{served.url}/{estates.TENANT}/oauth2/v2.0/token", data=form, timeout=5).json()["access_token"]
    assert _TOKEN.search(token)
    asking = {"headers": {"Authorization": f"Bearer {token}"}, "timeout": 5}
    export = f"{served.url}/v1.0/reports/partners/billing/reconciliation/billed/export"
    operation = requests.post(export, json={"invoiceId": "G1"}, **asking).headers["Location"]
    for _ in range(2):
        state = requests.get(operation, **asking).json()
    link = state.get("resourceLocation@odata.navigationLink")
    manifest = requests.get(link, **asking).json() if link else state["resourceLocation"]
    assert _SIGNATURE.search(manifest["sasToken"])


def _everything_stored(context: Context) -> Iterator[str]:
    with context.engine.connect() as connection:
        names = connection.execute(text("select tablename from pg_tables where schemaname = 'public'")).scalars().all()
        assert {sync_run.name, "landed_answer", "line_export"} <= set(names)
        for name in names:
            yield from (json.dumps(row[0]) for row in connection.execute(text(f"select to_jsonb(t) from {name} t")))


def _everything_landed(context: Context) -> Iterator[str]:
    for answer in context.landing.folder.glob("*/*.gz"):
        yield gzip.decompress(answer.read_bytes()).decode()
