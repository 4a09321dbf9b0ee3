"""Are change logs that do not hold together found, each with its money, and does a mending log mend?"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.books import Books, seat
from tests.conftest import Command


@pytest.fixture
def books(w365: Command, tmp_path: Path) -> Books:
    return Books(w365, tmp_path)


def checked(books: Books, *, code: int) -> dict[str, list[dict[str, Any]]]:
    done = books.w365("change-logs", "check", "--json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["mismatch", "missing_data", "archived_without_invoice", "awaiting_or_failed"]
    assert all({"subscription_id", "change_log_id", "currency", "suggestion"} <= set(one) for entries in found.values() for one in entries)
    return found


def test_logs_that_hold_together_are_no_finding(books: Books) -> None:
    books.subscription(), books.subscription("S-2", "3", kind="Usage", markup_pct="10")
    books.log("L-1", "12"), books.log("L-2", "-2", "2026-05-01")
    books.load()
    assert not any(checked(books, code=0).values())
    assert "Archived and never billed: 0" in books.w365("change-logs", "check").stdout


def test_a_mismatch_names_the_residual_and_the_log_that_would_mend_it(books: Books) -> None:
    books.subscription(), books.subscription("S-2", "4", start_date="2026-03-05")
    books.log("L-1", "6")
    books.load()
    found = {one["subscription_id"]: one for one in checked(books, code=1)["mismatch"]}
    assert {of: (one["residual"], one["change_log_id"], one["currency"], one["amount"]) for of, one in found.items()} == {
        "S-1": ("4", None, "EUR", "57.60"), "S-2": ("4", None, "EUR", "57.60"),
    }  # fmt: skip
    named = ("event", "quantity", "effective_date", "status_reason", "selling_price")
    assert [found["S-1"]["mending"][name] for name in named] == ["Update", "4", "2026-11-12", "Active", "14.40"]
    assert [found["S-2"]["mending"][name] for name in named] == ["Create", "4", "2026-03-05", "Active", "14.40"]


def test_a_suspended_subscription_whose_seats_were_taken_off_is_no_mismatch(books: Books) -> None:
    books.subscription(status="Suspended")
    books.log("L-1", "10"), books.log("L-2", "-10", "2026-05-01", event="Deactivate")
    books.load()
    assert checked(books, code=0)["mismatch"] == []


def test_a_suspended_subscription_without_any_log_is_a_mismatch(books: Books) -> None:
    books.subscription(quantity="5", status="Suspended")
    books.load()
    (entry,) = checked(books, code=1)["mismatch"]
    assert (entry["subscription_id"], entry["residual"], entry["mending"]["quantity"]) == ("S-1", "5", "5")
    assert entry["suggestion"].startswith("The subscription says 5, and it has no change log. Add a log of +5 effective 2026-01-01 (")


def month(number: int, quantity: str, of: str = "S-1") -> dict[str, str]:
    """A month's line of 2026; the provider charges so many seats for it."""
    last = {8: 31, 9: 30, 10: 31}[number]
    days = {"ChargeStartDate": f"2026-{number:02}-01", "ChargeEndDate": f"2026-{number:02}-{last}"}
    return seat(of, quantity, OrderDate=f"2026-{number:02}-01T00:00:00Z", **days)


def charged(books: Books, quantities: dict[int, str], of: str = "S-1") -> None:
    """An invoice for each month, reconciled."""
    for number, quantity in quantities.items():
        books.invoice([month(number, quantity, of)], f"G{number}", dated=f"2026-{number + 1:02}-08")
        books.reconciled(f"G{number}")


def proposed(books: Books) -> tuple[str, str]:
    (entry,) = checked(books, code=1)["mismatch"]
    log = entry["mending"]
    assert f"effective {log['effective_date']} ({log['because']})" in entry["suggestion"]
    return log["effective_date"], log["because"]


def test_a_mending_log_is_of_the_day_from_which_on_the_provider_counts_it(books: Books) -> None:
    books.subscription(), books.log("L-1", "6")
    books.load()
    charged(books, {8: "6", 9: "10", 10: "10"})
    assert proposed(books) == ("2026-09-01", "the provider counts it from the charge window of that day on")
    assert "effective 2026-09-01 (the provider counts" in books.w365("change-logs", "mend", "--subscription", "S-1", "--dry-run").stdout
    named = ("--effective-date", "2026-06-01", "--dry-run")
    assert "effective 2026-06-01, Active" in books.w365("change-logs", "mend", "--subscription", "S-1", *named).stdout
    assert books.w365("change-logs", "mend", "--subscription", "S-1", "--reason", "forgotten").returncode == 0
    assert {number: books.reconciled(f"G{number}")["lines"][0]["verdict"] for number in (8, 9, 10)} == {
        8: "explained_not_invoiced", 9: "confirmed", 10: "confirmed",
    }  # fmt: skip


def test_a_window_that_a_later_change_of_ours_makes_differ_counts_it_as_well(books: Books) -> None:
    books.subscription(quantity="9"), books.log("L-1", "6"), books.log("L-2", "-1", "2026-09-20")
    books.load()
    charged(books, {8: "10", 9: "10", 10: "9"})
    assert books.reconciled("G9")["lines"][0]["residual_settles"] is True
    assert proposed(books)[0] == "2026-08-01"


