"""Our licence change logs: one for each purchase and change of a seat subscription, and the customer invoice that billed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from making import stories, streamone
from making.seats import Change, Seat
from making.world import MONTHS, Customer, next_month, random

_PEOPLE = ("Mara Lindqvist", "Tobias Renner", "Ines Carvalho", "Jonas Veldhuis", "Claire Aubertin", "Dara Keane")
_FIRST_INVOICE = MONTHS[0]
_RUN_DAY = 2  # of the month: what is effective by the day before is billed


@dataclass(frozen=True)
class Log:
    """One change log. `invoice` is the customer invoice that billed it, None where none did."""

    number: str
    seat: Seat
    event: str
    seats: int
    day: date
    provisioning: str
    status: str
    source: str
    initiator: str
    invoice: str | None
    priced: bool = True


def logs() -> list[Log]:
    """All change logs in the order of their days, those of StreamOne's seats after the others."""
    made = [*_made((*stories.seats(), *stories.manual())), *_made(streamone.seats())]
    return [_log(number, *one) for number, one in enumerate(made, start=1)]


def _made(seats: tuple[Seat, ...]) -> list[tuple[Seat, str, Change]]:
    made = []
    for seat in seats:
        made.append((seat, "Create", Change(seat.start, seat.initial)))
        made += [(seat, "Update", change) for change in seat.changes if change.log != "absent"]
        ended = seat.cancelled or seat.suspended
        if ended:
            made.append((seat, "Deactivate", Change(ended, -seat.at_provider(ended))))
    return sorted(made, key=lambda one: (one[2].day, one[0].number))


def licence_invoice(customer: Customer, month: date) -> str:
    return f"L{month:%Y%m}-{customer.number:03}"


def billed_in(day: date) -> date:
    """The month whose licence invoice bills what is effective on the day; what is older came with the first one."""
    month = day.replace(day=1)
    return max(_FIRST_INVOICE, month if day.day < _RUN_DAY else next_month(month))


def _log(number: int, seat: Seat, event: str, change: Change) -> Log:
    draw = random(f"log {seat.number} {change.day} {event}")
    source = "Provider" if change.provisioning == "Not Applicable" else draw.choice(("Portal", "CRM", "CRM"))
    return Log(
        number=f"LCL-{number:05}",
        seat=seat,
        event=event,
        seats=change.seats,
        day=change.day,
        provisioning=change.provisioning,
        status="Active" if change.log in ("open", "unpriced") else "Archived",
        source=source,
        initiator="system" if source == "Provider" else draw.choice(_PEOPLE),
        invoice=licence_invoice(seat.customer, billed_in(change.day)) if change.log == "billed" else None,
        priced=change.log != "unpriced",
    )
