"""Does an account sync bring what the provider knows, whole or not at all, beside our records, and propose without touching them?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from tests import estates
from tests.estates import CONTOSO, FABRIKAM, PROVIDER, SEATS, Served
from w365core.errors import CallRefused, ProviderError, ProviderRefused
from w365core.jobs import accounts, configuring, loading, queue, running, suggesting, syncing
from w365core.jobs.context import Context
from w365core.store import audit
from w365core.store.tables import provider_change, provider_customer, provider_subscription

TAILSPIN = "c3b2c3d4-0000-4000-8000-000000000003"
PLAN, ENTITLEMENT = "b1b2c3d4-0000-4000-8000-0000000000cc", "E1B2C3D4-0000-4000-8000-0000000000DD"


def customer(identifier: str, name: str, domain: str) -> dict[str, Any]:
    return {"id": identifier, "companyProfile": {"companyName": name, "domain": domain}, "relationshipToPartner": "reseller"}


def record(identifier: str | None, day: str, *, seats: int = 12, status: str = "succeeded") -> dict[str, Any]:
    sides = {name: json.dumps({"Id": SEATS.upper(), "Quantity": n}) for name, n in (("resourceOldValue", 10), ("resourceNewValue", seats))}
    told = {"id": identifier, "customerId": CONTOSO, "resourceType": "subscription", "operationType": "update_subscription", **sides}
    return {k: v for k, v in told.items() if v} | {"operationDate": f"{day}T10:00:00.1234567Z", "operationStatus": status}


class Provider:
    """The sandbox's folder, with customers, what they own, and audit records."""

    def __init__(self, estate: estates.Estate) -> None:
        self.estate = estate
        self.customers = [customer(CONTOSO.upper(), "Contoso Ltd", "contoso.example"), customer(FABRIKAM, "Fabrikam", "fabrikam.example")]
        seats = {"id": SEATS.upper(), "offerName": "Business", "quantity": 12, "billingType": "license", "status": "active"}
        plan = {"id": PLAN, "offerName": "Azure plan", "offerId": "DZH318Z0BPS6:0001:X", "billingType": "usage", "quantity": 1}
        self.owned = {CONTOSO: [seats, plan], FABRIKAM: [{"id": "f-1", "quantity": 3}]}
        self.records = [record("r-1", "2026-11-10")]
        self.tell()

    def tell(self, *, clock: str = "2026-11-12T06:00:00Z") -> None:
        self._write("customers.json", self.customers)
        for owner, owned in self.owned.items():
            self._write(f"subscriptions/{owner}.json", owned)
        self._write(f"entitlements/{PLAN}.json", [{"id": ENTITLEMENT, "friendlyName": "Dev", "status": "active"}])
        self._write("auditrecords.json", self.records)

    def _write(self, name: str, content: object) -> None:
        path = self.estate.folder / "partner_center" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(estates.Estate(tmp_path / "estate"))


@pytest.fixture
def served(provider: Provider) -> Iterator[Served]:
    with estates.serve(provider.estate) as running:
        yield running


@pytest.fixture
def ready(context: Context, served: Served, tmp_path: Path) -> Context:
    made = estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))
    return forgetting_the_evidence(made, "2026-11-11T06:00:00Z")


def forgetting_the_evidence(made: Context, until: str | None = None) -> Context:
    with made.engine.begin() as connection:
        connection.execute(text("delete from provider_pull"))
        if until:
            told = "insert into provider_pull (provider, what, pulled_until, pulled_at) values (:p, 'changes', :until, :until)"
            connection.execute(text(told), {"p": PROVIDER, "until": until})
    return made


def sync(ready: Context, **how: Any) -> accounts.Accounting:
    return accounts.sync_accounts(ready, provider_name=PROVIDER, **how)


def rows(ready: Context, table, *names: str) -> list[tuple]:
    with ready.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*(table.c[name] for name in names)).order_by(table.c[names[0]]))]


def our_records(ready: Context) -> dict[str, Any]:
    ours = ("account", "provider_account", "subscription", "product", "license_change_log", "subscription_alias")
    return {name: content for name, content in estates.stored(ready.engine).items() if name in ours}


def load(ready: Context, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "more").mkdir(exist_ok=True)
    (tmp_path / "more" / name).write_text(content)
    with ready.engine.begin() as connection:
        loading.load(connection, tmp_path / "more")