def test_the_day_is_today_where_the_newest_window_does_not_count_it(books: Books) -> None:
    books.subscription(), books.log("L-1", "6")
    books.load()
    charged(books, {8: "10", 9: "6"})
    assert proposed(books) == ("2026-11-12", "today, since nothing that is known says when it changed")


def test_equal_seats_that_our_own_logs_explain_are_no_evidence(books: Books) -> None:
    books.subscription(), books.log("L-1", "10"), books.log("L-2", "-4", "2026-09-20")
    books.load()
    charged(books, {8: "10", 9: "10", 10: "10"})
    assert proposed(books)[0] == "2026-10-01"


def test_without_logs_it_is_of_the_first_day_unless_an_older_window_says_otherwise(books: Books) -> None:
    books.subscription(start_date="2026-03-05")
    books.load()
    charged(books, {9: "10", 10: "10"})
    assert proposed(books) == ("2026-03-05", "the subscription began on that day")
    charged(books, {8: "7"})
    assert proposed(books)[0] == "2026-09-01"


def test_each_absent_value_is_missing_data(books: Books) -> None:
    books.subscription()
    books.log("L-1", "10")
    for named, said in (("price", "selling_price"), ("currency", "currency"), ("day", "effective_date")):
        books.log(f"L-{named}", "0", **{"effective": "2026-02-01", said: ""})
    books.log("L-quantity", ""), books.log("L-subscription", "1", of="")
    books.load()
    found = {one["change_log_id"]: one["missing"] for one in checked(books, code=1)["missing_data"]}
    assert found == {
        "L-price": ["price"], "L-currency": ["currency"], "L-day": ["effective date"], "L-quantity": ["quantity"], "L-subscription": ["subscription"],
    }  # fmt: skip


def test_what_was_archived_without_an_invoice_is_leakage_with_its_amount(books: Books) -> None:
    books.subscription()
    books.log("L-1", "8", status_reason="Archived", invoice_number=""), books.log("L-2", "2", status_reason="Active")
    books.load()
    (entry,) = checked(books, code=1)["archived_without_invoice"]
    assert (entry["subscription_id"], entry["change_log_id"], entry["amount"], entry["currency"]) == ("S-1", "L-1", "115.20", "EUR")
    assert "L-1 (+8 on 2026-01-01) is archived and was never billed: 115.20 EUR a month." in entry["suggestion"]


def test_what_is_not_through_says_which_later_changes_it_holds_up(books: Books) -> None:
    books.subscription()
    books.log("L-0", "3", provisioning_status="Provisioned")
    books.log("L-1", "4", "2026-02-01", provisioning_status="Failed Provisioning", provisioned_on="")
    books.log("L-2", "2", "2026-03-01", provisioning_status="Awaiting Provisioning", provisioned_on="")
    books.log("L-3", "1", "2026-04-01", provisioning_status="Not Applicable", provisioned_on="")
    books.load()
    found = {one["change_log_id"]: one for one in checked(books, code=1)["awaiting_or_failed"]}
    assert {named: (one["holds_up"], one["amount"]) for named, one in found.items()} == {"L-1": (["L-2"], "57.60"), "L-2": ([], "28.80")}


def test_a_mending_log_mends_is_told_in_the_audit_log_and_is_handed_on(books: Books, w365: Command, engine: Engine, tmp_path: Path) -> None:
    books.subscription()
    books.log("L-1", "6")
    books.load()
    without = w365("change-logs", "mend", "--subscription", "S-1")
    assert without.returncode == 2 and "--reason" in without.stderr
    shown = json.loads(w365("change-logs", "mend", "--subscription", "s-1", "--dry-run", "--json").stdout)
    assert (shown["quantity"], shown["dry_run"]) == ("4", True) and checked(books, code=1)["mismatch"]
    done = w365(
        "change-logs", "mend", "--subscription", "S-1", "--reason", "was never written down", "--effective-date", "2026-06-01", "--json"
    )
    assert done.returncode == 0 and checked(books, code=0)["mismatch"] == []
    named = json.loads(done.stdout)["change_log_id"]
    with engine.connect() as connection:
        told = connection.execute(text("select action, target, reason from audit_log where target_kind = 'license change log'")).all()
    assert [tuple(one) for one in told] == [("mend change logs", named, "was never written down")]
    assert w365("export-records", tmp_path / "out").returncode == 0
    with (tmp_path / "out" / "license_change_logs.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["change_log_id"], row["subscription_id"], row["quantity"], row["effective_date"]) == (named, "S-1", "4", "2026-06-01")
    assert (row["provisioning_status"], row["status_reason"], row["selling_price"], row["currency"]) == (
        "Not Applicable",
        "Active",
        "14.40",
        "EUR",
    )
    assert w365("change-logs", "mend", "--subscription", "S-1", "--reason", "again").returncode == 2
    books.load()  # the same records once more leave it alone
    assert checked(books, code=0)["mismatch"] == []


def test_an_unknown_subscription_is_refused(books: Books) -> None:
    books.load()
    done = books.w365("change-logs", "mend", "--subscription", "nobody", "--reason", "x")
    assert done.returncode == 2 and "no subscription nobody" in done.stderr
