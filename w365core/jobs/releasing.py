"""Which invoices would come in, were they validated again against these records? Told from their staged lines and the order of their last attempt,
by the same resolving and the same decision as the import's.

stands        how each invoice that lacked something would end now
DryRun        the same for fixes that are not made yet, as a sentence and in figures; amounts of different currencies are never added
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection

from w365core import money
from w365core.errors import ConfigurationMissing
from w365core.intake import resolve
from w365core.intake.checksum import Claim, Decision, LineTotals, decide
from w365core.intake.resolve import References, Referred
from w365core.jobs.lookups import references_of
from w365core.model import Failure, Feed, LineKind, ProviderType, ReferenceKind, StatusReason
from w365core.reports import wording
from w365core.store import orders, providers as store_providers, references as store_references, stage, waiting
from w365core.store.landing import Landing

Row = Mapping[str, Any]
Supplied = tuple[str | None, str, str]  # provider (None: whoever), kind, key in lower case
_NAMED = 3


@dataclass(frozen=True)
class Records:
    """Our records at one moment: what each provider's lines may refer to, the rates to base and the tolerances."""

    references: Mapping[str, References]
    rates: Mapping[str, Decimal]
    tolerances: Mapping[str, Decimal]
    manual: frozenset[str]  # providers whose invoices wait for a person to activate them

    @classmethod
    def of(cls, connection: Connection, providers: Iterable[str]) -> Records:
        """As they are in the connection's transaction."""
        known = {one.name: one for one in store_providers.all_of_them(connection)}
        return cls(
            {name: references_of(connection, provider=name, invoice_number="", currency="") for name in set(providers)},
            store_references.currencies(connection),
            {name: one.tolerance for name, one in known.items()},
            frozenset(name for name, one in known.items() if one.type is ProviderType.MANUAL),
        )


@dataclass(frozen=True)
class Standing:
    """How one invoice would end. `lacks` are the blocking things that would still be missing, by name; `otherwise` what fails besides, in a sentence
    part; `unknown` why nothing can be said of it. `touched`: it lacks other things than its last attempt did."""

    invoice_id: int
    provider: str
    invoice: str
    currency: str
    amount: Decimal
    lacks: tuple[tuple[ReferenceKind, str], ...] = ()
    otherwise: tuple[str, ...] = ()
    unknown: str = ""
    touched: bool = True
    to_activate: bool = False

    @property
    def released(self) -> bool:
        return not (self.lacks or self.otherwise or self.unknown)

    @property
    def sentence(self) -> str:
        """Why it would stay held up."""
        if self.unknown:
            return f"{self.invoice} cannot be validated again from here: {self.unknown}."
        fails = " and ".join(self.otherwise)
        if self.lacks:
            return f"{self.invoice} still lacks {_counted(self.lacks)}{f', and {fails}' if fails else ''}."
        return f"{self.invoice}: its references would be resolved, {fails}."


@dataclass(frozen=True)
class DryRun:
    """What the fixes would do: to our records, sentence by sentence, and to the invoices that wait on what they supply."""

    done: tuple[str, ...]
    released: tuple[Standing, ...]
    held_up: tuple[Standing, ...]
    blocks: bool = True  # whether anything that blocks is among what is supplied

    @property
    def released_money(self) -> dict[str, Decimal]:
        """By currency, the most money first."""
        return _by_currency(self.released)

    @property
    def sentence(self) -> str:
        if not self.released:
            if not self.blocks:
                return "Products hold nothing up: their lines stop being write-ins with the next import."
            if not self.held_up:
                return "This would release no invoice: none waits on it."
            return f"This would release no invoice yet; {wording.counted(len(self.held_up), 'invoice')} would stay held up."
        amounts = " and ".join(wording.rounded(amount, currency) for currency, amount in self.released_money.items())
        said = f"This would release {wording.counted(len(self.released), 'invoice')}, {amounts}."
        if to_activate := sum(one.to_activate for one in self.released):
            said += f" {to_activate} of them {'is' if to_activate == 1 else 'are'} then to be activated by a person."
        if self.held_up:
            said += f" {wording.counted(len(self.held_up), 'invoice')} would stay held up."
        return said


def stands(
    connection: Connection, landing: Landing, records: Records, *, invoices: Sequence[Row], supplied: Collection[Supplied] | None = None
) -> list[Standing]:
    """How each of these invoices (rows of `waiting.unresolved`) would end. With `supplied` only those that wait on it, and those that lack
    something else than they did, since a subscription may tell a customer whom no id names."""
    lacked = waiting.lacked(connection, [row["provider_invoice_id"] for row in invoices])
    found = []
    for row in invoices:
        names = lacked.get(row["provider_invoice_id"], {})
        waits = supplied is None or any({(None, *key), (row["provider"], *key)} & set(supplied) for key in names)
        if waits or any(key == resolve.NOT_GIVEN for _, key in names):
            standing = _standing(connection, landing, records, row, names)
            found += [standing] if waits or standing.touched else []
    return found


def judged_by(connection: Connection, landing: Landing, row: Row) -> Claim | str:
    """What the last attempt at an invoice was judged by; or why it cannot be read again from what landed."""
    run_id = row["import_run_id"]
    if run_id is None or not stage.exists(connection, run_id=run_id):
        return "its lines are not here; sync it"
    fingerprint = waiting.order_of(connection, provider=row["provider"], invoice_number=row["invoice_number"], run_id=run_id)
    if fingerprint is None:
        return "it came in before import orders were kept; sync it"
    try:
        job = orders.read(landing, fingerprint).job
    except ConfigurationMissing:
        return "its import order is not in the landing folder; sync it"
    if job is None:
        return "its lines were never read whole; sync it"
    sources = waiting.sources(connection, run_id=run_id)
    if not sources or not all(landing.path(source.fingerprint).exists() for source in sources):
        return "not all of its files are in the landing folder; sync it"
    return msgspec.convert(job["claim"], Claim)


