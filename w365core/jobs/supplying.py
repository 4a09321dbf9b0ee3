"""How does a person supply what our records lack? A door for pages and commands: what is missing with its fix, what fixes would do, and doing them.

missing, choices      what is missing, each with its suggested fix; what a person can choose from instead
would                 carried out and taken back: what it would do, invoice by invoice
supply                carried out in one transaction; what waits on it can then be validated again
read                  fixes from a CSV, edited in a spreadsheet
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from w365core import settings as w365settings
from w365core.errors import CallRefused, InputRefused
from w365core.intake import fix_files
from w365core.intake.fix_files import ReadFixes
from w365core.jobs import queue, releasing, suggesting
from w365core.jobs.permitting import acts
from w365core.jobs.releasing import DryRun, Records, Standing, Supplied
from w365core.model import OLD_IDS, Fix, FixAction, Problem, ReferenceKind
from w365core.reports import wording
from w365core.store import references, supplying as store, waiting
from w365core.store.engine import guarded
from w365core.store.landing import Landing
from w365core.store.ledger import Who

__all__ = ["Choices", "Done", "DryRun", "choices", "missing", "read", "supply", "would"]

_KIND = {
    FixAction.MAP_ACCOUNT: ReferenceKind.CUSTOMER,
    FixAction.ADD_SUBSCRIPTION: ReferenceKind.SUBSCRIPTION,
    FixAction.ALIAS: ReferenceKind.SUBSCRIPTION,
    FixAction.ADD_CURRENCY: ReferenceKind.CURRENCY,
    FixAction.CHOOSE_PRODUCT: ReferenceKind.PRODUCT,
}


@dataclass(frozen=True)
class Choices:
    """What a person can choose from: (id, label) by label; `manual` are providers that old ids can stand under."""

    accounts: Sequence[tuple[str, str]]
    subscriptions: Sequence[tuple[str, str]]
    products: Sequence[tuple[str, str]]
    manual: Sequence[str]
    account_names: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """What was done to our records, how the invoices stand that wait on it, and the job that validates them, where one was asked for."""

    said: tuple[str, ...]
    waiting: tuple[Standing, ...]
    job_id: int | None = None


def missing(connection: Connection, *, provider_invoice_id: int | None = None) -> Sequence[Mapping[str, Any]]:
    """What is missing, biggest money first, each with its suggested `fix`."""
    return suggesting.missing_references(connection, provider_invoice_id=provider_invoice_id)


def choices(connection: Connection) -> Choices:
    """Everything that can be chosen."""
    accounts = references.accounts(connection)
    return Choices(
        accounts=sorted(((one, _labelled(name, one)) for one, name, _ in accounts), key=_by_label),
        subscriptions=[(row["subscription_id"], _subscription(row)) for row in references.subscription_names(connection)],
        products=sorted(((one, _labelled(name, one)) for one, name in references.product_names(connection)), key=_by_label),
        manual=sorted({OLD_IDS, *references.manual_providers(connection)}),
        account_names={one: name or one for one, name, _ in accounts},
    )


@acts("supply references", changes=False)
def would(
    engine: Engine,
    fixes: Sequence[Fix],
    *,
    actor: str,
    now: datetime,
    landing: Landing | None = None,
    again: bool = False,
    file: ReadFixes | None = None,
) -> DryRun:
    """What these fixes would do. They are carried out and taken back, so what is refused here is refused then. InputRefused as `supply`."""
    with guarded(), engine.connect() as connection:
        transaction = connection.begin()
        try:
            said = _carry_out(connection, fixes, Who(actor, now), None, again=again, file=file)
            invoices = waiting.unresolved(connection)
            records = Records.of(connection, {row["provider"] for row in invoices})
        finally:
            transaction.rollback()
        found = _stands(connection, landing, records, invoices, fixes)
    return DryRun(
        tuple(said),
        tuple(one for one in found if one.released),
        tuple(one for one in found if not one.released),
        blocks=any(_KIND[fix.action].blocking for fix in fixes),
    )


@acts("supply references")
def supply(
    engine: Engine,
    fixes: Sequence[Fix],
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    validate: bool = False,
    landing: Landing | None = None,
    again: bool = False,
    file: ReadFixes | None = None,
) -> Done:
    """Carries all of them out in one transaction, and with `validate` queues the validation of what they touch. InputRefused with every fix that
    makes no sense: then nothing has changed."""
    with guarded():
        with engine.begin() as connection:
            said = _carry_out(connection, fixes, Who(actor, now), reason, again=again, file=file)
        with engine.connect() as connection:
            invoices = waiting.unresolved(connection)
            records = Records.of(connection, {row["provider"] for row in invoices})
            found = _stands(connection, landing, records, invoices, fixes)
    touched = [one.invoice_id for one in found if one.touched and not one.unknown]
    job_id = queue.ask_validation(engine, touched, actor=actor, reason=reason) if validate and touched else None
    return Done(tuple(said), tuple(found), job_id)


def read(name: str, content: bytes) -> ReadFixes:
    """The fixes of a CSV; InputRefused with every bad cell."""
    found = fix_files.read(name, content)
    if found.problems:
        raise InputRefused(
            f"Nothing was changed: {name} has {wording.counted(len(found.problems), 'bad cell')}; each is named. Correct what is wrong and hand it in again.",
            found.problems,
        )
    if not found.fixes:
        raise CallRefused(f"{name} holds no fix; the Missing references page and `missing-references --fixes FILE` write such a file.")
    return found


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _carry_out(
    connection: Connection, fixes: Sequence[Fix], who: Who, reason: str | None, *, again: bool, file: ReadFixes | None
) -> list[str]:
    """All of them, what others may refer to first. Every one that is refused is named, and then none is done."""
    if not fixes:
        raise CallRefused("There is no fix to carry out.")
    store.one_by_one(connection)
    said: dict[int, str] = {}
    problems: dict[int, list[Problem]] = {}
    for place, fix in sorted(enumerate(fixes), key=lambda numbered: store.in_order(numbered[1])):
        try:
            with connection.begin_nested():
                said[place] = store.carry_out(connection, fix, who=who, reason=reason, again=again)
        except InputRefused as refusal:
            if len(fixes) == 1 and file is None:
                raise
            where = {"file": file.name, "row": file.lines[place]} if file else {"file": f"fix of {fix.key}"}
            problems[place] = [replace(one, **where) for one in refusal.problems]
    if problems:
        named = [one for place in sorted(problems) for one in problems[place]]
        raise InputRefused(f"Nothing was changed: {len(problems)} of {len(fixes)} fixes make no sense; each is named.", named)
    return [said[place] for place in sorted(said)]


def _stands(
    connection: Connection, landing: Landing | None, records: Records, invoices: Sequence[Mapping[str, Any]], fixes: Collection[Fix]
) -> list[Standing]:
    where = landing or Landing(w365settings.read().landing)
    found = releasing.stands(connection, where, records, invoices=invoices, supplied={_supplied(fix) for fix in fixes})
    return sorted(found, key=lambda one: (-one.amount.copy_abs(), one.provider, one.invoice))


def _supplied(fix: Fix) -> Supplied:
    """What is no longer missing, and for whose lines: a subscription under a manual provider answers for every provider's."""
    for_all = fix.action in (FixAction.ADD_SUBSCRIPTION, FixAction.ADD_CURRENCY)
    return None if for_all else fix.provider, _KIND[fix.action], fix.key.strip().lower()


def _labelled(name: str | None, identifier: str) -> str:
    return f"{name} ({identifier})" if name else identifier


def _subscription(row: Mapping[str, Any]) -> str:
    whose = f"{row['account_name']} · " if row["account_name"] else ""
    return f"{whose}{_labelled(row['name'], row['subscription_id'])}"


def _by_label(choice: tuple[str, str]) -> str:
    return choice[1].casefold()
