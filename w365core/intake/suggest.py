"""What would resolve a missing reference? A sentence to act on; nothing is applied by itself.

The provider's view, where an account sync has brought one, says what a missing thing is: its name, its seats, whose it is, and why it is missing here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from w365core import money
from w365core.intake.matching import Account, Accounts
from w365core.model import MissingReference, ProviderCustomer, ProviderSubscription, ReferenceKind

_ROW = ("subscription_id", "provider", "provider_subscription_id", "account_id", "kind", "name", "quantity", "start_date", "status")


@dataclass(frozen=True)
class View:
    """What the provider says of what is missing, and what our records say of its provider accounts. Keys are the provider's ids in lower case."""

    customers: Mapping[str, ProviderCustomer] = field(default_factory=dict)
    subscriptions: Mapping[str, ProviderSubscription] = field(default_factory=dict)
    customer_of: Mapping[str, str] = field(default_factory=dict)  # subscription -> customer, as the lines print it
    account_of: Mapping[str, str] = field(default_factory=dict)  # customer -> our account
    ours: Mapping[str, str] = field(default_factory=dict)  # of the provider's subscription ids, those that are subscriptions of ours
    sync_disabled: frozenset[str] = frozenset()  # customers
    refused: Mapping[str, str] = field(default_factory=dict)  # customer -> what the provider said in place of its subscriptions
    gone: frozenset[str] = frozenset()  # customers and subscriptions that the provider lists no more

    def knows(self, reference: MissingReference) -> bool:
        """Whether there is anything to say of it beyond what the lines print."""
        key = reference.key.lower()
        whose = self.customer_of.get(key, key)
        return key in self.customers or key in self.subscriptions or whose in self.sync_disabled or whose in self.refused

    def name_of(self, reference: MissingReference) -> str | None:
        """The name that the lines print, else the provider's."""
        known = (self.customers if reference.kind is ReferenceKind.CUSTOMER else self.subscriptions).get(reference.key.lower())
        return reference.name or (known.name if known else None)


def with_suggestions(
    missing: Sequence[MissingReference], *, provider: str, accounts: Sequence[Account], view: View | None = None
) -> list[MissingReference]:
    """The same references, each with its suggested fix. Before, `suggestion` holds the customer's domain as the lines print it."""
    known, ours = view or View(), Accounts(accounts)
    return [replace(reference, suggestion=_suggestion(reference, provider, ours, known)) for reference in missing]


def once_supplied(kind: ReferenceKind, ours: str, *, name: str | None = None) -> str:
    """What is left to do for what our records have by now: what it is there, and that the invoice is to be read again."""
    called = f"{ours} ({name})" if name else ours
    if kind is ReferenceKind.PRODUCT:
        return f"It is product {called} of our records by now; its lines are write-ins until the invoice is read again."
    is_now = {
        ReferenceKind.CUSTOMER: f"It is mapped to account {called} already",
        ReferenceKind.SUBSCRIPTION: f"It is our subscription {called} already",
        ReferenceKind.CURRENCY: f"{called} has its rate already",
    }
    return f"{is_now[kind]}; the invoice is in Error until it is read again: sync it, or import it again."


def _suggestion(reference: MissingReference, provider: str, accounts: Accounts, view: View) -> str:
    if reference.kind is ReferenceKind.CUSTOMER:
        return _customer(reference, provider, accounts, view)
    if reference.kind is ReferenceKind.SUBSCRIPTION:
        return _subscription(reference, provider, view)
    if reference.kind is ReferenceKind.CURRENCY:
        return (
            f"Add {reference.key} with its rate to currencies.csv where it is missing, and see that the invoice is in {reference.key}: "
            "an invoice holds lines of its own currency only."
        )
    return f"Add {reference.key} to products.csv, or choose the subscription's product; until then its lines are billed as write-ins."


# --- a customer --------------------------------------------------------------------------------------------------------------------------


