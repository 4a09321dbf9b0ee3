"""Is an edited cell told from one that a spreadsheet only prints otherwise, and is each cell that cannot be taken named with its reason?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given, settings, strategies as st

from w365core import money
from w365core.correction import COLUMNS, Preview
from w365core.rating import cells, corrections, judged as rating_judged
from w365core.rating.cells import Stored
from w365core.rating.judged import Came, Judged

D = Decimal


def stored(cost: str = "1234.50", markup: str | None = "15", **said: object) -> Stored:
    selling = None if markup is None else money.selling_amount(D(cost), D(markup), str(said.get("currency", "EUR")))
    row = Stored(
        "u1", "G1", "A-1", "U-1", "Azure plan", date(2026, 10, 1), date(2026, 10, 31), D(1), D(cost), "EUR", None if markup is None else D(markup),
        selling, "Not invoiced", 1, 7, True, None, "Contoso",
    )  # fmt: skip
    return row._replace(**said)


def came(row: Stored, **edits: str) -> Came:
    printed = dict(zip(COLUMNS, cells.cells(row), strict=True)) | edits
    return Came(2, tuple(printed[name] for name in COLUMNS))


def judged(row: Stored, *, decimal_comma: bool = False, **edits: str) -> Preview:
    rows = corrections.not_as_exported([came(row, **edits)])
    reading = corrections.reading_of(rows, decimal_comma=decimal_comma)
    found = corrections.settled(corrections.judge(rows, {row.usage_id: row}, reading), {row.usage_id: row}, {})
    return rating_judged.preview(found, rows=1)


def test_a_row_has_one_text_and_a_hash_with_its_version_in_front() -> None:
    printed = cells.cells(stored("12.5", version=3))
    assert printed[0] == "u1" and printed[1].startswith("3-") and printed[2:] == (
        "G1", "A-1", "U-1", "Azure plan", "2026-10-01", "2026-10-31", "1", "12.50", "EUR", "15", "14.38", "Not invoiced",
    )  # fmt: skip
    assert cells.cells(stored("12.500", version=3)) == printed, "a value is hashed, not its zeros"


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "row_hash"])
def test_the_hash_covers_every_other_cell_and_the_version(name: str) -> None:
    printed = list(cells.cells(stored()))
    was = printed[1]
    printed[COLUMNS.index(name)] += "1"
    assert cells.row_hash(printed, 1) != was != cells.cells(stored(version=2))[1]


@pytest.mark.parametrize(
    "edits",
    [
        {"charge_start": "10/1/2026", "charge_end": "10/31/2026"},
        {"charge_start": "1/10/2026", "charge_end": "31/10/2026"},
        {"charge_start": "01.10.2026", "charge_end": "31.10.2026"},
        {"charge_start": "2026-10-01 00:00:00", "charge_end": "2026-10-31T00:00:00"},
        {"charge_start": "2026/10/1", "charge_end": "2026/10/31"},
        {"cost": "1234.5", "selling_amount": "1,419.68"},
        {"cost": "1.234,50", "selling_amount": "1419,68", "markup_pct": "15,0"},
        {"cost": "1,234.50", "quantity": "1.0", "markup_pct": "15.00"},
        {"cost": "€ 1,234.50"},
        {"product": "Azure plan ", "account": " A-1", "status": "Not invoiced ", "usage_id": " u1"},
    ],
)
def test_what_a_spreadsheet_reformatted_is_no_edit(edits: dict[str, str]) -> None:
    found = judged(stored(), **edits)
    assert (found.changed, found.refused) == (0, ())
    both = judged(stored(), **edits | {"markup_pct": "20"})
    assert (both.changed, both.refused, both.amount_after) == (1, (), D("1481.40"))


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ("12.3456789012", "12.3456789"),
        ("0.0000123456789", "1.23457E-05"),
        ("0.000123456789012", "0.000123457"),
        ("12.3000000001", "12.3"),
        ("1234567890123.4567", "1.23457E+12"),
        ("5.123456789012345678", "5.12345678901235"),
        ("-12.3456789012", "-12.3456789"),
        ("12345.678901234", "12,345.6789"),
    ],
)
def test_what_a_spreadsheet_rounds_when_it_saves_a_csv_is_no_edit(cost: str, shown: str) -> None:
    assert judged(stored(cost), cost=shown).unchanged == 1
    found = judged(stored(cost), cost=shown, markup_pct="20")
    assert found.changed == 1 and found.amount_after == money.selling_amount(D(cost), D(20), "EUR")


@pytest.mark.parametrize(
    ("cost", "typed"), [("100.123", "100.12"), ("12.3456789012", "12.35"), ("12.3456789012", "12.345678"), ("1234567.89", "1.23E+06")]
)
def test_what_a_person_rounds_is_an_edit(cost: str, typed: str) -> None:
    assert judged(stored(cost), cost=typed).changed == 1


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"usage_id": "u-other"}, "no such usage"),
        ({"row_hash": ""}, "is blank"),
        ({"row_hash": "1-abc"}, "no hash of an export"),
        ({"invoice": "G2"}, "cannot be edited"),
        ({"account": "A-2"}, "cannot be edited"),
        ({"account": "a-1"}, "cannot be edited"),
        ({"subscription": ""}, "cannot be edited"),
        ({"product": "Azure"}, "cannot be edited"),
        ({"charge_start": "2026-10-02"}, "cannot be edited"),
        ({"charge_end": "soon"}, "cannot be edited"),
        ({"currency": "USD"}, "cannot be edited"),
        ({"status": "Archived"}, "cannot be edited"),
        ({"selling_amount": "99.00"}, "computed: edit the markup"),
        ({"markup_pct": ""}, "blank"),
        ({"markup_pct": "-0.01"}, "negative"),
        ({"markup_pct": "12 %"}, "not a number"),
        ({"markup_pct": "1000.01"}, "over 1000"),
        ({"markup_pct": "12,345"}, "may be read two ways, 12.345 or 12345, and 12345 is over 1000 per cent; write it with a point, as 12.345"),
        ({"cost": ""}, "blank"),
        ({"cost": "much"}, "not a number"),
        ({"quantity": " "}, "blank"),
        ({"quantity": "1e400"}, "not a number"),
    ],
)  # fmt: skip
def test_each_refusal_names_row_column_value_and_reason(edits: dict[str, str], reason: str) -> None:
    ((column, value),) = edits.items()
    found = judged(stored(), **edits)
    assert [(one.row, one.column, one.value) for one in found.refused] == [(2, column, value)] and reason in found.refused[0].reason
    assert (found.rows, found.changed, found.unchanged) == (1, 0, 0)


@given(
    cost=st.decimals(-(10**6), 10**6, places=12) | st.decimals(-1, 1, places=20),
    markup=st.none() | st.decimals(0, 1000, places=4),
    quantity=st.decimals(-(10**9), 10**9, places=6),
    days=st.tuples(st.dates(date(1990, 1, 1)), st.dates(date(1990, 1, 1))),
    product=st.text(st.characters(exclude_categories=["C"]), max_size=20),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    comma=st.booleans(), order=st.sampled_from(["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d 00:00:00"]), grouped=st.booleans(), guarded=st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_whatever_a_spreadsheet_makes_of_a_row_it_is_unedited_also_without_the_database(
    cost, markup, quantity, days, product, currency, comma, order, grouped, guarded
) -> None:
    selling = None if markup is None else money.selling_amount(cost, markup, currency)
    row = stored()._replace(
        cost=cost,
        markup_pct=markup,
        quantity=quantity,
        charge_start=days[0],
        charge_end=days[1],
        product=product,
        currency=currency,
        selling_amount=selling,
    )

    def shown(number: Decimal | None) -> str:
        text = "" if number is None else f"{number:{',' if grouped else ''}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text.translate(str.maketrans(",.", ".,")) if comma else text

    edits = {"cost": shown(cost), "markup_pct": shown(markup), "quantity": shown(quantity), "selling_amount": shown(selling)}
    edits |= {"charge_start": days[0].strftime(order), "charge_end": days[1].strftime(order)}
    edits["product"] = f"{' ' if guarded else ''}'{product} " if guarded or product.startswith(("=", "+", "-", "@")) else product
    back = came(row, **edits)
    found = corrections.judge(corrections.not_as_exported([back]), {}, corrections.reading_of([back], decimal_comma=comma))
    assert found == Judged(), "and against its stored row it is the same"
    assert judged(row, decimal_comma=comma, **edits).unchanged == 1


@given(st.decimals(-(10**9), 10**9, places=2), st.decimals(-(10**9), 10**9, places=2))
@example(Decimal("-999999999.95"), Decimal("-1000000000.00"))  # with one place they are alike
@settings(max_examples=200, deadline=None)
def test_two_amounts_of_cents_are_never_taken_for_one(one: Decimal, other: Decimal) -> None:
    assert cells.same_number(cells.number(one, least=2), cells.number(other, least=2)) == (one == other)


QUICK = {"20": 1, "12,5": 1, "": 0, "-1": 0, "1001": 0, "15": 0, "15.0": 0, "15.00": 0, "15,00": 0, "015": 0, "1.5e1": 0}


def test_what_is_judged_quickly_is_judged_alike() -> None:
    """Only a good markup of another value, and nothing else, is taken by the quick way; the thorough way says the same of it."""
    row = stored("12.3456789")
    printed = cells.cells(row)
    glue = cells.SEPARATOR.join
    line = ("u1", 1, glue(printed[2:11]), "15", glue(printed[12:]), 7, "A-1", "Contoso", "EUR", "Not invoiced", True, row.selling_amount)
    reading = cells.Reading(False, cells.DateOrder.MONTH_FIRST)
    for typed, taken in QUICK.items():
        rows = [came(row, markup_pct=typed)]
        changes, others = corrections.only_markups(rows, [line], reading)
        thorough = corrections.judge(rows, {"u1": row}, reading).changes
        assert (len(changes), len(others)) == (taken, 1 - taken), typed
        assert changes == thorough, typed
    for other in (
        came(row, markup_pct="20", cost="9"),
        came(row, markup_pct="20", charge_start="10/1/2026"),
        came(row, markup_pct="20", row_hash="2-0"),
    ):
        assert corrections.only_markups([other], [line], reading) == ([], [other])
    twice = [came(row, markup_pct="20"), came(row, markup_pct="21")]
    assert corrections.only_markups(twice, [line], reading) == ([], twice)
    invoiced = (*line[:9], "Invoiced", *line[10:])
    assert corrections.only_markups(twice[:1], [invoiced], reading)[0] == []


def test_a_markup_with_a_point_in_a_file_of_decimal_commas_may_be_read_two_ways() -> None:
    german = {"cost": "1234,50", "selling_amount": "1419,68"}
    (refused,) = judged(stored(), markup_pct="12.345", **german).refused
    assert "two ways, 12,345 or 12345" in refused.reason and "write it with a comma, as the file does, as 12,345" in refused.reason
    assert judged(stored(), markup_pct="12,345", **german).changed == 1