# --- what is brought ---------------------------------------------------------------------------------------------------------------------


def test_what_the_provider_knows_is_stored_beside_our_records_and_twice_is_once(ready: Context):
    before = our_records(ready)
    done = sync(ready)
    assert (done.customers.listed, done.customers.new, done.subscriptions.listed, done.evidence.changes.new) == (2, 2, 4, 1)
    assert done.exit_code == 0 and done.findings == []
    assert rows(ready, provider_customer, "provider_customer_id", "name") == [(CONTOSO, "Contoso Ltd"), (FABRIKAM, "Fabrikam")]
    assert rows(ready, provider_subscription, "provider_subscription_id", "kind", "quantity", "parent_id", "scheduled") == [
        (SEATS, "License", Decimal(12), None, None),
        (PLAN, "Usage", Decimal(1), None, None),
        (ENTITLEMENT.lower(), "Usage", None, PLAN, None),
        ("f-1", "License", Decimal(3), None, None),
    ]
    (change,) = rows(ready, provider_change, "change_id", "provider_subscription_id", "quantity_before", "quantity_after")
    assert change == ("r-1", SEATS, Decimal(10), Decimal(12))
    stored = estates.stored(ready.engine)
    again = sync(ready)
    assert (again.customers.new, again.customers.changed, again.subscriptions.new, again.subscriptions.changed) == (0, 0, 0, 0)
    assert (again.evidence.changes.new, again.evidence.changes.changed) == (0, 0)
    assert estates.stored(ready.engine) == stored and our_records(ready) == before


def test_what_is_listed_no_more_is_gone_and_may_come_back(ready: Context, provider: Provider):
    sync(ready)
    fabrikam, provider.owned[CONTOSO] = provider.customers.pop(), provider.owned[CONTOSO][1:]
    provider.tell()
    done = sync(ready.at(ready.now + timedelta(days=1)))
    assert (done.customers.gone, done.subscriptions.gone) == (1, 1)
    gone = {key: moment is not None for key, moment in rows(ready, provider_subscription, "provider_subscription_id", "gone_at")}
    assert gone == {SEATS: True, PLAN: False, ENTITLEMENT.lower(): False, "f-1": True}  # f-1 went with its customer
    provider.customers.append(fabrikam)
    provider.tell()
    done = sync(ready)
    assert (done.customers.changed, done.subscriptions.changed) == (1, 1)
    assert rows(ready, provider_customer, "provider_customer_id", "gone_at")[1] == (FABRIKAM, None)


def test_a_customer_whose_sync_is_disabled_is_listed_and_its_subscriptions_are_not_asked_for(ready: Context, tmp_path: Path):
    sync(ready)
    load(
        ready,
        tmp_path,
        "provider_accounts.csv",
        f"provider,provider_account_id,account_id,sync_enabled\n{PROVIDER},{FABRIKAM},A-2,false\n",
    )
    done = sync(ready)
    assert (done.customers.listed, done.subscriptions.listed, done.subscriptions.gone, done.off) == (2, 3, 0, [FABRIKAM])


def test_a_lost_customer_is_remembered_with_what_the_provider_said_and_keeps_what_was_known(ready: Context, served: Served):
    sync(ready)
    served.faults.replace([f"lost-customer:{FABRIKAM}@customers"])
    done = sync(ready)
    assert (done.exit_code, done.subscriptions.listed, done.subscriptions.gone) == (1, 3, 0)
    assert "403 (20002: There is no commerce relationship" in done.findings[0] and FABRIKAM in done.findings[0]
    assert "20002" in dict(rows(ready, provider_customer, "provider_customer_id", "refused"))[FABRIKAM]
    served.faults.replace([])
    assert sync(ready).exit_code == 0
    assert dict(rows(ready, provider_customer, "provider_customer_id", "refused"))[FABRIKAM] is None


def test_where_no_customer_is_told_it_is_a_missing_right_and_nothing_is_stored(ready: Context, served: Served):
    served.faults.replace(["lost-customer@customers"])
    with pytest.raises(ProviderRefused, match="none of its 2 customers"):
        sync(ready)
    assert rows(ready, provider_customer, "name") == []


@pytest.mark.parametrize("fault", ["500@customers", "reset@customers", "empty-401@customers"])
def test_where_the_provider_breaks_off_nothing_is_stored(ready: Context, served: Served, fault: str):
    sync(ready)
    before = estates.stored(ready.engine)
    served.faults.replace([fault])
    with pytest.raises(ProviderError):
        sync(ready.at(ready.now + timedelta(days=1)))
    assert estates.stored(ready.engine) == before
    assert rows(ready, provider_customer, "seen_at") == [(ready.now,), (ready.now,)]


