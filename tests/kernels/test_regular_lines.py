"""Do regular lines, read in columns, hold what a decoder reads line by line? And are all others left to it?

The oracle is `parse_json_tolerantly`, which looks at each line by itself.
"""

from __future__ import annotations

import json
from decimal import Decimal
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from tests.kernels.batches import as_stored
from tests.kernels.json_lines import files
from w365core import frames
from w365core.arrays import counting, lines_of
from w365core.frames import Kind
from w365core.intake.parse import parse_json_tolerantly
from w365core.kernels import json_cells, regular_lines
from w365core.kernels.regular_lines import Beside, Regular
from w365core.kernels.usage import COMBINED

COLUMNS = frames.DAILY_RATED
SHARED = [('u-\\a"\tb', None), ("u-é", "A-1")]  # what the lines refer to, in turn
LINE = {
    "CustomerId": "cust-1",
    "SubscriptionId": "plan",
    "ChargeStartDate": "2026-11-01T00:00:00Z",
    "Tags": '{"env": "prod"}',
    "Quantity": 12.5,
    "BillingPreTaxTotal": "0.123456789012345678901234567890",
    "BillingCurrency": "EUR",
    "UnitPrice": None,
}


def batch(*lines: bytes) -> pa.BinaryArray:
    return pa.array(lines, pa.binary())


def printed(row: dict, *, spaced: bool = False, ascii: bool = True, end: bytes = b"\n") -> bytes:
    return json.dumps(row, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=ascii).encode() + end


def by_decoder(lines: list[bytes]) -> list[dict] | None:
    """The cells as the tolerant reader has them and the table would hold them; None where it rejects one."""
    parsed = parse_json_tolerantly(lines, COLUMNS)
    if parsed.rejections:
        return None
    return as_stored(lines_of(COLUMNS + frames.EXTRA, {**parsed.columns, "extra": parsed.extra}, parsed.rows))


def read(lines: list[bytes] | pa.BinaryArray) -> Regular | None:
    return regular_lines.read(lines if isinstance(lines, pa.Array) else batch(*lines), COLUMNS, combined=COMBINED)


def same(found: Regular, expected: list[dict]) -> None:
    """All that was read, in each of its forms, is what a decoder reads."""
    for number, (cells, line) in enumerate(zip(_stored(found), expected, strict=True)):
        assert (cells["line_number"], cells["usage_id"], cells["account_id"]) == (number, *SHARED[number % 2])
        for column in (*COLUMNS, *frames.EXTRA):
            cell, wanted = cells.get(column.name), line[column.name]
            if column.kind is Kind.NUMBER:
                assert (cell and Decimal(cell)) == (wanted and Decimal(wanted)), column.name
            elif column.name == "extra":
                assert (cell and json.loads(cell)) == (wanted and json.loads(wanted))
            else:
                assert cell == wanted, column.name
    for name, numbers in found.numbers.items():
        assert [n and Decimal(n) for n in numbers.to_pylist()] == [line[name] and Decimal(line[name]) for line in expected], name
    values = [found.combinations[place] for place in found.of_line]
    assert [[value or None for value in line] for line in values] == [[line[name] for name in COMBINED] for line in expected]


def _stored(found: Regular) -> list[dict]:
    lines = len(found.of_line)
    return as_stored(found.stored(Beside(counting(0, lines), ("usage_id", "account_id"), SHARED, np.arange(lines) % 2)))


@given(files())
@settings(max_examples=400, deadline=None)
def test_what_is_read_in_columns_is_what_a_decoder_reads(lines):
    found = read(lines)
    expected = by_decoder(lines)
    if found is not None:
        assert expected is not None
        same(found, expected)


@given(files(), st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_byte_never_makes_other_cells_than_a_decoder_reads(lines, data):
    whole = b"".join(lines)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=3)):
        sign = data.draw(st.sampled_from(b'",:{}\\ \n\r\t0aun\x01\x7f\xff'))
        whole = whole[:at] + bytes([sign]) + whole[at + 1 :]
    damaged = [line + b"\n" for line in whole.removesuffix(b"\n").split(b"\n")]
    found = read(damaged)
    if found is not None:
        same(found, by_decoder(damaged))


