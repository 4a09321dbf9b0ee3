"""How long does a file of corrected markups take? Export, preview, import and undo of many rows, beside the least that any program must do, in one run.

    python benchmarks/markup.py [--rows 100000]

Every row of the file has another markup. Preview and import are what the page asks: a large file is read by a process of its own, which waits warm for
it; cold it is started first; `here` is the same in this process, as the command line has it. The server is an embedded Postgres of a throwaway home, WAL
included; the median of three, with an undo between two imports. The least: COPY of the same rows (id, markup, selling amount) into a temporary table and one UPDATE
of the same rows from it, committed: no reading of a file, no judging, no arithmetic, nothing kept of what was before.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import Engine, Row, text

from w365core.jobs import big_files, correcting
from w365core.jobs.correcting import Chosen, Preview
from w365core.store import embedded, schema
from w365core.store.engine import pooled
from w365core.store.landing import Landing

NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)
CUSTOMERS, TIMES, SECONDS_OF_LOOKING = 200, 3, 3
AIMS = {"preview": 3, "import": 5}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=100_000)
    chosen = arguments.parse_args()
    work = Path(tempfile.mkdtemp(prefix="w365-bench-", dir="/tmp"))
    work.chmod(0o755)
    try:
        engine = pooled(embedded.start(home=work / "home", osuser="w365pg"))
        schema.upgrade(engine)
        fill(engine, chosen.rows)
        run(engine, Landing(work / "landing"))
        engine.dispose()
    finally:
        embedded.stop(home=work / "home", osuser="w365pg")
        shutil.rmtree(work, ignore_errors=True)


def fill(engine: Engine, rows: int) -> None:
    """One Active invoice with that many usage summaries of 200 customers, costs of many digits."""
    with engine.begin() as connection:
        for number in range(CUSTOMERS):
            connection.execute(
                text("insert into account (account_id, name) values (:a, :n)"), {"a": f"A-{number}", "n": f"Customer {number}"}
            )
        connection.execute(
            text(
                "insert into provider_invoice (provider, invoice_number, currency, source, first_seen_at, state, status_reason, header_total, license_total, "
                "usage_total, tax_total, rounding, overridden) values ('csp', 'G1', 'EUR', 'synced', :now, 'Active', 'Active', 0, 0, 0, 0, 0, 0)"
            ),
            {"now": NOW},
        )
        cursor = connection.connection.driver_connection.cursor()
        names = "usage_id, provider_invoice_id, subscription_id, account_id, product, charge_start, charge_end, quantity, cost, stamped_markup_pct, markup_pct, "
        with cursor.copy(f"copy usage_summary ({names} selling_amount, currency, lines, created_at) from stdin") as sink:
            for row in range(rows):
                cost = Decimal(row * 7919 % 9_999_991) / 1000 + Decimal(row) / 10**9
                window = (date(2026, 10, 1), date(2026, 10, 31))
                sold = round(cost * Decimal("1.15"), 2)
                key = (
                    f"u{row * 2654435761 % 2**32:08x}{row:012x}",
                    1,
                    f"U-{row % 2000}",
                    f"A-{row % CUSTOMERS}",
                    f"Virtual Machines D{row % 40} v5",
                )
                sink.write_row((*key, *window, row % 744, cost, 15, 15, sold, "EUR", 30, NOW))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze usage_summary"))


def run(engine: Engine, landing: Landing) -> None:
    everything, told = Chosen(), {"actor": "bench", "now": NOW, "landing": landing}
    spent: dict[str, list[float]] = {}

    def timed(name: str, call: Callable):
        begun = time.perf_counter()
        result = call()
        spent.setdefault(name, []).append(time.perf_counter() - begun)
        return result

    def imported(name: str, call: Callable, expected: Preview | None) -> None:
        """And taken back."""
        done = timed(name, call)
        assert expected in (None, done.preview)
        timed("undo", lambda: correcting.undo(engine, done.correction_id, **told))

    for turn in range(TIMES):
        content, rows = timed("export", lambda: correcting.export(engine, everything, excel=False))
        edited = with_markup(content, f"1{turn}.25")
        file = {"name": "f.csv", "content": edited}
        if not turn:
            timed("preview, cold once", lambda file=file: big_files.preview_file(engine, **file))
        warmed()
        unedited = timed(
            "preview of an unedited file", lambda content=content: big_files.preview_file(engine, name="f.csv", content=content)
        )
        warmed()
        found = timed("preview", lambda file=file: big_files.preview_file(engine, **file))
        warmed()
        here = timed("preview here", lambda file=file: correcting.preview_file(engine, **file))
        assert (unedited.unchanged, found.changed, here) == (rows, rows, found)
        warmed()
        imported("import", lambda file=file: big_files.apply_file(engine, **file, **told), found)
        content, _ = correcting.export(engine, everything, excel=False)  # what was undone is another row than before
        file["content"] = with_markup(content, f"2{turn}.25")
        imported("import here", lambda file=file: correcting.apply_file(engine, **file, **told), None)
        with engine.connect() as connection:
            ready = connection.execute(text("select usage_id, provider_invoice_id, markup_pct, selling_amount from usage_summary")).all()
        timed("least", lambda ready=ready: least(engine, ready))
    floor = statistics.median(spent["least"])
    print(f"{rows:,} rows, every markup another, {len(edited) / 1e6:.1f} MB of CSV; the median of {TIMES}")
    for name, seconds in spent.items():
        aim = f", aim {AIMS[name]} s" if name in AIMS else ""
        one = statistics.median(seconds)
        print(f"{name:30} {one:6.2f} s   {one / floor:5.2f} x the least   ({min(seconds):.2f} to {max(seconds):.2f}{aim})")


def warmed() -> None:
    """As while a person looks at the page."""
    big_files.keep_warm()
    time.sleep(SECONDS_OF_LOOKING)


def with_markup(content: bytes, markup: str) -> bytes:
    """The file with this markup in every row."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    place = rows[0].index("markup_pct")
    for row in rows[1:]:
        row[place] = markup
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def least(engine: Engine, rows: Sequence[Row]) -> None:
    """COPY and UPDATE of the rows, which lie ready."""
    with engine.begin() as connection:
        connection.execute(
            text("create temp table ready (usage_id text, provider_invoice_id bigint, markup numeric, selling numeric) on commit drop")
        )
        with connection.connection.driver_connection.cursor().copy("copy ready from stdin") as sink:
            for row in rows:
                sink.write_row(row)
        connection.execute(
            text(
                "update usage_summary u set markup_pct = r.markup, selling_amount = r.selling from ready r "
                "where r.usage_id = u.usage_id and r.provider_invoice_id = u.provider_invoice_id"
            )
        )


if __name__ == "__main__":
    main()