def test_a_failure_of_the_evidence_alone_leaves_the_accounts_stored_and_is_said(ready: Context, served: Served):
    served.faults.replace(["500@auditrecords"])
    done = sync(ready)
    assert done.exit_code == 3 and "audit records of 2026-11-09" in done.findings[0] and done.failures
    assert len(rows(ready, provider_customer, "name")) == 2 and rows(ready, provider_change, "change_id") == []


def test_a_provider_without_a_connection_is_refused(ready: Context):
    with pytest.raises(CallRefused, match="distributor has no connection"):
        accounts.sync_accounts(ready, provider_name="distributor")


# --- whose is it -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def unmapped(ready: Context, provider: Provider) -> Context:
    """Three more customers: one certain by its domain, one by name only, one between two accounts."""
    provider.customers += [
        customer(TAILSPIN, "Tailspin Toys", "tailspin.example"),
        customer("c-4", "Wingtip B.V.", "else.example"),
        customer("c-5", "Twin", "twin.example"),
    ]
    provider.owned |= {TAILSPIN: [], "c-4": [], "c-5": []}
    provider.tell()
    with ready.engine.begin() as connection:
        named = (
            ("A-3", "Toys", "TAILSPIN.example"),
            ("A-4", "WINGTIP", None),
            ("A-5", "Twin One", "twin.example"),
            ("A-6", "Two", "twin.example"),
        )
        for account_id, name, domain in named:
            told = {"id": account_id, "name": name, "domain": domain}
            connection.execute(
                text("insert into account (account_id, name, domain, credit_hold) values (:id, :name, :domain, false)"), told
            )
    return ready


def test_mappings_are_proposed_by_domain_then_by_name_and_none_is_applied(unmapped: Context):
    before = our_records(unmapped)
    done = sync(unmapped)
    found = [(one.customer.id, one.match.account_id, one.match.confidence, one.applied) for one in done.proposals]
    assert found == [(TAILSPIN, "A-3", Decimal(1), False), ("c-4", "A-4", Decimal("0.90"), False)]
    assert [(one.customer.id, one.match.candidates) for one in done.undecided] == [("c-5", ("A-5", "A-6"))]
    assert our_records(unmapped) == before and done.exit_code == 0
    stored = rows(unmapped, provider_customer, "provider_customer_id", "proposed_account_id", "confidence")
    assert dict((key, (account, sure)) for key, account, sure in stored if account) == {
        TAILSPIN: ("A-3", Decimal(1)),
        "c-4": ("A-4", Decimal("0.90")),
    }


def test_only_what_is_certain_and_unknown_to_our_records_is_applied_when_asked(unmapped: Context):
    done = sync(unmapped, apply_certain=True)
    assert [(one.customer.id, one.applied) for one in done.proposals] == [(TAILSPIN, True), ("c-4", False)]
    with unmapped.engine.connect() as connection:
        said = "select provider_name, account_id, sync_enabled from provider_account where provider_account_id = :id"
        assert tuple(connection.execute(text(said), {"id": TAILSPIN}).one()) == ("Tailspin Toys", "A-3", True)
        event = connection.execute(text("select action, reason from audit_log order by audit_id desc limit 1")).one()
        assert event.action == "map provider account" and "same domain tailspin.example" in event.reason
        assert audit.first_broken(connection) is None
    assert [one.customer.id for one in sync(unmapped).proposals] == ["c-4"]


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_provider_account_that_is_there_is_a_persons_and_is_never_mapped(unmapped: Context, tmp_path: Path, enabled: str):
    header = "provider,provider_account_id,account_id,sync_enabled"
    load(unmapped, tmp_path, "provider_accounts.csv", f"{header}\n{PROVIDER},{TAILSPIN.upper()},,{enabled}\n")
    before = our_records(unmapped)
    done = sync(unmapped, apply_certain=True)
    assert [(one.customer.id, one.applied) for one in done.proposals] == [(TAILSPIN, False), ("c-4", False)]
    assert our_records(unmapped) == before


# --- the evidence ------------------------------------------------------------------------------------------------------------------------


