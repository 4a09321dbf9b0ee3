"""Usage invoices in nouns: the contract they are made for, the usage that waits for one, what a draft holds, and why usage is held back.

Store, billing and reports share them, and none of these three may import another. Amounts are in the currency that stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from w365core import money

DRAFT, BILLED, PAID = "Draft", "Billed", "Paid"

# Why usage is not billed, as `diagnose` calls the same causes.
POPULATING, DEACTIVATED, UNCONFIRMED, ARCHIVED = "populating", "deactivated", "unconfirmed", "archived_or_invoiced"
MARKUP_MISSING, NOT_BILLABLE = "markup_missing", "contract_not_billable"


@dataclass(frozen=True)
class Subscribed:
    """A subscription whose usage a contract bills. `product` is our product's name: None makes its lines write-ins."""

    subscription_id: str
    name: str | None = None
    product: str | None = None
    account_id: str | None = None
    markup_pct: Decimal | None = None
    minimum_commitment: Decimal | None = None
    currency: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    status: str | None = None


@dataclass(frozen=True)
class Standing:
    """A customer invoice that counts for a usage cycle of its contract. `day` lies in the cycle that it stands for; one made here has moved the
    contract's next invoice date on from `next_before` to `next_after`."""

    invoice_number: str
    day: date
    invoice_date: date | None
    status: str
    next_before: date | None = None
    next_after: date | None = None
    made_here: bool = False


@dataclass(frozen=True)
class Commitment:
    """What an invoice has settled of a subscription's minimum commitment for one cycle: `committed` is that of the whole cycle, `top_up` what the invoice
    adds to its usage. It is less than nothing where usage that came late has used up what an earlier invoice had topped up."""

    subscription_id: str
    cycle_start: date
    currency: str
    committed: Decimal
    top_up: Decimal
    invoice_number: str = ""


@dataclass(frozen=True)
class Sold:
    """Usage of a subscription with a commitment that is on a customer invoice, in sums by the day that says its cycle."""

    invoice_number: str
    subscription_id: str
    day: date
    currency: str
    amount: Decimal


@dataclass(frozen=True)
class Contract:
    """A contract with what decides over its billing. `contract_id` is None for subscriptions that have none; `is_known` says whether our records
    have that contract; `first_usage` is the last day of its oldest usage, billed or not. `settled` and `sold` tell of its subscriptions with a minimum
    commitment what is on invoices already."""

    contract_id: str | None
    name: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    account_currency: str | None = None
    credit_hold: bool = False
    frequency: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    next_invoice_date: date | None = None
    currency: str | None = None
    status: str | None = None
    is_known: bool = True
    first_usage: date | None = None
    subscriptions: Mapping[str, Subscribed] = field(default_factory=dict)
    invoices: Sequence[Standing] = ()
    settled: Sequence[Commitment] = ()
    sold: Sequence[Sold] = ()

    @property
    def customer(self) -> str:
        return self.account_name or self.account_id or "no account"


@dataclass(frozen=True)
class Usage:
    """A usage summary as it is billed: quantity, cost and markup in force. `day` says which cycle it belongs to."""

    usage_id: str
    provider_invoice_id: int
    provider_invoice: str
    provider: str
    state: str
    status_reason: str
    subscription_id: str | None
    product: str | None
    charge_start: date | None
    charge_end: date | None
    day: date
    quantity: Decimal
    cost: Decimal
    markup_pct: Decimal | None
    stamped_markup_pct: Decimal | None
    selling_amount: Decimal | None
    currency: str
    confirmed: bool = True
    status: str = "Not invoiced"
    version: int = 1

    @property
    def window(self) -> str:
        """2026-10-01 to 2026-10-31."""
        return f"{self.charge_start or '?'} to {self.charge_end or '?'}"


@dataclass(frozen=True)
class Line:
    """A line of a usage invoice: of one usage summary, or the top-up to a minimum commitment, which has no usage."""

    number: int
    subscription_id: str | None
    description: str
    amount: Decimal
    cost_amount: Decimal | None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    usage: Usage | None = None
    late: bool = False


@dataclass(frozen=True)
class Draft:
    """A usage invoice that is to be made; `cycle_end` is inclusive. The contract's next invoice date moves from `next_before` to `next_after`, and from
    there to `next_date`, past cycles that have their invoice already."""

    invoice_number: str
    contract_id: str
    account_id: str | None
    invoice_date: date
    cycle_start: date
    cycle_end: date
    currency: str
    lines: tuple[Line, ...]
    next_before: date | None = None
    next_after: date | None = None
    next_date: date | None = None
    commitments: tuple[Commitment, ...] = ()

    @property
    def total(self) -> Decimal:
        return money.total(line.amount for line in self.lines)

    @property
    def usage_total(self) -> Decimal:
        return money.total(line.amount for line in self.lines if line.usage is not None)

    @property
    def top_up_total(self) -> Decimal:
        return money.total(line.amount for line in self.lines if line.usage is None)

    @property
    def usage(self) -> tuple[Usage, ...]:
        return tuple(line.usage for line in self.lines if line.usage is not None)

    @property
    def is_late_in_part(self) -> bool:
        return any(line.late for line in self.lines)

    def as_dict(self) -> dict[str, object]:
        """As `bill --json` prints it."""
        same = ("invoice_number", "contract_id", "account_id", "invoice_date", "cycle_start", "cycle_end", "currency")
        totals = {"total": self.total, "usage_total": self.usage_total, "top_up_total": self.top_up_total, "lines": len(self.lines)}
        late = {"late_lines": sum(line.late for line in self.lines)}
        return {name: getattr(self, name) for name in same} | totals | late


@dataclass(frozen=True)
class Held:
    """Usage that is not billed, with the cause and its sentence. `invoice_date` is when its cycle is invoiced."""

    usage: Usage
    code: str
    sentence: str
    invoice_date: date


@dataclass(frozen=True)
class Earlier:
    """A cycle that cannot be billed yet, because an earlier one of the contract is open and has billable usage."""

    cycle_start: date
    cycle_end: date
    earlier_start: date
    earlier_end: date
    earlier_invoice_date: date


@dataclass(frozen=True)
class Potential:
    """A minimum commitment of a cycle in which the subscription has no usage: billed to nobody, shown."""

    subscription_id: str
    cycle_start: date
    cycle_end: date
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Plan:
    """What a run makes of a contract: drafts, the oldest cycle first; what is held back of the cycles that it was asked for; the first later cycle
    that an earlier one holds up; sentences on what is left as it is; usage that came to a cycle whose invoice is still a Draft."""

    contract: Contract
    drafts: tuple[Draft, ...] = ()
    held: tuple[Held, ...] = ()
    earlier: Earlier | None = None
    notes: tuple[str, ...] = ()
    potential: tuple[Potential, ...] = ()
    to_regenerate: tuple[str, ...] = ()
