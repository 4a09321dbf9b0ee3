"""Which columns do people look at in an invoice's lines, summaries, missing references and history? All others leave with the export."""

from __future__ import annotations

from w365core import frames
from w365core.frames import Kind
from w365core.reports.tables import Column, amount, day, moment, number


def _line_columns(shown: tuple[Column, ...], declared: tuple[frames.Column, ...]) -> tuple[Column, ...]:
    """The columns people look at, then every other column of the file for the export, under its printed header."""
    seen = {column.name for column in shown}
    rest = [Column(c.name, c.header, c.kind, shown=False) for c in declared if c.name not in seen]
    return (*shown, *rest)


LICENSE_COLUMNS = _line_columns(
    (
        Column("line_number", "Line", Kind.WHOLE, width=56),
        Column("kind", "Kind", width=62),
        Column("customer_name", "Customer", width=150, help="As the invoice prints it; our account stands further right"),
        Column("sku_name", "Product", width=170),
        Column("charge_type", "Charge", width=95),
        day("charge_start", "From", width=86),
        day("charge_end", "To", width=86),
        number("quantity", "Quantity", width=66),
        number("unit_price", "Unit price", width=74),
        amount("subtotal", "Subtotal", width=80),
        amount("total", "Total", width=80),
        amount("tax_total", "Tax", width=70),
        Column("currency", "Currency", width=70),
        Column("account_name", "Our account", width=150),
        Column("subscription_id", "Our subscription", Kind.ID, width=130),
        Column("provider_subscription_id", "Provider's subscription", Kind.ID, width=280),
    ),
    frames.LICENSE_LINE,
)
USAGE_COLUMNS = _line_columns(
    (
        Column("line_number", "Line", Kind.WHOLE, width=60),
        Column("customer_name", "Customer", width=150, help="As the invoice prints it; our account stands further right"),
        day("usage_date", "Day", width=86),
        Column("meter_category", "Category", width=125),
        Column("meter_name", "Meter", width=150),
        Column("resource_group", "Resource group", width=115),
        number("quantity", "Quantity", width=80),
        Column("unit", "Unit", width=70),
        number("unit_price", "Unit price", width=80),
        amount("billing_pre_tax_total", "Cost before tax", width=100),
        Column("billing_currency", "Currency", width=70),
        Column("account_name", "Our account", width=150),
        Column("subscription_id", "Our subscription", Kind.ID, width=130),
        Column("provider_subscription_id", "Provider's subscription", Kind.ID, width=280),
    ),
    frames.USAGE_LINE,
)
SUMMARY_COLUMNS = (
    Column("account_name", "Account", width=180),
    Column("product", "Product", width=220),
    day("charge_start", "From", width=90),
    day("charge_end", "To", width=90),
    number("quantity", "Quantity", width=100),
    amount("cost", "Cost", width=110),
    number("markup_pct", "Markup %", width=80),
    amount("selling_amount", "Selling amount", width=110),
    Column("currency", "Currency", width=75),
    Column("status", "Status", width=100),
    Column("invoice_number", "Our invoice", Kind.ID, width=110),
    Column("lines", "Lines", Kind.WHOLE, width=70),
    Column("subscription_id", "Subscription", Kind.ID, width=130),
    Column("usage_id", "Usage id", Kind.ID, shown=False),
    Column("provider_subscription_id", "Provider's subscription", Kind.ID, shown=False),
    Column("product_id", "ProductId", Kind.ID, shown=False),
    Column("sku_id", "SkuId", Kind.ID, shown=False),
)
MISSING_COLUMNS = (
    Column("kind", "Missing", width=100),
    Column("name", "Name", width=200),
    Column("key", "Key", Kind.ID, width=280),
    Column("blocking", "Blocks the import", Kind.FLAG, width=120),
    amount("amount", "Money it holds up", width=130),
    Column("currency", "Currency", width=75),
    Column("lines", "Lines", Kind.WHOLE, width=70),
    Column("suggestion", "Suggested fix", width=600),
)
HISTORY_COLUMNS = (
    moment("at", "When (UTC)", width=130),
    Column("what", "What", width=190),
    Column("who", "Who", width=100),
    Column("result", "Result", width=160),
    Column("said", "What it said", width=600),
)
