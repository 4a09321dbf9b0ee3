"""What do the tests of the import import? A reseller with two customers, and documents of a few lines, as the sandbox reads them from disk.

Estate              a folder for the sandbox: `invoice` lists a document with its exports, `records` writes our side of it
seat, usage         a reconciliation line of a license and of Azure usage;  daily: a daily-rated line
serve               an estate over HTTP, with its provider configured and our records loaded
stored, digest      what the database says in the end, without ids and moments: equal for equal imports
leftovers           what a finished import must not leave behind
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, select, text

from w365core.jobs import loading
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.sandbox.faults import Faults
from w365core.sandbox.server import running
from w365core.store import provider_view, providers as store_providers, tables

PROVIDER = "csp"
SECRET = "planted-secret-Zx81"
TENANT = "0f3a4a44-52c1-4b0e-9a53-7d6c1f2f8a10"
CONTOSO = "c1b2c3d4-0000-4000-8000-000000000001"  # customers by the provider's ids
FABRIKAM = "c2b2c3d4-0000-4000-8000-000000000002"
SEATS = "51b2c3d4-0000-4000-8000-0000000000aa"  # subscriptions by the provider's ids
AZURE = "a1b2c3d4-0000-4000-8000-0000000000bb"
PLAN = "b1b2c3d4-0000-4000-8000-0000000000cc"

Line = dict[str, Any]

_RECORDS = {
    "currencies.csv": "code,rate_to_base\nEUR,1\nUSD,0.5\n",
    "accounts.csv": "account_id,name,domain,currency\nA-1,Contoso,contoso.example,EUR\nA-2,Fabrikam,fabrikam.example,EUR\n",
    "provider_accounts.csv": f"provider,provider_account_id,account_id\n{PROVIDER},{CONTOSO},A-1\n{PROVIDER},{FABRIKAM},A-2\n",
    "products.csv": "product_id,name\nCFQ7,Business Premium\nDZH3,Azure plan\n",
    "subscriptions.csv": (
        "subscription_id,provider,provider_subscription_id,account_id,product_id,kind,markup_pct\n"
        f"S-1,{PROVIDER},{SEATS},A-1,CFQ7,License,\nU-1,{PROVIDER},{AZURE},A-1,DZH3,Usage,15\n"
    ),
}


def seat(subtotal: str = "100.00", *, tax: str = "0", currency: str = "EUR", **said: Any) -> Line:
    """A license line: `said` overrides the provider's columns."""
    line = {
        "CustomerId": CONTOSO, "CustomerName": "Contoso", "CustomerDomainName": "contoso.example", "ProductId": "CFQ7", "SkuId": "0001",
        "ProductName": "Business Premium", "ChargeType": "cycleCharge", "UnitPrice": subtotal, "Quantity": "1", "Subtotal": subtotal,
        "TaxTotal": tax, "Total": str(Decimal(subtotal) + Decimal(tax)), "Currency": currency, "SubscriptionId": SEATS,
        "ChargeStartDate": "2026-10-01T00:00:00Z", "ChargeEndDate": "2026-10-31T00:00:00Z",
    }  # fmt: skip
    return line | said


def usage(subtotal: str = "10.00", *, currency: str = "EUR", **said: Any) -> Line:
    """An Azure line of the reconciliation file: it names the plan, not the subscription."""
    metered = {"ProductId": "DZH3", "ProductName": "Azure plan", "SubscriptionId": PLAN, "SubscriptionDescription": "Azure plan"}
    return seat(subtotal, currency=currency, **{**metered, "MeterDescription": "D2s v3", "ChargeType": "usage", **said})


def daily(cost: str = "10.00", *, day: int = 1, currency: str = "EUR", **said: Any) -> Line:
    """A daily-rated line."""
    line = {
        "CustomerId": CONTOSO, "CustomerName": "Contoso", "ProductId": "DZH3", "SkuId": "0001", "ProductName": "Azure plan",
        "SubscriptionId": PLAN, "EntitlementId": AZURE, "ChargeStartDate": "2026-10-01T00:00:00Z", "ChargeEndDate": "2026-10-31T00:00:00Z",
        "UsageDate": f"2026-10-{day:02}T00:00:00Z", "Quantity": "1", "BillingPreTaxTotal": cost, "BillingCurrency": currency,
        "MeterName": "D2s v3", "Tags": "", "ChargeType": "usage",
    }  # fmt: skip
    return line | said


