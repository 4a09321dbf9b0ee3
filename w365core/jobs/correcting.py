"""How are markups, quantities and costs of usage corrected? A door for pages, for the command line and for billing; no connector stands behind it.

export                          a file to edit: CSV or Excel
preview_file, apply_file        a file that came back, read in this process; pages ask `big_files`
rows, preview_edits, apply_edits    a few rows edited in the page
preview_rule, apply_rule        one markup for many rows, or what their subscriptions say now; `correct_within` a larger change
undo, receipts                  taking back, and what was done

Preview and apply judge by the same code; apply locks the rows first and judges them again. One refused row, and nothing is changed. `landing` is
where the files and documents are kept; without it, that of this installation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from w365core import money, settings as w365settings
from w365core.correction import COLUMNS, MOST_MARKUP, Applied, Edit, Preview, Rule, Undone
from w365core.errors import CallRefused
from w365core.intake.markup_files import MarkupFile
from w365core.jobs import usage_files
from w365core.jobs.permitting import acts
from w365core.rating import cells, corrections, judged as rating_judged
from w365core.rating.cells import Reading, Stored
from w365core.rating.judged import Came, Change, Judged, Past
from w365core.store import corrections as store, orders, usage_rows
from w365core.store.corrections import Values
from w365core.store.engine import guarded
from w365core.store.landing import Landing, record_file, writing_to
from w365core.store.ledger import Who
from w365core.store.usage_rows import Chosen

__all__ = [
    "Applied", "Chosen", "Edit", "Preview", "Rule", "Undone", "apply_edits", "apply_file", "apply_rule", "correct_within", "export", "preview_edits", "preview_file",
    "preview_rule", "receipts", "rows", "undo",
]  # fmt: skip

_LONGEST_REASON = 500


# --- a file --------------------------------------------------------------------------------------------------------------------------------


def export(engine: Engine, which: Chosen, *, excel: bool, for_people: bool = False) -> tuple[bytes, int]:
    """The chosen rows as a file to edit, and how many there are. `for_people` adds the customer's name. CallRefused above Excel's limit."""
    with guarded(), engine.connect() as connection:
        rows = [Stored._make(row) for row in usage_rows.chosen(connection, which)]
    return usage_files.content_of(rows, excel=excel, for_people=for_people), len(rows)


@acts("correct usage", changes=False)
def preview_file(engine: Engine, *, name: str, content: bytes, actor: str | None = None) -> Preview:
    """What the file would change. CallRefused or InputRefused where it is no such file at all. For who may apply it: reading it is much work."""
    with usage_files.alone(name, content), usage_files.many_rows():
        file = usage_files.read(name, content)
        with guarded(), engine.connect() as connection:
            return _preview_of(_judged_file(connection, file, lock=False), len(file.rows))


@acts("correct usage")
def apply_file(
    engine: Engine, *, name: str, content: bytes, actor: str, now: datetime, landing: Landing | None = None, reason: str | None = None
) -> Applied:
    """Changes what the file says, all of it in one transaction, or nothing. It is what a preview said, or it is refused: each row says what it was."""
    reason = _reason(reason)
    with usage_files.alone(name, content), usage_files.many_rows():
        file = usage_files.read(name, content)
        rows = len(file.rows)
        with _changing(engine) as connection:
            judged = _judged_file(connection, file, lock=True)
            del file  # its cells take as much memory as all that is still to come
            told = {"source": "file", "name": name, "reason": reason, "who": Who(actor, now), "landing": landing}
            return _apply(connection, engine, judged, partial(_preview_of, judged, rows), content=content, **told)


def _judged_file(connection: Connection, file: MarkupFile, *, lock: bool) -> Judged:
    """Most rows quickly, the others thoroughly."""
    rows = corrections.not_as_exported(file.rows)
    reading = corrections.reading_of(rows, decimal_comma=file.decimal_comma)
    lines = usage_rows.lines(connection, {came.cells[0] for came in rows}, lock=lock) if rows else ()
    changes, others = corrections.only_markups(rows, lines, reading)
    judged = _judged(connection, others, reading, lock=lock)
    return replace(judged, changes=changes + judged.changes)


def _judged(
    connection: Connection, rows: Sequence[Came], reading: Reading, *, lock: bool, stored: Mapping[str, Stored] | None = None
) -> Judged:
    """Rows against what is stored now, and what has changed meanwhile against its past."""
    if stored is None:
        stored = _stored(connection, {cells.text(came.cells[0]) for came in rows}, lock=lock)
    judged = corrections.judge(rows, stored, reading)
    if not judged.suspects:
        return judged
    past: dict[str, list[Past]] = {}
    for row in usage_rows.past(connection, [cells.text(came.cells[0]) for came in judged.suspects]):
        past.setdefault(row[0], []).append(Past(*row[:6], tuple(row[6:10]), tuple(row[10:])))
    return corrections.settled(judged, stored, past)


def _stored(connection: Connection, usage_ids: set[str], *, lock: bool) -> dict[str, Stored]:
    if not usage_ids:
        return {}
    return {row[0]: Stored(*row) for row in usage_rows.by_ids(connection, sorted(usage_ids), lock=lock)}


def _preview_of(judged: Judged, rows: int, notes: Sequence[str] = (), *, sealed: bool = False) -> Preview:
    said = () if judged.changes or judged.refused else ("Nothing is edited, so nothing changes.",)
    return rating_judged.preview(judged, rows=rows, notes=(*notes, *said), sealed=sealed)


# --- edits in the page ---------------------------------------------------------------------------------------------------------------------


def rows(engine: Engine, which: Chosen, *, most: int) -> list[dict[str, str]]:
    """The dearest of the chosen rows as the file has them, with the customer's name: to be edited in a page."""
    with guarded(), engine.connect() as connection:
        found = [Stored._make(row) for row in usage_rows.chosen(connection, which, most=most)]
    return [dict(zip(COLUMNS, cells.cells(row), strict=True)) | {"account_name": row.account_name or ""} for row in found]


