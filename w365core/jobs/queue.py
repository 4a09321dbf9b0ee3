"""How does a page or a command ask for a job, and see how it goes? The queue's door: nothing of what a job does is imported here.

ask       queues a job, or gives the one that waits or runs already; ask_within: the same in the caller's transaction
plan      what it would do, in one sentence, before anybody asks
ask_validation                 what failed for want of references, again
keep, inbox, ask_files        files by hand: where they wait, and the look at them or their import
watch, unfinished, recent     how jobs go, as `JobRun`
cancel    takes back what has not begun
someone_works                 whether a worker is there at all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import Connection, Engine, Row

from w365core import money, schedule, settings as w365settings
from w365core.dates import DateOrder
from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import handed
from w365core.jobs.context import actor as person
from w365core.jobs.handed import HandedFile
from w365core.jobs.permitting import acts
from w365core.model import CAPABILITIES, InvoiceState, Provider, ProviderType, Seen, StatusReason
from w365core.store import billed, job_history, job_runs, ledger, providers as store_providers
from w365core.store.engine import guarded
from w365core.store.job_runs import JobRun

__all__ = [
    "FILES",
    "FilesAsked",
    "HandedFile",
    "JobRun",
    "Plan",
    "ask",
    "ask_files",
    "ask_validation",
    "ask_within",
    "every_provider",
    "inbox",
    "inbox_files",
    "is_look",
    "keep",
    "cancel",
    "person",
    "plan",
    "providers",
    "recent",
    "someone_works",
    "unfinished",
    "watch",
]

DAILY, INVOICE, ACCOUNTS, TEST = "sync", "sync_invoice", "sync_accounts", "test_connection"
TAKE_NEW = "take_new_version"  # of an invoice that was changed at the provider
VALIDATE = "validate"  # what failed for want of references, again from what landed; asked for by `ask_validation`
LIST = "list_invoices"
RECONCILE = "reconcile"
BILL = "bill"  # Drafts of what is due, of every contract
NOTIFY = "notify"  # the summary of the day, and what else is to be said
LOOKS = (LIST, TEST)  # only look, and may be asked for again from one form
KINDS = (DAILY, INVOICE, ACCOUNTS, TEST, LIST, TAKE_NEW, RECONCILE, BILL, NOTIFY)
OF_NO_PROVIDER = (BILL, NOTIFY)
OF_ONE_INVOICE = (INVOICE, TAKE_NEW, RECONCILE)
FILES = "import_files"  # with `look` no more than a look at them
TASK = "w365.job"  # the one task of the queue: what it is to do stands in job_run
AGAIN = 75  # exit code of a job's process: it is to be tried again
SILENCE = 30  # seconds after which a worker counts as gone
CONNECTED = tuple(kind for kind in ProviderType if CAPABILITIES[kind].invoices)
_LONGEST = 200

# Never opened: it writes on the connection that it is handed, inside the caller's transaction.
_queue = App(connector=SyncPsycopgConnector())


ACTIONS = {
    DAILY: "sync",
    INVOICE: "sync",
    ACCOUNTS: "sync",
    LIST: "sync",
    TEST: "test connection",
    TAKE_NEW: "take new version",
    RECONCILE: "reconcile",
    BILL: "bill",
    NOTIFY: "send messages",
}


def _action(_engine: Engine, *, kind: str, override: Decimal | None = None, **_more: Any) -> str:
    """What asking for this job is, to who may ask; letting a difference pass takes more than syncing."""
    return (
        "override tolerance" if override is not None else ACTIONS.get(kind, "set setting")
    )  # one that nobody has thought of is for admins


def _action_on_files(_engine: Engine, asked: FilesAsked, *, look: bool, **_more: Any) -> str:
    if look:
        return "look at files"
    if asked.activate:
        return "activate invoice"
    return "import files" if asked.override is None else "override tolerance"


@dataclass(frozen=True)
class Plan:
    """What a job would do; `refused` where it would do nothing."""

    sentence: str
    refused: bool = False


@acts(_action, changes=lambda _engine, *, kind, **_more: kind not in LOOKS)
def ask(
    engine: Engine,
    *,
    kind: str,
    provider: str | None,
    invoice: str | None = None,
    override: Decimal | None = None,
    actor: str,
    reason: str | None = None,
    seen: Seen | None = None,
) -> int:
    """Queues a job and returns its number; the number of the one that waits or runs already, where it is the same.

    `provider` None is every one that has a connection (daily job only). CallRefused for what no job could do; AlreadyRunning where the same invoice is
    in hand with another tolerance. `seen` is what the person saw of the invoice whose new version is to be taken.
    """
    with guarded(), engine.begin() as connection:
        return ask_within(
            connection, kind=kind, provider=provider, invoice=invoice, override=override, actor=actor, reason=reason, seen=seen
        )


def ask_within(
    connection: Connection,
    *,
    kind: str,
    provider: str | None,
    invoice: str | None = None,
    override: Decimal | None = None,
    actor: str,
    reason: str | None = None,
    seen: Seen | None = None,
) -> int:
    """What `ask` does, in the caller's transaction, which is to be rolled back where this raises."""
    name, number = _checked(connection, kind, provider, invoice, override)
    job_runs.ask_one_by_one(connection)
    known = job_runs.unfinished_like(connection, kind=kind, provider=name, invoice=number)
    if known is not None:
        if known.override_tolerance != override:
            raise AlreadyRunning(
                f"Invoice {number} of {name} is queued already, with another tolerance; wait for that one, then ask again."
            )
        return known.job_id
    lock = "\x1f".join((kind, name or "", number or "")).lower()
    task = _queue.configure_task(TASK, queueing_lock=lock, connection=connection.connection.driver_connection)
    try:
        job_id = task.defer()
    except AlreadyEnqueued:  # it has ended, and the queue does not know yet
        raise AlreadyRunning("The job before this one is about to leave the queue; ask again in a moment.") from None
    job_runs.add(
        connection,
        job_id=job_id,
        kind=kind,
        provider=name,
        invoice=number,
        override=override,
        actor=actor,
        reason=(reason or "").strip() or None,
        asked=asdict(seen) if seen else None,
    )
    return job_id


