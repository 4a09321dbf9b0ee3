"""Any bytes and any amounts as files by hand: what must hold of them, and generators of both. Run a little by the tests, for as long as one likes by
`python benchmarks/fuzz_files.py`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from hypothesis import assume, strategies as st

from tests.providers.reading import Read, read
from w365core import frames
from w365core.errors import CallRefused, InputRefused
from w365core.intake.parse import parse_json
from w365core.model import Problem
from w365core.providers import csv_batches, file_bytes
from w365core.providers.files import Wanted

HEADER = ("CustomerId", "SubscriptionId", "ChargeType", "Subtotal", "TaxTotal", "Total", "Currency", "ChargeStartDate", "Note")


@contextmanager
def on_disk(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_bytes(content)
        yield path


# --- any bytes ---------------------------------------------------------------------------------------------------------------------------


def read_whole_or_refused(content: bytes) -> Read:
    """A file is read in whole or refused with at least one sentence; nothing else is raised, and no line is lost (`read` counts them)."""
    with on_disk(content) as path:
        found = read(path)
        assert found.refused or found.lines or not found.forms
        assert all(said.startswith("f.csv") for said in found.refused)
        return found


def json_lines_taken_or_rejected(content: bytes) -> None:
    """Each line of JSON, or of anything, is taken or rejected."""
    lines = content.split(b"\n")
    parsed = parse_json(lines, frames.RECONCILIATION)
    assert parsed.rows == len(lines)
    assert all(len(values) == len(lines) for values in parsed.columns.values())
    assert all(0 <= rejection.index < len(lines) for rejection in parsed.rejections)


def both_readers_agree(content: bytes) -> None:
    """The fast reader of plain text gives what the strict one gives, row for row, or the same refusal."""
    with on_disk(content) as path:
        quick = _rows(path)
        known, csv_batches.plain = csv_batches.plain, lambda text, layout: None
        try:
            strict = _rows(path)
        finally:
            csv_batches.plain = known
        assert quick == strict


def _rows(path: Path) -> tuple[list, list[str]]:
    bad: list[Problem] = []
    try:
        source = file_bytes.source_of(path)
        layout = csv_batches.opened(source, "utf-8")
        batches = list(csv_batches.batches(source, layout, most=2, bad=bad))
    except (InputRefused, file_bytes.NotThisEncoding, CallRefused) as error:
        return [], [str(error)]
    return [list(row.values()) for batch in batches for row in batch.to_pylist()], list(map(str, bad))


@st.composite
def texts(draw) -> bytes:
    """A header and rows in which every sign that matters to a CSV reader stands anywhere, well-formed or not."""
    separator = draw(st.sampled_from(",;\t|"))
    piece = st.sampled_from(
        [
            "a",
            "é",
            " ",
            "",
            '"',
            '""',
            '"a"',
            '"a,b"',
            "\r",
            "\n",
            "\r\n",
            "\x1f",
            "\ufeff",
            "\u2028",
            "\x0b",
            "\x85",
            ",",
            ";",
            "\t",
            "1.5",
            "\0",
        ]
    )
    cell = st.lists(piece, max_size=3).map("".join)
    row = st.lists(cell, min_size=len(HEADER), max_size=len(HEADER)) | st.lists(cell, max_size=12) | st.just(list(HEADER))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    rows = draw(st.lists(row.map(separator.join), max_size=6))
    return (end.join([separator.join(HEADER), *rows]) + draw(st.sampled_from(["", end]))).encode()


@st.composite
def damaged(draw) -> bytes:
    """A good file (CSV or JSON lines, packed or not) with a few bytes replaced, dropped or put in."""
    rows = [
        dict.fromkeys(HEADER, "1") | {"Currency": "EUR", "ChargeStartDate": "1/2/2026", "Note": 'two "quoted"\nlines'} for _ in range(3)
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADER, delimiter=draw(st.sampled_from(",;")))
    writer.writeheader()
    writer.writerows(rows)
    plain = text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])))
    good = draw(st.sampled_from([plain, "\n".join(map(json.dumps, rows)).encode()]))
    content = bytearray(draw(st.sampled_from([lambda one: one, gzip.compress, _zipped]))(good))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content) - 1))
        piece = draw(
            st.sampled_from([b"", b"\0", b'"', b",", b";", b"\r", b"\n", b"\xff", b"{", b"9", b".", b"PK"]) | st.binary(max_size=3)
        )
        content[place : place + draw(st.integers(0, 3))] = piece
        assume(content)
    return bytes(content)


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
        archive.writestr("b.csv", content)
    return packed.getvalue()


# --- any amounts -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """How a person's spreadsheet prints numbers."""

    comma: bool
    grouping: str
    minus: str  # where it stands: before, behind, around, typographic
    sign: str

    def printed(self, amount: Decimal) -> str:
        whole, _, fraction = format(amount.copy_abs(), "f").partition(".")
        if self.grouping and len(whole) > 3:
            whole = self.grouping.join(
                [whole[: len(whole) % 3], *(whole[at : at + 3] for at in range(len(whole) % 3, len(whole), 3))]
            ).strip(self.grouping)
        text = self.sign + whole + (("," if self.comma else ".") + fraction if fraction else "")
        if not amount.is_signed():
            return text
        return {"before": f"-{text}", "behind": f"{text}-", "around": f"({text})", "typographic": f"\u2212{text}"}[self.minus]


styles = st.builds(
    lambda comma, grouping, minus, sign: Style(comma, {",": ".", ".": ","}.get(grouping, grouping) if comma else grouping, minus, sign),
    st.booleans(),
    st.sampled_from(["", ",", " ", "\u00a0", "\u202f", "'"]),
    st.sampled_from(["before", "behind", "around", "typographic"]),
    st.sampled_from(["", "€", "$ "]),
)
amounts = st.lists(
    st.tuples(st.decimals(-(10**9), 10**9, places=3), st.decimals(0, 1000, places=2))
    | st.tuples(st.integers(-9999, 9999).map(Decimal), st.just(Decimal(0))),
    min_size=1,
    max_size=8,
)


def sums_come_out_to_the_cent(rows: list[tuple[Decimal, Decimal]], style: Style, separator: str, encoding: str, told: bool) -> None:
    """Whatever way it is printed in, the sum of the file is the sum of the amounts; or the file is one of ambiguous numbers alone, and it is asked."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(HEADER)
    for subtotal, tax in rows:
        writer.writerow(["c", "s", "new", *map(style.printed, (subtotal, tax, subtotal + tax)), "EUR", "2026-11-01", "x"])
    try:
        content = text.getvalue().encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    with on_disk(content) as path:
        found = read(path, Wanted(decimal_comma=style.comma if told else None))
    if found.refused:
        assert not told and all("--decimal point or --decimal comma" in said for said in found.refused)
        return
    assert len(found.lines) == len(rows)
    assert (found.sum("subtotal"), found.sum("tax_total"), found.sum("total")) == (
        sum(subtotal for subtotal, _ in rows),
        sum(tax for _, tax in rows),
        sum(subtotal + tax for subtotal, tax in rows),
    )
