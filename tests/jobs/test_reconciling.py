"""Is an invoice held against our records as the contract says, kept as a run, and told on the command line?"""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.books import Books, seat
from tests.conftest import Command
from tests.jobs.working import ended, worker
from w365core.jobs import queue
from w365core.jobs.context import Context
from w365core.store import reconciliations


@pytest.fixture
def books(w365: Command, tmp_path: Path) -> Books:
    return Books(w365, tmp_path)


def test_seats_that_were_taken_off_after_the_provider_counted_explain_the_difference(books: Books) -> None:
    books.subscription(quantity="10")
    books.log("L-1", "14"), books.log("L-2", "-4", "2026-10-12")
    books.load()
    books.invoice([seat(quantity="14")])
    found = books.reconciled(code=1)
    assert {name: Decimal(value) for name, value in found["totals"].items()} == {
        "header": 140, "lines": 140, "usage": 0, "tax": 0, "rounding": 0, "overridden": 0, "confirmed": 0, "explained": 140, "unexplained": 0,
    }  # fmt: skip
    (row,) = found["lines"]
    assert (row["verdict"], row["fit"], row["review_state"]) == ("explained_not_invoiced", "snapshot", "open")
    assert (row["provider_quantity"], row["our_quantity"], row["our_quantity_then"], row["quantity_difference"]) == ("14", "10", "14", "4")
    assert (row["money_at_risk"], row["residual"], row["price_verdict"]) == ("57.60", None, "price_ok")
    assert [(log["change_log_id"], log["billing"]) for log in row["change_logs"] if log["outside"]] == [("L-2", "not_invoiced")]


def test_equal_seats_are_confirmed_and_the_command_ends_well(books: Books) -> None:
    books.subscription()
    books.log("L-1", "10")
    books.load()
    books.invoice([seat()])
    (row,) = books.reconciled(code=0)["lines"]
    assert (row["verdict"], row["review_state"], row["money_at_risk"]) == ("confirmed", "confirmed", "0.00")


@pytest.mark.parametrize("currency", ["EUR ", " eur", "EUR\t", "\u00a0EUR"])
def test_blanks_around_a_currency_leave_no_line_out(books: Books, currency: str) -> None:
    books.subscription()
    books.log("L-1", "10")
    books.load()
    books.invoice([seat() | {"Currency": currency}])
    (row,) = books.reconciled(code=0)["lines"]
    assert (row["verdict"], row["subtotal"]) == ("confirmed", "100.00")


def test_the_same_inputs_are_the_same_run_and_a_changed_one_says_whose_rows_may_differ(books: Books, engine: Engine) -> None:
    books.subscription(), books.subscription("S-2")
    books.log("L-1", "10"), books.log("L-2", "10", of="S-2")
    books.load()
    books.invoice([seat(), seat("S-2")])
    first, again = books.reconciled(), books.reconciled()
    assert again["reconciliation_id"] == first["reconciliation_id"] and not again["new"] and again["lines"] == first["lines"]
    assert again["changed"] == {"inputs": [], "subscriptions": [], "message": ""}
    books.log("L-3", "-2", "2026-10-20", of="S-2"), books.subscription("S-2", "8")
    books.load()
    changed = books.reconciled(code=1)
    assert changed["new"] and changed["reconciliation_id"] != first["reconciliation_id"]
    assert changed["changed"]["inputs"] == ["subscriptions", "change_logs"] and changed["changed"]["subscriptions"] == ["S-2"]
    assert "Rows of S-2 may differ" in changed["changed"]["message"]
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from reconciliation")).scalar_one() == 2


def test_going_back_to_what_was_makes_the_old_run_the_latest(books: Books) -> None:
    books.subscription()
    books.log("L-1", "10")
    books.load()
    books.invoice([seat()])
    first = books.reconciled()
    books.subscription(quantity="12")
    books.load()
    other = books.reconciled()
    books.subscription(quantity="10")
    books.load()
    back = books.reconciled()
    assert [back["reconciliation_id"], back["new"], other["new"]] == [first["reconciliation_id"], False, True]
    assert back["lines"] == first["lines"]


def test_an_invoice_keeps_its_latest_ten_runs_and_the_one_that_it_is_signed_off_on(books: Books, w365: Command, engine: Engine) -> None:
    books.subscription(quantity="11"), books.log("L-1", "11")
    books.load()
    books.invoice([seat()])
    signed = (found := books.reconciled(code=1))["reconciliation_id"]
    assert w365("review", "--invoice", "G1", "--line", found["lines"][0]["line_id"], "--accept", "--reason", "agreed").returncode == 0
    assert w365("sign-off", "--invoice", "G1").returncode == 0
    made = []
    for cost in range(20, 32):
        books.subscription(quantity="11", cost_price=str(cost))
        books.load()
        made.append(books.reconciled()["reconciliation_id"])
    with engine.connect() as connection:
        kept = connection.execute(text("select reconciliation_id from reconciliation order by 1")).scalars().all()
        rows = connection.execute(text("select distinct reconciliation_id from reconciliation_line order by 1")).scalars().all()
    assert kept == rows == [signed, *made[-reconciliations.KEPT :]] and made[0] not in kept
    books.subscription(quantity="11", cost_price="20")
    books.load()
    again = books.reconciled()
    assert again["new"] and again["lines"][0]["review_state"] == "accepted" and again["sign_off"]["reconciliation_id"] == signed