def days_asked(ready: Context) -> int:
    """How many answers about changes have landed: one a day that was asked for."""
    with ready.engine.connect() as connection:
        return connection.execute(text("select count(*) from landed_answer where purpose = 'changes'")).scalar_one()


def test_the_first_pull_goes_back_as_far_as_the_provider_remembers_and_loses_nothing(ready: Context):
    done = sync(forgetting_the_evidence(ready))
    assert (done.evidence.since, done.evidence.until, days_asked(ready)) == (date(2026, 8, 14), date(2026, 11, 12), 91)
    assert done.evidence.lost is None


def test_a_later_pull_overlaps_two_days_and_goes_back_to_what_was_under_way(ready: Context, provider: Provider):
    forgetting_the_evidence(ready, "2026-11-09T06:00:00Z")
    provider.records = [record("r-1", "2026-11-06", status="progress"), record("r-2", "2026-11-08"), record(None, "2026-11-08", seats=7)]
    provider.tell()
    assert sync(ready).evidence.since == date(2026, 11, 7) and days_asked(ready) == 6
    assert len(rows(ready, provider_change, "change_id")) == 2  # of the 8th
    forgetting_the_evidence(ready, "2026-11-07T06:00:00Z")
    sync(ready)
    provider.records[0] = record("r-1", "2026-11-06", seats=15)
    provider.tell()
    later = ready.at(ready.now + timedelta(days=3))
    assert sync(later).evidence.since == date(2026, 11, 6)
    known = {row[0]: row[1:] for row in rows(ready, provider_change, "change_id", "status", "quantity_after")}
    assert known["r-1"] == ("succeeded", Decimal(15)) and len(known) == 3


def test_a_pause_of_more_than_90_days_is_a_range_lost_for_good_and_said(ready: Context):
    forgetting_the_evidence(ready, "2026-06-01T06:00:00Z")
    done = sync(ready)
    assert done.exit_code == 1 and done.evidence.lost == (date(2026, 6, 1), date(2026, 8, 13))
    assert "from 2026-06-01 to 2026-08-13 are lost" in done.findings[0]
    assert sync(ready).exit_code == 0  # said once; remembered for good
    (told,) = [row for row in configuring.list_providers(ready) if row["name"] == PROVIDER]
    assert (told["evidence_gap"]["from"], told["evidence_gap"]["to"]) == (date(2026, 6, 1), date(2026, 8, 13))
    assert "changes of 2026-06-01 to 2026-08-13 lost" in told["health"] and told["last_account_sync"] == ready.now


def test_the_daily_job_pulls_them_once_a_day_and_its_invoices_never_suffer(ready: Context, provider: Provider, served: Served):
    estates.two_invoices_worth(provider.estate)
    served.faults.replace(["500@auditrecords"])
    done = syncing.sync_daily(ready, provider_name=None)
    assert (done.exit_code, [one.status for one in done.outcomes]) == (0, ["Active/Active"])
    assert any("audit records" in sentence for sentence in done.warnings)
    served.faults.replace([])
    forgetting_the_evidence(ready, "2026-06-01T06:00:00Z")
    done = syncing.sync_daily(ready, provider_name=None)
    assert done.exit_code == 1 and "csp: Changes made at the provider from 2026-06-01" in done.gaps[0]
    asked = days_asked(ready)
    assert syncing.sync_daily(ready, provider_name=None).exit_code == 0 and days_asked(ready) == asked
    assert rows(ready, provider_change, "change_id") == [("r-1",)]


# --- what is missing ---------------------------------------------------------------------------------------------------------------------


def missing(ready: Context) -> dict[tuple[str, str], dict[str, Any]]:
    with ready.engine.connect() as connection:
        return {(row["kind"], row["key"]): row for row in suggesting.missing_references(connection)}


