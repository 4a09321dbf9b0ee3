"""The customer invoices of the past: seats in advance with the changes of the month before, Azure in arrears from the provider's usage."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from making import azure, stories, streamone
from making.changes import Log, billed_in, licence_invoice
from making.documents import Document
from making.seats import Seat
from making.world import MONTHS, UNBILLED, WIDE, Customer, half_up, month_end, next_month

# Customer invoices for Azure exist up to the usage of this month; that of the next is due on the estate's own day.
LAST_BILLED_USAGE = MONTHS[-2]
_PAID_UNTIL = date(2026, 9, 30)

Line = tuple[str, str, int, Decimal, Decimal, Decimal | None]  # subscription, text, quantity, unit price, amount, cost


@dataclass(frozen=True)
class Invoice:
    number: str
    contract: str
    customer: Customer
    invoice_date: date
    cycle: date
    lines: tuple[Line, ...]

    def row(self) -> dict[str, object]:
        key = {"invoice_number": self.number, "contract_id": self.contract, "account_id": self.customer.account}
        dates = {"invoice_date": self.invoice_date, "cycle_start": self.cycle, "cycle_end": month_end(self.cycle)}
        return {**key, **dates, "currency": self.customer.currency, "status": "Paid" if self.invoice_date <= _PAID_UNTIL else "Billed"}

    def line_rows(self) -> list[dict[str, object]]:
        names = ("subscription_id", "description", "quantity", "unit_price", "amount", "cost_amount")
        numbered = enumerate(self.lines, start=1)
        return [{"invoice_number": self.number, "line_number": number, **dict(zip(names, line, strict=True))} for number, line in numbered]


def licence_invoices(changes: list[Log]) -> list[Invoice]:
    """One a customer and month, from the first month to the running one."""
    of_month: dict[tuple[Customer, date], list[Log]] = defaultdict(list)
    for log in changes:
        if log.invoice:
            of_month[log.seat.customer, billed_in(log.day)].append(log)
    made = []
    bought = (*stories.seats(), *stories.manual(), *streamone.seats())
    for month in (*MONTHS, UNBILLED):
        for customer in dict.fromkeys(seat.customer for seat in bought):
            seats = [seat for seat in bought if seat.customer == customer]
            lines = [_cycle_line(seat, month) for seat in seats if _billed_seats(seat, month)]
            lines += [line for log in of_month[customer, month] if (line := _part_line(log, month))]
            if lines:
                made.append(
                    Invoice(
                        licence_invoice(customer, month), f"BC-{customer.number:03}-L", customer, month.replace(day=2), month, tuple(lines)
                    )
                )
    billed = {invoice.number for invoice in made}
    assert all(log.invoice is None or log.invoice in billed for log in changes)
    return made


def usage_invoices(issued: tuple[Document, ...]) -> list[Invoice]:
    """One a customer and month with usage, up to the last billed month; what waits in Error is not billed.

    Who is billed before the usage comes has it on the invoice of the next cycle.
    """
    costs: dict[tuple[date, str], dict[tuple[str, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for document in issued:
        if document.series != "reservation":
            for line in document.usage:
                part = costs[document.month, str(line["EntitlementId"])]
                key = str(line["ProductId"]), str(line["SkuId"])
                part[key] = WIDE.add(part[key], line["BillingPreTaxTotal"])
    made = []
    for month in (one for one in MONTHS if one <= LAST_BILLED_USAGE):
        for customer in dict.fromkeys(one.customer for one in azure.subscriptions()):
            held = [one for one in azure.subscriptions() if one.customer == customer and one.markup is not None]
            lines = [line for one in held for line in _usage_lines(one, month, costs.get((month, one.identifier_in(month)), {}))]
            if lines:
                cycle = next_month(month) if customer == stories.ALWAYS_EARLY else month
                day = next_month(cycle).replace(day=azure.billing_day(customer))
                number = f"{cycle:%Y%m}-{customer.number:03}"
                made.append(Invoice(f"U{number}", f"BC-{customer.number:03}-U", customer, day, cycle, tuple(lines)))
    return made


def _billed_seats(seat: Seat, month: date) -> int:
    """Seats that the cycle beginning on the first of the month is billed for."""
    if seat.start > month or seat.cancelled or (seat.suspended and seat.suspended < month):
        return 0
    return seat.initial + sum(change.seats for change in seat.changes if change.log == "billed" and change.day <= month)


def _cycle_line(seat: Seat, month: date) -> Line:
    quantity = _billed_seats(seat, month)
    cost = None if seat.cost is None else half_up(seat.cost * quantity)
    return seat.record, seat.product.name, quantity, seat.selling, seat.selling * quantity, cost


def _part_line(log: Log, month: date) -> Line | None:
    """Seats bought within the month before, for the days that were left of it."""
    seat = log.seat
    if log.day >= month or log.day < MONTHS[0] or log.seats < 0 or seat.cancelled:
        return None
    last = month_end(log.day)
    share = Decimal(last.day - log.day.day + 1) / last.day
    cost = None if seat.cost is None else half_up(seat.cost * log.seats * share)
    return seat.record, f"{log.seats} from {log.day}", log.seats, seat.selling, half_up(seat.selling * log.seats * share), cost


def _usage_lines(subscription: azure.AzureSubscription, month: date, costs: dict[tuple[str, str], Decimal]) -> list[Line]:
    """One line a subscription, each product of it rounded on its own, and the rest of a minimum commitment."""
    if not costs:
        return []
    factor = 1 + subscription.markup / 100
    amount = sum((half_up(WIDE.multiply(cost, factor)) for cost in costs.values()), Decimal(0))
    record = azure.record(subscription)
    lines: list[Line] = [(record, f"Azure usage {month:%Y-%m}", 1, amount, amount, half_up(sum(costs.values(), Decimal(0))))]
    if subscription.commitment and subscription.commitment > amount:
        rest = subscription.commitment - amount
        lines.append((record, "Minimum commitment", 1, rest, rest, Decimal("0.00")))
    return lines