@dataclass
class Estate:
    """One folder for the sandbox. What `invoice` is told replaces what it said of that number before."""

    folder: Path
    client_secret: str | None = None
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = {"client_secret": self.client_secret} if self.client_secret else {}
        (self.folder / "estate.json").write_text(json.dumps({"tenant_id": TENANT, **secret}))
        self._listed()

    def invoice(
        self,
        number: str = "G1",
        lines: Sequence[Line] = (),
        daily_rated: Sequence[Line] = (),
        *,
        total: str | None = None,
        dated: str = "2026-11-08",
        currency: str = "EUR",
        blobs: int = 1,
        unlisted: bool = False,
        **said: Any,
    ) -> None:
        """Lists a document; its total is that of its lines unless said otherwise. `blobs` is how many each export is cut into."""
        summed = sum((Decimal(str(line["Total"])) for line in lines), Decimal(0))
        document = {"id": number, "invoiceDate": f"{dated}T05:25:47Z", "currencyCode": currency, "totalCharges": total or str(summed)}
        if not unlisted:
            self.documents[number] = {**document, "documentType": "invoice", **said}
        for feed, rows in (("reconciliation", lines), ("usage", daily_rated)):
            self.export(number, feed, [rows[part::blobs] for part in range(blobs)] if rows else [])
        self._listed()

    def export(self, document: str, feed: str, parts: Sequence[Sequence[Line]]) -> None:
        """Writes the blobs of one feed in this order; no parts, no data."""
        folder = self.folder / "partner_center" / "exports" / document / feed
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for number, rows in enumerate(parts):
            content = "".join(json.dumps(row) + "\n" for row in rows).encode()
            (folder / f"part-{number:05}.c000.json.gz").write_bytes(gzip.compress(content, mtime=0))

    def records(self, folder: Path, **changed: str) -> Path:
        """Our records that resolve these documents; `changed` replaces a whole file, blank leaves it out."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in {**_RECORDS, **{f"{name}.csv": content for name, content in changed.items()}}.items():
            if content:
                (folder / name).write_text(content)
        return folder

    def _listed(self) -> None:
        path = self.folder / "partner_center" / "invoices.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = re.sub(r'"totalCharges": "([^"]+)"', r'"totalCharges": \1', json.dumps(list(self.documents.values())))
        path.write_text(numbers)


def without_customer(customer: str) -> str:
    """provider_accounts.csv with this customer unmapped."""
    return re.sub(rf"{customer},A-\d", f"{customer},", _RECORDS["provider_accounts.csv"])


def two_invoices_worth(estate: Estate, number: str = "G1", **said: Any) -> None:
    """The standard document: license and usage, two blobs each, amounts with many digits, a tax and a credit."""
    lines = [
        seat("1234.567", tax="0.003"),
        seat("-34.57", ChargeType="removeQuantity", CustomerId=CONTOSO.upper()),
        usage("12.34"),
        usage("7.66", MeterDescription="Bandwidth"),
    ]
    rated = [daily("5.123456789012345678", day=1), daily("14.876543210987654322", day=2), daily("0", day=3), daily("-0.0000001", day=4)]
    estate.invoice(number, lines, rated, blobs=2, **said)


@dataclass(frozen=True)
class Served:
    """A sandbox that runs, and what may be switched wrong with it."""

    url: str
    faults: Faults
    estate: Estate


@contextmanager
def serve(estate: Estate, *faults: str) -> Iterator[Served]:
    """The estate over HTTP, for the length of a block."""
    switched = Faults(faults)
    with running(estate.folder, faults=switched) as url:
        yield Served(url, switched, estate)


def configure(context: Context, url: str, *, records: Path | None = None, tolerance: str = "0.05") -> Context:
    """Adds the provider at this URL, a manual one beside it, and loads the records; the context knows the provider's secret."""
    provider = Provider(
        PROVIDER, ProviderType.PARTNER_CENTER, tenant_id=TENANT, client_id="app", api_url=url, graph_url=url, login_url=url,
        tolerance=Decimal(tolerance),
    )  # fmt: skip
    with context.engine.begin() as connection:
        store_providers.save(connection, provider, now=context.now)
        store_providers.save(connection, Provider("distributor", ProviderType.MANUAL), now=context.now)
        # Today's changes count as pulled: 91 questions, a day each, are what tests of the evidence ask.
        provider_view.save_pull(connection, PROVIDER, "changes", until=context.now, at=context.now)
        if records is not None:
            loading.load(connection, records)
    return replace(context, settings=replace(context.settings, environment={"W365_SECRET_CSP": SECRET}))


