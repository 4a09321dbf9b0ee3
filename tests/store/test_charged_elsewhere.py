"""Is what an earlier invoice charged or ended held against this one?"""

from __future__ import annotations

from typing import Any

from tests.books import Books, Row, seat

MARCH = {"ChargeStartDate": "2026-03-01", "ChargeEndDate": "2026-03-31", "OrderDate": "2026-03-01T00:00:00Z"}
APRIL = {"ChargeStartDate": "2026-04-01", "ChargeEndDate": "2026-04-30", "OrderDate": "2026-03-01T00:00:00Z"}


def cancelled(day: str, **said: str) -> Row:
    return seat(subtotal="-90", ChargeType="cancelImmediate", **{**MARCH, "OrderDate": f"{day}T10:00:00Z"}, **said)


def odd(books: Books, number: str) -> list[tuple[Any, ...]]:
    names = ("kind", "line_id", "line_number", "expected", "found", "amount")
    return [tuple(one[name] for name in names) for one in books.reconciled(number)["findings"]]


def test_a_window_that_an_earlier_invoice_charged_too_is_charged_twice(books: Books) -> None:
    books.invoice([seat(**MARCH)], "G1", dated="2026-04-08")
    books.invoice([seat(**MARCH)], "G2", dated="2026-04-09")
    assert odd(books, "G1") == []
    (one,) = books.reconciled("G2")["findings"]
    assert (one["kind"], one["line_id"], one["amount"]) == ("charged_twice", "S-1/2026-03-01/2026-03-31", "100.00")
    assert "invoice G1 too (100.00 EUR there, 100.00 EUR here)" in one["reason"]


def test_a_window_that_was_credited_before_it_is_charged_again_is_charged_once(books: Books) -> None:
    books.invoice([seat(**MARCH), seat(subtotal="-100", ChargeType="cancelImmediate", **MARCH)], "G1", dated="2026-04-08")
    books.invoice([seat(**MARCH)], "G2", dated="2026-04-09")
    assert "charged_twice" not in [kind for kind, *_ in odd(books, "G2")]


def test_a_credit_and_a_new_charge_of_a_window_are_a_correction(books: Books) -> None:
    books.invoice([seat(**MARCH)], "G1", dated="2026-04-08")
    books.invoice([seat(subtotal="-100", ChargeType="cancelImmediate", **MARCH), seat(**MARCH)], "G2", dated="2026-04-09")
    assert odd(books, "G2") == []


def test_two_purchases_that_together_are_what_we_hold_are_charged_once_each(books: Books) -> None:
    books.subscription(quantity="20"), books.load()
    books.invoice([seat(**MARCH)], "G1", dated="2026-04-08")
    books.invoice([seat(**MARCH)], "G2", dated="2026-04-09")
    assert odd(books, "G2") == []


def test_a_charge_after_a_cancellation_on_an_earlier_invoice_is_found(books: Books) -> None:
    books.invoice([cancelled("2026-03-03")], "G1", dated="2026-04-08")
    books.invoice([seat(**APRIL)], "G2", dated="2026-05-08")
    (one,) = books.reconciled("G2")["findings"]
    assert (one["kind"], one["line_number"], one["amount"]) == ("billed_after_cancellation", 1, "100.00")
    assert "cancelled on 2026-03-03, on invoice G1" in one["reason"]


def test_what_was_begun_again_with_us_may_be_charged(books: Books) -> None:
    books.log("L-2", "0", "2026-03-20", event="Activate"), books.load()
    books.invoice([cancelled("2026-03-03")], "G1", dated="2026-04-08")
    books.invoice([seat(**APRIL)], "G2", dated="2026-05-08")
    assert odd(books, "G2") == []


def test_what_a_deactivated_invoice_charged_does_not_count(books: Books) -> None:
    books.invoice([seat(**MARCH)], "G1", dated="2026-04-08")
    assert books.w365("deactivate", "--invoice", "G1").returncode == 0
    books.invoice([seat(**MARCH)], "G2", dated="2026-04-09")
    assert odd(books, "G2") == []


def test_a_charge_after_a_cancellation_is_said_once_where_our_own_log_says_it_too(books: Books) -> None:
    books.log("L-2", "0", "2026-03-03", event="Deactivate"), books.load()
    books.invoice([cancelled("2026-03-03")], "G1", dated="2026-04-08")
    books.invoice([seat(**APRIL)], "G2", dated="2026-05-08")
    assert [kind for kind, *_ in odd(books, "G2")] == ["billed_after_cancellation"]


def credit(amount: str, **said: str) -> Row:
    return seat(quantity="1", subtotal=amount, ChargeType="customerCredit", **{**MARCH, **said})


def test_a_credit_on_a_later_invoice_closes_the_finding_it_pays_back(books: Books) -> None:
    books.invoice([seat(**MARCH)], "G1", dated="2026-04-08")
    books.invoice([seat(**MARCH)], "G2", dated="2026-04-09")
    books.invoice([credit("-60")], "G3", dated="2026-05-08")
    (one,) = books.reconciled("G2")["findings"]
    assert (one["is_closed"], one["repaid"], one["repaid_by"]) == (False, "60.00", ["G3"]), "only a part of it is paid back"
    books.invoice([credit("-40")], "G4", dated="2026-05-09")
    (one,) = books.reconciled("G2")["findings"]
    assert (one["is_closed"], one["repaid"], one["repaid_by"]) == (True, "100.00", ["G3", "G4"])
    assert books.w365("reconcile", "--invoice", "G2").returncode == 0, "nothing is open or odd any more"


def test_a_credit_for_another_window_or_on_an_earlier_invoice_closes_nothing(books: Books) -> None:
    books.invoice([credit("-100")], "G0", dated="2026-04-07")
    books.invoice([seat(**MARCH)], "G1", dated="2026-04-08")
    books.invoice([seat(**MARCH)], "G2", dated="2026-04-09")
    books.invoice([credit("-100", **APRIL)], "G3", dated="2026-05-08")
    (one,) = books.reconciled("G2")["findings"]
    assert (one["is_closed"], one["repaid"]) == (False, None)
