"""What do the tests of StreamOne import? Invoices of a few lines in a sandbox folder, a provider configured for it, and our side of them.

Account          a folder for the sandbox: `invoice` lists one with its files, `serve` answers for it over HTTP
configure        the provider and our records in a database; the context knows key and first refresh token
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from w365core.jobs import loading
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.sandbox.faults import Faults
from w365core.sandbox.server import running
from w365core.store import providers as store_providers

NAME, ACCOUNT = "ion-eu", "70012"
KEY, REFRESH = "key-41:planted-api-secret-Qv7", "planted-refresh-token-Jd93"
ENVIRONMENT = {"W365_SECRET_ION_EU": KEY, "W365_REFRESH_ION_EU": REFRESH}

PLAIN = (
    "Customer ID,Subscription ID,Charge Type,Charge Start,Charge End,Quantity,Unit Price,Subtotal,Tax,Total,Currency\n"
    "501,SUB-A,renew,2026-10-01,2026-10-31,10,12.50,125.00,23.75,148.75,EUR\n"
    "501,SUB-A,addQuantity,2026-10-12,2026-10-31,2,8.07,16.14,3.07,19.21,EUR\n"
    "502,SUB-B,renew,2026-10-01,2026-10-31,3,40.00,120.00,22.80,142.80,EUR\n"
)
THEIRS = (  # nothing here is called as in a plain file; the currency stands in the headings
    "End Client No,Cloud Subscription,Event,Seats,Seller Cost (EUR),Levy (EUR),To Pay (EUR),Remark\n"
    '501,SUB-A,renew,10,125.00,23.75,148.75,"first, of two"\n'
    "502,SUB-B,renew,3,120.00,22.80,142.80,\n"
)
SAID = {"End Client No": "customer_id", "Cloud Subscription": "subscription_id", "Seller Cost (EUR)": "subtotal", "Levy (EUR)": "tax"}
SAID |= {"To Pay (EUR)": "total", "Seats": "quantity", "Event": "charge_type"}

_RECORDS = {
    "currencies.csv": "code,rate_to_base\nEUR,1\n",
    "accounts.csv": "account_id,name,domain,currency\nA-1,Contoso,contoso.example,EUR\nA-2,Fabrikam,fabrikam.example,EUR\n",
    "provider_accounts.csv": f"provider,provider_account_id,account_id\n{NAME},501,A-1\n{NAME},502,A-2\n",
    "products.csv": "product_id,name\nP-1,Suite\n",
    "subscriptions.csv": (
        "subscription_id,provider,provider_subscription_id,account_id,product_id,kind\n"
        f"S-1,{NAME},sub-a,A-1,P-1,License\nS-2,{NAME},SUB-B,A-2,P-1,License\n"
    ),
}


@dataclass
class Account:
    """One folder for the sandbox."""

    folder: Path
    invoices: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "streamone").mkdir(parents=True, exist_ok=True)
        said = {"tenant_id": "t", "streamone_account": ACCOUNT, "streamone_key": KEY, "streamone_refresh": REFRESH}
        (self.folder / "estate.json").write_text(json.dumps(said))
        self.says("customers", [])

    def invoice(self, number: str, files: Mapping[str, str | bytes], *, total: str | None = "310.76", **said: Any) -> None:
        """Lists an invoice of October 2026; its total is that of `PLAIN` unless said otherwise, None leaves it out."""
        document = {"id": number, "billingStartDate": "2026-10-01", "billingEndDate": "2026-10-31", "invoiceDate": "2026-11-03"}
        document |= {"currency": "EUR"} | ({"total": f"<{total}>"} if total else {}) | said
        self.invoices.append({name: value for name, value in document.items() if value is not None})
        text = re.sub(r'"<([^>]+)>"', r"\1", json.dumps(self.invoices))  # an amount as a JSON number, digit for digit
        (self.folder / "streamone" / "invoices.json").write_text(text)
        place = self.folder / "streamone" / "files" / str(number)
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (place / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def says(self, kind: str, items: list[dict[str, Any]]) -> None:
        """What the interface lists of customers, subscriptions or orders."""
        (self.folder / "streamone" / f"{kind}.json").write_text(json.dumps(items))


@dataclass(frozen=True)
class Served:
    url: str
    faults: Faults
    account: Account


@contextmanager
def serve(account: Account) -> Iterator[Served]:
    faults = Faults(())
    with running(account.folder, faults=faults) as url:
        yield Served(url, faults, account)


def records(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _RECORDS.items():
        (folder / name).write_text(content)
    return folder


def provider(url: str) -> Provider:
    return Provider(NAME, ProviderType.STREAMONE, account_id=ACCOUNT, api_url=url)


def configure(context: Context, url: str, folder: Path) -> Context:
    with context.engine.begin() as connection:
        store_providers.save(connection, provider(url), now=context.now)
        loading.load(connection, records(folder))
    return replace(context, settings=replace(context.settings, environment=ENVIRONMENT))
