"""What does loading daily-rated usage cost? The whole import over HTTP against the least that any loader must pay, in one run.

    python benchmarks/load.py [--lines 1000000] [--rounds 3] [--pandas 50000]

The import: a sandbox in a process of its own serves gzip JSON lines of 55 columns, `sync` brings them to an attached, indexed partition. The
baseline: the same rows, exported to a ready file, by a server-side COPY into the same columns plus the same indexes. They take turns, as the machine is
not always equally fast; medians are told. Both on the embedded Postgres of a throwaway home, WAL included. CPU is what our process and the database
server used together (the sandbox not counted); the share of `pandas.to_sql` is measured on fewer lines and scaled.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from w365core import frames
from w365core.frames import Kind
from w365core.store import embedded

ROOT = Path(__file__).resolve().parents[1]
BLOB_LINES = 100_000
CUSTOMERS, SUBSCRIPTIONS, PRODUCTS = 200, 2_000, 40
METERS = 16  # of one subscription: with 31 days that is about 30 lines for each usage summary, as real files have
TENANT = "7b1f7c52-6a55-4c0e-9a8e-1f0a3b9d5c11"
_DAYS = [column for column in frames.DAILY_RATED if column.kind is Kind.DAY]
_TEXTS = [column for column in frames.DAILY_RATED if column.kind is not Kind.DAY]


@dataclass(frozen=True)
class Spent:
    client: float
    server: float
    wall: float

    @property
    def cpu(self) -> float:
        return self.client + self.server


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--lines", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3, help="how often an import and a COPY are measured")
    arguments.add_argument("--pandas", type=int, default=50_000, help="lines for pandas.to_sql; 0 leaves it out")
    arguments.add_argument(
        "--shuffled", action="store_true", help="no two neighbouring lines of one subscription, the worst case for summing"
    )
    chosen = arguments.parse_args()
    work = Path(tempfile.mkdtemp(prefix="w365-bench-", dir="/tmp"))
    work.chmod(0o755)
    try:
        run(work, chosen.lines, chosen.rounds, chosen.pandas, shuffled=chosen.shuffled)
    finally:
        embedded.stop(home=work / "home", osuser="w365pg")
        shutil.rmtree(work, ignore_errors=True)


def run(work: Path, lines: int, rounds: int, pandas_lines: int, *, shuffled: bool) -> None:
    estate = make_estate(work / "estate", lines, rounds, shuffled=shuffled)
    environment = {**os.environ, "W365_HOME": str(work / "home"), "W365_POLL": "0.05", "W365_SECRET_BENCH": "x"}
    environment.pop("DATABASE_URL", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as on a user's machine, where only the first start compiles
    command(environment, "init")
    engine = create_engine(embedded.start(home=work / "home", osuser="w365pg"), poolclass=NullPool)
    records(engine)
    with sandbox(estate, environment) as url:
        command(environment, "provider", "add", "bench", "--type", "partner_center", "--tenant-id", TENANT, "--client-id", "c",
                "--api-url", url, "--graph-url", url, "--login-url", url)  # fmt: skip
        took = [(*import_of(engine, environment, number, lines), copy_baseline(engine)) for number in range(1, rounds + 1)]
    imports, peaks, baselines = zip(*took, strict=True)
    baseline = middle(baselines)
    with engine.connect() as connection:
        print(
            f"lines: {lines:,} (sum {connection.execute(text('select sum(billing_pre_tax_total) from usage_line')).scalar_one() / rounds})"
        )
    say("import over HTTP", middle(imports), lines, baseline)
    say("server-side COPY + indexes", baseline, lines, baseline)
    print(f"{'each round':32} {', '.join(f'{ours.cpu / copied.cpu:.2f} x' for ours, _, copied in took)}")
    print(f"peak memory of the importing process: {max(peaks) / 1024:.0f} MB")
    if pandas_lines:
        say(f"pandas.to_sql ({pandas_lines:,} lines)", pandas_baseline(engine, pandas_lines), pandas_lines, baseline, lines)


def import_of(engine, environment: dict[str, str], number: int, lines: int) -> tuple[Spent, int]:
    """One invoice of so many lines; what it took, and the peak memory in KB."""
    took = measured(engine, lambda: command(environment, "sync", "--provider", "bench", "--invoice", f"G{number}"))
    with engine.connect() as connection:
        rows = connection.execute(text("select count(*) from usage_line")).scalar_one()
    assert rows == number * lines, f"{rows} of {number * lines} lines came in"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze usage_line"))  # else autovacuum does it beside the baseline, which would then look dearer
    return took


def middle(took: Sequence[Spent]) -> Spent:
    return sorted(took, key=lambda spent: spent.cpu)[len(took) // 2]


def say(name: str, spent: Spent, lines: int, baseline: Spent, baseline_lines: int | None = None) -> None:
    ratio = (spent.cpu / lines) / (baseline.cpu / (baseline_lines or lines))
    each = spent.cpu / lines * 1e6
    print(
        f"{name:32} {each:7.1f} us/line  (ours {spent.client:6.1f} s, server {spent.server:6.1f} s, wall {spent.wall:6.1f} s)  {ratio:5.2f} x"
    )


# --- measuring -----------------------------------------------------------------------------------------------------------------------------


def measured(engine, work) -> tuple[Spent, int]:
    """CPU of the children that `work` runs, of the database server, wall time; and the children's peak memory in KB. Each pays for bringing to disk what
    it wrote, and nobody for what another did."""
    checkpoint(engine)
    before, server, started = resource.getrusage(resource.RUSAGE_CHILDREN), server_cpu(engine), time.monotonic()
    work()
    checkpoint(engine)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    client = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Spent(client, server_cpu(engine) - server, time.monotonic() - started), after.ru_maxrss


def checkpoint(engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("checkpoint"))


def server_cpu(engine) -> float:
    """Seconds of CPU of the postmaster, its children that ended, and those that live."""
    with engine.connect() as connection:
        backend = connection.execute(text("select pg_backend_pid()")).scalar_one()
        postmaster = _stat(backend)[1]
    ticks = os.sysconf("SC_CLK_TCK")
    used = sum(_stat(postmaster)[11:15])
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found = _stat(int(process.name))
            except OSError:
                continue
            if found[1] == postmaster:
                used += found[11] + found[12]
    return used / ticks


def _stat(pid: int) -> list[int]:
    """The fields of /proc/PID/stat after the name: [0] state, [1] parent, [11..14] utime, stime, cutime, cstime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *(int(field) for field in fields[1:15])]


