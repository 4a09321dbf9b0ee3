"""A small dose of what `benchmarks/fuzz_files.py` does for hours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from tests.fuzz import files
from w365core.providers import csv_batches


@given(files.damaged() | files.texts() | st.binary(max_size=200))
@settings(max_examples=120, deadline=None)
def test_any_file_is_read_in_whole_or_refused_in_a_sentence(content: bytes) -> None:
    files.read_whole_or_refused(content)


@given(files.texts())
@settings(max_examples=150, deadline=None)
def test_the_fast_reader_gives_what_the_strict_one_gives(content: bytes) -> None:
    files.both_readers_agree(content)


def test_the_fast_reader_is_the_one_that_reads_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison above would compare the strict reader with itself."""
    calls = []
    known = csv_batches.plain
    monkeypatch.setattr(csv_batches, "plain", lambda text, layout: calls.append(known(text, layout)) or calls[-1])
    row = ["c", 's "x", y', "new", "1.50", "0", "1.50", "EUR", "2026-11-01", ""]
    quoted = ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row)
    files.read_whole_or_refused("\r\n".join([",".join(files.HEADER), *[quoted] * 5, ""]).encode())
    assert calls and all(table is not None and table.num_rows == 5 for table in calls)


@given(files.amounts, files.styles, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-16", "cp1252"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_sums_come_out_to_the_cent_in_any_way_of_printing(rows, style, separator, encoding, told) -> None:
    files.sums_come_out_to_the_cent(rows, style, separator, encoding, told)


@given(
    st.lists(
        st.binary(max_size=30)
        | st.dictionaries(st.sampled_from(files.HEADER), st.none() | st.text(max_size=6) | st.integers()).map(json.dumps).map(str.encode),
        max_size=4,
    ).map(b"\n".join)
)
@settings(max_examples=100, deadline=None)
def test_each_line_of_json_is_taken_or_rejected(content: bytes) -> None:
    files.json_lines_taken_or_rejected(content)
