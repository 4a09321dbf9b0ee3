"""Two people act on one invoice at the same moment: one wins, the other is told what changed and by whom. Over connections and processes of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tests import estates
from tests.conftest import ROOT, Command
from tests.estates import Estate, Served, daily, seat, usage
from w365core.errors import CallRefused
from w365core.jobs import deciding, filing, syncing, taking
from w365core.jobs.context import Context
from w365core.model import Seen
from w365core.store import audit, ledger
from w365core.store.tables import provider_invoice

PATIENCE = 90.0
BLOCKED = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


@contextmanager
def held(engine: Engine, *, waiting: int) -> Iterator[None]:
    """The invoice is in somebody's hands until so many wait for it: all of them have seen it as it is, and go on at once."""
    with engine.connect() as holder, engine.connect() as watcher:
        holder.execute(select(provider_invoice).with_for_update())
        yield
        deadline = time.monotonic() + PATIENCE
        while watcher.execute(text(BLOCKED)).scalar_one() < waiting:
            watcher.rollback()  # within one transaction the answer never changes
            assert time.monotonic() < deadline, "they do not meet"
            time.sleep(0.02)
        holder.rollback()


def both(context: Context, *actions: Callable[[Context], object]) -> list[str]:
    """Ann and Bob do these at once, each on connections of their own; what each was told, blank for the one who won."""
    told: dict[int, str] = {}

    def act(place: int, action: Callable[[Context], object]) -> None:
        try:
            action(replace(context, actor=("ann", "bob")[place]))
            told[place] = ""
        except CallRefused as refusal:
            told[place] = str(refusal)

    threads = [threading.Thread(target=act, args=(place, action)) for place, action in enumerate(actions)]
    with held(context.engine, waiting=2):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    with context.engine.connect() as connection:
        assert audit.first_broken(connection) is None
    return [told[0], told[1]]


def stored(context: Context):
    return ledger.named(context.engine, provider_name=None, invoice_number="G1")


def deciding_on(context: Context, action: str) -> Callable[[Context], object]:
    found = stored(context)
    seen = Seen(found.status_reason, found.version, found.import_run_id)

    def act(mine: Context) -> None:
        decide = getattr(deciding, action)
        decide(mine.engine, provider_invoice_id=found.provider_invoice_id, seen=seen, actor=mine.actor, now=mine.now)

    return act


def sync(context: Context) -> None:
    syncing.sync_invoice(context, provider_name=None, invoice_number="G1", override=None)


def take(context: Context) -> None:
    taking.take_new_version(context, provider_name=None, invoice_number="G1")


def one_won(told: list[str]) -> str:
    """What the one was told who lost; it names the other."""
    assert sorted(map(bool, told)) == [False, True], told
    (said,) = filter(None, told)
    winner = ("ann", "bob")[told.index("")]
    assert f"by {winner}, 2026-11-12 06:00 UTC" in said
    return said


def test_of_a_deactivation_and_a_deletion_at_once_one_is_done(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    sync(configured)
    told = both(configured, deciding_on(configured, "deactivate"), deciding_on(configured, "delete"))
    said = one_won(told)
    if told[0]:
        assert "not here any more" in said and "delete provider invoice" in said
    else:
        assert "has changed since you looked at it: deactivate provider invoice" in said
        assert stored(configured).status_reason == "Deactivated"


def test_of_two_activations_at_once_one_is_done_and_told_once_in_the_log(configured: Context, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(
        "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
        f"{estates.CONTOSO},{estates.SEATS},CFQ7,new,2026-10-01,2026-10-31,1,1,1,0,1,EUR\n"
    )
    records = served.estate.records(tmp_path / "records")
    for name, more in (
        ("provider_accounts.csv", f"distributor,{estates.CONTOSO},A-1\n"),
        ("subscriptions.csv", f"S-9,distributor,{estates.SEATS},A-1,CFQ7,License,\n"),
    ):
        (records / name).write_text((records / name).read_text() + more)
    estates.configure(configured, served.url, records=records)
    filing.import_by_hand(configured, [path], filing.Claimed("distributor", "G1", None, "EUR", None, None, None, False))
    said = one_won(both(configured, deciding_on(configured, "activate"), deciding_on(configured, "activate")))
    assert "activate provider invoice" in said
    with configured.engine.connect() as connection:
        assert connection.execute(text("select count(*) from audit_log where action = 'activate provider invoice'")).scalar_one() == 1


def test_of_a_new_version_and_a_deactivation_at_once_one_is_done(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("1.00")])
    sync(configured)
    served.estate.invoice("G1", [seat("2.00")])
    assert syncing.sync_daily(configured, provider_name=estates.PROVIDER, with_estimate=False).changed == ["G1"]
    told = both(configured, take, deciding_on(configured, "deactivate"))
    one_won(told)
    assert stored(configured).status_reason == ("Deactivated" if told[0] else "Active")


def test_of_a_sync_and_a_deletion_at_once_one_is_done_and_no_half_of_either(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("1.00"), usage("2.00")], [daily("2.00")], total="99.00")
    sync(configured)
    served.estate.invoice("G1", [seat("1.00"), usage("2.00")], [daily("2.00")])
    told = both(configured, sync, deciding_on(configured, "delete"))
    assert sorted(map(bool, told)) == [False, True], told
    if told[1]:
        assert "while it is being imported" in told[1] or "has changed since" in told[1]
        assert stored(configured).status_reason == "Active" and estates.children(configured.engine) == (2, 1, 1)
    else:
        assert "not here any more: delete provider invoice by bob" in told[0]
        assert estates.children(configured.engine) == (0, 0, 0)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


@pytest.mark.parametrize("actions", [("deactivate", "delete"), ("deactivate", "deactivate"), ("delete", "delete")])
def test_of_two_commands_at_once_one_is_done_and_the_other_says_by_whom(
    configured: Context, served: Served, w365: Command, actions: tuple[str, str]
) -> None:
    served.estate.invoice("G1", [seat()])
    sync(configured)
    with held(configured.engine, waiting=2):
        racing = [
            subprocess.Popen(
                [sys.executable, "-m", "w365core", action, "--invoice", "G1"],
                cwd=ROOT,
                env=w365.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            for action in actions
        ]
    said = [process.communicate(timeout=180)[1] for process in racing]
    assert sorted(process.returncode for process in racing) == [0, 2], said
    (refusal,) = [errors for process, errors in zip(racing, said, strict=True) if process.returncode]
    assert " provider invoice by " in refusal and "2026-11-12 06:00 UTC" in refusal
    assert estates.children(configured.engine)[0] in (0, 1)
