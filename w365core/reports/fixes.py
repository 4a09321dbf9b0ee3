"""How is a fix shown and handed out? In a few words, and as the columns of a CSV that `supply` takes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from w365core.frames import Kind
from w365core.model import Fix, FixAction
from w365core.reports import wording
from w365core.reports.tables import Column

# The columns of a CSV of fixes: what `supply` reads, and beside it what a person wants to see while editing.
_FIX_NAMES = ("action", "provider", "key", "name", "account_id", "subscription_id", "product_id", "kind")
_FIX_NAMES += ("quantity", "under", "start_date", "status", "billing_type", "rate_to_base", "confidence", "because")
_FIX_KINDS = {"quantity": Kind.NUMBER, "rate_to_base": Kind.NUMBER, "confidence": Kind.NUMBER, "start_date": Kind.DAY}
_FIXES = tuple(Column(name, name, _FIX_KINDS.get(name, Kind.TEXT)) for name in _FIX_NAMES)
FIX_FILE_COLUMNS = (
    *_FIXES,
    Column("holds_up", "holds_up"),
    Column("customers_waiting", "customers_waiting", Kind.WHOLE),
    Column("invoices", "invoices"),
)
# Of those, what stands beside a missing reference in errors.csv and warnings.csv.
ATTACHED_COLUMNS = tuple(
    replace(column, name=f"fix_{column.name}", label=f"Fix {column.name}")
    for column in _FIXES
    if column.name not in ("provider", "key", "name")
)


def values_of(fix: Fix) -> dict[str, Any]:
    """Its cells in a CSV of fixes."""
    return {name: getattr(fix, name) for name in _FIX_NAMES}


def attached_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A missing reference with its fix in columns of their own, for errors.csv and warnings.csv."""
    fix = row.get("fix")
    return {**row, **({} if fix is None else {f"fix_{name}": value for name, value in values_of(fix).items()})}


def fix_said(fix: Fix | None, accounts: Mapping[str, str]) -> str:
    """What the fix would do, in a few words."""
    if fix is None:
        return "nothing in our records would help"
    account = f"{accounts.get(fix.account_id, fix.account_id)} ({fix.account_id})" if fix.account_id else "an account that you choose"
    if fix.action is FixAction.MAP_ACCOUNT:
        return f"map it to {account}"
    if fix.action is FixAction.ALIAS:
        return f"another id of our subscription {fix.subscription_id or 'that you choose'}"
    if fix.action is FixAction.ADD_SUBSCRIPTION:
        seats = f", {wording.digits(fix.quantity)} seats" if fix.kind == "License" and fix.quantity is not None else ""
        return f"create it under {fix.under}: {fix.kind}{seats}, of {account}"
    if fix.action is FixAction.ADD_CURRENCY:
        return f"add {fix.key} with its rate"
    if fix.product_id and fix.product_id.lower() == fix.key.lower():
        return f"a new product {fix.product_id}"
    return f"the product {fix.product_id or 'that you choose'}"


def sure(confidence: Decimal | None) -> str:
    """certain, 0.95, or blank."""
    return "" if confidence is None else "certain" if confidence == 1 else f"{wording.digits(confidence)} sure"
