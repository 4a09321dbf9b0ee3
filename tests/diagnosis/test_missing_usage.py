"""Does every row have exactly one outcome, the first blocking cause as its headline, and the causes in the order of the interface?"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.diagnosis import missing_usage as b
from w365core.diagnosis import lateness, missing_usage_documents as documents
from w365core.diagnosis.lateness import Arrival
from w365core.diagnosis.missing_usage import CHECKS, NON_BLOCKING, Diagnosis, Outcome, diagnosed, next_step, sentence
from w365core.diagnosis.missing_usage_facts import Contract, Evidence, Missing, Source, Subscription
from w365core.model import ReferenceKind

ORDER = (
    "provider_has_no_usage", "not_published", "not_pulled", "populating", "unresolved_references", "checksum_failed", "zero_invoice", "deactivated",
    "no_usage_rows", "archived_or_invoiced", "unconfirmed", "markup_missing", "markup_changed_after_import", "arrived_after_invoice_date",
    "invoice_total_zero", "contract_not_billable",
)  # fmt: skip
D = Decimal
SEEDS = range(1_200)


def found(evidence: Evidence) -> tuple[str, str | None, list[str]]:
    one = diagnosed(evidence)
    return one.outcome, one.headline, list(one.causes)


def anything(seed: int) -> tuple[Evidence, Diagnosis]:
    evidence = b.random_evidence(random.Random(seed))
    return evidence, diagnosed(evidence)


# --- whatever is said ---------------------------------------------------------------------------------------------------------------------


def test_the_checks_are_made_in_the_order_of_the_interface():
    assert tuple(CHECKS) == ORDER
    assert {"archived_or_invoiced", "markup_changed_after_import", "arrived_after_invoice_date", "invoice_total_zero"} == NON_BLOCKING


def test_the_headline_is_the_first_blocking_cause_whatever_the_evidence():
    headlines = set()
    for seed in SEEDS:
        _, one = anything(seed)
        blocking = [code for code in ORDER if code in one.causes and code not in NON_BLOCKING]
        assert one.headline == (blocking[0] if blocking else None), seed
        assert list(one.causes) == [code for code in ORDER if code in one.causes] and list(one.checks) == list(ORDER), seed
        headlines.add(one.headline)
    assert headlines >= {code for code in ORDER if code not in NON_BLOCKING}  # the random evidence reaches them all


def test_every_row_has_one_outcome_and_it_agrees_with_its_causes():
    outcomes = set()
    for seed in SEEDS:
        e, one = anything(seed)
        outcomes.add(one.outcome)
        if one.outcome is Outcome.READY:
            assert one.headline is None and (e.invoice is None or not e.invoice.is_out), seed
        if one.outcome is Outcome.LATE:
            assert one.headline is None and e.invoice.is_out, seed
        if one.outcome is Outcome.NOT_DUE_YET:
            assert e.today < e.invoice_date and one.headline in ORDER[:3], seed
        if one.outcome is Outcome.BLOCKED:
            assert one.headline is not None, seed
        if one.outcome is Outcome.BILLED:
            assert one.amount_at_risk == 0 and all(rows.is_invoiced for rows in e.live_rows), seed
        if one.outcome is Outcome.ZERO:
            assert not one.amount_at_risk, seed
    assert outcomes == set(Outcome)


def test_a_fact_that_never_blocks_never_makes_a_blocked_row_ready():
    for seed in SEEDS:
        e, one = anything(seed)
        told = replace(
            e,
            late_before=7,
            recommended_day=12,
            rows=tuple(
                replace(rows, drifted=rows.count, drifted_cost=rows.cost, arrived_on=e.invoice_date + timedelta(days=9)) for rows in e.rows
            ),
        )
        assert (diagnosed(told).outcome, diagnosed(told).headline) == (one.outcome, one.headline), seed


def test_every_cause_says_what_it_saw_and_what_mends_it():
    for seed in SEEDS:
        e, one = anything(seed)
        assert all(checked.evidence.strip() and checked.fix.strip() for checked in one.causes.values()), seed
        assert all(checked.evidence.strip() for checked in one.checks.values()), seed
        assert sentence(e, one).strip(), seed
        assert next_step(e, one).strip() or one.outcome in (Outcome.BILLED, Outcome.ZERO), seed


def test_what_is_at_risk_is_of_one_currency_and_counts_open_usage_once():
    for seed in SEEDS:
        e, one = anything(seed)
        mine = [rows for rows in e.rows if rows.confirmed and rows.status == "Not invoiced" and rows.currency == one.currency]
        assert one.amount_at_risk == sum((rows.selling for rows in mine), D(0)), seed


# --- one thing at a time --------------------------------------------------------------------------------------------------------------------


def test_everything_there_is_ready_also_before_the_invoice_date():
    assert found(b.evidence()) == ("ready", None, [])
    assert found(b.evidence(today=b.INVOICED_ON - timedelta(days=2))) == ("ready", None, [])


@pytest.mark.parametrize(("days", "outcome"), [(-1, "not_due_yet"), (0, "blocked"), (1, "blocked")])
def test_what_is_not_published_is_not_due_until_the_day_before_the_invoice_date(days: int, outcome: str):
    assert found(b.without_documents(today=b.INVOICED_ON + timedelta(days=days))) == (outcome, "not_published", ["not_published"])


def test_an_estimate_beside_an_invoice_that_is_still_to_come_is_waiting_too():
    estimated = b.without_documents(today=b.INVOICED_ON - timedelta(days=5), estimates=(b.Estimate(D("3"), "EUR", b.ARRIVED),))
    assert found(estimated) == ("not_due_yet", "not_published", ["not_published", "unconfirmed"])
    assert found(replace(estimated, today=b.INVOICED_ON)) == ("blocked", "not_published", ["not_published", "unconfirmed"])


def test_what_is_awaited_is_the_headline_but_what_a_person_can_mend_is_the_sentence():
    early = b.without_documents(today=b.INVOICED_ON - timedelta(days=5))
    blank = replace(early, subscription=replace(early.subscription, markup_pct=None))
    one = diagnosed(blank)
    assert (one.outcome, one.headline) == ("blocked", "not_published")
    assert "markup is blank" in sentence(blank, one) and "markup_pct" in next_step(blank, one)


def test_a_document_of_another_currency_in_error_holds_nothing_up():
    failed = b.document("G2", currency="USD", status="Error", failures=("checksum_failed",), mine=None)
    assert found(b.evidence(b.document(), failed)) == ("ready", None, [])


def test_a_document_of_others_in_error_holds_nothing_up_once_its_lines_are_known():
    failed = b.document("G2", status="Error", failures=("checksum_failed",), mine=False)
    assert found(b.evidence(b.document(mine=False), failed, rows=())) == ("zero_by_nature", "no_usage_rows", ["no_usage_rows"])


def test_what_a_document_in_error_holds_is_at_risk_at_cost():
    failed = b.document(status="Error", failures=("unresolved_references",), missing=(b.missing(),), held_cost=D("20.5"))
    one = diagnosed(b.evidence(failed, rows=()))
    assert (one.outcome, one.headline, one.amount_at_risk, one.cost_at_risk, one.currency) == (
        "blocked",
        "unresolved_references",
        0,
        D("20.5"),
        "EUR",
    )


@pytest.mark.parametrize(
    ("missing", "whose", "said"),
    [
        (b.missing(key="C1"), "own", "This subscription's own reference is missing, which keeps G1 out: customer C1"),
        (b.missing(ReferenceKind.SUBSCRIPTION, "A1"), "own", "own reference is missing, which keeps G1 out: subscription A1"),
        (b.missing(ReferenceKind.CURRENCY, "EUR"), "own", "own reference is missing, which keeps G1 out: currency EUR"),
        (
            b.missing(ReferenceKind.SUBSCRIPTION, "x9", customer_id="c1"),
            "same customer",
            "may be this subscription's own: subscription x9",
        ),
        (
            b.missing(key="c9", name="Aurora"),
            "another customer",
            "Another customer's reference is missing, which keeps G1 out: customer Aurora (c9, 5.00 EUR)",
        ),
    ],
)
def test_whose_reference_is_missing_is_said(missing, whose: str, said: str):
    failed = b.document(status="Error", failures=("unresolved_references",), missing=(missing,), mine=None)
    checked = diagnosed(b.evidence(failed, rows=())).causes["unresolved_references"]
    assert checked.whose == whose and said in checked.evidence


def test_its_own_reference_is_told_before_bigger_ones_of_others():
    lacking = (replace(b.missing(key="c9"), amount=D("900")), b.missing(key="c1"))
    failed = b.document(status="Error", failures=("unresolved_references",), missing=lacking, mine=None)
    checked = diagnosed(b.evidence(failed, rows=())).causes["unresolved_references"]
    assert checked.whose == "own" and "beside it customer c9 (900.00 EUR) of other customers" in checked.evidence


@pytest.mark.parametrize(
    ("status", "outcome"), [(None, "ready"), ("Draft", "ready"), ("Billed", "late_bills_next_cycle"), ("Paid", "late_bills_next_cycle")]
)
def test_usage_that_came_late_is_regenerated_while_that_can_be(status: str | None, outcome: str):
    late = b.evidence(invoice_date=date(2026, 11, 5), invoice=status and b.invoice(status), rows=(b.rows(),))
    assert found(late) == (outcome, None, ["arrived_after_invoice_date"])


def test_usage_of_nothing_is_zero_by_nature_unless_a_minimum_is_committed():
    nothing = b.evidence(rows=(b.rows(cost=D(0), selling=D(0)),))
    assert found(nothing)[0] == "zero_by_nature"
    committed = replace(nothing, subscription=replace(nothing.subscription, minimum_commitment=D("250")))
    assert found(committed)[0] == "ready"


def test_a_cost_and_a_credit_that_cancel_out_sum_to_nothing():
    assert found(b.evidence(rows=(b.rows(), b.rows(cost=D(-20), selling=D(-23)))))[0] == "zero_by_nature"


def test_usage_in_another_currency_than_its_contract_is_told_in_its_own():
    foreign = b.evidence(contract=Contract("BC-1", currency="USD", account_id="A-1"))
    one = diagnosed(foreign)
    assert (one.outcome, one.headline, one.amount_at_risk, one.currency) == ("blocked", "contract_not_billable", D("23"), "EUR")
    assert "23.00 EUR of its usage is in EUR, contract BC-1 is in USD" in one.causes["contract_not_billable"].evidence


def test_a_quarter_waits_for_its_last_month_and_has_usage_where_one_month_has():
    made = b.evidence()
    september = replace(made.months[0], last_day=date(2026, 9, 30), documents=(b.document("G0", mine=False),))
    quarter = replace(made, months=(september, made.months[0]), cycle_start=date(2026, 8, 1))
    assert found(quarter) == ("ready", None, [])
    lacking = replace(quarter, months=(*quarter.months, replace(made.months[0], last_day=date(2026, 11, 30), documents=())))
    early = replace(lacking, today=lacking.invoice_date - timedelta(days=1))
    assert found(early)[:2] == ("not_due_yet", "not_published")


@pytest.mark.parametrize("source", [Source("csp", "partner_center", True, b.ARRIVED), Source("distributor", "manual"), Source(None)])
def test_a_due_cycle_with_usage_is_billed_without_the_months_that_have_none_and_says_so(source: Source):
    made = b.evidence(source=source)
    september = replace(made.months[0], last_day=date(2026, 9, 30), documents=())
    quarter = replace(made, months=(september, made.months[0]), cycle_start=date(2026, 8, 1))
    assert found(quarter) == ("ready", None, [])
    assert "No invoice is here with usage of 2026-09" in sentence(quarter, diagnosed(quarter))
    billed = replace(quarter, rows=(b.rows(status="Invoiced", invoice_number="U-1", invoice_status="Draft"),))
    assert found(billed)[0] == "billed"
    assert found(replace(quarter, rows=()))[0] == "blocked"


def test_what_cannot_be_billed_for_want_of_a_contract_is_told_no_call_with_a_contract():
    late = b.evidence(invoice_date=date(2026, 11, 5), contract=None)
    assert "arrived_after_invoice_date" in found(late)[2]
    assert not [one.fix for one in diagnosed(late).causes.values() if "--contract" in one.fix]


# --- lateness -------------------------------------------------------------------------------------------------------------------------------


def test_the_advised_day_is_the_day_after_nine_of_ten_are_here_and_the_12th_at_the_earliest():
    end = date(2026, 10, 31)
    early = [Arrival("csp", f"G{day}", "EUR", end, end + timedelta(days=day)) for day in (7, 8, 8, 8, 9, 9, 9, 9, 10, 25)]
    usual = lateness.usual([*early, Arrival("csp", "G99", "EUR", end, None)])["csp"]
    assert (usual.documents, usual.median, usual.nine_of_ten, usual.latest, usual.advised) == (10, 9, 10, 25, 12)
    late = [replace(one, provider="slow", arrived_on=one.arrived_on + timedelta(days=4)) for one in early]
    assert lateness.usual(late)["slow"].advised == 15
    assert lateness.day_of_invoice(date(2026, 11, 1), cycle_end=date(2026, 11, 1)) == 1


def test_a_missing_currency_is_of_the_subscription_whose_usage_is_in_it_then_of_its_customer():
    in_pounds = Missing(
        ReferenceKind.CURRENCY, "GBP", None, Decimal(5), "GBP", printed_for=frozenset({"p-1", "U-3"}), printed_customers=frozenset({"c1"})
    )
    mine, beside = (
        Subscription(of, provider_ids=frozenset({printed}), customer_ids=frozenset({"c1"}))
        for of, printed in (("U-1", "p-1"), ("U-2", "p-2"))
    )
    elsewhere = Subscription("U-4", provider_ids=frozenset({"p-4"}), customer_ids=frozenset({"c2"}))
    found = [documents.whose(in_pounds, one, "EUR") for one in (mine, Subscription("U-3"), beside, elsewhere)]
    assert found == ["own", "own", "same customer", "another customer"]
    unknown = replace(in_pounds, printed_for=frozenset())
    assert [documents.whose(unknown, elsewhere, code) for code in ("GBP", "EUR", None)] == ["own", "another customer", "another customer"]
