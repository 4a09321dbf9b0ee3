"""Is the ledger that is made again from landing the one that was lost, to the last digit and without the network?"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tests import estates
from tests.conftest import Command
from tests.estates import Estate, Served, daily, seat, usage
from w365core.errors import AlreadyRunning, CallRefused, ConfigurationMissing
from w365core.intake import checksum
from w365core.jobs import filing, ordering, rebuilding, syncing
from w365core.jobs.context import Context
from w365core.model import InvoiceHeader
from w365core.store import audit, engine as store_engine, ledger, rebuilding as beside, transitions
from w365core.store.rebuilding import LEDGER, Digest
from w365core.store.tables import audit_log, import_run, provider_invoice, usage_summary


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=our_records(served, tmp_path, markup="15"))


def our_records(served: Served, tmp_path: Path, *, markup: str) -> Path:
    """The estate's records with this markup, and what resolves a distributor's plain file."""
    records = served.estate.records(tmp_path / "records")
    for name, more in (
        ("provider_accounts.csv", f"distributor,{estates.CONTOSO},A-1\n"),
        ("subscriptions.csv", "S-9,distributor,M-1,A-1,CFQ7,License,\n"),
    ):
        path = records / name
        path.write_text(path.read_text().replace("Usage,15", f"Usage,{markup}") + more)
    return records


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on a connection to anything but a socket on this disk is an error."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        assert self.family == socket.AF_UNIX, f"somebody asked the network: {address}"
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def sync(context: Context, number: str, override: str | None = None) -> str:
    told = syncing.sync_invoice(
        context, provider_name=estates.PROVIDER, invoice_number=number, override=None if override is None else Decimal(override)
    )
    return told.outcomes[0].status


def filed(context: Context, path: Path, number: str, *, activate: bool = False, total: str | None = None) -> str:
    claimed = filing.Claimed("distributor", number, None if total is None else Decimal(total), "EUR", None, None, None, activate)
    return filing.import_by_hand(context, [path], claimed).outcome.status


def do(context: Context, action: str, number: str, **why: str) -> None:
    found = ledger.named(context.engine, provider_name=None, invoice_number=number)
    with context.engine.begin() as connection:
        getattr(transitions, action)(connection, provider_invoice_id=found.provider_invoice_id, who=context.who, **why)


def digests(context: Context) -> dict[str, Digest | None]:
    with context.engine.connect() as connection:
        return beside.digests(connection)


def lose(context: Context) -> None:
    """The ledger is gone: every table of it, with its stages."""
    with context.engine.begin() as connection:
        connection.execute(text(f"drop table {', '.join(LEDGER)}"))
        staged = connection.execute(text("select relname from pg_class where relname ~ '_line_r[0-9]+$' and relkind = 'r'")).scalars()
        for name in staged.all():
            connection.execute(text(f"drop table {name}"))


def rebuild(context: Context, *, check: bool = False) -> rebuilding.Rebuilt:
    return rebuilding.rebuild(context, check=check)


def plain_file(folder: Path, name: str, subtotal: str) -> Path:
    path = folder / name
    path.write_text(
        "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
        f"{estates.CONTOSO},M-1,CFQ7,new,2026-10-01,2026-10-31,1,{subtotal},{subtotal},0,{subtotal},EUR\n"
    )
    return path


def a_past(context: Context, served: Served, tmp_path: Path) -> None:
    """One invoice of every fate: Active, in Error with its preview, re-versioned, deleted, failed at the provider, by hand, changed since."""
    estate = served.estate
    estates.two_invoices_worth(estate, "ACTIVE")
    estate.invoice("ERROR", [seat("10.00"), seat("5.00", SubscriptionId="nobody-knows"), usage("3.00")], [daily("3.00")])
    estate.invoice("AGAIN", [seat("1.00"), usage("7.00")], [daily("7.00")])
    estate.invoice("DELETED", [seat("2.00")])
    estate.invoice("DOWN", [seat("4.00")])
    estate.invoice("CHANGED", [seat("6.00")])
    estate.invoice("BEYOND", [seat("8.00")], total="9.00")
    for number, status in (
        ("ACTIVE", "Active/Active"),
        ("ERROR", "Inactive/Error"),
        ("AGAIN", "Active/Active"),
        ("DELETED", "Active/Active"),
    ):
        assert sync(context, number) == status
    assert sync(context, "BEYOND", override="1") == "Active/Active"
    do(context, "delete", "DELETED")
    served.faults.replace(["missing-blob"])
    assert sync(context, "DOWN") == "Inactive/Error"
    served.faults.replace([])
    context = context.at(context.now + timedelta(hours=30, microseconds=7))
    do(context, "deactivate", "AGAIN", reason="wrong month")
    sell_for(context, served, tmp_path, "15")
    estate.invoice("AGAIN", [seat("1.50"), usage("7.70")], [daily("7.70"), daily("0.00", day=2)])
    assert sync(context, "AGAIN") == "Active/Active"
    assert sync(context, "ERROR") == "Inactive/Error"
    assert filed(context, plain_file(tmp_path, "d-1.csv", "30.00"), "D-1") == "Active/Populating"
    assert filed(context, plain_file(tmp_path, "d-2.csv", "31.10"), "D-2", activate=True) == "Active/Active"
    assert filed(context, plain_file(tmp_path, "d-3.csv", "32.00"), "D-3", total="99.00") == "Inactive/Error"
    do(context, "activate", "D-1")
    assert sync(context, "CHANGED") == "Active/Active"
    aside = {number: estate.documents.pop(number) for number in ("DOWN", "DELETED", "ERROR")}  # which the daily job would import
    estate.invoice("CHANGED", [seat("6.60")])
    assert syncing.sync_daily(context, provider_name=estates.PROVIDER, with_estimate=False).changed == ["CHANGED"]
    estate.documents.update(aside)
    estate.invoice("DOWN", [seat("4.00")])
    sell_for(context, served, tmp_path, "40")  # today's markup; then it was 15


def sell_for(context: Context, served: Served, tmp_path: Path, markup: str) -> None:
    estates.configure(context, served.url, records=our_records(served, tmp_path, markup=markup))


def test_a_lost_ledger_comes_back_from_landing_alone_as_it_was(
    configured: Context, served: Served, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    a_past(configured, served, tmp_path)
    before = digests(configured)
    assert {name: before[name].rows for name in ("license_line", "usage_line", "staged license lines", "staged usage lines")} == {
        "license_line": 10, "usage_line": 6, "staged license lines": 4, "staged usage lines": 1,
    }  # fmt: skip
    assert before["missing_reference"].rows == 1
    lose(configured)
    request.getfixturevalue("offline")
    result = rebuild(configured)
    assert (result.findings, result.replaced, result.exit_code) == ((), True, 0)
    assert digests(configured) == before
    with configured.engine.connect() as connection:
        markups = connection.execute(select(usage_summary.c.markup_pct).distinct()).scalars().all()
        versions = dict(connection.execute(select(provider_invoice.c.invoice_number, provider_invoice.c.version)).all())
        assert audit.first_broken(connection) is None
        last = connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(1)).one()
    assert markups == [Decimal(15)]
    assert (versions["AGAIN"], versions["ACTIVE"], versions["ERROR"], "DELETED" in versions) == (2, 1, 0, False)
    assert (last.action, last.actor) == ("rebuild ledger", "tester")


def test_what_was_rebuilt_is_the_ledger_to_work_with(configured: Context, served: Served, tmp_path: Path) -> None:
    a_past(configured, served, tmp_path)
    lose(configured)
    assert rebuild(configured).replaced
    with configured.engine.connect() as connection:
        given = connection.execute(select(import_run.c.import_run_id)).scalars().all()
    do(configured, "deactivate", "ACTIVE")
    assert sync(configured, "ACTIVE") == "Active/Active"
    assert sync(configured, "DOWN") == "Active/Active"
    served.estate.invoice("ERROR", [seat("10.00")])
    assert sync(configured, "ERROR") == "Active/Active"
    assert sync(configured, "DELETED") == "Active/Active"
    with configured.engine.connect() as connection:
        assert not set(connection.execute(select(import_run.c.import_run_id)).scalars()) <= set(given)
        left = connection.execute(text("select count(*) from pg_namespace where nspname = 'w365_rebuild'")).scalar_one()
    assert left == 0
    assert rebuild(configured, check=True).findings == ()


def test_ids_of_deleted_invoices_are_not_given_again(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    sync(configured, "G1")
    gone = ledger.named(configured.engine, provider_name=None, invoice_number="G1")
    do(configured, "delete", "G1")
    lose(configured)
    assert rebuild(configured).replaced
    assert sync(configured, "G1") == "Active/Active"
    again = ledger.named(configured.engine, provider_name=None, invoice_number="G1")
    assert (again.provider_invoice_id, again.import_run_id) == (gone.provider_invoice_id + 1, gone.import_run_id + 1)


def test_a_check_finds_the_same_and_changes_nothing(configured: Context, served: Served, tmp_path: Path, request) -> None:
    a_past(configured, served, tmp_path)
    request.getfixturevalue("offline")
    before = digests(configured)
    result = rebuild(configured, check=True)
    assert (result.findings, result.replaced, result.exit_code) == ((), False, 0)
    assert all(one.same for one in result.tables)
    assert digests(configured) == before


@pytest.mark.parametrize(
    ("changed", "table"),
    [
        ("update license_line set subtotal = subtotal + 0.0001 where line_number = 1", "license_line"),
        ("update usage_line set billing_pre_tax_total = billing_pre_tax_total * 1.0", "usage_line"),  # the same number, another print
        ("delete from usage_summary", "usage_summary"),
        ("update provider_invoice set version = 7", "provider_invoice"),
        ("update import_run set status = 'abandoned'", "import_run"),
        ("delete from import_source where ordinal = 1", "import_source"),
        ("drop table missing_reference", "missing_reference"),
    ],
)
def test_a_check_names_the_table_that_somebody_changed_and_a_rebuild_mends_it(
    configured: Context, served: Served, changed: str, table: str
) -> None:
    estates.two_invoices_worth(served.estate)
    sync(configured, "G1")
    before = digests(configured)
    with configured.engine.begin() as connection:
        connection.execute(text(changed))
    result = rebuild(configured, check=True)
    assert [one.table for one in result.tables if not one.same] == [table]
    assert len(result.findings) == 1 and result.findings[0].startswith(table)
    assert result.exit_code == 1
    assert rebuild(configured).replaced
    assert digests(configured) == before


def test_a_decision_that_comes_out_otherwise_today_is_named_and_nothing_is_replaced(
    configured: Context, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.estate.invoice("G1", [seat("100.00")], total="100.03")
    sync(configured, "G1")
    before = digests(configured)
    strict = checksum.decide

    def today(claim, *rest, **more):
        return strict(replace(claim, tolerance=Decimal("0.01")), *rest, **more)

    monkeypatch.setattr(ordering, "decide", today)
    result = rebuild(configured)
    assert (result.replaced, result.exit_code) == (False, 1)
    assert any("status was Active and comes out as Error" in finding for finding in result.findings)
    assert all("csp G1" in finding for finding in result.findings)
    assert digests(configured) == before


def test_an_order_that_was_never_carried_out_counts_for_nothing(
    configured: Context, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    estates.two_invoices_worth(served.estate)
    carried_out = ordering.carry_out

    def dies(*_arguments, **_keywords) -> None:
        raise SystemExit("killed after the order landed")

    monkeypatch.setattr(ordering, "carry_out", dies)
    with pytest.raises(SystemExit):
        sync(configured, "G1")
    monkeypatch.setattr(ordering, "carry_out", carried_out)
    assert sync(configured, "G1") == "Active/Active"
    before = digests(configured)
    lose(configured)
    assert rebuild(configured).findings == ()
    assert digests(configured) == before
    with configured.engine.connect() as connection:
        assert connection.execute(select(import_run.c.status).order_by(import_run.c.import_run_id)).scalars().all() == ["abandoned", "done"]


def test_an_attempt_that_was_overtaken_before_it_was_swept_comes_back_too(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    header = InvoiceHeader("G1", configured.now.date(), "EUR", Decimal("1.00"))
    with configured.engine.begin() as connection:
        dead = ledger.begin(connection, provider="csp", header=header, source="synced", who=configured.who, sync_run_id=1, override=None)
    with configured.engine.begin() as connection:  # another process, past its sweep, begins and dies as well
        ledger.begin(connection, provider="csp", header=header, source="synced", who=configured.who, sync_run_id=2, override=None)
    assert sync(configured, "G1") == "Active/Active"
    before = digests(configured)
    assert before["import_run"].rows == 3
    lose(configured)
    assert rebuild(configured).findings == ()
    assert digests(configured) == before
    with configured.engine.connect() as connection:
        actions = connection.execute(select(audit_log.c.action).order_by(audit_log.c.audit_id)).scalars().all()
    assert actions == ["abandon import", "fail provider invoice", "import provider invoice", "rebuild ledger"]
    assert dead.import_run_id == 1


def test_a_damaged_order_or_file_is_named_and_nothing_is_replaced(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    sync(configured, "G1")
    before = digests(configured)
    with configured.engine.connect() as connection:
        kept = connection.execute(text("select purpose, fingerprint from landed_answer where purpose in ('import order', 'daily_rated')"))
        places = {purpose: configured.landing.path(fingerprint) for purpose, fingerprint in kept}
    for place in (places["import order"].with_suffix(".gz"), places["daily_rated"]):
        whole = place.read_bytes()
        place.write_bytes(whole[:-9] + b"x" + whole[-8:])
        with pytest.raises(ConfigurationMissing, match=f"{place.name}.* is missing or damaged"):
            rebuild(configured)
        place.write_bytes(whole)
    assert digests(configured) == before
    assert rebuild(configured, check=True).findings == ()


def test_an_invoice_from_before_orders_were_kept_is_refused_in_one_sentence(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    sync(configured, "G1")
    with configured.engine.begin() as connection:
        audit.append(
            connection, at=configured.now, actor="ann", action="import provider invoice", target_kind="provider invoice", target="csp G0",
            after={"state": "Active"},
        )  # fmt: skip
    with pytest.raises(CallRefused, match="csp G0 came in before import orders were kept"):
        rebuild(configured)
    with configured.engine.begin() as connection:  # deleted since, it is no hindrance
        audit.append(
            connection, at=configured.now, actor="ann", action="delete provider invoice", target_kind="provider invoice", target="csp G0"
        )
    assert rebuild(configured).replaced


def test_a_change_that_nobody_can_replay_is_refused(configured: Context) -> None:
    with configured.engine.begin() as connection:
        audit.append(connection, at=configured.now, actor="ann", action="correct markup", target_kind="usage", target="u-1")
    with pytest.raises(CallRefused, match="cannot replay .correct markup, u-1"):
        rebuild(configured)


def test_usage_that_is_billed_is_never_opened_again(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    sync(configured, "G1")
    with configured.engine.begin() as connection:
        connection.execute(text("update usage_summary set status = 'Invoiced', invoice_number = 'C-1'"))
    before = digests(configured)
    result = rebuild(configured)
    assert not result.replaced
    assert "1 usage summaries that are billed now" in result.findings[0]
    assert digests(configured) == before


def test_while_an_invoice_is_being_imported_or_another_rebuild_runs_it_is_refused(configured: Context, served: Served) -> None:
    header = InvoiceHeader("G1", configured.now.date(), "EUR", Decimal("1.00"))
    with configured.engine.begin() as connection:
        ledger.begin(connection, provider="csp", header=header, source="synced", who=configured.who, sync_run_id=1, override=None)
    with configured.engine.connect() as importing:
        assert store_engine.lock(importing, *ledger.lock_names("csp", "G1"))
        importing.commit()
        with pytest.raises(AlreadyRunning, match="being imported right now"):
            rebuild(configured)
    with beside.alone(configured.engine), pytest.raises(AlreadyRunning, match="being rebuilt by somebody else"):
        rebuild(configured)
    assert rebuild(configured).replaced  # the dead import is swept first


def test_the_command_compares_and_rebuilds(w365: Command, engine: Engine) -> None:
    checked = w365("rebuild", "--check", "--json")
    told = json.loads(checked.stdout)
    assert (checked.returncode, told["replaced"], told["findings"], told["events"]) == (0, False, [], 0)
    assert {one["table"] for one in told["tables"]} == {*LEDGER, *beside.STAGED}
    with engine.begin() as connection:
        connection.execute(text("drop table missing_reference"))
    checked = w365("rebuild", "--check")
    assert "missing_reference: 0 rows, missing from what is in use" in checked.stdout and "different" not in checked.stdout
    assert "missing_reference is missing; 0 rows of it landed" in checked.stdout and checked.returncode == 1
    done = w365("rebuild")
    assert done.returncode == 0, done.stderr
    assert "took the place of the one in use" in done.stdout
