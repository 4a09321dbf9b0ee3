"""What does the contract, read aloud and line by line, say of one invoice? Slow, obvious, plain Python and Decimal; a second opinion on the kernel.

It is written from the contract's section 5 alone and imports nothing of the product. Rows go in and come out as dicts; null is None, numbers are
Decimal, days `date`, moments `datetime`. Where the contract leaves a choice, the sentence beside the code says which one is taken.
"""

from __future__ import annotations

import calendar
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

Row = dict[str, object]
EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)

# Letter case, blanks and marks do not tell charge types apart.
CYCLE = {"new", "purchase", "renew", "cyclecharge", "cyclefee", "renewfee", "activationfee"}
ADD, REMOVE, CANCEL, CONVERT = "addquantity", "removequantity", "cancelimmediate", "convert"
CHANGE = {ADD, REMOVE}
SEATS = CYCLE | CHANGE | {CANCEL}

MONTHS_OF = {"monthly": 1, "quarterly": 3, "annual": 12, "annually": 12, "yearly": 12, "triennial": 36}
SHIFTS = (-1, 1, -2, 2)
MINOR_UNITS = {"JPY": 0}
EXPLAINED = ("explained_invoiced", "explained_not_invoiced", "excluded", "provisioning_gap")


def reconcile(lines: list[Row], subscriptions: list[Row], change_logs: list[Row], *, currency: str) -> list[Row]:
    """The rows of one invoice, sorted by `line_id`. Each has `outside`: the change logs outside its fit or view, and `logs`: all of them by id."""
    with localcontext(EXACT):
        ours = {subscription["subscription_id"]: subscription for subscription in subscriptions}
        logs: dict[object, list[Row]] = defaultdict(list)
        for log in change_logs:
            logs[log["subscription_id"]].append(log)
        windows: dict[str, list[Row]] = defaultdict(list)
        for line in lines:
            windows[line_id(line)].append(line)
        rows = [_row(name, window, ours.get(window[0]["subscription_id"]), logs, currency) for name, window in windows.items()]
        named = {line["subscription_id"] for line in lines}
        rows += [_missing(one, currency) for one in subscriptions if one["expected"] and one["subscription_id"] not in named]
        return sorted(rows, key=lambda row: row["line_id"])


def totals(rows: Iterable[Row]) -> dict[str, Decimal]:
    """lines = confirmed + explained + unexplained."""
    sums = {"confirmed": ZERO, "explained": ZERO, "unexplained": ZERO}
    with localcontext(EXACT):
        for row in rows:
            kind = "confirmed" if row["verdict"] == "confirmed" else "explained" if row["verdict"] in EXPLAINED else "unexplained"
            sums[kind] += row["subtotal"] or ZERO
    return sums


def line_id(line: Row) -> str:
    """One row per subscription and window; without a subscription, per customer and window."""
    window = "/".join(day.isoformat() if day else "" for day in (line["charge_start"], line["charge_end"]))
    if line["subscription_id"] is None:
        return f"customer:{line['provider_customer_id'].lower()}/{window}"
    return f"{line['subscription_id']}/{window}"


def _row(name: str, lines: list[Row], subscription: Row | None, all_logs: dict[object, list[Row]], currency: str) -> Row:
    logs = all_logs[subscription["subscription_id"]] if subscription else []
    now = ours_now(subscription) if subscription else None
    provider = provider_quantity(lines, now)
    row: Row = {
        "line_id": name,
        "subscription_id": subscription["subscription_id"] if subscription else None,
        "charge_start": lines[0]["charge_start"],
        "charge_end": lines[0]["charge_end"],
        "lines": len(lines),
        "snapshot": snapshot(lines),
        "provider_quantity": provider,
        "our_quantity": now,
        "our_quantity_then": ours_then(logs, snapshot(lines)),
        "quantity_difference": None if provider is None or now is None else provider - now,
        "subtotal": sum((line["subtotal"] for line in lines), ZERO),
        "currency": currency,
        "logs": {log["change_log_id"]: billing(log) for log in logs},
        **verdict(provider, now, snapshot(lines), subscription, logs),
        **price(lines, subscription, currency),
    }
    return {**row, "money_at_risk": money_at_risk(row)}


