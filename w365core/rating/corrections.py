"""What do edited rows of usage change, and which of them cannot be taken? Rows of a file, of a page or of a rule against the rows as stored.

not_as_exported    the rows of a file that are not byte for byte as they were exported: all others are unedited, whatever is stored
only_markups       those whose markup alone is another: quick, because most are
judge              each of the others against its stored row: unedited after all, a change, refused, or changed by somebody else since
settled            what has changed since, told from its past: unedited then as well, or a conflict
by_rule            one markup for many rows
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import compress
from operator import ne

from w365core import money
from w365core.correction import COLUMNS, EDITABLE, MOST_MARKUP, Conflict, Edit, Refused
from w365core.dates import DateOrder
from w365core.model import UsageStatus
from w365core.rating import cells
from w365core.rating.cells import Reading, Stored
from w365core.rating.judged import Came, Change, Judged, Past

_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_PLACES = tuple(_PLACE.values())
_HASH = _PLACE["row_hash"]
_SAME = [cells.same_number if name in cells.NUMBERS else cells.same_day if name in cells.DAYS else cells.same_text for name in COLUMNS]
_LOOKED_AT_FOR_MARKS = 500  # rows
_EXPORT_AGAIN = "export it again and repeat the edit there"


def not_as_exported(rows: Iterable[tuple[int, Sequence[str]]]) -> list[Came]:
    """Without the database: the rows whose cells do not hash to their row_hash as they stand."""
    row_hash = cells.row_hash
    return [Came(row, came) for row, came in rows if row_hash(came, came[_HASH].partition("-")[0]) != came[_HASH]]


def reading_of(rows: Sequence[Came], *, decimal_comma: bool) -> Reading:
    """How the file prints its numbers; `decimal_comma` is what its separator suggests where the numbers say nothing."""
    said = [
        mark
        for came in rows[:_LOOKED_AT_FOR_MARKS]
        for name in cells.NUMBERS
        if (mark := cells.says_mark(came.cells[_PLACE[name]].strip())) is not None
    ]
    commas = sum(said)
    return Reading(decimal_comma if 2 * commas == len(said) else 2 * commas > len(said), DateOrder.MONTH_FIRST)


def only_markups(rows: Sequence[Came], lines: Iterable[tuple], reading: Reading) -> tuple[list[Change], list[Came]]:
    """The rows that differ from their stored row in a good markup of another value and in nothing else, not even in print, and all other rows for `judge`.

    Most rows of most files are such; `judge` would say the same of them, four times as slowly. `lines` are tuples in the order of Line, in any order,
    and may still be under way: each is looked at when it comes.
    """
    left = _without_repeats(rows)
    changes = []
    place, quantity_place, cost_place, end = _PLACE["markup_pct"], _PLACE["quantity"], _PLACE["cost"], len(COLUMNS)
    glue, row_hash = cells.SEPARATOR.join, cells.hash_of
    for usage_id, version, before, was, after, invoice_id, account, name, currency, status, confirmed, sold in lines:
        came = left.get(usage_id)
        if came is None:
            continue
        printed = came.cells
        if (
            glue(printed[2:place]) != before
            or glue(printed[place + 1 : end]) != after
            or row_hash(f"{usage_id}\x1f{version}\x1f{before}\x1f{was}\x1f{after}", version) != printed[_HASH]
            or (good := _good_markup(printed[place], reading.decimal_comma)) is None
            or good[1] == was
            or status == UsageStatus.INVOICED
        ):
            continue
        markup, text = good
        selling = money.selling_amount(Decimal(printed[cost_place]), markup, currency)
        told = (usage_id, invoice_id, version, account, name, currency, status, confirmed, sold)
        changes.append(Change(came.row, *told, printed[quantity_place], printed[cost_place], text, selling))
        del left[usage_id]
    taken = {change.row for change in changes}
    return changes, [came for came in rows if came.row not in taken] if len(taken) < len(rows) else []


def _without_repeats(rows: Sequence[Came]) -> dict[str, Came]:
    """The rows by usage; one that comes twice is left out."""
    first = {came.cells[0]: came for came in rows}
    if len(first) == len(rows):
        return first
    counted = Counter(came.cells[0] for came in rows)
    return {usage_id: came for usage_id, came in first.items() if counted[usage_id] == 1}


@lru_cache(1 << 16)
def _good_markup(cell: str, decimal_comma: bool) -> tuple[Decimal, str] | None:
    """The markup and its canonical text, or None where the cell is none."""
    value = cells.number_of(cell, decimal_comma=decimal_comma)
    return (value, cells.number(value)) if value is not None and 0 <= value <= MOST_MARKUP else None


def judge(rows: Sequence[Came], stored: Mapping[str, Stored], reading: Reading) -> Judged:
    """Every row that is not as it was exported. The second edited row of one usage is refused, an unedited one is ignored."""
    judged, readings = Judged(), cells.every_reading(reading)
    seen: dict[str, int] = {}
    for came in rows:
        found = stored.get(came.cells[0]) or stored.get(cells.text(came.cells[0]))
        as_exported = None if found is None else _as_exported(found, came.cells[_HASH].strip())
        if as_exported is None:
            _apart(judged, came, found, readings)
            continue
        edited = _edited(as_exported, came.cells)
        if not edited:
            continue
        refusal = _duplicate(came, found.usage_id, seen) or _invoiced(came, found)
        if refusal is not None:
            judged.refused.append(refusal)
            continue
        _take(judged, came, found, edited, reading)
    return judged


def settled(judged: Judged, stored: Mapping[str, Stored], past: Mapping[str, Sequence[Past]]) -> Judged:
    """The suspects against the row as it was when they were exported, as far as its past tells that: unedited after all, or refused."""
    seen: dict[str, int] = {}
    for came in judged.suspects:
        usage_id = cells.text(came.cells[0])
        found, history = stored[usage_id], past.get(usage_id, ())
        then = _exported(came, found, history)
        edited = None if then is None else _edited(then, came.cells)
        if edited == []:
            continue
        refusal = _duplicate(came, usage_id, seen) or _invoiced(came, found)
        if refusal is None:
            conflicts = _conflicts(came, found, then, history)
            judged.conflicts.extend(conflicts)
            refusal = Refused(came.row, "row_hash", came.cells[_HASH], _changed_since(conflicts, history))
        judged.refused.append(refusal)
    return replace(judged, suspects=[])


def rows_of(edits: Sequence[Edit], stored: Mapping[str, Stored]) -> list[Came]:
    """Edits of a page as rows of a file: the row as it is stored, with the cells as they were typed."""
    rows = []
    for row, edit in enumerate(edits, 1):
        found = stored.get(edit.usage_id)
        printed = list(cells.cells(found)) if found is not None else [edit.usage_id, *[""] * (len(COLUMNS) - 1)]
        printed[_HASH] = edit.row_hash
        for name in EDITABLE:
            typed = getattr(edit, name)
            if typed is not None:
                printed[_PLACE[name]] = typed
        rows.append(Came(row, printed))
    return rows


def by_rule(stored: Iterable[Stored], markup_of: Callable[[Stored], Decimal | None]) -> list[Change]:
    """The rows that another markup is put on; `markup_of` gives None where a row stays as it is."""
    changes = []
    for row in stored:
        markup = markup_of(row)
        if markup is not None and markup != row.markup_pct:
            changes.append(_change(0, row, row.quantity, row.cost, markup))
    return changes


# --- one row ---------------------------------------------------------------------------------------------------------------------------------


def _apart(judged: Judged, came: Came, found: Stored | None, readings: Sequence[Reading]) -> None:
    """A row whose stored row is not the exported one, or is not there."""
    cell = came.cells[_HASH].strip()
    if cells.is_unedited([*came.cells[:_HASH], cell, *came.cells[_HASH + 1 :]], readings):
        return
    if found is None:
        reason = "there is no such usage; it was deleted, or the cell was edited"
        judged.refused.append(Refused(came.row, "usage_id", came.cells[0], reason))
    elif cells.version_of(cell) is None:
        reason = (
            f"is blank, so the row cannot be compared with its export; {_EXPORT_AGAIN}"
            if not cell
            else f"is no hash of an export; {_EXPORT_AGAIN}"
        )
        judged.refused.append(Refused(came.row, "row_hash", came.cells[_HASH], reason))
    else:
        judged.suspects.append(came)


def _as_exported(found: Stored, wanted: str) -> Sequence[str] | None:
    """The stored row as the file has it, where that is what was exported. That it was billed since, or taken off its invoice, is no change of it."""
    for status in (found.status, *UsageStatus):
        printed = cells.cells(found if status == found.status else found._replace(status=str(status)))
        if printed[_HASH] == wanted:
            return printed
    return None


def _edited(as_exported: Sequence[str], came: Sequence[str]) -> list[str]:
    """The columns whose cells say another value than was exported."""
    places = [place for place in compress(_PLACES, map(ne, as_exported, came)) if place != _HASH]
    return [COLUMNS[place] for place in places if not _SAME[place](as_exported[place], came[place])]


def _take(judged: Judged, came: Came, found: Stored, edited: Sequence[str], reading: Reading) -> None:
    """An edited row whose stored row is the exported one."""
    values, refused = [found.quantity, found.cost, found.markup_pct], []
    for name in edited:
        cell = came.cells[_PLACE[name]]
        if name not in EDITABLE:
            refused.append(_not_editable(came, name))
            continue
        value = cells.number_of(cell, decimal_comma=reading.decimal_comma) if cell.strip() else None
        values[EDITABLE.index(name)] = value
        if value is None or name == "markup_pct":
            refused += _unusable(came, name, cell, value, reading)
    quantity, cost, markup = values
    if markup is None and "markup_pct" not in edited:
        refused += _unusable(came, "markup_pct", "", None, reading)
    if refused:
        judged.refused.extend(refused)
    else:
        judged.changes.append(_change(came.row, found, quantity, cost, markup))


def _change(row: int, of: Stored, quantity: Decimal, cost: Decimal, markup: Decimal) -> Change:
    told = (
        of.usage_id,
        of.provider_invoice_id,
        of.version,
        of.account,
        of.account_name,
        of.currency,
        of.status,
        of.confirmed,
        of.selling_amount,
    )
    selling = money.selling_amount(cost, markup, of.currency)
    return Change(row, *told, cells.number(quantity), cells.number(cost, 2), cells.number(markup), selling)


def _not_editable(came: Came, name: str) -> Refused:
    reason = "is computed: edit the markup" if name == "selling_amount" else "cannot be edited; only markup_pct, quantity and cost can"
    return Refused(came.row, name, came.cells[_PLACE[name]], reason)


def _unusable(came: Came, name: str, cell: str, value: Decimal | None, reading: Reading) -> list[Refused]:
    """Why the edited cell cannot be taken, where it cannot."""
    is_markup = name == "markup_pct"
    if not cell.strip():
        reason = "is blank; usage without a markup cannot be billed, and 0 is a markup" if is_markup else "is blank; write a number"
    elif value is None:
        reason = f"is not a number; write per cent from 0 to {MOST_MARKUP}, such as 12.5" if is_markup else "is not a number"
    elif is_markup and value < 0:
        reason = "is negative; a markup is at least 0"
    elif is_markup and value > MOST_MARKUP:
        reason = _two_ways(cell, value, reading) or f"is over {MOST_MARKUP} per cent"
    else:
        return []
    return [Refused(came.row, name, cell, reason)]


def _two_ways(cell: str, value: Decimal, reading: Reading) -> str | None:
    """That a markup which is too large may be meant otherwise: its mark groups thousands here, and elsewhere begins the decimals."""
    other = cells.number_of(cell, decimal_comma=not reading.decimal_comma)
    if other is None or not 0 <= other <= MOST_MARKUP:
        return None
    one, many = (cells.number(said).replace(".", "," if reading.decimal_comma else ".") for said in (other, value))
    mark = "comma, as the file does" if reading.decimal_comma else "point"
    return f"may be read two ways, {one} or {many}, and {many} is over {MOST_MARKUP} per cent; write it with a {mark}, as {one}, if that is meant"


def _duplicate(came: Came, usage_id: str, seen: dict[str, int]) -> Refused | None:
    first = seen.setdefault(usage_id, came.row)
    return None if first == came.row else Refused(came.row, "usage_id", came.cells[0], f"is a duplicate: row {first} edits the same usage")


def _invoiced(came: Came, found: Stored) -> Refused | None:
    if found.status != UsageStatus.INVOICED:
        return None
    reason = f"is on customer invoice {found.customer_invoice}: delete that invoice first (`unbill`), then hand in this file again"
    return Refused(came.row, "status", str(found.status), reason)


# --- a row that has changed since ------------------------------------------------------------------------------------------------------------


def _exported(came: Came, found: Stored, history: Sequence[Past]) -> Sequence[str] | None:
    """The row as it was exported, found again by its hash among what it has been; None where it has been something else."""
    version, wanted = cells.version_of(came.cells[_HASH].strip()), came.cells[_HASH].strip()
    was = {(found.quantity, found.cost, found.markup_pct, found.selling_amount)} | {
        one for past in history for one in (past.before, past.after)
    }
    for quantity, cost, markup, selling in was:
        for status in UsageStatus:
            then = found._replace(quantity=quantity, cost=cost, markup_pct=markup, selling_amount=selling, status=str(status))
            printed = cells.cells(then, version=version)
            if printed[_HASH] == wanted:
                return printed
    return None


def _conflicts(came: Came, found: Stored, then: Sequence[str] | None, history: Sequence[Past]) -> list[Conflict]:
    """Each editable cell that both have changed, or where it is not known what was exported, each that differs from what is in force."""
    now = cells.cells(found)
    who, when = _last(history)
    conflicts = []
    for name in EDITABLE:
        place = _PLACE[name]
        was, cell = None if then is None else then[place], came.cells[place]
        if not cells.same_number(now[place] if was is None else was, cell):
            conflicts.append(Conflict(came.row, found.usage_id, name, was, cell, now[place] or None, who, when))
    return conflicts


def _last(history: Sequence[Past]) -> tuple[str | None, datetime | None]:
    """Who changed the row last, and when."""
    done = [(past.at, past.actor) for past in history] + [(past.undone_at, past.undone_by) for past in history if past.undone_at]
    at, who = max(done, default=(None, None))
    return who, at


def _changed_since(conflicts: Sequence[Conflict], history: Sequence[Past]) -> str:
    who, when = _last(history)
    undone = next((past for past in history if when and past.undone_at == when), None)
    by = f" by {who} on {when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if who and when else ""
    by = f": correction {undone.correction_id} was undone{by}" if undone else f", last{by}" if by else ""
    now = "; ".join(f"{one.column} is {one.in_force or 'blank'} now{_was(one)}" for one in conflicts)
    return f"the stored row has changed since the export{by}{f' ({now})' if now else ''}; {_EXPORT_AGAIN}"


def _was(conflict: Conflict) -> str:
    """What it was when it was exported, as far as that is known."""
    if conflict.exported is None:
        return ""
    return ", as it was" if conflict.exported == (conflict.in_force or "") else f" and was {conflict.exported or 'blank'}"
