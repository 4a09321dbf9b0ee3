"""The files that people hand in, each with what is said of it or what stands in it in the end, to the letter."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.providers.reading import read
from w365core.dates import DateOrder
from w365core.providers import file_bytes

HEADER = "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
BASE = dict(
    zip(
        HEADER.strip().split(","),
        ("c-1", "s-1", "p-1", "new", "2026-11-01", "2026-11-30", "1", "10.50", "10.50", "0.25", "10.75", "EUR"),
        strict=True,
    )
)
D = Decimal


def text(*rows: dict[str, str], separator: str = ",", end: str = "\n") -> str:
    """A file of these rows; each is the usual one with some cells of its own, quoted where they must be."""
    lines = [list(BASE), *([*(BASE | row).values()] for row in rows)]
    quoted = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set(f'{separator}"\r\n') else cell for cell in line] for line in lines
    ]
    return end.join(separator.join(line) for line in quoted) + end


def zipped(*members: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members:
            archive.writestr(name, member)
    return content.getvalue()


def encrypted() -> bytes:
    """An archive whose only file says that it has a password."""
    content = bytearray(zipped(("f.csv", text({}).encode())))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    return bytes(content)


def number(cell: str) -> str:
    return f"f.csv, row 2, column subtotal: found {cell!r}, expected a number"


# Amounts: the file, and the subtotals in it.
AMOUNTS = {
    "seventeen digits": (text({"subtotal": "12345678901234.567"}), ["12345678901234.567"]),
    "thirty decimal places": (text({"subtotal": "0.123456789012345678901234567891"}), ["0.123456789012345678901234567891"]),
    "scientific notation": (text({"subtotal": "1.5E-05"}, {"subtotal": "4.902E+2"}), ["0.000015", "490.2"]),
    "zero with a minus": (text({"subtotal": "-0"}), ["0"]),
    "thousands by comma": (text({"subtotal": "1,234,567.80"}, {"subtotal": "1,234"}), ["1234567.80", "1234"]),
    "thousands by point, decimal comma": (
        text({"subtotal": "1.234.567,80", "unit_price": "1", "tax": "0", "total": "0"}, {"subtotal": "1.234", "unit_price": "1,5", "tax": "0", "total": "1"}, separator=";"),
        ["1234567.80", "1234"],
    ),
    "thousands by space": (text({"subtotal": "1 234.5"}), ["1234.5"]),
    "thousands by no-break space": (text({"subtotal": "1\u00a0234.5"}), ["1234.5"]),
    "thousands by narrow no-break space": (text({"subtotal": "1\u202f234.5"}), ["1234.5"]),
    "thousands by apostrophe": (text({"subtotal": "1'234.5"}, {"subtotal": "1\u2019234.5"}), ["1234.5", "1234.5"]),
    "a typographic minus": (text({"subtotal": "\u221210.50"}), ["-10.50"]),
    "a minus behind": (text({"subtotal": "10.50-"}), ["-10.50"]),
    "parentheses": (text({"subtotal": "(1,234.50)"}, {"subtotal": "($5.00)"}), ["-1234.50", "-5.00"]),
    "a currency sign before and behind": (text({"subtotal": "$10.50"}, {"subtotal": "10.50 €"}, {"subtotal": "-£10.50"}), ["10.50", "10.50", "-10.50"]),
    "duplicates, exact, all count": (text({}, {}, {}), ["10.50"] * 3),
    "duplicates that contradict each other, both count": (text({}, {"subtotal": "99.50"}), ["10.50", "99.50"]),
    "carriage returns alone": (text({}, {"subtotal": "2.50"}, end="\r"), ["10.50", "2.50"]),
    "mixed line ends": (text({}) + text({"subtotal": "2.50"}, {"subtotal": "3.50"}, end="\r\n").split("\r\n", 1)[1], ["10.50", "2.50", "3.50"]),
    "no line end at the end": (text({}).rstrip(), ["10.50"]),
    "blank rows, between and behind": (text({}) + "\n,,,\n" + text({"subtotal": "2.50"}).split("\n", 1)[1] + "\n\n,,,,,,,,,,,\n  \n", ["10.50", "2.50"]),
    "blank columns behind": (text({}).replace("\n", ",,\n"), ["10.50"]),
    "blank cells behind some rows": (text({}, {"subtotal": "2.50"}).replace("EUR\n", "EUR,,\n", 1), ["10.50", "2.50"]),
    "a separator that the first line says": ("sep=;\r\n" + text({}, separator=";", end="\r\n"), ["10.50"]),
    "a separator that no header guesses": ("sep=^\n" + text({}, separator="^"), ["10.50"]),
    "tabs": (text({}, separator="\t"), ["10.50"]),
    "pipes": (text({}, separator="|"), ["10.50"]),
    "a byte order mark": ("\ufeff" + text({}), ["10.50"]),
    "UTF-16 with a mark": (text({"customer_id": "ø"}).encode("utf-16"), ["10.50"]),
    "UTF-16 LE without one": (text({"customer_id": "ø"}).encode("utf-16-le"), ["10.50"]),
    "UTF-16 BE without one": (text({"customer_id": "ø"}).encode("utf-16-be"), ["10.50"]),
    "gzip named .csv": (gzip.compress(text({}).encode()), ["10.50"]),
    "zip named .csv": (zipped(("in/any.txt", text({}).encode()), ("__MACOSX/in/._any.txt", b"\0\0")), ["10.50"]),
    "zip of a file without a name": (zipped(("QQQQ", text({}).encode())).replace(b"QQQQ", b"\0QQQ"), ["10.50"]),
    "zip of two": (zipped(("a.csv", text({}).encode()), ("../../etc/b.csv", text({"subtotal": "2.50"}).encode("utf-16"))), ["10.50", "2.50"]),
    "zip that says so in its name's place": (zipped((r"C:\x.csv", text({}).encode())), ["10.50"]),
}  # fmt: skip


@pytest.mark.parametrize("name", AMOUNTS)
def test_the_amounts_of_a_file_are_what_stands_in_it(tmp_path: Path, name: str) -> None:
    content, expected = AMOUNTS[name]
    path = tmp_path / "f.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read(path)
    assert (found.refused, found.column("subtotal")) == ([], list(map(D, expected)))


# Cells that stay exactly what they are, by column.
CELLS = {
    "leading zeros": {"product_id": "00123"},
    "an id that looks like a number": {"product_id": "1E5"},
    "a customer called NA": {"customer_id": "NA"},
    "a customer called null": {"customer_id": "null"},
    "a formula": {"charge_type": "=1+1", "product_id": "@SUM(A1)"},
    "a quote inside": {"charge_type": 'the "new" one'},
    "a line end inside": {"charge_type": "one\ntwo"},
    "a separator inside": {"charge_type": "a,b;c"},
    "spaces around": {"product_id": " p 1 "},
    "letters of everywhere": {"customer_id": "Łódź Ελλάδα 東京 🎉"},
}


@pytest.mark.parametrize("name", CELLS)
def test_text_is_never_touched(tmp_path: Path, name: str) -> None:
    by_header = {"customer_id": "provider_customer_id"}
    path = tmp_path / "f.csv"
    path.write_text(text(CELLS[name]), newline="")
    found = read(path)
    assert found.refused == []
    assert {header: found.lines[0][by_header.get(header, header)] for header in CELLS[name]} == CELLS[name]


def test_what_means_no_value_does_so_for_numbers_and_dates_alone(tmp_path: Path) -> None:
    for said in ("", " ", "NULL", "(null)", "None", "n/a", "NA"):
        path = tmp_path / "f.csv"
        path.write_text(text({"unit_price": said, "charge_start": said, "product_id": said}))
        (line,) = read(path).lines
        assert (line["unit_price"], line["charge_start"], line["product_id"]) == (None, None, said or None)


ACCEPTED = (
    "f.csv: expected a reconciliation or daily-rated usage file of new commerce, or a legacy reconciliation file (CSV or JSON lines, gzip or not)"
    " or, for a manual provider, a plain file with customer_id, subscription_id, subtotal, currency …"
)
# What is refused, and every sentence that says so.
REFUSED = {
    "1e400": (text({"subtotal": "1e400"}), [number("1e400")]),
    "not a number": (text({"subtotal": "NaN"}), [number("NaN")]),
    "infinity": (text({"subtotal": "Infinity"}), [number("Infinity")]),
    "thirty digits": (text({"subtotal": "1" * 30}), [number("1" * 30)]),
    "Arabic digits": (text({"subtotal": "١٢٣"}), [number("١٢٣")]),
    "a percentage where money stands": (text({"subtotal": "15%"}), [number("15%")]),
    "a currency code inside": (text({"subtotal": "5 USD"}), [number("5 USD")]),
    "a formula for a number": (text({"subtotal": "=1+1"}), [number("=1+1")]),
    "a formula that failed": (text({"subtotal": "#REF!"}), [number("#REF!")]),
    "a zero-width space in a number": (text({"subtotal": "1\u200b0"}), [number("1\u200b0")]),
    "a blank amount": (text({"subtotal": " "}), ["f.csv, row 2, column subtotal: expected a number"]),
    "a zero-width space in an id": (
        text({"customer_id": "c\u200b-1"}),
        ["f.csv, row 2, column customer_id: found 'c\\u200b-1', expected no invisible characters, but it holds U+200B"],
    ),
    "a control character in an id": (
        text({"subscription_id": "s\x07"}),
        ["f.csv, row 2, column subscription_id: found 's\\x07', expected no invisible characters, but it holds U+0007"],
    ),
    "29 February of a common year": (
        text({"charge_end": "2025-02-29"}),
        ["f.csv, row 2, column charge_end: found '2025-02-29', expected a date such as 2026-11-30; there is no such day"],
    ),
    "a serial number for a date": (
        text({"charge_end": "45991"}),
        ["f.csv, row 2, column charge_end: found '45991', expected a date such as 2026-11-30"],
    ),
    "both orders of dates": (
        text({"charge_start": "13/1/2026"}, {"charge_start": "1/13/2026"}),
        [
            "f.csv, row 3, column charge_start: found '1/13/2026', expected one way of writing in the whole file, but this proves the month first",
            "f.csv, row 2, column charge_start: found '13/1/2026', expected one way of writing in the whole file, but this proves the day first",
        ],
    ),
    "both decimal marks": (
        text({}, {"subtotal": "10,5"}),
        [
            "f.csv, row 2, column unit_price: found '10.50', expected one way of writing in the whole file, but this proves a decimal point",
            "f.csv, row 3, column subtotal: found '10,5', expected one way of writing in the whole file, but this proves a decimal comma",
        ],
    ),
    "an amount that can be read in two ways": (
        text({"unit_price": "1", "subtotal": "1.234", "tax": "0", "total": "1.234"}),
        [
            "f.csv, row 2, column subtotal: found '1.234', expected to be told whether that is a decimal mark or groups thousands: nothing in the "
            "file says so; say --decimal point or --decimal comma"
        ],
    ),
    "a short row": (text({}) + "c-1,s-1\n", ["f.csv, row 3: expected 12 cells as in the header, not 2"]),
    "a long row": (text({}).rstrip() + ",more\n", ["f.csv, row 2: expected 12 cells as in the header, not 13"]),
    "a decimal comma between commas": (
        text({}).replace("10.50", "10,50"),
        ["f.csv, row 2: expected 12 cells as in the header, not 14"],
    ),
    "the header again": (
        text({}) + text({}),
        ["f.csv, row 3: expected a line, not the header again (two files put together?); take that row away"],
    ),
    "a column twice": (
        text({}).replace("product_id", "Customer ID"),
        ["f.csv, row 1, column provider_customer_id: found 'Customer ID', expected each column once; take one of the two away"],
    ),
    "a NUL": (text({}, {"product_id": "p\0"}), ["f.csv, row 3: expected text without NUL bytes; save the file as CSV UTF-8"]),
    "an open quote": (text({}) + 'c-1,"s-1\n', ["f.csv, row 3: expected a closing quote before the end of the file"]),
    "text behind a quote": (
        text({}) + '"c"-1,s-1\n',
        ["f.csv, row 3: expected a separator after a closing quote (a quote inside a quoted cell is written twice)"],
    ),
    "a million columns": ("a," * 1_000_000, ["f.csv, row 1: expected lines of at most 1000000 characters"]),
    "more columns than a spreadsheet has": (
        HEADER.strip() + ",x" * 20_000 + "\n",
        ["f.csv, row 1: expected at most 16,384 columns, not 20,012"],
    ),
    "a cell of ten megabytes": (text({}, {"product_id": "x" * 10_000_000}), ["f.csv, row 3: expected lines of at most 1000000 characters"]),
    "a cell of 200 kilobytes": (
        text({}, {"product_id": "x" * 200_000}),
        ["f.csv, row 3: expected cells of at most 131072 characters (was a quote left open?)"],
    ),
    "neither UTF-8 nor Windows-1252": (
        text({"product_id": "M\x81ller"}).encode("latin-1"),
        ["f.csv: expected utf-8 or cp1252 text, which it stops being near line 2; save the file as CSV UTF-8"],
    ),
    "empty": ("", [f"{ACCEPTED}, but the file is empty"]),
    "blank": ("\n \n", [f"{ACCEPTED}, but the file is blank"]),
    "header only": (HEADER, ["f.csv: expected lines under its header, but there are none; of an invoice that has none say that it comes to 0 (--total 0)"]),
    "a web page": (
        "<!DOCTYPE html><html><body>Sign in</body></html>",
        [f"{ACCEPTED}, but it looks like HTML or XML (a saved web page or sign-in form?)"],
    ),
    "an Excel workbook": (
        zipped(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")),
        ["f.csv: expected text, but it is an Excel workbook (or another office document); save the sheet as CSV UTF-8"],
    ),
    "an old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, [f"{ACCEPTED}, but it looks like an old Excel workbook"]),
    "an archive in an archive": (
        zipped(("in.zip", zipped(("f.csv", b"x")))),
        [f"{ACCEPTED.replace('f.csv', 'f.csv: in.zip', 1)}, but it looks like a zip archive (or an Excel workbook) inside an archive"],
    ),
    "an archive with a password": (encrypted(), ["f.csv: expected an archive without a password; unpack it and import what is in it"]),
    "an archive of nothing": (zipped(), ["f.csv: expected an archive of 1 to 50 files, not of 0"]),
    "an archive of too many": (
        zipped(*((f"{place}.csv", b"x") for place in range(51))),
        ["f.csv: expected an archive of 1 to 50 files, not of 51"],
    ),
    "an archive with a note in it": (
        zipped(("f.csv", text({}).encode()), ("note.txt", b"see there")),
        [f"{ACCEPTED.replace('f.csv', 'f.csv: note.txt, row 1', 1).replace('row 1:', 'row 1: found ' + repr('see there') + ',')}, but its first line is the header of none of them"],
    ),
    "a zip bomb": (
        zipped(("f.csv", text({}).encode() + b"\n" * 70_000_000)),
        ["f.csv: expected an archive that unpacks to at most 200 times its size"],
    ),
    "a gzip with garbage behind": (
        gzip.compress(text({}).encode()) + b"garbage",
        ["f.csv: expected a whole file, but its compressed data breaks off or is damaged; download it again"],
    ),
    "a zip that breaks off": (
        zipped(("f.csv", text({}).encode()))[:-30],
        ["f.csv: expected a whole file, but its compressed data breaks off or is damaged; download it again"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_told_where_and_what_to_do(tmp_path: Path, name: str) -> None:
    content, expected = REFUSED[name]
    path = tmp_path / "f.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read(path).refused == expected


def test_dates_are_days_and_the_year_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text({"charge_start": "0001-01-01T00:00:00Z", "charge_end": "2/28/2019 23:59"}))
    (line,) = read(path).lines
    assert (line["charge_start"], line["charge_end"]) == (None, date(2019, 2, 28))


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("cp1252", "Its text is not UTF-8 and is read as Western European (Windows-1252)."),
        ("cp1250", "Its text is not UTF-8 and is read as Western European (Windows-1252)."),
        ("utf-16-le", "Its text is read as UTF-16 (little-endian)"),
        ("utf-8", None),
    ],
)
def test_what_was_assumed_of_the_letters_is_said(tmp_path: Path, encoding: str, note: str | None) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(text({"customer_id": "Müller"}).encode(encoding))
    (form,) = read(path).forms
    assert [said[: len(note or "")] for said in form.notes] == ([note] if note else [])


def test_what_was_assumed_of_the_dates_is_said(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text({"charge_start": "3/4/2026"}))
    found = read(path)
    (form,) = found.forms
    assert (form.date_order, form.date_order_settled_by, found.lines[0]["charge_start"]) == (
        DateOrder.MONTH_FIRST,
        "default",
        date(2026, 3, 4),
    )
    assert form.notes == (
        "Dates such as 3/4/2026 (row 2, column charge_start) are read month first, as the provider writes them; nothing in the file says so. "
        "Where the day comes first, say the order of the dates (--date-order DMY).",
    )


def test_a_packed_file_that_lies_about_its_size_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_bytes, "ALWAYS_ALLOWED", 100_000)
    content = bytearray(zipped(("f.csv", text({}).encode() + b"\n" * 1_000_000)))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(mark) + place
        content[start : start + 4] = (100).to_bytes(4, "little")
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    (said,) = read(path).refused
    assert "200 times" in said or "damaged" in said
