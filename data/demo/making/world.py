"""Who there is, and when: customers, months, rates, and the arithmetic they share. All invented; no real company or person."""

from __future__ import annotations

import calendar
import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from random import Random

WIDE = Context(prec=60)
CENT = Decimal("0.01")
TENANT = "5d0c6e0a-3f0e-4a57-9c3b-7e1f6a2b9d10"
CLIENT = "b7a1f1de-8a55-4d5c-8d2e-2f1c9a6e4b01"
CLOCK = "2026-11-12T06:00:00Z"
TODAY = date(2026, 11, 12)
MONTHS = tuple(date(2025 + (8 + n) // 12, (8 + n) % 12 + 1, 1) for n in range(14))  # 2025-09 … 2026-10
UNBILLED = date(2026, 11, 1)
TAX = {"DE": "0.19", "AT": "0.20", "NL": "0.21", "FR": "0.20", "IE": "0.23", "BE": "0.21", "US": "0.08", "CA": "0.13"}


@dataclass(frozen=True)
class Customer:
    number: int
    name: str
    country: str
    currency: str

    @property
    def tenant(self) -> str:
        return guid(f"customer {self.number}")

    @property
    def domain(self) -> str:
        words = self.name.lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("é", "e").replace("è", "e")
        return "".join(letter for letter in words.split()[0] + words.split()[1] if letter.isalnum()) + ".example"

    @property
    def account(self) -> str:
        return f"A-{1000 + self.number}"

    @property
    def tax_rate(self) -> Decimal:
        return Decimal(TAX[self.country])


_EUR = {
    "DE": """Waldkamp Anlagenbau|Nordhafen Spedition|Lindentaler Möbelwerk|Hellweg-Brunn Optik|Sturmfels Antriebe|Kranichsee Kliniken
        Birkenmoor Energie|Talbrück Verlag|Eisenau Präzision|Rothwinkel Bau|Fuchsgrund Pharma|Mühlenhain Backwaren|Silbersand Glas
        Weidenthal Steuerberatung""",
    "AT": "Almjoch Sportgeräte|Donautal Feinkost|Gletscherhorn Seilbahnen|Kaiserwinkl Architekten|Enzianhof Hotels|Murquell Wasserbau",
    "NL": """Polderlicht Tuinbouw|Zilverdijk Scheepswerf|Hooghaven Logistiek|Molenwiek Techniek|Duinrand Verzekeringen|Blauwgracht Advocaten
        Veenkamp Zuivel""",
    "FR": """Valclair Ingénierie|Pontbrun Mécanique|Rivelune Cosmétique|Montferrand-Lys Conseil|Clairbois Ameublement|Sablevent Voiles
        Hautecombe Semences""",
    "IE": "Ballyrowan Dairies|Kilmorna Software|Corrib Slate Analytics",
    "BE": "Scheldezand Chemie|Ardenval Brasserie|Kempenhart Textiel",
}
_USD = {
    "US": """Cedar Hollow Orthopedics|Red Mesa Fabrication|Larkspur Title Company|Tidewater Pine Schools|Granite Spur Insurance
        Blue Heron Robotics|Prairie Lantern Media|Copper Basin Credit Union|Saltgrass Marine|Juniper Flats Foods|Ironwood Trace Legal
        Harborlight Hospice|Summit Crow Outfitters|Quarry Road Brewing""",
    "CA": """Maple Inlet Forestry|Northgate Fjord Mining|Lac Argent Aviation|Kestrel Bay Fisheries|Frost Prairie Grains
        Aurora Narrows Biotech""",
}


def random(about: str) -> Random:
    """A source of its own for each thing, so that a change here does not move what stands there."""
    return Random(f"w365 demo: {about}")


def guid(about: str) -> str:
    digits = hashlib.sha256(f"w365 demo: {about}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def code(about: str, length: int) -> str:
    """Letters and digits as order and availability ids have them."""
    source = random(about)
    return "".join(source.choice("ABCDEFGHJKLMNPQRSTVWXZ0123456789") for _ in range(length))


def month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def next_month(day: date) -> date:
    """The same day of the next month; the days used here go up to 28."""
    return date(day.year + day.month // 12, day.month % 12 + 1, day.day)


def window(day: date, anchor: int) -> tuple[date, date]:
    """First and last day of the monthly cycle, begun on day `anchor`, that the day lies in."""
    start = day.replace(day=anchor)
    if start > day:
        start = (day.replace(day=1) - timedelta(days=1)).replace(day=anchor)
    return start, next_month(start) - timedelta(days=1)


def rate_of(month: date) -> Decimal:
    """USD in EUR, nine digits, one a month."""
    return Decimal(845000000 + random(f"rate {month}").randrange(90000000)).scaleb(-9)


def down(amount: Decimal) -> Decimal:
    """Cut to cents, as the provider cuts."""
    return amount.quantize(CENT, rounding=ROUND_DOWN, context=WIDE)


def half_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP, context=WIDE)


def times(*factors: Decimal) -> Decimal:
    product = Decimal(1)
    for factor in factors:
        product = WIDE.multiply(product, factor)
    return product


def _customers() -> tuple[Customer, ...]:
    by_currency = (("EUR", _EUR), ("USD", _USD))
    listed = [(name, country, currency) for currency, of in by_currency for country, names in of.items() for name in _names(names)]
    return tuple(Customer(number, *one) for number, one in enumerate(listed, start=1))


def _names(text: str) -> list[str]:
    return [name.strip() for line in text.splitlines() for name in line.split("|")]


CUSTOMERS = _customers()