# --- the two others ------------------------------------------------------------------------------------------------------------------------


def copy_baseline(engine) -> Spent:
    """A server-side COPY of the first invoice's rows from a ready file into the same columns, then the same indexes."""
    ready = Path(tempfile.mkdtemp(prefix="w365-ready-", dir="/tmp"))
    ready.chmod(0o777)
    try:
        file = ready / "ready.csv"
        with engine.begin() as connection:
            connection.execute(text(f"copy (select * from usage_line where provider_invoice_id = 1) to '{file}' (format csv)"))
            connection.execute(text("create table baseline (like usage_line) with (autovacuum_enabled = false)"))

        def load() -> None:
            with engine.begin() as connection:
                connection.execute(text(f"copy baseline from '{file}' (format csv)"))
            with engine.begin() as connection:
                connection.execute(text("alter table baseline add primary key (provider_invoice_id, line_number)"))
                connection.execute(text("create index on baseline (provider_invoice_id, usage_id, line_number)"))

        spent, _ = measured(engine, load)
    finally:
        shutil.rmtree(ready, ignore_errors=True)
    with engine.begin() as connection:
        connection.execute(text("drop table baseline"))
    return spent


def pandas_baseline(engine, lines: int) -> Spent:
    """What people would do, on the first blob's rows."""
    program = (
        "import sys, pandas; from sqlalchemy import create_engine; e = create_engine(sys.argv[1]);"
        "f = pandas.read_sql('select * from usage_line order by line_number limit ' + sys.argv[2], e);"
        "import resource, time; r = resource.getrusage(resource.RUSAGE_SELF); t = r.ru_utime + r.ru_stime;"
        "f.to_sql('by_pandas', e, index=False, chunksize=10000);"
        "r = resource.getrusage(resource.RUSAGE_SELF); print(r.ru_utime + r.ru_stime - t)"
    )
    url = engine.url.render_as_string(hide_password=False)
    server, started = server_cpu(engine), time.monotonic()
    said = subprocess.run([sys.executable, "-c", program, url, str(lines)], check=True, capture_output=True, text=True)
    spent = Spent(float(said.stdout), server_cpu(engine) - server, time.monotonic() - started)
    with engine.begin() as connection:
        connection.execute(text("drop table by_pandas"))
    return spent


