"""Does each cell of the map say the worst of its invoices, in words, and is no invoice left out?"""

from __future__ import annotations

from datetime import date

import pytest

from w365core.reports import figures, status_map


def cells(found) -> dict[tuple[str, str], str]:
    return {(cell.provider, cell.month): cell.told for cell in found.standings.cells}


def test_a_cell_says_its_worst_standing_and_all_the_others(report):
    found = report({}, {"status": "Error"}, {"status": "Error"}, {"message": "noted"}, {"provider": "other", "on": date(2026, 10, 2)})
    assert cells(found) == {("csp-demo", "2026-11"): "2 Error, 1 Warning, 1 Active", ("other", "2026-10"): "1 Active"}
    cell = found.standings.cells[0]
    assert (cell.worst, cell.of_these, cell.invoices) == ("Error", 2, 4)
    assert (found.standings.providers, found.standings.months) == (("csp-demo", "other"), ("2026-10", "2026-11"))


@pytest.mark.parametrize(
    ("one", "other", "worst"),
    [
        ({"status": "Error"}, {"status": "Populating"}, "Error"),
        ({"status": "Populating"}, {"changed_at_provider": True}, "Populating"),
        ({"changed_at_provider": True}, {"message": "noted"}, "Changed"),
        ({"message": "noted"}, {}, "Warning"),
        ({"status": "Active Usage"}, {"status": "Deactivated"}, "Active Usage"),
    ],
)
def test_what_holds_money_up_is_worse_than_what_does_not(report, one: dict, other: dict, worst: str):
    assert report(other, one).standings.cells[0].worst == worst


def test_twelve_months_are_shown_and_the_earlier_ones_counted(report):
    found = report(*({"on": date(2025 + n // 12, n % 12 + 1, 3)} for n in range(15))).standings
    assert (len(found.months), found.months[0], found.months[-1], found.earlier) == (12, "2025-04", "2026-03", 3)


def test_an_invoice_without_a_date_has_a_column_of_its_own(report):
    found = report({}, {"on": date(2026, 11, 1), "invoice_date": None, "status": "Error"}).standings
    assert found.months == ("2026-11", status_map.NO_DATE)
    figure = figures.by_status(found, label=str, color=lambda _: "#000000", ink="#000000")
    assert list(figure.layout.xaxis.ticktext) == ["Nov<br>2026", "no<br>date"]


def test_the_word_stands_in_the_cell_and_a_hostile_provider_is_defused(report):
    found = report({"provider": "<a href=x>"}, {"provider": "<a href=x>", "status": "Error"}).standings
    bars, words = figures.by_status(found, label=lambda word: f"! {word}", color=lambda _: "#000000", ink="#000000").data
    assert list(words.text) == ["! Error<br>1 of 2"]
    assert "<a" not in bars.hovertext[0]
    assert [list(point) for point in bars.customdata] == [["<a href=x>", "2026-11"]]
