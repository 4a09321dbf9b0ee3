"""What there is to buy: seat products and Azure meters, with invented names and prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from making.world import code, guid


@dataclass(frozen=True)
class Product:
    """A seat product; `price` per seat and month on an annual commitment, in `pricing` (None: the customer's own currency)."""

    number: int
    name: str
    family: str
    price: Decimal
    part: str
    sku: str
    publisher: str = "Microsoft"
    pricing: str | None = None

    @property
    def record(self) -> str:
        return f"P-{100 + self.number}"

    @property
    def product_id(self) -> str:
        return f"CFQ7TTC0{self.part}"

    @property
    def availability(self) -> str:
        return f"CFQ7TTC{code(f'availability {self.number}', 5)}"


@dataclass(frozen=True)
class Meter:
    """Something Azure measures; `daily` units a day or so, `price` is in USD a unit, `credit`: partner earned credit applies."""

    category: str
    subcategory: str
    name: str
    unit: str
    daily: Decimal
    price: Decimal
    product: str
    sku: str
    service: str

    @property
    def identifier(self) -> str:
        return guid(f"meter {self.name}")

    @property
    def credit(self) -> bool:
        return self.service != "Paperfort.Gateway"


_PRODUCTS = """Workplace Starter|Workplace|5.60|LH18|0001
Workplace Standard|Workplace|11.70|LDPB|0001
Workplace Premium|Workplace|20.60|LCHC|0002
Frontline F1|Frontline|2.10|LH05|0001
Frontline F3|Frontline|7.50|LGZW|0001
Enterprise Suite E3|Enterprise|32.40|LFLX|0001
Enterprise Suite E5|Enterprise|51.25|LFLZ|0003
Mail Plan 1|Mail|3.70|LH16|0001
Mail Plan 2|Mail|7.40|LH1P|0001
Mail Archiving|Mail|2.80|LH0S|006G
Endpoint Protection P1|Security|2.85|LGV0|0001
Endpoint Protection P2|Security|4.85|LGV1|0002
Identity Premium P1|Security|5.60|LFLS|0002
Identity Premium P2|Security|8.40|LFK5|0001
Device Management Plan 1|Security|7.45|LCH4|0001
Meeting Rooms Pro|Voice|37.20|0QW7|0001
Calling Plan Domestic|Voice|11.15|LGT8|000K
Diagram Plan 2|Planning|14.05|HD32|0001
Project Plan 3|Planning|28.10|HDB0|0003
Analytics Pro|Analytics|9.35|HL3W|0001
Signature Cloud|Third party|1.45|QN4T|0005|Northlight Software|USD
Mailbox Backup|Third party|2.20|QX81|0010|Paperfort|USD"""

_METERS = """Virtual Machines|Dsv5 Series|D4s v5|1 Hour|40|0.2304000000000|DZH318Z0BNZ5|006G|Microsoft.Compute
Virtual Machines|Bsv2 Series|B2s v2|1 Hour|60|0.0956000000000|DZH318Z0BNZ5|00C2|Microsoft.Compute
Storage|Premium SSD Managed Disks|P30 LRS Disk|1/Month|0.4|135.1680000000000|DZH318Z0BPS7|0009|Microsoft.Storage
Storage|Tables|LRS Data Stored|1 GB/Month|90|0.0450000000000|DZH318Z0BP8T|0002|microsoft.storage
Storage|Blob Storage|Hot LRS Data Stored|1 GB/Month|700|0.0196000000000|DZH318Z0BP8T|0003|Microsoft.Storage
SQL Database|Single Database General Purpose|vCore|1 Hour|48|0.1519490000000|DZH318Z0BQ4L|0011|Microsoft.Sql
Bandwidth|Routing Preference|Standard Data Transfer Out|1 GB|55|0.0869565217391|DZH318Z0BPHW|000B|Microsoft.Network
Log Analytics|Log Analytics|Analytics Logs Data Ingestion|1 GB|6|2.3000000000000|DZH318Z0BNXD|0001|microsoft.insights
Azure App Service|Premium v3 Plan|P1 v3 App|1 Hour|24|0.1683561643836|DZH318Z0BNVX|0012|Microsoft.Web
Backup|Backup|Azure VM Protected Instances|1/Month|1|5.0000000000000|DZH318Z0BPKD|0004|Microsoft.RecoveryServices
Cloud Marketplace|Paperfort Gateway|Gateway Hour|1 Hour|24|0.0209496384792|DZH318Z0D0RH|0001|Paperfort.Gateway"""


def _products() -> tuple[Product, ...]:
    fields = [line.split("|") for line in _PRODUCTS.splitlines()]
    return tuple(Product(number, one[0], one[1], Decimal(one[2]), *one[3:]) for number, one in enumerate(fields, start=1))


def _meters() -> tuple[Meter, ...]:
    fields = [line.split("|") for line in _METERS.splitlines()]
    return tuple(Meter(*one[:4], Decimal(one[4]), Decimal(one[5]), *one[6:]) for one in fields)


PRODUCTS = _products()
METERS = _meters()
