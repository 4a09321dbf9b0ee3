"""What do we earn on what the providers charge? Selling against cost by customer, product family and line; below cost first. Currencies are never added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.frames import Kind
from w365core.reconciliation import PriceVerdict
from w365core.reports import reconciliation_scope, verdict_words, wording
from w365core.reports.headlines import Note, Tile
from w365core.reports.reconciliation_scope import Scope
from w365core.reports.tables import Column, Table, amount, day, number
from w365core.store import margins
from w365core.store.margins import MarginFilter

Row = Mapping[str, Any]
SHOWN_LINES, MOST_DRIFTING, SHOWN_GROUPS = 200, 6, 12

_MONEY = (amount("selling", "Selling", width=110), amount("cost", "Cost", width=110), amount("margin", "Margin", width=110))
_REST = (
    number("pct", "Margin %", width=85),
    Column("currency", "Currency", width=75),
    Column("lines", "Lines", Kind.WHOLE, width=65),
    Column("below", "Below cost", Kind.WHOLE, width=85),
    Column("zero", "At cost", Kind.WHOLE, width=70),
    amount("unpriced", "Cost without a price", width=130, help="Cost of lines whose selling price is unknown; in no other figure"),
)
CUSTOMERS = (Column("name", "Customer", width=230), *_MONEY, *_REST, Column("key", "Our account", Kind.ID, shown=False))
FAMILIES = (Column("name", "Product family", width=230), *_MONEY, *_REST)
LINES = (
    Column("price_label", "Price", width=130),
    Column("customer", "Customer", width=170),
    Column("family", "Product family", width=140),
    Column("product", "Product", width=190),
    number("quantity", "Quantity", width=75),
    amount("unit_cost", "Cost a month", width=95),
    amount("selling_price", "Sells for", width=90),
    *_MONEY,
    number("pct", "Margin %", width=80),
    Column("currency", "Currency", width=70),
    day("charge_start", "From", width=90),
    day("charge_end", "to", width=90),
    Column("kind", "Kind", width=70),
    Column("invoice_number", "Provider invoice", Kind.ID, width=115),
    Column("subscription_id", "Subscription", Kind.ID, width=105),
    Column("account_id", "Our account", Kind.ID, shown=False),
    Column("key", "Row", Kind.ID, shown=False),
)


@dataclass(frozen=True)
class Loss:
    """A line that is sold below cost or at cost, in words."""

    customer: str
    product: str
    label: str
    sentence: str
    money: str
    small_print: str
    is_below: bool
    row: Row


@dataclass(frozen=True)
class Drift:
    """What a seat cost a month, by invoice month, of the products whose cost moved most; in one currency."""

    currency: str
    series: Mapping[str, tuple[tuple[str, Decimal], ...]]
    said: tuple[str, ...]


@dataclass(frozen=True)
class Margin:
    """The page."""

    scope: Scope
    since: date | None
    until: date | None
    whole: tuple[date | None, date | None]  # the days that leave nothing out
    tiles: tuple[tuple[Tile, ...], ...]
    losses: tuple[Loss, ...]
    losing_lines: int
    customers: Table
    families: Table
    lines: Table
    all_lines: int
    drifts: tuple[Drift, ...]
    wanted: MarginFilter
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def load(
    connection: Connection,
    *,
    invoice_id: int | None,
    month: str | None,
    since: date | None,
    until: date | None,
    customers: Sequence[str] = (),
    families: Sequence[str] = (),
) -> Margin:
    """The page of an invoice or a month; the days are those of its charge windows where none are given."""
    scope = reconciliation_scope.load(connection, invoice_id=invoice_id, month=month)
    everything = MarginFilter(scope.runs, tuple(one["provider_invoice_id"] for one in scope.chosen))
    whole = margins.days(connection, everything)
    wanted = MarginFilter(everything.runs, everything.invoices, since or whole[0], until or whole[1], customers, families)
    first = min((one["invoice_date"] for one in scope.chosen), default=None)
    begins = None if first is None else date(first.year - 1, first.month, 1)
    costs = {
        code: margins.costs_by_month(connection, since=begins, currency=code, customers=customers) for code in scope.currencies if begins
    }
    found = margins.sums(connection, wanted)
    unfiltered = margins.sums(connection, everything) if customers or families else found
    return build(
        scope,
        wanted,
        whole=whole,
        sums=found["verdicts"],
        customers=found["customers"],
        families=found["families"],
        lines=margins.lines(connection, wanted, most=SHOWN_LINES),
        costs=costs,
        choices={name: _named(unfiltered[name]) for name in ("customers", "families")},
    )


def build(
    scope: Scope,
    wanted: MarginFilter,
    *,
    whole: tuple[date | None, date | None],
    sums: Sequence[Row],
    customers: Sequence[Row],
    families: Sequence[Row],
    lines: Sequence[Row],
    costs: Mapping[str, Sequence[Row]],
    choices: Mapping[str, Mapping[str, str]],
) -> Margin:
    """Out of what the store says. `lines` are the first ones, below cost first."""
    weight = {row["currency"]: 0 for row in sums}
    for row in sums:
        weight[row["currency"]] += row["lines"]
    losing = (PriceVerdict.BELOW_COST, PriceVerdict.ZERO_MARGIN)
    shown = [written(row) for row in lines]
    return Margin(
        scope=scope,
        since=wanted.since,
        until=wanted.until,
        whole=whole,
        tiles=tuple(
            _tiles([row for row in sums if row["currency"] == code], code) for code in sorted(weight, key=lambda c: (-weight[c], c))
        ),
        losses=tuple(_loss(row) for row in _together(row for row in lines if row["price_verdict"] in losing)),
        losing_lines=sum(row["lines"] for row in sums if row["price_verdict"] in losing),
        customers=Table("margin by customer", CUSTOMERS, [_with_pct(row) for row in customers]),
        families=Table("margin by product family", FAMILIES, [_with_pct(row) for row in families]),
        lines=Table("margin by line", LINES, shown),
        all_lines=sum(row["lines"] for row in sums),
        drifts=tuple(drift for code, rows in costs.items() if (drift := _drift(rows, code)) is not None),
        wanted=wanted,
        choices=choices,
    )


def every_line(connection: Connection, wanted: MarginFilter) -> Iterator[dict[str, Any]]:
    """All lines as the files carry them."""
    for row in margins.every_line(connection, wanted):
        yield written(row)


def written(row: Row) -> dict[str, Any]:
    """A line with words and its percentage."""
    return {**_with_pct(row), "price_label": verdict_words.PRICE_LABELS.get(row["price_verdict"], "")}


def percent(margin: Decimal | None, selling: Decimal | None) -> Decimal | None:
    """Of what it sells for, at one place; None where it sells for nothing or nobody knows."""
    if margin is None or not selling:
        return None
    return money.half_up(money.EXACT.divide(money.EXACT.multiply(margin, money.HUNDRED), selling), places=1)


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _with_pct(row: Row) -> dict[str, Any]:
    """Amounts at the currency's minor unit: what a part of a month sells for has more digits than money has."""
    currency = row["currency"]
    names = [name for name in ("selling", "cost", "margin", "unpriced") if name in row]
    rounded = {name: None if row[name] is None else money.in_currency(row[name], currency) for name in names}
    return {**row, **rounded, "pct": percent(row["margin"], row["selling"])}


