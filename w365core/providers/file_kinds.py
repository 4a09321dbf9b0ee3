"""Which kind of file is this? Recognised by its header (or the keys of its first JSON object) alone, never by its name.

layout_of(name, beginning)      csv or json_lines; everything else is refused by what it looks like
feed_of(name, headers)          reconciliation, daily-rated, plain or one of the legacy feeds; files of other shapes are refused by what they look like
separator_of(line)              the separator under which a header line says most
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from w365core.frames import COLUMNS_OF, RECORD_FILES, Column, folded
from w365core.model import Feed
from w365core.providers.file_bytes import refused

SEPARATORS = (",", ";", "\t", "|")

ACCEPTED = (
    "a reconciliation or daily-rated usage file of new commerce, or a legacy reconciliation file (CSV or JSON lines, gzip or not)"
    " or, for a manual provider, a plain file with customer_id, subscription_id, subtotal, currency …"
)
_CALLED = {
    Feed.DAILY_RATED: "a daily-rated usage file",
    Feed.RECONCILIATION: "a reconciliation file",
    Feed.PLAIN: "a plain file",
    Feed.LEGACY_LICENSE: "a legacy license-based reconciliation file",
    Feed.LEGACY_USAGE: "a legacy usage-based reconciliation file",
}
# Headers that one feed alone has, whatever else stands beside them.
_MARKS = {
    Feed.LEGACY_LICENSE: {"syndicationpartnersubscriptionnumber", "durableofferid"},
    Feed.LEGACY_USAGE: {"pretaxcharges", "overagequantity"},
}
_BINARIES = {
    b"PK\x03\x04": "a zip archive (or an Excel workbook) inside an archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip inside an archive",
    b"BZh": "a bzip2 archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf": "a 7z archive",
}
# Headers that only files of other shapes have. Localised exports print "Kosten (PreTaxCost)", so a part of the header is enough.
_FOREIGN = (
    (("chargecategory", "billedcost"), "a FOCUS cost export"),
    (("costinbillingcurrency", "costinpricingcurrency", "pretaxcost", "resourcerate"), "an Azure cost export"),
    (("rowhash",), "a markup file (it goes back with `markup import`)"),
)


def layout_of(name: str, beginning: bytes) -> str:
    """csv or json_lines, by the first bytes of the unpacked file."""
    if not beginning:
        raise refused(name, f"{ACCEPTED}, but the file is empty")
    for magic, kind in _BINARIES.items():
        if beginning.startswith(magic):
            raise refused(name, f"{ACCEPTED}, but it looks like {kind}")
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        raise refused(name, f"{ACCEPTED}, but it is one JSON array; write one JSON object per line")
    if start.startswith(b"<"):
        raise refused(name, f"{ACCEPTED}, but it looks like HTML or XML (a saved web page or sign-in form?)")
    return "json_lines" if start.startswith(b"{") else "csv"


def separator_of(line: str) -> str:
    """The separator under which the line has most headers that we know; a comma where it has none."""
    known = {folded(header) for columns in COLUMNS_OF.values() for column in columns for header in column.headers}

    def hits(separator: str) -> int:
        try:
            cells = next(csv.reader([line], delimiter=separator), [])
        except csv.Error:
            return 0
        return sum(folded(cell) in known for cell in cells)

    return max(SEPARATORS, key=hits)


def feed_of(name: str, headers: Sequence[str], *, row: int = 1) -> Feed:
    """The kind of lines these headers announce. InputRefused names a file of another shape, or the required columns that are missing."""
    folds = {folded(header) for header in headers}
    _refuse_foreign(name, folds, row)
    marked = next((feed for feed, marks in _MARKS.items() if marks & folds), None)
    best = marked or max((feed for feed in COLUMNS_OF if feed not in _MARKS), key=lambda feed: _likeness(feed, folds, headers))
    required = [column for column in COLUMNS_OF[best] if column.required]
    missing = [column.header for column in required if not _is_in(column, folds)]
    if not missing:
        return best
    if (ours := _record_file(folds)) is not None:
        raise refused(name, f"{ACCEPTED}, but it looks like {ours} of our records, which goes in with `load`", row=row)
    if marked or len(required) - len(missing) >= 2:
        raise refused(name, f"in the header of {_CALLED[best]} also {', '.join(missing)}", row=row)
    raise refused(name, f"{ACCEPTED}, but its first line is the header of none of them", row=row, value=", ".join(headers))


def _record_file(folds: set[str]) -> str | None:
    """The file of our records whose columns these are, all of them."""
    for file, declared in RECORD_FILES.items():
        if {folded(key) for key in declared.key} <= folds <= {folded(column.name) for column in declared.columns}:
            return file
    return None


def _refuse_foreign(name: str, folds: set[str], row: int) -> None:
    for marks, kind in _FOREIGN:
        if any(mark in fold for mark in marks for fold in folds):
            raise refused(name, f"{ACCEPTED}, but it looks like {kind}", row=row)


def _likeness(feed: Feed, folds: set[str], headers: Sequence[str]) -> tuple[bool, int, bool, bool]:
    """How much the headers look like this feed. What tells a plain file from a small reconciliation file: charge dates, else spelling."""
    plain_dates = bool(folds & {"chargestart", "chargeend"}) and "chargestartdate" not in folds
    known = sum(_is_in(column, folds) for column in COLUMNS_OF[feed])
    complete = all(_is_in(column, folds) for column in COLUMNS_OF[feed] if column.required)
    spelled_plainly = any("_" in header for header in headers)
    is_plain = feed is Feed.PLAIN
    return plain_dates and is_plain, known, complete, spelled_plainly is is_plain


def _is_in(column: Column, folds: set[str]) -> bool:
    return any(folded(header) in folds for header in column.headers)