def plan(engine: Engine, *, kind: str, provider: str | None, invoice: str | None = None) -> Plan:
    """What `ask` with the same arguments would lead to, as far as it is known here."""
    if kind == DAILY:
        return Plan(
            f"Asks {provider} for its invoices. Imports what is new of its latest invoice month, tries again what failed in the last 15 days, and marks "
            "what has changed there since. Active invoices are left as they are."
        )
    if kind == ACCOUNTS:
        return Plan(
            f"Asks {provider} for its customers, their subscriptions and what was changed there. Proposes whose each unmapped customer is; your own records "
            "are left as they are."
        )
    if kind == TEST:
        return Plan(
            f"Asks {provider} one harmless question for each thing that its connection can bring, and says what works and what has to be granted. Nothing is "
            "imported or changed."
        )
    if kind in OF_NO_PROVIDER:
        return Plan(schedule.BY_NAME[kind].does)
    if kind == TAKE_NEW:
        return _plan_to_take(engine, provider or "", invoice or "")
    number = (invoice or "").strip()
    if not number:
        return Plan("Give the number of the invoice.", refused=True)
    with guarded():
        known = ledger.find(engine, provider_name=provider, invoice_number=number)
    if kind == RECONCILE:
        return _plan_to_reconcile(known, number)
    if known is None:
        return Plan(
            f"Asks {provider} for invoice {number} and imports it: its lines are downloaded, checked against its header and stored as a whole."
        )
    number = known.invoice_number
    if (known.state, known.status_reason) == (InvoiceState.ACTIVE, StatusReason.ACTIVE):
        return Plan(f"Invoice {number} is Active and is not downloaded again. Deactivate it first, then sync it.", refused=True)
    if known.source == "file":
        return Plan(
            f"Invoice {number} was imported from files: they are checked again, against our records as they are now. Nothing is downloaded."
        )
    return Plan(
        f"Tries invoice {number} again: its lines are downloaded anew where they have changed, and checked against our records as they are now."
    )


def _plan_to_reconcile(known: Row | None, number: str) -> Plan:
    if known is None:
        return Plan(f"There is no invoice {number}.", refused=True)
    if known.state != InvoiceState.ACTIVE:
        return Plan(
            f"Invoice {known.invoice_number} is {known.state}/{known.status_reason}: only a preview can be had of it.", refused=True
        )
    return Plan(
        f"Holds the {known.license_lines:,} license line{'' if known.license_lines == 1 else 's'} of invoice {known.invoice_number} against our subscriptions and their change logs as they are now. "
        "Decisions stay where their row has not changed; where nothing has changed at all, the last run is found again."
    )


