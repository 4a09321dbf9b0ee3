"""Which lines cannot be taken? A list of small named checks over parsed columns, each returning the rejections it finds.

Also the completions that the provider's own arithmetic allows: a total that is not printed is subtotal plus tax.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from w365core import money
from w365core.frames import Column, Kind
from w365core.intake.parse import Parsed, Rejection

Check = Callable[[Parsed, tuple[Column, ...]], list[Rejection]]


def rejections(parsed: Parsed, columns: tuple[Column, ...], needed: tuple[str, ...]) -> list[Rejection]:
    """Everything that is wrong with these lines; a line may be named more than once, a cell once. `needed` are the columns that may not be blank."""
    found = list(parsed.rejections)
    for check in (numbers_are_money, needed_cells_are_there(needed), text_fits):
        named = {(rejection.index, rejection.column) for rejection in found}
        found.extend(rejection for rejection in check(parsed, columns) if (rejection.index, rejection.column) not in named)
    return found


def numbers_are_money(parsed: Parsed, columns: tuple[Column, ...]) -> list[Rejection]:
    """Every number is finite and of a size that money can have; checked on the printed column first, which is quick."""
    found = []
    for column in columns:
        if column.kind is not Kind.NUMBER:
            continue
        values = parsed.columns[column.name]
        printed = [str(value) for value in values if value is not None]
        if not printed or (len(max(printed, key=len)) <= money.MOST_INTEGER_DIGITS and not _has_letters("".join(printed))):
            continue
        found += [
            Rejection(index, column.header, str(value), f"a number of at most {money.MOST_INTEGER_DIGITS} digits before the point")
            for index, value in enumerate(values)
            if value is not None and not money.is_plausible(value)
        ]
    return found


def _has_letters(text: str) -> bool:
    return "E" in text or "N" in text or "I" in text


def needed_cells_are_there(needed: tuple[str, ...]) -> Check:
    """These cells are not blank."""

    def check(parsed: Parsed, columns: tuple[Column, ...]) -> list[Rejection]:
        by_name = {column.name: column for column in columns}
        found = []
        for name in needed:
            column, expected = by_name[name], "a number" if by_name[name].kind is Kind.NUMBER else "a value"
            found += [
                Rejection(index, column.header, value, expected)
                for index, value in enumerate(parsed.columns[name])
                if value is None or value == ""
            ]
        return found

    return check


def text_fits(parsed: Parsed, columns: tuple[Column, ...]) -> list[Rejection]:
    """The currency is a code of three letters: anything else is a shifted column."""
    found = []
    for column in columns:
        if column.name in ("currency", "billing_currency"):
            for index, value in enumerate(parsed.columns[column.name]):
                if value and not (len(value.strip()) == 3 and value.strip().isalpha()):
                    found.append(Rejection(index, column.header, value, "a currency code of three letters"))
    return found


def complete_totals(parsed: Parsed) -> int:
    """Fills blank tax and total of license lines in place; returns how many lines print a total other than subtotal plus tax."""
    subtotals, taxes, totals = (parsed.columns[name] for name in ("subtotal", "tax_total", "total"))
    zero, odd = Decimal(0), 0
    for index, (subtotal, tax, total) in enumerate(zip(subtotals, taxes, totals, strict=True)):
        if tax is None:
            taxes[index] = tax = zero if total is None else money.EXACT.subtract(total, subtotal)
        expected = money.EXACT.add(subtotal, tax)
        if total is None:
            totals[index] = expected
        elif total != expected:
            odd += 1
    return odd