# --- what is in the store -----------------------------------------------------------------------------------------------------------------

# What says how it came about rather than what it is.
_OWN = {
    "provider_invoice_id", "import_run_id", "first_seen_at", "last_attempt_at", "imported_at", "attempts", "version", "created_at",
    "estimated_at", "loaded_fingerprint", "added_at", "api_url", "graph_url", "login_url", "pulled_at", "pulled_until", "seen_at",
}  # fmt: skip
_PASSING = {
    "sync_run",
    "import_run",
    "landed_answer",
    "import_source",
    "line_export",
    "audit_log",
    "installation",
    "job_run",
    "listed_invoice",
    "outbox",
    *("reconciliation", "reconciliation_line", "reconciliation_change_log", "reconciliation_finding"),  # derived, after an import has ended
}


def stored(engine: Engine, *, but: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows without ids and moments (and without the columns `but`), children by their invoice's number, in a fixed order."""
    found: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        ids = tables.provider_invoice
        numbers = dict(connection.execute(select(ids.c.provider_invoice_id, ids.c.invoice_number)).all())
        for table in _metadata().sorted_tables:
            if table.name in _PASSING:
                continue
            rows = []
            for row in connection.execute(select(table)).mappings():
                plain = {name: value for name, value in row.items() if name not in _OWN and name not in but}
                owner = {"of": numbers.get(row["provider_invoice_id"], "nobody")} if "provider_invoice_id" in row else {}
                rows.append({name: _text(value) for name, value in {**owner, **plain}.items()})
            found[table.name] = sorted(rows, key=lambda row: json.dumps(row))
    return found


def digest(engine: Engine, *, but: Sequence[str] = ()) -> str:
    """One hash over `stored`."""
    return hashlib.sha256(json.dumps(stored(engine, but=but)).encode()).hexdigest()


def children(engine: Engine) -> tuple[int, int, int]:
    """How many license lines, usage lines and usage summaries are published, of all invoices."""
    with engine.connect() as connection:
        counted = [connection.execute(text(f"select count(*) from {name}")).scalar_one() for name in _CHILDREN]
    return tuple(counted)


_CHILDREN = ("license_line", "usage_line", "usage_summary")


def leftovers(engine: Engine, home: Path) -> list[str]:
    """Stages nobody needs, runs that still say they run, half-written files: empty after every import that ended."""
    with engine.connect() as connection:
        left = connection.execute(
            text(
                "select c.relname from pg_class c left join pg_inherits i on i.inhrelid = c.oid where c.relkind = 'r' "
                "and i.inhrelid is null and c.relname ~ '_r[0-9]+$'"
            )
        ).scalars()
        found = [f"table {name}" for name in left]
        runs = connection.execute(text("select import_run_id from import_run where status = 'running'")).scalars()
        found += [f"import run {run}" for run in runs]
        partitions = connection.execute(text("select count(*) from pg_inherits where inhparent = 'usage_line'::regclass")).scalar_one()
        with_usage = connection.execute(text("select count(distinct provider_invoice_id) from usage_line")).scalar_one()
        found += [] if partitions == with_usage else [f"{partitions} partitions for {with_usage} invoices"]
    incoming = home / "landing" / "incoming"
    return found + ([f"file {name}" for name in os.listdir(incoming)] if incoming.is_dir() else [])


def _metadata() -> MetaData:
    return tables.metadata


def _text(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else value if value is None or isinstance(value, bool | int) else str(value)
