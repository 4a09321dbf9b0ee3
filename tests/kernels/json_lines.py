"""Files of JSON lines that are regular in their keys and odd in what they hold: for tests that hold the fast reader against a slow one."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import strategies as st

_SIGNS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_KNOWN_TO_BE_HARD = [
    *(
        '{"a": "b\\"c"}',
        "Contoso, Inc,",
        'he said "no"',
        "C:\\temp\\",
        "tab\tnew\nline",
        "null",
        "",
        ", ",
        ',"',
        "é",
        "😀",
        "a,",
        "}{",
        "\\",
    ),
    *("\\N", "\\.", "\\t", "\\u0041"),
]
# A text may also be printed with escapes that are not needed, and with such as JSON does not know.
_PIECES = ["a", "é", "😀", " ", ",", ":", "{", "}", "null", "\x7f", '\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"]
_BY_NUMBER = [*_PIECES, "\\u00e9", "\\u0041", "\\u000a", "\\u0009", "\\u005c", "\\ud83d\\ude00"]
_DOUBTFUL = [*_BY_NUMBER, "\\u0000", "\\ud800", "\\ud83d\\u0041", "\\u12", "\\x41", "\\N", "\\.", "\\q", '"', "\t"]


def _pieces(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), max_size=5).map(lambda chosen: f'"{"".join(chosen)}"')


_TEXT = st.one_of(
    (_SIGNS | st.sampled_from(_KNOWN_TO_BE_HARD)).flatmap(
        lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
    ),
    _pieces(_PIECES),
    _pieces(_BY_NUMBER),
)
_NUMBER = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.decimals(-1000, 1000, places=12).map(lambda number: format(Decimal(str(number)), "f")),
    st.sampled_from(
        ["null", '""', '"1.50"', '"-0"', '"007"', '"+5"', '"1E-7"', '"123456789012345678901.5"', "1e-07", "2.5e10", "0", "-0.0"]
    ),
)
_DAY = st.sampled_from(
    ['"2026-11-30"', '"2026-11-30T23:59:00Z"', '"11/30/2026"', '""', "null", '"0001-01-01"', '"\\u0032026-11-30"', '"n/a"']
)
_UNKNOWN = _TEXT | st.sampled_from(["null", "true", "7", "-1.5e3"])
_COLUMNS = {
    "customerid": _TEXT | st.just("null"),
    "MeterName": _TEXT,
    "Tags": _TEXT | st.just("null"),
    "Quantity": _NUMBER,
    "BillingPreTaxTotal": _NUMBER,
    "BillingCurrency": st.just('"EUR"'),
    "ChargeStartDate": _DAY,
    "UsageDate": _DAY,
}
_NEW_KEYS = st.sampled_from(["NewThing", "Zoë", 'a"b', "a\\u", "}{", ""])
# What a reader must not take for regular, or not without a closer look.
_DOUBTFUL_TEXT = _pieces(_DOUBTFUL) | st.sampled_from(["nul", "12", '"', "", '"a"b"', '["a"]'])
_DOUBTFUL_NUMBER = st.sampled_from(['" 5"', '"1\\u0032"', "012", "1.", "nul", "1E400", '"x"', ""])
_DOUBTFUL_UNKNOWN = _DOUBTFUL_TEXT | st.sampled_from(["nan", "[]", '{"a":1}', '"x,"'])


@st.composite
def files(draw: st.DrawFn) -> list[bytes]:
    """Lines with the same keys in the same order, one of them unknown. Every other file has something doubtful in one of its cells, or a line that
    lacks a key or has one too many."""
    columns = {**_COLUMNS, draw(_NEW_KEYS): _UNKNOWN}
    keys = draw(st.permutations(list(columns)))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [{key: draw(columns[key]) for key in keys} for _ in range(draw(st.integers(1, 5)))]
    members = [[f"{json.dumps(key, ensure_ascii=False)}{colon}{value}" for key, value in line.items()] for line in lines]
    doubtful = draw(st.sampled_from(["", "", "", "text", "number", "unknown", "shape"]))
    at = draw(st.integers(0, len(lines) - 1))
    if doubtful == "shape":
        first, *rest = members[at]
        members[at] = draw(st.sampled_from([[first, *rest[:-1]], [first, *rest, rest[-1]], [first, *rest, rest[0]], [first, *rest[1:]]]))
    elif doubtful:
        texts = st.sampled_from(["customerid", "MeterName", "Tags", "UsageDate"])
        key, value = {
            "text": (draw(texts), draw(_DOUBTFUL_TEXT)),
            "number": (draw(st.sampled_from(["Quantity", "BillingPreTaxTotal"])), draw(_DOUBTFUL_NUMBER)),
            "unknown": (next(key for key in keys if key not in _COLUMNS), draw(_DOUBTFUL_UNKNOWN)),
        }[doubtful]
        members[at][keys.index(key)] = f"{json.dumps(key, ensure_ascii=False)}{colon}{value}"
    printed = [("{" + comma.join(line) + "}" + end).encode() for line in members]
    return [*printed[:-1], printed[-1].rstrip()] if draw(st.booleans()) else printed
