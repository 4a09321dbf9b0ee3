"""Does a difference that goes on say since when and how much, and does a credit close it?"""

from __future__ import annotations

from typing import Any

from tests.books import Books, Row, seat

MONTHS = {
    "G8": ("2026-08-01", "2026-08-31", "2026-09-08"),
    "G9": ("2026-09-01", "2026-09-30", "2026-10-08"),
    "G10": ("2026-10-01", "2026-10-31", "2026-11-08"),
}


def charged(books: Books, number: str, *lines: Row, quantity: str = "12") -> None:
    first, last, dated = MONTHS[number]
    window = {"ChargeStartDate": first, "ChargeEndDate": last, "OrderDate": f"{first}T00:00:00Z"}
    books.invoice([seat(quantity=quantity, **window), *lines], number, dated=dated)


def history(books: Books, number: str) -> dict[str, Any]:
    first = MONTHS[number][0]
    row = next(one for one in books.reconciled(number)["lines"] if one["charge_start"] == first)
    return {name: row[name] for name in ("months", "so_far", "repaid", "is_closed")}


def test_the_third_month_of_a_difference_says_so_and_what_it_has_come_to(books: Books) -> None:
    for number in MONTHS:
        charged(books, number)
    assert history(books, "G8") == {"months": 1, "so_far": "20.00", "repaid": None, "is_closed": False}
    assert history(books, "G10") == {"months": 3, "so_far": "60.00", "repaid": None, "is_closed": False}


def test_a_month_that_agrees_ends_it(books: Books) -> None:
    charged(books, "G8"), charged(books, "G9", quantity="10"), charged(books, "G10")
    assert history(books, "G10") == {"months": 1, "so_far": "20.00", "repaid": None, "is_closed": False}
    assert history(books, "G9") == {"months": 0, "so_far": None, "repaid": None, "is_closed": False}


def test_a_credit_on_a_later_invoice_repays_the_oldest_difference_first_and_closes_it(books: Books) -> None:
    charged(books, "G8"), charged(books, "G9")
    charged(books, "G10", seat(quantity="1", subtotal="-25", ChargeType="customerCredit"))
    assert history(books, "G8") == {"months": 1, "so_far": "0.00", "repaid": "20.00", "is_closed": True}
    assert history(books, "G9") == {"months": 1, "so_far": "15.00", "repaid": "5.00", "is_closed": False}
    assert history(books, "G10")["months"] == 2


def test_a_negative_line_repays_its_own_window_only(books: Books) -> None:
    charged(books, "G8"), charged(books, "G9")
    window = {"ChargeStartDate": "2026-09-01", "ChargeEndDate": "2026-09-30"}
    charged(books, "G10", seat(quantity="2", subtotal="-20", ChargeType="removeQuantity", **window))
    assert history(books, "G8")["repaid"] is None
    assert history(books, "G9") == {"months": 2, "so_far": "20.00", "repaid": "20.00", "is_closed": True}


def reviewed(books: Books, number: str) -> dict[str, Any]:
    first = MONTHS[number][0]
    row = next(one for one in books.reconciled(number)["lines"] if one["charge_start"] == first)
    return {name: row[name] for name in ("review_state", "reviewed_by", "review_reason")}


def test_what_a_later_credit_pays_back_is_open_no_longer_and_says_by_what(books: Books) -> None:
    charged(books, "G8"), charged(books, "G9")
    assert reviewed(books, "G8")["review_state"] == "open"
    charged(books, "G10", seat(quantity="1", subtotal="-25", ChargeType="customerCredit"))
    by = {"reviewed_by": "the provider's credit", "review_reason": "Paid back by the provider on G10: 20.00 EUR."}
    assert reviewed(books, "G8") == {"review_state": "accepted", **by}
    assert reviewed(books, "G9")["review_state"] == "open", "only a part of it is paid back"


def test_what_was_paid_back_is_open_again_when_the_credit_is_gone(books: Books) -> None:
    charged(books, "G8")
    charged(books, "G10", seat(quantity="1", subtotal="-20", ChargeType="customerCredit"))
    assert reviewed(books, "G8")["review_state"] == "accepted"
    assert books.w365("deactivate", "--invoice", "G10").returncode == 0
    books.subscription(cost_price="10.001"), books.load()
    books.reconciled("G8")
    assert reviewed(books, "G8")["review_state"] == "open"


