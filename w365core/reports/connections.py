"""Which providers are connected, what can they do, how fresh is what they told, and whose may the customers be that nobody has mapped?"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from w365core.model import Capabilities, Provider, capabilities_of
from w365core.reports import wording
from w365core.reports.tables import Column, Table, moment, number
from w365core.store import provider_standing, providers as store_providers, queries, references, tokens

Row = Mapping[str, Any]
Pulls = Mapping[tuple[str, str], Row]

_CONNECTIONS = Table(
    "providers",
    (
        Column("provider", "Provider"),
        Column("type", "Type"),
        Column("can", "Gives", help="What its connection can bring"),
        moment("synced", "Last sync", help="UTC"),
        Column("ended", "How it ended"),
        moment("accounts_synced", "Accounts synced", help="UTC"),
        number("customers", "Customers"),
        number("subscriptions", "Subscriptions"),
        moment("changes_until", "Changes until", help="Up to when changes made at the provider are known"),
    ),
    (),
)
_WAITING = Table(
    "proposed-mappings",
    (
        Column("provider", "Provider"),
        Column("customer", "Customer"),
        Column("held_up", "Holds up", help="Its lines on invoices that are in Error"),
        Column("domain", "Domain"),
        Column("account", "Most likely is"),
        Column("confidence", "How sure", help="0 to 1; certain is a domain that one account and one customer have"),
        Column("because", "Because"),
        Column("provider_account_id", "Provider account"),
    ),
    (),
)


@dataclass(frozen=True)
class Gap:
    """What a provider did not tell: changes that it had forgotten before anybody asked, or the subscriptions of a customer."""

    provider: str
    what: str
    sentence: str


@dataclass(frozen=True)
class Connections:
    providers: Table
    gaps: tuple[Gap, ...]
    waiting: Table


def load(connection: Connection) -> Connections:
    """The page as things are now."""
    return build(
        store_providers.all_of_them(connection),
        runs=queries.last_runs(connection),
        pulls=provider_standing.pulls(connection),
        counts=provider_standing.counts(connection),
        waiting=provider_standing.waiting_proposals(connection),
        held_up=provider_standing.held_up(connection),
        refusals=provider_standing.refusals(connection),
        accounts={account_id: name or account_id for account_id, name, _ in references.accounts(connection)},
        signed_in=tokens.signed_in(connection),
    )


def build(
    providers: Sequence[Provider],
    *,
    runs: Mapping[str, Row],
    pulls: Pulls,
    counts: Mapping[str, tuple[int, int]],
    waiting: Iterable[Row],
    refusals: Iterable[Row],
    accounts: Mapping[str, str],
    held_up: Mapping[tuple[str, str], Mapping[str, Decimal]] = MappingProxyType({}),
    signed_in: Collection[str] = (),
) -> Connections:
    """`runs` are the last syncs of invoices by provider; `counts` how many customers and subscriptions each lists; `signed_in` where a person has."""
    rows = [_provider(one, runs.get(one.name), pulls, counts.get(one.name), signed_in=one.name in signed_in) for one in providers]
    gaps = [
        Gap(name, "Changes lost", pull["message"])
        for (name, what), pull in sorted(pulls.items())
        if what == "changes" and pull["lost_from"]
    ]
    gaps += [Gap(row["provider"], "Not told", _refusal(row)) for row in refusals]
    waiting = sorted(waiting, key=lambda row: -max(map(abs, _held_up(row, held_up).values()), default=0))
    proposed = [_waiting(row, accounts, _held_up(row, held_up)) for row in waiting]
    return Connections(Table(_CONNECTIONS.name, _CONNECTIONS.columns, rows), tuple(gaps), Table(_WAITING.name, _WAITING.columns, proposed))


def mapping_command(row: Row) -> str:
    """What maps the customer of a row of `waiting`; with a place to fill in where no account was proposed."""
    account = shlex.quote(row["account_id"]) if row["account_id"] else "ACCOUNT_ID"
    provider, customer = shlex.quote(row["provider"]), shlex.quote(row["provider_account_id"])
    return f"python -m w365core map-account --provider {provider} --provider-account-id {customer} --account {account}"


def gives(can: Capabilities) -> str:
    """The capabilities in words."""
    words = {"invoices": "invoices", "usage": "usage", "change_evidence": "changes", "pdf": "PDF"}
    said = [word for name, word in words.items() if getattr(can, name)]
    return ", ".join(said) if said else "files only"


def _provider(provider: Provider, run: Row | None, pulls: Pulls, counted: tuple[int, int] | None, *, signed_in: bool) -> dict[str, Any]:
    synced = pulls.get((provider.name, "customers"))
    changes = pulls.get((provider.name, "changes"))
    customers, subscriptions = counted if counted and synced else (None, None)
    return {
        "provider": provider.name,
        "type": provider.type.label,
        "can": gives(capabilities_of(provider.type, signed_in=signed_in)),
        "synced": run["started_at"] if run else None,
        "ended": _ended(run),
        "accounts_synced": synced["pulled_at"] if synced else None,
        "customers": customers,
        "subscriptions": subscriptions,
        "changes_until": changes["pulled_until"] if changes else None,
    }


def _ended(run: Row | None) -> str | None:
    if run is None:
        return None
    return run["status"] if not run["message"] else f"{run['status']}: {run['message']}"


def _refusal(row: Row) -> str:
    called = f"{row['name']} ({row['provider_customer_id']})" if row["name"] else row["provider_customer_id"]
    return f"{row['refused']} when it was asked what {called} owns; what was known of it stays. If it has left, disable its sync."


def _sure(confidence: Decimal | None) -> str | None:
    if confidence is None:
        return None
    return "certain" if confidence == 1 else wording.digits(confidence)


def _held_up(row: Row, money: Mapping[tuple[str, str], Mapping[str, Decimal]]) -> Mapping[str, Decimal]:
    return money.get((row["provider"], row["provider_customer_id"]), {})


def _waiting(row: Row, accounts: Mapping[str, str], held_up: Mapping[str, Decimal]) -> dict[str, Any]:
    proposed = row["proposed_account_id"]
    return {
        "provider": row["provider"],
        "customer": row["name"] or row["provider_customer_id"],
        "held_up": " + ".join(wording.rounded(amount, currency) for currency, amount in sorted(held_up.items())) or wording.ABSENT,
        "domain": row["domain"],
        "account": f"{accounts.get(proposed, proposed)} ({proposed})" if proposed else wording.ABSENT,
        "account_id": proposed,
        "confidence": _sure(row["confidence"]),
        "because": row["proposed_because"] or "no account is like it",
        "provider_account_id": row["provider_customer_id"],
    }
