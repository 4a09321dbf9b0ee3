"""What the reseller buys through StreamOne: two products for three customers, three invoices of it, and what the interface lists of them.

The last invoice comes in a layout that nobody has seen before: its columns wait for a person to name them.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache

from making.catalogue import Product
from making.seats import Change, Seat
from making.world import CUSTOMERS, Customer, guid, half_up, month_end, times

NAME, ACCOUNT = "streamone-demo", "70318"
FROM = "2026-10-09T06:00:00Z"  # the morning that this provider was connected on
ORDERED_ON = date(2026, 11, 6)
_SEPTEMBER, _OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
_ADDED_LATER = 954  # on an invoice of its own

Row = dict[str, object]


@cache
def seats() -> tuple[Seat, ...]:
    """The four subscriptions."""
    guard = Product(211, "Endpoint Guard", "StreamOne", Decimal("3.20"), "EPG-STD", "")
    mail = Product(212, "Mailbox Vault", "StreamOne", Decimal("2.45"), "MBV-1TB", "")
    ordered = (Change(ORDERED_ON, 5, log="open"),)
    bought = ((951, 6, guard, 140, ()), (952, 6, mail, 140, ()), (953, 8, guard, 20, ordered), (_ADDED_LATER, 13, mail, 35, ()))
    return tuple(
        Seat(number, CUSTOMERS[customer - 1], product, "P1Y", date(2025, 9, 1), seats, changes)
        for number, customer, product, seats, changes in bought
    )


def customer_id(customer: Customer) -> str:
    return str(880_100 + customer.number)


def invoices() -> list[Row]:
    """As the old interface lists them."""
    made = []
    for identifier, number, month, issued, charged in _issued():
        said = {"id": identifier, "invoiceNumber": number, "invoiceDate": f"{issued}T08:00:00Z", "billingStartDate": month.isoformat()}
        money = {"total": sum(line["total"] for line in map(_charge, charged, [month] * len(charged))), "currency": "EUR"}
        made.append({**said, "billingEndDate": month_end(month).isoformat(), "cloudUsed": "TD SYNNEX", **money})
    return made


def files() -> list[tuple[str, list[Row]]]:
    """Path below files/ and rows of each detailed file."""
    made = []
    for identifier, number, month, _, charged in _issued():
        spelled = _layout_of_their_own if charged[0].number == _ADDED_LATER else _usual_layout
        made.append((f"{identifier}/{number}-detail.csv", [spelled(seat, _charge(seat, month), month) for seat in charged]))
    return made


def lists() -> list[tuple[str, list[Row]]]:
    """What the new interface lists: customers, subscriptions and orders."""
    held = dict.fromkeys(seat.customer for seat in seats())
    return [
        ("customers", [_customer(customer) for customer in held]),
        ("subscriptions", [_subscription(seat) for seat in seats()]),
        ("orders", [*(_order(seat, "CREATE", seat.start, seat.initial) for seat in seats()), *map(_update, seats()[2:3])]),
    ]


def _issued() -> list[tuple[int, str, date, date, tuple[Seat, ...]]]:
    usual, later = seats()[:3], seats()[3:]
    return [
        (8_801_204, "IONEU-0926-311", _SEPTEMBER, date(2026, 10, 3), usual),
        (8_812_977, "IONEU-1026-347", _OCTOBER, date(2026, 11, 3), usual),
        (8_813_050, "IONEU-1026-352", _OCTOBER, date(2026, 11, 5), later),
    ]


def _charge(seat: Seat, month: date) -> dict[str, Decimal]:
    subtotal = seat.unit_price * seat.at_provider(month_end(month))
    tax = half_up(times(subtotal, seat.customer.tax_rate))
    return {"subtotal": subtotal, "tax": tax, "total": subtotal + tax}


def _usual_layout(seat: Seat, money: dict[str, Decimal], month: date) -> Row:
    return {
        "Customer ID": customer_id(seat.customer), "Customer Name": seat.customer.name, "Subscription ID": seat.identifier,
        "Product Name": seat.product.name, "Mfg Part Number": seat.product.part, "Charge Type": "renew",
        "Billing Start Date": month, "Billing End Date": month_end(month), "Quantity": seat.at_provider(month_end(month)),
        "Unit Cost": seat.unit_price, "Net Total": money["subtotal"], "Tax Amount": money["tax"], "Total incl. Tax": money["total"],
        "Currency Code": "EUR",
    }  # fmt: skip


def _layout_of_their_own(seat: Seat, money: dict[str, Decimal], month: date) -> Row:
    return {
        "End Customer": customer_id(seat.customer), "Company": seat.customer.name, "Cloud Account Number": seat.identifier,
        "Service": seat.product.name, "Part": seat.product.part, "Seats": seat.at_provider(month_end(month)),
        "From": month, "To": month_end(month), "Seller Cost (EUR)": money["subtotal"], "Levy (EUR)": money["tax"],
        "Amount Due (EUR)": money["total"],
    }  # fmt: skip


def _customer(customer: Customer) -> Row:
    return {
        "id": customer_id(customer), "uid": guid(f"ion customer {customer.number}"),
        "name": f"accounts/{ACCOUNT}/customers/{customer_id(customer)}", "customerOrganization": customer.name,
        "customerEmail": f"it@{customer.domain}", "customerAddress": {"country": customer.country}, "customerStatus": "ACTIVE",
        "languageCode": "EN",
    }  # fmt: skip


def _subscription(seat: Seat) -> Row:
    return {
        "id": _own_id(seat), "subscriptionId": seat.identifier, "customerId": customer_id(seat.customer),
        "subscriptionName": seat.product.name, "subscriptionTotalLicenses": str(seat.at_provider(date(2026, 11, 12))),
        "unitType": "Licenses", "subscriptionStatus": "active", "subscriptionStartDate": f"{seat.start}T00:00:00Z",
        "subscriptionEndDate": f"{date(2027, 8, 31)}T00:00:00Z", "subscriptionBillingType": "license", "subscriptionBillingCycle": "monthly",
        "subscriptionBillingTerm": "P1Y", "autoRenew": True, "cost": seat.unit_price, "price": seat.selling, "currency": "EUR",
        "mfgPartNumber": seat.product.part,
    }  # fmt: skip


def _update(seat: Seat) -> Row:
    return _order(seat, "UPDATE", ORDERED_ON, seat.at_provider(ORDERED_ON))


def _order(seat: Seat, action: str, day: date, quantity: int) -> Row:
    number = f"{3_300_000 + seat.number * 10 + (action == 'UPDATE')}"
    at = f"{day}T09:{seat.number % 60:02}:00Z"
    item = {"name": f"orderItems/{number}-1", "action": action, "quantity": quantity, "resourceId": _own_id(seat), "status": "COMPLETED"}
    placed = {"name": f"accounts/{ACCOUNT}/customers/{customer_id(seat.customer)}/orders/{number}", "status": "COMPLETED"}
    return {**placed, "userEmail": "mara.lindqvist@reseller.example", "createTime": at, "updateTime": at, "orderItems": [item]}


def _own_id(seat: Seat) -> str:
    return str(5_560_000 + seat.number)