# --- the data ------------------------------------------------------------------------------------------------------------------------------


def make_estate(folder: Path, lines: int, invoices: int = 1, *, shuffled: bool = False) -> Path:
    """Invoices of the same usage, which has so many daily lines, in blobs of 100,000; the reconciliation file bills their sum."""
    chance = random.Random(365)
    usage = folder / "partner_center" / "exports" / "G1" / "usage"
    reconciliation = folder / "partner_center" / "exports" / "G1" / "reconciliation"
    for place in (usage, reconciliation):
        place.mkdir(parents=True)
    total = Decimal(0)
    for start in range(0, lines, BLOB_LINES):
        with gzip.open(usage / f"part-{start // BLOB_LINES:05d}.c000.json.gz", "wt", compresslevel=5) as blob:
            for number in range(start, min(start + BLOB_LINES, lines)):
                amount, line = usage_line(number, chance, shuffled=shuffled)
                total += amount
                blob.write(line)
    billed = total.quantize(Decimal("0.01"))
    charged = {"CustomerId": "c-0", "CustomerName": "Customer 0", "ChargeType": "new", "Subtotal": str(billed), "TaxTotal": "0",
               "Total": str(billed), "Currency": "EUR", "SubscriptionId": "plan-0", "SubscriptionDescription": "Azure plan",
               "MeterDescription": "all of it", "ChargeStartDate": "2026-10-01", "ChargeEndDate": "2026-10-31"}  # fmt: skip
    with gzip.open(reconciliation / "part-00000.c000.json.gz", "wt") as blob:
        blob.write(json.dumps(charged) + "\n")
    header = {"id": "G1", "invoiceDate": "2026-11-06T00:00:00Z", "billingPeriodStartDate": "2026-10-01T00:00:00Z",
              "billingPeriodEndDate": "2026-10-31T00:00:00Z", "totalCharges": float(billed), "paidAmount": 0, "currencyCode": "EUR",
              "documentType": "invoice", "invoiceType": "OneTime"}  # fmt: skip
    (folder / "partner_center" / "invoices.json").write_text(
        json.dumps([header | {"id": f"G{number}"} for number in range(1, invoices + 1)])
    )
    for number in range(2, invoices + 1):
        (folder / "partner_center" / "exports" / f"G{number}").symlink_to("G1")
    (folder / "partner_center" / "customers.json").write_text("[]")
    told = {"clock": "2026-11-12T06:00:00Z", "tenant_id": TENANT, "providers": []}
    (folder / "estate.json").write_text(json.dumps(told))
    return folder