def _plan_to_take(engine: Engine, provider: str, invoice: str) -> Plan:
    with guarded():
        known = ledger.named(engine, provider_name=provider, invoice_number=invoice)
        with engine.connect() as connection:
            held = billed.invoices_of(billed.children(connection, known.provider_invoice_id))
    if held:
        many = f"{len(held):,} customer invoice{'' if len(held) == 1 else 's'}"
        return Plan(f"Its usage is billed on {many}; take it off them first, below.", refused=True)
    replaced = known.license_lines + known.usage_lines
    return Plan(
        "Downloads the new version first. Then deactivates the stored one and imports the new one in its place: "
        f"{replaced:,} {'line is' if replaced == 1 else 'lines are'} replaced. If the new version fails its checks, the invoice is in Error with the reason, "
        "and the old lines are out all the same."
    )


@dataclass(frozen=True)
class FilesAsked:
    """What a person says of files by hand. With `look` they are read and nothing is stored."""

    provider: str
    invoice: str
    files: tuple[HandedFile, ...]
    total: Decimal | None = None
    currency: str | None = None
    invoice_date: date | None = None
    override: Decimal | None = None
    date_order: DateOrder | None = None
    decimal_comma: bool | None = None
    activate: bool = False


@acts(_action_on_files, changes=lambda _engine, _asked, *, look, **_more: not look)
def ask_files(engine: Engine, asked: FilesAsked, *, look: bool, actor: str) -> int:
    """Queues a look or an import and returns its number. CallRefused for what no job could do; AlreadyRunning where other files are being
    imported as the same invoice."""
    said = _said(asked) | {"look": look}
    with guarded(), engine.begin() as connection:
        name, number = _checked_files(connection, asked)
        job_runs.ask_one_by_one(connection)
        waiting = [job for job in job_runs.unfinished(connection) if not look and _is_import_of(job, name, number)]
        if waiting and (waiting[0].asked, waiting[0].override_tolerance) == (said, asked.override):
            return waiting[0].job_id
        if waiting:
            raise AlreadyRunning(f"Other files are being imported as invoice {number} of {name}; wait for that, then import these.")
        job_id = _queue.configure_task(TASK, connection=connection.connection.driver_connection).defer()
        told = {"provider": name, "invoice": number, "override": asked.override, "actor": actor, "reason": None}
        job_runs.add(connection, job_id=job_id, kind=FILES, asked=said, **told)
    return job_id


@acts("validate")
def ask_validation(engine: Engine, invoices: Sequence[int], *, actor: str, reason: str | None = None) -> int:
    """Queues the validation of these invoices (ids of ours) against our records as they are now; the number of the one that waits already, where it
    is the same. CallRefused without any."""
    if not invoices:
        raise CallRefused("No invoice waits on that, so there is nothing to validate.")
    asked = {"invoices": sorted(set(invoices))}
    with guarded(), engine.begin() as connection:
        job_runs.ask_one_by_one(connection)
        same = [job for job in job_runs.unfinished(connection) if (job.kind, job.asked, job.state) == (VALIDATE, asked, "queued")]
        if same:
            return same[0].job_id
        job_id = _queue.configure_task(TASK, connection=connection.connection.driver_connection).defer()
        told = {"provider": None, "invoice": None, "override": None, "actor": actor, "reason": (reason or "").strip() or None}
        job_runs.add(connection, job_id=job_id, kind=VALIDATE, asked=asked, **told)
    return job_id


@acts("import files", changes=False)
def keep(_engine: Engine, name: str, content: BinaryIO, *, actor: str | None = None) -> HandedFile:
    """Puts an upload where the worker finds it; of nobody who may not have it imported. CallRefused where too much waits there already."""
    return handed.keep(w365settings.read().home, name, content)


def inbox(provider: str) -> str:
    """The folder on the server that files of any size are put into."""
    return str(handed.inbox(w365settings.read().home, provider))


def inbox_files(provider: str) -> list[HandedFile]:
    """What lies in it."""
    return handed.waiting(w365settings.read().home, provider)


def every_provider(connection: Connection) -> list[Provider]:
    """All providers; files by hand are imported for any of them."""
    return store_providers.all_of_them(connection)


def is_look(job: JobRun) -> bool:
    """Whether the job only looks, at files or at what a provider lists, which nobody but the one who asked waits for."""
    return job.kind == LIST or job.kind == FILES and bool((job.asked or {}).get("look"))