def test_what_is_missing_is_explained_by_what_the_provider_knows(ready: Context, provider: Provider, tmp_path: Path):
    load(
        ready,
        tmp_path,
        "provider_accounts.csv",
        f"provider,provider_account_id,account_id,sync_enabled\n{PROVIDER},{FABRIKAM},A-2,false\n",
    )
    lines = [estates.seat("10.00", SubscriptionId="F-1", CustomerId=FABRIKAM), estates.seat("5.00", SubscriptionId="S-9")]
    lines.append(estates.seat("2.00", CustomerId=TAILSPIN, CustomerName="", CustomerDomainName=""))
    estates.two_invoices_worth(provider.estate, "G0")
    provider.estate.invoice("G1", lines)
    provider.customers.append(customer(TAILSPIN, "Contoso B.V.", "tailspin.example"))
    provider.owned |= {TAILSPIN: []}
    new = {"id": "s-9", "offerName": "Copilot, all", "quantity": 7, "status": "active", "billingType": "license"}
    provider.owned[CONTOSO].append({**new, "effectiveStartDate": "2026-11-01T00:00:00Z"})
    provider.tell()
    syncing.sync_daily(ready, provider_name=None)
    before = missing(ready)
    assert "sync disabled" in before["subscription", "F-1"]["suggestion"]  # known without any account sync
    assert before["customer", TAILSPIN]["name"] is None
    sync(ready)
    now = missing(ready)
    assert now["subscription", "F-1"]["suggestion"].startswith(
        f"The provider account of its customer Fabrikam ({FABRIKAM}) has sync disabled, so its subscriptions were not brought; enable it in "
    )
    told = now["subscription", "S-9"]["suggestion"]
    assert told.startswith(f"csp knows it as Copilot, all, 7 seats, active, of customer Contoso Ltd ({CONTOSO}).")
    assert told.endswith('s-9,csp,s-9,A-1,License,"Copilot, all",7,2026-11-01,Active')
    named = now["customer", TAILSPIN]
    assert named["name"] == "Contoso B.V." and "account A-1 (Contoso; same name but for its form, confidence 0.90)" in named["suggestion"]
    syncing.sync_daily(ready, provider_name=None)
    assert {key: row["suggestion"] for key, row in missing(ready).items()} == {key: row["suggestion"] for key, row in now.items()}


def test_every_answer_is_landed_before_it_is_read(ready: Context):
    sync(ready)
    with ready.engine.connect() as connection:
        purposes = set(connection.execute(text("select purpose from landed_answer")).scalars())
    assert {"accounts", "changes"} <= purposes


def test_the_command_prints_counts_and_proposals(unmapped: Context, w365, served: Served):
    done = w365("sync-accounts", "--provider", PROVIDER, "--json", W365_SECRET_CSP=estates.SECRET)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (
        told["counts"] | {"customers": 5, "subscriptions": 4, "new": 9, "gone": 0, "proposals": 2, "applied": 0, "gaps": 0}
        == told["counts"]
    )
    assert told["proposals"][0] == {
        "provider_account_id": TAILSPIN,
        "name": "Tailspin Toys",
        "account_id": "A-3",
        "confidence": "1",
        "because": "same domain tailspin.example",
        "applied": False,
    }
    plain = w365("sync-accounts", "--provider", PROVIDER, W365_SECRET_CSP=estates.SECRET)
    assert "Tailspin Toys" in plain.stdout and "Nothing is mapped by itself" in plain.stdout and "Twin: 2 accounts" in plain.stdout
    listed = w365("provider", "list", W365_SECRET_CSP=estates.SECRET)
    assert "2 mappings proposed" in listed.stdout


def test_a_queued_account_sync_is_carried_out_and_says_what_it_did(unmapped: Context, monkeypatch: pytest.MonkeyPatch):
    told = {"DATABASE_URL": unmapped.settings.database_url, "W365_HOME": str(unmapped.settings.home), "W365_SECRET_CSP": estates.SECRET}
    for name, value in {**told, "W365_NOW": unmapped.now.isoformat()}.items():
        monkeypatch.setenv(name, value)
    job_id = queue.ask(unmapped.engine, kind="sync_accounts", provider=PROVIDER.upper(), actor="bo")
    assert queue.ask(unmapped.engine, kind="sync_accounts", provider=PROVIDER, actor="bo") == job_id
    assert running.main(job_id, parent=os.getppid()) == 0
    with unmapped.engine.connect() as connection:
        job = queue.watch(connection, job_id)
    assert (job.state, job.outcome["proposals"], job.outcome["customers"]["new"]) == ("done", 2, 5)
    assert job.message == (
        "5 customers (5 new, 0 gone), 4 subscriptions (4 new, 0 changed, 0 gone), 1 changes (1 new), 3 customers that nobody has mapped."
    )
    for asked, words in (({"provider": None}, "Say whose accounts"), ({"provider": "distributor"}, "no connection")):
        with pytest.raises(CallRefused, match=words):
            queue.ask(unmapped.engine, kind="sync_accounts", actor="bo", **asked)
