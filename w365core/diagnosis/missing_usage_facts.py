"""What is known when somebody asks why there is no usage invoice? One contract, one usage subscription, one cycle, as values; nothing is judged here.

Subscription, Contract    our records
Source                    the provider that its usage should come from, and when it was asked last
Month, Document           the provider's documents by the month that they bill: here, or only listed
Rows                      its usage in the cycle, in sums of what is alike
CustomerInvoice, Estimate the invoice of the cycle, and what the provider estimates
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property

from w365core import money
from w365core.model import Failure, ReferenceKind, StatusReason, UsageStatus

BILLABLE = (StatusReason.ACTIVE, "Active Usage")
OWN, SAME_CUSTOMER, ANOTHER = "own", "same customer", "another customer"


@dataclass(frozen=True)
class Subscription:
    """A usage subscription of ours. `provider_ids` are what its lines print, `customer_ids` what they call its customer, lower-cased."""

    subscription_id: str | None
    customer: str | None = None
    currency: str | None = None
    markup_pct: Decimal | None = None
    minimum_commitment: Decimal | None = None
    start_date: date | None = None
    end_date: date | None = None
    status: str | None = "Active"
    provider_ids: frozenset[str] = frozenset()
    customer_ids: frozenset[str] = frozenset()
    last_usage: date | None = None  # the last day that it was charged for before this cycle
    at_provider: str | None = None  # what the provider calls its status today


@dataclass(frozen=True)
class Contract:
    """What it is billed under. `is_known` False: the subscription names a contract that our records do not have."""

    contract_id: str
    is_known: bool = True
    status: str | None = "Active"
    start_date: date | None = None
    end_date: date | None = None
    currency: str | None = None
    account_id: str | None = None
    credit_hold: bool = False


@dataclass(frozen=True)
class Run:
    """The last time that the provider was asked for its invoices."""

    command: str
    status: str
    on: date
    message: str = ""


@dataclass(frozen=True)
class Source:
    """Where the usage should come from. `gives_usage`: its connector brings usage; `kind` None: our records do not have such a provider."""

    provider: str | None
    kind: str | None = None
    gives_usage: bool = False
    listed_on: date | None = None
    currencies: frozenset[str] = frozenset()  # that its documents are known in
    run: Run | None = None


@dataclass(frozen=True)
class Missing:
    """What a document's lines refer to and our records lack. `customer_id` is what its lines call the customer, lower-cased. Of a currency, which has
    many: `printed_for` are the subscriptions with usage in it, as the lines print them or as ours, and `printed_customers` their customers. `is_supplied`:
    our records have it by now."""

    kind: ReferenceKind
    key: str
    name: str | None
    amount: Decimal
    currency: str
    customer_id: str | None = None
    suggestion: str = ""
    printed_for: frozenset[str] = frozenset()
    printed_customers: frozenset[str] = frozenset()
    is_supplied: bool = False


@dataclass(frozen=True)
class Document:
    """A document of the provider. `status` None: listed, not here. `mine`: whether it has usage of this subscription; None where its lines are unknown.

    `held_cost` is what the staged lines of this subscription cost before tax, in `currency`; `usage` how many usage lines it has for anybody.
    """

    number: str
    provider: str
    currency: str
    status: str | None = StatusReason.ACTIVE
    invoice_id: int | None = None
    source: str | None = "synced"
    invoice_date: date | None = None
    failures: tuple[str, ...] = ()
    message: str = ""
    total: Decimal | None = None
    difference: Decimal | None = None
    tolerance: Decimal | None = None
    usage: int = 0
    lines: int = 0
    listed_on: date | None = None  # first
    seen_on: date | None = None
    attempted_on: date | None = None
    arrived_on: date | None = None
    deleted_on: date | None = None
    retried_until: date | None = None
    proven_cause: str | None = None
    mine: bool | None = None
    held_cost: Decimal | None = None
    missing: tuple[Missing, ...] = ()

    @property
    def is_active(self) -> bool:
        return self.status in BILLABLE

    @property
    def lacks_daily_usage(self) -> bool:
        """Whether the provider has not published the daily usage of it."""
        return Failure.CHECKSUM_FAILED in self.failures and "not published" in self.message


@dataclass(frozen=True)
class Month:
    """A month that the cycle's usage is charged for, by its last day, with the provider's documents that bill it."""

    last_day: date
    expected_on: date  # the provider's invoice
    usage_expected_on: date  # its daily usage
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Usage summaries of one document that are alike. `selling` is the sum of those with a markup; `unrated` have none, and cost `unrated_cost`."""

    document: str
    currency: str
    count: int
    cost: Decimal
    selling: Decimal
    arrived_on: date  # the last of them
    day: date | None = None  # the last that they are charged for
    status: str = UsageStatus.NOT_INVOICED
    confirmed: bool = True
    unrated: int = 0
    unrated_cost: Decimal = money.ZERO
    invoice_number: str | None = None
    invoice_date: date | None = None
    invoice_status: str | None = None
    markups: tuple[Decimal, ...] = ()  # in force
    drifted: int = 0  # whose markup is the import's, and not the subscription's of today
    drifted_cost: Decimal = money.ZERO
    is_before_contract: bool = False  # charged up to a day before the contract began

    @property
    def is_open(self) -> bool:
        return self.status == UsageStatus.NOT_INVOICED and self.confirmed

    @property
    def is_invoiced(self) -> bool:
        return self.status == UsageStatus.INVOICED


@dataclass(frozen=True)
class CustomerInvoice:
    """The usage invoice that stands for the cycle."""

    number: str
    status: str
    invoice_date: date | None
    total: Decimal
    currency: str | None
    carries_usage: bool = False  # of any cycle

    @property
    def is_out(self) -> bool:
        return self.status in ("Billed", "Paid")


@dataclass(frozen=True)
class Estimate:
    """Unbilled usage in the cycle as the provider estimates it today."""

    cost: Decimal
    currency: str
    on: date


@dataclass(frozen=True, eq=False)  # the same only as itself
class Evidence:
    """Everything about one contract, usage subscription and cycle [start, end). `currency` is what its usage is expected in."""

    today: date
    cycle_start: date
    cycle_end: date
    invoice_date: date
    subscription: Subscription
    source: Source
    contract: Contract | None = None
    currency: str | None = None
    months: tuple[Month, ...] = ()
    rows: tuple[Rows, ...] = ()
    invoice: CustomerInvoice | None = None
    estimates: tuple[Estimate, ...] = ()
    late_before: int = 0  # how many of its twelve cycles before came late as well
    recommended_day: int | None = None  # of the month, after the usual arrival
    billed_before_it: date | None = None  # the invoice date of an earlier cycle that is open and comes first
    # Usage of invoiced cycles that a run now would put on this one's invoice, by currency.
    late_with_it: tuple[tuple[str, Decimal], ...] = ()

    @cached_property
    def open_rows(self) -> tuple[Rows, ...]:
        """Confirmed usage that is neither invoiced nor archived."""
        return tuple(rows for rows in self.rows if rows.is_open)

    @cached_property
    def live_rows(self) -> tuple[Rows, ...]:
        """Confirmed usage that nobody has archived."""
        return tuple(rows for rows in self.rows if rows.is_open or rows.is_invoiced)


def by_currency(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Sums by currency, the biggest first; never added across."""
    found: dict[str, Decimal] = {}
    for currency, amount in amounts:
        found[currency] = money.EXACT.add(found.get(currency, money.ZERO), amount)
    return dict(sorted(found.items(), key=lambda item: (-item[1].copy_abs(), item[0])))
