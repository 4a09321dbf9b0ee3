"""How is a file read whose layout nobody publishes? By its headers: obvious spellings of the plain file's columns, and what a person has said of them.

    layout_of(headers, said)     which header is which column, and what is still needed before a line can be read
    fingerprint(headers)         what a layout is remembered by: the same headers in any order, case and currency
    Checks                       whether the lines, read so, hold together

A header may carry the currency of its amounts: "Seller Cost (EUR)". A header that could be several things, or a column that several headers could
be, is never guessed: a person says it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from w365core import frames, money
from w365core.frames import Kind, folded
from w365core.intake import validate
from w365core.intake.parse import Parsed, Rejection

COLUMNS: Mapping[str, frames.Column] = {column.header: column for column in frames.PLAIN}
NEEDED = tuple(column.header for column in frames.PLAIN if column.required)
MOST_FINDINGS = 5

# Spellings that can mean nothing else, folded.
_OBVIOUS: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("customerid", "endcustomerid", "customertenantid"),
    "subscription_id": ("subscriptionid", "providersubscriptionid", "vendorsubscriptionid"),
    "product_id": ("productid", "mfgpartnumber", "manufacturerpartnumber"),
    "charge_type": ("chargetype",),
    "charge_start": ("chargestart", "chargestartdate", "billingstartdate", "billingperiodstart", "periodstart"),
    "charge_end": ("chargeend", "chargeenddate", "billingenddate", "billingperiodend", "periodend"),
    "quantity": ("quantity", "qty"),
    "unit_price": ("unitprice", "unitcost"),
    "subtotal": ("subtotal", "nettotal", "netamount", "totalexcludingtax", "totalexcltax", "amountbeforetax", "pretaxtotal"),
    "tax": ("tax", "taxtotal", "taxamount", "totaltax", "vat", "vatamount"),
    "total": ("total", "totalincludingtax", "totalincltax", "totalwithtax", "grandtotal", "grosstotal", "amountincludingtax"),
    "currency": ("currency", "currencycode", "billingcurrency"),
}
_IN_HEADING = re.compile(r"(?P<name>.*\S)\s*[(\[](?P<currency>[A-Z]{3})[)\]]")
_CURRENCIES = frozenset(
    re.findall(
        "[A-Z]{3}",
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP "
        "CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD "
        "JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
        "NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB "
        "TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG ",
    )
)


@dataclass(frozen=True)
class Layout:
    """Which column of the plain file each header is. `currency` is that of the headings, where no column says it; `needed` are columns that no line
    can do without and no header is; `doubtful` are columns that several headers could be."""

    headers: tuple[str, ...]
    columns: Mapping[str, str]
    currency: str | None
    needed: tuple[str, ...]
    doubtful: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not self.needed and not self.doubtful

    @property
    def lacking(self) -> str:
        """What still has to be said, in words."""
        said = [f"needed are {', '.join(self.needed)}"] if self.needed else []
        said += [f"{column} could be {' or '.join(map(repr, headers))}" for column, headers in self.doubtful.items()]
        return "; ".join(said)


def layout_of(headers: Sequence[str], said: Mapping[str, str] | None = None) -> Layout:
    """The layout of these (distinct) headers. What a person has said, header -> column with "" for none, comes before every spelling."""
    told = _told(headers, said or {})
    columns = {header: column for header, column in told.items() if column}
    doubtful: dict[str, tuple[str, ...]] = {}
    for column in COLUMNS:
        if column in columns.values():
            continue
        found = _candidates(column, [header for header in headers if header not in told])
        if len(found) == 1:
            columns[found[0]] = column
        elif found:
            doubtful[column] = tuple(found)
    currency = None if "currency" in columns.values() else _common_currency(columns)
    have = {*columns.values(), *doubtful} | ({"currency"} if currency else set())
    ordered = {header: columns[header] for header in headers if header in columns}
    return Layout(tuple(headers), ordered, currency, tuple(name for name in NEEDED if name not in have), doubtful)


def fingerprint(headers: Iterable[str]) -> str:
    """Equal for the same headers in any order, letter case, punctuation and currency."""
    return hashlib.sha256("\n".join(sorted(folded(_split(header)[0]) for header in headers)).encode()).hexdigest()


def headers_named(headers: Sequence[str], wanted: str) -> list[str]:
    """The headers that a person may mean: as printed, else in other case, punctuation or currency."""
    exact = [header for header in headers if header == wanted.strip()]
    same = [header for header in headers if folded(header) == folded(wanted)]
    return exact or same or [header for header in headers if folded(_split(header)[0]) == folded(_split(wanted)[0])]


def _told(headers: Sequence[str], said: Mapping[str, str]) -> dict[str, str]:
    """What was said of the headers that are there."""
    return {found[0]: column for wanted, column in said.items() if len(found := headers_named(headers, wanted)) == 1}


def _candidates(column: str, headers: Sequence[str]) -> list[str]:
    """The headers that can be nothing but this column; one that bears its very name comes before other spellings."""
    named = [header for header in headers if folded(_split(header)[0]) == folded(column)]
    return named or [header for header in headers if folded(_split(header)[0]) in _OBVIOUS[column]]


def _split(header: str) -> tuple[str, str | None]:
    """The heading's name and the currency that stands in it, if one does."""
    match = _IN_HEADING.fullmatch(header.strip())
    return (match["name"], match["currency"]) if match and match["currency"] in _CURRENCIES else (header, None)


