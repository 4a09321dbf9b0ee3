"""What is a change worth, what of it is not billed yet, and what is odd about single lines? The slow oracle's second part, in fractions and plain loops.

Written from the rules in docs/reconciliation.md and the provider's documented arithmetic; nothing of the product is imported. Rows are dicts as in `oracle`.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.truth import oracle
from tests.truth.oracle import ADD, CANCEL, CONVERT, CYCLE, REMOVE, SEATS, Row, kind, quantity

PLACES = {"JPY": 0}
MOST_CYCLES = 60
DAY = timedelta(days=1)


# --- what changes are worth --------------------------------------------------------------------------------------------------------------


def outside(row: Row, logs: list[Row]) -> list[Row]:
    """The logs that a looked-into row is explained by: outside its fit, else outside what the provider can have known on the day of the snapshot."""
    if row["outside"] is not None:
        return row["outside"]
    if row["verdict"] == "change_log_mismatch" or row["changed_since"]:
        known = {log["change_log_id"] for log in oracle.views(logs, row["snapshot"])[0][1]}
        return [log for log in logs if log["change_log_id"] not in known]
    return []


def worth(log: Row, subscription: Row, row: Row) -> tuple[Decimal | None, str | None]:
    """Quantity x price of the cycle that the change falls in, for the part of it that is left, rounded once; and the currency that it is in."""
    own = log["selling_price"] is not None
    price = log["selling_price"] if own else subscription["selling_price"]
    currency = (own and log["currency"] and log["currency"].upper()) or subscription["currency"]
    part = left_of_cycle(log["effective_date"], subscription, row)
    if None in (price, currency, log["quantity"], part):
        return None, currency
    monthly = Fraction(price) / oracle.MONTHS_OF[(subscription["unit"] or "Monthly").lower()]
    return rounded(Fraction(log["quantity"]) * monthly * part, currency), currency


def left_of_cycle(day: date | None, subscription: Row, row: Row) -> Fraction | None:
    """How many monthly prices a change of this day is charged for: by days, the day of the change included, or by months that have begun."""
    if day is None:
        return None
    anchor, months = subscription["contract_start"], oracle.MONTHS_OF[(subscription["frequency"] or "Monthly").lower()]
    if anchor is None:
        start, end = row["charge_start"], row["charge_end"]
        if start is None or end is None or end < start:
            return None
        months = oracle.whole_months(start, end) or 1
        anchor = start if oracle.whole_months(start, end) else on(end + DAY, -1)
    first, after = next(cycle for cycle in cycles(anchor, months) if cycle[0] <= day < cycle[1])
    if (subscription["prorate_unit"] or "").lower() == "months":
        begun = (first.year - anchor.year) * 12 + first.month - anchor.month
        return Fraction(sum(on(anchor, begun + month + 1) > day for month in range(months)))
    return Fraction(months * (after - day).days, (after - first).days)


def cycles(anchor: date, months: int) -> Iterator[tuple[date, date]]:
    """Half-open, each counted from the anchor, so that the 31st comes back after a shorter month."""
    for number in range(-MOST_CYCLES, MOST_CYCLES):
        yield on(anchor, number * months), on(anchor, (number + 1) * months)


def unbilled(worths: list[tuple[Decimal | None, str | None]], currency: str) -> Decimal | None:
    """What the changes that no invoice carries come to; unknown where one of them is, or is in another currency."""
    if any(amount is None or of != currency for amount, of in worths):
        return None
    return sum((amount for amount, _ in worths), Decimal(0))


# --- what is odd about lines -------------------------------------------------------------------------------------------------------------


def findings(lines: list[Row], rows: list[Row], change_logs: list[Row], *, currency: str) -> set[tuple]:
    """(row, line number or None, kind, expected, found, amount) of everything odd."""
    of_row = by(oracle.line_id, lines)
    told = [(name, line["line_number"], *odd) for name, window in of_row.items() for line in window for odd in of_line(line, currency)]
    told += [(row["line_id"], None, *odd) for row in rows for odd in charged_twice(row, of_row[row["line_id"]])]
    cancels, logs = by(provider, [line for line in lines if kind(line) == CANCEL]), by(ours, change_logs)
    told += [
        (oracle.line_id(line), line["line_number"], "billed_after_cancellation", Decimal(0), line["subtotal"], abs(line["subtotal"]))
        for line in charges(lines)
        if cancelled_before(line, cancels[provider(line)]) or deactivated_before(line, logs[ours(line)])
    ]
    return set(told)


def charges(lines: Iterable[Row]) -> list[Row]:
    """Lines that charge for seats; the credit of a pair charges nothing."""
    return [line for line in lines if kind(line) in CYCLE | {ADD, REMOVE} and line["subtotal"] > 0]


def of_line(line: Row, currency: str) -> Iterator[tuple]:
    due = expected(line, currency)
    if due is not None:
        yield "amount_off", due, line["subtotal"], abs(line["subtotal"] - due)
    listed = list_price(line)
    if listed is not None and charges([line]):
        above = line["effective_unit_price"] - listed
        of_all = Fraction(above) * Fraction(line["exchange_rate"] or 1) * Fraction(1 if quantity(line) is None else quantity(line))
        yield "above_list", listed, line["effective_unit_price"], rounded(of_all, currency)


def expected(line: Row, currency: str) -> Decimal | None:
    """What the amount should be, where it is not within two coins, or a coin for each seat, of anything that the provider's arithmetic gives."""
    effective, listed, seats, found = line["effective_unit_price"], line["unit_price"], quantity(line), line["subtotal"]
    if kind(line) not in SEATS | {CONVERT} or seats is None:
        return None
    if not (effective is not None or (listed is not None and found)):
        return None
    coin = Fraction(1, 10 ** PLACES.get(currency, 2))
    each = abs(Fraction(listed if effective is None else effective) * Fraction(line["exchange_rate"] or 1))
    seats, size = abs(Fraction(seats)), abs(Fraction(found))
    right = prorated(line, each, seats, currency)
    if effective is not None:
        right = [each // coin * coin * seats, Fraction(rounded(each * seats, currency))]
    nearest = min(right, key=lambda amount: (abs(amount - size), amount))
    if abs(nearest - size) <= max(2 * coin, coin * seats):
        return None
    return plain(-nearest if found < 0 else nearest)


def prorated(line: Row, each: Fraction, seats: Fraction, currency: str) -> list[Fraction]:
    """Without an effective price: the list price once, for the window's months, or for the days from its start or from the order on."""
    full, start, end = each * seats, line["charge_start"], line["charge_end"]
    found, by_seat = [full], []
    if start is not None and end is not None and end >= start:
        months, whole, after = oracle.frequency(line), oracle.whole_months(start, end), end + DAY
        if whole and months:
            found.append(full * whole / months)
        ordered = line["order_date"].date() if line["order_date"] else None
        days = [start] + [day for day in (ordered, ordered and ordered + DAY) if day and start <= day <= end]
        for of_cycle in ((after - on(after, -(months or 1))).days, (on(start, months or 1) - start).days):
            for left in ((after - day).days for day in days):
                found.append(full * left / of_cycle)
                if seats:
                    daily = Fraction(rounded(full / of_cycle, currency))
                    by_seat.append(Fraction(rounded(daily * left / seats, currency)) * seats)
    return [Fraction(rounded(amount, currency)) for amount in found] + by_seat


def list_price(line: Row) -> Decimal | None:
    """The list price of a seat for the window, where the effective one is more than a hundredth above it; of a part of a month, that of 28 days."""
    effective, listed, start, end = (line[name] for name in ("effective_unit_price", "unit_price", "charge_start", "charge_end"))
    months = oracle.frequency(line)
    if effective is None or listed is None or not months or start is None or end is None or end < start:
        return None
    whole = oracle.whole_months(start, end)
    due = Fraction(listed) * (Fraction(whole, months) if whole else Fraction((end - start).days + 1, 28 * months))
    if due <= 0 or Fraction(effective) - due <= Fraction(1, 100):
        return None
    return at(due, 4)


def charged_twice(row: Row, lines: list[Row]) -> Iterator[tuple]:
    """Cycle charges of one provider subscription that stand when credits of as many seats are taken from them, the largest ones first, where we hold another number. One of
    them is right: the largest, so that no more is called odd than must be."""
    if row["verdict"] == "confirmed" or row["subscription_id"] is None:
        return
    standing: list[Row] = []
    for of_it in by(provider, [line for line in lines if kind(line) in CYCLE | {CANCEL}]).values():
        kept: list[Row] = []
        for same in by(quantity, sorted(of_it, key=lambda line: -line["subtotal"])).values():
            charged = [line for line in same if kind(line) in CYCLE and line["subtotal"] > 0]
            kept += charged[sum(line["subtotal"] < 0 for line in same) :]
        standing += kept if len(kept) > 1 else []
    if standing:
        largest = max(line["subtotal"] for line in standing)
        every = sum((line["subtotal"] for line in standing), Decimal(0))
        yield "charged_twice", largest, every, every - largest


def provider(line: Row) -> str:
    """The provider's subscription; ids are compared without regard to case."""
    return (line["provider_subscription_id"] or "").lower()


def ours(row: Row) -> str | None:
    return row["subscription_id"]


def by(name: Callable[[Row], object], rows: Iterable[Row]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        found[name(row)].append(row)
    return found


def cancelled_before(line: Row, cancels: list[Row]) -> bool:
    """The provider cancelled the subscription on this invoice, in another window, before this one begins."""
    days = [one["order_date"].date() if one["order_date"] else one["charge_start"] for one in cancels]
    windows = {oracle.line_id(one) for one in cancels}
    known = [day for day in days if day is not None]
    return bool(known) and line["charge_start"] is not None and line["charge_start"] > min(known) and oracle.line_id(line) not in windows


def deactivated_before(line: Row, logs: list[Row]) -> bool:
    """We deactivated it before this window begins, and it was not begun again on that day or after."""
    days: dict[str, list[date]] = defaultdict(list)
    for log in logs:
        if log["effective_date"] and log["event"]:
            days["begun" if log["event"].lower() in ("create", "activate") else log["event"].lower()].append(log["effective_date"])
    if not days["deactivate"] or line["charge_start"] is None or line["subscription_id"] is None:
        return False
    ended = max(days["deactivate"])
    return line["charge_start"] > ended and not any(day >= ended for day in days["begun"])


# --- numbers -----------------------------------------------------------------------------------------------------------------------------


def on(day: date, months: int) -> date:
    """The same day so many months on, or the last of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def at(amount: Fraction, places: int) -> Decimal:
    """Half away from zero."""
    size = int(abs(amount) * 10**places + Fraction(1, 2))
    return Decimal(size if amount >= 0 else -size).scaleb(-places)


def rounded(amount: Fraction, currency: str) -> Decimal:
    return at(amount, PLACES.get(currency, 2))


def plain(amount: Fraction) -> Decimal:
    """A fraction that is a decimal number: of tenths, hundredths and so on."""
    places = 0
    while (amount * 10**places).denominator != 1:
        places += 1
    return Decimal(int(amount * 10**places)).scaleb(-places)
