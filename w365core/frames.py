"""The plural things: every column of our record files and of the provider's line files, declared once.

The same declaration names the column in Postgres, in Arrow, in the CSV header and in a message. A provider's number travels as text
through Arrow and COPY, because only text keeps every digit: `NUMBER` columns are strings there and `numeric` in Postgres.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from w365core.model import Feed

if TYPE_CHECKING:
    import pyarrow as pa


class Kind(Enum):
    TEXT = auto()
    ID = auto()  # text; a GUID compares lower-cased, leading zeros survive
    NUMBER = auto()  # exact decimal
    WHOLE = auto()
    DAY = auto()
    MOMENT = auto()
    FLAG = auto()


@dataclass(frozen=True)
class Column:
    """One column. `printed` is the provider's header, `aliases` its other spellings; matching folds case and punctuation."""

    name: str
    kind: Kind = Kind.TEXT
    printed: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    key: bool = False

    @property
    def header(self) -> str:
        return self.printed or self.name

    @property
    def headers(self) -> tuple[str, ...]:
        return (self.header, *self.aliases)


def folded(header: str) -> str:
    """A header as it is compared: lower case, letters and digits only ("Status Reason" = status_reason = StatusReason)."""
    return "".join(character for character in header.lower() if character.isalnum())


@dataclass(frozen=True)
class RecordFile:
    """A CSV file of our records: its table, and its columns with the key first."""

    table: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)


def _key(name: str, kind: Kind = Kind.ID) -> Column:
    return Column(name, kind, required=True, key=True)


def _id(name: str, **more) -> Column:
    return Column(name, Kind.ID, **more)


def _number(name: str, **more) -> Column:
    return Column(name, Kind.NUMBER, **more)


def _day(name: str, **more) -> Column:
    return Column(name, Kind.DAY, **more)


# Our records, in the order they are loaded: what is referred to comes before what refers to it.
RECORD_FILES: dict[str, RecordFile] = {
    "currencies.csv": RecordFile("currency", (_key("code"), _number("rate_to_base", required=True))),
    "accounts.csv": RecordFile(
        "account",
        (_key("account_id"), Column("name"), Column("domain"), Column("currency"), Column("credit_hold", Kind.FLAG, default="false")),
    ),
    "provider_accounts.csv": RecordFile(
        "provider_account",
        (
            _key("provider"),
            _key("provider_account_id"),
            Column("provider_name"),
            _id("account_id"),
            Column("sync_enabled", Kind.FLAG, default="true"),
        ),
    ),
    "products.csv": RecordFile(
        "product",
        (
            _key("product_id"),
            Column("name"),
            Column("billing_type"),
            Column("provider_part_number"),
            Column("family"),
            Column("unit", default="Monthly"),
        ),
    ),
    "billing_contracts.csv": RecordFile(
        "billing_contract",
        (
            _key("contract_id"),
            _id("account_id"),
            Column("name"),
            Column("frequency", choices=("Monthly", "Quarterly", "Annual")),
            Column("billing_policy", choices=("Advance", "Arrears")),
            Column("prorate_unit", choices=("Days", "Months"), default="Days"),
            _day("start_date"),
            _day("end_date"),
            _day("next_invoice_date"),
            Column("currency"),
            Column("status"),
        ),
    ),
    "subscriptions.csv": RecordFile(
        "subscription",
        (
            _key("subscription_id"),
            _id("provider"),
            _id("provider_subscription_id"),
            _id("account_id"),
            _id("contract_id"),
            _id("product_id"),
            Column("kind", choices=("License", "Usage"), required=True),
            Column("name"),
            _number("quantity"),
            _number("cost_price"),
            _number("selling_price"),
            Column("currency"),
            _number("markup_pct"),
            _number("minimum_commitment"),
            _day("start_date"),
            _day("end_date"),
            Column("status", choices=("Active", "Suspended"), default="Active"),
        ),
    ),
    "subscription_aliases.csv": RecordFile(
        "subscription_alias", (_key("provider"), _key("provider_subscription_id"), _id("subscription_id", required=True))
    ),
    "license_change_logs.csv": RecordFile(
        "license_change_log",
        (
            _key("change_log_id"),
            _id("subscription_id"),
            Column("event"),
            _number("quantity"),
            _day("effective_date"),
            _day("provisioned_on"),
            Column("provisioning_status", choices=("Awaiting Provisioning", "Provisioned", "Failed Provisioning", "Not Applicable")),
            Column("status_reason", choices=("Active", "Archived")),
            Column("source"),
            Column("initiated_by"),
            _number("cost_price"),
            _number("selling_price"),
            Column("currency"),
            _id("invoice_number"),
        ),
    ),
    "invoices.csv": RecordFile(
        "customer_invoice",
        (
            _key("invoice_number"),
            _id("contract_id"),
            _id("account_id"),
            _day("invoice_date"),
            _day("cycle_start"),
            _day("cycle_end"),
            Column("currency"),
            Column("status", choices=("Draft", "Billed", "Paid")),
        ),
    ),
    "invoice_lines.csv": RecordFile(
        "customer_invoice_line",
        (
            _key("invoice_number"),
            _key("line_number", Kind.WHOLE),
            _id("subscription_id"),
            Column("description"),
            _number("quantity"),
            _number("unit_price"),
            _number("amount"),
            _number("cost_amount"),
        ),
    ),
}