def preview_edits(engine: Engine, edits: Sequence[Edit]) -> Preview:
    """What these edits would change. Rows are counted from 1 in the order given."""
    with guarded(), engine.connect() as connection:
        return _preview_of(_judged_edits(connection, edits, lock=False), len(edits))


@acts("correct usage")
def apply_edits(
    engine: Engine,
    edits: Sequence[Edit],
    *,
    actor: str,
    now: datetime,
    landing: Landing | None = None,
    reason: str | None = None,
) -> Applied:
    """Makes them, all or nothing."""
    reason = _reason(reason)
    with _changing(engine) as connection:
        judged = _judged_edits(connection, edits, lock=True)
        told = {"source": "page", "name": None, "reason": reason, "who": Who(actor, now), "landing": landing}
        return _apply(connection, engine, judged, partial(_preview_of, judged, len(edits)), **told)


def _judged_edits(connection: Connection, edits: Sequence[Edit], *, lock: bool) -> Judged:
    stored = _stored(connection, {edit.usage_id for edit in edits}, lock=lock)
    rows = corrections.rows_of(edits, stored)
    return _judged(connection, rows, corrections.reading_of(rows, decimal_comma=False), lock=lock, stored=stored)


# --- a rule --------------------------------------------------------------------------------------------------------------------------------


def preview_rule(engine: Engine, rule: Rule) -> Preview:
    """What the rule would change, of usage that is not invoiced and not archived, of Active provider invoices. CallRefused where it makes no sense."""
    _check(rule)
    with guarded(), engine.connect() as connection:
        judged, rows, notes = _judged_rule(connection, rule, lock=False)
        return _preview_of(judged, rows, notes, sealed=True)


@acts("correct usage")
def apply_rule(
    engine: Engine,
    rule: Rule,
    *,
    actor: str,
    now: datetime,
    landing: Landing | None = None,
    reason: str | None = None,
    seen: str | None = None,
) -> Applied:
    """Changes what the rule says, in one transaction. Where every row is so already nothing is done, and there is no correction. `seen` is the seal of the
    preview that a person saw: CallRefused where it would be another one by now."""
    _check(rule)
    reason = _reason(reason)
    with _changing(engine) as connection:
        judged, rows, notes = _judged_rule(connection, rule, lock=True)
        told = {"source": "rule", "name": rule.in_words, "reason": reason, "who": Who(actor, now), "landing": landing}
        return _apply(connection, engine, judged, partial(_preview_of, judged, rows, notes, sealed=True), seen=seen, **told)


def correct_within(
    connection: Connection, engine: Engine, rule: Rule, *, who: Who, landing: Landing | None = None, reason: str | None = None
) -> Applied:
    """The same in the caller's transaction, for a change that a correction is only a part of: it is committed with that, or not at all."""
    _check(rule)
    store.hold(connection)
    judged, rows, notes = _judged_rule(connection, rule, lock=True)
    told = {"source": "rule", "name": rule.in_words, "reason": _reason(reason), "who": who, "landing": landing}
    return _apply(connection, engine, judged, partial(_preview_of, judged, rows, notes, sealed=True), **told)