@given(files(), st.data(), st.integers(2, 400))
@settings(max_examples=400, deadline=None)
def test_it_makes_no_difference_where_a_look_at_the_block_ends(lines, data, most):
    damaged = bytearray(b"".join(lines))
    if data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.sampled_from(b'",:{}\\ n'))
    cut = [line + b"\n" for line in bytes(damaged).removesuffix(b"\n").split(b"\n")]
    at_once = read(cut)
    with mock.patch.object(json_cells, "_IN_CACHE", most):
        piecemeal = read(cut)
    assert (at_once is None) == (piecemeal is None)
    if at_once is not None:
        assert _stored(at_once) == _stored(piecemeal)
        assert (at_once.numbers, at_once.combinations) == (piecemeal.numbers, piecemeal.combinations)


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("ascii", [False, True])
def test_an_exports_lines_are_regular(spaced, ascii):
    """Nulls, escapes, numbers in quotes, unknown keys and blank numbers do not make lines irregular: that would be slow, not wrong."""
    rows = [
        LINE | {"Quantity": n, "Tags": f'{{"owner": "Zoë \\"{n}\\""}}', "UnitPrice": None if n % 2 else "", "New": n % 3 or None}
        for n in range(40)
    ]
    lines = [printed(row, spaced=spaced, ascii=ascii) for row in rows]
    found = read(lines)
    assert found is not None
    same(found, by_decoder(lines))


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n", b"", b"[]\n", b"null\n", b'{"CustomerId":"a"}\n', printed(LINE)[:-2] + b"\n", printed(LINE) + printed(LINE), b" " + printed(LINE),
        printed({**LINE, "Tags": {"env": "prod"}}), printed({**LINE, "CustomerId": 7}), printed({**LINE, "Quantity": True}),
        printed({**LINE, "Quantity": "1e400"}), printed({**LINE, "Quantity": "x"}), printed({**LINE, "ChargeStartDate": "soon"}),
        printed(LINE).replace(b"12.5", b"012.5"), printed(LINE).replace(b"12.5", b"NaN"), printed(LINE).replace(b"12.5", b""),
        printed(LINE).replace(b"null", b"nuln"), printed(LINE).replace(b'"EUR"', b""), printed(LINE).replace(b'"Tags"', b'"T\\u0061gs"'),
        printed(LINE).replace(b'"Tags"', b'"Tagz"'), printed(dict(reversed(LINE.items()))), printed({**LINE, "More": 1}),
    ],
)  # fmt: skip
def test_lines_that_are_not_regular_are_left_to_the_decoder(line):
    assert read([printed(LINE), line, printed(LINE)]) is None


@pytest.mark.parametrize("key", ["CustomerId", "MeterName", "Unknown"])
@pytest.mark.parametrize(
    "value",
    [
        b'"a"b"', b'"a\\"b"c', b'"', b'"a\\"', b'"a\\qb"', b'"a\\x41b"', b'"a\\Nb"', b'"a\\\\\\qb"', b'"a\xffb"', b'"a\x07b"', b'"a\tb"',
        b'"a\\u0000b"', b'"a\\ud800b"', b'"a\\u00zzb"', b"nan", b"nuln", b"",
    ],
)  # fmt: skip
def test_a_text_that_json_or_the_table_does_not_know_is_left_to_the_decoder_wherever_it_stands(key, value):
    line = printed(LINE | {"MeterName": "m", "Unknown": "u"} | {key: "here"})
    assert read([line, line]) is not None
    assert read([line, line.replace(b'"here"', value), line]) is None


def test_a_quote_too_many_does_not_make_up_for_one_too_few():
    lines = [printed(LINE | {"Tags": "here"}).replace(b'"here"', value) for value in (b'"', b'"a"b"')]
    assert read([printed(LINE), *lines]) is None


def test_a_line_with_a_key_too_many_does_not_make_up_for_one_with_a_key_too_few():
    """Between them they have as many keys as two regular lines, and each is where such a line would have it."""
    first = printed(LINE)[:-2] + b',"SubscriptionId":"x"}\n'
    second = printed({key: value for key, value in LINE.items() if key != "SubscriptionId"})
    assert read([printed(LINE), first, second]) is None


def test_lines_are_regular_whatever_escapes_their_texts_hold():
    """JSON's escapes are COPY's, but for those by number: these are written anew, and change nothing about the cells around them."""
    hard = [
        '\\"',
        "\\\\",
        "\\/",
        "\\b\\f\\n\\r\\t",
        "\\u00eb",
        "\\u005c",
        "\\u0009",
        "\\ud83d\\ude00",
        "\\\\u0041",
        "\\\\\\u0041",
        "é",
        "plain",
        "\\\\N",
        "\\\\.",
    ]
    lines = [printed(LINE | {"New": None if n % 2 else "x"}).replace(b"plan", text.encode()) for n, text in enumerate(hard * 2)]
    lines = [line.replace(b"prod", hard[n % 5].encode().replace(b'\\"', b"'")) for n, line in enumerate(lines)]
    found = read(lines)
    assert found is not None
    same(found, by_decoder(lines))


def test_a_part_of_a_larger_batch_is_read_from_its_own_place():
    lines = batch(*(printed(LINE | {"CustomerId": f"c-{n}"}) for n in range(10))).slice(3, 4)
    assert [row["provider_customer_id"] for row in _stored(read(lines))] == ["c-3", "c-4", "c-5", "c-6"]


def test_more_than_the_cache_holds_is_read_without_a_seam():
    """Blocks are looked at in pieces: a key, an escape or a value may lie across two of them."""
    lines = [printed(LINE | {"Tags": '"' * (n % 7) + "\\" * (n % 3) + "x" * (n % 501)}) for n in range(3000)]
    found = read(lines)
    assert found is not None and sum(map(len, lines)) > 3 * json_cells._IN_CACHE
    same(found, by_decoder(lines))
