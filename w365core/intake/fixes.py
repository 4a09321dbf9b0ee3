"""What would supply a missing reference, as something that can be done: the structured side of the sentence that `suggest` makes.

Nothing is applied here. What only a person can know stays open (`Fix.is_ready` is false then), and a guess between two is never made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from w365core.intake.matching import EQUAL_NAME, Account, Accounts
from w365core.intake.suggest import View
from w365core.model import OLD_IDS, Fix, FixAction, MissingReference, ReferenceKind

KNOWN = Decimal("0.95")  # the provider itself says what it is
SEEN_BEFORE = Decimal("0.90")  # it was so on an earlier invoice
HALF_KNOWN = Decimal("0.80")  # the provider says what it is, not whose
GUESSED = Decimal("0.50")  # an id that nobody knows, of a customer that we know
NEW_PRODUCT = Decimal("0.60")
_USAGE_MARKS = ("azure", "usage", "consumption")


@dataclass(frozen=True)
class Past:
    """What a key was when earlier lines of the provider printed it: our account or subscription, on that invoice, and its name there."""

    ours: str | None
    invoice: str
    name: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What our records and earlier lines say beside the provider's view. Keys are lower-cased."""

    currency: str = ""  # of the invoice's header
    currencies: frozenset[str] = frozenset()  # that our records have
    products: Sequence[tuple[str, str | None]] = ()  # product id, name
    domains: Mapping[str, str] = field(default_factory=dict)  # customer -> domain as the lines print it
    past: Mapping[tuple[str, str], Past] = field(default_factory=dict)  # (kind, key)
    of_usage: frozenset[str] = frozenset()  # subscriptions that usage lines print
    suggested: Mapping[str, Fix] = field(default_factory=dict)  # customer -> the fix that maps it, where there is one


def best_name(reference: MissingReference, view: View, around: Surroundings) -> str | None:
    """The name that its lines print, else that of earlier lines, else the provider's."""
    before = around.past.get((reference.kind, reference.key.lower()))
    return reference.name or (before.name if before else None) or view.name_of(reference)


def fix_of(reference: MissingReference, *, provider: str, accounts: Accounts, view: View, around: Surroundings) -> Fix | None:
    """The fix to suggest; None where nothing in our records would help, such as a line in another currency than its invoice."""
    if reference.kind is ReferenceKind.CUSTOMER:
        return _customer(reference, provider, accounts, view, around)
    if reference.kind is ReferenceKind.SUBSCRIPTION:
        return _subscription(reference, provider, view, around)
    if reference.kind is ReferenceKind.CURRENCY:
        return _currency(reference, around)
    return _product(reference, provider, around)


def fixes_of(
    missing: Sequence[MissingReference], *, provider: str, accounts: Sequence[Account], view: View, around: Surroundings
) -> list[Fix | None]:
    """One for each; a subscription of a customer that is missing too is suggested for the account that the customer is."""
    ours = Accounts(accounts)
    customers = {
        one.key.lower(): fix_of(one, provider=provider, accounts=ours, view=view, around=around)
        for one in missing
        if one.kind is ReferenceKind.CUSTOMER
    }
    around = replace(around, suggested={key: fix for key, fix in customers.items() if fix is not None and fix.account_id})
    return [fix_of(one, provider=provider, accounts=ours, view=view, around=around) for one in missing]


def _customer(reference: MissingReference, provider: str, accounts: Accounts, view: View, around: Surroundings) -> Fix | None:
    key = reference.key.lower()
    if key == "(not given)":
        return None
    known, before = view.customers.get(key), around.past.get((ReferenceKind.CUSTOMER, key))
    name = best_name(reference, view, around)
    fix = Fix(FixAction.MAP_ACCOUNT, reference.key, provider, name=name)
    if before is not None and before.ours:
        return replace(
            fix, account_id=before.ours, confidence=SEEN_BEFORE, because=f"it was account {before.ours} on invoice {before.invoice}"
        )
    match = accounts.match(name=name, domain=around.domains.get(key) or (known.domain if known else None))
    if match is None:
        return replace(fix, because="no account is like it")
    return replace(fix, account_id=match.account_id, confidence=match.confidence, because=match.because)


def _subscription(reference: MissingReference, provider: str, view: View, around: Surroundings) -> Fix:
    key = reference.key.lower()
    known, before = view.subscriptions.get(key), around.past.get((ReferenceKind.SUBSCRIPTION, key))
    alias = Fix(FixAction.ALIAS, reference.key, provider, name=best_name(reference, view, around))
    former = view.ours.get((known.migrated_from_id or "").lower()) if known else None
    if known is not None and former:
        return replace(
            alias, subscription_id=former, confidence=KNOWN, because=f"{provider} says that it took the place of {known.migrated_from_id}"
        )
    if before is not None and before.ours:
        return replace(
            alias, subscription_id=before.ours, confidence=SEEN_BEFORE, because=f"it was {before.ours} on invoice {before.invoice}"
        )
    customer = known.customer_id.lower() if known else view.customer_of.get(key, "")
    mapping = around.suggested.get(customer)
    account_id = view.account_of.get(customer) or (mapping.account_id if mapping else None)
    most = mapping.confidence if mapping and mapping.confidence is not None else Decimal(1)  # no surer than whose it is
    fix = replace(alias, action=FixAction.ADD_SUBSCRIPTION, account_id=account_id, subscription_id=reference.key)
    if known is not None:
        return replace(
            fix,
            kind=known.kind,
            quantity=Decimal(1) if known.kind == "Usage" else known.quantity,
            under=provider,
            start_date=known.started_at.date() if known.started_at else None,
            status="Active" if (known.status or "active").lower() == "active" else "Suspended",
            confidence=min(KNOWN if account_id else HALF_KNOWN, most),
            because=f"{provider} knows it" + ("" if account_id else ", but its customer has no account"),
        )
    of_usage = key in around.of_usage or any(mark in (fix.name or "").lower() for mark in _USAGE_MARKS)
    return replace(
        fix,
        kind="Usage" if of_usage else "License",
        quantity=Decimal(1) if of_usage else None,
        under=OLD_IDS,
        status="Active",
        confidence=min(GUESSED, most) if account_id else None,
        because=f"{provider} has told nothing of it: an old id, or a second one of a subscription",
    )


def _currency(reference: MissingReference, around: Surroundings) -> Fix | None:
    code = reference.key.upper()
    if code != around.currency.upper() or code in around.currencies:
        return None
    return Fix(FixAction.ADD_CURRENCY, code, because="the invoice's own currency; say its rate to base")


def _product(reference: MissingReference, provider: str, around: Surroundings) -> Fix:
    name = (reference.name or "").strip()
    same = [product_id for product_id, called in around.products if name and (called or "").strip().casefold() == name.casefold()]
    fix = Fix(FixAction.CHOOSE_PRODUCT, reference.key, provider, name=reference.name)
    if len(same) == 1:
        return replace(fix, product_id=same[0], confidence=EQUAL_NAME, because="same name")
    if not name:
        return replace(fix, because="its lines print no name")
    of_usage = any(mark in name.lower() for mark in _USAGE_MARKS)
    return replace(
        fix,
        product_id=reference.key,
        billing_type="Usage" if of_usage else "License",
        confidence=NEW_PRODUCT,
        because="a new product with the printed id and name",
    )
