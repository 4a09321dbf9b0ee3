"""Do cycles tile the time of a contract, and does each have the invoice date that the contract gives it?"""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, strategies as st

from w365core.billing.cycles import Cycle, Invoiced, Terms, cycle, cycle_of, cycles_from, invoice_date, moved_on, oldest_open

terms = st.builds(
    Terms,
    contract_id=st.just("C-1"),
    frequency=st.sampled_from(["Monthly", "Quarterly", "Annual", None]),
    start_date=st.dates(date(2015, 1, 1), date(2026, 12, 31)),
)


def day(text: str) -> date:
    return date.fromisoformat(text)


@given(terms=terms, after=st.integers(0, 4000))
def test_every_day_of_a_contract_lies_in_exactly_one_cycle(terms: Terms, after: int) -> None:
    somewhen = terms.start_date + timedelta(days=after)
    found = cycle_of(terms, somewhen)
    assert found.start <= somewhen < found.end
    assert cycle(terms, found.number + 1).start == found.end
    assert cycle_of(terms, found.start) == cycle_of(terms, found.last_day) == found


def test_a_contract_from_the_31st_has_its_cycles_at_the_end_of_short_months() -> None:
    starts = [cycle(Terms("C-1", "Monthly", day("2026-01-31")), number).start for number in range(4)]
    assert starts == [day("2026-01-31"), day("2026-02-28"), day("2026-03-31"), day("2026-04-30")]


def test_usage_before_a_contract_belongs_to_its_first_cycle_and_after_its_end_to_its_last() -> None:
    terms = Terms("C-1", "Monthly", day("2026-03-01"), day("2026-05-31"))
    assert cycle_of(terms, day("2026-01-10")).number == 0
    assert cycle_of(terms, day("2026-09-30")).start == day("2026-05-01")
    assert [one.start.month for one in cycles_from(terms, cycle(terms, 0), until=day("2027-01-01"))] == [3, 4, 5]


def test_the_next_invoice_date_is_that_of_the_oldest_cycle_without_an_invoice() -> None:
    terms = Terms("C-1", "Monthly", day("2026-01-01"), next_invoice_date=day("2026-11-12"))
    invoices = [Invoiced("U-9", day("2026-09-01"), day("2026-10-15"), "Paid")]
    oldest = oldest_open(terms, invoices, first_usage=day("2026-10-31"))
    dates = {
        one.start.month: invoice_date(terms, one, invoices, oldest=oldest)
        for one in cycles_from(terms, cycle(terms, 8), until=day("2026-12-01"))
    }
    assert dates == {9: day("2026-10-15"), 10: day("2026-11-12"), 11: day("2026-12-01")}


def test_without_any_invoice_the_oldest_usage_says_which_cycle_waits() -> None:
    terms = Terms("C-1", "Monthly", day("2024-01-01"), next_invoice_date=day("2026-11-12"))
    assert oldest_open(terms, [], first_usage=day("2026-09-30")).start == day("2026-09-01")
    assert oldest_open(terms, [], first_usage=None).start == day("2026-10-01")


def test_a_contract_that_starts_after_its_next_invoice_date_waits_with_its_first_cycle() -> None:
    terms = Terms("C-1", "Quarterly", day("2026-12-01"), next_invoice_date=day("2026-11-12"))
    assert oldest_open(terms, [], first_usage=None) == Cycle(0, day("2026-12-01"), day("2027-03-01"), 3)


def test_a_quarterly_contract_moves_its_date_on_by_three_months() -> None:
    assert moved_on(Terms("C-1", "Quarterly"), day("2026-11-30")) == day("2027-02-28")


def test_a_next_invoice_date_inside_its_cycle_was_not_moved_on() -> None:
    terms = Terms("C-1", "Monthly", day("2026-01-01"), next_invoice_date=day("2026-10-12"))
    october = oldest_open(terms, [], first_usage=day("2026-10-31"))
    assert invoice_date(terms, october, [], oldest=october) == day("2026-11-01")
