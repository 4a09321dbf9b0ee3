"""Does the daily job notice what the provider changed, once, and say line by line what is otherwise and whom that concerns?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import billed_usage, estates
from tests.estates import Estate, Served, daily, seat, usage
from w365core.jobs import rebuilding, syncing
from w365core.jobs.context import Context
from w365core.reports import changes as report
from w365core.reports.changes import Change
from w365core.store import changes, ledger, transitions
from w365core.store.tables import audit_log, invoice_change, provider_invoice

DAY = timedelta(days=1)
EXPORTS = "select count(*) from landed_answer where method = 'POST' and url like '%/billed/export' and http_status = 202"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def daily_job(context: Context, days: int = 1) -> syncing.SyncResult:
    return syncing.sync_daily(context.at(context.now + days * DAY), provider_name=estates.PROVIDER)


def stored(context: Context, number: str = "G1"):
    return ledger.named(context.engine, provider_name=None, invoice_number=number)


def change(context: Context, number: str = "G1") -> Change:
    with context.engine.connect() as connection:
        found = report.load(connection, stored(context, number).provider_invoice_id)
    assert found is not None
    return found


def events(context: Context) -> list[str]:
    """What the log tells of the invoices after their imports."""
    with context.engine.connect() as connection:
        told = select(audit_log.c.action).where(audit_log.c.action != "import provider invoice").order_by(audit_log.c.audit_id)
        return list(connection.execute(told).scalars())


def asked(context: Context) -> int:
    with context.engine.connect() as connection:
        return connection.execute(text(EXPORTS)).scalar_one()


def imported(context: Context, served: Served, *document, **said) -> None:
    served.estate.invoice("G1", *document, **said)
    assert [one.status for one in daily_job(context, 0).outcomes] == ["Active/Active"]


# --- noticing ----------------------------------------------------------------------------------------------------------------------------


def test_other_lines_under_the_same_total_are_noticed_once_and_the_stored_invoice_stays(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("60.00"), seat("40.00", ProductId="CFQ8")])
    served.estate.invoice("G1", [seat("50.00"), seat("50.00", ProductId="CFQ8")])
    for days in (1, 2):
        result = daily_job(configured, days)
        assert (result.changed, result.outcomes, result.exit_code) == (["G1"], [], 1)
    found = stored(configured)
    assert (found.changed_at_provider, found.header_total, found.header_total_now) == (True, Decimal("100.00"), None)
    assert found.fingerprint_now not in (None, found.fingerprint) and "its total is 100.00 EUR as before" in found.message
    assert estates.children(configured.engine) == (2, 0, 0)
    assert events(configured) == ["notice change at provider"]


def test_the_mark_goes_once_the_new_version_was_read_also_where_it_fails_and_comes_with_the_next_change(
    configured: Context, served: Served
) -> None:
    imported(configured, served, [seat("83.42")])
    served.estate.invoice("G1", [seat("83.42")], total="90.00")
    assert daily_job(configured).changed == ["G1"]
    with configured.engine.begin() as connection:
        transitions.deactivate(connection, provider_invoice_id=stored(configured).provider_invoice_id, who=configured.who)
    marks = ("failure", "changed_at_provider", "header_total_now")
    for fault, expected in ((["wrong-count"], ("provider_error", True, Decimal("90.00"))), ([], ("checksum_failed", False, None))):
        served.faults.replace(fault)
        syncing.sync_invoice(configured.at(configured.now + 2 * DAY), provider_name=None, invoice_number="G1", override=None)
        assert tuple(getattr(stored(configured), name) for name in marks) == expected
    assert stored(configured).fingerprint_now is None
    assert rebuilding.rebuild(configured, check=True).findings == ()
    served.estate.invoice("G1", [seat("83.42"), seat("6.58", ProductId="CFQ8")])
    assert [one.status for one in daily_job(configured, 3).outcomes] == ["Active/Active"]
    served.estate.invoice("G1", [seat("83.42"), seat("11.58", ProductId="CFQ8")])
    assert daily_job(configured, 4).changed == ["G1"] and stored(configured).changed_at_provider


def test_an_invoice_that_did_not_change_costs_one_question_per_file_and_no_download(configured: Context, served: Served) -> None:
    imported(configured, served, [seat(), usage()], [daily()])
    before = asked(configured)
    served.faults.replace(["500@blob"])  # whoever downloads fails
    result = daily_job(configured)
    assert (result.changed, result.warnings, result.exit_code) == ([], [], 0)
    assert asked(configured) - before == 2
    assert daily_job(configured).changed == []  # the exports are young still
    assert asked(configured) - before == 2


def test_a_change_is_fetched_with_the_exports_that_told_of_it(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    before = asked(configured)
    served.estate.invoice("G1", [seat("2.00")])
    assert daily_job(configured).changed == ["G1"]
    assert asked(configured) - before == 2
    assert change(configured).compared


def test_an_invoice_is_not_compared_in_the_run_that_imports_it(configured: Context, served: Served) -> None:
    imported(configured, served, [seat()])
    assert asked(configured) == 2


def test_only_invoices_of_the_last_three_months_are_compared(configured: Context, served: Served) -> None:
    served.estate.invoice("OLD", [seat("1.00")], dated="2026-08-11")
    served.estate.invoice("EDGE", [seat("2.00")], dated="2026-08-12")
    for number in ("OLD", "EDGE"):
        syncing.sync_invoice(configured, provider_name=None, invoice_number=number, override=None)
    for number, now, day in (("OLD", "1.50", "11"), ("EDGE", "2.50", "12")):
        served.estate.invoice(number, [seat(now)], dated=f"2026-08-{day}")
    assert daily_job(configured, 0).changed == ["EDGE"]


def test_a_deactivated_invoice_is_not_compared(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    with configured.engine.begin() as connection:
        connection.execute(provider_invoice.update().values(state="Inactive", status_reason="Deactivated"))
    served.estate.invoice("G1", [seat("2.00")])
    assert daily_job(configured).changed == []


def test_a_second_change_is_a_second_event_and_going_back_takes_the_mark_away_with_one(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    was = stored(configured)
    for days, now in ((1, "2.00"), (2, "3.00"), (3, "3.00")):
        served.estate.invoice("G1", [seat(now)])
        assert daily_job(configured, days).changed == ["G1"]
    served.estate.invoice("G1", [seat("1.00")])
    result = daily_job(configured, 4)
    assert (result.changed, result.exit_code) == ([], 0)
    found = stored(configured)
    marks = ("changed_at_provider", "header_total_now", "fingerprint_now", "message", "fingerprint", "header_total", "version")
    assert [getattr(found, name) for name in marks] == [getattr(was, name) for name in marks]
    assert events(configured) == ["notice change at provider"] * 2 + ["provider went back"]
    served.estate.invoice("G1", [seat("2.00")])
    assert daily_job(configured, 5).changed == ["G1"]
    assert events(configured)[-1] == "notice change at provider"


def test_another_version_of_the_very_same_lines_is_no_change_and_is_looked_at_once(configured: Context, served: Served) -> None:
    lines = [seat("1.00"), seat("1.00"), seat("5.00")]
    imported(configured, served, lines)
    served.estate.invoice("G1", list(reversed(lines)), blobs=2)
    for days in (1, 2):
        served.faults.replace(["500@blob"] if days == 2 else [])
        result = daily_job(configured, days)
        assert (result.changed, result.warnings, result.exit_code) == ([], [], 0)
    assert events(configured) == [] and stored(configured).message == ""


def test_the_daily_file_that_comes_later_is_a_change_too(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G1", [seat("1.00")], [daily("4.00")])
    assert daily_job(configured).changed == ["G1"]
    found = change(configured)
    assert [(tile.label, tile.lines, tile.amount) for tile in found.tiles][-1] == ("Daily usage", 1, Decimal("4.00"))


# --- the provider misbehaves -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500@export", "500@operation", "empty-401@export", "reset@operation", "throttle:99999@export"])
def test_a_provider_that_breaks_off_in_the_comparison_is_a_warning_and_what_came_in_stands(
    configured: Context, served: Served, fault: str
) -> None:
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G1", [seat("2.00")], total="1.00")
    served.faults.replace([fault])
    hurried = replace(configured, settings=replace(configured.settings, http_tries=1, http_timeout=0.5))
    result = daily_job(hurried)
    assert (result.changed, result.outcomes, result.failures) == ([], [], [])
    assert result.exit_code == 0
    assert any("could not be asked whether invoice G1 has other lines now" in said for said in result.warnings)
    assert stored(configured).status_reason == "Active" and estates.children(configured.engine) == (1, 0, 0)
    served.faults.replace([])
    assert daily_job(configured).changed == ["G1"]


def test_lines_that_cannot_be_had_are_said_and_compared_on_the_next_run_without_a_second_event(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G1", [seat("2.50")])
    served.faults.replace(["truncated@blob"])
    result = daily_job(configured)
    assert (result.changed, result.exit_code, len(result.warnings)) == (["G1"], 1, 1)
    found = change(configured)
    assert (found.compared, found.lines.rows) == (False, []) and "damaged" in found.message
    assert found.header_total_now == Decimal("2.50")
    served.faults.replace([])
    assert daily_job(configured, 2).changed == ["G1"]
    assert change(configured).compared and change(configured).message == ""
    assert events(configured) == ["notice change at provider"]
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_a_line_that_cannot_be_read_is_said(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G1", [seat("1.00"), seat("1.00", Subtotal="a lot")], total="9.00")
    assert daily_job(configured).changed == ["G1"]
    assert "a lot" in change(configured).message and not change(configured).compared


# --- line by line ------------------------------------------------------------------------------------------------------------------------


def test_what_was_added_removed_and_changed_is_said_with_its_money_the_biggest_first(configured: Context, served: Served) -> None:
    then = [seat("10.00", tax="1.90"), seat("7.00", ProductId="P7"), seat("5.00", ProductId="P5")]
    imported(configured, served, then)
    now = [seat("10.00", tax="1.90"), seat("9.00", ProductId="P7", Quantity="3"), seat("100.00", tax="19.00", ProductId="P9")]
    served.estate.invoice("G1", now)
    daily_job(configured)
    found = change(configured)
    assert [(tile.label, tile.lines, tile.amount) for tile in found.tiles] == [
        ("Added", 1, Decimal("119.00")),
        ("Removed", 1, Decimal("-5.00")),
        ("Changed", 1, Decimal("2.00")),
    ]
    told = [(row["what"], row["product_id"], row["amount_before"], row["amount_now"], row["quantity_now"]) for row in found.lines.rows]
    assert told == [
        ("added", "P9", None, Decimal("119.00"), 1),
        ("removed", "P5", Decimal("5.00"), None, None),
        ("changed", "P7", Decimal("7.00"), Decimal("9.00"), 3),
    ]
    assert (found.header_total_before, found.header_total_now) == (Decimal("23.90"), Decimal("139.90") - Decimal("0.00"))
    assert "116.00 EUR more than the 23.90 EUR that were imported" in found.headline


def test_identical_lines_are_counted_and_their_order_makes_no_difference(configured: Context, served: Served) -> None:
    twin, other = seat("2.00"), seat("3.00", ProductId="P3")
    imported(configured, served, [twin, twin, twin, other])
    served.estate.invoice("G1", [other, twin, twin, twin, twin, twin])
    daily_job(configured)
    found = change(configured)
    assert [(tile.label, tile.lines, tile.amount) for tile in found.tiles[:1]] == [("Added", 2, Decimal("4.00"))]
    assert [row["what"] for row in found.lines.rows] == ["added", "added"]


def test_the_sums_of_what_is_otherwise_are_the_difference_of_the_totals(configured: Context, served: Served) -> None:
    import random

    chance = random.Random(365)

    def document() -> list:
        return [
            seat(f"{chance.randint(-50, 50)}.{chance.randint(0, 99):02}", tax="0.01", ProductId=f"P{chance.randint(1, 6)}")
            for _ in range(chance.randint(20, 40))
        ]

    imported(configured, served, document())
    for days in range(1, 4):
        served.estate.invoice("G1", document())
        daily_job(configured, days)
        found = change(configured)
        difference = found.header_total_now - found.header_total_before
        assert sum(tile.amount for tile in found.tiles) == difference
        assert sum(row["difference"] for row in found.lines.rows) == difference
        assert sum(one.amount for one in found.consequences) == difference
        assert len(found.lines.rows) == sum(tile.lines for tile in found.tiles)
        sizes = [abs(row["difference"]) for row in found.lines.rows]
        assert sizes == sorted(sizes, reverse=True)


def test_daily_lines_are_told_apart_by_day_and_meter_and_never_added_to_the_invoice_lines(configured: Context, served: Served) -> None:
    imported(configured, served, [usage("3.00")], [daily("1.00", day=1), daily("2.00", day=2)])
    served.estate.invoice("G1", [usage("4.50")], [daily("1.00", day=1), daily("3.50", day=2)])
    daily_job(configured)
    found = change(configured)
    assert [(tile.label, tile.lines, tile.amount) for tile in found.tiles] == [
        ("Added", 0, Decimal(0)),
        ("Removed", 0, Decimal(0)),
        ("Changed", 1, Decimal("1.50")),
        ("Daily usage", 1, Decimal("1.50")),
    ]
    assert [(row["feed"], row["what"], row["amount_before"], row["amount_now"]) for row in found.lines.rows] == [
        ("reconciliation", "changed", Decimal("3.00"), Decimal("4.50")),
        ("daily_rated", "changed", Decimal("2.00"), Decimal("3.50")),
    ]


def test_more_lines_than_are_kept_are_counted_to_the_last(configured: Context, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_LINES", 5)
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G1", [seat("1.00"), *(seat(f"{number}.00", ProductId=f"P{number}") for number in range(2, 14))])
    daily_job(configured)
    found = change(configured)
    assert (found.tiles[0].lines, found.tiles[0].amount) == (12, Decimal(sum(range(2, 14))))
    assert [row["amount_now"] for row in found.lines.rows] == [13, 12, 11, 10, 9] and found.lines_left_out == 7
    assert sum(one.amount for one in found.consequences) == sum(range(2, 14))


# --- whom it concerns --------------------------------------------------------------------------------------------------------------------


def test_a_customer_that_was_billed_is_to_be_charged_what_the_new_version_sells_for_more(configured: Context, served: Served) -> None:
    imported(configured, served, [usage("100.00")], [daily("100.00")])
    billed_usage.bill(configured.engine, "G1", on="U-7")
    served.estate.invoice("G1", [usage("140.00")], [daily("140.00")])
    daily_job(configured)
    (one,) = change(configured).consequences
    assert (one.customer, one.billed, one.would_be, one.delta) == ("Contoso", Decimal("115.00"), Decimal("161.00"), Decimal("46.00"))
    assert one.on == {"U-7": "Billed"} and one.advice.startswith("Charge 46.00 EUR more")
    served.estate.invoice("G1", [seat("140.00")])
    daily_job(configured, 2)
    (one,) = change(configured).consequences
    assert one.delta == Decimal("-115.00") and one.advice.startswith("Credit 115.00 EUR")


def test_usage_that_is_not_billed_yet_has_nothing_to_be_charged_or_credited(configured: Context, served: Served) -> None:
    imported(configured, served, [usage("100.00")], [daily("100.00")])
    served.estate.invoice("G1", [usage("90.00")], [daily("90.00")])
    daily_job(configured)
    (one,) = change(configured).consequences
    assert (one.billed, one.delta, one.unbilled) == (None, None, Decimal("-10.00"))
    assert "nothing to charge or to credit" in one.advice


# --- the ledger and the rest -------------------------------------------------------------------------------------------------------------


def test_a_rebuild_replays_every_change_and_going_back(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G2", [seat("5.00"), seat("6.00")])
    daily_job(configured, 0)
    served.estate.invoice("G1", [seat("2.00")])
    served.estate.invoice("G2", [seat("6.00"), seat("5.00", ProductId="P5")])
    assert daily_job(configured, 1).changed == ["G2", "G1"]
    served.estate.invoice("G1", [seat("1.00")])
    assert daily_job(configured, 2).changed == ["G2"]
    assert rebuilding.rebuild(configured, check=True).findings == ()
    with configured.engine.connect() as connection:
        assert len(connection.execute(select(invoice_change)).all()) == 2


def test_a_log_of_before_versions_were_compared_replays_as_it_was(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("10000.00")])
    served.faults.replace(["changed-total:G1"])
    past_day = syncing.sync_daily(configured.at(configured.now + DAY), provider_name=estates.PROVIDER, with_estimate=False)
    assert past_day.changed == ["G1"]
    with configured.engine.connect() as connection:
        (row,) = connection.execute(select(audit_log).where(audit_log.c.action == "notice change at provider")).all()
    assert (row.before, row.after) == ({"header_total": "10000.00"}, {"header_total": "12000.00"})
    assert rebuilding.rebuild(configured, check=True).findings == ()


def test_the_stage_of_the_comparison_is_gone_with_its_session(configured: Context, served: Served) -> None:
    imported(configured, served, [seat("1.00")])
    served.estate.invoice("G1", [seat("2.00")])
    daily_job(configured)
    with configured.engine.connect() as connection:
        left = connection.execute(text("select count(*) from pg_class where relname ~ '_line_r0$|^line_otherwise$|^usage_now$'"))
        assert left.scalar_one() == 0
    assert estates.leftovers(configured.engine, configured.settings.home) == []
