"""The singular things, in the field's own words. Plural things (frames of lines) are in `frames`.

States and kinds are the fixed vocabulary: stored, shown and exported exactly as spelled here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class ProviderType(StrEnum):
    PARTNER_CENTER = "partner_center"
    STREAMONE = "streamone"
    MANUAL = "manual"

    @property
    def label(self) -> str:
        """As people call it."""
        return {"partner_center": "Partner Center", "streamone": "StreamOne", "manual": "Files by hand"}[self]


class InvoiceState(StrEnum):
    ACTIVE = "Active"
    INACTIVE = "Inactive"


class StatusReason(StrEnum):
    POPULATING = "Populating"
    ACTIVE = "Active"
    ERROR = "Error"
    DEACTIVATED = "Deactivated"


class Failure(StrEnum):
    UNRESOLVED_REFERENCES = "unresolved_references"
    CHECKSUM_FAILED = "checksum_failed"
    PROVIDER_ERROR = "provider_error"
    INVALID_DATA = "invalid_data"


class ReferenceKind(StrEnum):
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    CURRENCY = "currency"
    PRODUCT = "product"

    @property
    def blocking(self) -> bool:
        return self is not ReferenceKind.PRODUCT


class UsageStatus(StrEnum):
    NOT_INVOICED = "Not invoiced"
    INVOICED = "Invoiced"
    ARCHIVED = "Archived"


class LineKind(StrEnum):
    """What a line of the reconciliation file charges for."""

    LICENSE = "license"
    USAGE = "usage"


class Feed(StrEnum):
    """The kinds of line files a provider hands out."""

    RECONCILIATION = "reconciliation"
    DAILY_RATED = "daily_rated"
    PLAIN = "plain"
    LEGACY_LICENSE = "legacy_license"
    LEGACY_USAGE = "legacy_usage"


class Secret:
    """A value that never shows itself: repr, str and format print a mask; `reveal()` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self):
        raise TypeError("a Secret is never pickled")


@dataclass(frozen=True)
class Provider:
    """A source the reseller buys from, as configured. `tolerance` is in base currency."""

    name: str
    type: ProviderType
    tenant_id: str | None = None
    client_id: str | None = None
    account_id: str | None = None
    api_url: str | None = None
    graph_url: str | None = None
    login_url: str | None = None
    tolerance: Decimal = Decimal("0.05")


@dataclass(frozen=True)
class Capabilities:
    """What a connector can do, as data: shown by `provider list` and on the page."""

    invoices: bool = False
    usage: bool = False
    change_evidence: bool = False
    pdf: bool = False
    files: bool = True


CAPABILITIES = {
    ProviderType.PARTNER_CENTER: Capabilities(invoices=True, usage=True, change_evidence=True),
    ProviderType.STREAMONE: Capabilities(invoices=True, change_evidence=True),
    ProviderType.MANUAL: Capabilities(),
}
# The same once a person has signed in, where a person can.
SIGNED_IN = {ProviderType.PARTNER_CENTER: replace(CAPABILITIES[ProviderType.PARTNER_CENTER], pdf=True)}


def capabilities_of(provider_type: ProviderType, *, signed_in: bool) -> Capabilities:
    """What a provider of this type can do, with or without a person's sign-in."""
    return SIGNED_IN.get(provider_type, CAPABILITIES[provider_type]) if signed_in else CAPABILITIES[provider_type]


@dataclass(frozen=True)
class InvoiceHeader:
    """One document as the provider lists it. `total` is in `currency`, tax included; dates are the provider's UTC dates.

    `provider_id` is what the provider's interface calls it, where that is not the number.
    """

    number: str
    invoice_date: date
    currency: str
    total: Decimal | None
    document_type: str = "invoice"
    amends_of: str | None = None
    invoice_type: str | None = None
    period_start: date | None = None
    period_end: date | None = None
    provider_id: str | None = None


