"""Is a CSV of fixes read as strictly as our records, with every bad row named, and does it survive its way through a spreadsheet?"""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from w365core.intake import fix_files
from w365core.model import Fix, FixAction
from w365core.reports import missing_references as report
from w365core.reports.missing_references import Thing

HEADER = "action,provider,key,account_id,subscription_id,kind,quantity,rate_to_base,product_id\n"


def read(rows: str, header: str = HEADER) -> fix_files.ReadFixes:
    return fix_files.read("fixes.csv", (header + rows).encode())


def test_each_row_is_a_fix_and_a_row_without_an_action_is_left_out():
    found = read("map_account,csp,c-1,A-1,,,,,\n,csp,c-2,,,,,,\nadd_currency,,chf,,,,,1.05,\n")
    assert found.problems == () and found.lines == (2, 4)
    assert found.fixes == (
        Fix(FixAction.MAP_ACCOUNT, "c-1", "csp", account_id="A-1"),
        Fix(FixAction.ADD_CURRENCY, "chf", rate_to_base=Decimal("1.05")),
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("map,csp,c-1,A-1,,,,,", "row 2, column action: found 'map', expected one of map_account, add_subscription"),
        ("map_account,csp,c-1,,,,,,", "row 2, column account_id: expected a value, which map_account cannot be without"),
        ("map_account,,c-1,A-1,,,,,", "row 2, column provider"),
        ("map_account,csp,,A-1,,,,,", "row 2, column key"),
        ("add_currency,,CHF,,,,,1,05,", "9 cells as in the header, not 10"),
        ("add_currency,,CHF,,,,,much,", "row 2, column rate_to_base: found 'much', expected a rate above zero"[:45]),
        ("add_currency,,CHF,,,,,0,", "expected a rate above zero"),
        ("add_subscription,csp,s-1,A-1,,Seats,,,", "row 2, column kind: found 'Seats'"),
        ("add_subscription,csp,s-1,A-1,,License,1E5,,", "row 2, column quantity"),
        ("alias,csp,s-1,,,,,,", "row 2, column subscription_id"),
        ("choose_product,csp,p-1,,,,,,", "row 2, column product_id"),
    ],
)
def test_a_bad_row_is_named_with_its_column_and_what_was_expected(row: str, said: str):
    found = read(f"{row}\nmap_account,csp,c-9,A-9,,,,,\n")
    assert found.fixes == () and said in str(found.problems[0])


def test_every_bad_row_is_named():
    found = read("map_account,csp,c-1,,,,,,\nmap_account,csp,c-2,A-1,,,,,\nalias,csp,s-1,,,,,,\nmap_account,csp,C-2,A-2,,,,,\n")
    assert [(problem.row, problem.column) for problem in found.problems] == [(2, "account_id"), (4, "subscription_id"), (5, "key")]


@pytest.mark.parametrize("content", [b"", b"\xff\xfea\0", b"key\n1\n", b"action;key\nx;y\n", b"action,key,key\n"])
def test_what_is_no_such_file_is_said_to_be_none(content: bytes):
    assert fix_files.read("fixes.csv", content).problems


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs", "Cf", "Cn", "Co")), min_size=1, max_size=12)
_ID = st.one_of(_TEXT, st.sampled_from(["=1+1", "-7", "+x", "@y", "'quoted", "0012", 'a"b', "a,b"]))


@given(
    key=_ID,
    provider=_TEXT,
    name=_ID,
    account=_ID,
    quantity=st.decimals(0, 10**6, places=3),
    day=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)
def test_what_is_written_is_read_back_as_it_was(key, provider, name, account, quantity, day):
    fix = Fix(
        FixAction.ADD_SUBSCRIPTION, key, provider, account_id=account, subscription_id=f"s{key}", name=name, kind="License",
        quantity=quantity, under=provider, start_date=day, status="Active", confidence=Decimal("0.5"), because=name,
    )  # fmt: skip
    thing = Thing("1", "subscription", key, provider, name, 1, {"EUR": Decimal(1)}, (), (), "", fix)
    content = report.fixes_csv([thing])
    assert not any(
        cell[:1] in ("=", "+", "-", "@") for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) for cell in row
    )
    found = fix_files.read("fixes.csv", content)
    assert found.problems == ()
    (back,) = found.fixes
    assert {
        name: getattr(back, name) for name in ("action", "key", "provider", "account_id", "kind", "quantity", "under", "start_date")
    } == {name: getattr(fix, name) for name in ("action", "key", "provider", "account_id", "kind", "quantity", "under", "start_date")}
