"""What do the providers know of our customers? Brings it beside our records, proposes whose each customer is, and pulls the evidence of changes.

Everything is fetched first and stored in one transaction. Our records are never changed by it; where a person asks to have certain mappings applied,
a customer that our records do not have at all gets a provider account, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from w365core.errors import AlreadyRunning, CallRefused, ProviderError, ProviderRefused
from w365core.intake.matching import Accounts, Match
from w365core.jobs import evidence
from w365core.jobs.configuring import ACCOUNTS
from w365core.jobs.context import Context
from w365core.jobs.evidence import Evidence
from w365core.jobs.runs import recorded, sweep
from w365core.jobs.syncing import connect
from w365core.model import Provider, ProviderCustomer, ProviderSubscription
from w365core.providers import registry
from w365core.providers.contract import Connector, CustomerRefused
from w365core.store import engine as store_engine, mapping, provider_view, providers as store_providers, references
from w365core.store.provider_view import Counted, Proposed

CUSTOMERS_PER_REPORT = 50


@dataclass(frozen=True)
class Proposal:
    """A customer that nobody has mapped, and the account that it most likely is."""

    customer: ProviderCustomer
    match: Match
    applied: bool = False


@dataclass(frozen=True)
class Accounting:
    """What an account sync did. `unlike` are unmapped customers that no account is like; `off` those whose sync is disabled."""

    provider: str
    customers: Counted
    subscriptions: Counted
    proposals: Sequence[Proposal] = ()
    undecided: Sequence[Proposal] = ()
    unlike: Sequence[ProviderCustomer] = ()
    refused: Sequence[CustomerRefused] = ()
    off: Sequence[str] = ()
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def applied(self) -> int:
        return sum(proposal.applied for proposal in self.proposals)

    @property
    def findings(self) -> list[str]:
        """What a person should look at."""
        lost = [
            f"Customer {one.customer_id}: {one.message} in place of its subscriptions; what was known of them stays. If it has left, set sync_enabled "
            "to false for it in provider_accounts.csv."
            for one in self.refused
        ]
        return lost + list(self.evidence.findings)

    @property
    def sentence(self) -> str:
        """All of it in a few words, findings after it."""
        waiting = len(self.proposals) + len(self.undecided) + len(self.unlike) - self.applied
        parts = [
            f"{self.customers.listed:,} customers ({self.customers.new:,} new, {self.customers.gone:,} gone)",
            f"{self.subscriptions.listed:,} subscriptions ({self.subscriptions.new:,} new, {self.subscriptions.changed:,} changed, "
            f"{self.subscriptions.gone:,} gone)",
            f"{self.evidence.changes.listed:,} changes ({self.evidence.changes.new:,} new)",
            f"{waiting:,} customers that nobody has mapped",
        ]
        return " ".join([f"{', '.join(parts)}.", *self.findings])

    @property
    def exit_code(self) -> int:
        if self.evidence.failure is not None:
            return self.evidence.failure.exit_code
        return 1 if self.findings else 0

    @property
    def failures(self) -> list[tuple[str, ProviderError]]:
        """As a sync has them: what the provider did not give."""
        return [] if self.evidence.failure is None else [(self.provider, self.evidence.failure)]


def sync_accounts(context: Context, *, provider_name: str, apply_certain: bool = False) -> Accounting:
    """One account sync, whole or not at all. CallRefused for a provider without a connection; ProviderError where it breaks off."""
    sweep(context)
    with context.engine.connect() as connection:
        provider = store_providers.named(connection, provider_name)
    if not registry.capabilities(provider.type).invoices:
        raise CallRefused(f"Provider {provider.name} has no connection that could be asked; map its accounts with map-account.")
    with _alone(context, provider), recorded(context, provider.name, ACCOUNTS) as run_id:
        connector = connect(context, provider, sync_run_id=run_id)
        return _sync(context, provider, connector, apply_certain=apply_certain)


def _sync(context: Context, provider: Provider, connector: Connector, *, apply_certain: bool) -> Accounting:
    """Step by step: who there is, what they own, what was changed; then all of it is stored."""
    context.report(f"{provider.name}: asking for its customers")
    customers = list(connector.customers())
    with context.engine.connect() as connection:
        mapped = provider_view.mapping_state(connection, provider.name)
    asked = [one.id for one in customers if mapped.get(one.id.lower(), (None, True))[1]]
    owned, refused = _owned(context, provider, connector, asked)
    pulled = evidence.fetch(context, provider, connector)
    with store_engine.guarded(), context.engine.begin() as connection:
        done = Accounting(
            provider=provider.name,
            customers=provider_view.save_customers(connection, provider.name, customers, now=context.now),
            subscriptions=_save_owned(context, connection, provider, owned, asked, refused),
            refused=refused,
            off=[one.id for one in customers if one.id not in set(asked)],
            evidence=evidence.keep(context, connection, provider, pulled),
            **_proposed(context, connection, provider, customers, apply_certain=apply_certain),
        )
        for what in ("customers", "subscriptions"):
            provider_view.save_pull(connection, provider.name, what, until=context.now, at=context.now)
    return done


def _owned(
    context: Context, provider: Provider, connector: Connector, asked: Sequence[str]
) -> tuple[list[ProviderSubscription], list[CustomerRefused]]:
    """What these customers own. ProviderRefused where not one of several is told: that is no lost customer, but a missing right."""
    owned: list[ProviderSubscription] = []
    refused: list[CustomerRefused] = []
    for found in connector.subscriptions(_counted(context, provider, asked)):
        (refused if isinstance(found, CustomerRefused) else owned).append(found)
    if len(refused) > 1 and len(refused) == len(asked):
        raise ProviderRefused(
            f"{provider.name} tells the subscriptions of none of its {len(asked)} customers: {refused[0].message}. Nothing was stored. Let an "
            "administrator check the app's rights there, then run sync-accounts again."
        )
    return owned, refused


def _counted(context: Context, provider: Provider, asked: Sequence[str]) -> Iterator[str]:
    for number, customer in enumerate(asked):
        if number % CUSTOMERS_PER_REPORT == 0:
            context.report(f"{provider.name}: subscriptions of {len(asked):,} customers, {number:,} asked")
        yield customer


def _save_owned(
    context: Context,
    connection: Connection,
    provider: Provider,
    owned: Iterable[ProviderSubscription],
    asked: Iterable[str],
    refused: Iterable[CustomerRefused],
) -> Counted:
    said = {one.customer_id.lower(): one.message for one in refused}
    told_by = {customer.lower() for customer in asked} - said.keys()
    return provider_view.save_subscriptions(connection, provider.name, owned, told_by=told_by, refused=said, now=context.now)


# --- whose is it -------------------------------------------------------------------------------------------------------------------------


def _proposed(
    context: Context, connection: Connection, provider: Provider, customers: Sequence[ProviderCustomer], *, apply_certain: bool
) -> Mapping[str, Any]:
    """Proposals, those between several accounts, and customers that no account is like; all of them stored."""
    mapped = provider_view.mapping_state(connection, provider.name)
    unmapped = [one for one in customers if mapped.get(one.id.lower(), (None, True))[0] is None]
    accounts = Accounts(references.accounts(connection), customers=unmapped)
    proposals, undecided, unlike = [], [], []
    for customer in sorted(unmapped, key=lambda one: ((one.name or "").casefold(), one.id)):
        match = accounts.match(name=customer.name, domain=customer.domain)
        if match is None:
            unlike.append(customer)
        elif match.account_id is None:
            undecided.append(Proposal(customer, match))
        else:
            apply = apply_certain and match.is_certain and customer.id.lower() not in mapped
            if apply:
                _apply(context, connection, provider, customer, match)
            proposals.append(Proposal(customer, match, applied=apply))
    proposals.sort(key=lambda one: -one.match.confidence)
    waiting = [one for one in (*proposals, *undecided) if not one.applied]
    provider_view.save_proposals(
        connection,
        provider.name,
        [Proposed(one.customer.id, one.match.account_id, one.match.confidence, one.match.because) for one in waiting],
    )
    return {"proposals": proposals, "undecided": undecided, "unlike": unlike}


def _apply(context: Context, connection: Connection, provider: Provider, customer: ProviderCustomer, match: Match) -> None:
    """For a customer that our records do not have at all: an existing provider account is a person's, mapped, unmapped or disabled."""
    mapping.map_account(
        connection,
        provider=provider.name,
        provider_account_id=customer.id,
        account_id=match.account_id,
        name=customer.name,
        who=context.who,
        reason=f"certain: {match.because}, found by sync-accounts",
    )


@contextmanager
def _alone(context: Context, provider: Provider) -> Iterator[None]:
    """One account sync of a provider at a time. AlreadyRunning where somebody else is at it."""
    names = ("accounts", provider.name.lower())
    with store_engine.guarded(), context.engine.connect() as connection:
        if not store_engine.lock(connection, *names):
            raise AlreadyRunning(f"The accounts of {provider.name} are being synced by somebody else right now; look again in a minute.")
        connection.commit()
        try:
            yield
        finally:
            if not connection.invalidated and not connection.closed:
                connection.rollback()
                store_engine.unlock(connection, *names)
                connection.commit()