def _printed(name: str, printed: str, *aliases: str, kind: Kind = Kind.TEXT, required: bool = False) -> Column:
    return Column(name, kind, printed=printed, aliases=aliases, required=required)


def _amount(name: str, printed: str, *aliases: str, required: bool = False) -> Column:
    return _printed(name, printed, *aliases, kind=Kind.NUMBER, required=required)


# The new-commerce reconciliation file: 40, 46 or 47 columns, in the provider's order.
RECONCILIATION = (
    _printed("partner_id", "PartnerId"),
    _printed("provider_customer_id", "CustomerId", required=True),
    _printed("customer_name", "CustomerName"),
    _printed("customer_domain_name", "CustomerDomainName"),
    _printed("customer_country", "CustomerCountry"),
    _printed("invoice_number", "InvoiceNumber"),
    _printed("mpn_id", "MpnId"),
    _printed("tier2_mpn_id", "Tier2MpnId", "ResellerMpnId"),
    _printed("order_id", "OrderId"),
    _printed("order_date", "OrderDate", kind=Kind.MOMENT),
    _printed("product_id", "ProductId"),
    _printed("sku_id", "SkuId"),
    _printed("availability_id", "AvailabilityId"),
    _printed("sku_name", "SkuName"),
    _printed("product_name", "ProductName"),
    _printed("charge_type", "ChargeType", required=True),
    _amount("unit_price", "UnitPrice"),
    _amount("quantity", "Quantity"),
    _amount("subtotal", "Subtotal", required=True),
    _amount("tax_total", "TaxTotal", "Tax"),
    _amount("total", "Total", "TotalForCustomer"),
    _printed("currency", "Currency", "CurrencyCode", required=True),
    _printed("price_adjustment_description", "PriceAdjustmentDescription"),
    _printed("publisher_name", "PublisherName"),
    _printed("publisher_id", "PublisherId"),
    _printed("subscription_description", "SubscriptionDescription"),
    _printed("provider_subscription_id", "SubscriptionId", required=True),
    _printed("charge_start", "ChargeStartDate", kind=Kind.DAY),
    _printed("charge_end", "ChargeEndDate", kind=Kind.DAY),
    _printed("term_and_billing_cycle", "TermAndBillingCycle"),
    _amount("effective_unit_price", "EffectiveUnitPrice"),
    _printed("unit_type", "UnitType"),
    _printed("alternate_id", "AlternateId"),
    _amount("billable_quantity", "BillableQuantity"),
    _printed("billing_frequency", "BillingFrequency"),
    _printed("pricing_currency", "PricingCurrency"),
    _amount("exchange_rate", "PCToBCExchangeRate"),
    _printed("exchange_rate_date", "PCToBCExchangeRateDate", kind=Kind.DAY),
    _printed("meter_description", "MeterDescription"),
    _printed("reservation_order_id", "ReservationOrderId"),
    _printed("credit_reason_code", "CreditReasonCode"),
    _printed("subscription_start", "SubscriptionStartDate", kind=Kind.DAY),
    _printed("subscription_end", "SubscriptionEndDate", kind=Kind.DAY),
    _printed("reference_id", "ReferenceId"),
    _printed("product_qualifiers", "ProductQualifiers"),
    _printed("promotion_id", "PromotionId"),
    _printed("product_category", "ProductCategory"),
)

