"""Our record files: what is accepted, what is refused, and that every refusal names file, row, column, value and expectation."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from w365core.errors import CallRefused
from w365core.intake.record_references import dangling, references
from w365core.intake.records import MOST_BAD_ROWS, read_file, read_folder

GUID = "0E195B37-4574-4539-BC42-0E539B9684C0"


def read(name: str, text: str):
    return read_file(name, text.encode())


def only_problem(name: str, text: str | bytes):
    found = read_file(name, text if isinstance(text, bytes) else text.encode())
    assert len(found.problems) == 1, found.problems
    return found.problems[0]


def test_values_are_typed_by_their_column():
    found = read("accounts.csv", "account_id,name,domain,currency,credit_hold\n007,Contoso,contoso.com,eur,YES\n008,,, ,no\n")
    assert not found.problems
    assert list(found.as_dicts()) == [
        {"account_id": "007", "name": "Contoso", "domain": "contoso.com", "currency": "EUR", "credit_hold": True},
        {"account_id": "008", "name": None, "domain": None, "currency": None, "credit_hold": False},
    ]
    assert list(found.lines) == [2, 3]


def test_a_bom_another_header_order_and_display_headers_are_met():
    text = "\ufeffStatus Reason,Change Log ID,Provisioning Status,QUANTITY\r\narchived,L1,not applicable,-3\r\n"
    (row,) = read("license_change_logs.csv", text).as_dicts()
    assert row == {"change_log_id": "L1", "quantity": Decimal(-3), "provisioning_status": "Not Applicable", "status_reason": "Archived"}


def test_unknown_columns_are_ignored_with_a_warning():
    found = read("accounts.csv", "(Do Not Modify) Row Checksum,account_id,Favourite colour\nx,A1,blue\n")
    assert list(found.as_dicts()) == [{"account_id": "A1"}]
    assert found.warnings == ("accounts.csv: unknown columns were ignored: '(Do Not Modify) Row Checksum', 'Favourite colour'",)


def test_guids_are_lower_cased_in_keys_and_references_and_other_ids_stay_as_written():
    text = f"subscription_id,account_id,contract_id,kind\n{GUID},{GUID},00123,license\n1E5,AbC,0002,Usage\n"
    rows = list(read("subscriptions.csv", text).as_dicts())
    assert rows[0] == {"subscription_id": GUID.lower(), "account_id": GUID.lower(), "contract_id": "00123", "kind": "License"}
    assert (rows[1]["subscription_id"], rows[1]["account_id"], rows[1]["contract_id"]) == ("1E5", "AbC", "0002")


def test_a_row_number_is_the_line_its_row_starts_on_even_after_a_cell_of_several_lines():
    text = 'account_id,name,credit_hold\nA1,"two\nlines",true\n\nA2,x,perhaps\n'
    found = read("accounts.csv", text)
    assert [(problem.row, problem.column) for problem in found.problems] == [(5, "credit_hold")]
    assert list(found.as_dicts()) == [{"account_id": "A1", "name": "two\nlines", "credit_hold": True}]


@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n"])
def test_any_line_end_is_a_line_end(ends):
    found = read("accounts.csv", ends.join(["account_id,name", "A1,x", "A2,y"]))
    assert [row["account_id"] for row in found.as_dicts()] == ["A1", "A2"]
    assert list(found.lines) == [2, 3]


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("quantity", "1e400", "a decimal number"),
        ("quantity", "1E5", "a decimal number"),
        ("quantity", "1,5", "a decimal number"),
        ("quantity", "1,234.50", "a decimal number"),
        ("quantity", "1_000", "a decimal number"),
        ("quantity", "NaN", "a decimal number"),
        ("quantity", "Infinity", "a decimal number"),
        ("quantity", "12 EUR", "a decimal number"),
        ("quantity", "\u2212" + "5", "a decimal number"),
        ("quantity", "٣", "a decimal number"),
        ("quantity", "1" + "0" * 22, "a decimal number"),
        ("quantity", "0." + "0" * 30 + "1", "a decimal number"),
        ("effective_date", "11/3/2026", "YYYY-MM-DD"),
        ("effective_date", "20261103", "YYYY-MM-DD"),
        ("effective_date", "2026-W45-1", "YYYY-MM-DD"),
        ("effective_date", "2026-11-03T00:00:00", "YYYY-MM-DD"),
        ("effective_date", "2025-02-29", "YYYY-MM-DD"),
        ("effective_date", "2026-1-3", "YYYY-MM-DD"),
        ("status_reason", "Closed", "one of Active, Archived"),
        ("currency", "€", "three letters"),
        ("subscription_id", "S\u200b1", "visible characters"),
        ("subscription_id", "x" * 401, "at most 400"),
    ],
)
def test_a_bad_cell_is_named_with_row_column_value_and_expectation(column, cell, expected):
    text = io.StringIO()
    csv.writer(text).writerows([["change_log_id", column], ["L1", ""], ["L2", cell]])
    problem = only_problem("license_change_logs.csv", text.getvalue())
    assert (problem.file, problem.row, problem.column, problem.value) == ("license_change_logs.csv", 3, column, cell)
    assert expected in problem.expected


def test_every_bad_cell_of_a_row_is_named():
    found = read("license_change_logs.csv", "change_log_id,quantity,effective_date\nL1,many,soon\n")
    assert [problem.column for problem in found.problems] == ["quantity", "effective_date"]
    assert found.bad_rows == 1


@pytest.mark.parametrize("cell", ["maybe", "2", "ja"])
def test_only_true_false_yes_no_1_0_are_booleans(cell):
    assert "true or false" in only_problem("accounts.csv", f"account_id,credit_hold\nA1,{cell}\n").expected


@pytest.mark.parametrize("rate", ["0", "-1", "0.000"])
def test_a_rate_to_base_is_above_zero(rate):
    assert only_problem("currencies.csv", f"code,rate_to_base\nEUR,{rate}\n").expected == "a rate above zero"


def test_a_required_column_must_not_be_blank():
    problem = only_problem("currencies.csv", "code,rate_to_base\nEUR,\n")
    assert (problem.row, problem.column) == (2, "rate_to_base")


@pytest.mark.parametrize("key", ["", "   "])
def test_a_blank_key_is_refused(key):
    problem = only_problem("accounts.csv", f"account_id,name\nA1,x\n{key},y\n")
    assert (problem.row, problem.column) == (3, "account_id")


def test_a_row_without_any_content_is_passed_over():
    found = read("accounts.csv", "account_id,name\nA1,x\n,\n , \n\nA2,y\n,,,,\n")
    assert not found.problems
    assert list(found.lines) == [2, 6]


def test_change_logs_need_their_key_only():
    found = read("license_change_logs.csv", "change_log_id,subscription_id,quantity,effective_date,currency\nL1,,,,\n")
    assert not found.problems
    assert next(found.as_dicts())["quantity"] is None


@pytest.mark.parametrize("second", ["A1,x", "A1,y", "A1 ,x"])
def test_a_repeated_key_is_refused_naming_the_first_line(second):
    problem = only_problem("accounts.csv", f"account_id,name\nA1,x\nA2,x\n{second}\n")
    assert (problem.row, problem.column, problem.value) == (4, "account_id", "A1")
    assert "line 2" in problem.expected


def test_keys_that_differ_only_in_the_case_of_a_guid_are_one_key():
    assert only_problem("accounts.csv", f"account_id\n{GUID}\n{GUID.lower()}\n").row == 3


def test_keys_of_several_columns_repeat_only_as_a_whole():
    found = read("invoice_lines.csv", "invoice_number,line_number\nI1,1\nI1,2\nI2,1\nI1,02\n")
    assert [(problem.row, problem.value) for problem in found.problems] == [(5, "I1, 2")]


def test_a_missing_key_column_is_refused_by_name():
    found = read("provider_accounts.csv", "provider_name,account_id\nContoso,A1\n")
    assert [problem.column for problem in found.problems] == ["provider", "provider_account_id"]


def test_a_repeated_column_is_refused():
    problem = only_problem("accounts.csv", "account_id,name,Account ID\nA1,x,A2\n")
    assert (problem.row, problem.column, problem.value) == (1, "account_id", "Account ID")


def test_semicolons_are_named_as_what_is_wrong():
    assert "commas" in only_problem("accounts.csv", "account_id;name\nA1;x\n").expected


@pytest.mark.parametrize(("row", "cells"), [("A1", 1), ("A1,x,y", 3), ("A1,1,5", 3)])
def test_short_and_long_rows_are_refused(row, cells):
    problem = only_problem("accounts.csv", f"account_id,name\nA0,w\n{row}\n")
    assert problem.row == 3
    assert problem.expected == f"2 cells as in the header, not {cells}"


@pytest.mark.parametrize(
    ("content", "row", "expected"),
    [
        (b"account_id,name\nA1,M\xfcller\n", 2, "UTF-8"),
        (b"\xef\xbb\xbfaccount_id,name\nA1,x\nA2,M\xfcller\n", 3, "UTF-8"),
        ("account_id,name\nA1,x\n".encode("utf-16"), None, "UTF-16"),
        (b"account_id,name\nA1,x\x00y\n", 2, "NUL"),
        (b"", None, "empty"),
        (b"\xef\xbb\xbf", None, "empty"),
        (b'account_id,name\nA1,"x\nA2,y\n', 2, "closing quote"),
        (b'account_id,name\nA1,"x"y\n', 2, "after a closing quote"),
        (b"account_id,name\nA1," + b"x" * 200_000 + b"\n", 2, "characters"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(content, row, expected):
    problem = only_problem("accounts.csv", content)
    assert problem.row == row
    assert expected in problem.expected


def test_the_first_hundred_bad_rows_are_named_and_all_are_counted():
    bad = "".join(f"A{number},?\n" for number in range(250))
    records = read_folder({"accounts.csv": b"account_id,credit_hold\n" + bad.encode(), "products.csv": b"product_id\n\xff\n"})
    assert len(records.problems) == MOST_BAD_ROWS
    assert records.bad_rows == 251


def test_a_folder_is_read_in_loading_order_and_foreign_files_are_warned_of():
    records = read_folder({"subscriptions.csv": b"subscription_id,kind\nS1,Usage\n", "notes.csv": b"", "Accounts.CSV": b"account_id\nA1\n"})
    assert [file.name for file in records.files] == ["accounts.csv", "subscriptions.csv"]
    assert len(records.warnings) == 1 and "notes.csv" in records.warnings[0]


def test_a_folder_without_any_known_file_is_refused():
    with pytest.raises(CallRefused, match=r"accounts\.csv"):
        read_folder({"notes.csv": b"a,b\n"})


def test_references_that_lead_nowhere_are_warned_of_once_per_column():
    records = read_folder(
        {
            "accounts.csv": b"account_id,currency\nA1,EUR\n",
            "subscriptions.csv": b"subscription_id,kind,account_id,contract_id\nS1,Usage,A1,C1\n"
            b"S2,Usage,A2,C1\nS3,Usage,A2,C2\nS4,Usage,,\n",
        }
    )
    assert references(records) == {"account": {"A2"}, "billing_contract": {"C1", "C2"}, "currency": {"EUR"}}
    assert dangling(records, {"billing_contract": {"C1"}, "currency": {"EUR"}}) == [
        "subscriptions.csv: 2 rows name in account_id no known account (1 distinct; the first: row 3, A2)",
        "subscriptions.csv: 1 row names in contract_id no known billing contract (1 distinct; the first: row 4, C2)",
    ]
    assert dangling(records, {"account": {"A2"}, "billing_contract": {"C1", "C2"}, "currency": {"EUR"}}) == []


_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12).map(str.strip).map(lambda text: text or None)
_amounts = st.decimals(-(10**21), 10**21, allow_nan=False, places=6)
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "change_log_id": st.from_regex(r"[0-9A-Z]{1,8}", fullmatch=True),
            "event": _texts,
            "quantity": st.none() | _amounts,
            "effective_date": st.none() | st.dates(),
            "status_reason": st.sampled_from([None, "Active", "Archived"]),
            "cost_price": st.none() | _amounts,
        }
    ),
    unique_by=lambda row: row["change_log_id"],
    max_size=8,
)


@given(_rows, st.permutations(["change_log_id", "event", "quantity", "effective_date", "status_reason", "cost_price"]), st.booleans())
def test_rows_written_as_csv_are_read_back_with_the_same_values(rows, order, bom):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(order)
    for row in rows:
        writer.writerow(["" if row[name] is None else _as_printed(row[name]) for name in order])
    found = read_file("license_change_logs.csv", text.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    assert not found.problems
    assert list(found.as_dicts()) == rows


def _as_printed(value: str | Decimal | date) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


@given(
    st.binary(max_size=120)
    | st.text(alphabet='account_id,name;"\r\n\0\ufeffA1 ', max_size=60).map(lambda text: ("account_id,name\n" + text).encode())
)
def test_no_content_whatever_breaks_the_reader(content):
    found = read_file("accounts.csv", content)
    assert bool(found.problems) is bool(found.bad_rows)
    assert all(str(problem).startswith("accounts.csv") for problem in found.problems)
