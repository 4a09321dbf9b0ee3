"""What does reconciling cost? A million lines, 300,000 subscriptions and two million change logs, against a bare as-of join and packaged tools, in one run.

    python benchmarks/reconcile.py [--lines 1000000] [--buckets 10] [--venv PATH]

The data is made anew, always the same: nine of ten windows agree, the others hold every verdict and some findings; the run prints how often, and
ends where one is missing. Each contender runs in a process of its own, on the same files of Arrow. Ours takes buckets of subscriptions, two at once, from
Arrow to Arrow, explanations and findings included; reading the files, computing, and writing the runs to Postgres by COPY, as the reconciling job
does, are measured apart. One invoice of 40,000 lines stands in Postgres too: its inputs are read, it is reconciled as the job does, and the script of the
Reconciliation page is run again and again as a click would (benchmarks/stored_invoice.py). The bare join is one `join_asof` on integer keys with
the sums it needs, and answers nothing but seats on a day; with a second one at the windows' ends it gives their prorated charges by product too. All must come
to the same seats. `--venv` is another virtual environment with duckdb or
datacompy, for an ASOF join, whose seats must be the same too, and a plain keyed diff of the same size; one that is not there is left out. CPU is user
plus system, of the process and, for writing, of the database server; memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from w365core.reconciliation import Verdict

START, SPAN = 20_000, 700  # days since 1970 of the first change log, and how many days they spread over
WINDOWS = ((20_727, 20_757), (20_758, 20_787), (20_788, 20_818))  # October, November, December of 2026
SMALL = 40_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--lines", type=int, default=1_000_000)
    arguments.add_argument("--buckets", type=int, default=10)
    arguments.add_argument("--venv", type=Path, help="a virtual environment with duckdb or datacompy")
    arguments.add_argument("--run", help=argparse.SUPPRESS)
    arguments.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.run:
        print(json.dumps(CONTENDERS[chosen.run](chosen.work)))
        return
    work = Path(tempfile.mkdtemp(prefix="w365-reconcile-", dir="/tmp"))
    try:
        subprocess.run([sys.executable, __file__, "--run", "make", "--work", str(work), "--lines", str(chosen.lines)], check=True,
                       env={**os.environ, "BUCKETS": str(chosen.buckets), "LINES": str(chosen.lines)}, stdout=subprocess.DEVNULL)  # fmt: skip
        report(work, chosen)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def report(work: Path, chosen: argparse.Namespace) -> None:
    bare = told("a bare as-of join, polars", run("bare", work))
    charged = told("the same, and prorated charges", run("charged", work))
    ours = told("our kernel, all verdicts", run("ours", work))
    assert ours["then"] == bare["then"] == charged["then"], f"seats differ: {ours['then']}, {bare['then']}, {charged['then']}"
    told("reading what goes in, from files", ours["read"])
    kept = told("writing the runs to Postgres", run("kept", work))
    assert Decimal(kept["subtotal"]) == Decimal(ours["subtotal"]), "what is stored comes to another subtotal"
    for name, other in (("the bare join", bare), ("the joins with charges", charged)):
        print(f"ours / {name}: {ours['wall'] / other['wall']:.2f} x wall, {ours['cpu'] / other['cpu']:.2f} x CPU")
    missing = {str(verdict) for verdict in Verdict} - set(ours["verdicts"])
    assert not missing, f"the data holds no {', '.join(sorted(missing))}"
    differing = 1 - ours["verdicts"]["confirmed"] / sum(ours["verdicts"].values())
    print(f"{differing:.1%} of the rows are not confirmed")
    print("verdicts:", ", ".join(f"{name} {count:,}" for name, count in sorted(ours["verdicts"].items())))
    print(f"change logs outside: {ours['logs']:,}; findings: {ours['findings']:,}; subtotal {ours['subtotal']}")
    small = run("small", work)
    print(f"{SMALL:,} lines, warm: {small['wall'] * 1000:.0f} ms (CPU {small['cpu'] * 1000:.0f} ms)")
    invoice = run("stored", work)
    print(f"the same in Postgres: its inputs read {invoice['read']:.2f} s, reconciled and kept {invoice['reconciled']:.2f} s")
    print(f"the script of the Reconciliation page on its {invoice['rows']:,} rows: p95 {invoice['page'] * 1000:.0f} ms")
    if chosen.venv:
        python = chosen.venv / "bin" / "python"
        for name in ("duckdb", "datacompy"):
            if subprocess.run([python, "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode:
                print(f"{name}: not in {chosen.venv}")
                continue
            other = run(name, work, python=python)
            assert other.get("then") in (None, bare["then"]), f"{name} comes to other seats: {other['then']}"
            told(f"{name}, of its own venv", other)
            print(f"ours / {name}: {ours['wall'] / other['wall']:.2f} x wall")


def run(name: str, work: Path, *, python: Path | None = None) -> dict:
    script = [str(python), "-c", OTHERS[name], str(work)] if python else [sys.executable, __file__, "--run", name, "--work", str(work)]
    done = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def told(name: str, spent: dict) -> dict:
    print(f"{name:32} wall {spent['wall']:6.2f} s   CPU {spent['cpu']:6.2f} s   peak {spent['peak']:6.0f} MB")
    return spent


class Clock:
    """Wall time and CPU of what is timed, added up."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.process_time() - self._cpu

    def spent(self) -> dict:
        return {"wall": self.wall, "cpu": self.cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


# --- the data ------------------------------------------------------------------------------------------------------------------------------


def make(work: Path) -> dict:
    lines, buckets = int(os.environ["LINES"]), int(os.environ["BUCKETS"])
    subscriptions = lines * 3 // 10
    for bucket in range(buckets):
        share = subscriptions // buckets
        for name, frame in tables(np.random.default_rng(bucket), share, first=bucket * share).items():
            frame.write_ipc(work / f"{name}-{bucket}.arrow", compression="uncompressed")
    return {}


def tables(chance: np.random.Generator, count: int, *, first: int) -> dict[str, pl.DataFrame]:
    """A bucket: subscriptions, their logs (20 for 3 of them) and their lines (10 for 3 of them)."""
    of_log = np.sort(np.concatenate([np.arange(count), chance.integers(0, count, count * 17 // 3)]))
    is_first = np.concatenate([[True], of_log[1:] != of_log[:-1]])
    seats = np.where(is_first, 40, chance.integers(-3, 5, len(of_log)))
    day = START + np.where(is_first, 0, chance.integers(1, SPAN, len(of_log)))
    late = chance.random(len(of_log)) < 0.013  # changes that the provider of most windows cannot have known
    day = np.where(late & ~is_first, chance.integers(20_728, 20_820, len(of_log)), day)
    status = np.where(late, chance.choice(["Provisioned", "Provisioned", "Awaiting Provisioning"], len(of_log)), "Provisioned")
    now = np.bincount(of_log, weights=seats, minlength=count).astype(int)
    ids = np.array([f"{first + n:08x}-6a55-4c0e-9a8e-1f0a3b9d5c11" for n in range(count)])
    suspended, broken = chance.random(count) < 0.002, chance.random(count) < 0.004
    price = chance.integers(400, 4000, 400)[np.arange(count) % 400]
    money = np.char.add(np.char.add((price // 100).astype(str), "."), np.char.zfill((price % 100).astype(str), 2))
    logs = pl.DataFrame({
        "change_log_id": [f"L{first}-{n}" for n in range(len(of_log))], "subscription_id": ids[of_log], "event": "Update", "quantity": seats.astype(str),
        "effective_date": day, "provisioned_on": day, "provisioning_status": status,
        "status_reason": np.where(late, chance.choice(["Active", "Active", "Archived"], len(of_log)), "Active"), "source": "Portal", "initiated_by": "Kim",
        "selling_price": None, "currency": "EUR", "invoice_number": np.where(chance.random(len(of_log)) < 0.6, "I-1", ""),
    }, strict=False).with_columns(
        pl.col("effective_date", "provisioned_on").cast(pl.Int32).cast(pl.Date), pl.col("invoice_number").replace("", None),
        pl.lit(None, pl.String).alias("selling_price"),
    )  # fmt: skip
    ours = pl.DataFrame({
        "subscription_id": ids, "account_id": "A-1", "provider_subscription_id": ids, "product_id": "P", "name": "Seats",
        "status": np.where(suspended, "Suspended", "Active"), "quantity": np.where(broken, now + 1, now).astype(str), "cost_price": money,
        "selling_price": [f"{value}.00" for value in (price // 100 + 2)], "currency": "EUR", "unit": "Monthly", "prorate_unit": "Days", "frequency": "Monthly",
        "contract_start": START, "expected": chance.random(count) < 0.5,
    }, strict=False).with_columns(
        pl.col("contract_start").cast(pl.Int32).cast(pl.Date), pl.lit(None, pl.String).alias("provider_quantity_now")
    )  # fmt: skip
    return {"lines": _lines(chance, ids, of_log, seats, day, status, price, money), "subscriptions": ours, "logs": logs}


def _lines(chance, ids, of_log, seats, day, status, price, money) -> pl.DataFrame:
    """A cycle line for each of three windows, and a change pair for some; none for the last few subscriptions."""
    count = len(ids)
    parts = []
    for start, end in WINDOWS:
        known = (day <= start) & (status == "Provisioned")
        charged = np.bincount(of_log[known], weights=seats[known], minlength=count).astype(int)
        charged = charged + (chance.random(count) < 0.03) * chance.integers(1, 4, count)
        holds = np.arange(count) < count - count // 200
        parts.append((np.arange(count)[holds], charged[holds], "cycleCharge", 1, start, end))
        changed = chance.random(count) < 1 / 18
        old, new = charged[changed], charged[changed]
        parts += [(np.arange(count)[changed], seats_of, "addQuantity", sign, start, end) for seats_of, sign in ((old, -1), (new, 1))]
    who = np.concatenate([part[0] for part in parts])
    billed = np.concatenate([part[1] for part in parts])
    sign = np.concatenate([np.full(len(part[0]), part[3]) for part in parts])
    cents = price[who] * billed * sign
    subtotal = np.char.add(np.char.add((cents // 100).astype(str), "."), np.char.zfill((cents % 100).astype(str), 2))
    subtotal = np.where(
        cents < 0,
        np.char.add("-", np.char.add(np.char.add((-cents // 100).astype(str), "."), np.char.zfill((-cents % 100).astype(str), 2))),
        subtotal,
    )
    whole = {
        "subscription_id": ids[who], "account_id": "A-1", "provider_customer_id": "9f2e1c52-6a55-4c0e-9a8e-1f0a3b9d5c11", "customer_name": "Contoso",
        "provider_subscription_id": ids[who], "product_id": "CFQ7TTC0LH16", "product_name": "Seats",
        "charge_type": np.concatenate([np.full(len(part[0]), part[2]) for part in parts]),
        "order_date": np.concatenate([np.full(len(part[0]), part[4] * 86_400_000_000) for part in parts]),
        "charge_start": np.concatenate([np.full(len(part[0]), part[4]) for part in parts]),
        "charge_end": np.concatenate([np.full(len(part[0]), part[5]) for part in parts]),
        "unit_price": money[who], "quantity": billed.astype(str), "billable_quantity": billed.astype(str), "effective_unit_price": money[who],
        "exchange_rate": "1.000000000", "subtotal": subtotal, "currency": "EUR", "term_and_billing_cycle": "One-Year commitment for monthly billing",
        "billing_frequency": "Monthly",
    }  # fmt: skip
    frame = pl.DataFrame(whole, strict=False).with_columns(
        pl.col("order_date").cast(pl.Datetime("us")), pl.col("charge_start", "charge_end").cast(pl.Int32).cast(pl.Date)
    )
    return (
        _with_oddities(frame)
        .sample(fraction=1, shuffle=True, seed=1)
        .with_row_index("line_number")
        .with_columns(pl.col("line_number").cast(pl.Int64))
    )


def _with_oddities(lines: pl.DataFrame) -> pl.DataFrame:
    """A few lines in a thousand are for nobody of ours, convert, have an amount off or a price above list, or stand there twice."""
    turn = pl.int_range(pl.len()) % 2000
    is_cycle = pl.col("charge_type") == "cycleCharge"
    lines = lines.with_columns(
        pl.when(turn != 1).then("subscription_id").alias("subscription_id"),
        pl.when(is_cycle & (turn == 2)).then(pl.lit("convert")).otherwise("charge_type").alias("charge_type"),
        pl.when(turn == 3).then("9" + pl.col("subtotal")).otherwise("subtotal").alias("subtotal"),
        pl.when(turn == 4).then("9" + pl.col("effective_unit_price")).otherwise("effective_unit_price").alias("effective_unit_price"),
    ).with_columns(pl.when(pl.col("subtotal").str.starts_with("9-")).then(pl.lit("-9")).otherwise("subtotal").alias("subtotal"))
    return pl.concat([lines, lines.filter(is_cycle & (turn == 5))])


# --- the contenders ------------------------------------------------------------------------------------------------------------------------


def _read(work: Path, name: str, bucket: int) -> pl.DataFrame:
    return pl.read_ipc(work / f"{name}-{bucket}.arrow")


def _buckets(work: Path) -> range:
    return range(len(list(work.glob("lines-*.arrow"))))


def bare(work: Path) -> dict:
    """Seats at the start of each window: one as-of join on a composite integer key, ids numbered beforehand."""
    lines, logs = _numbered(work)
    clock = Clock()
    with clock:
        hit = lines.select("s", at="a", k=_key("s", "a")).sort("k").join_asof(_running(logs).set_sorted("k"), on="k")
        hit = hit.with_columns(pl.when(pl.col("of") == pl.col("s")).then(pl.col("held")).otherwise(0).alias("held"))
    then = hit.unique(["s", "at"]).get_column("held").sum()
    return clock.spent() | {"then": int(then)}


def charged(work: Path) -> dict:
    """Seats at the start of each window and the charge prorated over it, by product: two as-of joins into the running integral of seats, as above."""
    lines, logs = _numbered(work)
    clock = Clock()
    with clock:
        changes = _running(logs).set_sorted("k")
        hit = (
            lines.with_columns(k=_key("s", "a"))
            .sort("k")
            .join_asof(changes, on="k")
            .rename({"of": "of_a", "held": "held_a", "cum": "cum_a", "at": "at_a"})
        )
        hit = hit.with_columns(k=_key("s", "b")).sort("k").join_asof(changes, on="k")
        begun, ended = (
            (pl.col(f"cum{when}") + pl.col(f"held{when}") * (pl.col(day) - pl.col(f"at{when}"))) for when, day in (("_a", "a"), ("", "b"))
        )
        begun, ended = (pl.when(pl.col(of) == pl.col("s")).then(seats).otherwise(0) for of, seats in (("of_a", begun), ("of", ended)))
        cents = ((ended - begun) * pl.col("price") * 10 // (pl.col("b") - pl.col("a")) + 5) // 10
        held = pl.when(pl.col("of_a") == pl.col("s")).then("held_a").otherwise(0)
        hit = hit.with_columns(held=held, cents=cents)
        products = hit.group_by("product").agg(pl.col("held", "cents").sum())
    then = hit.unique(["s", "a"]).get_column("held").sum()
    return clock.spent() | {"then": int(then), "cents": int(products.get_column("cents").sum())}


def _numbered(work: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What a bare join needs of lines and logs, as whole numbers."""
    columns = ("subscription_id", "charge_start", "charge_end", "unit_price")
    lines = pl.concat([_read(work, "lines", n).select(columns) for n in _buckets(work)]).drop_nulls()
    logs = pl.concat([_read(work, "logs", n).select("subscription_id", "effective_date", "quantity") for n in _buckets(work)])
    number = pl.col("subscription_id").str.slice(0, 8).str.to_integer(base=16).cast(pl.Int64).alias("s")
    lines = lines.select(
        number,
        a=pl.col("charge_start").cast(pl.Int64),
        b=pl.col("charge_end").cast(pl.Int64) + 1,
        price=(pl.col("unit_price").cast(pl.Float64) * 100).round().cast(pl.Int64),
        product=number % 40,
    )
    return lines, logs.select(number, at=pl.col("effective_date").cast(pl.Int64), q=pl.col("quantity").cast(pl.Int64))


def _key(subscription: str, day: str) -> pl.Expr:
    return pl.col(subscription) * (1 << 33) + pl.col(day)


def _running(logs: pl.DataFrame) -> pl.DataFrame:
    """What is held from each change on, and what was held before it, a seat for a day counting one."""
    changes = logs.sort("s", "at").with_columns(dur=pl.col("at").shift(-1).over("s") - pl.col("at"), held=pl.col("q").cum_sum().over("s"))
    cum = (pl.col("held") * pl.col("dur")).shift(1).cum_sum().over("s").fill_null(0)
    return changes.with_columns(cum=cum).select(k=_key("s", "at"), of="s", at="at", held="held", cum="cum")


def ours(work: Path) -> dict:
    from w365core.jobs.two_at_once import two_at_once
    from w365core.kernels.reconcile import reconcile

    clock, reading, verdicts, logs, findings, then, subtotal = Clock(), Clock(), {}, 0, 0, 0, 0
    numbers = _buckets(work)
    for together in (numbers[first : first + 2] for first in range(0, len(numbers), 2)):
        with reading:
            given = [tuple(_given(_read(work, name, bucket)) for name in ("lines", "subscriptions", "logs")) for bucket in together]
        with clock:
            done = list(two_at_once(lambda bucket: reconcile(*bucket, currency="EUR"), given))
        del given
        for made in done:
            rows = pl.DataFrame(pl.from_arrow(made.rows.select(["verdict", "our_quantity_then", "subtotal"])))
            for verdict, count in rows.group_by("verdict").len().iter_rows():
                verdicts[verdict] = verdicts.get(verdict, 0) + count
            logs, findings = logs + made.change_logs.num_rows, findings + made.findings.num_rows
            then += rows.get_column("our_quantity_then").cast(pl.Int64).sum()
            subtotal += rows.get_column("subtotal").cast(pl.Decimal(38, 2)).sum()
        del done, made, rows
    return clock.spent() | {
        "read": reading.spent(),
        "verdicts": verdicts,
        "logs": logs,
        "findings": findings,
        "then": int(then),
        "subtotal": str(subtotal),
    }


def kept(work: Path) -> dict:
    """Every bucket's run written as the reconciling job writes one; only the writing is timed, with the CPU of the database server."""
    from benchmarks.load import command, server_cpu
    from w365core.kernels.reconcile import reconcile
    from w365core.store import embedded

    home = work / "home"
    work.chmod(0o755)
    command({**{name: value for name, value in os.environ.items() if name != "DATABASE_URL"}, "W365_HOME": str(home)}, "init")
    clock, rows = Clock(), 0
    try:
        engine = create_engine(embedded.start(home=home, osuser="w365pg"), poolclass=NullPool)
        server = server_cpu(engine)
        for bucket in _buckets(work):
            made = reconcile(*(_given(_read(work, name, bucket)) for name in ("lines", "subscriptions", "logs")), currency="EUR")
            with clock:
                _keep(engine, made, f"G{bucket}")
            rows += made.rows.num_rows
        spent = clock.spent()
        with engine.connect() as connection:
            stored = connection.execute(text("select count(*), sum(subtotal) from reconciliation_line")).one()
        assert stored[0] == rows, f"{stored[0]} of {rows} rows were stored"
        return spent | {"cpu": spent["cpu"] + server_cpu(engine) - server, "rows": rows, "subtotal": str(stored[1])}
    finally:
        embedded.stop(home=home, osuser="w365pg")


def _keep(engine, made, number: str) -> None:
    from w365core.kernels import conserved
    from w365core.store import reconciliations
    from w365core.store.ledger import Who

    parts = conserved.parts(made.rows)
    nothing = dict.fromkeys(reconciliations.SUMS, Decimal(0))
    totals = nothing | {"header": parts.lines, "lines": parts.lines, "confirmed": parts.confirmed, "explained": parts.explained}
    run = reconciliations.Run("bench", number, "EUR", number, {}, totals | {"unexplained": parts.unexplained}, "a benchmark")
    with engine.begin() as connection:
        who = Who(actor="bench", now=datetime(2026, 12, 1, tzinfo=UTC))
        reconciliations.keep(connection, run, rows=made.rows, change_logs=made.change_logs, findings=made.findings, who=who)


def small(work: Path) -> dict:
    """One invoice of 40,000 lines, the best of five once everything is warm."""
    from w365core.kernels.reconcile import reconcile

    given = [_given(frame) for frame in _invoice(work)]
    spent = []
    for _ in range(6):
        clock = Clock()
        with clock:
            reconcile(*given, currency="EUR")
        spent.append(clock.spent())
    return min(spent[1:], key=lambda one: one["wall"])


def stored(work: Path) -> dict:
    """The same invoice in Postgres, and the page that shows it."""
    from benchmarks import stored_invoice

    work.chmod(0o755)
    return stored_invoice.measured(work / "invoice", *_invoice(work))


def _invoice(work: Path) -> list[pl.DataFrame]:
    some = _read(work, "lines", 0).get_column("subscription_id").unique().sort().head(SMALL * 3 // 10)
    return [_read(work, name, 0).filter(pl.col("subscription_id").is_in(some.implode())) for name in ("lines", "subscriptions", "logs")]


def _given(frame: pl.DataFrame):
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


CONTENDERS = {"make": make, "bare": bare, "charged": charged, "ours": ours, "small": small, "kept": kept, "stored": stored}
_HEAD = """
import glob, json, resource, sys, time
def spent(wall, cpu, **more): print(json.dumps({**more, "wall": wall, "cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
work = sys.argv[1]
"""
OTHERS = {
    "duckdb": _HEAD
    + """
import duckdb, pyarrow.feather as feather, pyarrow as pa
read = lambda name, columns: pa.concat_tables([feather.read_table(f, columns=columns) for f in sorted(glob.glob(f"{work}/{name}-*.arrow"))])
lines, logs = read("lines", ["subscription_id", "charge_start"]), read("logs", ["subscription_id", "effective_date", "quantity"])
db = duckdb.connect()
db.sql("create table l as select ('0x' || left(subscription_id, 8))::bigint as s, charge_start as d from lines where subscription_id is not null")
db.sql("create table g as select ('0x' || left(subscription_id, 8))::bigint as s, effective_date as d, quantity::bigint as q from logs")
wall, cpu = time.perf_counter(), time.process_time()
(then,) = db.sql("with c as (select distinct s, d, sum(q) over (partition by s order by d) as held from g) select sum(held) from (select distinct s, d from l) l asof left join c on l.s = c.s and l.d >= c.d").fetchall()[0]
spent(time.perf_counter() - wall, time.process_time() - cpu, then=int(then))
""",
    "datacompy": _HEAD
    + """
import polars as pl, datacompy
read = lambda name, columns: pl.concat([pl.read_ipc(f, columns=columns) for f in sorted(glob.glob(f"{work}/{name}-*.arrow"))])
lines = read("lines", ["subscription_id", "charge_start", "charge_end", "charge_type", "line_number", "billable_quantity", "effective_unit_price", "subtotal"])
lines = lines.with_columns(pl.col("billable_quantity").cast(pl.Int64))
other = lines.with_columns(billable_quantity=pl.col("billable_quantity") + (pl.col("line_number") % 10 == 0).cast(pl.Int64))
keys = ["subscription_id", "charge_start", "charge_type", "line_number"]
wall, cpu = time.perf_counter(), time.process_time()
try:
    compare = datacompy.PolarsCompare(lines, other, join_columns=keys)
except AttributeError:
    from datacompy.polars import PolarsCompare
    compare = PolarsCompare(lines, other, join_columns=keys)
compare.all_mismatch()
spent(time.perf_counter() - wall, time.process_time() - cpu)
""",
}

if __name__ == "__main__":
    main()