# The daily-rated usage file: 52 to 55 columns.
DAILY_RATED = (
    _printed("partner_id", "PartnerId"),
    _printed("partner_name", "PartnerName"),
    _printed("provider_customer_id", "CustomerId", required=True),
    _printed("customer_name", "CustomerName"),
    _printed("customer_domain_name", "CustomerDomainName"),
    _printed("customer_country", "CustomerCountry"),
    _printed("mpn_id", "MpnId"),
    _printed("tier2_mpn_id", "Tier2MpnId", "ResellerMpnId"),
    _printed("invoice_number", "InvoiceNumber"),
    _printed("product_id", "ProductId"),
    _printed("sku_id", "SkuId"),
    _printed("availability_id", "AvailabilityId"),
    _printed("sku_name", "SkuName"),
    _printed("product_name", "ProductName"),
    _printed("publisher_name", "PublisherName"),
    _printed("publisher_id", "PublisherId"),
    _printed("subscription_description", "SubscriptionDescription"),
    _printed("provider_subscription_id", "SubscriptionId", required=True),
    _printed("charge_start", "ChargeStartDate", kind=Kind.DAY),
    _printed("charge_end", "ChargeEndDate", kind=Kind.DAY),
    _printed("usage_date", "UsageDate", kind=Kind.DAY),
    _printed("meter_type", "MeterType"),
    _printed("meter_category", "MeterCategory"),
    _printed("meter_id", "MeterId"),
    _printed("meter_sub_category", "MeterSubCategory"),
    _printed("meter_name", "MeterName"),
    _printed("meter_region", "MeterRegion"),
    _printed("unit", "Unit", "UnitOfMeasure"),
    _printed("resource_location", "ResourceLocation"),
    _printed("consumed_service", "ConsumedService"),
    _printed("resource_group", "ResourceGroup"),
    _printed("resource_uri", "ResourceURI"),
    _printed("charge_type", "ChargeType"),
    _amount("unit_price", "UnitPrice"),
    _amount("quantity", "Quantity"),
    _printed("unit_type", "UnitType"),
    _amount("billing_pre_tax_total", "BillingPreTaxTotal", required=True),
    _printed("billing_currency", "BillingCurrency", required=True),
    _amount("pricing_pre_tax_total", "PricingPreTaxTotal"),
    _printed("pricing_currency", "PricingCurrency"),
    _printed("service_info1", "ServiceInfo1"),
    _printed("service_info2", "ServiceInfo2"),
    _printed("tags", "Tags"),
    _printed("additional_info", "AdditionalInfo"),
    _amount("effective_unit_price", "EffectiveUnitPrice"),
    _amount("exchange_rate", "PCToBCExchangeRate"),
    _printed("exchange_rate_date", "PCToBCExchangeRateDate", kind=Kind.DAY),
    _printed("entitlement_id", "EntitlementId"),
    _printed("entitlement_description", "EntitlementDescription"),
    _amount("partner_earned_credit_percentage", "PartnerEarnedCreditPercentage", "RateOfPartnerEarnedCredit"),
    _amount("credit_percentage", "CreditPercentage", "RateOfCredit"),
    _printed("credit_type", "CreditType"),
    _printed("benefit_order_id", "BenefitOrderId"),
    _printed("benefit_id", "BenefitId"),
    _printed("benefit_type", "BenefitType"),
)

# The plain file: what a manual provider's invoice is typed into. It lands in the same columns as a reconciliation file.
PLAIN = (
    _printed("provider_customer_id", "customer_id", required=True),
    _printed("provider_subscription_id", "subscription_id", required=True),
    _printed("product_id", "product_id"),
    _printed("charge_type", "charge_type"),
    _printed("charge_start", "charge_start", kind=Kind.DAY),
    _printed("charge_end", "charge_end", kind=Kind.DAY),
    _amount("quantity", "quantity"),
    _amount("unit_price", "unit_price"),
    _amount("subtotal", "subtotal", required=True),
    _amount("tax_total", "tax"),
    _amount("total", "total"),
    _printed("currency", "currency", required=True),
)