def _tiles(sums: Sequence[Row], currency: str) -> tuple[Tile, ...]:
    def total(name: str, *verdicts: str) -> Decimal:
        return money.total(row[name] for row in sums if not verdicts or row["price_verdict"] in verdicts)

    def lines(*verdicts: str) -> int:
        return sum(row["lines"] for row in sums if row["price_verdict"] in verdicts)

    selling, cost, unpriced = total("selling"), total("cost"), total("unpriced")
    margin = money.EXACT.subtract(selling, cost)
    pct = percent(margin, selling)
    below = money.EXACT.subtract(total("cost", PriceVerdict.BELOW_COST), total("selling", PriceVerdict.BELOW_COST))
    lost, even = lines(PriceVerdict.BELOW_COST), lines(PriceVerdict.ZERO_MARGIN)
    return (
        Tile("Lost below cost", wording.rounded(below, currency), (Note(wording.counted(lost, "line"), is_alarming=bool(lost)),), currency),
        Tile(
            "Sold at cost",
            wording.rounded(total("cost", PriceVerdict.ZERO_MARGIN), currency),
            (Note(wording.counted(even, "line")),),
            currency,
        ),
        Tile(
            "Margin",
            wording.rounded(margin, currency),
            (Note("nothing sold" if pct is None else f"{wording.digits(pct)} % of selling"),),
            currency,
        ),
        Tile("Selling", wording.rounded(selling, currency), (Note(f"cost {wording.rounded(cost, currency)}"),), currency),
        Tile(
            "Cost without a price", wording.rounded(unpriced, currency), (Note("in no other figure", is_alarming=bool(unpriced)),), currency
        ),
    )


