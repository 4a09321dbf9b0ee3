"""Our side of the estate: the tables that a CRM would hand over, true to what the provider charged but for the planted stories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from making import azure, stories, streamone
from making.billing import licence_invoices, usage_invoices
from making.catalogue import PRODUCTS
from making.changes import Log, logs
from making.documents import Document, manual_customer, manual_identifier
from making.seats import Seat
from making.world import CUSTOMERS, MONTHS, TODAY, Customer, half_up

Row = dict[str, object]

_BLANK = None


def tables(issued: tuple[Document, ...]) -> Iterator[tuple[str, list[Row]]]:
    """File name and rows of every table."""
    changes = logs()
    invoices = [*licence_invoices(changes), *usage_invoices(issued)]
    yield "currencies.csv", [{"code": "EUR", "rate_to_base": "1"}, {"code": "USD", "rate_to_base": "0.92"}]
    yield "accounts.csv", [_account(customer) for customer in CUSTOMERS]
    yield "provider_accounts.csv", [*(_provider_account(customer) for customer in CUSTOMERS), *_manual_accounts(), *_streamone_accounts()]
    yield "products.csv", _products()
    yield "billing_contracts.csv", _contracts()
    yield "subscriptions.csv", [*map(_seat, stories.seats()), *map(_azure, azure.subscriptions()), *map(_manual, stories.manual()), *map(_streamone, streamone.seats())]
    yield "subscription_aliases.csv", _aliases()
    yield "license_change_logs.csv", [_log(log) for log in changes]
    yield "invoices.csv", [invoice.row() for invoice in invoices]
    yield "invoice_lines.csv", [row for invoice in invoices for row in invoice.line_rows()]


def _account(customer: Customer) -> Row:
    money = {"currency": customer.currency, "credit_hold": False}
    return {"account_id": customer.account, "name": customer.name, "domain": customer.domain, **money}


def _provider_account(customer: Customer) -> Row:
    identifier = customer.tenant.upper() if customer.number % 4 == 0 else customer.tenant
    account = _BLANK if customer == stories.UNMAPPED else customer.account
    return _mapped("csp-demo", identifier, customer.name, account)


def _manual_accounts() -> list[Row]:
    customers = dict.fromkeys(seat.customer for seat in stories.manual())
    return [_mapped("distributor-demo", manual_customer(one), one.name, one.account) for one in customers]


def _streamone_accounts() -> list[Row]:
    customers = dict.fromkeys(seat.customer for seat in streamone.seats())
    return [_mapped(streamone.NAME, streamone.customer_id(one), one.name, one.account) for one in customers]


def _mapped(provider: str, identifier: str, name: str, account: str | None) -> Row:
    key = {"provider": provider, "provider_account_id": identifier}
    return {**key, "provider_name": name, "account_id": account, "sync_enabled": True}


def _products() -> list[Row]:
    seats = [(one.record, one.name, "License", f"{one.product_id}:{one.sku}", one.family) for one in PRODUCTS]
    usage = [("P-200", "Azure plan", "Usage", "DZH318Z0BPS6:0001", "Azure")]
    bought = dict.fromkeys(seat.product for seat in (*stories.manual(), *streamone.seats()))
    manual = [(one.record, one.name, "License", one.part, one.family) for one in bought]
    names = ("product_id", "name", "billing_type", "provider_part_number", "family")
    return [{**dict(zip(names, one, strict=True)), "unit": "Monthly"} for one in (*seats, *usage, *manual)]


def _contracts() -> list[Row]:
    """Seats are billed in advance on the 2nd, Azure in arrears on the 12th or 15th, on a contract of its own."""
    held = {subscription.customer for subscription in azure.subscriptions()}
    made = []
    for customer in CUSTOMERS:
        start = MONTHS[-1] if customer == stories.UNMAPPED else MONTHS[0]
        made.append(_contract(customer, "L", "Licences", "Advance", start, date(2026, 12, 2)))
        if customer in held:
            # Who is billed before the usage comes has had nothing to bill in the first month.
            start = MONTHS[1] if customer == stories.ALWAYS_EARLY else MONTHS[0]
            made.append(_contract(customer, "U", "Azure usage", "Arrears", start, _usage_due(customer)))
    return made


def _usage_due(customer: Customer) -> date:
    """The date of the oldest cycle without an invoice."""
    if customer == stories.RESERVED:  # its usage of September waits with the reservation's document
        return date(2026, 10, azure.billing_day(customer))
    if customer == stories.ALWAYS_EARLY:  # the cycle of October has its invoice, with the usage of September
        return date(2026, 12, azure.billing_day(customer))
    if customer == stories.MOVED:
        return date(2026, 11, 5)
    return date(2026, 11, azure.billing_day(customer))


def _contract(customer: Customer, kind: str, name: str, policy: str, start: date, following: date) -> Row:
    key = {"contract_id": f"BC-{customer.number:03}-{kind}", "account_id": customer.account, "name": f"{customer.name.split()[0]} {name}"}
    cycle = {"frequency": "Monthly", "billing_policy": policy, "prorate_unit": "Days", "start_date": start, "end_date": _BLANK}
    return {**key, **cycle, "next_invoice_date": following, "currency": customer.currency, "status": "Active"}


def _seat(seat: Seat) -> Row:
    identifier = seat.identifier.upper() if seat.number % 3 == 0 else seat.identifier
    price = {"cost_price": seat.cost and half_up(seat.cost), "selling_price": seat.selling}
    ended = seat.cancelled or seat.suspended
    record = seat.record, seat.customer, seat.product.record, "License", seat.product.name
    return _subscription(
        "csp-demo", identifier, *record, seat.in_records(), price, start=seat.start, end=seat.cancelled, suspended=bool(ended)
    )


def _azure(subscription: azure.AzureSubscription) -> Row:
    record = azure.record(subscription), subscription.customer, "P-200", "Usage", subscription.name
    terms = {"markup_pct": subscription.markup, "minimum_commitment": subscription.commitment}
    return _subscription("csp-demo", subscription.identifier, *record, 1, terms, start=subscription.start)


def _manual(seat: Seat) -> Row:
    price = {"cost_price": seat.cost, "selling_price": seat.selling}
    record = seat.record, seat.customer, seat.product.record, "License", seat.product.name
    return _subscription("distributor-demo", manual_identifier(seat), *record, seat.initial, price, start=seat.start)


def _streamone(seat: Seat) -> Row:
    price = {"cost_price": seat.cost, "selling_price": seat.selling}
    record = seat.record, seat.customer, seat.product.record, "License", seat.product.name
    return _subscription(streamone.NAME, seat.identifier, *record, seat.in_records(), price, start=seat.start)


def _subscription(
    provider: str, identifier: str, record: str, customer: Customer, product: str, kind: str, name: str, quantity: int, terms: Row, *,
    start: date, end: date | None = None, suspended: bool = False,
) -> Row:  # fmt: skip
    contract = f"BC-{customer.number:03}-{'U' if kind == 'Usage' else 'L'}"
    return {
        "subscription_id": record, "provider": provider, "provider_subscription_id": identifier, "account_id": customer.account,
        "contract_id": contract, "product_id": product, "kind": kind, "name": name, "quantity": quantity,
        "cost_price": terms.get("cost_price"), "selling_price": terms.get("selling_price"), "currency": customer.currency,
        "markup_pct": terms.get("markup_pct"), "minimum_commitment": terms.get("minimum_commitment"),
        "start_date": start, "end_date": end, "status": "Suspended" if suspended else "Active",
    }  # fmt: skip


def _aliases() -> list[Row]:
    migrated = [subscription for subscription in azure.subscriptions() if subscription.former_identifier]
    return [
        {"provider": "csp-demo", "provider_subscription_id": one.former_identifier, "subscription_id": azure.record(one)}
        for one in migrated
    ]


def _log(log: Log) -> Row:
    assert log.day <= TODAY
    seat = log.seat
    made = {"change_log_id": log.number, "subscription_id": seat.record, "event": log.event, "quantity": log.seats}
    state = {"provisioning_status": log.provisioning, "status_reason": log.status, "source": log.source, "initiated_by": log.initiator}
    price = {"cost_price": seat.cost and half_up(seat.cost), "selling_price": seat.selling if log.priced else _BLANK}
    dates = {"effective_date": log.day, "provisioned_on": log.day if log.provisioning == "Provisioned" else _BLANK}
    return {**made, **dates, **state, **price, "currency": seat.customer.currency, "invoice_number": log.invoice}
