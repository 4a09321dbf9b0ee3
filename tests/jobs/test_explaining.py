"""Does an import say what a difference is made of, keep it, and keep to the policy? Over real HTTP, and made again from what landed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import estates
from tests.conftest import Command
from tests.estates import Estate, Served, daily, seat, usage
from w365core import difference
from w365core.errors import CallRefused
from w365core.jobs import explaining, loading, rebuilding, syncing, tolerances
from w365core.jobs.context import Context
from w365core.jobs.importing import Outcome
from w365core.reports import differences, invoice_detail, invoice_files, tolerances as tolerance_report, worklist
from w365core.store import ledger, policies, queries
from w365core.store.tables import audit_log, license_line, usage_line
from w365core.tolerance import Policy

D = Decimal
RESERVATION = {"ProductId": "RI", "ProductName": "Reserved VM Instance", "ReservationOrderId": "R-1"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def sync(context: Context, number: str = "G1", override: str | None = None, reason: str | None = None) -> Outcome:
    how = {"override": None if override is None else D(override), "reason": reason}
    return syncing.sync_invoice(context, provider_name=estates.PROVIDER, invoice_number=number, **how).outcomes[0]


def invoice(context: Context, number: str = "G1"):
    return ledger.named(context.engine, provider_name=None, invoice_number=number)


def reserved(served: Served, number: str = "G1", **said) -> None:
    """The header fits; a reservation is in the reconciliation file only."""
    lines = [seat("100.00"), usage("200.00"), usage("1329.75", **RESERVATION)]
    served.estate.invoice(number, lines, [daily("120.00", day=1), daily("80.00", day=2)], **said)


def last_entry(context: Context):
    with context.engine.connect() as connection:
        return connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(1)).one()


# --- what an import says -------------------------------------------------------------------------------------------------------------------


def test_a_reservation_that_the_daily_file_lacks_is_said_as_the_proven_cause(configured: Context, served: Served) -> None:
    reserved(served)
    outcome = sync(configured)
    assert (outcome.status, outcome.failure) == ("Inactive/Error", "checksum_failed")
    assert "a difference of 1,329.75 EUR. An override tolerance of 1330 would pass. Proven cause: A reservation" in outcome.message
    found = invoice(configured)
    assert found.proven_cause.startswith(
        "A reservation that the daily-rated file does not have: 1 line of 1,329.75 EUR (Reserved VM Instance, Contoso)"
    )
    (one,) = difference.from_dict(found.explanation).hypotheses
    assert (one.code, one.proven, one.amount) == ("reservation_not_in_daily", True, D("1329.75"))
    assert (found.customers, found.usage_days) == (1, 2)


def test_tax_on_the_header_alone_is_proven_and_a_difference_without_a_cause_is_not(configured: Context, served: Served) -> None:
    lines = [seat("7776.00"), seat("2284.80", SkuId="0002")]
    served.estate.invoice("G1", lines, total="11972.35")
    served.estate.invoice("G2", lines, total="10777.77")
    assert "Proven cause: Tax on the header alone: 19 % of 10,060.80 EUR" in sync(configured, "G1").message
    told = sync(configured, "G2")
    assert told.failure == "checksum_failed" and "Proven cause" not in told.message
    assert (invoice(configured, "G2").proven_cause, invoice(configured, "G2").explanation["hypotheses"]) == (None, [])


def test_an_invoice_that_adds_up_explains_nothing(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("100.00"), usage("10.004")], [daily("10.00")], total="110.03")
    assert sync(configured).failure is None
    assert (invoice(configured).explanation, invoice(configured).proven_cause) == (None, None)
    with configured.engine.connect() as connection:
        assert connection.execute(text("select explanation is null from provider_invoice")).scalar_one()


def test_usage_that_is_not_published_is_unpublished_and_no_override_is_proposed(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("100.00"), usage("200.00")])
    told = sync(configured)
    assert "daily usage not published" in told.message and "Proven cause" not in told.message
    with configured.engine.connect() as connection:
        shown = differences.load(connection, _opened(connection, configured), now=configured.now)
    assert [one.sentence for one in shown.explanations] == [
        "The provider has published no daily usage of this invoice yet; it is all of its usage that differs."
    ]
    assert shown.proposal is None


def test_lines_that_came_twice_are_proven_and_fetched_again_rather_than_overridden(configured: Context, served: Served) -> None:
    lines, rated = [seat("100.00"), usage("2000.00")], [daily("2000.00")]
    served.estate.invoice("G1", lines * 2, rated, total="2100.00")
    told = sync(configured)
    assert told.message.count("stand") == 1 and "Proven cause: Lines that stand several times" in told.message and len(told.message) < 500
    with configured.engine.connect() as connection:
        shown = _opened(connection, configured)
        found = differences.load(connection, shown, now=configured.now)
    assert [one.proven for one in found.explanations] == [True, True]
    assert found.proposal is None and "Sync it again" in found.instead
    assert (
        "fetched anew" in worklist.attention(shown, now=configured.now).next_step
        and "override" not in worklist.attention(shown, now=configured.now).command
    )
    served.estate.invoice("G1", lines, rated)
    assert sync(configured).failure is None


def test_a_daily_file_that_is_not_complete_is_waited_for_as_long_as_it_is_tried_again(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [usage("200.00"), usage("900.00", SubscriptionId="other-plan")], [daily("200.00")])
    sync(configured)
    with configured.engine.connect() as connection:
        shown = _opened(connection, configured)
        early, late = (differences.load(connection, shown, now=configured.now + timedelta(days=days)) for days in (15, 16))
    assert early.proposal is None and "tries again up to 27 Nov 2026" in early.instead
    assert late.proposal.override == 900 and late.instead is None
    assert "the daily job tries again" in worklist.attention(shown, now=configured.now).next_step


def test_a_cause_is_gone_once_the_provider_has_mended_it(configured: Context, served: Served) -> None:
    reserved(served)
    sync(configured)
    served.estate.invoice("G1", [seat("100.00"), usage("200.00")], [daily("200.00")])
    assert sync(configured).failure is None
    assert (invoice(configured).proven_cause, invoice(configured).explanation) == (None, None)


def test_an_amendment_that_the_header_has_taken_in_is_the_cause(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("500.00"), seat("300.00", SkuId="0002")], total="755.50")
    served.estate.invoice("CN1", [seat("-44.50")], documentType="adjustment_note", amendsOf="G1")
    assert sync(configured, "CN1").failure is None
    assert "CN1, which amends this one, comes to -44.50 EUR" in sync(configured).message


def _opened(connection, context: Context, number: str = "G1"):
    return invoice_detail.load(connection, invoice(context, number).provider_invoice_id, now=context.now).invoice


# --- what is attached and shown ------------------------------------------------------------------------------------------------------------


def test_the_differing_lines_are_attached_biggest_difference_first(configured: Context, served: Served) -> None:
    reserved(served)
    sync(configured)
    with configured.engine.connect() as connection:
        shown = _opened(connection, configured)
        assert [file.name for file in invoice_files.attached(connection, shown)] == ["differences.csv"]
        rows = list(csv.DictReader(io.StringIO(invoice_files.content(connection, shown, "differences.csv").decode("utf-8-sig"))))
    told = [
        (row["ProductId"], row["Charge type"], row["Reconciliation before tax"], row["Daily-rated before tax"], row["Difference"])
        for row in rows
    ]
    assert told == [("RI", "usage", "1329.75", "", "1329.75"), ("DZH3", "usage", "200.00", "200.00", "0.00")]
    assert {row["Compared"] for row in rows} == {"Reconciliation against daily-rated usage, before tax"}


def test_for_the_header_the_lines_are_attached_by_customer_product_and_charge_type_with_their_tax(
    configured: Context, served: Served
) -> None:
    served.estate.invoice(
        "G1", [seat("100.00", tax="19.00"), seat("-30.00", ChargeType="removeQuantity"), seat("5.00", ProductId="=X")], total="1000.00"
    )
    sync(configured)
    with configured.engine.connect() as connection:
        content = invoice_files.content(connection, _opened(connection, configured), "differences.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [(row["ProductId"], row["Charge type"], row["Tax"], row["Total"]) for row in rows] == [
        ("CFQ7", "cycleCharge", "19.00", "119.00"), ("CFQ7", "removeQuantity", "0.00", "-30.00"), ("'=X", "cycleCharge", "0.00", "5.00"),
    ]  # fmt: skip


def test_the_lines_of_a_proven_cause_are_listed_and_the_override_says_what_it_will_do(configured: Context, served: Served) -> None:
    reserved(served)
    sync(configured)
    with configured.engine.connect() as connection:
        shown = _opened(connection, configured)
        found = differences.load(connection, shown, now=configured.now)
        table = differences.lines(connection, shown, 0)
        bars = differences.bars(connection, shown, "product", of_usage=found.of_usage)
    assert [row["product_id"] for row in table.rows] == ["RI"] and found.explanations[0].lines == "1 line"
    assert (found.proposal.override, found.proposal.needs_reason, found.proposal.refused) == (1330, True, None)
    assert "Imports it with a tolerance of 1,330 EUR: nothing is changed in any amount." in found.proposal.effect
    assert [(bar.label, bar.amount) for bar in bars] == [("Reserved VM Instance", D("1329.75")), ("Azure plan", 0)]
    assert "Its cause is proven" in worklist.attention(shown, now=configured.now).next_step


def test_an_override_is_proposed_for_a_proven_cause_or_a_small_difference_alone(configured: Context, served: Served) -> None:
    for number, total in (("G1", "100.40"), ("G2", "100.50"), ("G3", "100.51")):
        served.estate.invoice(number, [seat("100.00")], total=total)
        sync(configured, number)
    with configured.engine.connect() as connection:
        proposed = [
            differences.load(connection, _opened(connection, configured, number), now=configured.now).proposal
            for number in ("G1", "G2", "G3")
        ]
    assert [one and (one.override, one.needs_reason) for one in proposed] == [(1, False), (1, False), None]


def test_a_command_explains_and_writes_the_differing_lines(configured: Context, served: Served, w365: Command, tmp_path: Path) -> None:
    reserved(served)
    sync(configured)
    out = tmp_path / "differing.csv"
    said = w365("explain-difference", "--invoice", "g1", "--out", out)
    assert said.returncode == 0 and "Proven cause: A reservation" in said.stdout and "1329.75" in out.read_text("utf-8-sig")
    with configured.engine.connect() as connection:
        told = explaining.told(explaining.explained_again(connection, invoice(configured)))
    assert (told["override"], told["gaps"][0]["difference"], told["hypotheses"][0]["proven"]) == (1330, D("1329.75"), True)
    assert w365("explain-difference", "--invoice", "nobody").returncode == 2


# --- overrides -----------------------------------------------------------------------------------------------------------------------------


def test_an_override_keeps_who_when_why_the_difference_and_the_cause(configured: Context, served: Served) -> None:
    reserved(served)
    sync(configured)
    assert sync(replace(configured, actor="ana"), override="1330", reason="the reservation is known").failure is None
    found, entry = invoice(configured), last_entry(configured)
    assert (found.override_tolerance, found.override_reason, found.overridden) == (1330, "the reservation is known", 0)
    assert found.proven_cause and found.explanation["usage_gap"] == "1329.75"
    assert (entry.actor, entry.at, entry.reason) == ("ana", configured.now, "the reservation is known")
    told = {name: entry.after[name] for name in ("override_tolerance", "difference", "usage_difference", "overridden", "currency")}
    assert told == {"override_tolerance": "1330", "difference": None, "usage_difference": "1329.75", "overridden": True, "currency": "EUR"}
    assert entry.after["proven_cause"] == found.proven_cause
    with configured.engine.connect() as connection:
        report = tolerance_report.load(connection, now=configured.now)
        shown = differences.load(connection, _opened(connection, configured), now=configured.now)
    (row,) = report.overrides.rows
    assert (row["provider"], row["number"], row["override"], row["usage_difference"], row["reason"]) == (
        "csp",
        "G1",
        1330,
        D("1329.75"),
        "the reservation is known",
    )
    assert [(one.month, one.overridden, one.held_up) for one in report.history["csp", "EUR"]] == [("2026-11", D("1329.75"), 0)]
    assert "by ana, 2026-11-12 06:00 UTC: the reservation is known" in shown.overridden


def test_a_difference_that_equals_the_tolerance_passes_and_no_amount_is_changed(configured: Context, served: Served) -> None:
    """R31, R32: inclusive, and only a verdict."""
    for number, total, passes in (("G1", "150.00", True), ("G2", "150.01", False)):
        served.estate.invoice(number, [seat("100.00")], total=total)
        assert (sync(configured, number, override="50").failure is None) is passes
    found = invoice(configured)
    assert (found.license_total, found.lines_total, found.overridden, found.rounding) == (100, 100, 50, 0)
    with configured.engine.connect() as connection:
        assert connection.execute(select(license_line.c.total)).scalars().all() == [100]


def test_the_default_tolerance_of_a_provider_is_in_base_currency_and_holds_for_later_imports_only(
    context: Context, served: Served, tmp_path: Path
) -> None:
    """R33: at half a EUR to the USD, 0.10 EUR are 0.20 USD."""
    records = served.estate.records(tmp_path / "records")
    strict = estates.configure(context, served.url, records=records)
    for number, total in (("G1", "100.20"), ("G2", "100.21")):
        served.estate.invoice(number, [seat("100.00", currency="USD")], total=total, currency="USD")
    assert sync(strict, "G1").failure == "checksum_failed"
    lenient = estates.configure(context, served.url, tolerance="0.10")
    assert invoice(lenient, "G1").failure == "checksum_failed", "what was decided stays decided"
    assert (sync(lenient, "G1").failure, sync(lenient, "G2").failure) == (None, "checksum_failed")


def test_a_policy_refuses_a_larger_override_before_anything_happens_and_until_its_last_day(configured: Context, served: Served) -> None:
    reserved(served)
    sync(configured)
    policy = Policy("CSP", "eur", most_amount=D(1000), owner="Ana", reason="month end", expires_on=configured.now.date())
    stored, changed = tolerances.set_policy(configured.engine, policy, actor="ana", now=configured.now)
    assert (stored.provider, stored.currency, changed) == ("csp", "EUR", True)
    before = invoice(configured)
    with pytest.raises(
        CallRefused, match="An override of 1330 EUR is more than 1000 EUR.*Ana can change it.*policy set csp EUR.*Nothing was imported"
    ):
        sync(configured, override="1330")
    assert invoice(configured) == before
    assert sync(configured, override="1000").failure == "checksum_failed", "what the policy allows is tried"
    later = configured.at(configured.now + timedelta(days=1))
    with configured.engine.connect() as connection:
        shown = differences.load(connection, _opened(connection, configured), now=configured.now)
        soon = tolerance_report.load(connection, now=configured.now).soon, tolerance_report.load(connection, now=later.now).soon
    assert shown.proposal.refused and "Ana can change it" in shown.proposal.refused
    assert "today is its last day" in soon[0][0] and "has expired on 12 Nov 2026: the default of 0.50 EUR holds again" in soon[1][0]
    assert sync(later, override="1330").failure is None


def test_a_policy_holds_for_files_by_hand_too(configured: Context, served: Served, w365: Command, tmp_path: Path) -> None:
    assert w365("policy", "set", "distributor", "EUR", "--owner", "Ana", "--reason", "small ones only", "--most", "5").returncode == 0
    path = tmp_path / "plain.csv"
    path.write_text(f"customer_id,subscription_id,subtotal,currency\n{estates.CONTOSO},,100.00,EUR\n")
    asked = ("import", path, "--provider", "distributor", "--invoice", "D1", "--total", "106.00")
    refused = w365(*asked, "--override-tolerance", "6", "--reason", "why not")
    assert refused.returncode == 2 and "more than 5 EUR" in refused.stderr
    with configured.engine.connect() as connection:
        assert queries.provider_invoices(connection) == []
    assert w365("policy", "remove", "distributor", "eur").returncode == 0
    assert w365(*asked, "--override-tolerance", "6", "--reason", "freight").returncode == 1, "nobody has mapped its customer"
    assert invoice(configured, "D1").override_reason == "freight"


def test_policies_are_set_listed_and_removed_and_each_change_is_in_the_log(configured: Context, w365: Command) -> None:
    set_ = (
        "policy",
        "set",
        "csp",
        "EUR",
        "--owner",
        "Ana",
        "--reason",
        "azure",
        "--one-click",
        "2",
        "--drop-percent",
        "30",
        "--expires",
        "2026-12-31",
    )
    assert w365(*set_).returncode == 0
    assert "is so already" in w365(*set_).stdout
    with configured.engine.connect() as connection:
        assert policies.find(connection, "Csp", "eur") == Policy(
            "csp", "EUR", D(2), drop_percent=D(30), owner="Ana", reason="azure", expires_on=date(2026, 12, 31)
        )
    assert "2026-12-31" in w365("policy", "list").stdout
    late = w365("policy", "list", "--json", W365_NOW="2027-01-01T06:00:00+00:00").stdout
    assert '"expired": true' in late
    assert w365("policy", "remove", "csp", "EUR").returncode == 0
    assert w365("policy", "remove", "csp", "EUR").returncode == 2
    with configured.engine.connect() as connection:
        told = connection.execute(select(audit_log.c.action, audit_log.c.reason).where(audit_log.c.target_kind == "tolerance policy")).all()
    assert told == [("set tolerance policy", "azure"), ("remove tolerance policy", "azure")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--one-click", "5", "--most", "4"], "is less than what passes with one click"),
        (["--most-percent", "101"], "at most 100"),
        (["--expires", "2026-11-11"], "would have expired already"),
        (["--owner", " "], "an owner and a reason are needed"),
        (["--most", "many"], "--most is 'many'"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(configured: Context, w365: Command, wrong: list[str], said: str) -> None:
    refused = w365("policy", "set", "csp", "EUR", "--owner", "Ana", "--reason", "r", *wrong)
    assert refused.returncode == 2 and said in refused.stderr
    with configured.engine.connect() as connection:
        assert policies.all_of_them(connection) == []


def test_a_reason_is_for_an_override(w365: Command) -> None:
    refused = w365("sync", "--invoice", "G1", "--reason", "because")
    assert refused.returncode == 2 and "--override-tolerance N" in refused.stderr


# --- unusual ones --------------------------------------------------------------------------------------------------------------------------


def months(context: Context, served: Served, *amounts: str, first: date = date(2026, 8, 8), customers: int = 1) -> None:
    """One invoice a month, each imported on its day."""
    for place, amount in enumerate(amounts):
        number, dated = f"G{place + 1}", date(first.year, first.month + place, first.day)
        lines = [seat(amount, CustomerId=who, SubscriptionId="") for who in [estates.CONTOSO, estates.FABRIKAM][:customers]]
        served.estate.invoice(number, lines, [daily("0", day=day) for day in range(1, 31)], dated=dated.isoformat())
        sync(context.at(datetime.combine(dated, context.now.timetz())), number)


def test_a_header_far_below_the_month_before_is_imported_with_a_warning(configured: Context, served: Served) -> None:
    months(configured, served, "1000.00", "950.00", "400.00", "399.00")
    assert [invoice(configured, f"G{n}").message.count("below that of the month before") for n in (1, 2, 3, 4)] == [0, 0, 1, 0]
    found = invoice(configured, "G3")
    assert (found.state, found.failure) == ("Active", None)
    assert "The header is 58 % below that of the month before (G2, 950.00 EUR), more than 50 %" in found.message
    with configured.engine.connect() as connection:
        assert _opened(connection, configured, "G3").standing == "Warning"


def test_the_per_cent_of_a_drop_is_the_policys_and_credit_notes_and_smaller_documents_are_exempt(
    configured: Context, served: Served
) -> None:
    policy = Policy("csp", "EUR", drop_percent=D(5), owner="Ana", reason="steady")
    tolerances.set_policy(configured.engine, policy, actor="ana", now=configured.now - timedelta(days=99))
    months(configured, served, "1000.00", "940.00")
    assert "6 % below" in invoice(configured, "G2").message
    served.estate.invoice("G3", [seat("10.00")], dated="2026-09-09")
    served.estate.invoice("G4", [seat("-5.00")], dated="2026-09-10", documentType="credit_note")
    served.estate.invoice("G5", [seat("20.00")], dated="2026-09-10", documentType="void_note", amendsOf="G3")
    for number in ("G3", "G4", "G5"):
        assert sync(configured, number).message == "", number


def test_a_small_document_beside_a_larger_one_that_is_only_listed_yet_is_no_drop(configured: Context, served: Served) -> None:
    months(configured, served, "1000.00")
    served.estate.invoice("G2", [seat("10.00")], dated="2026-09-08")
    served.estate.invoice("G3", [seat("1000.00")], dated="2026-09-09")
    assert sync(configured, "G2").message == ""


def test_fewer_days_of_usage_than_usual_are_said_with_the_numbers(configured: Context, served: Served) -> None:
    months(configured, served, "1000.00", "1000.00", "1000.00")
    served.estate.invoice("G4", [seat("1000.00")], [daily("0", day=day) for day in range(1, 22)], dated="2026-11-08")
    told = sync(configured, "G4").message
    assert "It has usage on 21 of 31 days, the months before had 30 of 30 in 2026-10" in told


def test_a_total_of_zero_imports_with_a_warning_not_a_green_tick(configured: Context, served: Served) -> None:
    """R14."""
    served.estate.invoice("G1", [seat("0.00")], total="0.00")
    assert "may not have finished publishing" in sync(configured).message
    with configured.engine.connect() as connection:
        assert (_opened(connection, configured).status, _opened(connection, configured).standing) == ("Active", "Warning")


# --- made again ----------------------------------------------------------------------------------------------------------------------------


def test_a_ledger_made_again_has_the_same_explanations_warnings_and_reasons(configured: Context, served: Served) -> None:
    months(configured, served, "1000.00", "400.00")
    reserved(served, "R1", dated="2026-11-08")
    reserved(served, "R2", dated="2026-11-08")
    sync(configured, "R1")
    sync(configured, "R2", override="1330", reason="known")
    served.estate.invoice("T1", [seat("7776.00")], total="9253.44")
    sync(configured, "T1")
    result = rebuilding.rebuild(configured, check=True)
    assert [one.table for one in result.tables if not one.same] == [] and result.findings == ()
    assert rebuilding.rebuild(configured, check=False).replaced
    assert invoice(configured, "R2").override_reason == "known" and "19 %" in invoice(configured, "T1").proven_cause


def test_the_daily_rated_file_is_what_is_billed_whatever_was_overridden(configured: Context, served: Served) -> None:
    """R12."""
    reserved(served)
    sync(configured, override="1330")
    with configured.engine.connect() as connection:
        assert sum(connection.execute(select(usage_line.c.billing_pre_tax_total)).scalars()) == 200


# --- rules, as they are said -----------------------------------------------------------------------------------------------------------------


def test_a_partial_daily_file_fails_the_checksum_and_heals_with_the_next_days_run(configured: Context, served: Served) -> None:
    """R13."""
    lines = [usage("310.00"), usage("70.00", SubscriptionId="other-plan")]
    whole = [daily("10.00", day=day) for day in range(1, 32)] + [daily("70.00", SubscriptionId="other-plan")]
    served.estate.invoice("G1", lines, whole[:28] + whole[31:])
    (failed,) = syncing.sync_daily(configured, provider_name=estates.PROVIDER).outcomes
    assert failed.failure == "checksum_failed" and "a difference of 30.00 EUR" in failed.message
    assert [one["code"] for one in invoice(configured).explanation["hypotheses"]] == ["days_not_in_daily"]
    served.estate.invoice("G1", lines, whole)
    (healed,) = syncing.sync_daily(configured.at(configured.now + timedelta(days=1)), provider_name=estates.PROVIDER).outcomes
    assert (healed.status, invoice(configured).explanation) == ("Active/Active", None)


def test_the_checksum_compares_the_providers_own_data_whatever_our_records_say(configured: Context, served: Served, tmp_path: Path) -> None:
    """R38: our quantities and prices are no part of it."""
    folder = tmp_path / "changed"
    folder.mkdir()
    columns = "subscription_id,provider,provider_subscription_id,account_id,product_id,kind,quantity,cost_price"
    (folder / "subscriptions.csv").write_text(f"{columns}\nS-1,{estates.PROVIDER},{estates.SEATS},A-1,CFQ7,License,999,0.01\n")
    with configured.engine.begin() as connection:
        loading.load(connection, folder)
    served.estate.invoice("G1", [seat("100.00")])
    assert sync(configured).failure is None


def test_an_adjustment_that_no_line_contains_is_a_difference_that_may_be_overridden(configured: Context, served: Served) -> None:
    """R39."""
    served.estate.invoice("G1", [seat("100.00"), seat("50.00", ProductId="B")], total="112.37")
    told = sync(configured)
    assert "a difference of -37.63 EUR" in told.message and "An override tolerance of 38 would pass" in told.message
    assert sync(configured, override="38", reason="adjustment on the PDF").failure is None
    assert (invoice(configured).overridden, invoice(configured).lines_total) == (D("-37.63"), D("150.00"))
