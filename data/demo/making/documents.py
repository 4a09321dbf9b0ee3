"""The provider's documents of each month: which lines stand on which, and what their headers say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache

from making import azure, seats, stories
from making.world import MONTHS, TENANT, UNBILLED, Customer, half_up, month_end, next_month, random, times

_DOUBLE_CHARGE_MONTH = date(2026, 3, 1)
_DOUBLE_CHARGED = 3  # subscriptions
_HEADER_TAX_MONTH = MONTHS[-1]
_CHANGED_MONTH = MONTHS[-1]
CHANGED_ON = date(2026, 11, 10)
# The distributor's invoices by month; the last one still waits for a person to activate it.
MANUAL_INVOICES = {MONTHS[-2]: "DD-2026-09-102", MONTHS[-1]: "DD-2026-10-117"}

_AMENDS = {"voided": "void_note", "credit": "adjustment_note"}
_SYMBOLS = {"EUR": "€", "USD": "$"}


@dataclass(frozen=True)
class Document:
    """One document with its lines. `series` tells a month's main document from those beside it; `extra` is charged on the header alone."""

    number: str
    month: date
    currency: str
    series: str
    reconciliation: tuple[dict[str, object], ...]
    usage: tuple[dict[str, object], ...] = ()
    extra: Decimal = Decimal(0)
    amends: str | None = None

    @property
    def total(self) -> Decimal:
        return sum((line["Total"] for line in self.reconciliation), self.extra)

    @property
    def invoice_date(self) -> date:
        return next_month(self.month).replace(day=6 + random(f"day {self.month} {self.currency}").randrange(3))


@cache
def issued() -> tuple[Document, ...]:
    """Every document as it was first, oldest first."""
    made = [document for month in MONTHS for document in _of_month(month)]
    serial = 51_000_000
    numbered: list[Document] = []
    for document in made:
        serial += 3_000 + random(f"serial {document.month} {document.currency} {document.series}").randrange(90_000)
        numbered.append(_numbered(document, f"G0{serial}"))
    voided = next(document for document in numbered if document.series == "voided")
    return tuple(replace(document, amends=voided.number) if document.series == "credit" else document for document in numbered)


def changed() -> Document:
    """The one document that the provider has changed since: another subscription stands on it."""
    first = next(document for document in issued() if document.series == "changed")
    return _numbered(replace(first, reconciliation=_charged_upfront(stories.FIRST_CHARGED, stories.ADDED_LATER)), first.number)


def unbilled() -> tuple[Document, ...]:
    """The estimates of the running month, ten days of it, in both currencies."""
    return tuple(
        _numbered(
            Document(f"unbilled-{currency}-current", UNBILLED, currency, "unbilled", (), tuple(azure.daily(UNBILLED, currency, days=10)))
        )
        for currency in ("EUR", "USD")
    )


def headers(documents: tuple[Document, ...]) -> list[dict[str, object]]:
    """As GET /v1/invoices lists them: newest first, an amendment inside the document that it amends."""
    amendments = {document.amends: document for document in documents if document.amends}
    return [_header(document, amendments.get(document.number)) for document in reversed(documents) if not document.amends]


def manual_lines(month: date) -> list[dict[str, object]]:
    """The distributor's plain file of a month."""
    made = []
    for seat in stories.manual():
        subtotal = seat.unit_price * seat.initial
        tax = half_up(times(subtotal, seat.customer.tax_rate))
        bought = {
            "customer_id": manual_customer(seat.customer),
            "subscription_id": manual_identifier(seat),
            "product_id": seat.product.part,
        }
        charged = {"charge_type": "cycleCharge", "charge_start": month, "charge_end": month_end(month), "quantity": seat.initial}
        money = {"unit_price": seat.unit_price, "subtotal": subtotal, "tax": tax, "total": subtotal + tax, "currency": "EUR"}
        made.append({**bought, **charged, **money})
    return made


def manual_files() -> list[dict[str, object]]:
    """What a person would say of each file when importing it by hand."""
    made = []
    for month, number in MANUAL_INVOICES.items():
        total = sum(line["total"] for line in manual_lines(month))
        said = {"invoice": number, "invoice_date": next_month(month).replace(day=5).isoformat(), "total": str(total), "currency": "EUR"}
        made.append({**said, "path": f"files/{manual_name(number)}", "activate": month != MONTHS[-1]})
    return made


def manual_name(number: str) -> str:
    return f"distributor-demo-{number}.csv"


def manual_customer(customer: Customer) -> str:
    return f"DIST-{customer.number:04}"


def manual_identifier(seat: seats.Seat) -> str:
    return f"DD-{87_100 + seat.number}"


