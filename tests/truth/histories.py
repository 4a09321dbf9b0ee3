"""Random estates: license histories as they happened at the provider, our records of them, the invoice that must follow, and what must be said of it.

The history comes first. Lines are printed from the provider's side of it, change logs from ours, and the verdict of each row from the difference of
the two; nothing here looks at how a verdict is computed. The same seed gives the same estate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.truth import invoiced
from tests.truth.estates import Estate, Must, explained, settled
from tests.truth.invoiced import Offer, Row

DAY = timedelta(days=1)


@dataclass
class Happened:
    """One change at the provider, and our log of it."""

    at: datetime
    delta: int
    log: Row


@dataclass
class History:
    """All changes of a subscription, and our logs that the provider never saw."""

    changes: list[Happened]
    unseen: list[Row] = field(default_factory=list)

    def seats(self, day: date) -> int:
        return sum(change.delta for change in self.changes if change.at.date() <= day)

    def ours(self) -> int:
        return self.seats(date.max) + sum(int(log["quantity"]) for log in self.unseen)

    def unknown(self, day: date) -> list[Row]:
        """Our logs that the provider did not know on that day."""
        return [change.log for change in self.changes if change.at.date() > day] + self.unseen


def estate(seed: int) -> Estate:
    """What happened, and the invoice that follows: every row is confirmed, or the history explains it."""
    made = Estate(seed)
    for happens in (lived, lived, lived, lived, *STORIES):
        happens(made)
    return made


def _judged(history: History, day: date, now: int, traps: list[str]) -> Must:
    """Of a row whose provider had its picture taken on that day."""
    if history.seats(day) == now:
        return Must("confirmed", traps=tuple(traps))
    unknown = history.unknown(day)
    late = [log for log in unknown if log["effective_date"] <= day and log["provisioned_on"] and log["provisioned_on"] > day]
    gaps = ["back-dated" if (log["provisioned_on"] - log["effective_date"]).days > 7 else "late-provisioned" for log in late]
    return explained(unknown, traps=(*traps, *gaps))


def lived(made: Estate) -> None:
    """A subscription with adds and removes before, in and after the window, any of which may have been entered late; perhaps suspended in the end."""
    chance = made.chance
    offer = made.offer()
    suspended = chance.random() < 0.15
    history = _history(made, offer, suspended=suspended)
    now = 0 if suspended else history.ours()
    made.subscribe(offer, chance.choice([now, 7]) if suspended else now, suspended=suspended)
    inside = [change for change in history.changes if offer.start < change.at.date() <= offer.end]
    made.lines.append(invoiced.cycle(chance, offer, history.seats(offer.start)))
    split = chance.random() < 0.5
    for change in inside:
        new = history.seats(change.at.date())
        window = (change.at.date(), offer.end) if split else None
        made.lines += invoiced.change(chance, offer, new - change.delta, new, change.at, window)
        if split:
            made.judge(offer, _judged(history, change.at.date(), now, ["split window"]), window=window)
    traps = ["four-line change"] if len(inside) > 1 and not split else ["split window"] if split and inside else []
    taken = offer.start if split or not inside else inside[-1].at.date()
    if chance.random() < 0.2:
        made.lines.append(invoiced.line(chance, offer, chance.choice(["customerCredit", "somethingNew"]), 3, -1))
        traps.append("credit without seats")
    made.judge(offer, _judged(history, taken, now, traps))


def _history(made: Estate, offer: Offer, *, suspended: bool) -> History:
    chance, seats = made.chance, made.chance.randrange(1, 40)
    born = offer.start - DAY * chance.randrange(30, 300)
    history = History([Happened(invoiced.moment(chance, born), seats, made.log(offer, seats, born, born, event="Create"))])
    before = [offer.start - DAY * back for back in chance.sample(range(3, 29), chance.randrange(3))]
    inside = [offer.start + DAY * on for on in chance.sample(range(3, 24), chance.choice([0, 0, 1, 2]))]
    after = [offer.end + DAY * on for on in chance.sample(range(3, 25), chance.randrange(3))]
    for day in sorted(before + inside + after):
        delta = chance.choice([-1, 1]) * chance.randrange(1, 6)
        delta = delta if seats + delta > 0 else -delta
        seats += delta
        manner = chance.choice(["on time", "on time", "undated", "back-dated", "late"])
        effective = day - DAY * {"back-dated": chance.randrange(8, 28), "late": chance.randrange(1, 6)}.get(manner, 0)
        log = made.log(offer, delta, effective, None if manner == "undated" else day)
        history.changes.append(Happened(invoiced.moment(chance, day), delta, log))
    if suspended:
        gone = offer.end + DAY * 30
        history.changes.append(Happened(invoiced.moment(chance, gone), -seats, made.log(offer, -seats, gone, gone, event="Deactivate")))
    elif chance.random() < 0.25:
        status = chance.choice(["Awaiting Provisioning", "Failed Provisioning"])
        history.unseen.append(
            made.log(offer, chance.randrange(1, 5), offer.start + DAY * chance.randrange(-25, 60), provisioning_status=status)
        )
    return history


# --- the stories, each of which has a name in the counts -----------------------------------------------------------------------------------


def free_seats(made: Estate) -> None:
    """Seats without a price: no amount has a sign. Half of them have no cycle line in the window."""
    chance, offer = made.chance, made.offer(free=True)
    old = chance.randrange(3, 20)
    new = old + chance.choice([-2, -1, 1, 3])
    at = invoiced.moment(chance, offer.start + DAY * 4)
    settled(made, offer, old)
    made.log(offer, new - old, at.date(), at.date())
    made.subscribe(offer, new)
    if chance.random() < 0.5:
        made.lines.append(invoiced.cycle(chance, offer, old))
    made.lines += invoiced.change(chance, offer, old, new, at)
    made.judge(offer, Must("confirmed", traps=("zero-amount pair",)))


def free_seats_given_back(made: Estate) -> None:
    chance, offer = made.chance, made.offer(free=True)
    at = invoiced.moment(chance, offer.start + DAY * 4)
    settled(made, offer, 5)
    made.log(offer, -5, at.date(), at.date(), event="Deactivate")
    made.subscribe(offer, chance.choice([0, 5]), suspended=True)
    made.lines += [invoiced.cycle(chance, offer, 5), invoiced.cancellation(chance, offer, 5, at)]
    made.judge(offer, Must("confirmed", traps=("zero-amount cancellation",)))


def cancelled(made: Estate) -> None:
    """In the middle of a window, whose cycle line may stand on an earlier invoice."""
    chance, offer = made.chance, made.offer()
    seats, at = chance.randrange(2, 20), invoiced.moment(chance, offer.start + DAY * 5)
    settled(made, offer, seats)
    made.log(offer, -seats, at.date(), at.date(), event="Deactivate")
    made.subscribe(offer, chance.choice([0, seats]), suspended=True)
    if chance.random() < 0.5:
        made.lines.append(invoiced.cycle(chance, offer, seats))
    elif chance.random() < 0.5:
        made.lines += invoiced.change(chance, offer, seats - 1, seats, at - DAY)
    made.lines.append(invoiced.cancellation(chance, offer, seats, at))
    made.judge(offer, Must("confirmed", traps=("mid-cycle cancel",)))


def tied(made: Estate) -> None:
    """Two or three changes in the same second, in a window without a cycle line: no credit takes the last re-bill back."""
    chance, offer = made.chance, made.offer()
    at = invoiced.moment(chance, offer.start + DAY * chance.randrange(1, 20))
    steps = chance.sample(range(3, 60), chance.choice([3, 4]))
    settled(made, offer, steps[0])
    for old, new in zip(steps, steps[1:], strict=False):
        made.log(offer, new - old, at.date(), at.date())
        made.lines += invoiced.change(chance, offer, old, new, at)
    made.subscribe(offer, steps[-1])
    made.judge(offer, Must("confirmed", traps=("tie in order date",)))


def there_and_back(made: Estate) -> None:
    """In the same second, so that only our quantity can say which end it was."""
    chance, offer = made.chance, made.offer()
    at, seats = invoiced.moment(chance, offer.start + DAY * 7), chance.randrange(5, 20)
    settled(made, offer, seats)
    made.subscribe(offer, seats)
    made.lines += invoiced.change(chance, offer, seats, seats + 3, at) + invoiced.change(chance, offer, seats + 3, seats, at)
    made.judge(offer, Must("confirmed", traps=("tie in order date",)))


def moved(made: Estate) -> None:
    """To another provider id, of which the old one is an alias."""
    chance, offer = made.chance, made.offer()
    at, seats = invoiced.moment(chance, offer.start), chance.randrange(5, 20)
    new = offer.elsewhere(f"{offer.provider_subscription_id}-new")
    settled(made, offer, seats)
    made.subscribe(offer, seats)
    made.lines += [
        invoiced.cycle(chance, offer, seats),
        invoiced.cancellation(chance, offer, seats, at),
        invoiced.cycle(chance, new, seats),
    ]
    made.judge(offer, Must("confirmed", traps=("alias",)))


def zeros_in_front(made: Estate) -> None:
    """Two subscriptions whose ids are the same number."""
    number = f"5{made.prefix}1"
    for name, seats in ((f"00{number}", 4), (number, 6)):
        offer = made.offer(name=name)
        settled(made, offer, seats)
        made.subscribe(offer, seats)
        made.lines.append(invoiced.cycle(made.chance, offer, seats))
        made.judge(offer, Must("confirmed", traps=("leading zeros", "GUID case")))


def repeated(made: Estate) -> None:
    """Bought in two parts of the same size on the same day: identical lines, both due."""
    chance, offer = made.chance, made.offer()
    seats = chance.randrange(1, 9)
    settled(made, offer, 2 * seats)
    made.subscribe(offer, 2 * seats)
    made.lines += [dict(one) for one in [invoiced.cycle(chance, offer, seats)] * 2]
    made.judge(offer, Must("confirmed", traps=("repeated lines",)))


def plain_file(made: Estate) -> None:
    """Typed by hand, in the billing currency: no order date, no effective price, no rate and no term."""
    chance, offer = made.chance, made.offer(rate=Decimal(1))
    old, new = chance.sample(range(2, 30), 2)
    settled(made, offer, old)
    made.log(offer, new - old, offer.start, offer.start)
    made.subscribe(offer, new)
    blank = dict.fromkeys(
        ("order_date", "effective_unit_price", "exchange_rate", "term_and_billing_cycle", "billing_frequency", "billable_quantity")
    )
    printed = [(invoiced.cycle(chance, offer, old), old)]
    printed += zip(invoiced.change(chance, offer, old, new, invoiced.moment(chance, offer.start)), (old, new), strict=True)
    made.lines += [{**one, **blank, "quantity": Decimal(seats)} for one, seats in printed]
    made.judge(offer, Must("confirmed", price="price_unknown", traps=("plain file",)))


def entered_late(made: Estate) -> None:
    """Two changes that the provider learned of after its picture: one back-dated by weeks, one provisioned some days late."""
    chance = made.chance
    for trap, effective, provisioned in (
        ("back-dated", -chance.randrange(8, 40), 3),
        ("late-provisioned", -chance.randrange(0, 3), chance.randrange(1, 9)),
    ):
        offer = made.offer()
        settled(made, offer, 8)
        log = made.log(offer, chance.choice([-2, 3]), offer.start + DAY * effective, offer.start + DAY * provisioned)
        made.subscribe(offer, 8 + int(log["quantity"]))
        made.lines.append(invoiced.cycle(chance, offer, 8))
        made.judge(offer, explained([log], traps=(trap,)))


def scheduled(made: Estate) -> None:
    """Ordered before the window for a day in it."""
    chance, offer = made.chance, made.offer()
    settled(made, offer, 8)
    log = made.log(offer, chance.choice([-2, 3]), offer.start + DAY * chance.randrange(3, 20), offer.start - DAY * chance.randrange(3, 20))
    made.subscribe(offer, 8 + int(log["quantity"]))
    made.lines.append(invoiced.cycle(chance, offer, 8))
    made.judge(offer, explained([log], fit="scheduled", traps=("fit scheduled",)))


def off_by_a_day(made: Estate) -> None:
    """The provider's day and ours differ by one or two."""
    chance, offer = made.chance, made.offer()
    settled(made, offer, 8)
    by, delta = chance.choice([-1, 0, 1, 2]), chance.choice([-2, 3])
    made_then = made.log(offer, delta, offer.start + DAY * by, offer.start + DAY * by)
    later = made.log(offer, 4, offer.start + DAY * 20, offer.start + DAY * 20)
    made.subscribe(offer, 12 + delta)
    known = by > 0  # the provider was early: it had seen what our records place a day or two after its picture
    made.lines.append(invoiced.cycle(chance, offer, 8 + delta if known else 8))
    made.judge(offer, explained([later] if known else [made_then, later], fit="shifted", traps=("fit shifted",)))


def never_told(made: Estate) -> None:
    """Provisioned at the provider, while our log still waits."""
    chance, offer = made.chance, made.offer()
    settled(made, offer, 8)
    made.log(offer, 3, offer.start - DAY * 9, provisioning_status=chance.choice(["Awaiting Provisioning", "Failed Provisioning"]))
    later = made.log(offer, 4, offer.start + DAY * 20, offer.start + DAY * 20)
    made.subscribe(offer, 15)
    made.lines.append(invoiced.cycle(chance, offer, 11))
    made.judge(offer, explained([later], fit="effective", traps=("fit effective",)))


STORIES: tuple[Callable[[Estate], None], ...] = (
    *(free_seats, free_seats_given_back, cancelled, tied, there_and_back, moved, zeros_in_front, repeated, plain_file),
    *(entered_late, scheduled, off_by_a_day, never_told),
)
