"""Is a price of before told where it was another than today's?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, strategies as st

from w365core.reports import price_history

ROW = {"snapshot": date(2026, 10, 1), "charge_end": date(2026, 10, 31)}
OURS = {"selling_price": Decimal("14.40"), "currency": "EUR"}


def log(day: str | None, price: str | None, currency: str | None = "EUR", name: str = "L") -> dict[str, Any]:
    effective = None if day is None else date.fromisoformat(day)
    return {
        "change_log_id": name,
        "effective_date": effective,
        "selling_price": None if price is None else Decimal(price),
        "currency": currency,
    }


def test_a_price_that_held_on_the_day_of_the_count_is_told_beside_todays() -> None:
    said = price_history.sentence(ROW, [log("2026-01-01", "12"), log("2026-11-01", "14.40")], OURS)
    assert said == "By our change logs a seat sold for 12.00 EUR on 1 Oct 2026; our price today is 14.40 EUR."


def test_a_price_that_changed_inside_the_window_is_told_with_its_day() -> None:
    said = price_history.sentence(ROW, [log("2026-01-01", "12"), log("2026-10-12", "13"), log("2026-12-01", "14.40")], OURS)
    assert (
        said == "By our change logs a seat sold for 12.00 EUR on 1 Oct 2026, 13.00 EUR from 12 Oct 2026 on; our price today is 14.40 EUR."
    )


def test_a_price_that_never_changed_needs_no_word() -> None:
    assert price_history.sentence(ROW, [log("2026-01-01", "14.4"), log("2026-10-12", "14.40", None), log("2026-10-13", None)], OURS) is None
    assert price_history.sentence(ROW, [log("2026-11-01", "9")], OURS) is None, "what holds after the window says nothing of it"


def test_of_two_logs_of_a_day_the_last_holds() -> None:
    assert price_history.prices([log("2026-01-01", "2", name="b"), log("2026-01-01", "1", name="a")], "EUR") == [
        (date(2026, 1, 1), Decimal(2), "EUR")
    ]


_LOGS = st.lists(
    st.tuples(st.dates(date(2026, 9, 1), date(2026, 11, 30)), st.sampled_from(["1", "2", "3"])), max_size=8, unique_by=lambda one: one[0]
)


@given(_LOGS, st.dates(date(2026, 9, 1), date(2026, 11, 30)))
def test_the_price_of_a_day_is_that_of_the_last_log_until_it(made: list[tuple[date, str]], day: date) -> None:
    known = [one for one in price_history.prices([log(when.isoformat(), price) for when, price in made], None) if one[0] <= day]
    slow = [price for when, price in sorted(made) if when <= day]
    assert [str(price) for _, price, _ in known[-1:]] == slow[-1:]