def usage_line(number: int, chance: random.Random, *, shuffled: bool) -> tuple[Decimal, str]:
    """One daily-rated line with every column filled as real ones are, and what it costs."""
    quantity = Decimal(chance.randrange(1, 10**10)).scaleb(-8)
    price = Decimal(chance.randrange(1, 10**10)).scaleb(-11)
    amount = (quantity * price).quantize(Decimal("1e-13"))
    month = 31 * METERS  # lines of one subscription
    subscription, rest = (
        (number % SUBSCRIPTIONS, number // SUBSCRIPTIONS) if shuffled else (number // month % SUBSCRIPTIONS, number % month)
    )
    day, meter = rest % 31, subscription * 7 + rest // 31 % METERS
    cells: dict[str, object] = {column.header: f"{column.header} {meter % 13}" for column in _TEXTS}
    cells |= {column.header: f"2026-10-{31 if column.name.endswith('end') else 1:02d}T00:00:00Z" for column in _DAYS}
    cells |= _known(number, subscription, meter, day)
    cells |= {"UnitPrice": price, "Quantity": quantity, "BillingPreTaxTotal": amount, "PricingPreTaxTotal": amount,
              "EffectiveUnitPrice": price, "PCToBCExchangeRate": Decimal("0.921345678"), "PartnerEarnedCreditPercentage": Decimal(15),
              "CreditPercentage": Decimal(0)}  # fmt: skip
    members = (f'"{name}":{value}' if isinstance(value, Decimal) else f'"{name}":{json.dumps(value)}' for name, value in cells.items())
    return amount, "{" + ",".join(members) + "}\n"


def _known(number: int, subscription: int, meter: int, day: int) -> dict[str, object]:
    return {
        "CustomerId": f"c-{subscription % CUSTOMERS}",
        "CustomerName": f"Customer {subscription % CUSTOMERS}",
        "SubscriptionId": f"plan-{subscription % CUSTOMERS}",
        "EntitlementId": f"00000000-0000-4000-8000-{subscription:012d}",
        "ProductId": f"DZH318Z0{meter % PRODUCTS:04d}",
        "SkuId": f"{meter % PRODUCTS:04d}",
        "BillingCurrency": "EUR",
        "PricingCurrency": "USD",
        "MeterId": f"5daf08b2-5c7d-4f2b-9dbb-{meter:012d}",
        "ResourceURI": f"/subscriptions/{subscription:012d}/resourceGroups/rg-{meter}/providers/Microsoft.Compute/virtualMachines/vm{number % 5000}",
        "Tags": f'{{"env": "prod", "owner": "team-{number % 30}"}}',
        "AdditionalInfo": '{"ServiceType": "Standard_D4s_v5", "VMName": null, "UsageType": "ComputeHR"}',
        "UsageDate": f"2026-10-{day + 1:02d}T00:00:00Z",
    }


def records(engine) -> None:
    """The customers and subscriptions that the lines refer to."""
    with engine.begin() as connection:
        connection.execute(text("insert into currency values ('EUR', 1)"))
        connection.execute(
            text(
                "insert into product (product_id, name) select 'DZH318Z0' || lpad(n::text, 4, '0'), 'Product ' || n from generate_series(0, :n) n"
            ),
            {"n": PRODUCTS},
        )
        connection.execute(
            text("insert into account (account_id, name) select 'A-' || n, 'Customer ' || n from generate_series(0, :n) n"),
            {"n": CUSTOMERS},
        )
        connection.execute(
            text(
                "insert into provider_account (provider, provider_account_id, account_id) select 'bench', 'c-' || n, 'A-' || n from generate_series(0, :n) n"
            ),
            {"n": CUSTOMERS},
        )
        connection.execute(
            text(
                "insert into subscription (subscription_id, provider, provider_subscription_id, account_id, kind, markup_pct, status) "
                "select 'S-' || n, 'bench', '00000000-0000-4000-8000-' || lpad(n::text, 12, '0'), 'A-' || n % :c, 'Usage', 15, 'Active' "
                "from generate_series(0, :n) n"
            ),
            {"n": SUBSCRIPTIONS, "c": CUSTOMERS},
        )


def command(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "w365core", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stderr}"


class sandbox:
    """The sandbox in a process of its own, on a free port."""

    def __init__(self, estate: Path, environment: dict[str, str]) -> None:
        self.program = f"from pathlib import Path; from w365core.sandbox.server import running; import time\nwith running(Path({str(estate)!r})) as url:\n print(url, flush=True)\n time.sleep(1e6)"
        self.environment = environment

    def __enter__(self) -> str:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.program], cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        return self.process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    main()
