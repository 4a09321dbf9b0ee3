"""What lines print: JSON on both paths, cells as spreadsheets write them, and that nothing else ever comes out."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from w365core import frames
from w365core.dates import DateOrder
from w365core.frames import Kind
from w365core.intake import parse as parsing
from w365core.intake.parse import JSON_COLUMN, ROW_COLUMN, Parsed, TextForm, parse, parse_json, parse_json_tolerantly

D = Decimal
RECON = frames.RECONCILIATION
KNOWN = {column.header: column for column in RECON}


def only(line: str | bytes, columns=RECON) -> dict:
    """The values of one line that must be readable."""
    parsed = parse_json([line.encode() if isinstance(line, str) else line], columns)
    assert not parsed.rejections, parsed.rejections
    return {name: values[0] for name, values in parsed.columns.items()} | {"extra": parsed.extra[0] if parsed.extra else None}


def rejected(parsed: Parsed) -> list[tuple]:
    return [(rejection.index, rejection.column, rejection.value, rejection.expected) for rejection in parsed.rejections]


def cells(*rows: dict[str, str | None], form: TextForm = TextForm()) -> Parsed:
    headers = dict.fromkeys(header for row in rows for header in row)
    batch = pa.RecordBatch.from_pydict({h: pa.array([row.get(h) for row in rows], pa.string()) for h in headers})
    return parse(batch, RECON, form)


def fast(lines: list[bytes]) -> Parsed | None:
    return parsing._parse_json_fast(lines, RECON, DateOrder.MONTH_FIRST)


# --- JSON lines --------------------------------------------------------------------------------------------------------------------------

NUMBERS = [
    "0",
    "-0.0",
    "1E-7",
    "1e-28",
    "12345678901234567890.1234567890123456789",
    "1234567890123456789012",
    "0.1234567890123456789012345678",
]


@pytest.mark.parametrize("printed", NUMBERS)
@pytest.mark.parametrize("other", ['"x"', "7"], ids=["fast path", "tolerant path"])
def test_a_number_survives_to_the_last_digit_in_quotes_and_without(printed, other):
    for written in (printed, f'"{printed}"'):
        assert only(f'{{"Subtotal":{written},"ProductName":{other}}}')["subtotal"].as_tuple() == D(printed).as_tuple()


def test_keys_match_in_any_case_and_spelling():
    line = only('{"subTOTAL":1,"customer_id":"C","totalForCustomer":3,"Tax":2,"charge start date":"2026-11-01","CURRENCYCODE":"EUR"}')
    assert (line["subtotal"], line["provider_customer_id"], line["total"], line["tax_total"]) == (1, "C", 3, 2)
    assert (line["charge_start"], line["currency"]) == (date(2026, 11, 1), "EUR")


def test_unknown_keys_are_kept_as_they_came_and_nulls_among_them_are_not():
    line = only('{"Subtotal":1,"new":"x","amount":1.10,"none":null,"list":[1,{"a":null}],"flag":true}')
    assert line["extra"] == '{"new":"x","amount":1.10,"list":[1,{"a":null}],"flag":true}'
    assert only('{"Subtotal":1,"none":null}')["extra"] is None


def test_an_unknown_text_that_only_looks_like_a_nul_is_kept():
    assert json.loads(only(r'{"Subtotal":1,"path":"C:\\u0000","nul":"a\u0000b","k\u0000":1,"x":2}')["extra"]) == {
        "path": r"C:\u0000",
        "x": 2,
    }


@pytest.mark.parametrize("spelled", ["null", '""', '" "', '"NULL"', '"(null)"', '"None"', '"n/a"', '"NA"'])
def test_no_value_in_any_spelling_is_null_for_numbers_and_dates(spelled):
    line = only(f'{{"Subtotal":1,"Quantity":{spelled},"ChargeEndDate":{spelled},"OrderDate":{spelled}}}')
    assert (line["quantity"], line["charge_end"], line["order_date"]) == (None, None, None)


def test_ids_printed_as_numbers_and_lists_become_text():
    line = only('{"Subtotal":1,"OrderId":123456789012345678901,"SkuId":"0002","Tier2MpnId":-1,"ProductQualifiers":["AddOn","Trial"]}')
    assert line["order_id"] == "123456789012345678901"
    assert (line["sku_id"], line["tier2_mpn_id"], line["product_qualifiers"]) == ("0002", "-1", '["AddOn","Trial"]')


def test_dates_are_days_without_a_zone_and_order_dates_are_moments():
    line = only(
        '{"Subtotal":1,"ChargeStartDate":"2026-11-01T00:00:00+11:00","OrderDate":"2026-11-01T00:00:00+11:00","SubscriptionEndDate":"0001-01-01T00:00:00Z"}'
    )
    assert (line["charge_start"], line["order_date"]) == (date(2026, 11, 1), datetime(2026, 10, 31, 13))
    assert line["subscription_end"] is None


def test_the_date_order_that_the_caller_settled_holds_for_json_too():
    lines = [b'{"Subtotal":1,"ChargeStartDate":"1/11/2026"}']
    for other in (b"", b'{"Subtotal":"1","Another":2}'):
        batch = pa.RecordBatch.from_pydict({JSON_COLUMN: pa.array([*lines, other][: 1 + bool(other)], pa.binary())})
        assert parse(batch, RECON, TextForm(date_order=DateOrder.DAY_FIRST)).columns["charge_start"][0] == date(2026, 11, 1)


def test_two_spellings_of_one_column_do_not_depend_on_the_lines_before():
    lines = [b'{"Tax":1,"TaxTotal":2,"Subtotal":1}', b'{"TaxTotal":5,"Subtotal":1}', b'{"TaxTotal":6,"Tax":7,"Subtotal":1}']
    whole = parse_json(lines, RECON)
    alone = [parse_json([line], RECON) for line in lines]
    assert whole.columns["tax_total"] == [value for parsed in alone for value in parsed.columns["tax_total"]] == [1, 5, 6]
    assert whole.extra == ['{"TaxTotal":2}', None, '{"Tax":7}']


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{",
        b'{"Subtotal":1',
        b'{"Subtotal":1}}',
        b'{"Subtotal":1}{"Subtotal":1}',
        b'{"Subtotal":1},{"Subtotal":1}',
        b'{"Subtotal":NaN}',
        b'{"Subtotal":01}',
        b'{"Subtotal":1e99999999999999999999}',
        b'{"x":1e99999999999999999999}',
        b'{"x":' + b"[" * 100_000,
        b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"ProductName":"\xff"}',
        b'{"x":"\xff"}',
        rb'{"ProductName":"\ud800"}',
        b'{"ProductName":"\x00"}',
    ],
    ids=range(20),
)
def test_a_line_that_is_no_json_object_is_rejected_alone(line):
    good = b'{"Subtotal":1}'
    parsed = parse_json([good, line, good], RECON)
    assert [(r.index, r.column, r.expected) for r in parsed.rejections] == [(1, None, "one JSON object on the line")]
    assert parsed.without_rejected().columns["subtotal"] == [1, 1]


def test_pieces_of_lines_never_join_into_a_line():
    lines = [b'{"Subtotal":1,"x":1}', b'{"Subtotal":1,"x":1},{"Subtotal":1,"x":1}', b'{"Subtotal":1,"x":[1', b"2]}"]
    assert [rejection.index for rejection in parse_json(lines, RECON).rejections] == [1, 2, 3]


def test_a_cell_that_cannot_be_read_is_named_with_what_was_expected():
    parsed = parse_json(
        [b'{"Subtotal":"1,5"}', b'{"Subtotal":true}', b'{"Subtotal":1,"OrderDate":"soon"}', rb'{"Subtotal":1,"SkuId":"a\u0000"}'], RECON
    )
    assert sorted(rejected(parsed)) == [
        (0, "Subtotal", "1,5", "a number"),
        (1, "Subtotal", "true", "a number"),
        (2, "OrderDate", "soon", "a date such as 2026-11-30"),
        (3, "SkuId", "a\x00", "text without a NUL character"),
    ]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=12),
    st.integers(-(10**24), 10**24),
    st.decimals(allow_nan=False, allow_infinity=False, places=10),
    st.sampled_from(
        ["1", "1.50", " 2 ", "1E-7", "1_000", "NaN", "-Infinity", "1,5", "1,234.50", "$3", "", "NULL", "١٢", "\x00", "\\u0000"]
    ),
    st.sampled_from(["2026-11-01", "11/30/2026", "30/11/2026", "0001-01-01T00:00:00", "9999-12-31T23:59:59-07:00", "2026-11-01T00:00:00Z"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
keys = st.sampled_from(
    [
        "Subtotal",
        "subtotal",
        "Tax",
        "TaxTotal",
        "Quantity",
        "ProductName",
        "SkuId",
        "ChargeStartDate",
        "OrderDate",
        "Currency",
        "New",
        "",
        'q"',
    ]
)
objects = st.dictionaries(keys, values, max_size=7)


def written(row: dict) -> bytes:
    """A JSON line with every number as it prints."""
    parts = (f"{json.dumps(key)}:{value if isinstance(value, Decimal) else json.dumps(value)}" for key, value in row.items())
    return ("{" + ",".join(parts) + "}").encode()


def same_shape(shape: list[str]) -> st.SearchStrategy[list[dict]]:
    """Lines of the same keys with mostly fitting values: what the fast path is made for."""

    def value_of(key: str) -> st.SearchStrategy:
        column = KNOWN.get(key)
        if column is None or column.kind is not Kind.NUMBER:
            return st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["2026-11-01", "11/30/2026", "soon", "NULL"]))
        return st.one_of(
            st.none(), st.integers(-9, 9), st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(["1.5", "1_0", "NaN"])
        )

    return st.lists(st.fixed_dictionaries({key: value_of(key) for key in shape}), min_size=1, max_size=4)


def comparable(parsed: Parsed) -> tuple:
    """Everything that a parsed batch says; unknown members as the values they mean, numbers that money cannot be as rejected."""
    odd = {
        (index, column.header)
        for column in RECON
        if column.kind is Kind.NUMBER
        for index, value in enumerate(parsed.columns[column.name])
        if value is not None and not value.is_finite()
    }
    columns = {
        name: [None if isinstance(value, Decimal) and not value.is_finite() else value for value in found]
        for name, found in parsed.columns.items()
    }
    extra = [None if text is None else json.loads(text, parse_float=D) for text in parsed.extra or [None] * parsed.rows]
    return parsed.rows, columns, extra, odd | {(r.index, r.column) for r in parsed.rejections}


def test_the_fast_path_takes_what_providers_send():
    assert fast([b'{"Subtotal":1.5,"ProductName":"x","New":[1]}', b'{"Subtotal":null}']) is not None


@given(st.one_of(st.lists(objects, min_size=1, max_size=4), st.lists(keys, unique=True, max_size=7).flatmap(same_shape)))
@settings(max_examples=150, deadline=None)
def test_both_paths_agree_on_whatever_the_fast_one_takes(rows):
    lines = [written(row) for row in rows]
    quick = fast(lines)
    if quick is not None:
        assert comparable(quick) == comparable(parse_json_tolerantly(lines, RECON))


@given(st.lists(st.one_of(st.binary(max_size=20), objects.map(written), st.text(max_size=20).map(str.encode)), max_size=5))
@settings(max_examples=150, deadline=None)
def test_any_bytes_become_our_own_values_and_each_line_is_taken_or_rejected(lines):
    parsed = parse_json(lines, RECON)
    assert parsed.rows == len(lines)
    assert all(0 <= rejection.index < len(lines) for rejection in parsed.rejections)
    kinds = {Kind.NUMBER: Decimal, Kind.DAY: date, Kind.MOMENT: datetime}
    for column in RECON:
        assert len(parsed.columns[column.name]) == len(lines)
        assert all(value is None or type(value) is kinds.get(column.kind, str) for value in parsed.columns[column.name])
    for text in parsed.extra or []:
        assert text is None or (isinstance(json.loads(text), dict) and "\x00" not in text)


@given(st.lists(objects, min_size=1, max_size=6), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_lines_mean_the_same_in_one_batch_and_in_two(rows, cut):
    lines = [written(row) for row in rows]
    parts = [comparable(parse_json(part, RECON)) for part in (lines[:cut], lines[cut:])]
    whole = comparable(parse_json(lines, RECON))
    assert whole[1] == {name: parts[0][1][name] + parts[1][1][name] for name in whole[1]}
    assert whole[2] == parts[0][2] + parts[1][2]


# --- cells as text -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1.5", "1.5"),
        (" -1.50 ", "-1.50"),
        ("$3.20", "3.20"),
        ("-€3.20", "-3.20"),
        ("£-3", "-3"),
        ("1,234.50", "1234.50"),
        ("-1,234,567.5", "-1234567.5"),
        ("1E-7", "1E-7"),
        ("1.5e+3", "1.5E+3"),
        ("0002", "2"),
        ("1,234", "1234"),
        ("(3.20)", "-3.20"),
        ("($1,234.50)", "-1234.50"),
        ("3-", "-3"),
        ("\u22123", "-3"),
        ("+3", "3"),
        ("- 3", "-3"),
        ("3 €", "3"),
        ("12.50€", "12.50"),
        ("1 234.5", "1234.5"),
        ("1\u00a0234\u00a0567.5", "1234567.5"),
        ("1\u202f234", "1234"),
        ("1'234.50", "1234.50"),
        ("1\u2019234", "1234"),
        ("-0", "-0"),
        ("0." + "0" * 28 + "1", "1E-29"),
    ],
)
def test_a_number_is_read_as_a_spreadsheet_prints_it(cell, number):
    parsed = cells({"Subtotal": cell})
    assert not parsed.rejections
    assert str(parsed.columns["subtotal"][0]) == number


@pytest.mark.parametrize(
    "cell",
    [
        "1,5",
        "1.234.567",
        "(-3.20)",
        "(3.20",
        "-3-",
        "-(3)",
        "$3 €",
        "3 EUR",
        "5%",
        "-",
        "0,123",
        "1,234,56",
        "1, 234",
        "1 234,567.0",
        "1,234E5",
        "1  234",
        "٣",
        "1\u200b2",
        "1_000",
        "１２",
        "NaN",
        "Infinity",
        "1e400",
        "one",
        "12,34.5",
        "#REF!",
        "+-$5",
        "--$5",
    ],
)
def test_a_number_that_could_be_misread_is_rejected(cell):
    assert rejected(cells({"Subtotal": cell})) == [(0, "Subtotal", cell, "a number")]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1,5", "1.5"),
        ("1.234,50", "1234.50"),
        ("-€ 0,05", "-0.05"),
        ("7", "7"),
        ("1.234", "1234"),
        ("1'234,5-", "-1234.5"),
        ("1,5E-05", "0.000015"),
    ],
)
def test_a_decimal_comma_is_read_where_the_file_has_one(cell, number):
    assert str(cells({"Subtotal": cell}, form=TextForm(decimal_comma=True)).columns["subtotal"][0]) == number


@pytest.mark.parametrize("cell", ["1.5", "1,234.50", "0.123"])
def test_a_decimal_point_in_a_file_of_commas_is_rejected(cell):
    assert rejected(cells({"Subtotal": cell}, form=TextForm(decimal_comma=True))) == [(0, "Subtotal", cell, "a number")]


def test_dates_follow_the_order_of_the_file_and_a_bad_one_names_its_cell():
    rows = [{"ChargeStartDate": "3/11/2026"}, {"ChargeStartDate": "13/11/2026"}, {"ChargeStartDate": ""}]
    assert cells(*rows, form=TextForm(date_order=DateOrder.DAY_FIRST)).columns["charge_start"] == [
        date(2026, 11, 3),
        date(2026, 11, 13),
        None,
    ]
    assert rejected(cells(*rows)) == [(1, "ChargeStartDate", "13/11/2026", "a date such as 2026-11-30")]


def test_blank_cells_are_null_unknown_columns_are_kept_and_ids_keep_their_zeros():
    parsed = cells(
        {"SkuId": "0002", "ProductName": "", "Colour": "red", "Size": ""}, {"SkuId": "006G", "ProductName": None, "Colour": None}
    )
    assert parsed.columns["sku_id"] == ["0002", "006G"]
    assert parsed.columns["product_name"] == [None, None]
    assert parsed.extra == ['{"Colour":"red"}', None]


def test_the_row_column_is_no_cell_and_a_missing_column_is_null():
    batch = pa.RecordBatch.from_pydict({"Subtotal": ["1"], ROW_COLUMN: [7]})
    parsed = parse(batch, RECON)
    assert parsed.extra is None
    assert parsed.columns["currency"] == [None]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["Subtotal", "OrderDate", "SkuId", "Else"]), st.text(max_size=10), max_size=4),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
    st.sampled_from(DateOrder),
)
@settings(max_examples=100, deadline=None)
def test_any_cells_become_our_own_values_or_rejections(rows, comma, order):
    rows = [{"Subtotal": None, **row} for row in rows]
    parsed = cells(*rows, form=TextForm(decimal_comma=comma, date_order=order))
    assert all(value is None or value.is_finite() for value in parsed.columns["subtotal"])
    expected = {r.expected.partition(", but it holds")[0].partition("; there is no")[0] for r in parsed.rejections}
    assert expected <= {"a number", "a date such as 2026-11-30", "a date such as 2026-11-30 or 30/11/2026", "no invisible characters"}


def test_a_percentage_may_say_so_and_nothing_else_may():
    row = {"PartnerEarnedCreditPercentage": "15%", "CreditPercentage": "0 %", "Quantity": "15%"}
    parsed = parse(pa.RecordBatch.from_pylist([row]), frames.DAILY_RATED)
    assert (parsed.columns["partner_earned_credit_percentage"], parsed.columns["credit_percentage"]) == ([Decimal(15)], [Decimal(0)])
    assert rejected(parsed) == [(0, "Quantity", "15%", "a number")]


def test_an_id_with_what_nobody_sees_is_rejected_and_a_name_may_hold_it():
    parsed = cells({"CustomerId": "c\u200b-1", "ProductName": "می\u200cخواهم", "SkuId": " NA "}, {"CustomerId": "c-1", "SkuId": "1E5"})
    assert rejected(parsed) == [(0, "CustomerId", "c\u200b-1", "no invisible characters, but it holds U+200B")]
    assert (parsed.columns["product_name"][0], parsed.columns["sku_id"]) == ("می\u200cخواهم", [" NA ", "1E5"])


plain = st.from_regex(r"-?[0-9]{0,12}[.,]?[0-9]{0,12}", fullmatch=True)


@given(st.lists(plain | st.sampled_from(["", "1E5", "(2)", "1 000", "NA"]), min_size=1, max_size=6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_column_read_at_once_is_the_same_as_cell_by_cell(printed, comma):
    form = TextForm(decimal_comma=comma)
    whole = cells(*({"Subtotal": cell} for cell in printed), form=form)
    alone = [cells({"Subtotal": cell}, {"Subtotal": "(1)"}, form=form) for cell in printed]  # the second keeps it from being read at once
    assert [str(value) for value in whole.columns["subtotal"]] == [str(one.columns["subtotal"][0]) for one in alone]
    assert {r.index for r in whole.rejections} == {index for index, one in enumerate(alone) if one.rejections}