def _missing(subscription: Row, currency: str) -> Row:
    """A subscription that belongs on the invoice and has no line: a side that is absent is null."""
    quantity = ours_now(subscription)
    row: Row = {
        **dict.fromkeys(("charge_start", "charge_end", "snapshot", "provider_quantity", "our_quantity_then", "quantity_difference")),
        "line_id": f"{subscription['subscription_id']}/not-on-invoice",
        "subscription_id": subscription["subscription_id"],
        "lines": 0,
        "our_quantity": quantity,
        "subtotal": None,
        "currency": currency,
        "logs": {},
        **_said("not_on_invoice"),
        **price([], subscription, currency),
    }
    return {**row, "money_at_risk": money_at_risk(row)}


# --- provider quantity -------------------------------------------------------------------------------------------------------------------


def kind(line: Row) -> str:
    return "".join(character for character in (line["charge_type"] or "").lower() if character.isalnum())


def quantity(line: Row) -> Decimal | None:
    """From BillableQuantity, else Quantity."""
    return line["quantity"] if line["billable_quantity"] is None else line["billable_quantity"]


def moment(line: Row) -> datetime:
    """The order date, date and time as printed. Chosen: what has none came before everything that has one."""
    return line["order_date"] or datetime.min


def provider_quantity(lines: list[Row], now: Decimal | None) -> Decimal | None:
    """Seats of a window, its lines netted first."""
    if any(kind(line) == CONVERT for line in lines):
        return None
    seats = [line for line in lines if kind(line) in SEATS]
    if not seats:
        return None
    unknown = any(quantity(line) is None for line in seats)  # chosen: seats that nobody counted leave the window unknown, not 0
    if any(kind(line) in CYCLE for line in seats):
        return None if unknown else sum((quantity(line) * sign for line, sign in signs(seats)), ZERO)
    cancels = [moment(line) for line in seats if kind(line) == CANCEL]
    changes = [moment(line) for line in seats if kind(line) in CHANGE]
    if cancels and max(cancels) >= max(changes, default=datetime.min):  # chosen: nothing follows a cancellation at the same moment
        return ZERO
    return None if unknown else _last_rebill([(line, sign) for line, sign in signs(seats) if kind(line) in CHANGE], now)


def signs(seats: list[Row]) -> list[tuple[Row, int]]:
    """Each seat line with the sign of its amount, or what stands for it where the amount is zero."""
    signed = [(line, 1 if line["subtotal"] > 0 else -1) for line in seats if line["subtotal"] != 0]
    signed += [(line, 1) for line in seats if line["subtotal"] == 0 and kind(line) in CYCLE]
    signed += [(line, -1) for line in seats if line["subtotal"] == 0 and kind(line) == CANCEL]
    events: dict[tuple[str, datetime], list[Row]] = defaultdict(list)
    for line in seats:
        if kind(line) in CHANGE:
            events[kind(line), moment(line)].append(line)
    for (change, _), event in events.items():
        signed += _zero_pairs(event, larger=change == ADD)
    return signed


def _zero_pairs(event: list[Row], *, larger: bool) -> list[tuple[Row, int]]:
    """In a zero-amount pair the re-bill is the larger quantity of an add, the smaller of a remove. Chosen: of the changes of one kind and moment one
    half are re-bills, so zero-amount lines take the places that signed ones leave; an odd one is a re-bill."""
    zero = sorted((line for line in event if line["subtotal"] == 0), key=quantity, reverse=larger)
    rebills = (len(event) + 1) // 2 - sum(line["subtotal"] > 0 for line in event)
    return [(line, 1 if place < rebills else -1) for place, line in enumerate(zero)]


def _last_rebill(changes: list[tuple[Row, int]], now: Decimal | None) -> Decimal | None:
    """Only change pairs: the re-bill of the last one by order date; on a tie the re-bill that no credit takes back; still undetermined: the end that
    equals ours, else null."""
    latest = max(moment(line) for line, _ in changes)
    last = [(quantity(line), sign) for line, sign in changes if moment(line) == latest]
    rebills = Counter(seats for seats, sign in last if sign > 0)
    kept = rebills - Counter(seats for seats, sign in last if sign < 0)
    ends = set(kept or rebills)
    if len(ends) == 1:
        return next(iter(ends))
    return now if now in ends else None


# --- our quantity ------------------------------------------------------------------------------------------------------------------------


def snapshot(lines: list[Row]) -> date | None:
    """The day of the window's last provider event: order date of the last pair or cancellation, else charge start, also where a plain file has none."""
    events = [moment(line) for line in lines if kind(line) in CHANGE | {CANCEL}]
    return max(events).date() if events and max(events) > datetime.min else lines[0]["charge_start"]


def ours_now(subscription: Row) -> Decimal | None:
    return ZERO if subscription["status"] == "Suspended" else subscription["quantity"]