def _of_month(month: date) -> list[Document]:
    made = [_main(month, currency) for currency in ("EUR", "USD")]
    if month == _DOUBLE_CHARGE_MONTH:
        made += _double_charge(month)
    if month == azure.RESERVATION_MONTH:
        usage = azure.daily(month, "EUR", reserved=True)
        lines = (*azure.monthly(usage), azure.reservation_line(usage[0]))
        made.append(Document("", month, "EUR", "reservation", lines, tuple(usage)))
    if month == _HEADER_TAX_MONTH:
        made.append(_header_tax(month))
    if month == _CHANGED_MONTH:
        made.append(Document("", month, "EUR", "changed", _charged_upfront(stories.FIRST_CHARGED)))
    return made


def _main(month: date, currency: str) -> Document:
    charged = [seat for seat in stories.seats() if seat.customer.currency == currency and seat.term != "P1Y upfront"]
    lines = [line for seat in charged for line in seats.lines(seat, month)]
    usage = azure.daily(month, currency)
    lines += azure.monthly(usage)
    return Document("", month, currency, "main", tuple(_disordered(lines, f"{month} {currency}")), tuple(usage))


def _disordered(lines: list[dict[str, object]], about: str) -> list[dict[str, object]]:
    """Customer by customer, but in an order that is nobody's: a pair need not stand together nor its credit first."""
    place = {line["CustomerId"]: random(f"place {about} {line['CustomerId']}").random() for line in lines}
    random(f"order {about}").shuffle(lines)
    return sorted(lines, key=lambda line: place[line["CustomerId"]])


def _double_charge(month: date) -> list[Document]:
    """A document that charges three subscriptions a second time, and the note that gives the money back."""
    of_customer = [seat for seat in stories.seats() if seat.customer == stories.DOUBLE_CHARGED and seat.start < month and not seat.changes]
    lines = [line for seat in of_customer[:_DOUBLE_CHARGED] for line in seats.lines(seat, month)]
    credits = [_credited(line) for line in lines]
    return [Document("", month, "EUR", "voided", tuple(lines)), Document("", month, "EUR", "credit", tuple(credits))]


def _credited(line: dict[str, object]) -> dict[str, object]:
    money = {name: -line[name] for name in ("Subtotal", "TaxTotal", "Total")}
    return {**line, **money, "ChargeType": "customerCredit", "CreditReasonCode": "Billing Adjustment"}


def _header_tax(month: date) -> Document:
    """A year paid up front whose tax stands on the header alone."""
    upfront = [seat for seat in stories.seats() if seat.term == "P1Y upfront" and seat.customer == stories.TAXED_ON_HEADER]
    lines = [line for seat in upfront for line in seats.lines(seat, month)]
    tax = sum(line["TaxTotal"] for line in lines)
    return Document(
        "", month, "EUR", "header tax", tuple({**line, "TaxTotal": Decimal("0.00"), "Total": line["Subtotal"]} for line in lines), extra=tax
    )


def _charged_upfront(*numbers: int) -> tuple[dict[str, object], ...]:
    """The year of these subscriptions, paid up front."""
    bought = [seat for seat in stories.seats() if seat.number in numbers]
    return tuple(line for seat in bought for line in seats.lines(seat, _CHANGED_MONTH))


def _numbered(document: Document, number: str | None = None) -> Document:
    printed = {"PartnerId": TENANT, "InvoiceNumber": number or ""}

    def stamped(lines: tuple[dict[str, object], ...]) -> tuple[dict[str, object], ...]:
        return tuple({"PartnerId": TENANT, **line, **printed} for line in lines)

    name = number or document.number
    return replace(document, number=name, reconciliation=stamped(document.reconciliation), usage=stamped(document.usage))


def _header(document: Document, amendment: Document | None) -> dict[str, object]:
    moment = random(f"moment {document.number}")
    path = f"/invoices/OneTime-{document.number}"
    lines = f"{path}/lineitems/OneTime/BillingLineItems"
    detail = {"invoiceLineItemType": "billing_line_items", "billingProvider": "one_time", "links": {"self": _link(lines)}}
    header = {
        "id": document.number,
        "invoiceDate": f"{document.invoice_date}T{moment.randrange(1, 6):02}:{moment.randrange(60):02}:47.{moment.randrange(10**7):07}Z",
        "billingPeriodStartDate": f"{document.month}T00:00:00Z",
        "billingPeriodEndDate": f"{month_end(document.month)}T00:00:00Z",
        "totalCharges": document.total,
        "paidAmount": Decimal(0),
        "currencyCode": document.currency,
        "currencySymbol": _SYMBOLS[document.currency],
        "pdfDownloadLink": f"/invoices/{document.number}/documents/statement",
        "invoiceDetails": [{**detail, "attributes": {"objectType": "InvoiceDetail"}}],
        **({"amendments": [_header(amendment, None)]} if amendment else {}),
        "documentType": _AMENDS.get(document.series, "invoice"),
        **({"amendsOf": document.amends} if document.amends else {}),
        "invoiceType": "OneTime",
        "links": {"self": _link(path)},
        "attributes": {"objectType": "Invoice"},
    }
    return header


def _link(uri: str) -> dict[str, object]:
    return {"uri": uri, "method": "GET", "headers": []}
