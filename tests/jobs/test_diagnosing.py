"""Every cause and every outcome from the smallest real case: imported from the sandbox or from files, asked of a real Postgres."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from tests import billed_usage, estates
from tests.billing.books import Books
from tests.conftest import Command
from tests.estates import AZURE, CONTOSO, FABRIKAM, Estate, Served, daily, seat, usage
from w365core.errors import CallRefused, ProviderError
from w365core.jobs import contracts, diagnosing, filing, importing, listing, syncing
from w365core.jobs.context import Context
from w365core.store import ledger, transitions
from w365core.store.tables import customer_invoice

NOVEMBER = date(2026, 11, 1)
AZURE_2, PLAN_2 = "a2b2c3d4-0000-4000-8000-0000000000bb", "b2b2c3d4-0000-4000-8000-0000000000cc"
CONTRACTS = (
    "contract_id,account_id,name,frequency,billing_policy,start_date,end_date,next_invoice_date,currency,status\n"
    "BC-1,A-1,Contoso Azure,Monthly,Arrears,2026-01-01,,2026-11-12,EUR,Active\n"
    "BC-2,A-2,Fabrikam Azure,Monthly,Arrears,2026-01-01,,2026-11-12,EUR,Active\n"
)
SUBSCRIPTIONS = (
    "subscription_id,provider,provider_subscription_id,account_id,contract_id,product_id,kind,markup_pct,minimum_commitment,currency,start_date\n"
    f"S-1,csp,{estates.SEATS},A-1,,CFQ7,License,,,EUR,\nU-1,csp,{AZURE},A-1,BC-1,DZH3,Usage,15,,EUR,\nU-2,csp,{AZURE_2},A-2,BC-2,DZH3,Usage,10,,EUR,\n"
)
INVOICE = "invoice_number,contract_id,account_id,invoice_date,cycle_start,cycle_end,currency,status\nI-1,BC-1,A-1,2026-11-05,2026-10-01,2026-10-31,EUR,"
LINE = "invoice_number,line_number,subscription_id,amount\nI-1,1,U-1,"
Row = Mapping[str, Any]


def theirs(line: dict[str, Any]) -> dict[str, Any]:
    """The same of Fabrikam."""
    return line | {"CustomerId": FABRIKAM, "CustomerName": "Fabrikam", "CustomerDomainName": "fabrikam.example", "SubscriptionId": PLAN_2}


def daily_2(cost: str = "5.00", **said: Any) -> dict[str, Any]:
    return theirs(daily(cost, EntitlementId=AZURE_2, **said))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """G1 bills October: 20.00 of U-1 and 5.00 of U-2."""
    estate = Estate(tmp_path / "estate")
    october(estate)
    with estates.serve(estate) as running:
        yield running


def october(estate: Estate, *, mine: str | None = "20.00", **said: Any) -> None:
    lines, rated = [seat(), theirs(usage("5.00"))], [daily_2()]
    if mine is not None:
        lines, rated = [*lines, usage(mine)], [*rated, daily(mine)]
    estate.invoice("G1", lines, rated, **said)


Configured = Callable[..., Context]


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Configured:
    """Both customers with their contracts; what is given replaces a whole file of the records."""

    def configure(**records: str) -> Context:
        told = {"billing_contracts": CONTRACTS, "subscriptions": SUBSCRIPTIONS, **records}
        return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records", **told))

    return configure


def synced(context: Context, days: int = 0) -> Context:
    """The daily job so many days after the 12th."""
    syncing.sync_daily(context.at(context.now + timedelta(days=days)), provider_name=estates.PROVIDER, with_estimate=False)
    return context


def row(context: Context, *, on: date = date(2026, 11, 12), period: date = NOVEMBER, **asked: str) -> Row:
    """The one row of U-1, or of what is asked."""
    with context.engine.connect() as connection:
        found = diagnosing.diagnose(connection, period=period, today=on, **(asked or {"subscription_id": "U-1"}))
    assert len(found) == 1, found
    return found[0]


def told(one: Row) -> tuple[str, str | None, list[str]]:
    return one["outcome"], one["headline"], [cause["code"] for cause in one["causes"]]


def cause(one: Row, code: str) -> Row:
    return next(found for found in one["causes"] if found["code"] == code)


def do(context: Context, statement: str) -> None:
    with context.engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount > 0


# --- outcomes -------------------------------------------------------------------------------------------------------------------------------


def test_usage_that_came_in_time_is_ready_before_and_on_the_invoice_date(configured: Configured):
    context = synced(configured(), days=-2)
    for on in (date(2026, 11, 10), date(2026, 11, 12), date(2026, 12, 1)):
        one = row(context, on=on)
        assert told(one) == ("ready", None, [])
        assert (one["amount_at_risk"], one["currency"], one["cost_at_risk"]) == (Decimal("23.00"), "EUR", None)
    assert (one["contract_id"], one["cycle_start"], one["cycle_end"], one["invoice_date"]) == (
        "BC-1", date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 12),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "outcome"), [(None, "ready"), ("Draft", "ready"), ("Billed", "late_bills_next_cycle"), ("Paid", "late_bills_next_cycle")]
)
def test_usage_that_came_after_the_invoice_date(configured: Configured, status: str | None, outcome: str):
    files = {"invoices": INVOICE + status, "invoice_lines": LINE + "250.00"} if status else {}
    context = synced(configured(billing_contracts=CONTRACTS.replace("2026-11-12", "2026-11-05"), **files))
    one = row(context)
    assert told(one) == (outcome, None, ["arrived_after_invoice_date"])
    assert "2026-11-05" in one["causes"][0]["evidence"] and "2026-11-12" in one["causes"][0]["evidence"]
    assert "13th of the month" in one["causes"][0]["fix"]
    assert one["amount_at_risk"] == Decimal("23.00") and one["invoice_number"] == (status and "I-1")


def test_late_usage_that_a_run_would_bill_is_said_of_the_cycle_on_whose_invoice_it_goes(configured: Configured):
    dated = CONTRACTS.replace("2026-11-12", "2026-12-12")
    context = synced(configured(billing_contracts=dated, invoices=INVOICE + "Billed", invoice_lines=LINE + "250.00"))
    december, on = date(2026, 12, 1), date(2026, 12, 14)
    one = row(context, on=on, period=december)
    assert (one["outcome"], one["headline"], one["amount_at_risk"]) == ("blocked", "not_published", 0)
    assert one["sentence"].endswith(
        " 23.00 EUR of late usage of an invoiced cycle waits for its invoice: `bill` makes one of that alone, and what comes of the cycle itself is late then."
    )
    books = Books(context)
    books.used("30.00", month=11, on="G2")
    one = row(context, on=on, period=december)
    assert one["sentence"].endswith(" With it goes 23.00 EUR of late usage of an invoiced cycle.")
    assert books.bill("2026-12", "BC-1", now="2026-12-14").made[0].total == Decimal("53.00")
    assert "late usage" not in row(context, on=on, period=december)["sentence"]


def test_usage_on_a_customer_invoice_is_billed_and_it_is_said_where(configured: Configured):
    context = synced(configured(invoices=INVOICE.replace("2026-11-05", "2026-11-12") + "Billed"))
    billed_usage.bill(context.engine, "G1", on="I-1")
    one = row(context)
    assert told(one) == ("billed", None, ["archived_or_invoiced"])
    assert (one["invoice_number"], one["amount_at_risk"]) == ("I-1", 0)
    assert "23.00 EUR is on invoice I-1 of 2026-11-12 (Billed)" in one["causes"][0]["evidence"]


def test_usage_that_was_archived_is_nothing_to_bill(configured: Configured):
    context = synced(configured())
    do(context, "update usage_summary set status = 'Archived' where subscription_id = 'U-1'")
    one = row(context)
    assert told(one) == ("zero_by_nature", None, ["archived_or_invoiced"])
    assert "`deactivate --invoice G1`, then `sync --invoice G1`" in cause(one, "archived_or_invoiced")["fix"]
    invoice = ledger.named(context.engine, provider_name=None, invoice_number="G1")
    with context.engine.begin() as connection:
        transitions.deactivate(connection, provider_invoice_id=invoice.provider_invoice_id, who=context.who)
    syncing.sync_invoice(context, provider_name=None, invoice_number="G1", override=None)
    assert told(row(context)) == ("ready", None, [])


def test_a_subscription_without_usage_beside_others_is_zero_by_nature(configured: Configured, served: Served):
    october(served.estate, mine=None)
    one = row(synced(configured()))
    assert told(one) == ("zero_by_nature", "no_usage_rows", ["no_usage_rows"])
    assert "G1 has usage of others and none of this subscription from 2026-10-01 to 2026-10-31" in one["causes"][0]["evidence"]


@pytest.mark.parametrize(("commitment", "outcome"), [("", "zero_by_nature"), ("250", "ready")])
def test_usage_that_sums_to_nothing_bills_its_minimum_commitment_alone(
    configured: Configured, served: Served, commitment: str, outcome: str
):
    october(served.estate, mine="0.00")
    context = synced(configured(subscriptions=SUBSCRIPTIONS.replace("15,,EUR", f"15,{commitment},EUR")))
    assert told(row(context))[:2] == (outcome, None)


# --- the provider's invoice -------------------------------------------------------------------------------------------------------------------


def test_a_provider_that_brings_no_usage(configured: Configured):
    context = configured(subscriptions=SUBSCRIPTIONS.replace("U-1,csp", "U-1,distributor"))
    one = row(context)
    assert told(one) == ("blocked", "provider_has_no_usage", ["provider_has_no_usage"])
    assert "distributor is a manual provider" in one["causes"][0]["evidence"] and "import FILE" in one["causes"][0]["fix"]
    assert row(context, on=date(2026, 11, 11))["outcome"] == "not_due_yet"


def test_a_provider_that_lists_no_invoice_of_the_month(configured: Configured, served: Served):
    served.estate.documents.clear()
    october(served.estate, unlisted=True)
    context = synced(configured())
    one = row(context)
    assert told(one) == ("blocked", "not_published", ["not_published"])
    assert "asked on 2026-11-12" in one["causes"][0]["evidence"] and "2026-11-11" in one["causes"][0]["evidence"]
    assert row(context, on=date(2026, 11, 11))["outcome"] == "not_due_yet"


def test_an_invoice_whose_daily_usage_is_not_published(configured: Configured, served: Served):
    served.estate.export("G1", "usage", [])
    known = f"provider,provider_subscription_id,subscription_id\ncsp,{estates.PLAN},U-1\ncsp,{PLAN_2},U-2\n"
    one = row(synced(configured(subscription_aliases=known)))
    assert told(one) == ("blocked", "not_published", ["not_published", "checksum_failed"])
    assert "has not published its daily usage" in one["causes"][0]["evidence"]


def test_an_invoice_that_is_listed_and_was_not_fetched(configured: Configured):
    context = configured()
    assert told(row(context)) == ("blocked", "not_pulled", ["not_pulled"])
    assert "never asked" in row(context)["sentence"]
    listing.list_invoices(context, provider_name=estates.PROVIDER)
    one = row(context)
    assert told(one) == ("blocked", "not_pulled", ["not_pulled"])
    assert "csp lists G1 of 2026-11-08" in one["sentence"] and "sync --provider csp --invoice G1" in one["fix"]
    assert row(context, on=date(2026, 11, 11))["outcome"] == "not_due_yet"


def test_a_sync_that_failed_is_told_with_what_the_provider_said(configured: Configured, served: Served):
    context = configured()
    served.faults.replace(["refused-secret"])
    with pytest.raises(ProviderError):
        syncing.sync_daily(context, provider_name=estates.PROVIDER, with_estimate=False)
    one = row(context)
    assert one["headline"] == "not_pulled" and "it failed" in one["sentence"] and "Test the connection" in one["fix"]


def test_a_manual_invoice_waits_for_a_person(configured: Configured, written: Callable[[str, str], Path]):
    mapped = f"provider,provider_account_id,account_id\ndistributor,{CONTOSO},A-1\n"
    context = configured(subscriptions=SUBSCRIPTIONS.replace("U-1,csp", "U-1,distributor"), provider_accounts=mapped)
    by_hand(context, written, "distributor")
    one = row(context)
    assert told(one) == ("blocked", "populating", ["populating"])
    assert "activate --invoice D1" in one["fix"] and one["amount_at_risk"] == Decimal("23.00")


@pytest.mark.parametrize(
    ("unmapped", "whose", "said"),
    [
        (CONTOSO, "own", "This subscription's own reference is missing"),
        (FABRIKAM, "another customer", "Another customer's reference is missing, which keeps G1 out: customer Fabrikam"),
    ],
)
def test_whose_reference_holds_an_invoice_up(configured: Configured, unmapped: str, whose: str, said: str):
    one = row(synced(configured(provider_accounts=estates.without_customer(unmapped))))
    assert told(one) == ("blocked", "unresolved_references", ["unresolved_references"])
    found = cause(one, "unresolved_references")
    assert found["whose"] == whose and said in found["evidence"] and "map-account" in found["fix"]
    assert (one["amount_at_risk"], one["cost_at_risk"]) == (0, Decimal("20.00"))


def test_an_id_of_its_own_that_nobody_has_entered(configured: Configured):
    """The record names another id than the lines print: they are of its customer, and may be its own."""
    context = synced(configured(subscriptions=SUBSCRIPTIONS.replace(AZURE, "another-id")))
    found = cause(row(context), "unresolved_references")
    assert found["whose"] == "same customer" and AZURE in found["evidence"]
    do(context, f"update subscription set provider_subscription_id = '{AZURE}' where subscription_id = 'U-1'")
    found = cause(row(context), "unresolved_references")
    assert found["whose"] == "own" and "for want of references, which are there by now" in found["evidence"]
    assert found["fix"].startswith("Validate it again: `sync --invoice G1`")


def test_what_was_mapped_since_is_not_advised_anew_and_what_is_still_lacking_is(configured: Configured, served: Served):
    """The advice of the import would undo a mapping to another account."""
    stranger = seat(CustomerId="c-new", CustomerName="Newcomer", CustomerDomainName="newcomer.example")
    served.estate.invoice("G1", [seat(), theirs(usage("5.00")), usage("20.00"), stranger], [daily_2(), daily("20.00")])
    context = synced(configured(provider_accounts=estates.without_customer(CONTOSO)))
    found = cause(row(context), "unresolved_references")
    assert found["whose"] == "own" and CONTOSO in found["fix"]
    mapped = f"'{estates.PROVIDER}', '{CONTOSO.upper()}', 'A-2'"
    do(context, f"insert into provider_account (provider, provider_account_id, account_id) values ({mapped})")
    found = cause(row(context), "unresolved_references")
    assert found["whose"] == "another customer" and "c-new" in found["fix"] and CONTOSO not in found["fix"]


def test_a_currency_of_its_own_that_nobody_has_entered(configured: Configured, served: Served):
    chf = {"currency": "CHF"}
    served.estate.invoice("G1", [usage("20.00", **chf)], [daily("20.00", **chf)], currency="CHF")
    context = synced(configured(subscriptions=SUBSCRIPTIONS.replace("15,,EUR", "15,,CHF")))
    found = cause(row(context), "unresolved_references")
    assert found["whose"] == "own" and "currency CHF" in found["evidence"]


def test_an_invoice_that_does_not_add_up(configured: Configured, served: Served):
    october(served.estate, total="300.00")
    one = row(synced(configured()))
    assert told(one) == ("blocked", "checksum_failed", ["checksum_failed"])
    assert "difference 175.00 EUR" in one["causes"][0]["evidence"] and one["cost_at_risk"] == Decimal("20.00")


def test_an_invoice_of_nothing_and_one_of_licenses_alone(configured: Configured, served: Served):
    served.estate.invoice("G1", [seat()])
    one = row(synced(configured()))
    assert told(one) == ("blocked", "zero_invoice", ["zero_invoice"])
    assert "1 license line and no usage" in one["sentence"]


def test_an_invoice_that_somebody_deactivated(configured: Configured):
    context = synced(configured())
    invoice = ledger.named(context.engine, provider_name=None, invoice_number="G1")
    with context.engine.begin() as connection:
        transitions.deactivate(connection, provider_invoice_id=invoice.provider_invoice_id, who=context.who)
    one = row(context)
    assert told(one) == ("blocked", "deactivated", ["deactivated"])
    assert "sync --provider csp --invoice G1" in one["fix"]


def test_an_invoice_of_another_currency_in_error_holds_nobody_else_up(configured: Configured, served: Served):
    usd = {"currency": "USD"}
    served.estate.invoice("G2", [theirs(usage("9.00", **usd))], [daily_2("9.00", **usd)], currency="USD", total="99.00")
    context = synced(configured(), days=-1)
    assert told(row(context)) == ("ready", None, [])
    assert told(row(context, subscription_id="U-2"))[:2] == ("blocked", "checksum_failed")


# --- usage and markup -------------------------------------------------------------------------------------------------------------------------


def test_usage_that_is_only_estimated(configured: Configured, served: Served):
    served.estate.documents.clear()
    october(served.estate, unlisted=True)
    context = synced(configured())
    do(
        context,
        "insert into usage_estimate (provider, usage_id, subscription_id, charge_end, quantity, cost, currency, lines, estimated_at) "
        "values ('csp', 'e1', 'U-1', '2026-10-31', 1, 12.5, 'EUR', 1, '2026-11-12')",
    )
    one = row(context)
    assert told(one) == ("blocked", "not_published", ["not_published", "unconfirmed"])
    assert "12.50 EUR at cost" in cause(one, "unconfirmed")["evidence"]
    assert row(context, on=date(2026, 11, 11))["outcome"] == "not_due_yet"


def test_usage_that_is_not_confirmed_on_an_active_invoice(configured: Configured):
    context = synced(configured())
    do(context, "update usage_summary set confirmed = false where subscription_id = 'U-1'")
    assert told(row(context)) == ("blocked", "unconfirmed", ["unconfirmed"])


def test_usage_that_came_in_with_a_blank_markup(configured: Configured):
    context = synced(configured(subscriptions=SUBSCRIPTIONS.replace("Usage,15", "Usage,")))
    one = row(context)
    assert told(one) == ("blocked", "markup_missing", ["markup_missing"])
    assert (one["amount_at_risk"], one["cost_at_risk"]) == (0, Decimal("20.00")) and "markup export --invoice G1" in one["fix"]
    do(context, "update subscription set markup_pct = 0 where subscription_id = 'U-1'")
    assert told(row(context)) == ("blocked", "markup_missing", ["markup_missing", "markup_changed_after_import"])


def test_a_markup_that_was_changed_after_the_import(configured: Configured):
    context = synced(configured(), days=-1)
    do(context, "update subscription set markup_pct = 20 where subscription_id = 'U-1'")
    one = row(context)
    assert told(one) == ("ready", None, ["markup_changed_after_import"])
    assert "is 20 % today" in one["causes"][0]["evidence"] and "came in with 15 %" in one["causes"][0]["evidence"]
    do(context, "update usage_summary set markup_pct = 17, selling_amount = 23.40 where subscription_id = 'U-1'")
    assert told(row(context)) == ("ready", None, [])  # a person's decision, no drift


def test_an_invoice_whose_total_is_nothing(configured: Configured):
    context = synced(configured(invoices=INVOICE + "Draft", invoice_lines=LINE + "0"))
    one = row(context)
    assert told(one) == ("ready", None, ["arrived_after_invoice_date", "invoice_total_zero"])
    assert "unbill --invoice-number I-1" in cause(one, "invoice_total_zero")["fix"]


# --- the contract -----------------------------------------------------------------------------------------------------------------------------


def of_contract(**changed: str) -> dict[str, str]:
    """billing_contracts.csv with BC-1 changed."""
    header, mine, theirs, _ = CONTRACTS.split("\n")
    cells = dict(zip(header.split(","), mine.split(","), strict=True)) | changed
    return {"billing_contracts": "\n".join([header, ",".join(cells.values()), theirs])}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({"subscriptions": SUBSCRIPTIONS.replace("A-1,BC-1", "A-1,")}, "no billing contract"),
        ({"subscriptions": SUBSCRIPTIONS.replace("A-1,BC-1", "A-1,BC-9")}, "contract BC-9, which our records do not have"),
        (of_contract(status="Inactive"), "BC-1 is Inactive"),
        (of_contract(end_date="2026-09-30"), "ended on 2026-09-30"),
        (of_contract(start_date="2026-12-01", next_invoice_date="2027-01-12"), "begins on 2026-12-01"),
        ({**of_contract(account_id=""), "subscriptions": SUBSCRIPTIONS.replace("A-1,BC-1", ",BC-1")}, "has no account"),
        ({"accounts": "account_id,name,domain,currency,credit_hold\nA-1,Contoso,,EUR,true\nA-2,Fabrikam,,EUR,\n"}, "on credit hold"),
        (of_contract(currency="USD"), "usage is in EUR, contract BC-1 is in USD"),
        ({"subscriptions": SUBSCRIPTIONS.replace("15,,EUR,", "15,,EUR,2027-01-01")}, "begins on 2027-01-01, in the future"),
    ],
)
def test_a_contract_that_cannot_be_billed_says_why(configured: Configured, records: dict[str, str], said: str):
    one = row(synced(configured(**records)))
    assert one["outcome"] == "blocked" and one["headline"] == "contract_not_billable"
    assert said in cause(one, "contract_not_billable")["evidence"] and one["amount_at_risk"] == Decimal("23.00")


# --- the month --------------------------------------------------------------------------------------------------------------------------------


def test_a_month_has_a_row_for_each_contract_and_usage_subscription_and_one_for_what_has_no_contract(configured: Configured):
    more = f"{SUBSCRIPTIONS}U-3,csp,{estates.PLAN},A-1,,DZH3,Usage,15,,EUR,\n"
    context = synced(configured(subscriptions=more))
    with context.engine.connect() as connection:
        found = diagnosing.diagnose(connection, period=NOVEMBER, today=date(2026, 11, 12))
    assert {(one["contract_id"], one["subscription_id"], one["outcome"]) for one in found} == {
        ("BC-1", "U-1", "ready"), ("BC-2", "U-2", "ready"), (None, "U-3", "zero_by_nature"),
    }  # fmt: skip
    with context.engine.connect() as connection:
        later = diagnosing.diagnose(connection, period=date(2026, 12, 1), today=date(2026, 11, 12))
    assert sorted(one["subscription_id"] for one in later) == ["U-1", "U-2", "U-3"]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_ready_is_what_bill_makes_and_the_call_that_is_named_makes_an_invoice(context: Context, seed: int):
    """Any frequency, start and invoice date, with months missing: asked long after the last cycle."""
    chance, books, today = random.Random(seed), Books(context), "2027-02-01"
    for contract in ("C-1", "C-2", "C-3"):
        begun = chance.choice(("2025-09-01", "2025-10-15", "2026-09-01", "2026-11-01"))
        paced = {"frequency": chance.choice(("Monthly", "Quarterly", "Annual")), "start_date": date.fromisoformat(begun)}
        books.contract(contract, next_invoice_date=chance.choice((None, "2026-11-12", "2026-12-12")), **paced)
        books.subscription(f"U-{contract}", contract)
        for month in chance.sample((8, 9, 10, 11), chance.randint(1, 4)):
            books.used(month=month, of=f"U-{contract}", on=f"G-{month}")
    ready = 0
    for period in ("2026-10", "2026-11", "2026-12", "2027-01", "2027-02"):
        with context.engine.connect() as connection:
            found = diagnosing.diagnose(connection, period=date.fromisoformat(f"{period}-01"), today=date.fromisoformat(today))
        outcomes = {(one["contract_id"], one["cycle_start"]): one["outcome"] for one in found}
        made = books.bill(period, now=today, dry_run=True).made
        billed = {(draft.contract_id, draft.cycle_start) for draft in made}
        assert {outcomes.get(one) for one in billed} <= {"ready"}
        for one in found:
            if one["outcome"] == "ready" and one["invoice_date"] <= date.fromisoformat(today):
                ready += 1
                assert ("once an earlier cycle" in one["sentence"]) == ((one["contract_id"], one["cycle_start"]) not in billed), one
                named = re.search(r"`bill --period (\S+) --contract (\S+)`", one["fix"])
                assert books.bill(named[1], named[2], now=today, dry_run=True).made, one
    assert ready


def test_months_whose_usage_a_later_document_brings_are_not_left_out(context: Context):
    books = Books(context)
    books.contract(frequency="Quarterly", start_date=date(2026, 7, 1))
    books.subscription()
    books.used(month=8), books.used(month=9)  # on one invoice of November
    with context.engine.connect() as connection:
        (one,) = diagnosing.diagnose(connection, period=date(2026, 10, 1), today=date(2026, 11, 12))
    assert one["outcome"] == "ready" and "No invoice is here with usage of 2026-07: the cycle is billed without it" in one["sentence"]


def test_usage_from_before_its_contract_is_held_back_in_its_month_and_late_on_the_first_cycles_invoice(context: Context):
    books = Books(context)
    books.contract(start_date=date(2026, 11, 1))
    books.subscription()
    books.used("100.00")

    def found(period: str, today: str) -> Row:
        with context.engine.connect() as connection:
            (one,) = diagnosing.diagnose(connection, period=date.fromisoformat(f"{period}-01"), today=date.fromisoformat(today))
        return one

    held = books.bill("2026-11")
    assert held.made == [] and held.exit_code == 1
    assert "1 usage summary, 100.00 EUR, held back (contract_not_billable). Contract C-1 begins on 2026-11-01" in held.refused[0]
    assert told(found("2026-11", "2026-11-12"))[:2] == ("blocked", "contract_not_billable")
    one = found("2026-12", "2026-12-01")
    assert one["outcome"] == "ready" and "100.00 EUR of it is late: it was charged before contract C-1 began" in one["sentence"]
    (draft,) = books.bill("2026-12", now="2026-12-01").made
    assert draft.is_late_in_part and draft.cycle_start == date(2026, 11, 1)


def test_a_contract_whose_date_is_a_cycle_behind_is_told_in_any_month_until_it_is_moved(context: Context):
    books = Books(context)
    books.contract(next_invoice_date="2026-11-12")
    books.subscription()
    books.used(month=9)
    books.used(month=10)

    def behind() -> list[Row]:
        with context.engine.connect() as connection:
            return diagnosing.invoiced_late(connection)

    assert behind() == []  # nothing is invoiced yet
    books.bill()
    (one,) = behind()
    assert (one["contract_id"], one["cycle_start"], one["invoice_date"]) == ("C-1", date(2026, 11, 1), date(2027, 1, 12))
    assert f"`contract set-invoice-date --contract C-1 --date {one['move_to']}` moves it" in one["sentence"]
    contracts.set_invoice_date(context.engine, "C-1", one["move_to"], actor="tester", now=context.now)
    assert behind() == []


def test_the_oldest_usage_dates_the_cycles_as_it_does_for_bill_also_where_it_is_archived(context: Context):
    books = Books(context)
    books.contract(next_invoice_date="2026-11-12")
    books.subscription()
    books.used(month=9, status="Archived")  # the contract's date is of this cycle, whose usage nobody bills any more
    books.used(month=10)
    with context.engine.connect() as connection:
        found = diagnosing.diagnose(connection, period=NOVEMBER, today=date(2026, 11, 12))
    (draft,) = books.bill(dry_run=True).made
    assert [one["invoice_date"] for one in found if one["cycle_start"] == draft.cycle_start == date(2026, 10, 1)] == [draft.invoice_date]


def test_an_invoice_of_our_records_without_a_cycle_stands_for_the_one_before_its_date_as_it_does_for_bill(context: Context):
    books = Books(context)
    books.contract()
    books.subscription()
    books.used(month=10)
    books.invoice("CI-1", "7.00", month=10)
    books.change(customer_invoice, invoice_date=date(2026, 11, 1), cycle_start=None, cycle_end=None)
    with context.engine.connect() as connection:
        (one,) = diagnosing.diagnose(connection, period=NOVEMBER, today=date(2026, 11, 12))
    assert (one["outcome"], one["invoice_number"], one["invoice_status"]) == ("late_bills_next_cycle", "CI-1", "Billed")
    assert books.bill(dry_run=True).made == []  # the cycle of October has its invoice


@pytest.mark.parametrize("asked", [{"subscription_id": "S-1"}, {"subscription_id": "nobody"}, {"contract_id": "BC-9"}])
def test_an_id_that_is_no_usage_subscription_or_contract_is_refused(configured: Configured, asked: dict[str, str]):
    context = configured()
    with context.engine.connect() as connection, pytest.raises(CallRefused, match="Our records have no"):
        diagnosing.diagnose(connection, period=NOVEMBER, today=date(2026, 11, 12), **asked)


def test_a_usage_row_of_an_earlier_cycle_is_told_in_that_cycles_month(configured: Configured, served: Served):
    september = {"ChargeStartDate": "2026-09-01T00:00:00Z", "ChargeEndDate": "2026-09-30T00:00:00Z"}
    served.estate.invoice("G0", [usage("7.00", **september)], [daily("7.00", **september)], dated="2026-11-08")
    context = synced(configured())
    with context.engine.connect() as connection:
        october, november = (
            diagnosing.diagnose(connection, period=month, today=date(2026, 11, 12), contract_id="BC-1")
            for month in (date(2026, 10, 1), NOVEMBER)
        )
    found = {one["cycle_start"]: one["amount_at_risk"] for one in (*october, *november)}
    assert found == {date(2026, 9, 1): Decimal("8.05"), date(2026, 10, 1): Decimal("23.00")}


def test_the_contracts_that_are_invoiced_too_early_are_told_with_the_day_to_move_to(configured: Configured):
    context = synced(configured(billing_contracts=CONTRACTS.replace("2026-11-12", "2026-11-05", 1)), days=-3)
    with context.engine.connect() as connection:
        rows = diagnosing.diagnose(connection, period=NOVEMBER, today=date(2026, 11, 12))
        told = diagnosing.lateness(connection, period=NOVEMBER, rows=rows)
    assert [(one["number"], one["day"]) for one in told["arrivals"]] == [("G1", 9)]
    assert [(one["contract_id"], one["day"], one["move_to"]) for one in told["early"]] == [("BC-1", 5, date(2026, 11, 12))]


def test_several_hundred_contracts_take_as_many_questions_as_two_and_well_under_a_second(configured: Configured):
    context = synced(configured())
    few, asked_for_few, _ = timed(context)
    for statement in (
        "insert into account (account_id, name, credit_hold) select 'X-' || n, 'Customer ' || n, false from generate_series(1, 400) n",
        "insert into billing_contract (contract_id, account_id, frequency, start_date, next_invoice_date, currency, status) "
        "select 'X-' || n, 'X-' || n, 'Monthly', '2025-01-01', '2026-11-12', 'EUR', 'Active' from generate_series(1, 400) n",
        "insert into subscription (subscription_id, provider, provider_subscription_id, account_id, contract_id, kind, markup_pct, currency, status) "
        "select 'X-' || n, 'csp', 'x-' || n, 'X-' || n, 'X-' || n, 'Usage', 10, 'EUR', 'Active' from generate_series(1, 400) n",
        "insert into usage_summary (usage_id, provider_invoice_id, subscription_id, account_id, charge_start, charge_end, quantity, cost, markup_pct, "
        "stamped_markup_pct, selling_amount, currency, lines, created_at) select 'x' || n || '-' || p, (select min(provider_invoice_id) from provider_invoice), "
        "'X-' || n, 'X-' || n, '2026-10-01', '2026-10-31', 1, p, 10, 10, p * 1.1, 'EUR', 1, '2026-11-09' from generate_series(1, 400) n, generate_series(1, 20) p",
    ):
        do(context, statement)
    many, asked_for_many, seconds = timed(context)
    assert (len(few), len(many)) == (2, 402) and asked_for_many == asked_for_few
    assert {one["amount_at_risk"] for one in many if one["subscription_id"] == "X-7"} == {Decimal("231.0")}
    assert seconds < 3, f"{seconds:.2f} s"  # 0.4 s where nothing else runs


def timed(context: Context) -> tuple[list[Row], int, float]:
    """The whole month, how many statements that took, and how long."""
    statements: list[str] = []
    with context.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement))
        began = time.monotonic()
        found = diagnosing.diagnose(connection, period=NOVEMBER, today=date(2026, 11, 12))
        return found, len(statements), time.monotonic() - began


# --- the command ------------------------------------------------------------------------------------------------------------------------------


def test_the_command_keeps_to_the_interface(w365: Command, configured: Configured):
    context = synced(configured(billing_contracts=CONTRACTS.replace("2026-11-12", "2026-11-05", 1)))
    asked = w365("diagnose", "--period", "2026-11", "--contract", "BC-1", "--json")
    (one,) = json.loads(asked.stdout)
    assert asked.returncode == 0 and list(one)[:7] == [
        "contract_id",
        "subscription_id",
        "outcome",
        "headline",
        "causes",
        "amount_at_risk",
        "currency",
    ]
    assert (one["outcome"], one["headline"], one["amount_at_risk"]) == ("ready", None, "23.00")
    assert [list(cause) for cause in one["causes"]] == [["code", "evidence", "fix"]]
    do(context, "update billing_contract set status = 'Inactive' where contract_id = 'BC-1'")
    said = w365("diagnose", "--period", "2026-11")
    assert said.returncode == 1 and "contract_not_billable" in said.stdout and "Contract BC-1 is Inactive." in said.stdout
    for wrong in (["--period", "2026-13"], ["--period", "2026-1"], ["--period", "2026-11", "--subscription", "nobody"], []):
        refused = w365("diagnose", *wrong)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr, wrong


def by_hand(context: Context, written: Callable[[str, str], Path], provider: str) -> importing.Outcome:
    """A daily-rated file of U-1's usage as invoice D1."""
    line = daily("20.00") | {"ChargeStartDate": "2026-10-01", "ChargeEndDate": "2026-10-31", "UsageDate": "2026-10-01"}
    path = written("usage.csv", ",".join(line) + "\n" + ",".join(str(value) for value in line.values()) + "\n")
    claimed = filing.Claimed(provider, "D1", None, "EUR", date(2026, 11, 8), None, None, False)
    return filing.import_by_hand(context, [path], claimed).outcome