def ours_then(logs: list[Row], cut: date | None) -> Decimal | None:
    if not logs or cut is None:
        return None
    return _sum(log for log in logs if log["effective_date"] and log["effective_date"] <= cut)


def _sum(logs: Iterable[Row]) -> Decimal:
    return sum((log["quantity"] for log in logs if log["quantity"] is not None), ZERO)


def billing(log: Row) -> str:
    """Chosen: a log without a status reason is not archived, so it is still to be invoiced."""
    if log["invoice_number"]:
        return "invoiced"
    return "excluded" if log["status_reason"] == "Archived" else "not_invoiced"


# --- verdict -----------------------------------------------------------------------------------------------------------------------------


def _said(name: str, **more: object) -> Row:
    return {"verdict": name, "fit": None, "residual": None, "residual_settles": None, "changed_since": False, "outside": None} | more


def verdict(provider: Decimal | None, now: Decimal | None, cut: date | None, subscription: Row | None, logs: list[Row]) -> Row:
    """The first that applies, 1 to 8."""
    if subscription is None:
        return _said("no_subscription")
    if provider is None:
        return _said("not_reconcilable")
    if subscription["status"] == "Suspended" and provider > 0 and _deactivated_by(cut, logs):
        return _said("suspended_but_billed")
    every = _sum(logs)
    seen = views(logs, cut)
    if provider == now:
        agrees = now == ours_then(logs, cut) or any(_sum(view) == now for _, view in seen)
        return _said("confirmed", changed_since=bool(logs) and cut is not None and every == now and not agrees)
    if not logs or now is None or cut is None:  # chosen: without a quantity of ours, or a day to look at, nothing can be explained
        return _said("not_reconcilable")
    if every != now:
        residual = now - every
        settles = any(_sum(view) + residual == provider for _, view in seen)  # chosen: with it any view comes to what the provider charged
        return _said("change_log_mismatch", residual=residual, residual_settles=settles)
    for name, view in seen:
        if _sum(view) == provider:
            outside = _outside(logs, view)
            return _said(_weakest(outside), fit=name, outside=outside)
    view = seen[0][1]
    outside = _outside(logs, view)
    return _said("partly_explained" if outside else "unexplained", residual=provider - _sum(view), outside=outside)


def _deactivated_by(cut: date | None, logs: list[Row]) -> bool:
    """Its Deactivate log is effective by the snapshot, or there is none. Chosen: the last one, where it was suspended more than once."""
    days = [log["effective_date"] for log in logs if (log["event"] or "").lower() == "deactivate"]
    if not days:
        return True
    return cut is not None and max(day or date.min for day in days) <= cut and any(days)


def views(logs: list[Row], cut: date | None) -> list[tuple[str, list[Row]]]:
    """What the provider can have known, in the order in which it is tried."""
    if cut is None:
        return []
    return [
        ("snapshot", _provisioned(logs, cut)),
        ("scheduled", _scheduled(logs, cut)),
        *(("shifted", take(logs, cut + timedelta(days=by))) for by in SHIFTS for take in (_provisioned, _scheduled)),
        ("effective", [log for log in logs if log["effective_date"] and log["effective_date"] <= cut]),
    ]


def _provisioned(logs: list[Row], cut: date) -> list[Row]:
    """Logs Provisioned or Not Applicable whose provisioned day (else effective date) is not after the cut."""
    days = [(log, log["provisioned_on"] or log["effective_date"]) for log in logs if _is_done(log)]
    return [log for log, day in days if day and day <= cut]


def _scheduled(logs: list[Row], cut: date) -> list[Row]:
    """The same with the later of the two days."""
    days = [
        (log, max((day for day in (log["provisioned_on"], log["effective_date"]) if day), default=None)) for log in logs if _is_done(log)
    ]
    return [log for log, day in days if day and day <= cut]


def _is_done(log: Row) -> bool:
    return log["provisioning_status"] in ("Provisioned", "Not Applicable")


def _outside(logs: list[Row], view: list[Row]) -> list[Row]:
    inside = {log["change_log_id"] for log in view}
    return [log for log in logs if log["change_log_id"] not in inside]


def _weakest(outside: list[Row]) -> str:
    if any(log["provisioning_status"] in ("Awaiting Provisioning", "Failed Provisioning") for log in outside):
        return "provisioning_gap"
    if any(billing(log) == "excluded" for log in outside):
        return "excluded"
    if any(billing(log) == "not_invoiced" for log in outside):
        return "explained_not_invoiced"
    return "explained_invoiced"


