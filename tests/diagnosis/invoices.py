"""Invoices that differ, as the store would sum them: random ones that agree, and one cause planted at a time.

group, daily      a group of lines, stated by what matters
agreeing          a random invoice whose header and files agree
facts             what the diagnosis is handed;  picked: the groups that a selection lists
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from w365core import money
from w365core.difference import Document, Facts, LineGroup, Repeat, Selection, Trait
from w365core.model import LineKind

D = Decimal
DAYS = (1 << 30) - 1


def group(subtotal: str | Decimal = "100.00", **said: Any) -> LineGroup:
    """License lines of one customer, product and charge type."""
    tax = D(said.pop("tax", "0"))
    values = {
        "kind": LineKind.LICENSE, "trait": Trait.PLAIN, "customer": "c1", "subscription": "s1", "product": "p1", "sku": "0001",
        "charge_type": "cyclecharge", "is_taxed": bool(tax), "lines": 1, "subtotal": D(subtotal), "tax": tax, "total": D(subtotal) + tax,
    }  # fmt: skip
    return LineGroup(**values | said)


def usage(subtotal: str | Decimal = "100.00", **said: Any) -> LineGroup:
    """Usage lines of the reconciliation file."""
    return group(subtotal, **{"kind": LineKind.USAGE, "product": "az", "charge_type": "new", **said})


def daily(subtotal: str | Decimal = "100.00", **said: Any) -> LineGroup:
    """Daily-rated lines, with usage on each of thirty days."""
    return usage(subtotal, **{"lines": 30, "days": DAYS, **said})


@dataclass(frozen=True)
class Invoice:
    """Lines of both files, and what is known beside them; `header` None is what the lines come to."""

    lines: tuple[LineGroup, ...] = ()
    daily: tuple[LineGroup, ...] = ()
    header: Decimal | None = None
    repeats: tuple[Repeat, ...] = ()
    documents: tuple[Document, ...] = ()
    currency: str = "EUR"
    planted: tuple[LineGroup, ...] = field(default=())
    taxed_per_line: tuple[tuple[Decimal, Decimal], ...] = ()

    @property
    def lines_total(self) -> Decimal:
        return money.total(one.total for one in self.lines)

    def headed(self, more: str | Decimal) -> Invoice:
        """The same with that much more on the header."""
        return replace(self, header=(self.lines_total if self.header is None else self.header) + D(more))


def facts(invoice: Invoice) -> Facts:
    header_gap = (invoice.lines_total if invoice.header is None else invoice.header) - invoice.lines_total
    billed = money.total(one.subtotal for one in invoice.lines if one.kind is LineKind.USAGE)
    usage_gap = billed - money.total(one.subtotal for one in invoice.daily) if invoice.daily else D(0)
    return Facts(
        invoice.currency, header_gap or None, usage_gap or None, invoice.lines, invoice.daily, invoice.repeats, invoice.documents,
        taxed_per_line=invoice.taxed_per_line, first_day=date(2026, 10, 1), expected_days=DAYS,
    )  # fmt: skip


def picked(facts: Facts, wanted: Selection) -> list[LineGroup]:
    """The groups whose lines the selection lists, as the store's own conditions choose them."""
    mine, others = (facts.daily, facts.lines) if wanted.daily else (facts.lines, facts.daily)
    elsewhere = {one.key for one in others}
    tests: list[Callable[[LineGroup], bool]] = [
        lambda one: wanted.kind in (None, str(one.kind)),
        lambda one: wanted.trait in (None, str(one.trait)),
        lambda one: wanted.taxed in (None, one.is_taxed),
        lambda one: wanted.customer in (None, one.customer),
        lambda one: wanted.product in (None, one.product),
        lambda one: wanted.charge_type in (None, one.charge_type),
        lambda one: not wanted.subscriptions or one.subscription in wanted.subscriptions,
        lambda one: not wanted.line_numbers or one.line in wanted.line_numbers,
        lambda one: not wanted.only_here or one.key not in elsewhere,
    ]
    return [one for one in mine if all(test(one) for test in tests)]


# --- random ones ---------------------------------------------------------------------------------------------------------------------------


def agreeing(seed: int, *, taxed: bool = False) -> tuple[Invoice, random.Random]:
    """A dozen customers with seats and Azure usage, amounts of any size; the header is the sum, the files differ by nothing."""
    chance = random.Random(seed)
    lines, rated = [], []
    for number in range(chance.randint(6, 12)):
        customer = f"c{number}"
        for product in chance.sample(range(9), chance.randint(1, 4)):
            amount = D(chance.randint(2_000, 900_000)) / 100
            tax = money.half_up(amount * 19 / 100, places=2) if taxed else D(0)
            lines.append(group(amount, customer=customer, subscription=f"s{number}-{product}", product=f"p{product}", tax=tax,
                               charge_type=chance.choice(["cyclecharge", "new", "addquantity"])))  # fmt: skip
        for meter in range(chance.randint(0, 4)):
            amount = D(chance.randint(2_000, 400_000)) / 100
            key = {"customer": customer, "subscription": f"plan{number}", "product": f"az{meter}"}
            tax = money.half_up(amount * 19 / 100, places=2) if taxed else D(0)
            lines.append(usage(amount, tax=tax, **key))
            rated.append(daily(amount, **key))
    if not rated:
        lines.append(usage("777.77", customer="c0", subscription="plan0", product="az0"))
        rated.append(daily("777.77", customer="c0", subscription="plan0", product="az0"))
    chance.shuffle(lines)
    return Invoice(tuple(lines), tuple(rated)), chance


def amount_of(chance: random.Random, least: int = 20_000) -> Decimal:
    """200 to 9,000 in the currency, to the cent."""
    return D(chance.randint(least, 900_000)) / 100


def with_lines(invoice: Invoice, lines: Sequence[LineGroup], *, planted: Sequence[LineGroup] | None = None) -> Invoice:
    """More lines, which the header counts as well."""
    more = money.total(one.total for one in lines)
    header = None if invoice.header is None else invoice.header + more
    return replace(invoice, lines=(*invoice.lines, *lines), header=header, planted=(*invoice.planted, *(planted or lines)))
