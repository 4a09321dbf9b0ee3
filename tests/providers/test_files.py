"""Files by hand: which kinds are recognised, how they are read, and what each refused file is told."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from w365core import frames
from w365core.dates import DateOrder
from w365core.errors import CallRefused, InputRefused
from w365core.model import Feed
from w365core.providers import file_bytes
from w365core.providers.file_marks import Mark, decimal_mark
from w365core.providers.files import FileForm, batches, inspect

SEATS = {
    "CustomerId": "4C1F7D0E-1111-2222-3333-444455556666",
    "CustomerName": "Łódź & Søn",
    "InvoiceNumber": "G000000001",
    "SkuId": "0002",
    "ChargeType": "cycleCharge",
    "UnitPrice": "10.5",
    "Quantity": "3",
    "Subtotal": "31.5",
    "TaxTotal": "0",
    "Total": "31.5",
    "Currency": "EUR",
    "SubscriptionId": "9b2e0c11-1111-2222-3333-444455556666",
    "ChargeStartDate": "11/1/2026",
    "ChargeEndDate": "11/12/2026",
}
USAGE = {
    "CustomerId": "c-1",
    "SubscriptionId": "s-1",
    "UsageDate": "11/3/2026",
    "Quantity": "0.04",
    "BillingPreTaxTotal": "0.490235765325545",
    "BillingCurrency": "EUR",
    "EntitlementId": "e-1",
}
PLAIN = {
    "customer_id": "c-1",
    "subscription_id": "s-1",
    "product_id": "p-1",
    "charge_type": "new",
    "charge_start": "2026-11-01",
    "charge_end": "2026-11-30",
    "quantity": "1",
    "unit_price": "5",
    "subtotal": "5",
    "tax": "0",
    "total": "5",
    "currency": "EUR",
}


AMBIGUOUS = SEATS | {"UnitPrice": "1.234", "Subtotal": "1.234", "Total": "1.234"}


def csv_text(*rows: dict[str, str], separator: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def file(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(path: Path, form: FileForm, **more) -> list[dict]:
    return [row for batch in batches(path, form, **more) for row in batch.to_pylist()]


def refusal(path: Path, date_order: DateOrder | None = None) -> InputRefused:
    with pytest.raises(InputRefused) as refused:
        inspect(path, date_order=date_order)
    assert refused.value.problems
    assert all(problem.file == path.name for problem in refused.value.problems)
    return refused.value


# --- which feed ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "feed"), [(SEATS, Feed.RECONCILIATION), (USAGE, Feed.DAILY_RATED), (PLAIN, Feed.PLAIN)])
def test_the_feed_is_recognised_in_any_order_and_case_and_with_extra_columns(tmp_path, row, feed):
    shuffled = {f" {name.upper()} ": row[name] for name in reversed(row)} | {"Next Year's Column": "x"}
    form = inspect(file(tmp_path, csv_text(shuffled)), date_order=None)
    assert form.feed is feed
    assert form.rows == 1
    assert form.unknown == ("Next Year's Column",)


@pytest.mark.parametrize("columns", [40, 46, 47])
def test_every_generation_of_the_reconciliation_file_is_recognised(tmp_path, columns):
    header = [column.header for column in frames.RECONCILIATION[:columns]]
    form = inspect(file(tmp_path, csv_text(dict.fromkeys(header, "1"))), date_order=None)
    assert (form.feed, form.columns, form.unknown) == (Feed.RECONCILIATION, tuple(header), ())


@pytest.mark.parametrize("columns", [52, 55])
def test_every_generation_of_the_daily_rated_file_is_recognised(tmp_path, columns):
    header = [column.header for column in frames.DAILY_RATED[:columns]]
    assert inspect(file(tmp_path, csv_text(dict.fromkeys(header, "1"))), date_order=None).feed is Feed.DAILY_RATED


@pytest.mark.parametrize("feed", [Feed.LEGACY_LICENSE, Feed.LEGACY_USAGE])
def test_the_legacy_files_are_told_from_those_of_new_commerce_that_share_most_of_their_headers(tmp_path, feed):
    header = [*(column.header for column in frames.COLUMNS_OF[feed]), "BillableQuantity", "PublisherId", "TotalOtherDiscount"]
    form = inspect(file(tmp_path, csv_text(dict.fromkeys(reversed(header), "1"))))
    assert (form.feed, form.rows) == (feed, 1)


def test_a_small_reconciliation_file_and_a_small_plain_file_are_told_apart(tmp_path):
    small = {name: SEATS[name] for name in ("CustomerId", "SubscriptionId", "ChargeType", "Subtotal", "Currency")}
    plain = {name: PLAIN[name] for name in ("customer_id", "subscription_id", "charge_type", "subtotal", "currency")}
    annotated = PLAIN | {"invoice_number": "1", "customer_name": "x", "product_name": "y", "sku_name": "z", "order_id": "o"}
    assert inspect(file(tmp_path, csv_text(small)), date_order=None).feed is Feed.RECONCILIATION
    assert inspect(file(tmp_path, csv_text(plain)), date_order=None).feed is Feed.PLAIN
    assert inspect(file(tmp_path, csv_text(annotated)), date_order=None).feed is Feed.PLAIN


def test_missing_required_columns_are_named_and_not_taken_for_a_plain_file(tmp_path):
    for missing in (["ChargeType", "Currency"], ["ChargeType"]):
        lacking = {name: value for name, value in SEATS.items() if name not in missing}
        (problem,) = refusal(file(tmp_path, csv_text(lacking))).problems
        assert problem.expected == f"in the header of a reconciliation file also {', '.join(missing)}"


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "blank"),
        (b",,\n,", "blank"),
        (b"\xef\xbb\xbf", "blank"),
        (b"PK\x03\x04\x14\x00\x06\x00", "breaks off or is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        (b'[{"CustomerId": "c"}]', "one JSON array"),
        (b'{\n  "CustomerId": "c"\n}', "one whole object on each line"),
        (b'{"value": [], "count": 0}', "the header of none of them"),
        (b"BilledCost,ChargeCategory,BillingCurrency\n1,Usage,EUR\n", "a FOCUS cost export"),
        (b"SubscriptionId,costInBillingCurrency,billingCurrency\ns,1,EUR\n", "an Azure cost export"),
        (b"Kosten (PreTaxCost),Currency,Tags (Tags)\n1,EUR,\n", "an Azure cost export"),
        (b"CustomerId,DurableOfferId,ChargeType,Subtotal,Currency\nc,d,new,1,EUR\n", "also SyndicationPartnerSubscriptionNumber"),
        (b"OverageQuantity,Currency\n1,EUR\n", "a legacy usage-based reconciliation file also CustomerId, SubscriptionId, PretaxCharges"),
        (b"account_id,name,currency\nA1,x,EUR\n", "accounts.csv of our records"),
        (b"usage_id,row_hash,invoice\n1,x,G1\n", "a markup file"),
        (b"a,b\n1,2\n", "the header of none of them"),
    ],
)
def test_a_file_of_another_shape_is_told_what_it_looks_like(tmp_path, content, looks_like):
    assert looks_like in str(refusal(file(tmp_path, content)))


def test_a_header_without_lines_is_refused(tmp_path):
    assert "there are none" in str(refusal(file(tmp_path, csv_text(SEATS).splitlines()[0] + "\r\n\r\n,,,\r\n")))


def test_a_file_that_is_not_there_is_a_refused_call(tmp_path):
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(CallRefused, match="Could not read"):
            inspect(path, date_order=None)


# --- bytes and text --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_separators_and_gzip_give_the_same_cells(tmp_path, encoding, said, separator, packed):
    row = SEATS | {"CustomerName": "Søn, Müller; & |Co\t"}
    content = csv_text(row, row, separator=separator).encode(encoding)
    path = file(tmp_path, gzip.compress(content) if packed else content, name="whatever.bin")
    form = inspect(path, date_order=None)
    assert (form.encoding, form.separator, form.compression) == (said, separator, "gzip" if packed else "none")
    assert lines(path, form) == [row | {"__row": 2}, row | {"__row": 3}]


def test_headers_are_named_as_printed_and_a_repeated_unknown_one_by_its_position(tmp_path):
    path = file(tmp_path, "Note,CustomerId,subscriptionID,ChargeType,Subtotal,Currency,Note,,__row\na,c,s,new,1,EUR,b,x,y\n")
    form = inspect(path, date_order=None)
    assert form.columns == (
        "Note",
        "CustomerId",
        "subscriptionID",
        "ChargeType",
        "Subtotal",
        "Currency",
        "Note (7)",
        "column 8",
        "__row (9)",
    )
    assert form.unknown == ("Note", "Note (7)", "column 8", "__row (9)")
    (line,) = lines(path, form)
    assert (line["Note"], line["Note (7)"], line["column 8"], line["__row (9)"], line["__row"]) == ("a", "b", "x", "y", 2)


def test_a_repeated_known_column_is_refused(tmp_path):
    content = csv_text(SEATS).replace("CustomerName", "sub total")
    (problem,) = refusal(file(tmp_path, content)).problems
    assert (problem.row, problem.column) == (1, "subtotal")


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path):
    content = csv_text(SEATS | {"CustomerName": "two\nlines"}, SEATS) + "\r\n" + csv_text(SEATS).splitlines()[1] + "\r\n"
    path = file(tmp_path, content)
    form = inspect(path, date_order=None)
    assert [line["__row"] for line in lines(path, form)] == [2, 3, 5]
    assert form.rows == 3


def test_batches_hold_at_most_what_was_asked(tmp_path):
    path = file(tmp_path, csv_text(*[SEATS] * 25))
    form = inspect(path, date_order=None)
    found = list(batches(path, form, most=10))
    assert [batch.num_rows for batch in found] == [10, 10, 5]
    assert found[2].column("__row").to_pylist() == [22, 23, 24, 25, 26]


def test_short_and_long_rows_are_all_named(tmp_path):
    content = csv_text(SEATS, SEATS) + "a,b\n" + csv_text(SEATS).splitlines()[1] + ",extra\n"
    found = refusal(file(tmp_path, content)).problems
    assert [(problem.row, problem.expected) for problem in found] == [
        (4, "14 cells as in the header, not 2"),
        (5, "14 cells as in the header, not 15"),
    ]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: text.replace(b"EUR", b"E\x00R"), "NUL"),
        (lambda text: text.replace(b"cycleCharge", b'"cycle"Charge'), "after a closing quote"),
        (lambda text: b'"cycleCharge'.join(text.rsplit(b"cycleCharge", 1)), "closing quote before the end"),
        (lambda text: text.replace(b"cycleCharge", b"x" * 1_000_001), "lines of at most"),
        (lambda text: text.replace(b"cycleCharge", b"x" * 200_000), "cells of at most"),
        (lambda text: text.replace(b"cycleCharge", b"M\xfcll\x07er"), "CSV UTF-8"),
        (lambda text: text.replace(b"cycleCharge", b"M\x81ller"), "CSV UTF-8"),
        (lambda text: b"\xef\xbb\xbf" + text.replace(b"cycleCharge", b"M\xfcller"), "CSV UTF-8"),
        (lambda text: text.decode().encode("utf-16")[:-1], "CSV UTF-8"),
        (lambda text: text.decode().encode("utf-16-le").replace(b"E\0U\0R\0", b"E\0\0\0R\0"), "NUL"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, damage, expected):
    whole = csv_text(*[SEATS | {"CustomerName": "Contoso"}] * 2).encode()
    assert expected in str(refusal(file(tmp_path, damage(whole))))


@pytest.mark.parametrize("cut", [5, 20, 60, -9, -4, -1])
def test_a_truncated_gzip_is_refused(tmp_path, cut):
    packed = gzip.compress(csv_text(*[SEATS | {"SkuId": str(number)} for number in range(50)]).encode())
    assert "breaks off or is damaged" in str(refusal(file(tmp_path, packed[:cut], name="usage.csv.gz")))


def test_a_gzip_with_a_wrong_checksum_or_garbage_behind_it_is_refused(tmp_path):
    packed = gzip.compress(csv_text(SEATS).encode())
    wrong = packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]
    for content in (wrong, packed + b"garbage"):
        assert "damaged" in str(refusal(file(tmp_path, content)))


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path):
    first, second = csv_text(SEATS, SEATS).encode(), csv_text(SEATS).encode().split(b"\r\n", 1)[1]
    path = file(tmp_path, gzip.compress(first) + gzip.compress(second))
    assert len(lines(path, inspect(path, date_order=None))) == 3


def test_a_gzip_that_expands_beyond_reason_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(file_bytes, "ALWAYS_ALLOWED", 100_000)
    content = csv_text(SEATS) + "\r\n" * 1_000_000
    assert "200 times" in str(refusal(file(tmp_path, gzip.compress(content.encode()))))


def test_a_file_that_changes_between_the_two_readings_is_refused(tmp_path):
    path = file(tmp_path, csv_text(SEATS, SEATS))
    form = inspect(path, date_order=None)
    file(tmp_path, csv_text(SEATS))
    with pytest.raises(CallRefused, match="changed"):
        lines(path, form)


def test_the_standard_library_reads_gzip_where_isal_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(file_bytes, "_open_gzip", gzip.GzipFile)
    packed = gzip.compress(csv_text(SEATS).encode())
    assert inspect(file(tmp_path, packed), date_order=None).rows == 1
    refusal(file(tmp_path, packed[:-9]))


# --- decimal mark ----------------------------------------------------------------------------------------------------------------------

COMMA, POINT = Mark.DECIMAL_COMMA, Mark.DECIMAL_POINT


@pytest.mark.parametrize(
    ("text", "proves"),
    [
        ("1,5", COMMA),
        ("0,045", COMMA),
        (",5", COMMA),
        ("1234,567", COMMA),
        ("-1.234,56", COMMA),
        ("1.234.567", COMMA),
        ("1.234.567,8", COMMA),
        ("€ 12,00", COMMA),
        ("1,234E-05", COMMA),
        ("1.5", POINT),
        ("0.045", POINT),
        ("12345.678", POINT),
        ("1,234.5", POINT),
        ("1,234,567", POINT),
        ("$0.08", POINT),
        ("1.234", None),
        ("1,234", None),
        ("-123.456", None),
        ("12", None),
        ("", None),
        ("NA", None),
        ("1,2,3", None),
        ("1'234.567", POINT),
        ("1 234,567", COMMA),
        ("1\u202f234", None),
        ("(0,05)", COMMA),
        ("5.5 €", POINT),
        ("\u22120.5", POINT),
        ("7.5-", POINT),
        ("1.5 kg", None),
    ],
)
def test_a_number_proves_a_decimal_mark_only_where_it_can_be_read_in_one_way(text, proves):
    assert decimal_mark(text) is proves


def test_a_decimal_comma_is_found_wherever_in_the_file_it_is_proven(tmp_path):
    late = [AMBIGUOUS] * 12_000 + [SEATS | {"UnitPrice": "10,5", "Subtotal": "31,5", "Total": "31,5"}]
    form = inspect(file(tmp_path, csv_text(*late, separator=";")))
    assert (form.decimal_comma, form.decimal_settled_by) == (True, "the file")


def test_a_number_that_can_be_read_in_two_ways_is_asked_about_and_the_caller_settles_it(tmp_path):
    path = file(tmp_path, csv_text(AMBIGUOUS, separator=";"))
    (problem,) = refusal(path).problems
    assert (problem.row, problem.column, problem.value) == (2, "UnitPrice", "1.234")
    assert "say --decimal point or --decimal comma" in problem.expected
    for comma in (True, False):
        form = inspect(path, decimal_comma=comma)
        assert (form.decimal_comma, form.decimal_settled_by) == (comma, "the caller")


@pytest.mark.parametrize(("total", "comma"), [("6.234", False), ("1239", True)])
def test_the_sums_of_all_rows_settle_what_no_number_settles(tmp_path, total, comma):
    row = AMBIGUOUS | {"TaxTotal": "5", "Total": total}
    form = inspect(file(tmp_path, csv_text(row, row)))
    assert (form.decimal_comma, form.decimal_settled_by) == (comma, "its sums")


def test_a_caller_whom_the_file_contradicts_about_its_decimal_mark_is_told_the_row(tmp_path):
    with pytest.raises(InputRefused, match=r"row 2, column UnitPrice: found '10.5', expected a decimal comma, as the call says"):
        inspect(file(tmp_path, csv_text(SEATS)), decimal_comma=True)


def test_both_decimal_marks_in_one_file_are_refused_naming_two_rows(tmp_path):
    content = csv_text(SEATS | {"UnitPrice": "1", "Subtotal": "3", "Total": "3"}, SEATS, SEATS | {"UnitPrice": "10,5"}, separator=";")
    found = refusal(file(tmp_path, content))
    assert [(problem.row, problem.column, problem.value) for problem in found.problems] == [
        (3, "UnitPrice", "10.5"),
        (4, "UnitPrice", "10,5"),
    ]
    assert "row 3" in str(found) and "row 4" in str(found)


# --- order of dates --------------------------------------------------------------------------------------------------------------------


def dated(*days: str) -> str:
    return csv_text(*[SEATS | {"ChargeStartDate": day, "ChargeEndDate": ""} for day in days])


@pytest.mark.parametrize(
    ("days", "wanted", "order", "settled_by"),
    [
        (["11/1/2026", "1/12/2026"], None, DateOrder.MONTH_FIRST, "default"),
        (["2026-11-30"], None, DateOrder.MONTH_FIRST, "default"),
        (["11/1/2026", "9/30/2026"], None, DateOrder.MONTH_FIRST, "the file"),
        (["1/11/2026", "30/11/2026 23:59"], None, DateOrder.DAY_FIRST, "the file"),
        (["1.11.2026", "30.11.2026"], None, DateOrder.DAY_FIRST, "the file"),
        (["1.2.2026", "2.2.2026 0:00"], None, DateOrder.DAY_FIRST, "the file"),
        (["1.2.2026"], DateOrder.MONTH_FIRST, DateOrder.MONTH_FIRST, "the caller"),
        (["1/11/2026"], DateOrder.DAY_FIRST, DateOrder.DAY_FIRST, "the caller"),
        (["1/11/2026", "30/11/2026"], DateOrder.DAY_FIRST, DateOrder.DAY_FIRST, "the caller"),
        (["1/11/2026"], DateOrder.MONTH_FIRST, DateOrder.MONTH_FIRST, "the caller"),
    ],
)
def test_the_order_of_dates_is_settled_by_the_whole_file_and_the_form_says_by_whom(tmp_path, days, wanted, order, settled_by):
    form = inspect(file(tmp_path, dated(*days)), date_order=wanted)
    assert (form.date_order, form.date_order_settled_by) == (order, settled_by)


def test_a_callers_order_that_the_file_contradicts_is_refused_naming_the_row(tmp_path):
    (problem,) = refusal(file(tmp_path, dated("1/11/2026", "30/11/2026")), DateOrder.MONTH_FIRST).problems
    assert (problem.row, problem.column, problem.value) == (3, "ChargeStartDate", "30/11/2026")


def test_a_file_with_both_orders_is_refused_naming_two_rows(tmp_path):
    for wanted in (None, DateOrder.DAY_FIRST):
        found = refusal(file(tmp_path, dated("1/1/2026", "30/11/2026", "11/30/2026")), wanted)
        assert sorted((problem.row, problem.value) for problem in found.problems) == [(3, "30/11/2026"), (4, "11/30/2026")]


# --- JSON lines ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "feed"), [(SEATS, Feed.RECONCILIATION), (USAGE, Feed.DAILY_RATED)])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_json_lines_are_handed_on_as_they_are(tmp_path, row, feed, packed, bom):
    one = json.dumps({name[0].lower() + name[1:]: value for name, value in row.items()} | {"new": [1]}, ensure_ascii=False).encode()
    content = bom + one + b"\r\n\n" + one
    path = file(tmp_path, gzip.compress(content) if packed else content)
    form = inspect(path, date_order=None)
    assert (form.feed, form.layout, form.rows, form.unknown) == (feed, "json_lines", 2, ("new",))
    assert lines(path, form, most=1) == [{"__json": one + b"\r\n", "__row": 1}, {"__json": one, "__row": 3}]


def test_json_lines_that_are_not_utf8_are_refused_by_row(tmp_path):
    (problem,) = refusal(file(tmp_path, json.dumps(SEATS).encode() + b'\n{"CustomerName": "M\xfcller"}\n')).problems
    assert problem.row == 2


@pytest.mark.parametrize("row", [SEATS, USAGE, PLAIN])
def test_a_form_survives_being_stored_as_json(tmp_path, row):
    form = inspect(file(tmp_path, csv_text(row | {"more": "x"}, separator=";")), date_order=DateOrder.DAY_FIRST)
    assert FileForm.from_dict(json.loads(json.dumps(form.as_dict()))) == form


def test_the_order_of_dates_is_settled_by_the_whole_file_of_json_lines_too(tmp_path):
    text = "\n".join(json.dumps(SEATS | {"ChargeStartDate": day, "ChargeEndDate": None}) for day in ("1/11/2026", "30/11/2026"))
    form = inspect(file(tmp_path, text))
    assert (form.date_order, form.date_order_settled_by) == (DateOrder.DAY_FIRST, "the file")
    assert refusal(file(tmp_path, text), DateOrder.MONTH_FIRST).problems[0].row == 2


# --- anything else ---------------------------------------------------------------------------------------------------------------------


@st.composite
def _mutated(draw) -> bytes:
    """A good file (CSV, JSON lines, packed or not) with a few bytes replaced, dropped or put in."""
    good = draw(
        st.sampled_from(
            [
                csv_text(SEATS, SEATS | {"CustomerName": 'two "quoted"\nlines'}).encode(),
                csv_text(USAGE, USAGE, separator=";").encode("utf-16"),
                "\n".join([json.dumps(USAGE)] * 3).encode(),
            ]
        )
    )
    content = bytearray(gzip.compress(good) if draw(st.booleans()) else good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content) - 1))
        piece = draw(st.sampled_from([b"", b"\x00", b'"', b",", b";", b"\r", b"\n", b"\xff", b"{", b"9", b"."]) | st.binary(max_size=3))
        content[place : place + draw(st.integers(0, 3))] = piece
    return bytes(content)


@given(_mutated() | st.binary(max_size=200))
def test_a_damaged_file_is_refused_in_a_sentence_or_read_in_whole(content):
    with tempfile.TemporaryDirectory() as folder:
        path = file(Path(folder), content)
        try:
            form = inspect(path, date_order=None)
        except InputRefused as refused:
            assert refused.problems and str(refused)
            return
        assert len(lines(path, form)) == form.rows > 0


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10), min_size=1), st.sampled_from(",;\t|")
)
def test_whatever_stands_in_a_cell_arrives_as_written(names, separator):
    with tempfile.TemporaryDirectory() as folder:
        path = file(Path(folder), csv_text(*[SEATS | {"CustomerName": name} for name in names], separator=separator))
        form = inspect(path, date_order=None)
        assert [line["CustomerName"] for line in lines(path, form)] == names


def test_json_nested_deeper_than_the_stack_is_refused_and_not_raised(tmp_path):
    path = tmp_path / "deep.json"
    path.write_bytes(b'{"CustomerId":"c","x":' + b"[" * 100_000 + b"\n")
    with pytest.raises(InputRefused, match="one whole object on each line"):
        inspect(path)
