"""Do regular lines, read in columns, hold what a decoder reads line by line? And are all others left to it?

The oracle is `parse_json_tolerantly`, which looks at each line by itself.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from w365core import frames
from w365core.arrays import lines_of
from w365core.frames import Kind
from w365core.intake.parse import parse_json_tolerantly
from w365core.kernels import regular_lines

COLUMNS = frames.DAILY_RATED
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


def by_decoder(lines: list[bytes]) -> dict[str, list] | None:
    """The cells as the tolerant reader has them, in Arrow and back; None where it rejects one."""
    parsed = parse_json_tolerantly(lines, COLUMNS)
    if parsed.rejections:
        return None
    return lines_of(COLUMNS + frames.EXTRA, {**parsed.columns, "extra": parsed.extra}, parsed.rows).to_pydict()


def same(found: dict[str, pa.Array], expected: dict[str, list]) -> None:
    for column in (*COLUMNS, *frames.EXTRA):
        cells = found[column.name].to_pylist() if column.name in found else [None] * len(expected["quantity"])
        if column.kind is Kind.NUMBER:
            assert [cell and Decimal(cell) for cell in cells] == [cell and Decimal(cell) for cell in expected[column.name]], column.name
        elif column.name == "extra":
            assert [cell and json.loads(cell) for cell in cells] == [cell and json.loads(cell) for cell in expected["extra"]]
        else:
            assert cells == expected[column.name], column.name


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ['{"a": "b\\"c"}', "Contoso, Inc,", 'he said "no"', "C:\\temp\\", "tab\tnew\nline", "null", "", ", ", ',"', "é", "😀", "a,", "}{", "\\"]
)
NUMBER = st.one_of(
    st.none(),
    st.integers(-(10**18), 10**18),
    st.decimals(-1000, 1000, places=12).map(lambda d: Decimal(str(d))),
    st.sampled_from(["", "1.50", "-0", "007", "+5", "1E-7", "123456789012345678901.5"]),
    st.sampled_from([1e-07, 2.5e10, 0]),
)


def as_json(value) -> str:
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


@st.composite
def files(draw):
    """Lines with the same keys in the same order, some of them unknown; now and then one that is different."""
    keys = draw(
        st.permutations(
            ["customerid", "SubscriptionId", "Tags", "Quantity", "BillingPreTaxTotal", "BillingCurrency", "ChargeEndDate", "NewThing"]
        )
    )
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        cells = {
            "customerid": draw(TEXT | st.none()), "SubscriptionId": draw(TEXT), "Tags": draw(TEXT | st.none()), "Quantity": draw(NUMBER),
            "BillingPreTaxTotal": draw(NUMBER), "BillingCurrency": "EUR", "NewThing": draw(TEXT | st.none() | st.booleans() | st.integers(0, 9)),
            "ChargeEndDate": draw(st.sampled_from(["2026-11-30", "2026-11-30T23:59:00Z", "11/30/2026", "", None, "0001-01-01"])),
        }  # fmt: skip
        members = [f"{json.dumps(key)}{colon}{as_json(cells[key])}" for key in keys]
        lines.append(("{" + comma.join(members) + "}" + end).encode())
    return lines


@given(files())
@settings(max_examples=400, deadline=None)
def test_what_is_read_in_columns_is_what_a_decoder_reads(lines):
    found = regular_lines.read(batch(*lines), COLUMNS)
    expected = by_decoder(lines)
    if found is not None:
        assert expected is not None
        same(found, expected)


@given(files(), st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_byte_never_makes_other_cells_than_a_decoder_reads(lines, data):
    whole = b"".join(lines)
    at = data.draw(st.integers(0, len(whole) - 1))
    sign = data.draw(st.sampled_from(b'",:{}\\ \n0a\x01\xff'))
    damaged = (whole[:at] + bytes([sign]) + whole[at + 1 :]).splitlines(keepends=True)
    found = regular_lines.read(batch(*damaged), COLUMNS)
    if found is not None:
        same(found, by_decoder(damaged))


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("ascii", [False, True])
def test_an_exports_lines_are_regular(spaced, ascii):
    """Nulls, escapes, numbers in quotes, unknown keys and blank numbers do not make lines irregular: that would be slow, not wrong."""
    rows = [
        LINE | {"Quantity": n, "Tags": f'{{"owner": "Zoë \\"{n}\\""}}', "UnitPrice": None if n % 2 else "", "New": n % 3 or None}
        for n in range(40)
    ]
    lines = [printed(row, spaced=spaced, ascii=ascii) for row in rows]
    found = regular_lines.read(batch(*lines), COLUMNS)
    assert found is not None
    same(found, by_decoder(lines))


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n", b"", b"[]\n", b"null\n", b'{"CustomerId":"a"}\n', printed(LINE)[:-2] + b"\n", printed(LINE) + printed(LINE), b" " + printed(LINE),
        printed({**LINE, "Tags": {"env": "prod"}}), printed({**LINE, "CustomerId": 7}), printed({**LINE, "Quantity": True}),
        printed({**LINE, "Quantity": "1e400"}), printed({**LINE, "Quantity": "x"}), printed({**LINE, "ChargeStartDate": "soon"}),
        printed(LINE).replace(b"12.5", b"012.5"), printed(LINE).replace(b"12.5", b"NaN"), printed(LINE).replace(b"12.5", b""),
        printed(LINE).replace(b'"plan"', b'"pl"an"'), printed(LINE).replace(b'"plan"', b'"pl\\qan"'), printed(LINE).replace(b"plan", b"pl\xffan"),
        printed(LINE).replace(b"plan", b"pl\x07an"), printed(LINE).replace(b"plan", b"pl\\u0000an"), printed(LINE).replace(b"null", b"nuln"),
        printed(LINE).replace(b'"Tags"', b'"Tagz"'), printed(dict(reversed(LINE.items()))), printed({**LINE, "More": 1}),
    ],
)  # fmt: skip
def test_lines_that_are_not_regular_are_left_to_the_decoder(line):
    assert regular_lines.read(batch(printed(LINE), line, printed(LINE)), COLUMNS) is None


def test_a_part_of_a_larger_batch_is_read_from_its_own_place():
    lines = batch(*(printed(LINE | {"CustomerId": f"c-{n}"}) for n in range(10))).slice(3, 4)
    assert regular_lines.read(lines, COLUMNS)["provider_customer_id"].to_pylist() == ["c-3", "c-4", "c-5", "c-6"]


def test_more_than_the_cache_holds_is_read_without_a_seam():
    """Blocks are looked at in pieces: a key, an escape or a value may lie across two of them."""
    lines = [printed(LINE | {"Tags": '"' * (n % 7) + "\\" * (n % 3) + "x" * (n % 501)}) for n in range(3000)]
    found = regular_lines.read(batch(*lines), COLUMNS)
    assert found is not None and sum(map(len, lines)) > 3 * regular_lines._IN_CACHE
    same(found, by_decoder(lines))