# The legacy license-based file. It lands in the columns of a reconciliation file; its subscription is what Partner Center calls by that id,
# not the billing system's SubscriptionId, which stays beside it with the other columns that have no place there.
LEGACY_LICENSE = (
    _printed("partner_id", "PartnerId"),
    _printed("provider_customer_id", "CustomerId", required=True),
    _printed("customer_name", "CustomerName"),
    _printed("customer_domain_name", "DomainName"),
    _printed("mpn_id", "MpnId"),
    _printed("tier2_mpn_id", "ResellerMpnId", "Tier2MpnId"),
    _printed("invoice_number", "InvoiceNumber"),
    _printed("order_id", "OrderId"),
    _printed("provider_subscription_id", "SyndicationPartnerSubscriptionNumber", required=True),
    _printed("product_id", "DurableOfferId"),
    _printed("product_name", "OfferName"),
    _printed("subscription_description", "SubscriptionDescription"),
    _printed("subscription_start", "SubscriptionStartDate", kind=Kind.DAY),
    _printed("subscription_end", "SubscriptionEndDate", kind=Kind.DAY),
    _printed("charge_start", "ChargeStartDate", kind=Kind.DAY),
    _printed("charge_end", "ChargeEndDate", kind=Kind.DAY),
    _printed("charge_type", "ChargeType", required=True),
    _amount("unit_price", "UnitPrice"),
    _amount("quantity", "Quantity"),
    _amount("subtotal", "Subtotal", required=True),
    _amount("tax_total", "Tax"),
    _amount("total", "TotalForCustomer"),
    _printed("currency", "Currency", required=True),
    _printed("billing_frequency", "BillingCycleType"),
)

# The legacy usage-based file: its charges are in no other file, with tax. It lands in the columns of a reconciliation file, every line usage;
# what was charged is the overage, beyond what the offer includes.
LEGACY_USAGE = (
    _printed("partner_id", "PartnerId"),
    _printed("partner_name", "PartnerName"),
    _printed("provider_customer_id", "CustomerId", required=True),
    _printed("customer_name", "CustomerCompanyName", "CustomerName"),
    _printed("customer_domain_name", "DomainName"),
    _printed("mpn_id", "MpnId"),
    _printed("tier2_mpn_id", "ResellerMpnId", "Tier2MpnId"),
    _printed("invoice_number", "InvoiceNumber"),
    _printed("order_id", "OrderID"),
    _printed("provider_subscription_id", "SubscriptionId", required=True),
    _printed("subscription_description", "SubscriptionDescription"),
    _printed("product_name", "ServiceName"),
    _printed("sku_id", "Sku"),
    _printed("charge_start", "ChargeStartDate", kind=Kind.DAY),
    _printed("charge_end", "ChargeEndDate", kind=Kind.DAY),
    _printed("usage_date", "UsageDate", kind=Kind.DAY),
    _printed("charge_type", "ChargeType"),
    _printed("meter_category", "ServiceType"),
    _printed("meter_id", "ResourceGuid"),
    _printed("meter_description", "ResourceName"),
    _printed("meter_region", "Region"),
    _printed("unit", "Unit"),
    _amount("unit_price", "ListPrice"),
    _amount("quantity", "ConsumedQuantity"),
    _amount("billable_quantity", "OverageQuantity"),
    _amount("effective_unit_price", "PretaxEffectiveRate"),
    _amount("subtotal", "PretaxCharges", required=True),
    _amount("tax_total", "TaxAmount"),
    _amount("total", "PostTaxTotal"),
    _printed("currency", "Currency", required=True),
    _printed("billing_frequency", "BillingCycleType"),
)

# How the files of each feed are printed.
COLUMNS_OF: dict[Feed, tuple[Column, ...]] = {
    Feed.DAILY_RATED: DAILY_RATED,
    Feed.RECONCILIATION: RECONCILIATION,
    Feed.PLAIN: PLAIN,
    Feed.LEGACY_LICENSE: LEGACY_LICENSE,
    Feed.LEGACY_USAGE: LEGACY_USAGE,
}

# What resolving and rating add to each line, before the provider's own columns.
RESOLVED_LICENSE = (Column("line_number", Kind.WHOLE), Column("kind"), Column("subscription_id"), Column("account_id"))
RESOLVED_USAGE = (
    Column("line_number", Kind.WHOLE),
    Column("usage_id"),
    Column("subscription_id"),
    Column("account_id"),
    Column("markup_pct", Kind.NUMBER),
)
EXTRA = (Column("extra"),)  # unknown columns of the file, as one JSON object; null where there were none

LICENSE_LINE = RESOLVED_LICENSE + RECONCILIATION + EXTRA
USAGE_LINE = RESOLVED_USAGE + DAILY_RATED + EXTRA


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of these columns; exact decimals are strings."""
    import pyarrow as pa  # a tenth of a second, which what never reads a line does without

    kinds = {
        Kind.TEXT: pa.string(),
        Kind.ID: pa.string(),
        Kind.NUMBER: pa.string(),
        Kind.WHOLE: pa.int64(),
        Kind.DAY: pa.date32(),
        Kind.MOMENT: pa.timestamp("us"),
        Kind.FLAG: pa.bool_(),
    }
    return pa.schema([(column.name, kinds[column.kind]) for column in columns])
