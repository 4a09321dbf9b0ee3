"""Which columns do people look at in an invoice's lines, summaries, missing references and history? All others leave with the export."""

from __future__ import annotations

from w365core import frames
from w365core.frames import Kind
from w365core.reports.tables import Column, amount, day, moment, number

# Providers print up to 28 places, of which nobody reads more than these; of a price per unit more count.
_PLACES, _PLACES_OF_A_PRICE, _PLACES_OF_A_SUM = 6, 8, 4


def _line_columns(shown: tuple[Column, ...], declared: tuple[frames.Column, ...]) -> tuple[Column, ...]:
    """The columns people look at, then every other column of the file for the export, under its printed header."""
    seen = {column.name for column in shown}
    rest = [Column(c.name, c.header, c.kind, shown=False) for c in declared if c.name not in seen]
    return (*shown, *rest)


LICENSE_COLUMNS = _line_columns(
    (
        Column("line_number", "Line", Kind.WHOLE, width=50),
        Column("kind", "Kind", width=62),
        Column("customer_name", "Customer", width=146, help="As the invoice prints it; our account stands further right"),
        Column("sku_name", "Product", width=160),
        Column("charge_type", "Charge", width=92),
        day("charge_start", "From", width=86),
        day("charge_end", "To", width=86),
        number("quantity", "Quantity", width=68, places=_PLACES),
        number("unit_price", "Unit price", width=76, places=_PLACES_OF_A_PRICE),
        amount("subtotal", "Subtotal", width=86, places=_PLACES),
        amount("total", "Total", width=86, places=_PLACES),
        amount("tax_total", "Tax", width=76, places=_PLACES),
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
        Column("customer_name", "Customer", width=140, help="As the invoice prints it; our account stands further right"),
        day("usage_date", "Day", width=86),
        Column("meter_category", "Category", width=115),
        Column("meter_name", "Meter", width=140),
        Column("resource_group", "Resource group", width=108),
        number("quantity", "Quantity", width=100, places=_PLACES),
        Column("unit", "Unit", width=62),
        number("unit_price", "Unit price", width=76, places=_PLACES_OF_A_PRICE),
        amount("billing_pre_tax_total", "Cost before tax", width=112, places=_PLACES),
        Column("billing_currency", "Currency", width=70),
        Column("account_name", "Our account", width=150),
        Column("subscription_id", "Our subscription", Kind.ID, width=130),
        Column("provider_subscription_id", "Provider's subscription", Kind.ID, width=280),
    ),
    frames.USAGE_LINE,
)
SUMMARY_COLUMNS = (
    Column("account_name", "Account", width=165),
    Column("product", "Product", width=176),
    day("charge_start", "From", width=86),
    day("charge_end", "To", width=86),
    number("quantity", "Quantity", width=100, places=_PLACES),
    amount("cost", "Cost", width=112, places=_PLACES_OF_A_SUM),
    number("markup_pct", "Markup %", width=78, places=_PLACES),
    amount("selling_amount", "Selling amount", width=100, places=_PLACES_OF_A_SUM),
    Column("currency", "Currency", width=71),
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
    amount("amount", "Money it holds up", width=130, places=_PLACES_OF_A_SUM),
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
