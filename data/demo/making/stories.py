"""The stories planted in the estate, by the number of their subscription; README.md tells where to see each."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache

from making.catalogue import PRODUCTS, Product
from making.seats import Change, Seat, everyday
from making.world import CUSTOMERS

UNMAPPED = CUSTOMERS[59]  # its provider account has no account yet
TAXED_ON_HEADER = CUSTOMERS[2]
DOUBLE_CHARGED = CUSTOMERS[8]
RESERVED = CUSTOMERS[13]
CHANGED = CUSTOMERS[31]  # the provider changed a document of theirs after it had been imported
MOVED = CUSTOMERS[19]  # the date of their Azure invoice was moved before the day on which the usage comes
ALWAYS_EARLY = CUSTOMERS[25]  # it has always been before it, so that their usage is billed a cycle late

FIRST_CHARGED, ADDED_LATER = 536, 537  # on the document that the provider changed
FAILED, MISSING_PRICE, SUSPENDED = 543, 548, 549
FEWER_NEXT_TERM = 550


@cache
def seats() -> tuple[Seat, ...]:
    """All 555 seat subscriptions, ordinary ones first."""
    ordinary = [everyday(number) for number in range(1, 536)]
    return (*ordinary, *_changed(), *_cancelled(), *_told(), *_upfront(), *_of_the_unmapped_customer())


@cache
def manual() -> tuple[Seat, ...]:
    """The five subscriptions bought from the distributor, whose product codes are its own."""
    care = Product(201, "Firewall Care 24/7", "Distributor", Decimal("38.50"), "FW-CARE-24", "")
    sign = Product(202, "Mail Signatures", "Distributor", Decimal("1.35"), "SIGN-CLOUD", "")
    backup = Product(203, "Offsite Backup", "Distributor", Decimal("9.90"), "BACKUP-OFFSITE", "")
    training = Product(204, "Awareness Training", "Distributor", Decimal("2.15"), "AWARE-TRAIN", "")
    bought = ((901, 4, care, 4), (902, 4, sign, 60), (903, 11, backup, 12), (904, 21, care, 2), (905, 21, training, 45))
    return tuple(
        Seat(number, CUSTOMERS[customer - 1], product, "P1Y", date(2025, 6, 1), seats) for number, customer, product, seats in bought
    )


def _quiet(number: int, customer: int, product: int, initial: int, *changes: Change, start: date = date(2024, 3, 1)) -> Seat:
    """A calendar-month subscription on an annual commitment to which nothing else happens."""
    return Seat(number, CUSTOMERS[customer - 1], PRODUCTS[product - 1], "P1Y", start, initial, changes)


def _changed() -> list[Seat]:
    start = date(2026, 10, 12)
    bought = ((FIRST_CHARGED, 19, 25), (ADDED_LATER, 18, 10))
    return [Seat(number, CHANGED, PRODUCTS[product - 1], "P1Y upfront", start, seats) for number, product, seats in bought]


def _cancelled() -> list[Seat]:
    begun = ((538, 4, 3, 14, date(2025, 11, 6)), (539, 44, 9, 30, date(2026, 2, 11)), (540, 27, 18, 6, date(2026, 7, 2)))
    return [
        replace(_quiet(number, customer, product, seats, start=start), cancelled=start.replace(day=start.day + 4))
        for number, customer, product, seats, start in begun
    ]


def _told() -> list[Seat]:
    return [
        _quiet(541, 5, 2, 48, Change(date(2026, 11, 4), 6, log="open")),
        _quiet(542, 23, 3, 22, Change(date(2026, 11, 9), 4, log="open")),
        _quiet(FAILED, 7, 6, 30, Change(date(2026, 10, 12), 5, known=False, provisioning="Failed Provisioning")),
        _quiet(544, 16, 9, 18, Change(date(2026, 11, 3), 4, log="excluded")),
        _quiet(545, 29, 15, 26, Change(date(2026, 6, 11), 2, log="excluded")),
        replace(_quiet(546, 11, 12, 36), recorded=40),
        replace(_quiet(547, 33, 13, 22, Change(date(2026, 5, 18), 3, log="absent")), recorded=25),
        _quiet(MISSING_PRICE, 36, 4, 60, Change(date(2026, 8, 20), 5, log="unpriced")),
        replace(_quiet(SUSPENDED, 18, 7, 9), suspended=date(2026, 9, 20)),
        _quiet(550, 9, 8, 75, Change(date(2026, 11, 1), 7)),
    ]


def _upfront() -> list[Seat]:
    start = date(2026, 10, 5)
    return [
        Seat(number, TAXED_ON_HEADER, PRODUCTS[product - 1], "P1Y upfront", start, seats)
        for number, product, seats in ((551, 6, 20), (552, 13, 34))
    ]


def _of_the_unmapped_customer() -> list[Seat]:
    start = date(2026, 10, 1)
    return [
        _quiet(553, 60, 6, 24, start=start),
        _quiet(554, 60, 11, 60, Change(date(2026, 10, 14), 10), start=start),
        _quiet(555, 60, 16, 8, start=start),
    ]