# --- one invoice -------------------------------------------------------------------------------------------------------------------------


def _standing(connection: Connection, landing: Landing, records: Records, row: Row, names: Mapping[tuple[str, str], str]) -> Standing:
    amount = row["header_total"] if row["header_total"] is not None else row["lines_total"] or money.ZERO
    told = Standing(
        row["provider_invoice_id"],
        row["provider"],
        row["invoice_number"],
        row["currency"],
        amount,
        to_activate=row["provider"] in records.manual,
    )
    claim = judged_by(connection, landing, row)
    if isinstance(claim, str):
        return replace(told, unknown=claim)
    lacking = _lacking(connection, records.references[row["provider"]], row)
    lacks = tuple((kind, names.get((kind, key.lower()), name or key)) for (kind, key), name in sorted(lacking.items()))
    touched = {(str(kind), key.lower()) for kind, key in lacking} != set(names)
    return replace(told, lacks=lacks, touched=touched, otherwise=_otherwise(records, row, claim))


def _lacking(connection: Connection, references: References, row: Row) -> dict[tuple[ReferenceKind, str], str | None]:
    """What would block, by (kind, key in lower case), out of every combination that its staged lines print."""
    references = replace(references, invoice_number=row["invoice_number"], currency=row["currency"])
    has_daily = any(source.feed == Feed.DAILY_RATED for source in waiting.sources(connection, run_id=row["import_run_id"]))
    found: dict[tuple[ReferenceKind, str], str | None] = {}
    for table, customer, subscription, entitlement, currency in waiting.referred(connection, run_id=row["import_run_id"]):
        kind = LineKind.LICENSE if table == LineKind.LICENSE else LineKind.USAGE
        owner = subscription if resolve.blank(entitlement) else entitlement
        resolves = table == "daily" or kind is LineKind.LICENSE or not has_daily
        referred = Referred(customer, None, owner, None, None, None, None, currency.strip().upper(), kind, resolves_subscription=resolves)
        for lacking, key, name in resolve.resolve(referred, references).missing:
            if lacking.blocking:
                found.setdefault((lacking, key.lower()), name)
    return found


def _otherwise(records: Records, row: Row, claim: Claim) -> tuple[str, ...]:
    """What would fail beside the references, judged again: a currency that gets a rate changes what the tolerance is."""
    if Failure.INVALID_DATA in (row["failures"] or ()):
        return ("some of its lines still cannot be read",)
    rate = records.rates.get(row["currency"].upper())
    claim = replace(claim, rate_to_base=rate, tolerance=records.tolerances[row["provider"]], override=row["override_tolerance"])
    decision = decide(claim, _totals(row), ())
    return (_checksum(row, decision),) if decision.status is StatusReason.ERROR else ()


def _checksum(row: Row, decision: Decision) -> str:
    usage = money.ZERO
    if decision.daily_rated_total is not None:
        usage = money.EXACT.subtract(decision.usage_total, decision.daily_rated_total)
    off = max(decision.difference.copy_abs(), usage.copy_abs())
    return (
        "its daily usage is still not published"
        if "not published" in decision.message
        else (f"its checksum still fails by {wording.amount(off, row['currency'])}")
    )


def _totals(row: Row) -> list[LineTotals]:
    """The sums of its lines, as its last attempt wrote them down."""
    license, usage, tax, lines = (row[name] or money.ZERO for name in ("license_total", "usage_total", "tax_total", "lines_total"))
    currency, none = row["currency"].upper(), money.ZERO
    daily = row["daily_rated_total"]
    totals = []
    if row["license_lines"] or license or tax or lines:
        totals.append(LineTotals(Feed.RECONCILIATION, LineKind.LICENSE, currency, row["license_lines"], license, tax, lines))
    if usage or (row["usage_lines"] and daily is None):
        totals.append(LineTotals(Feed.RECONCILIATION, LineKind.USAGE, currency, row["usage_lines"], usage, none, none))
    if daily is not None:
        totals.append(LineTotals(Feed.DAILY_RATED, LineKind.USAGE, currency, row["usage_lines"], daily, none, none))
    return totals


# --- words -------------------------------------------------------------------------------------------------------------------------------


def _counted(lacks: Sequence[tuple[ReferenceKind, str]]) -> str:
    """2 customers and 1 subscription (Fabrikam, …)."""
    counts = Counter(kind for kind, _ in lacks)
    said = [
        wording.counted(counts[kind], kind, "currencies" if kind is ReferenceKind.CURRENCY else None)
        for kind in ReferenceKind
        if counts[kind]
    ]
    named = ", ".join(name for _, name in lacks[:_NAMED]) + (", …" if len(lacks) > _NAMED else "")
    return f"{' and '.join(said)} ({named})"


def _by_currency(standings: Iterable[Standing]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in standings:
        sums[one.currency] = money.EXACT.add(sums.get(one.currency, money.ZERO), one.amount)
    return dict(sorted(sums.items(), key=lambda item: (-item[1].copy_abs(), item[0])))
