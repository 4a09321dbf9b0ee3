"""Do deleted invoices come back as long as they should, is what holds an invoice said to the last one, and is a new version taken whole?"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import billed_usage, estates
from tests.conftest import Command
from tests.estates import Estate, Served, daily, seat, usage
from w365core.errors import CallRefused, ProviderError, UsageInvoiced
from w365core.jobs import filing, rebuilding, syncing, taking
from w365core.jobs.context import Context
from w365core.reports import children as report, retrying
from w365core.store import audit, billed, ledger, orders, past_billing, queries, transitions
from w365core.store.tables import audit_log, provider_invoice, usage_summary

DAY = timedelta(days=1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


@pytest.fixture
def asked(w365: Command, served: Served, configured: Context) -> Command:
    """The command line on the same installation."""
    return Command({**w365.environment, "W365_SECRET_CSP": estates.SECRET})


def daily_job(context: Context, days: int = 0) -> syncing.SyncResult:
    return syncing.sync_daily(context.at(context.now + days * DAY), provider_name=estates.PROVIDER, with_estimate=False)


def by_hand(context: Context, number: str = "G1") -> str:
    return syncing.sync_invoice(context, provider_name=None, invoice_number=number, override=None).outcomes[0].status


def stored(context: Context, number: str = "G1"):
    return ledger.named(context.engine, provider_name=None, invoice_number=number)


def do(context: Context, action: str, number: str = "G1", **more) -> None:
    with context.engine.begin() as connection:
        getattr(transitions, action)(connection, provider_invoice_id=stored(context, number).provider_invoice_id, who=context.who, **more)


def unlinked(context: Context, *numbers: str, reason: str = "billed by mistake", of: str = "G1") -> list[billed.Child]:
    with context.engine.begin() as connection:
        told = {"customer_invoices": numbers, "reason": reason, "who": context.who}
        return billed.unlink(connection, provider_invoice_id=stored(context, of).provider_invoice_id, **told)


def summaries(context: Context) -> dict[str, tuple]:
    """usage id -> (status, customer invoice, version)."""
    with context.engine.connect() as connection:
        rows = connection.execute(
            select(usage_summary.c.usage_id, usage_summary.c.status, usage_summary.c.invoice_number, usage_summary.c.version)
        )
        return {row.usage_id: (row.status, row.invoice_number, row.version) for row in rows}


# --- deleted, and back -------------------------------------------------------------------------------------------------------------------


def test_a_deleted_invoice_comes_back_while_it_is_listed_and_inside_its_window_also_where_it_is_not_of_the_latest_month(
    configured: Context, served: Served
) -> None:
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    first_seen = stored(configured).first_seen_at
    served.estate.invoice("G2", [seat("2.00")], dated="2026-12-01")
    do(configured, "delete")
    assert ("G1", "Active/Active") in [(one.invoice, one.status) for one in daily_job(configured, 15).outcomes]
    assert stored(configured).first_seen_at == first_seen


def test_a_deleted_invoice_is_left_to_a_person_after_its_fifteenth_day_however_late_it_was_deleted(
    configured: Context, served: Served
) -> None:
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    first_seen = stored(configured).first_seen_at
    for days in (1, 9):  # deleted twice, and the days go on from the first sight
        do(configured.at(configured.now + days * DAY), "delete")
        assert [one.invoice for one in daily_job(configured, days).outcomes] == ["G1"]
    do(configured.at(configured.now + 14 * DAY), "delete")
    late = daily_job(configured, 16)
    assert (late.outcomes, late.skipped, late.exit_code) == ([], ["G1"], 0)
    assert late.notes == ["G1 was deleted here and was left alone: its retry window closed on 2026-11-27. Sync it by hand to have it."]
    assert by_hand(configured.at(configured.now + 16 * DAY)) == "Active/Active"
    assert stored(configured).first_seen_at == first_seen


@pytest.mark.parametrize("fault_between", [None, "wrong-count"])
def test_a_deleted_invoice_is_downloaded_again_whatever_its_attempts_had_read(
    configured: Context, served: Served, fault_between: str | None
) -> None:
    served.estate.invoice("G1", [seat("60.00"), seat("40.00")])
    served.faults.replace(["damaged:last-line@blob"])
    assert [one.failure for one in daily_job(configured).outcomes] == ["checksum_failed"]
    if fault_between:
        served.faults.replace([fault_between])
        assert [one.failure for one in daily_job(configured, 1).outcomes] == ["provider_error"]
    do(configured.at(configured.now + 2 * DAY), "delete")
    served.faults.replace([])
    assert [one.status for one in daily_job(configured, 3).outcomes] == ["Active/Active"]
    assert rebuilding.rebuild(configured, check=True).findings == ()


def test_what_has_landed_since_the_deletion_is_read_and_nothing_older(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    do(configured.at(configured.now + DAY), "delete")
    served.faults.replace(["500@blob"])
    assert [one.failure for one in daily_job(configured, 2).outcomes] == ["provider_error"]
    served.faults.replace([])
    assert [one.status for one in daily_job(configured, 3).outcomes] == ["Active/Active"]
    do(configured, "deactivate")
    served.faults.replace(["500@blob"])
    assert by_hand(configured.at(configured.now + 4 * DAY)) == "Active/Active"


def test_a_deactivated_invoice_waits_for_a_person(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    do(configured, "deactivate")
    assert daily_job(configured, 1).outcomes == [] and stored(configured).status_reason == "Deactivated"
    assert by_hand(configured) == "Active/Active"


def test_an_invoice_that_is_listed_no_more_stays_deleted(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    served.estate.invoice("G2", [seat("2.00")])
    daily_job(configured)
    do(configured, "delete")
    del served.estate.documents["G1"]
    served.estate.invoice("G2", [seat("2.00")])
    assert daily_job(configured, 1).outcomes == []


def test_a_rebuild_gives_an_invoice_that_came_back_its_first_sight_again(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    first_seen = stored(configured).first_seen_at
    do(configured, "delete")
    daily_job(configured, 3)
    assert rebuilding.rebuild(configured, check=True).findings == ()
    with configured.engine.begin() as connection:
        connection.execute(provider_invoice.update().values(first_seen_at=configured.now + 3 * DAY))
    assert rebuilding.rebuild(configured, check=False).replaced
    assert stored(configured).first_seen_at == first_seen


def test_deleting_our_invoice_asks_nothing_of_the_provider(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    with configured.engine.connect() as connection:
        heard = connection.execute(text("select count(*) from landed_answer")).scalar_one()
    do(configured, "delete")
    with configured.engine.connect() as connection:
        assert connection.execute(text("select count(*) from landed_answer")).scalar_one() == heard
    assert json.loads((served.estate.folder / "partner_center" / "invoices.json").read_text())[0]["id"] == "G1"


@pytest.mark.parametrize(("days", "left"), [(0, 15), (14, 1), (15, 0), (16, None)])
def test_the_days_of_retries_are_counted_down_and_the_message_says_when_they_are_over(
    context: Context, served: Served, tmp_path: Path, days: int, left: int | None
) -> None:
    unmapped = served.estate.records(tmp_path / "records", provider_accounts=estates.without_customer(estates.CONTOSO))
    configured = estates.configure(context, served.url, records=unmapped)
    served.estate.invoice("G1", [seat()])
    daily_job(configured)
    with configured.engine.connect() as connection:
        (row,) = queries.provider_invoices(connection)
    told = {**row, **retrying.fields(row, now=configured.now + days * DAY)}
    assert (str(told["retry_until"]), told["retry_days_left"]) == ("2026-11-27", left)
    assert ("retry window closed" in told["message"]) == (left is None)
    assert "retry window closed" not in row["message"]


def test_invoices_that_are_not_tried_again_by_themselves_have_no_countdown(configured: Context, served: Served, asked: Command) -> None:
    served.estate.invoice("G1", [seat()])
    served.estate.invoice("G2", [seat(SubscriptionId="nobody-knows")])
    daily_job(configured)
    told = {row["invoice"]: (row["retry_until"], row["retry_days_left"]) for row in json.loads(asked("invoices", "--json").stdout)}
    assert told == {"G1": (None, None), "G2": ("2026-11-27", 15)}


# --- what holds it, and taking it off ----------------------------------------------------------------------------------------------------


def held(configured: Context, served: Served, *, products: int = 3) -> list[str]:
    """G1 with some usage summaries, none of them billed yet; their ids."""
    lines = [daily(f"{number}0.00", ProductId=f"P{number}") for number in range(1, products + 1)]
    served.estate.invoice("G1", [usage(f"{number}0.00", ProductId=f"P{number}") for number in range(1, products + 1)], lines)
    daily_job(configured)
    return sorted(summaries(configured))


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_deactivate_and_delete_are_refused_while_usage_is_invoiced_and_list_exactly_which(
    configured: Context, served: Served, action: str
) -> None:
    ids = held(configured, served, products=8)
    for place, usage_id in enumerate(ids[:7]):
        status = ("Draft", "Billed", "Paid")[place % 3]
        billed_usage.bill(
            configured.engine, "G1", on=f"U-{place}", status=status, usage_ids=[usage_id], account_id="A-2" if place else "A-1"
        )
    with pytest.raises(UsageInvoiced) as refused:
        do(configured, action)
    said = str(refused.value)
    assert f"cannot be {'deactivated' if action == 'deactivate' else 'deleted'}" in said and "7 customer invoices" in said
    assert said.count("usage summary,") == 5 and " and 2 more" in said
    assert sorted(child["customer_invoice"] for child in refused.value.children) == [f"U-{place}" for place in range(7)]
    first = next(child for child in refused.value.children if child["customer_invoice"] == "U-0")
    assert (first["status"], first["account_name"], first["summaries"]) == ("Draft", "Contoso", 1)
    assert (stored(configured).status_reason, len(summaries(configured))) == ("Active", 8)


def test_the_command_line_lists_what_holds_an_invoice_takes_it_off_and_lets_it_be_deactivated(
    configured: Context, served: Served, asked: Command
) -> None:
    first, second, _ = held(configured, served)
    billed_usage.bill(configured.engine, "G1", on="U-1", status="Draft", usage_ids=[first])
    billed_usage.bill(configured.engine, "G1", on="U-2", status="Paid", usage_ids=[second])
    refused = asked("deactivate", "--invoice", "G1", "--json")
    assert refused.returncode == 2
    assert {child["customer_invoice"] for child in json.loads(refused.stdout)["children"]} == {"U-1", "U-2"}
    listed = {row["customer_invoice"]: row for row in json.loads(asked("children", "--invoice", "G1", "--json").stdout)}
    assert set(listed) == {"U-1", "U-2"} and listed["U-1"]["customer"] == "Contoso"
    assert "delete U-1 and generate it again" in listed["U-1"]["consequence"] and "credit that" in listed["U-2"]["consequence"]
    assert asked("unlink", "--invoice", "G1", "--reason", "  ").returncode == 2
    assert asked("unlink", "--invoice", "G1", "--customer-invoice", "U-9", "--reason", "wrong").returncode == 2
    one = asked("unlink", "--invoice", "G1", "--customer-invoice", "u-1", "--reason", "wrong month")
    assert one.returncode == 0 and "billable again" in one.stdout and "generate it again" in one.stdout
    assert asked("deactivate", "--invoice", "G1").returncode == 2
    rest = json.loads(asked("unlink", "--invoice", "G1", "--reason", "credited with C-1", "--json").stdout)
    assert [child["customer_invoice"] for child in rest["unlinked"]] == ["U-2"]
    assert asked("deactivate", "--invoice", "G1").returncode == 0
    assert stored(configured).status_reason == "Deactivated"


def test_usage_that_was_taken_off_is_billable_again_and_the_log_says_who_and_why(configured: Context, served: Served) -> None:
    ids = held(configured, served)
    billed_usage.bill(configured.engine, "G1", on="U-1", usage_ids=ids[:2])
    billed_usage.bill(configured.engine, "G1", on="U-2", usage_ids=ids[2:])
    before = summaries(configured)
    taken = unlinked(configured, "U-1")
    assert [(child.customer_invoice, child.summaries) for child in taken] == [("U-1", 2)]
    now = summaries(configured)
    assert all(now[one] == ("Not invoiced", None, before[one][2] + 1) for one in ids[:2]) and now[ids[2]] == before[ids[2]]
    with configured.engine.connect() as connection:
        last = connection.execute(select(audit_log).order_by(audit_log.c.audit_id.desc()).limit(1)).one()
        assert audit.first_broken(connection) is None
    assert (last.action, last.actor, last.reason, last.target) == ("unlink usage", "tester", "billed by mistake", "csp G1")
    assert last.before == {"customer_invoice": "U-1", "customer_invoice_status": "Billed"} and last.after["summaries"] == 2


def test_what_was_taken_off_is_said_with_what_follows_for_each_status(configured: Context, served: Served) -> None:
    ids = held(configured, served)
    for status, usage_id in zip(("Draft", "Billed", "Paid"), ids, strict=True):
        billed_usage.bill(configured.engine, "G1", on=f"U-{status}", status=status, usage_ids=[usage_id])
    said = {child.status: report.consequence(child) for child in unlinked(configured)}
    assert "delete U-Draft and generate it again" in said["Draft"]
    assert "has been charged" in said["Billed"] and "charged twice" in said["Billed"]
    assert "has paid" in said["Paid"]
    assert billed_usage.held_by(configured.engine, "G1") == []


def test_a_rebuild_replays_the_taking_off_also_where_the_invoice_was_imported_again_or_deleted_since(
    configured: Context, served: Served
) -> None:
    for number in ("G1", "G2"):
        served.estate.invoice(number, [usage("100.00")], [daily("100.00")])
    daily_job(configured)
    with configured.engine.begin() as connection:
        for on, amount in (("U-1", "115.00"), ("U-2", "115.00")):
            billed_usage.billed_before(connection, on=on, subscription_id="U-1", amount=amount)

    def keep(marks: bytes) -> str:
        told = {"purpose": past_billing.PURPOSE, "name": "past usage", "provider": "all providers", "invoice_number": None}
        return orders.keep(configured.engine, configured.landing, marks, **told, sync_run_id=None, at=configured.now)

    with configured.engine.begin() as connection:
        assert past_billing.settle(connection, who=configured.who, keep=keep).summaries == 2
    unlinked(configured, of="G1")
    assert rebuilding.rebuild(configured, check=True).findings == ()
    do(configured, "deactivate", "G1", reason="wrong lines")
    assert by_hand(configured, "G1") == "Active/Active"
    assert rebuilding.rebuild(configured, check=True).findings == ()
    unlinked(configured, of="G2")
    do(configured, "delete", "G2")
    assert rebuilding.rebuild(configured, check=True).findings == ()
    with configured.engine.begin() as connection:
        connection.execute(usage_summary.delete())
    assert rebuilding.rebuild(configured, check=False).replaced
    assert [status for status, _, _ in summaries(configured).values()] == ["Not invoiced"]


@pytest.mark.parametrize("seed", range(4))
def test_invoiced_usage_is_never_lost_whatever_is_tried(configured: Context, served: Served, seed: int) -> None:
    """Bill, unlink, deactivate, delete, sync, take: after each step every billed summary is as it was billed, unless a person took it off."""
    chance = random.Random(seed)
    held(configured, served)
    on: dict[str, str] = {}
    for step in range(25):
        try:
            _anything(configured, served, chance, on, step)
        except (CallRefused, ProviderError):
            pass
        now = summaries(configured)
        assert {one: number for one, (_, number, _) in now.items() if number} == on, f"step {step} of seed {seed}"
    with configured.engine.connect() as connection:
        assert audit.first_broken(connection) is None


def _anything(context: Context, served: Served, chance: random.Random, on: dict[str, str], step: int) -> None:
    what = chance.choice(["bill", "bill", "unlink", "deactivate", "delete", "sync", "daily", "take", "change"])
    if what == "bill":
        free = [one for one, (status, _, _) in summaries(context).items() if status == "Not invoiced"]
        if free:
            chosen = chance.sample(free, chance.randint(1, len(free)))
            billed_usage.bill(context.engine, "G1", on=f"U-{step}", status=chance.choice(["Draft", "Billed", "Paid"]), usage_ids=chosen)
            on.update(dict.fromkeys(chosen, f"U-{step}"))
    elif what == "unlink" and on:
        number = chance.choice(sorted(set(on.values())))
        unlinked(context, number)
        for one in [one for one, carried in on.items() if carried == number]:
            del on[one]
    elif what == "change":
        amount = f"{chance.randint(1, 99)}.00"
        served.estate.invoice("G1", [usage(amount, ProductId="P1")], [daily(amount, ProductId="P1")])
    elif what in ("deactivate", "delete"):
        do(context, what)
    elif what == "sync":
        by_hand(context)
    elif what == "daily":
        daily_job(context)
    elif what == "take":
        taking.take_new_version(context, provider_name=None, invoice_number="G1")


# --- taking the new version --------------------------------------------------------------------------------------------------------------


def changed(configured: Context, served: Served, *lines, **said) -> None:
    served.estate.invoice("G1", [seat("1.00"), usage("10.00")], [daily("10.00")])
    daily_job(configured)
    served.estate.invoice("G1", *lines, **said)
    assert daily_job(configured, 1).changed == ["G1"]


def test_taking_the_new_version_deactivates_and_imports_in_one_go(configured: Context, served: Served) -> None:
    changed(configured, served, [seat("2.00"), usage("20.00")], [daily("20.00")])
    result = taking.take_new_version(configured, provider_name=None, invoice_number="G1", reason="the provider corrected it")
    assert ([one.status for one in result.outcomes], result.exit_code) == (["Active/Active"], 0)
    assert result.notes == ["The new version of G1 is in; the old one (11.00 EUR) is out."]
    found = stored(configured)
    assert (found.header_total, found.version, found.changed_at_provider, found.fingerprint_now) == (Decimal("22.00"), 2, False, None)
    with configured.engine.connect() as connection:
        told = select(audit_log.c.action, audit_log.c.reason).order_by(audit_log.c.audit_id.desc()).limit(2)
        assert [tuple(row) for row in connection.execute(told)] == [
            ("import provider invoice", None),
            ("deactivate provider invoice", "the provider corrected it"),
        ]
    assert rebuilding.rebuild(configured, check=True).findings == ()
    assert daily_job(configured, 2).changed == []


def test_the_new_version_is_not_taken_while_usage_is_invoiced_nor_where_nothing_changed(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [usage("10.00")], [daily("10.00")])
    daily_job(configured)
    with pytest.raises(CallRefused, match="there is no new version to take"):
        taking.take_new_version(configured, provider_name=None, invoice_number="G1")
    billed_usage.bill(configured.engine, "G1", on="U-1")
    served.estate.invoice("G1", [usage("20.00")], [daily("20.00")])
    assert daily_job(configured, 1).changed == ["G1"]
    before = summaries(configured)
    with pytest.raises(UsageInvoiced, match="U-1"):
        taking.take_new_version(configured, provider_name=None, invoice_number="G1")
    assert (summaries(configured), stored(configured).status_reason) == (before, "Active")
    unlinked(configured)
    assert taking.take_new_version(configured, provider_name=None, invoice_number="G1").outcomes[0].status == "Active/Active"


def test_a_provider_that_is_away_leaves_the_stored_version_where_it_is(configured: Context, served: Served) -> None:
    changed(configured, served, [seat("2.00")])
    before = estates.digest(configured.engine)
    for place, fault in enumerate(("500@invoices", "500@operation", "truncated@blob")):
        served.estate.invoice("G1", [seat(f"3.0{place}")])  # nothing of it has landed yet
        served.faults.replace([fault])
        with pytest.raises(ProviderError):
            taking.take_new_version(configured, provider_name=None, invoice_number="G1")
        assert estates.digest(configured.engine) == before, fault


def test_a_new_version_that_fails_its_checks_is_in_error_and_it_is_said_that_the_old_one_is_out(
    configured: Context, served: Served, asked: Command
) -> None:
    changed(configured, served, [seat("2.00")], total="99.00")
    done = asked("take-new-version", "--invoice", "G1", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["invoices"][0]["failure"] == "checksum_failed"
    assert "The old version of G1 (11.00 EUR) is out" in told["notes"][0]
    assert stored(configured).status_reason == "Error" and estates.children(configured.engine) == (0, 0, 0)


def test_a_job_that_was_broken_off_after_the_deactivation_goes_on_with_the_import(configured: Context, served: Served) -> None:
    changed(configured, served, [seat("2.00")])
    do(configured, "deactivate")
    again = taking.take_new_version(configured, provider_name=None, invoice_number="G1", goes_on=True)
    assert again.outcomes[0].status == "Active/Active" and stored(configured).header_total == Decimal("2.00")


def test_changes_are_printed_line_by_line_with_whom_they_concern(configured: Context, served: Served, asked: Command) -> None:
    changed(configured, served, [seat("2.00"), usage("20.00")], [daily("20.00")])
    told = json.loads(asked("changes", "--invoice", "G1", "--json").stdout)
    assert (told["changed_at_provider"], told["compared"], told["header_total_now"]) == (True, True, "22.00")
    assert told["changed"] == {"lines": 2, "amount": "11.00"} and told["daily_usage"] == {"lines": 1, "amount": "10.00"}
    assert [(line["what"], line["difference"]) for line in told["lines"]] == [
        ("changed", "10.00"),
        ("changed", "1.00"),
        ("changed", "10.00"),
    ]
    assert told["customers"][0]["customer"] == "Contoso"
    plain = asked("changes", "--invoice", "G1")
    assert plain.returncode == 0 and "22.00 EUR now, 11.00 EUR more than" in plain.stdout


# --- by hand -----------------------------------------------------------------------------------------------------------------------------


def plain_file(folder: Path, *subtotals: str) -> Path:
    path = folder / "plain.csv"
    rows = [f"{estates.CONTOSO},{estates.SEATS},CFQ7,refund,2026-10-01,2026-10-31,1,{one},{one},0,{one},EUR\n" for one in subtotals]
    header = "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
    path.write_text(header + "".join(rows))
    return path


def filed(context: Context, path: Path, number: str, total: str | None, **more) -> str:
    claimed = filing.Claimed(
        "distributor", number, None if total is None else Decimal(total), "EUR", None, None, None, **{"activate": False, **more}
    )
    return filing.import_by_hand(context, [path], claimed).outcome.status


@pytest.fixture
def distributor(context: Context, served: Served, tmp_path: Path) -> Context:
    records = served.estate.records(tmp_path / "records")
    for name, more in (
        ("provider_accounts.csv", f"distributor,{estates.CONTOSO},A-1\n"),
        ("subscriptions.csv", f"S-9,distributor,{estates.SEATS},A-1,CFQ7,License,\n"),
    ):
        (records / name).write_text((records / name).read_text() + more)
    return estates.configure(context, served.url, records=records)


def test_a_credit_note_by_hand_is_negative_and_its_checksum_is_on_the_absolute_difference(distributor: Context, tmp_path: Path) -> None:
    credit = plain_file(tmp_path, "-60.00", "-40.00")
    assert filed(distributor, credit, "CN-1", "-100.04") == "Active/Populating"  # 0.04 off, as a positive one may be
    assert filed(distributor, credit, "CN-2", "-100.06") == "Inactive/Error"
    assert (
        stored(distributor, "CN-2").failure == "checksum_failed"
        and "An override tolerance of 1 would pass" in stored(distributor, "CN-2").message
    )
    do(distributor, "activate", "CN-1")
    found = stored(distributor, "CN-1")
    assert (found.status_reason, found.header_total, found.lines_total, found.difference) == (
        "Active", Decimal("-100.04"), Decimal("-100.00"), Decimal("-0.04"),
    )  # fmt: skip
    assert rebuilding.rebuild(distributor, check=True).findings == ()


def test_a_credit_note_by_hand_nets_with_the_document_it_amends(distributor: Context, asked: Command, tmp_path: Path) -> None:
    assert filed(distributor, plain_file(tmp_path, "250.00"), "D-7", "250.00", activate=True) == "Active/Active"
    credit = plain_file(tmp_path, "-100.00")
    said = ("--provider", "distributor", "--invoice", "CN-7", "--total", "-100.00", "--currency", "EUR", "--amends", "d-7", "--activate")
    assert asked("import", credit, *said).returncode == 0
    told = {row["invoice"]: row for row in json.loads(asked("invoices", "--json").stdout)}
    assert (told["CN-7"]["document_type"], told["CN-7"]["amends"], told["CN-7"]["header_total"]) == ("credit_note", "d-7", "-100.00")
    assert {told[number]["chain_net"] for number in ("D-7", "CN-7")} == {"150.00"}
    assert rebuilding.rebuild(distributor, check=True).findings == ()


def test_a_manual_invoice_starts_populating_says_so_and_holds_the_lines_of_its_last_import(distributor: Context, tmp_path: Path) -> None:
    assert filed(distributor, plain_file(tmp_path, "1.00", "2.00"), "D-1", "3.00") == "Active/Populating"
    assert "activate it so that its usage can be billed" in stored(distributor, "D-1").message
    assert filed(distributor, plain_file(tmp_path, "7.00"), "D-1", "7.00") == "Active/Populating"
    assert estates.children(distributor.engine)[0] == 1
    do(distributor, "activate", "D-1")
    assert stored(distributor, "D-1").header_total == Decimal("7.00")
    with pytest.raises(CallRefused, match="it is Active already"):
        do(distributor, "activate", "D-1")