def _common_currency(columns: Mapping[str, str]) -> str | None:
    """The one currency that the headings of the amounts name."""
    found = {_split(header)[1] for header, column in columns.items() if COLUMNS[column].kind is Kind.NUMBER} - {None}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True)
class Check:
    """One thing that holds for all lines, or does not. A failed `hard` one means that the file cannot be imported so."""

    what: str
    passed: bool
    said: str
    hard: bool = True


class Checks:
    """Lines, read by a layout, batch by batch: are all cells readable, and is total = subtotal + tax?"""

    def __init__(self) -> None:
        self.lines = self.odd = 0
        self.unreadable: list[tuple[int, Rejection]] = []
        self.currencies: dict[str, Decimal] = {}
        self.dates: list = []

    def add(self, parsed: Parsed, rows: Sequence[int]) -> None:
        """Takes one batch and the rows of the file that its lines stand in."""
        found = validate.rejections(parsed, frames.PLAIN, ("subtotal", "currency"))
        self.unreadable += [(rows[one.index], one) for one in found]
        parsed.rejections = found
        kept = parsed.without_rejected()
        self.lines += parsed.rows
        self.odd += validate.complete_totals(kept)
        for currency, total in zip(kept.columns["currency"], kept.columns["total"], strict=True):
            code = currency.strip().upper()
            self.currencies[code] = money.EXACT.add(self.currencies.get(code, money.ZERO), total)
        days = {day for name in ("charge_start", "charge_end") for day in kept.columns[name] if day is not None}
        self.dates = sorted({*self.dates, *days})
        self.dates = [self.dates[0], self.dates[-1]] if self.dates else []

    def results(self) -> list[Check]:
        cells = [f"row {row}, {bad.column}: found {bad.value!r}, expected {bad.expected}" for row, bad in self.unreadable[:MOST_FINDINGS]]
        read = (
            f"{self.lines} {'line' if self.lines == 1 else 'lines'}"
            if not cells
            else f"{len(self.unreadable)} cells cannot be read: {'; '.join(cells)}"
        )
        sums = ", ".join(f"{money.trimmed(total, least=2):,} {currency}" for currency, total in sorted(self.currencies.items()))
        odd = f"{self.odd} of {self.lines} lines print a total that is not subtotal plus tax" if self.odd else "on all lines"
        dated = f"charges from {self.dates[0]} to {self.dates[1]}" if self.dates else "no charge dates are read"
        return [
            Check("every cell can be read", not cells, read),
            Check("total is subtotal plus tax", not self.odd, odd, hard=False),
            Check(
                "one currency", len(self.currencies) == 1, f"the lines come to {sums}" if sums else "no line says a currency", hard=False
            ),
            Check("dates", bool(self.dates), dated, hard=False),
        ]