def _check(rule: Rule) -> None:
    if rule.to_subscription == (rule.markup_pct is not None):
        raise CallRefused("Say one markup for all of them, or that each takes what its subscription says now.")
    if rule.markup_pct is not None and not (money.is_plausible(rule.markup_pct) and 0 <= rule.markup_pct <= MOST_MARKUP):
        raise CallRefused(f"The markup is {rule.markup_pct}; write per cent from 0 to {MOST_MARKUP}.")
    if not rule.to_subscription and not (rule.invoices or rule.accounts or rule.subscriptions or rule.products or rule.usage_ids):
        raise CallRefused("Choose what the markup is for: an invoice, customers, subscriptions or products.")


def _judged_rule(connection: Connection, rule: Rule, *, lock: bool) -> tuple[Judged, int, tuple[str, ...]]:
    which = Chosen(rule.invoices, rule.accounts, rule.subscriptions, rule.products, rule.usage_ids, open_only=True)
    rows = [Stored._make(row) for row in usage_rows.chosen(connection, which, lock=lock)]
    now = usage_rows.markups_now(connection, {row.subscription for row in rows if row.subscription}) if rule.to_subscription else {}
    markup_of: Callable[[Stored], Decimal | None] = (
        (lambda row: now.get(row.subscription)) if rule.to_subscription else (lambda _row: rule.markup_pct)
    )
    _, invoiced = usage_rows.how_many(connection, replace(which, open_only=False))
    notes = (
        f"{invoiced:,} more {'is' if invoiced == 1 else 'are'} invoiced, and stay as they are; delete their customer invoices to change them.",
    )
    return Judged(changes=corrections.by_rule(rows, markup_of)), len(rows), notes if invoiced else ()


# --- applying ------------------------------------------------------------------------------------------------------------------------------


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    """One transaction that is to hold rows and change them."""
    with guarded(), engine.begin() as connection:
        store.hold(connection)
        yield connection


def _apply(
    connection: Connection, engine: Engine, judged: Judged, preview: Callable[[], Preview], *, source: str, name: str | None, reason: str | None, who: Who,
    landing: Landing | None, seen: str | None = None, content: bytes | None = None,
) -> Applied:  # fmt: skip
    if judged.refused or not judged.changes:
        return Applied(preview(), None)
    if seen is not None and seen != preview().seal:
        raise CallRefused("The usage has changed since it was previewed, and nothing was changed; look at the preview again.")
    fingerprint = None if content is None else _keep_file(engine, landing, content, f"usage file {name}", who.now)
    told = {"source": source, "name": name, "fingerprint": fingerprint, "reason": reason, "who": who}
    values = [_values(change) for change in judged.changes]
    keep = partial(_keep, engine, landing, name="correction of usage", at=who.now)
    correction_id, seen_now = store.correct(connection, values, **told, keep=keep, meanwhile=preview)
    return Applied(seen_now, correction_id)


def _values(change: Change) -> Values:
    selling = format(change.selling_amount, "f")
    return Values(change.usage_id, change.provider_invoice_id, change.quantity, change.cost, change.markup_pct, selling)


def _keep_file(engine: Engine, landing: Landing | None, content: bytes, name: str, at: datetime) -> str:
    """The file as it came, byte for byte."""
    landing = landing or Landing(w365settings.read().landing)
    with landing.aside() as written:
        with writing_to(landing.folder):
            written.write_bytes(content)
        fingerprint, size = landing.adopt(written)
    told = {
        "name": name,
        "provider": "all providers",
        "sync_run_id": None,
        "invoice_number": None,
        "purpose": store.PURPOSE,
        "method": "PUT",
    }
    record_file(engine, fingerprint=fingerprint, size=size, at=at, **told)
    return fingerprint


def _keep(engine: Engine, landing: Landing | None, content: bytes, *, name: str, at: datetime) -> str:
    told = {"purpose": store.PURPOSE, "name": name, "provider": "all providers", "invoice_number": None, "sync_run_id": None}
    return orders.keep(engine, landing or Landing(w365settings.read().landing), content, **told, at=at, quickly=True)


@acts("undo correction")
def undo(engine: Engine, correction_id: int, *, actor: str, now: datetime, landing: Landing | None = None) -> Undone:
    """Gives every row the values it had before. CallRefused where that would undo what came after, or bill what was billed otherwise."""
    with _changing(engine) as connection:
        rows = store.undo(
            connection,
            correction_id,
            who=Who(actor, now),
            keep=partial(_keep, engine, landing, name="undo of a correction", at=now),
        )
        return Undone(correction_id, rows)


def receipts(connection: Connection, *, most: int = 50) -> list[Mapping[str, Any]]:
    """The latest corrections, one row per currency, with what of each can still be taken back."""
    return store.receipts(connection, most=most)


def _reason(reason: str | None) -> str | None:
    said = " ".join((reason or "").split())
    if len(said) > _LONGEST_REASON or not said.isprintable():
        raise CallRefused(f"The reason is plain text of at most {_LONGEST_REASON} characters.")
    return said or None