def _together(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Lines of one customer, product and price as one, the biggest loss first."""
    found: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        key = (
            row["price_verdict"],
            row["account_id"],
            row["customer"],
            row["product"],
            row["unit_cost"],
            row["selling_price"],
            row["currency"],
            row["kind"],
        )
        so_far = found.setdefault(
            key, {**row, "quantity": money.ZERO, "cost": money.ZERO, "selling": money.ZERO, "margin": money.ZERO, "lines": 0}
        )
        so_far["lines"] += 1
        for name in ("quantity", "cost", "selling", "margin"):
            so_far[name] = money.EXACT.add(so_far[name], row[name] or money.ZERO)
    return sorted(found.values(), key=lambda row: (row["price_verdict"] != PriceVerdict.BELOW_COST, row["margin"]))


def _loss(row: Row) -> Loss:
    is_below = row["price_verdict"] == PriceVerdict.BELOW_COST
    sign = "" if row["margin"] is None else wording.rounded(row["margin"], row["currency"])
    seats, lines = wording.digits(row["quantity"]), wording.counted(row["lines"], "line")
    return Loss(
        row["customer"],
        row["product"] or row["subscription_id"] or "No product",
        verdict_words.PRICE_LABELS[row["price_verdict"]],
        _sentence(row),
        sign or wording.ABSENT,
        f"on {wording.rounded(row['cost'], row['currency'])} of cost"
        if row["kind"] == "Usage"
        else f"on {lines}, {seats} {'seat' if seats == '1' else 'seats'}",
        is_below,
        row,
    )


def _sentence(row: Row) -> str:
    currency = row["currency"]
    if row["kind"] == "Usage":
        return f"Usage that costs {wording.amount(row['cost'], currency)} sells for {wording.amount(row['selling'], currency)}: its markup is too small."
    cost, selling = wording.amount(row["unit_cost"], currency), wording.amount(row["selling_price"], currency)
    if row["price_verdict"] == PriceVerdict.ZERO_MARGIN:
        return f"A seat costs {cost} a month and sells for the same."
    return f"A seat costs {cost} a month and sells for {selling}."


def _drift(rows: Sequence[Row], currency: str) -> Drift | None:
    """The products whose cost moved most over the months; None where no product has two months."""
    by_product: dict[str, list[tuple[str, Decimal]]] = {}
    for row in rows:
        by_product.setdefault(row["product"], []).append((row["month"], money.half_up(row["unit_cost"], places=4)))
    moved = {name: points for name, points in by_product.items() if len(points) > 1 and points[0][1] != points[-1][1]}
    if not any(len(points) > 1 for points in by_product.values()):
        return None
    biggest = sorted(moved, key=lambda name: (-_moved(moved[name]), name))[:MOST_DRIFTING]
    said = tuple(
        f"{name}: {wording.amount(moved[name][0][1], currency)} in {wording.month(moved[name][0][0])}, {wording.amount(moved[name][-1][1], currency)} "
        f"in {wording.month(moved[name][-1][0])}"
        for name in biggest
    )
    return Drift(currency, {name: tuple(moved[name]) for name in biggest}, said)


def _moved(points: Sequence[tuple[str, Decimal]]) -> Decimal:
    """How much of the first cost the last one is beside it."""
    first, last = points[0][1], points[-1][1]
    moved = money.EXACT.subtract(last, first).copy_abs()
    return moved if not first else money.EXACT.divide(moved, first.copy_abs())


def _named(rows: Sequence[Row]) -> dict[str, str]:
    return dict(sorted({row["key"]: row["name"] for row in rows if row["key"]}.items(), key=lambda one: (one[1] or "").casefold()))