@dataclass(frozen=True)
class ProviderCustomer:
    """A customer as the provider knows it. `id` is what its invoice lines call the customer; `status` in the provider's own word."""

    id: str
    name: str | None = None
    domain: str | None = None
    country: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class ProviderSubscription:
    """A subscription as the provider knows it today; an Azure entitlement is one too, with `parent_id` its plan.

    `id` is what invoice lines call it. `kind` is License or Usage; `status` in the provider's own word. `quantity` None: the provider says no
    seats. `cancellable_until`, `refundable` and `scheduled` say what may still be given back and what happens at the next term.
    """

    id: str
    customer_id: str
    kind: str
    name: str | None = None
    product_id: str | None = None
    status: str | None = None
    quantity: Decimal | None = None
    term: str | None = None
    billing_cycle: str | None = None
    currency: str | None = None
    parent_id: str | None = None
    migrated_from_id: str | None = None
    order_id: str | None = None
    auto_renew: bool | None = None
    started_at: datetime | None = None
    term_ends_at: datetime | None = None
    cancellable_until: datetime | None = None
    refundable: tuple[dict[str, Any], ...] = ()
    scheduled: dict[str, Any] | None = None


@dataclass(frozen=True)
class ProviderChange:
    """One change the provider says was made: evidence where our records have no change log for it.

    `id` is the provider's own, else the fingerprint of the record; where one record tells of several subscriptions, each is a change of its own,
    `record/0`, `record/1` … A side of the quantity, or of the subscription's state, is None where the record does not say it.
    `status`: succeeded, failed, progress; a failed one changed nothing. `source`: audit or order.
    """

    id: str
    at: datetime
    operation: str
    status: str
    source: str
    customer_id: str | None = None
    subscription_id: str | None = None
    order_id: str | None = None
    quantity_before: Decimal | None = None
    quantity_after: Decimal | None = None
    state_before: str | None = None
    state_after: str | None = None
    initiated_by: str | None = None


@dataclass(frozen=True)
class Problem:
    """One bad cell, as a value: where it stands, what stands there and what was expected. `row` counts from 1, header included."""

    file: str
    row: int | None
    column: str | None
    value: str | None
    expected: str

    def __str__(self) -> str:
        where = self.file if self.row is None else f"{self.file}, row {self.row}"
        if self.column:
            where += f", column {self.column}"
        found = "" if self.value is None else f"found {shortened(self.value)!r}, "
        return f"{where}: {found}expected {self.expected}"


@dataclass(frozen=True)
class MissingReference:
    """Something the lines of an invoice refer to and our records do not have, with the money that waits on it."""

    kind: ReferenceKind
    key: str
    name: str | None
    lines: int
    amount: Decimal
    currency: str
    suggestion: str = ""

    @property
    def blocking(self) -> bool:
        return self.kind.blocking


OLD_IDS = "old-ids"  # the manual provider that takes ids nobody knows any more; made by the first fix that needs it


class FixAction(StrEnum):
    MAP_ACCOUNT = "map_account"
    ADD_SUBSCRIPTION = "add_subscription"
    ALIAS = "alias"
    ADD_CURRENCY = "add_currency"
    CHOOSE_PRODUCT = "choose_product"


@dataclass(frozen=True)
class Fix:
    """What would supply one missing thing. `key` is what the lines of `provider` print (a currency is nobody's).

    What a person still has to say is None; `confidence` (0 to 1) says how sure a suggestion is, None where it is none. `subscription_id` is ours:
    the new one's, the one that an alias stands for, or the one that gets the product. `under` is the provider that a new subscription stands under,
    a manual one where the id is an old one.
    """

    action: FixAction
    key: str
    provider: str | None = None
    account_id: str | None = None
    subscription_id: str | None = None
    product_id: str | None = None
    name: str | None = None
    kind: str | None = None
    quantity: Decimal | None = None
    under: str | None = None
    start_date: date | None = None
    status: str | None = None
    billing_type: str | None = None
    rate_to_base: Decimal | None = None
    confidence: Decimal | None = None
    because: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether nothing of it is still to be said by a person."""
        needed = {
            FixAction.MAP_ACCOUNT: self.account_id,
            FixAction.ADD_SUBSCRIPTION: self.kind and self.account_id,
            FixAction.ALIAS: self.subscription_id,
            FixAction.ADD_CURRENCY: self.rate_to_base,
            FixAction.CHOOSE_PRODUCT: self.product_id,
        }
        return bool(needed[self.action])


@dataclass(frozen=True)
class Answer:
    """One provider answer as received. `url` carries no secret; `content` is the body, byte for byte."""

    method: str
    url: str
    status: int
    content: bytes
    received_at: datetime
    request_id: str | None = None
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What a person saw of an invoice when deciding: where it has changed since, the decision is refused and says what changed."""

    status_reason: str
    version: int
    import_run_id: int | None


def shortened(text: str, most: int = 60) -> str:
    """The text as a message can carry it."""
    return text if len(text) <= most else text[: most - 1] + "…"