def test_an_invoice_in_error_is_a_preview_of_its_staged_lines_and_nothing_is_kept(books: Books, engine: Engine) -> None:
    books.subscription()
    books.log("L-1", "10")
    books.load()
    books.invoice([seat(), seat("unknown", "3")], code=1)
    found = books.reconciled(code=1)
    assert found["preview"] and found["message"].startswith("Preview") and found["reconciliation_id"] is None
    assert {(row["subscription_id"], row["verdict"]) for row in found["lines"]} == {("S-1", "confirmed"), (None, "no_subscription")}
    assert Decimal(found["totals"]["lines"]) == 130 and Decimal(found["totals"]["unexplained"]) == 30
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from reconciliation")).scalar_one() == 0
    books.subscription("unknown", "3")  # resolved since, by our records alone
    books.load()
    assert {row["subscription_id"] for row in books.reconciled(code=1)["lines"]} == {"S-1", "unknown"}


def test_ids_that_are_aliases_of_one_subscription_net_together(books: Books) -> None:
    books.subscription(quantity="15"), books.alias("P-OLD")
    books.log("L-1", "15")
    books.load()
    books.invoice([seat(), seat(quantity="5", SubscriptionId="p-old")])
    (row,) = books.reconciled(code=0)["lines"]
    assert (row["provider_quantity"], row["verdict"], row["subtotal"]) == ("15", "confirmed", "150.00")


def test_what_should_be_on_the_invoice_and_is_not_is_said(books: Books) -> None:
    books.subscription(), books.subscription("S-2", "3")
    books.subscription("suspended", status="Suspended"), books.subscription("dollars", currency="USD"), books.subscription("none", "0")
    books.subscription("later", start_date="2026-11-01"), books.subscription("before", end_date="2026-09-30")
    books.subscription("free", contract_id=""), books.subscription("yearly", "4"), books.subscription("beside", "2")
    books.log("L-1", "10")
    books.load()
    year = {"ChargeStartDate": "2026-03-01", "ChargeEndDate": "2027-02-28"}
    books.invoice([seat("yearly", "4", **year)], "G0", dated="2026-04-08")
    books.invoice([seat("beside", "2")], "G2", dated="2026-11-09")
    books.invoice([seat()])
    found = books.reconciled(code=1)
    rows = {row["subscription_id"]: row for row in found["lines"]}
    assert {of: row["verdict"] for of, row in rows.items()} == {"S-1": "confirmed", "S-2": "not_on_invoice"}
    assert rows["S-2"]["money_at_risk"] == "30.00" and rows["S-2"]["line_id"] == "S-2/not-on-invoice"


def test_an_invoice_without_license_lines_confirms_nothing_and_says_so(books: Books) -> None:
    books.subscription("U-1", "1", kind="Usage")
    books.load()
    books.invoice([seat("U-1", "1", MeterDescription="D2s v3", TaxTotal="1.90", Total="11.90")])
    found = books.reconciled(code=0)
    assert found["lines"] == [] and "nothing was confirmed" in found["message"]
    assert [found["totals"][name] for name in ("header", "lines", "usage", "tax", "confirmed")] == [
        "11.90",
        "0.00",
        "10.00",
        "1.90",
        "0.00",
    ]


def test_every_line_is_in_one_row_and_the_sums_hold_to_the_last_digit(books: Books) -> None:
    for of in ("S-1", "S-2", "S-3"):
        books.subscription(of)
    books.log("L-1", "10"), books.log("L-2", "9", of="S-2")
    books.load()
    lines = [seat(subtotal="100.123456789012345678"), seat("S-2", subtotal="-0.000000000000000001"), seat("S-3", subtotal="7.01")]
    lines += [seat(SubscriptionId="", subtotal="1.1"), seat(SubscriptionId="", subtotal="1.1", CustomerId=seat()["CustomerId"].upper())]
    books.invoice(lines)
    found = books.reconciled()
    totals = {name: Decimal(value) for name, value in found["totals"].items()}
    assert totals["lines"] == Decimal("109.333456789012345677") == sum(Decimal(row["subtotal"]) for row in found["lines"])
    assert totals["lines"] == totals["confirmed"] + totals["explained"] + totals["unexplained"]
    assert totals["header"] == sum(totals[name] for name in ("lines", "usage", "tax", "rounding", "overridden"))
    (unknown,) = [row for row in found["lines"] if row["verdict"] == "no_subscription"]
    assert (unknown["subtotal"], unknown["lines"]) == ("2.20", 2)


