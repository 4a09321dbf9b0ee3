"""Does the command line bill, move on, take back and hand over as it says, and is the ledger the same when it is made again from what landed?"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests import estates, postgres
from tests.conftest import Command
from tests.estates import Estate, Served, daily, usage
from w365core import cli
from w365core.frames import RECORD_FILES
from w365core.jobs import handing_over, invoicing, loading, rebuilding, remaking, syncing
from w365core.jobs.context import Context
from w365core.store import rebuilding as store_rebuilding, records_made

CONTRACTS = (
    "contract_id,account_id,frequency,billing_policy,start_date,next_invoice_date,currency,status\n"
    "BC-1,A-1,Monthly,Advance,2026-01-01,2026-11-30,EUR,Active\n"
)
SUBSCRIPTIONS = (
    "subscription_id,provider,provider_subscription_id,account_id,contract_id,product_id,kind,markup_pct\n"
    f"S-1,csp,{estates.SEATS},A-1,,CFQ7,License,\nU-1,csp,{estates.AZURE},A-1,BC-1,DZH3,Usage,15\n"
)
NUMBER = "U202610-BC-1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    """G1 with two products of usage in October, 115.00 and 23.00 EUR as they are sold."""
    records = served.estate.records(tmp_path / "records", billing_contracts=CONTRACTS, subscriptions=SUBSCRIPTIONS)
    ready = estates.configure(context, served.url, records=records)
    lines = [daily("100.00"), daily("20.00", ProductId="P2")]
    served.estate.invoice("G1", [usage("100.00"), usage("20.00", ProductId="P2")], lines)
    syncing.sync_daily(ready, provider_name=estates.PROVIDER, with_estimate=False)
    return ready


@dataclass(frozen=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def asked(w365: Command, configured: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line inside this process, which is quicker than a process for each."""
    for name, value in w365.environment.items():
        monkeypatch.setenv(name, value)

    def ask(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["w365core", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Said(ended.value.code or 0, *capsys.readouterr())

    return ask


def linked(context: Context) -> list[tuple]:
    with context.engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(text("select invoice_number, invoice_line from usage_summary order by invoice_line"))
        ]


def test_the_command_line_bills_moves_on_and_takes_back(asked: Callable[..., Said]) -> None:
    would = asked("bill", "--period", "2026-11", "--dry-run", "--json")
    assert would.returncode == 0 and [row["total"] for row in json.loads(would.stdout)] == ["138.00"]
    done = asked("bill", "--period", "2026-11", "--json")
    assert done.returncode == 0 and done.stderr == ""
    (row,) = json.loads(done.stdout)
    named = ("invoice_number", "contract_id", "cycle_start", "cycle_end", "currency", "total", "lines", "invoice_date")
    assert {name: row[name] for name in named} == {
        "invoice_number": NUMBER, "contract_id": "BC-1", "cycle_start": "2026-10-01", "cycle_end": "2026-10-31", "currency": "EUR", "total": "138.00",
        "lines": 2, "invoice_date": "2026-11-30",
    }  # fmt: skip
    again = asked("bill", "--period", "2026-11", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, [])
    assert {row["invoice_number"] for row in json.loads(asked("lines", "--invoice", "G1", "--json").stdout)["usage"]} == {NUMBER}
    assert asked("delete", "--invoice", "G1").returncode == 2
    freed = asked("unbill", "--invoice-number", NUMBER, "--json")
    assert freed.returncode == 0 and json.loads(freed.stdout)["summaries"] == 2
    assert asked("bill", "--period", "2026-11", "--contract", "BC-1").returncode == 0
    moved = asked("mark", "--invoice-number", NUMBER, "--status", "Billed", "--json")
    assert moved.returncode == 0 and json.loads(moved.stdout)["before"] == "Draft"
    refused = asked("unbill", "--invoice-number", NUMBER)
    assert refused.returncode == 2 and "Credit it instead" in refused.stderr
    assert asked("mark", "--invoice-number", NUMBER, "--status", "Draft").returncode == 2
    assert asked("bill", "--period", "2026-11", "--contract", "BC-1", "--regenerate").returncode == 2
    assert asked("bill", "--period", "november").returncode == 2
    nothing = asked("bill", "--period", "2026-03", "--json")
    assert (nothing.returncode, nothing.stdout.strip()) == (0, "[]")


def test_a_draft_is_made_again_on_the_command_line_and_what_is_held_back_is_said_there(
    asked: Callable[..., Said], configured: Context, served: Served
) -> None:
    asked("bill", "--period", "2026-11")
    served.estate.invoice("G2", [usage("50.00")], [daily("50.00")])
    syncing.sync_daily(configured, provider_name=estates.PROVIDER, with_estimate=False)
    late = asked("bill", "--period", "2026-11", "--json")
    assert (late.returncode, json.loads(late.stdout)) == (1, []) and "is a Draft, and 57.50 EUR of usage has come" in late.stderr
    assert asked("bill", "--period", "2026-11", "--regenerate").returncode == 2
    again = asked("bill", "--period", "2026-11", "--contract", "BC-1", "--regenerate", "--json")
    assert again.returncode == 0 and [row["total"] for row in json.loads(again.stdout)] == ["195.50"]


def test_billing_is_replayed_from_what_landed(configured: Context) -> None:
    how = {"actor": "ana", "now": configured.now, "landing": configured.landing}
    period = invoicing.Period.month("2026-11")
    same = lambda: rebuilding.rebuild(configured, check=True).findings  # noqa: E731
    invoicing.bill(configured.engine, period, **how)
    assert same() == ()
    remaking.regenerate(configured.engine, NUMBER, **how)
    assert same() == ()
    invoicing.unbill(configured.engine, NUMBER, **how)
    assert same() == ()
    invoicing.bill(configured.engine, period, **how)
    invoicing.mark(configured.engine, NUMBER, "Billed", actor="ana", now=configured.now)
    assert same() == ()
    before = linked(configured)
    assert [number for number, _ in before] == [NUMBER, NUMBER]
    with configured.engine.begin() as connection:
        for name in store_rebuilding.LEDGER:
            connection.execute(text(f"drop table {name}"))
    assert rebuilding.rebuild(configured, check=False).replaced
    assert linked(configured) == before


def test_usage_of_a_provider_invoice_that_was_deleted_since_is_left_out_of_the_replay(
    configured: Context, asked: Callable[..., Said]
) -> None:
    how = {"actor": "ana", "now": configured.now, "landing": configured.landing}
    invoicing.bill(configured.engine, invoicing.Period.month("2026-11"), **how)
    invoicing.unbill(configured.engine, NUMBER, **how)
    assert asked("delete", "--invoice", "G1").returncode == 0
    assert rebuilding.rebuild(configured, check=True).findings == ()


# --- handed over -------------------------------------------------------------------------------------------------------------------------


def our_records(context: Context) -> dict[str, list[tuple]]:
    with context.engine.connect() as connection:
        return {
            file: [
                tuple(row)
                for row in connection.execute(text(f"select {', '.join(c.name for c in told.columns)} from {told.table} order by 1, 2"))
            ]
            for file, told in RECORD_FILES.items()
        }


def test_what_was_made_is_handed_over_in_the_shape_of_our_records_and_loading_it_changes_nothing(
    configured: Context, asked: Callable[..., Said], tmp_path: Path
) -> None:
    assert asked("bill", "--period", "2026-11").returncode == 0
    out = tmp_path / "out"
    done = asked("export-records", out, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["files"] == {
        "provider_accounts.csv": 2, "subscription_aliases.csv": 0, "license_change_logs.csv": 0, "invoices.csv": 1, "invoice_lines.csv": 2,
    }  # fmt: skip
    (invoice,) = csv.DictReader((out / "invoices.csv").open(newline=""))
    assert (invoice["invoice_number"], invoice["status"], invoice["cycle_end"]) == (NUMBER, "Draft", "2026-10-31")
    lines = list(csv.DictReader((out / "invoice_lines.csv").open(newline="")))
    assert sum(Decimal(line["amount"]) for line in lines) == 138
    assert (out / "license_change_logs.csv").read_text().startswith("change_log_id,subscription_id,event,")
    before = our_records(configured)
    loaded = json.loads(asked("load", out, "--json").stdout)["files"]
    assert all((counts["inserted"], counts["updated"]) == (0, 0) for counts in loaded.values())
    assert our_records(configured) == before
    assert asked("mark", "--invoice-number", NUMBER, "--status", "Billed").returncode == 0
    asked("load", out)  # of before it was marked: what a person did since stays
    assert {row[0]: row[-1] for row in our_records(configured)["invoices.csv"]} == {NUMBER: "Billed"}


def test_an_empty_database_takes_what_was_handed_over(configured: Context, tmp_path: Path, template: str) -> None:
    invoicing.bill(configured.engine, invoicing.Period.month("2026-11"), actor="ana", now=configured.now, landing=configured.landing)
    handing_over.export_records(configured.engine, tmp_path / "out")
    with postgres.fresh_database(template) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            loading.load(connection, tmp_path / "out")
        with engine.connect() as connection:
            assert connection.execute(text("select sum(amount) from customer_invoice_line")).scalar_one() == 138
        engine.dispose()


def test_a_folder_with_something_in_it_is_left_alone_unless_one_insists(asked: Callable[..., Said], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "theirs.txt").write_text("ours")
    refused = asked("export-records", out)
    assert refused.returncode == 2 and "is not empty, and nothing was written" in refused.stderr
    assert [path.name for path in out.iterdir()] == ["theirs.txt"]
    assert asked("export-records", out, "--force").returncode == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(["theirs.txt", *records_made.FILES])
    assert asked("export-records", out / "theirs.txt").returncode == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


# --- the past ------------------------------------------------------------------------------------------------------------------------------


def past(folder: Path, amount: str) -> Path:
    """Records of a Paid invoice of October with one line."""
    records = folder / "past"
    records.mkdir()
    (records / "invoices.csv").write_text(
        "invoice_number,contract_id,account_id,invoice_date,cycle_start,cycle_end,currency,status\n"
        "OLD-1,BC-1,A-1,2026-11-05,2026-10-01,2026-10-31,EUR,Paid\n"
    )
    (records / "invoice_lines.csv").write_text(f"invoice_number,line_number,subscription_id,amount\nOLD-1,1,U-1,{amount}\n")
    return records


def test_past_invoices_are_settled_by_a_command_that_says_before_what_it_would_do(
    asked: Callable[..., Said], configured: Context, tmp_path: Path
) -> None:
    assert asked("load", past(tmp_path, "138.00")).returncode == 0
    would = json.loads(asked("settle-past-usage", "--dry-run", "--json").stdout)
    assert would == {"summaries": 2, "invoices": 1, "amounts": {"EUR": "138.00"}, "dry_run": True, "near_misses": []}
    assert linked(configured) == [(None, None), (None, None)]
    assert asked("settle-past-usage").stdout.startswith("2 usage summaries are marked as billed on 1 invoices: 138.00 EUR")
    assert linked(configured) == [("OLD-1", None), ("OLD-1", None)]
    assert asked("settle-past-usage").stdout.startswith("Nothing to settle")
    assert rebuilding.rebuild(configured, check=True).findings == ()


def test_a_past_invoice_of_another_amount_settles_nothing_and_is_named(
    asked: Callable[..., Said], configured: Context, tmp_path: Path
) -> None:
    assert asked("load", past(tmp_path, "137.00")).returncode == 0
    done = asked("settle-past-usage")
    assert done.stdout.startswith("Nothing to settle") and linked(configured) == [(None, None), (None, None)]
    assert "usage of U-1 up to 2026-10-31 sells for 138.00 EUR, and invoice OLD-1 of contract BC-1 says 137.00 EUR" in done.stderr


def test_a_draft_takes_the_markups_of_today_by_the_command_where_that_is_asked(asked: Callable[..., Said], configured: Context) -> None:
    assert asked("bill", "--period", "2026-11").returncode == 0
    with configured.engine.begin() as connection:
        connection.execute(text("update subscription set markup_pct = 30 where subscription_id = 'U-1'"))
    again = ("bill", "--period", "2026-11", "--contract", "BC-1", "--regenerate", "--json")
    assert [draft["total"] for draft in json.loads(asked(*again).stdout)] == ["138.00"]
    assert [draft["total"] for draft in json.loads(asked(*again, "--take-markups").stdout)] == ["156.00"]
    assert asked("bill", "--period", "2026-11", "--take-markups").returncode == 2


def test_a_markup_that_was_forgotten_is_put_right_on_the_draft_and_a_rebuild_does_it_again(
    asked: Callable[..., Said], configured: Context
) -> None:
    assert asked("bill", "--period", "2026-11").returncode == 0
    with configured.engine.begin() as connection:
        connection.execute(text("update subscription set markup_pct = 30 where subscription_id = 'U-1'"))
    how = {"actor": "ana", "now": configured.now, "landing": configured.landing}
    assert remaking.regenerate(configured.engine, NUMBER, take_markups=True, **how).total == Decimal("156.00")
    with configured.engine.connect() as connection:
        row = connection.execute(text("select source, rows, actor from usage_correction")).one()
    assert tuple(row) == ("rule", 2, "ana") and linked(configured) == [(NUMBER, 1), (NUMBER, 2)]
    assert not rebuilding.rebuild(configured, check=True).findings


def test_the_story_of_the_seeds_a_blank_markup_is_filled_by_file_the_invoice_deleted_and_made_again(
    asked: Callable[..., Said], configured: Context, tmp_path: Path
) -> None:
    assert asked("bill", "--period", "2026-11").returncode == 0
    file, edited = tmp_path / "usage.csv", tmp_path / "edited.csv"
    assert asked("markup", "export", "--invoice", "G1", "--out", file).returncode == 0
    rows = list(csv.reader(file.read_text("utf-8-sig").splitlines()))
    place = rows[0].index("markup_pct")
    with edited.open("w", newline="") as out:
        csv.writer(out).writerows([rows[0], *([*row[:place], "25", *row[place + 1 :]] for row in rows[1:])])
    refused = asked("markup", "import", edited)
    assert refused.returncode == 2 and NUMBER in refused.stdout + refused.stderr  # the invoice to delete is named
    assert asked("unbill", "--invoice-number", NUMBER).returncode == 0
    preview = json.loads(asked("markup", "preview", edited, "--json").stdout)
    changed = json.loads(asked("markup", "import", edited, "--json").stdout)
    assert {name: changed[name] for name in preview} == preview and changed["correction_id"]
    assert (preview["changed"], preview["amount_before"], preview["amount_after"]) == (2, "138.00", "150.00")
    (made,) = json.loads(asked("bill", "--period", "2026-11", "--json").stdout)
    assert (made["invoice_number"], made["total"], made["lines"]) == (NUMBER, "150.00", 2)
    assert asked("markup", "undo", str(changed["correction_id"])).returncode == 2  # billed since
    assert not rebuilding.rebuild(configured, check=True).findings