# --- price and money ---------------------------------------------------------------------------------------------------------------------


def price(lines: list[Row], subscription: Row | None, currency: str) -> Row:
    """Unit cost per month at 4 places, the price verdict, and our prices per month where they are in the invoice's currency."""
    cost = unit_cost(lines)
    foreign = subscription is None or subscription["currency"] != currency
    selling = None if subscription is None else _monthly(subscription["selling_price"], subscription["unit"])
    known = None if subscription is None else _monthly(subscription["cost_price"], subscription["unit"])
    if selling is None or cost is None or foreign:
        said = "price_unknown"
    elif _at_4(selling) < cost:
        said = "below_cost"
    elif _at_4(selling) == cost:
        said = "zero_margin"
    elif known is not None and abs(_at_4(known) - cost) > Decimal("0.005"):
        said = "cost_drift"
    else:
        said = "price_ok"
    return {"unit_cost": cost, "price_verdict": said, "cost_each": None if foreign else known, "selling_each": None if foreign else selling}


def unit_cost(lines: list[Row]) -> Decimal | None:
    """Of the last cycle line; chosen: where the window has none, of the last other line of seats. Last by order date, then the highest."""
    seats = [line for line in lines if kind(line) in CYCLE] or [line for line in lines if kind(line) in SEATS]
    latest = max((moment(line) for line in seats), default=None)
    costs = [_per_month(line) for line in seats if moment(line) == latest]
    return max((cost for cost in costs if cost is not None), default=None)


def _per_month(line: Row) -> Decimal | None:
    """A cycle line whose window is a whole number of months: EffectiveUnitPrice over them; otherwise UnitPrice over its billing frequency."""
    months = whole_months(line["charge_start"], line["charge_end"]) if kind(line) in CYCLE else None
    printed = line["effective_unit_price"]
    if months is None or printed is None:
        months, printed = frequency(line), line["unit_price"]
    if months is None or printed is None:
        return None
    rate = Decimal(1) if line["exchange_rate"] is None else line["exchange_rate"]  # chosen: no rate printed, so nothing to exchange
    return _at_4(printed * rate / months)


def whole_months(start: date | None, end: date | None) -> int | None:
    """How many months a window is: its end is start + n months - 1 day, clamped to the month's end. Chosen: both ways of clamping count."""
    if start is None or end is None:
        return None
    for months in range(1, 61):
        year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        clamped_then_day_before = date(year, month + 1, min(start.day, last)) - timedelta(days=1)
        day_before_then_clamped = date(year, month + 1, min(start.day - 1, last)) if start.day > 1 else clamped_then_day_before
        if end in (clamped_then_day_before, day_before_then_clamped):
            return months
    return None


def frequency(line: Row) -> int | None:
    """Months of the billing frequency; blank: from TermAndBillingCycle ("One-Year commitment for yearly billing")."""
    printed = (line["billing_frequency"] or "").strip().lower()
    if printed not in ("", "na", "n/a"):
        return MONTHS_OF.get(printed)
    words = (line["term_and_billing_cycle"] or "").lower().replace("/", " ").replace("-", " ").split()
    found = {MONTHS_OF[word] for word in words if word in MONTHS_OF}
    return found.pop() if len(found) == 1 else None


def _monthly(printed: Decimal | None, unit: str | None) -> Decimal | None:
    """A price of ours per month. Prices are per month unless the product says otherwise."""
    return None if printed is None else printed / MONTHS_OF.get((unit or "Monthly").lower(), 1)


def _at_4(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.0001"))


def money_at_risk(row: Row) -> Decimal | None:
    """In the invoice's currency, never negative; null where the price is unknown or in another currency."""
    said = row["verdict"]
    if said in ("partly_explained", "unexplained", "change_log_mismatch"):
        return _product(row["residual"], row["unit_cost"], row["currency"])
    if said in ("suspended_but_billed", "no_subscription", "not_reconcilable"):
        return row["subtotal"].copy_abs()
    if said == "not_on_invoice":
        return _product(row["our_quantity"], row["cost_each"], row["currency"])
    if said in ("explained_not_invoiced", "excluded", "provisioning_gap"):
        return _product(row["quantity_difference"], row["selling_each"], row["currency"])
    return ZERO


def _product(seats: Decimal | None, each: Decimal | None, currency: str) -> Decimal | None:
    """Chosen: rounded once, half up, to the currency's minor unit."""
    if seats is None or each is None:
        return None
    return (seats * each).copy_abs().quantize(Decimal(1).scaleb(-MINOR_UNITS.get(currency, 2)))
