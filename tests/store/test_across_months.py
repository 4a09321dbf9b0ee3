"""Does a difference that goes on say since when and how much, and does a credit close it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.books import Books, Row, seat
from tests.conftest import Command

MONTHS = {
    "G8": ("2026-08-01", "2026-08-31", "2026-09-08"),
    "G9": ("2026-09-01", "2026-09-30", "2026-10-08"),
    "G10": ("2026-10-01", "2026-10-31", "2026-11-08"),
}


@pytest.fixture
def books(w365: Command, tmp_path: Path) -> Books:
    made = Books(w365, tmp_path)
    made.subscription(), made.log("L-1", "10")
    made.load()
    return made


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
