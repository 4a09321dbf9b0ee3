"""What is said of a provider invoice when it is held against our records: the verdicts, and the columns of everything that goes in and comes out.

One row is one subscription and charge window of one invoice. The kernel takes the first four tables of a bucket of subscriptions and gives the
last three; the same declarations name the columns in Arrow and in Postgres. Exact numbers are text in Arrow, as everywhere.
"""

from __future__ import annotations

from enum import StrEnum

from w365core.frames import Column, Kind


class Verdict(StrEnum):
    """What became of a row's quantity, in the order in which the verdicts are tried."""

    NO_SUBSCRIPTION = "no_subscription"
    NOT_RECONCILABLE = "not_reconcilable"
    SUSPENDED_BUT_BILLED = "suspended_but_billed"
    CONFIRMED = "confirmed"
    CHANGE_LOG_MISMATCH = "change_log_mismatch"
    PROVISIONING_GAP = "provisioning_gap"
    EXCLUDED = "excluded"
    EXPLAINED_NOT_INVOICED = "explained_not_invoiced"
    EXPLAINED_INVOICED = "explained_invoiced"
    PARTLY_EXPLAINED = "partly_explained"
    UNEXPLAINED = "unexplained"
    NOT_ON_INVOICE = "not_on_invoice"


EXPLAINED = (Verdict.EXPLAINED_INVOICED, Verdict.EXPLAINED_NOT_INVOICED, Verdict.EXCLUDED, Verdict.PROVISIONING_GAP)


class Fit(StrEnum):
    """The view of our change logs that comes to what the provider charged, in the order in which they are tried."""

    SNAPSHOT = "snapshot"
    SCHEDULED = "scheduled"
    SHIFTED = "shifted"
    EFFECTIVE = "effective"


class PriceVerdict(StrEnum):
    """How the selling price stands to what the provider charges, in the order in which the verdicts are tried."""

    PRICE_UNKNOWN = "price_unknown"
    BELOW_COST = "below_cost"
    ZERO_MARGIN = "zero_margin"
    COST_DRIFT = "cost_drift"
    PRICE_OK = "price_ok"


class LogBilling(StrEnum):
    """Whether a license change log has reached a customer invoice."""

    INVOICED = "invoiced"
    NOT_INVOICED = "not_invoiced"
    EXCLUDED = "excluded"


class ReviewState(StrEnum):
    """Whether somebody still has to look at a row."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"


class FindingKind(StrEnum):
    """What is odd about a line beside its quantity. A finding never blocks."""

    AMOUNT_OFF = "amount_off"
    CREDIT_LOST = "credit_lost"
    ABOVE_LIST = "above_list"
    CHARGED_TWICE = "charged_twice"
    BILLED_AFTER_CANCELLATION = "billed_after_cancellation"


def _number(name: str) -> Column:
    return Column(name, Kind.NUMBER)


def _day(name: str) -> Column:
    return Column(name, Kind.DAY)


# --- what goes in ------------------------------------------------------------------------------------------------------------------------

# The license lines of the invoice, as printed, with the subscription of ours that they are for (null: none).
LINE_IN = (
    Column("line_number", Kind.WHOLE),
    Column("subscription_id"),
    Column("account_id"),
    Column("provider_customer_id"),
    Column("customer_name"),
    Column("provider_subscription_id"),
    Column("product_id"),
    Column("product_name"),
    Column("charge_type"),
    Column("order_date", Kind.MOMENT),
    _day("charge_start"),
    _day("charge_end"),
    _number("unit_price"),
    _number("quantity"),
    _number("billable_quantity"),
    _number("effective_unit_price"),
    _number("exchange_rate"),
    _number("subtotal"),
    Column("currency"),
    Column("term_and_billing_cycle"),
    Column("billing_frequency"),
)

# Our subscriptions that the lines name, and those of this provider that should have been on the invoice.
SUBSCRIPTION_IN = (
    Column("subscription_id"),
    Column("account_id"),
    Column("provider_subscription_id"),
    Column("product_id"),
    Column("name"),
    Column("status"),
    _number("quantity"),
    _number("cost_price"),  # per unit and `unit`, as `selling_price`
    _number("selling_price"),
    Column("currency"),
    Column("unit"),  # of the prices: Monthly where the product says nothing
    Column("prorate_unit"),  # of its contract: Days or Months; null without a contract
    Column("frequency"),
    _day("contract_start"),
    Column("expected", Kind.FLAG),  # belongs on this invoice by everything but the lines: what `not_on_invoice` asks
    _number("provider_quantity_now"),  # seats as the provider says them today; null where they are not known
)

CHANGE_LOG_IN = (
    Column("change_log_id"),
    Column("subscription_id"),
    Column("event"),
    _number("quantity"),
    _day("effective_date"),
    _day("provisioned_on"),
    Column("provisioning_status"),
    Column("status_reason"),
    Column("source"),
    Column("initiated_by"),
    _number("selling_price"),
    Column("currency"),
    Column("invoice_number"),
)

# --- what comes out ----------------------------------------------------------------------------------------------------------------------

# One row for each subscription and window. `line_id` names it in every run of the invoice.
ROW = (
    Column("line_id"),
    Column("subscription_id"),
    Column("account_id"),
    Column("provider_subscription_id"),
    Column("provider_customer_id"),
    Column("customer_name"),
    Column("product_id"),
    Column("product_name"),
    _day("charge_start"),
    _day("charge_end"),
    _day("snapshot"),
    Column("lines", Kind.WHOLE),
    _number("provider_quantity"),
    _number("our_quantity"),
    _number("our_quantity_then"),
    _number("provider_quantity_now"),
    _number("quantity_difference"),
    _number("residual"),
    Column("residual_settles", Kind.FLAG),  # of a mismatch: whether the residual makes the provider agree
    Column("verdict"),
    Column("fit"),
    Column("changed_since", Kind.FLAG),
    Column("reason"),
    _number("unit_cost"),
    _number("cost_price"),
    _number("selling_price"),
    Column("price_verdict"),
    _number("subtotal"),
    _number("money_at_risk"),
    _number("unbilled"),  # what the explaining changes without an invoice are worth, prorated
    Column("currency"),
)

# The change logs of a row: those outside its fit or view are its explanation.
EXPLANATION = (
    Column("line_id"),
    Column("change_log_id"),
    Column("event"),
    _number("quantity"),
    _day("effective_date"),
    _day("provisioned_on"),
    Column("provisioning_status"),
    Column("status_reason"),
    Column("source"),
    Column("initiated_by"),
    Column("invoice_number"),
    Column("billing"),
    Column("outside", Kind.FLAG),
    _number("worth"),  # of the change in its cycle, prorated by the contract's unit, in `worth_currency`
    Column("worth_currency"),
)

# What is odd about single lines. `line_number` is null where a finding is about a whole window.
FINDING = (
    Column("line_id"),
    Column("line_number", Kind.WHOLE),
    Column("kind"),
    _number("expected"),
    _number("found"),
    _number("amount"),  # how much money it is about, never negative
    Column("currency"),
    Column("reason"),
)
