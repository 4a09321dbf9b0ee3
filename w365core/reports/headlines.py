"""Which few figures stand at the top, and which invoices is each of them made of? Per currency; nothing is added up across currencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from w365core import money
from w365core.model import StatusReason
from w365core.reports import countdown, wording
from w365core.reports.provider_invoice import BILLED, Invoice

_IN_ERROR = (StatusReason.ERROR.value,)  # the plain word: a filter's choices are words of the store


@dataclass(frozen=True)
class Note:
    """A line under a headline figure; `statuses` and `month` are the filter that shows the invoices it speaks of, where there are any."""

    text: str
    statuses: tuple[str, ...] = ()
    month: str | None = None
    is_alarming: bool = False


@dataclass(frozen=True)
class Tile:
    """A headline figure and what it is made of."""

    label: str
    value: str
    notes: tuple[Note, ...]
    currency: str = ""


def tiles(invoices: Sequence[Invoice], rates: Mapping[str, Decimal], now: datetime) -> tuple[Tile, ...]:
    """Billed and held up in every currency, and when the newest import ended; nothing where there is no invoice."""
    headlines = [
        tile
        for currency in _currencies(invoices, rates)
        for tile in _tiles_of(currency, [i for i in invoices if i.currency == currency], now)
    ]
    newest = max((i.imported_at for i in invoices if i.imported_at), default=None)
    when = wording.age(newest, now=now)
    value = when if newest is None or when == "just now" else f"{when} ago"
    note = Note(f"{wording.zoned(newest)}" if newest else "none of these invoices is imported")
    return (*headlines, Tile("Newest import", value, (note,))) if invoices else ()


def in_base(subject: Invoice, rates: Mapping[str, Decimal]) -> Decimal:
    """The size of its money at today's rate to base, for an order; a currency without a rate is measured as if it were base."""
    return money.EXACT.multiply(abs(subject.money or money.ZERO), rates.get(subject.currency.upper(), Decimal(1)))


def _currencies(invoices: Sequence[Invoice], rates: Mapping[str, Decimal]) -> list[str]:
    """The currency with the most money first."""
    weight = {c: money.total(in_base(i, rates) for i in invoices if i.currency == c) for c in {i.currency for i in invoices}}
    return sorted(weight, key=lambda c: (-weight[c], c))


def _tiles_of(currency: str, invoices: Sequence[Invoice], now: datetime) -> tuple[Tile, Tile]:
    billed = [i for i in invoices if i.status in BILLED and i.date is not None]
    month = max((f"{i.date:%Y-%m}" for i in billed), default=None)
    latest = [i for i in billed if f"{i.date:%Y-%m}" == month]
    held = [i for i in invoices if i.is_held_up]
    counted = Note(wording.counted(len(latest), "Active invoice"), _statuses(latest), month) if latest else Note("no Active invoice")
    return (
        Tile(
            f"Billed in {wording.month(month)}" if month else "Billed",
            wording.rounded(_sum(latest) if latest else None, currency),
            (counted,),
            currency,
        ),
        Tile("Held up", wording.rounded(_sum(held), currency), _held_notes(held, len(invoices), currency) + _lapsing(held, now), currency),
    )


def _statuses(invoices: Sequence[Invoice]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(i.status for i in invoices))


def _sum(invoices: Sequence[Invoice]) -> Decimal | None:
    """Nothing to add is 0; invoices of which none says its total are not 0 but unknown."""
    known = [i.money for i in invoices if i.money is not None]
    return money.total(known) if known or not invoices else None


def _held_notes(held: Sequence[Invoice], all_of_them: int, currency: str) -> tuple[Note, ...]:
    """How many are held up, and how many and how much of that is in Error, where that is not the same."""
    if not held:
        return (Note(f"all {wording.counted(all_of_them, 'invoice')} through"),)
    failed = [i for i in held if i.status == StatusReason.ERROR]
    if len(failed) == len(held):
        said = "1 invoice, in Error" if len(held) == 1 else f"{len(held):,} invoices, all in Error"
        return (Note(f"{said}{_unknown(held)}", _IN_ERROR, is_alarming=True),)
    everything = Note(f"{wording.counted(len(held), 'invoice')}{'' if failed else ', none in Error'}{_unknown(held)}", _statuses(held))
    if not failed:
        return (everything,)
    return everything, Note(f"{len(failed):,} in Error, {wording.rounded(_sum(failed), currency)}", _IN_ERROR, is_alarming=True)


def _lapsing(held: Sequence[Invoice], now: datetime) -> tuple[Note, ...]:
    """How many the daily job will soon try no more: 1 invoice lapses tomorrow, 3 invoices lapse within 2 days."""
    days = sorted(left.days_left for i in held if (left := countdown.of(i, now=now)) is not None and left.is_late)
    if not days:
        return ()
    when = countdown.soon(days[0]) if days[0] == days[-1] else f"within {wording.counted(days[-1], 'day')}"
    return (Note(f"{wording.counted(len(days), 'invoice')} {'lapses' if len(days) == 1 else 'lapse'} {when}", is_alarming=True),)


def _unknown(invoices: Sequence[Invoice]) -> str:
    """What to add where the provider gave no total."""
    unknown = sum(i.money is None for i in invoices)
    if not unknown:
        return ""
    return ", total unknown" if unknown == len(invoices) else f", {unknown} without a total"