def _is_import_of(job: JobRun, provider: str, number: str) -> bool:
    same = ((job.provider or "").lower(), (job.invoice or "").lower()) == (provider.lower(), number.lower())
    return job.kind == FILES and same and not is_look(job)


def _said(asked: FilesAsked) -> dict[str, Any]:
    """As JSON can carry it."""
    return {
        "files": [asdict(file) for file in asked.files],
        "total": money.plain(asked.total),
        "currency": asked.currency,
        "invoice_date": asked.invoice_date.isoformat() if asked.invoice_date else None,
        "date_order": str(asked.date_order) if asked.date_order else None,
        "decimal_comma": asked.decimal_comma,
        "activate": asked.activate,
    }


def _checked_files(connection: Connection, asked: FilesAsked) -> tuple[str, str]:
    number = asked.invoice.strip()
    if not number or len(number) > _LONGEST or not number.isprintable():
        raise CallRefused("Say the invoice's number, as the provider's document prints it.")
    if not asked.files:
        raise CallRefused("Choose at least one file.")
    if asked.override is not None and not (money.is_plausible(asked.override) and asked.override >= 0):
        raise CallRefused("A tolerance is an amount of at least 0.")
    return store_providers.named(connection, asked.provider).name, number


def watch(connection: Connection, job_id: int) -> JobRun | None:
    """How that job goes, or ended."""
    return job_runs.find(connection, job_id)


def unfinished(connection: Connection) -> Sequence[JobRun]:
    """What waits or runs, in the order of asking."""
    return job_runs.unfinished(connection)


def recent(connection: Connection, *, most: int = 20) -> Sequence[JobRun]:
    """The last jobs, the newest first."""
    return job_runs.recent(connection, most=most)


@acts("cancel job")
def cancel(engine: Engine, job_id: int, *, actor: str, now: datetime) -> bool:
    """Takes back a job that has not begun, and logs it; False where it has."""
    with guarded(), engine.begin() as connection:
        if not _queue.job_manager.cancel_job_by_id(job_id, connection=connection.connection.driver_connection):
            return False
        job_runs.end(connection, job_id, state="cancelled", message=f"Cancelled by {actor} before it began.")
        job_history.log(connection, job_id, action="cancel job", actor=actor, now=now)
    return True


def someone_works(connection: Connection) -> bool:
    """Whether any worker has given a sign of life lately. Without one, what is queued waits."""
    return job_runs.living_workers(connection, silence=SILENCE) > 0


def providers(connection: Connection) -> list[str]:
    """The names of the providers that can be synced: those with a connection."""
    return [known.name for known in store_providers.all_of_them(connection) if _is_connected(known)]


def _is_connected(known: Provider) -> bool:
    return known.type in CONNECTED


def _checked(
    connection: Connection, kind: str, provider: str | None, invoice: str | None, override: Decimal | None
) -> tuple[str | None, str | None]:
    """The names as they are to be stored. CallRefused where something does not fit."""
    number = (invoice or "").strip() or None
    if kind not in KINDS:
        raise CallRefused(f"There is no job {kind}; there are {' and '.join(KINDS)}.")
    if (kind in OF_ONE_INVOICE) != (number is not None):
        raise CallRefused(
            "Say which invoice: give its number." if kind in OF_ONE_INVOICE else "This job takes no invoice; sync that invoice instead."
        )
    if number is not None and (len(number) > _LONGEST or not number.isprintable()):
        raise CallRefused("That is no invoice number; copy it from the provider's document.")
    if override is not None and (kind != INVOICE or not money.is_plausible(override) or override < 0):
        raise CallRefused("A tolerance is for one invoice, and an amount of at least 0.")
    if kind in OF_NO_PROVIDER and provider is not None:
        raise CallRefused("This job is about every contract and takes no provider.")
    if provider is None and kind in (DAILY, *OF_NO_PROVIDER):
        return None, None
    if provider is None:
        asked = {**dict.fromkeys(OF_ONE_INVOICE, f"whose invoice {number} is"), ACCOUNTS: "whose accounts"}
        raise CallRefused(f"Say {asked.get(kind, 'whose connection')}.")
    known = store_providers.named(connection, provider)
    if kind not in (INVOICE, RECONCILE) and not _is_connected(known):
        raise CallRefused(f"{known.name} has no connection that could be asked; its invoices are imported from files.")
    return known.name, number