def test_the_biggest_money_comes_first_and_people_read_a_table(books: Books, w365: Command) -> None:
    for number in (1, 2, 3):
        books.subscription(f"S-{number}"), books.log(f"L-{number}", "10", of=f"S-{number}")
    books.load()
    books.invoice([seat("S-1", "11"), seat("S-2", "30"), seat("S-3", "12")])
    assert [row["subscription_id"] for row in books.reconciled()["lines"]] == ["S-2", "S-3", "S-1"]
    told = w365("reconcile", "--invoice", "g1", "--provider", "CSP")
    assert told.returncode == 1 and "3 open, 0 settled" in told.stdout and "unexplained" in told.stdout
    assert w365("reconcile", "--invoice", "nobody").returncode == 2


def test_people_read_amounts_at_the_coin_and_findings_as_sentences(books: Books, w365: Command) -> None:
    books.subscription(quantity="100"), books.log("L-1", "100")
    books.load()
    books.invoice([seat(quantity="100", subtotal="1041.5")])
    told = w365("reconcile", "--invoice", "G1").stdout
    assert "header 1,041.50 = lines 1,041.50 + usage 0.00 + tax 0.00 + rounding 0.00 + overridden 0.00" in told
    assert (
        "Amount fits neither rounding rule: The amount is 1,041.50 EUR, and the provider's own rules of rounding give 1,000.00 EUR for"
        in told
    )
    assert "(41.50 EUR)" in told and "amount_off" not in told


def runs(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("select count(*) from reconciliation")).scalar_one()


def test_an_import_that_ends_active_is_reconciled_at_once(books: Books, engine: Engine) -> None:
    books.subscription(), books.log("L-1", "10")
    books.load()
    books.invoice([seat()])
    assert runs(engine) == 1 and not books.reconciled()["new"]


def test_an_import_is_in_whatever_becomes_of_its_reconciliation_and_says_so(books: Books, engine: Engine) -> None:
    books.subscription(), books.log("L-1", "10")
    books.load()
    with reconciliations.alone(engine, provider="csp", invoice_number="G1"):
        assert "is in, but was not reconciled" in books.invoice([seat()])
    assert runs(engine) == 0 and books.reconciled()["new"]


def test_the_ledger_is_the_same_when_it_is_made_again_and_so_is_the_run(books: Books, w365: Command) -> None:
    books.subscription(), books.log("L-1", "10")
    books.load()
    books.invoice([seat(quantity="12")])
    first = books.reconciled()
    w365("review", "--invoice", "G1", "--line", first["lines"][0]["line_id"], "--accept", "--reason", "agreed")
    assert w365("rebuild").returncode == 0
    again = books.reconciled(code=0)
    assert (again["reconciliation_id"], again["lines"][0]["review_state"]) == (first["reconciliation_id"], "accepted")


def test_a_queued_job_reconciles_and_says_what_is_left_to_do(books: Books, context: Context, tmp_path: Path) -> None:
    books.subscription()
    books.load()
    books.invoice([seat()])
    plan = queue.plan(context.engine, kind=queue.RECONCILE, provider="csp", invoice="g1")
    assert not plan.refused and "1 license line" in plan.sentence
    assert queue.plan(context.engine, kind=queue.RECONCILE, provider="csp", invoice="G2").refused
    books.log("L-1", "9")
    books.load()
    job_id = queue.ask(context.engine, kind=queue.RECONCILE, provider="CSP", invoice="G1", actor="ana")
    log = tmp_path / "worker.log"
    with worker(context, log):
        done = ended(context, job_id, log)
    assert done.state == "done" and done.lines_done == 1 and done.outcome["new"]
    assert "Its one row is settled." in done.message and "change logs changed. Rows of S-1 may differ." in done.message


def test_the_lines_are_written_under_the_names_of_focus_and_come_to_the_header(books: Books, w365: Command, tmp_path: Path) -> None:
    books.subscription(), books.log("L-1", "10")
    books.load()
    books.invoice([seat()])
    file = tmp_path / "focus.csv"
    done = w365("reconcile", "--invoice", "G1", "--focus", str(file), "--json")
    assert done.returncode == 0 and "under the column names of FOCUS" in done.stderr
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    assert {row["InvoiceId"] for row in rows} == {"G1"}
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(json.loads(done.stdout)["totals"]["header"])
    refused = w365("reconcile", "--invoice", "G1", "--focus", str(tmp_path / "nowhere" / "focus.csv"))
    assert refused.returncode != 0 and "name another file with --focus" in refused.stderr and "Traceback" not in refused.stderr
