"""Every table, as SQLAlchemy Core: our records, the provider's invoices and lines, what was received, who did what.

Amounts are `numeric` without precision, so that nothing the provider sent is rounded; `NaN`, which Postgres accepts as a numeric, is refused
by a check. The provider invoice is in every key of its lines: it is what the store would be distributed by.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from w365core import frames, reconciliation as reconciled
from w365core.frames import Kind

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

_SQL_TYPES = {
    Kind.TEXT: Text,
    Kind.ID: Text,
    Kind.NUMBER: Numeric,
    Kind.WHOLE: BigInteger,
    Kind.DAY: Date,
    Kind.MOMENT: DateTime,
    Kind.FLAG: Boolean,
}


def _columns(declared: tuple[frames.Column, ...]) -> list[Column]:
    return [
        Column(c.name, _SQL_TYPES[c.kind], primary_key=c.key, nullable=not (c.key or c.required), autoincrement=False) for c in declared
    ]


def _line_columns(declared: tuple[frames.Column, ...]) -> list[Column]:
    """The columns of a line table, keyed by (provider invoice, line); any cell of the provider may be blank."""
    keys = [Column(name, BigInteger, primary_key=True, autoincrement=False) for name in ("provider_invoice_id", "line_number")]
    return keys + [Column(c.name, _SQL_TYPES[c.kind]) for c in declared if c.name != "line_number"]


def _finite(*names: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{name} <> 'NaN'", name=f"{name}_finite") for name in names]


def _moment(name: str, **more) -> Column:
    return Column(name, DateTime(timezone=True), **more)


def _amount(name: str, **more) -> Column:
    return Column(name, Numeric, **more)


# --- our records -----------------------------------------------------------------------------------------------------------------------

# What a row said when it was last loaded: a row unchanged since then is not touched, so what people did since stays.
records: dict[str, Table] = {
    declared.table: Table(
        declared.table,
        metadata,
        *_columns(declared.columns),
        Column("loaded_fingerprint", Text),
        *_finite(*(c.name for c in declared.columns if c.kind is Kind.NUMBER)),
    )
    for declared in frames.RECORD_FILES.values()
}
currency, account, provider_account, product, billing_contract = (
    records[name] for name in ("currency", "account", "provider_account", "product", "billing_contract")
)
subscription, subscription_alias, license_change_log = (
    records[name] for name in ("subscription", "subscription_alias", "license_change_log")
)
customer_invoice, customer_invoice_line = records["customer_invoice"], records["customer_invoice_line"]

Index("subscription_provider_id_idx", func.lower(subscription.c.provider), func.lower(subscription.c.provider_subscription_id))
Index("license_change_log_subscription_idx", license_change_log.c.subscription_id, license_change_log.c.effective_date)

# --- providers and their invoices ------------------------------------------------------------------------------------------------------

provider = Table(
    "provider",
    metadata,
    Column("name", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("tenant_id", Text),
    Column("client_id", Text),
    Column("account_id", Text),
    Column("api_url", Text),
    Column("graph_url", Text),
    Column("login_url", Text),
    _amount("tolerance", nullable=False, server_default=text("0.05")),
    _moment("added_at", nullable=False),
    CheckConstraint("type in ('partner_center', 'streamone', 'manual')", name="type_known"),
    CheckConstraint("tolerance >= 0 and tolerance <> 'NaN'", name="tolerance_plausible"),
)

provider_invoice = Table(
    "provider_invoice",
    metadata,
    Column("provider_invoice_id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("invoice_number", Text, nullable=False),
    Column("document_type", Text, nullable=False, server_default="invoice"),
    Column("amends_of", Text),
    Column("invoice_type", Text),
    Column("invoice_date", Date),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("currency", Text, nullable=False),
    Column("source", Text, nullable=False),  # synced | file
    Column("state", Text, nullable=False),
    Column("status_reason", Text, nullable=False),
    Column("failure", Text),
    Column("message", Text, nullable=False, server_default=""),
    # the identity: header = license + usage + tax + rounding + overridden; before tax, in the invoice's currency
    _amount("header_total"),
    _amount("license_total"),
    _amount("usage_total"),
    _amount("tax_total"),
    _amount("rounding"),
    _amount("overridden"),
    _amount("lines_total"),
    _amount("difference"),
    _amount("tolerance"),
    _amount("override_tolerance"),
    _amount("daily_rated_total"),
    Column("license_lines", BigInteger, nullable=False, server_default="0"),
    Column("usage_lines", BigInteger, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("fingerprint", Text),  # which version of the provider's data the lines are
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("changed_at_provider", Boolean, nullable=False, server_default="false"),
    _amount("header_total_now"),  # what the provider says today, where it differs
    Column("fingerprint_now", Text),  # which version of its lines the provider has today, where it is another
    Column("failures", JSONB),  # every failure of the last attempt; `failure` is the first of them
    Column("override_reason", Text),  # why the last import was asked for with an override tolerance
    Column(
        "explanation", JSONB(none_as_null=True)
    ),  # what a difference is made of, as `difference.Explanation`; null where everything adds up
    Column("proven_cause", Text),  # the one hypothesis that explains a failed checksum to the cent, as a sentence
    Column("customers", BigInteger),  # how many customers the lines are for, and how many days have usage: what is usual for this provider
    Column("usage_days", BigInteger),
    Column("import_run_id", BigInteger),  # the run whose lines are published, or staged while in Error
    _moment("first_seen_at", nullable=False),
    _moment("last_attempt_at"),
    _moment("imported_at"),
    UniqueConstraint("provider", "invoice_number"),
    CheckConstraint("(state = 'Active') = (status_reason in ('Active', 'Active Usage', 'Populating'))", name="state_matches_reason"),
    CheckConstraint(
        "status_reason <> 'Active' or header_total = license_total + usage_total + tax_total + rounding + overridden", name="identity"
    ),
    *_finite("header_total", "license_total", "usage_total", "tax_total"),
)
Index("provider_invoice_invoice_date_idx", provider_invoice.c.invoice_date.desc(), provider_invoice.c.provider_invoice_id)

missing_reference = Table(
    "missing_reference",
    metadata,
    Column("provider_invoice_id", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("name", Text),
    Column("blocking", Boolean, nullable=False),
    Column("lines", BigInteger, nullable=False),
    _amount("amount", nullable=False),
    Column("suggestion", Text, nullable=False, server_default=""),
    CheckConstraint("kind in ('customer', 'subscription', 'currency', 'product')", name="kind_known"),
)


# The lines of the reconciliation file, license and usage; `kind` says which.
license_line = Table(
    "license_line",
    metadata,
    *_line_columns(frames.LICENSE_LINE),
    Index("license_line_subscription_idx", "subscription_id", "provider_invoice_id"),
    Index("license_line_license_idx", "provider_invoice_id", "line_number", postgresql_where=text("kind = 'license'")),
    Index(
        "license_line_taxed_idx", "provider_invoice_id", text("abs(tax_total) desc"), "line_number", postgresql_where=text("tax_total <> 0")
    ),
    CheckConstraint("subtotal <> 'NaN'", name="subtotal_finite"),
)
# What was it on an earlier invoice? Asked of each customer and subscription that is missing.
for _printed in ("provider_customer_id", "provider_subscription_id"):
    Index(f"license_line_{_printed}_idx", func.lower(func.btrim(license_line.c[_printed])))
# The lines of the daily-rated file, or the reconciliation file's usage lines where there is none.
usage_line = Table(
    "usage_line",
    metadata,
    *_line_columns(frames.USAGE_LINE),
    Index("usage_line_usage_id_idx", "provider_invoice_id", "usage_id", "line_number"),
    CheckConstraint("billing_pre_tax_total <> 'NaN'", name="cost_finite"),
    postgresql_partition_by="LIST (provider_invoice_id)",
)

usage_summary = Table(
    "usage_summary",
    metadata,
    Column("usage_id", Text, primary_key=True),
    Column("provider_invoice_id", BigInteger, primary_key=True, autoincrement=False),
    Column("subscription_id", Text),
    Column("account_id", Text),
    Column("provider_subscription_id", Text),
    Column("product_id", Text),
    Column("sku_id", Text),
    Column("product", Text),
    Column("charge_start", Date),
    Column("charge_end", Date),
    _amount("quantity", nullable=False),  # the provider's, as its cost is: never overwritten
    _amount("cost", nullable=False),
    _amount("stamped_markup_pct"),  # the subscription's at the import
    _amount("markup_pct"),  # in force: the stamped one, or what a person made of it
    _amount("corrected_quantity"),  # a person's, beside the provider's; null where there is none
    _amount("corrected_cost"),
    _amount("selling_amount"),  # of the cost and the markup in force
    Column("currency", Text, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("confirmed", Boolean, nullable=False, server_default="true"),
    Column("status", Text, nullable=False, server_default="Not invoiced"),
    Column("invoice_number", Text),
    Column("invoice_line", BigInteger),  # the line of that customer invoice, where we made it
    Column("version", Integer, nullable=False, server_default="1"),
    _moment("created_at", nullable=False),
    CheckConstraint("status in ('Not invoiced', 'Invoiced', 'Archived')", name="status_known"),
    CheckConstraint("(status = 'Invoiced') = (invoice_number is not null)", name="invoiced_has_invoice"),
    CheckConstraint("invoice_line is null or invoice_number is not null", name="line_has_invoice"),
    *_finite("quantity", "cost", "stamped_markup_pct", "markup_pct", "corrected_quantity", "corrected_cost", "selling_amount"),
    Index("usage_summary_invoice_idx", "provider_invoice_id", "usage_id"),
    Index("usage_summary_subscription_idx", "subscription_id", "charge_end"),
    Index("usage_summary_customer_invoice_idx", "invoice_number", postgresql_where=text("invoice_number is not null")),
    postgresql_with={
        "fillfactor": 50
    },  # a correction changes most rows of an invoice: with room on its page a changed row touches no index
)

# What people made of markups, costs and quantities: each change with its row before and after, so that it can be undone and told.
usage_correction = Table(
    "usage_correction",
    metadata,
    Column("correction_id", BigInteger, Identity(always=True), primary_key=True),
    _moment("at", nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("source", Text, nullable=False),  # file | page | rule
    Column("name", Text),  # of the file, or the rule in words
    Column("fingerprint", Text),  # of the file where it landed
    Column("rows", BigInteger, nullable=False),
    _moment("undone_at"),
    Column("undone_by", Text),
    CheckConstraint("source in ('file', 'page', 'rule')", name="source_known"),
    CheckConstraint("(undone_at is null) = (undone_by is null)", name="undone_by_somebody"),
)

usage_correction_row = Table(
    "usage_correction_row",
    metadata,
    Column("correction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("usage_id", Text, primary_key=True),
    Column("provider_invoice_id", BigInteger, nullable=False),
    Column("account_id", Text),
    Column("currency", Text, nullable=False),
    _amount("markup_before"),
    _amount("markup_after"),
    _amount("quantity_before"),
    _amount("quantity_after"),
    _amount("cost_before"),
    _amount("cost_after"),
    _amount("selling_before"),
    _amount("selling_after"),
    *_finite("markup_before", "markup_after", "quantity_before", "quantity_after", "cost_before", "cost_after", "selling_before"),
    *_finite("selling_after"),
    Index("usage_correction_row_usage_idx", "usage_id", "correction_id"),
)

# The customer invoices that were made here out of usage: what they were made of, and the contract's next invoice date before and after.
usage_invoice = Table(
    "usage_invoice",
    metadata,
    Column("invoice_number", Text, primary_key=True),
    Column("contract_id", Text, nullable=False),
    _amount("usage_total", nullable=False),
    _amount("top_up_total", nullable=False),
    Column("next_invoice_date_before", Date),
    Column("next_invoice_date_after", Date),
    _moment("made_at", nullable=False),
    Column("made_by", Text, nullable=False),
    *_finite("usage_total", "top_up_total"),
)

# What of minimum commitments these invoices have settled, cycle by cycle: the top-up is negative where late usage has used up what was topped up before.
usage_commitment = Table(
    "usage_commitment",
    metadata,
    Column("invoice_number", Text, primary_key=True),
    Column("subscription_id", Text, primary_key=True),
    Column("cycle_start", Date, primary_key=True),
    Column("currency", Text, nullable=False),
    _amount("committed", nullable=False),
    _amount("top_up", nullable=False),
    *_finite("committed", "top_up"),
    Index("usage_commitment_subscription_idx", "subscription_id"),
)
Index("customer_invoice_contract_idx", customer_invoice.c.contract_id)

# Unbilled usage as the provider estimates it today: replaced each day, never billed.
usage_estimate = Table(
    "usage_estimate",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("usage_id", Text, primary_key=True),
    Column("subscription_id", Text),
    Column("account_id", Text),
    Column("provider_subscription_id", Text),
    Column("product_id", Text),
    Column("sku_id", Text),
    Column("product", Text),
    Column("charge_start", Date),
    Column("charge_end", Date),
    _amount("quantity", nullable=False),
    _amount("cost", nullable=False),
    Column("currency", Text, nullable=False),
    Column("lines", BigInteger, nullable=False),
    _moment("estimated_at", nullable=False),
)

# --- what is said of invoices beside the ledger: what the provider lists, how it changed what was imported, what was deleted, which differences pass --

# What a provider listed when it was asked last, whether or not it is here.
listed_invoice = Table(
    "listed_invoice",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("invoice_number", Text, primary_key=True),
    Column("document_type", Text, nullable=False),
    Column("invoice_type", Text),
    Column("amends_of", Text),
    Column("invoice_date", Date, nullable=False),
    Column("currency", Text, nullable=False),
    _amount("total"),
    _moment("first_listed_at", nullable=False),
    _moment("listed_at", nullable=False),
    *_finite("total"),
)

# An invoice that was deleted here: its fifteen days go on from when it was first seen.
deleted_invoice = Table(
    "deleted_invoice",
    metadata,
    Column("provider", Text, primary_key=True),  # lower-cased, as is the number
    Column("invoice_number", Text, primary_key=True),
    _moment("first_seen_at", nullable=False),
    _moment("deleted_at", nullable=False),
)

# How a provider changed an invoice after it was imported: one row per change, and line by line what is otherwise.
invoice_change = Table(
    "invoice_change",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_invoice_id", BigInteger, nullable=False),
    _moment("noticed_at", nullable=False),
    _amount("header_total_before"),
    _amount("header_total_now"),
    Column("fingerprint_before", Text),
    Column("fingerprint_now", Text),
    Column("compared", Boolean, nullable=False, server_default="false"),  # whether the lines could be compared; `message` says why not
    Column("message", Text, nullable=False, server_default=""),
    Column("lines_added", BigInteger),
    Column("lines_removed", BigInteger),
    Column("lines_changed", BigInteger),
    _amount("amount_added"),  # with tax
    _amount("amount_removed"),
    _amount("amount_changed"),
    Column(
        "daily_lines", BigInteger
    ),  # of the daily-rated file, which says the usage once more: how many differ, and by how much before tax
    _amount("daily_amount"),
    *_finite("header_total_before", "header_total_now", "amount_added", "amount_removed", "amount_changed", "daily_amount"),
)
Index("invoice_change_invoice_idx", invoice_change.c.provider_invoice_id, invoice_change.c.change_id)

invoice_change_line = Table(
    "invoice_change_line",
    metadata,
    Column("change_id", BigInteger, primary_key=True),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),  # the biggest money first
    Column("what", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("account_id", Text),
    Column("provider_customer_id", Text),
    Column("customer_name", Text),
    Column("subscription_id", Text),
    Column("provider_subscription_id", Text),
    Column("product_id", Text),
    Column("product_name", Text),
    Column("charge_type", Text),
    Column("charge_start", Date),
    Column("charge_end", Date),
    _amount("quantity_before"),
    _amount("quantity_now"),
    _amount("amount_before"),
    _amount("amount_now"),
    Column("currency", Text),
    CheckConstraint("what in ('added', 'removed', 'changed')", name="what_known"),
    *_finite("quantity_before", "quantity_now", "amount_before", "amount_now"),
)

# The same by customer, over all lines of the reconciliation file.
invoice_change_customer = Table(
    "invoice_change_customer",
    metadata,
    Column("change_id", BigInteger, primary_key=True),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),  # the biggest money first
    Column("account_id", Text),
    Column("provider_customer_id", Text),
    Column("customer_name", Text),
    Column("lines", BigInteger, nullable=False),
    _amount("amount", nullable=False),  # with tax, what is more now than before
    Column("currency", Text),
    *_finite("amount"),
)

# Usage that costs otherwise, by the id of its summary: what a customer was billed for it, and would be now, follows from that.
invoice_change_usage = Table(
    "invoice_change_usage",
    metadata,
    Column("change_id", BigInteger, primary_key=True),
    Column("usage_id", Text, primary_key=True),
    Column("account_id", Text),
    Column("subscription_id", Text),
    Column("product", Text),
    _amount("cost_before"),
    _amount("cost_now"),
    _amount("selling_now"),  # with the markup of today
    Column("currency", Text, nullable=False),
    *_finite("cost_before", "cost_now", "selling_now"),
)

# Up to which difference an override passes with one click, up to which with a reason, and how much less than usual is said aloud.
tolerance_policy = Table(
    "tolerance_policy",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    _amount("one_click_amount", nullable=False, server_default=text("0.50")),
    _amount("one_click_percent"),  # of the header; both hold where both are given
    _amount("most_amount"),  # above it no override passes while the policy stands
    _amount("most_percent"),
    _amount("drop_percent"),  # a header that is so much less than the month before is said aloud
    Column("owner", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("expires_on", Date),  # the last day that it holds
    Column("set_by", Text, nullable=False),
    _moment("set_at", nullable=False),
    CheckConstraint("one_click_amount >= 0 and one_click_amount <> 'NaN'", name="one_click_plausible"),
    *_finite("one_click_percent", "most_amount", "most_percent", "drop_percent"),
)

# --- reconciliation: what became of each subscription and window of an invoice, and what people decided --------------------------------------

# One run over an invoice. The same inputs are the same run: `fingerprint` covers all of them, `inputs` each by itself.
reconciliation = Table(
    "reconciliation",
    metadata,
    Column("reconciliation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("invoice_number", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("inputs", JSONB, nullable=False),
    # header = lines + usage + tax + rounding + overridden; lines = confirmed + explained + unexplained
    *(_amount(name, nullable=False) for name in ("header", "lines", "usage", "tax", "rounding", "overridden")),
    *(_amount(name, nullable=False) for name in ("confirmed", "explained", "unexplained")),
    Column("rows", BigInteger, nullable=False),
    Column("message", Text, nullable=False, server_default=""),
    _moment("made_at", nullable=False),
    Column("made_by", Text, nullable=False),
    _moment(
        "latest_at", nullable=False
    ),  # when these inputs were last found to be the invoice's: its latest run is the one with the latest
    UniqueConstraint("provider", "invoice_number", "fingerprint"),
    CheckConstraint("header = lines + usage + tax + rounding + overridden", name="identity"),
    CheckConstraint("lines = confirmed + explained + unexplained", name="conservation"),
    *_finite("header", "lines", "usage", "tax", "confirmed", "explained", "unexplained"),
)


def _of_run(declared: tuple[frames.Column, ...], *keys: str) -> list[Column]:
    """The columns of what a run gives, keyed by the run and `keys`."""
    run = Column("reconciliation_id", BigInteger, primary_key=True, autoincrement=False)
    return [run, *(Column(c.name, _SQL_TYPES[c.kind], primary_key=c.name in keys, autoincrement=False) for c in declared)]


reconciliation_line = Table(
    "reconciliation_line",
    metadata,
    *_of_run(reconciled.ROW, "line_id"),
    Index("reconciliation_line_subscription_idx", "subscription_id", "reconciliation_id"),
    Index("reconciliation_line_risk_idx", "reconciliation_id", text("money_at_risk desc nulls last"), "line_id"),
)
reconciliation_change_log = Table("reconciliation_change_log", metadata, *_of_run(reconciled.EXPLANATION, "line_id", "change_log_id"))
reconciliation_finding = Table(
    "reconciliation_finding",
    metadata,
    Column("reconciliation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    *(Column(c.name, _SQL_TYPES[c.kind]) for c in reconciled.FINDING),
    Index("reconciliation_finding_line_idx", "reconciliation_id", "line_id"),
)

# What people decided of a row, by the invoice and the row's own name, so that it outlives runs and re-imports. A decision stands while verdict and
# residual are those it was made on.
reconciliation_review = Table(
    "reconciliation_review",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("invoice_number", Text, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("verdict", Text),
    _amount("residual"),
    Column("assigned_to", Text),
    Column("note", Text),
    _moment("at", nullable=False),
    Column("actor", Text, nullable=False),
    CheckConstraint("state in ('open', 'confirmed', 'accepted')", name="state_known"),
    CheckConstraint("state <> 'accepted' or reason <> ''", name="accepted_has_reason"),
)

# Who signed an invoice off, on which run, and who opened it again.
reconciliation_sign_off = Table(
    "reconciliation_sign_off",
    metadata,
    Column("sign_off_id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("invoice_number", Text, nullable=False),
    Column("reconciliation_id", BigInteger, nullable=False),
    _moment("at", nullable=False),
    Column("actor", Text, nullable=False),
    Column("note", Text),
    _moment("reopened_at"),
    Column("reopened_by", Text),
    Column("reopened_because", Text),
    CheckConstraint("(reopened_at is null) = (reopened_by is null)", name="reopened_by_somebody"),
)
Index(
    "reconciliation_sign_off_standing_idx",
    reconciliation_sign_off.c.provider,
    reconciliation_sign_off.c.invoice_number,
    unique=True,
    postgresql_where=reconciliation_sign_off.c.reopened_at.is_(None),
)

# --- the provider's view: what it says its customers own; our records are never touched by it -----------------------------------------------

provider_customer = Table(
    "provider_customer",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("provider_customer_id", Text, primary_key=True),  # lower-cased
    Column("name", Text),
    Column("domain", Text),
    Column("country", Text),
    Column("status", Text),
    # the account it most likely is, how sure (0 to 1) and why; applied by a person, or by itself only where it is certain
    Column("proposed_account_id", Text),
    _amount("confidence"),
    Column("proposed_because", Text),
    Column("refused", Text),  # what the provider said where it would not tell the customer's subscriptions
    _moment("first_seen_at", nullable=False),
    _moment("seen_at", nullable=False),
    _moment("gone_at"),  # since when the provider lists it no more
    CheckConstraint("confidence between 0 and 1", name="confidence_a_share"),
)

provider_subscription = Table(
    "provider_subscription",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("provider_subscription_id", Text, primary_key=True),  # lower-cased
    Column("provider_customer_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("product_id", Text),
    Column("status", Text),
    _amount("quantity"),
    Column("term", Text),
    Column("billing_cycle", Text),
    Column("currency", Text),
    Column("parent_id", Text),  # of an Azure entitlement: its plan; of an add-on: its base
    Column("migrated_from_id", Text),
    Column("order_id", Text),
    Column("auto_renew", Boolean),
    _moment("started_at"),
    _moment("term_ends_at"),
    _moment("cancellable_until"),
    Column("refundable", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("scheduled", JSONB),
    _moment("first_seen_at", nullable=False),
    _moment("seen_at", nullable=False),
    _moment("gone_at"),
    CheckConstraint("kind in ('License', 'Usage')", name="kind_known"),
    *_finite("quantity"),
)
Index("provider_subscription_customer_idx", provider_subscription.c.provider, provider_subscription.c.provider_customer_id)

# What the provider says was changed, and by whom: evidence for changes that have no change log of ours. Never deleted: the provider forgets.
provider_change = Table(
    "provider_change",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("change_id", Text, primary_key=True),
    _moment("at", nullable=False),
    Column("operation", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("provider_customer_id", Text),
    Column("provider_subscription_id", Text),
    Column("order_id", Text),
    _amount("quantity_before"),
    _amount("quantity_after"),
    Column("state_before", Text),
    Column("state_after", Text),
    Column("initiated_by", Text),
    _moment("first_seen_at", nullable=False),
    CheckConstraint("source in ('audit', 'order')", name="source_known"),
    *_finite("quantity_before", "quantity_after"),
)
Index("provider_change_subscription_idx", provider_change.c.provider, provider_change.c.provider_subscription_id, provider_change.c.at)

# Up to when each kind of thing was pulled, so that a gap is seen: `lost_from` to `lost_to` is what the provider had forgotten already.
provider_pull = Table(
    "provider_pull",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("what", Text, primary_key=True),  # customers | subscriptions | changes
    _moment("pulled_until"),
    _moment("pulled_at", nullable=False),
    Column("lost_from", Date),
    Column("lost_to", Date),
    Column("message", Text, nullable=False, server_default=""),
)

# Tokens that a provider hands out and that must outlive a process, encrypted with the installation's key; never in clear, never logged.
stored_token = Table(
    "stored_token",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("encrypted", LargeBinary, nullable=False),
    Column("given", Text),  # fingerprint of the token that a person gave and all later ones come from; of a sign-in, who signed in
    _moment("issued_at", nullable=False),
    _moment("expires_at"),
    _moment("exchanging_since"),  # asked for its successor, which is not stored yet
)

# How files of a layout that nobody publishes are read: header -> column of the plain file, as a person last said it.
column_mapping = Table(
    "column_mapping",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("headers", Text, primary_key=True),  # fingerprint of the folded, sorted headers
    Column("mapping", JSONB, nullable=False),
    Column("date_order", Text),  # MDY or DMY, where a person has said it
    Column("said_by", Text, nullable=False),
    _moment("said_at", nullable=False),
)

# --- what was received, and what ran -----------------------------------------------------------------------------------------------------

sync_run = Table(
    "sync_run",
    metadata,
    Column("sync_run_id", BigInteger, Identity(always=True), primary_key=True),
    Column("command", Text, nullable=False),
    Column("provider", Text),
    Column("actor", Text, nullable=False),
    _moment("started_at", nullable=False),
    _moment("finished_at"),
    Column("status", Text, nullable=False),  # running | done | failed | abandoned
    Column("message", Text, nullable=False, server_default=""),
    CheckConstraint("status in ('running', 'done', 'failed', 'abandoned')", name="status_known"),
)

import_run = Table(
    "import_run",
    metadata,
    Column("import_run_id", BigInteger, Identity(always=True), primary_key=True),
    Column("sync_run_id", BigInteger),
    Column("provider_invoice_id", BigInteger, nullable=False),
    Column("fingerprint", Text),  # manifest eTags, or the content hashes of files by hand
    Column("status", Text, nullable=False),  # running | done | failed | abandoned
    Column("message", Text, nullable=False, server_default=""),
    Column("lines", BigInteger, nullable=False, server_default="0"),
    Column("previous", JSONB),  # the invoice's state before this run, to go back to; null where the run created it
    _moment("started_at", nullable=False),
    _moment("finished_at"),
    CheckConstraint("status in ('running', 'done', 'failed', 'abandoned')", name="status_known"),
)
Index("import_run_invoice_idx", import_run.c.provider_invoice_id, import_run.c.import_run_id)

# What was asked of the queue, and how it goes; the queue's own tables (`procrastinate_…`) say only that it waits or is in hand. Moments are the
# database's own clock, since a demo's clock stands still.
job_run = Table(
    "job_run",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),  # the queue's number
    Column("kind", Text, nullable=False),
    Column("provider", Text),  # null: every provider that has a connection
    Column("invoice", Text),
    _amount("override_tolerance"),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("asked", JSONB),  # what else was asked: of an import of files, which ones and the header
    Column("state", Text, nullable=False, server_default="queued"),
    Column("progress", Text, nullable=False, server_default=""),
    Column("lines_done", BigInteger, nullable=False, server_default="0"),
    Column("lines_total", BigInteger),  # where it is known beforehand
    Column("lines_per_second", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _moment("asked_at", nullable=False, server_default=text("clock_timestamp()")),
    _moment("started_at"),
    _moment("heartbeat_at"),
    _moment("finished_at"),
    Column("outcome", JSONB),
    Column("message", Text, nullable=False, server_default=""),
    Column("dismissed_by", Text),  # who has said that a failed one needs nobody
    CheckConstraint(
        "kind in ('sync', 'sync_invoice', 'sync_accounts', 'import_files', 'test_connection', 'list_invoices', 'validate', 'take_new_version', "
        "'reconcile', 'bill', 'notify')",
        name="kind_known",
    ),
    CheckConstraint("state in ('queued', 'running', 'done', 'failed', 'cancelled')", name="state_known"),
    CheckConstraint("(finished_at is not null) = (state in ('done', 'failed', 'cancelled'))", name="ended_has_moment"),
    CheckConstraint(
        "(kind in ('sync_invoice', 'import_files', 'take_new_version', 'reconcile')) = (invoice is not null)", name="invoice_named"
    ),
    *_finite("override_tolerance"),
)
Index("job_run_unfinished_idx", job_run.c.job_id, postgresql_where=job_run.c.finished_at.is_(None))
Index("job_run_failed_idx", job_run.c.job_id, postgresql_where=text("state = 'failed'"))

# Each line export asked of the provider: a still-young operation is waited on again, not asked for again.
line_export = Table(
    "line_export",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("invoice_number", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("operation_url", Text, nullable=False),
    _moment("requested_at", nullable=False),
)

# Every answer of a provider and every file by hand, as received; the bytes lie in the landing folder under their fingerprint.
landed_answer = Table(
    "landed_answer",
    metadata,
    Column("landed_answer_id", BigInteger, Identity(always=True), primary_key=True),
    Column("sync_run_id", BigInteger),
    Column("provider", Text, nullable=False),
    Column("invoice_number", Text),
    Column("purpose", Text, nullable=False),  # invoices | export | operation | manifest | reconciliation | daily_rated | plain …
    Column("method", Text, nullable=False),
    Column("url", Text, nullable=False),  # without secrets
    Column("http_status", Integer),
    Column("request_id", Text),
    Column("content_type", Text),
    Column("fingerprint", Text, nullable=False),  # SHA-256 of the bytes as received
    Column("size", BigInteger, nullable=False),
    _moment("received_at", nullable=False),
)
Index("landed_answer_run_idx", landed_answer.c.sync_run_id)
Index("landed_answer_invoice_idx", landed_answer.c.provider, landed_answer.c.invoice_number)

# Which landed content a run read, in order: what a re-validation or a rebuild reads again.
import_source = Table(
    "import_source",
    metadata,
    Column("import_run_id", BigInteger, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("feed", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("form", JSONB, nullable=False, server_default=text("'{}'::jsonb")),  # how a file by hand is to be read
)

invoice_attachment = Table(
    "invoice_attachment",
    metadata,
    Column("provider_invoice_id", BigInteger, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    _moment("attached_at", nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("audit_id", BigInteger, primary_key=True, autoincrement=False),
    _moment("at", nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
)
Index("audit_log_target_idx", audit_log.c.target_kind, audit_log.c.target, audit_log.c.audit_id)

# Facts about this installation, such as the demo's stated clock.
installation = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# What somebody has set, beside the environment; what is not here has its default.
preference = Table(
    "preference",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    _moment("set_at", nullable=False),
)

# --- operations ----------------------------------------------------------------------------------------------------------------------------

# Since when a rate is what it is: set by a person, or confirmed by a load. A currency whose rate is another by now has none that is known.
currency_rate = Table(
    "currency_rate",
    metadata,
    Column("code", Text, primary_key=True),
    _amount("rate_to_base", nullable=False),
    Column("set_by", Text, nullable=False),
    _moment("set_at", nullable=False),
    CheckConstraint("rate_to_base > 0 and rate_to_base <> 'NaN'", name="rate_plausible"),
)

# Landed bytes that were removed when they had been kept long enough: that they came, when and from where stays in `landed_answer`.
removed_content = Table(
    "removed_content",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    _moment("removed_at", nullable=False),
)

# --- the schedule ------------------------------------------------------------------------------------------------------------------------

# What runs by itself every day, how far it is. Whether it is on and its time of day are settings; `enabled` is what a worker saw last.
schedule = Table(
    "schedule",
    metadata,
    Column("name", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    _moment("since", nullable=False),  # nothing that was due until then is made up for
    _moment("last_due_at"),  # when the last run was due, by the installation's clock
    _moment("last_run_at"),  # when it was queued, by the database's
    Column("job_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("message", Text, nullable=False, server_default=""),  # why it queued nothing
)

# --- messages ------------------------------------------------------------------------------------------------------------------------------

# What somebody has changed of a message's template; what is not here has its default.
message_template = Table(
    "message_template",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("body_text", Text, nullable=False),
    Column("body_html", Text, nullable=False, server_default=""),  # blank: text alone
    Column("mail_to", Text, nullable=False, server_default=""),  # blank: those of the setting mail_to
    Column("mail_cc", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False),
    Column("set_by", Text, nullable=False),
    _moment("set_at", nullable=False),
)

# Every message, written before it is sent, once per key and channel; its words are kept as they were sent.
outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("key", Text, nullable=False),  # what happened: a second message of the same is never queued
    Column("kind", Text, nullable=False),
    Column("message_id", Text, nullable=False, unique=True),  # the same on every attempt
    Column("subject", Text, nullable=False),
    Column("body_text", Text, nullable=False),
    Column("body_html", Text, nullable=False, server_default=""),
    Column("facts", JSONB, nullable=False),
    Column("mail_to", Text, nullable=False, server_default=""),
    Column("mail_cc", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("said", Text, nullable=False, server_default=""),  # how the last attempt went, or why there was none
    Column("actor", Text, nullable=False),
    _moment("queued_at", nullable=False),
    _moment("next_attempt_at"),
    _moment("last_attempt_at"),
    _moment("sent_at"),
    UniqueConstraint("channel", "key"),
    CheckConstraint("channel in ('mail', 'webhook')", name="channel_known"),
    CheckConstraint("state in ('waiting', 'sent', 'failed', 'withheld', 'discarded')", name="state_known"),
    CheckConstraint("(state = 'waiting') = (next_attempt_at is not null)", name="waiting_has_moment"),
    CheckConstraint("(state = 'sent') = (sent_at is not null)", name="sent_has_moment"),
)
Index("outbox_waiting_idx", outbox.c.next_attempt_at, postgresql_where=outbox.c.state == "waiting")