def _customer(reference: MissingReference, provider: str, accounts: Accounts, view: View) -> str:
    key = reference.key.lower()
    known = view.customers.get(key)
    name, domain = view.name_of(reference), reference.suggestion or (known.domain if known else None)
    notes = []
    if key in view.gone:
        notes.append(f"{provider} lists it no more: it may have left.")
    if key in view.sync_disabled:
        notes.append(
            "Its provider account has sync disabled, so its subscriptions are not brought either; enable it in provider_accounts.csv."
        )
    match = accounts.match(name=name, domain=domain)
    if match is None or match.account_id is None:
        several = f" ({match.because})" if match else ""
        step = f"Map it to the account it belongs to{several}: {_mapping(provider, reference, 'ACCOUNT_ID')}"
    else:
        sure = f"{match.because}, confidence {money.plain(match.confidence)}"
        step = f"Map it to account {match.account_id} ({match.name or match.account_id}; {sure}): {_mapping(provider, reference, match.account_id)}"
    return " ".join([*notes, step])


def _mapping(provider: str, reference: MissingReference, account_id: str) -> str:
    return f"map-account --provider {provider} --provider-account-id {reference.key} --account {account_id}"


# --- a subscription ----------------------------------------------------------------------------------------------------------------------


def _subscription(reference: MissingReference, provider: str, view: View) -> str:
    key = reference.key.lower()
    known = view.subscriptions.get(key)
    if known is not None:
        return _as_known(known, provider, view)
    customer = view.customer_of.get(key, "")
    if customer in view.sync_disabled:
        return (
            f"The provider account of its customer {_called(customer, view)} has sync disabled, so its subscriptions were not brought; enable it in "
            f"provider_accounts.csv (sync_enabled true), load it and run sync-accounts --provider {provider}, or add the subscription to "
            "subscriptions.csv by hand."
        )
    by_hand = "Add it to subscriptions.csv; an old id goes under a manual provider, a second id of one subscription into subscription_aliases.csv."
    if customer in view.refused:
        return f"The provider does not tell what its customer {_called(customer, view)} owns: {view.refused[customer]}. {by_hand}"
    return by_hand


def _as_known(known: ProviderSubscription, provider: str, view: View) -> str:
    """What the provider says of it, and the row to add."""
    seats = f", {money.plain(known.quantity)} seats" if known.quantity is not None and known.kind == "License" else ""
    under = f", under plan {known.parent_id}" if known.parent_id and known.kind == "Usage" else ""
    state = ", listed no more" if known.id.lower() in view.gone else f", {known.status}" if known.status else ""
    whose = _called(known.customer_id.lower(), view)
    said = f"{provider} knows it as {known.name or 'a subscription without a name'}{seats}{under}{state}, of customer {whose}."
    former = view.ours.get((known.migrated_from_id or "").lower())
    if former:
        return f"{said} It took the place of {known.migrated_from_id}, our {former}: add {provider},{known.id},{former} to subscription_aliases.csv."
    return f"{said} Add this row to subscriptions.csv ({','.join(_ROW)}): {_row(known, provider, view)}"


def _row(known: ProviderSubscription, provider: str, view: View) -> str:
    cells = {
        "subscription_id": known.id,
        "provider": provider,
        "provider_subscription_id": known.id,
        "account_id": view.account_of.get(known.customer_id.lower(), "ACCOUNT_ID"),
        "kind": known.kind,
        "name": known.name or "",
        "quantity": "1" if known.kind == "Usage" else money.plain(known.quantity) or "",
        "start_date": known.started_at.date().isoformat() if known.started_at else "",
        "status": "Active" if (known.status or "active").lower() == "active" else "Suspended",
    }
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([cells[name] for name in _ROW])
    return line.getvalue()


def _called(customer: str, view: View) -> str:
    known = view.customers.get(customer)
    return f"{known.name} ({known.id})" if known and known.name else customer
