"""Writes a daily-rated usage file of any size, as a person would download it: 55 columns, some cells quoted, a decimal point.

    python benchmarks/big_csv.py OUT.csv --megabytes 2000

How much memory and time its import takes is then a matter of `/usr/bin/time -v python -m w365core import OUT.csv …`.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import sys
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from w365core import frames

BLOCK = 2_000  # different lines; the file repeats them
GUID = "{:08x}-6a55-4c0e-9a8e-1f0a3b9d5c11"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--megabytes", type=int, default=500)
    chosen = arguments.parse_args()
    block = lines(random.Random(1))
    with chosen.out.open("wb") as file:
        file.write(",".join(column.header for column in frames.DAILY_RATED).encode() + b"\r\n")
        while file.tell() < chosen.megabytes * 1_000_000:
            file.write(block)


def lines(chance: random.Random) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [column.header for column in frames.DAILY_RATED], restval="")
    for number in range(BLOCK):
        writer.writerow(line(chance, number))
    return text.getvalue().encode()


def line(chance: random.Random, number: int) -> dict[str, str]:
    customer, day = number % 20, date(2026, 10, 1) + timedelta(days=number % 31)
    plan, meter = GUID.format(100 + customer), chance.randrange(16)
    quantity, price = f"{chance.uniform(0, 24):.6f}", f"{chance.uniform(0, 2):.15f}"
    return {
        "PartnerId": GUID.format(1),
        "PartnerName": "Example Partner, Inc.",
        "CustomerId": GUID.format(10 + customer),
        "CustomerName": f"Customer {customer}",
        "CustomerDomainName": f"customer{customer}.onmicrosoft.com",
        "CustomerCountry": "DE",
        "MpnId": "1234567",
        "Tier2MpnId": "0",
        "InvoiceNumber": "G000000001",
        "ProductId": f"DZH318Z0{number % 40:04d}",
        "SkuId": f"{number % 10:04d}",
        "SkuName": "Standard SSD",
        "ProductName": "Managed Disks",
        "PublisherName": "Microsoft",
        "SubscriptionDescription": "Azure plan",
        "SubscriptionId": plan,
        "ChargeStartDate": "10/1/2026",
        "ChargeEndDate": "10/31/2026",
        "UsageDate": f"{day.month}/{day.day}/{day.year}",
        "MeterType": "1 Hour",
        "MeterCategory": "Storage",
        "MeterId": GUID.format(5000 + meter),
        "MeterSubCategory": "Standard SSD Managed Disks",
        "MeterName": f"E{meter} LRS Disk",
        "MeterRegion": "EU West",
        "Unit": "1 Hour",
        "ResourceLocation": "westeurope",
        "ConsumedService": "Microsoft.Compute",
        "ResourceGroup": f"rg-{number % 50}",
        "ResourceURI": f"/subscriptions/{plan}/resourceGroups/rg-{number % 50}/providers/Microsoft.Compute/disks/disk-{number}",
        "ChargeType": "new",
        "UnitPrice": price,
        "Quantity": quantity,
        "BillingPreTaxTotal": f"{float(quantity) * float(price):.15f}",
        "BillingCurrency": "EUR",
        "PricingPreTaxTotal": f"{float(quantity) * float(price) * 1.1:.15f}",
        "PricingCurrency": "USD",
        "Tags": '{"env": "prod", "owner": "team, a"}' if number % 3 == 0 else "",
        "AdditionalInfo": '{"UsageType":"x"}' if number % 4 == 0 else "",
        "EffectiveUnitPrice": price,
        "PCToBCExchangeRate": "0.909090909",
        "PCToBCExchangeRateDate": "10/1/2026",
        "EntitlementId": GUID.format(9000 + customer),
        "EntitlementDescription": f"Subscription {customer}",
        "PartnerEarnedCreditPercentage": "15",
        "CreditPercentage": "0",
        "CreditType": "Credit Not Applied",
    }


if __name__ == "__main__":
    main()
