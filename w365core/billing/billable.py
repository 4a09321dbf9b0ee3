"""Can this usage be billed, and if not, why not? One cause, the first that applies, as a code and a sentence that says what to do."""

from __future__ import annotations

from datetime import date

from w365core.usage_invoice import ARCHIVED, DEACTIVATED, MARKUP_MISSING, NOT_BILLABLE, POPULATING, UNCONFIRMED, Contract, Usage

_BILLABLE_REASONS = ("Active", "Active Usage")


def blocked_by(contract: Contract, usage: Usage, *, currency: str | None, today: date | None = None) -> tuple[str, str] | None:
    """(code, sentence), or None where it is billable. `currency` is the contract's, as `currency_of` finds it."""
    return _by_invoice(usage) or _by_row(usage) or _by_contract(contract, usage, currency, today)


def currency_of(contract: Contract, usage: list[Usage]) -> str | None:
    """What the contract is charged in: its own currency, else its account's, else the only one that its usage has; None where that is several."""
    said = contract.currency or contract.account_currency
    if said:
        return said
    met = {one.currency for one in usage}
    return met.pop() if len(met) == 1 else None


def _by_invoice(usage: Usage) -> tuple[str, str] | None:
    if usage.state == "Active" and usage.status_reason in _BILLABLE_REASONS:
        return None
    if usage.status_reason == "Populating":
        return POPULATING, (
            f"Provider invoice {usage.provider_invoice} is Populating: look through it, then `activate --invoice {usage.provider_invoice}`."
        )
    return DEACTIVATED, f"Provider invoice {usage.provider_invoice} is {usage.state}/{usage.status_reason}: sync it again."


def _by_row(usage: Usage) -> tuple[str, str] | None:
    if not usage.confirmed:
        return UNCONFIRMED, "It is an estimate and not confirmed: it waits for the provider's invoice."
    if usage.status == "Archived":
        return ARCHIVED, "It was archived: it is never billed, unless its provider invoice is deactivated and synced anew."
    if usage.selling_amount is None:
        return MARKUP_MISSING, (
            f"Its markup is blank: give subscription {usage.subscription_id} one (0 is valid), and correct the imported rows on the page Markup updates."
        )
    return None


def _by_contract(contract: Contract, usage: Usage, currency: str | None, today: date | None) -> tuple[str, str] | None:
    said = _not_billable(contract, usage, currency) or _not_begun(contract, usage, today)
    return (NOT_BILLABLE, said) if said else None


def _not_billable(contract: Contract, usage: Usage, currency: str | None) -> str | None:
    named, subscription = contract.contract_id, usage.subscription_id
    if named is None:
        return f"Subscription {subscription or '(none)'} has no contract: give it one in subscriptions.csv, and load that."
    if not contract.is_known:
        return f"Subscription {subscription} names contract {named}, which our records do not have: load it in billing_contracts.csv."
    if not contract.account_id:
        return f"Contract {named} has no account, and neither has subscription {subscription}: say whose it is."
    if (contract.status or "Active").strip().casefold() != "active":
        return f"Contract {named} is {contract.status}, not Active."
    if contract.credit_hold:
        return f"{contract.customer} is on credit hold; the usage waits until that is lifted."
    if contract.end_date is not None and (usage.charge_start or usage.day) > contract.end_date:
        return f"Contract {named} ended on {contract.end_date}, before this usage began ({usage.window}): give its subscription another contract."
    if currency is None:
        return f"Contract {named} names no currency, nor does its account, and its usage is in several: say which one it is charged in."
    if usage.currency != currency:
        return f"The usage is in {usage.currency} and contract {named} is charged in {currency}: currencies are never added."
    return None


def _not_begun(contract: Contract, usage: Usage, today: date | None) -> str | None:
    subscription = contract.subscriptions.get(usage.subscription_id or "")
    if today is None or subscription is None or subscription.start_date is None or subscription.start_date <= today:
        return None
    return f"Subscription {subscription.subscription_id} begins on {subscription.start_date}, in the future: correct its start_date in subscriptions.csv, and load that."