def test_a_difference_that_is_reconciled_after_its_credit_is_closed_too(books: Books) -> None:
    charged(books, "G10", seat(quantity="1", subtotal="-20", ChargeType="customerCredit"))
    charged(books, "G8")
    assert reviewed(books, "G8")["review_state"] == "accepted"


def test_a_credit_is_no_difference_that_another_credit_pays_back(books: Books) -> None:
    window = {"ChargeStartDate": "2026-07-01", "ChargeEndDate": "2026-07-31"}
    charged(books, "G9", seat(quantity="1", subtotal="-20", ChargeType="customerCredit", **window))
    charged(books, "G10", seat(quantity="1", subtotal="-20", ChargeType="customerCredit"))
    credit = next(one for one in books.reconciled("G9")["lines"] if one["charge_start"] == "2026-07-01")
    assert (credit["verdict"], credit["months"], credit["repaid"], credit["review_state"]) == ("not_reconcilable", 0, None, "open")
    assert history(books, "G9")["is_closed"], "the charge of September is what October pays back"


def test_charges_that_name_no_subscription_of_ours_go_on_by_the_customer(books: Books) -> None:
    for number in MONTHS:
        charged(books, number, seat(quantity="3", SubscriptionId="", ChargeStartDate=MONTHS[number][0], ChargeEndDate=MONTHS[number][1]))
    row = next(one for one in books.reconciled("G10")["lines"] if one["verdict"] == "no_subscription")
    assert (row["months"], row["so_far"]) == (3, "90.00")


def test_what_lacks_its_line_on_two_invoices_of_a_month_is_one_difference(books: Books) -> None:
    books.subscription("S-2", "5", cost_price="10"), books.load()
    charged(books, "G8")
    first, last, _ = MONTHS["G8"]
    window = {"ChargeStartDate": first, "ChargeEndDate": last}
    books.invoice([seat(quantity="1", ChargeType="somethingElse", **window)], "G8B", dated="2026-09-09")
    charged(books, "G9")
    row = next(one for one in books.reconciled("G9")["lines"] if one["verdict"] == "not_on_invoice")
    assert (row["months"], row["so_far"]) == (2, "100.00")


def test_a_credit_repays_whatever_the_provider_calls_it(books: Books) -> None:
    charged(books, "G8")
    charged(books, "G9", seat(quantity="1", subtotal="-20", ChargeType="Offset a line item"))
    assert history(books, "G8") == {"months": 1, "so_far": "0.00", "repaid": "20.00", "is_closed": True}


def test_a_credit_that_prints_a_window_repays_that_one_first(books: Books) -> None:
    charged(books, "G8"), charged(books, "G9")
    window = {"ChargeStartDate": "2026-09-01", "ChargeEndDate": "2026-09-30"}
    charged(books, "G10", seat(quantity="1", subtotal="-25", ChargeType="customerCredit", **window))
    assert history(books, "G9") == {"months": 2, "so_far": "15.00", "repaid": "20.00", "is_closed": True}
    assert history(books, "G8") == {"months": 1, "so_far": "15.00", "repaid": "5.00", "is_closed": False}


def test_what_the_provider_never_charged_cannot_be_paid_back(books: Books) -> None:
    books.subscription("S-2", "2", cost_price="10"), books.load()
    charged(books, "G8")
    window = {"ChargeStartDate": "2026-09-01", "ChargeEndDate": "2026-09-30"}
    charged(books, "G9", seat("S-2", quantity="4", **window))
    charged(books, "G10", seat("S-2", quantity="1", subtotal="-40", ChargeType="customerCredit"))
    states = {number: next(one for one in books.reconciled(number)["lines"] if one["subscription_id"] == "S-2") for number in ("G8", "G9")}
    assert {number: (one["verdict"], one["review_state"], one["repaid"]) for number, one in states.items()} == {
        "G8": ("not_on_invoice", "open", None),
        "G9": ("not_reconcilable", "accepted", "40.00"),
    }
