"""Does a table leave so that nothing runs, no digit is lost and no id turns into a number?"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from w365core.errors import CallRefused
from w365core.frames import Kind
from w365core.reports import export
from w365core.reports.line_columns import LICENSE_COLUMNS, SUMMARY_COLUMNS, USAGE_COLUMNS
from w365core.reports.tables import Column, amount, day, number, shown

COLUMNS = (
    Column("key", "Key", Kind.ID),
    amount("cost", "Cost"),
    number("quantity", "Quantity"),
    day("on", "On"),
    Column("currency", "Currency"),
)


def row(**more):
    return {"key": "00123", "cost": Decimal("5"), "quantity": Decimal("-2.50"), "on": date(2026, 11, 8), "currency": "EUR"} | more


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheet_of(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


def strings_of(content: bytes) -> list[str]:
    return re.findall(r"<t(?: [^>]*)?>(.*?)</t>", sheet_of(content), re.DOTALL)


def test_numbers_stay_numbers_and_ids_stay_text():
    assert read_csv(export.csv_bytes(COLUMNS, [row()])) == [
        {"Key": "00123", "Cost": "5.00", "Quantity": "-2.50", "On": "2026-11-08", "Currency": "EUR"}
    ]
    sheet = sheet_of(export.excel_bytes(COLUMNS, [row()], title="x"))
    assert "<v>5.00</v>" in sheet and "<v>-2.50</v>" in sheet
    assert "00123" in strings_of(export.excel_bytes(COLUMNS, [row()], title="x"))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\0"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str):
    hostile = f"{start}HYPERLINK(1)"
    assert read_csv(export.csv_bytes(COLUMNS, [row(key=hostile)]))[0]["Key"] == f"'{hostile}"
    excel = export.excel_bytes(COLUMNS, [row(key=hostile)], title="x")
    assert "<f>" not in sheet_of(excel)
    assert any(text.startswith("'") for text in strings_of(excel))


HOSTILE = [
    f"{before}{sign}{body}"
    for before in ("", " ", "  ", "\t", "\r", "\n", "\u00a0", "\u3000")
    for sign in ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    for body in ("1+1", 'HYPERLINK("http://evil.example","x")', "cmd|' /C calc'!A0", "SUM(A1:A9)")
]


def test_256_hostile_texts_leave_through_every_export_without_a_live_formula():
    rows = [row(key=text) for text in HOSTILE]
    back = [line["Key"] for line in read_csv(export.csv_bytes(COLUMNS, rows))]
    assert len(HOSTILE) == 256 and all(text.startswith("'") for text in back)
    excel = export.excel_bytes(COLUMNS, rows, title="x")
    assert "<f>" not in sheet_of(excel) and "<hyperlink" not in sheet_of(excel)
    assert sum(text.startswith("&apos;") or text.startswith("'") for text in strings_of(excel)) == len(HOSTILE)


def test_a_header_cannot_run_either():
    assert export.csv_bytes((Column("a", "=1+1"),), []).decode("utf-8-sig").startswith("'=1+1")


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_text_comes_back_from_the_csv_with_at_most_an_apostrophe_before_it(text: str):
    back = read_csv(export.csv_bytes((Column("a", "a"),), [{"a": text}, {"a": "end"}]))
    assert [line["a"] for line in back][-1] == "end"
    if text:
        assert back[0]["a"] in (text, f"'{text}")
        assert not back[0]["a"].startswith(("=", "+", "-", "@", "\t", "\r", "\0"))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**22), max_value=10**22, places=12))
def test_every_digit_of_a_number_leaves_in_the_csv(cost: Decimal):
    assert Decimal(read_csv(export.csv_bytes(COLUMNS, [row(cost=cost)]))[0]["Cost"]) == cost


@pytest.mark.parametrize(
    ("columns", "name"), [(SUMMARY_COLUMNS, "cost"), (USAGE_COLUMNS, "billing_pre_tax_total"), (LICENSE_COLUMNS, "unit_price")]
)
def test_every_digit_leaves_of_a_number_that_the_page_rounds(columns: tuple[Column, ...], name: str):
    row = {name: Decimal("2282.4000734296249"), "currency": "EUR"}
    column = next(column for column in columns if column.name == name)
    assert shown(column, row) != "2,282.4000734296249"
    assert read_csv(export.csv_bytes(columns, [row]))[0][column.label] == "2282.4000734296249"


def test_a_number_that_excel_would_round_leaves_as_text():
    long = Decimal("12345678901234.567890")
    assert strings_of(export.excel_bytes(COLUMNS, [row(cost=long)], title="x")).count("12345678901234.567890") == 1
    assert "<v>123456789012.345</v>" in sheet_of(export.excel_bytes(COLUMNS, [row(cost=Decimal("123456789012.345"))], title="x"))


def test_a_blank_cell_stays_blank_and_is_not_zero():
    assert read_csv(export.csv_bytes(COLUMNS, [row(cost=None, on=None)]))[0] | {"Key": ""} == {
        "Key": "", "Cost": "", "Quantity": "-2.50", "On": "", "Currency": "EUR"
    }  # fmt: skip


def test_more_rows_than_excel_may_hold_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export, "MOST_EXCEL_ROWS", 2)
    with pytest.raises(CallRefused, match="take the CSV"):
        export.excel_bytes(COLUMNS, [row()] * 3, title="x")


def test_a_sheet_takes_a_name_that_excel_forbids():
    assert export.excel_bytes(COLUMNS, [row()], title="a/b[c]:d*" * 9)
