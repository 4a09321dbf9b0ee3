"""The demo's past comes about as it would have: told morning by morning, broken off and gone on with, and told once only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine, text

from tests import postgres
from w365core.errors import ProviderUnavailable
from w365core.jobs import demo
from w365core.jobs.context import Context, Report
from w365core.reports import changes
from w365core.sandbox.server import running
from w365core.settings import Settings
from w365core.store import audit
from w365core.store.engine import pooled

CLOCK = datetime(2026, 11, 12, 6, tzinfo=UTC)
CHANGED, UNMAPPED, TAXED, RESERVED = "G052491261", "G052361813", "G052427346", "G052231690"
UNNAMED = "IONEU-1026-352"
_RUNS = "select started_at from sync_run where command = 'sync'"
README = (demo.ESTATE / "README.md").read_text(encoding="utf-8")


class BrokenOff(Exception):
    pass


@dataclass(frozen=True)
class Told:
    engine: Engine
    sandbox: str
    context: Context
    refusal: str

    def rows(self, question: str) -> list[tuple]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]


@pytest.fixture(scope="module")
def told(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The demo in a database: the sandbox loses its clock at first, then a morning is broken off, then it is left in peace."""
    home: Path = tmp_path_factory.mktemp("home")
    with postgres.used_database(template) as url, running(demo.ESTATE) as sandbox:
        engine = pooled(url)
        settings = Settings(home=home, database_url=url, http_timeout=5, http_tries=2, poll=0.01)
        quiet = Context(settings, engine, CLOCK, "tester", lambda sentence: None)

        def started_again(sentence: str) -> None:
            if "importing" in sentence:
                requests.post(f"{sandbox}/_sandbox/clock", json={"now": None}, timeout=5).raise_for_status()

        with pytest.raises(ProviderUnavailable) as refusal:
            demo.fill(_heard(quiet, started_again), sandbox_url=sandbox)
        with pytest.raises(BrokenOff):
            demo.fill(_heard(quiet, _breaking_off), sandbox_url=sandbox)
        demo.fill(quiet, sandbox_url=sandbox)
        yield Told(engine, sandbox, quiet, str(refusal.value))
        engine.dispose()


def _heard(context: Context, report: Report) -> Context:
    return replace(context, report=report)


def _breaking_off(sentence: str) -> None:
    if sentence.startswith("morning 3 "):
        raise BrokenOff


def test_each_morning_of_the_estate_had_its_daily_job_and_none_twice(told):
    mornings = json.loads((demo.ESTATE / "estate.json").read_bytes())["mornings"]
    runs = [at.astimezone(UTC) for (at,) in told.rows(f"{_RUNS} and provider = 'csp-demo' order by 1")]
    first = datetime.fromisoformat(mornings[0])
    assert runs == [first, *(datetime.fromisoformat(morning) for morning in mornings)]  # the first one was told again, as it had to be
    later = [at.astimezone(UTC) for (at,) in told.rows(f"{_RUNS} and provider = 'streamone-demo' order by 1")]
    assert later == [datetime.fromisoformat(morning) for morning in mornings[-3:]]


def test_a_sandbox_started_again_in_the_middle_of_a_morning_is_not_believed(told):
    assert told.refusal == (
        "The demo is not complete: the sandbox was started again in the middle of a morning. Run the command again; it goes on."
    )


def test_every_invoice_was_seen_on_the_first_morning_after_its_date(told):
    seen = told.rows("select invoice_date, first_seen_at from provider_invoice where source = 'synced'")
    assert len(seen) == 36
    for dated, at in seen:
        assert (at.year, at.month, at.day, at.hour) == (dated.year, dated.month, 9, 6)


def test_only_the_planted_invoices_are_in_error_and_only_those_inside_their_15_days_were_tried_again(told):
    failed = told.rows("select invoice_number, failure, attempts from provider_invoice where status_reason = 'Error' order by 1")
    assert failed == [
        (RESERVED, "checksum_failed", 1),
        (UNMAPPED, "unresolved_references", 2),
        (TAXED, "checksum_failed", 2),
        (UNNAMED, "invalid_data", 2),
    ]
    assert told.rows("select invoice_number from provider_invoice where status_reason = 'Populating'") == [("DD-2026-10-117",)]
    missing = told.rows("select kind, lines, amount, currency from missing_reference where blocking")
    assert missing == [("customer", 5, Decimal("1541.10"), "USD")]
    differences = dict(told.rows("select invoice_number, abs(difference) from provider_invoice where status_reason = 'Error'"))
    assert differences[TAXED] == Decimal("1911.55") and differences[RESERVED] == 0


def test_the_changed_invoice_keeps_what_was_imported_and_the_daily_job_noticed_on_the_12th(told):
    changed = told.rows(
        "select invoice_number, header_total, header_total_now, lines_total from provider_invoice where changed_at_provider"
    )
    assert changed == [(CHANGED, Decimal("10116.00"), Decimal("12139.20"), Decimal("10116.00"))]
    noticed = told.rows("select target, at from audit_log where action = 'notice change at provider'")
    assert noticed == [(f"csp-demo {CHANGED}", CLOCK)]
    assert "10,116.00" in README and "12,139.20" in README


def test_the_changed_invoice_says_line_by_line_what_was_added_and_for_whom(told):
    with told.engine.connect() as connection:
        found = connection.execute(text("select provider_invoice_id from provider_invoice where changed_at_provider")).scalar_one()
        change = changes.load(connection, found)
    assert [(tile.label, tile.lines, tile.amount) for tile in change.tiles] == [
        ("Added", 1, Decimal("2023.20")),
        ("Removed", 0, 0),
        ("Changed", 0, 0),
    ]
    (line,) = change.lines.rows
    assert (line["what"], line["subscription_id"], line["customer"], line["amount_now"]) == (
        "added", "S-00537", "Clairbois Ameublement", Decimal("2023.20"),
    )  # fmt: skip
    assert change.compared and "nothing to charge or to credit" in change.billing


def test_no_other_invoice_was_looked_at_line_by_line(told):
    assert told.rows("select count(*) from invoice_change") == [(1,)]
    assert told.rows("select relname from pg_class where relname ~ '_line_r0$'") == []


def test_usage_that_past_invoices_billed_is_invoiced_and_the_rest_waits(told):
    waiting = told.rows("select charge_start::text, currency, count(*) from usage_summary where status = 'Not invoiced' group by 1, 2")
    assert [row[:2] for row in waiting] == [("2026-10-01", "EUR")]
    on = told.rows(
        "select count(*), count(distinct u.invoice_number), count(*) filter (where i.status = 'Draft') "
        "from usage_summary u join customer_invoice i using (invoice_number) where u.status = 'Invoiced'"
    )
    assert on == [(1451, 324, 0)] and "1,451 usage summaries on 324 invoices" in README
    unmatched = told.rows(
        "select count(*) from customer_invoice i where i.invoice_number like 'U%' "
        "and not exists (select from usage_summary u where u.invoice_number = i.invoice_number)"
    )
    assert unmatched == [(0,)]


def test_no_customer_invoice_says_less_or_more_for_its_usage_than_the_usage_sells_for(told):
    off = told.rows(
        "select l.invoice_number, l.subscription_id from customer_invoice_line l join (select invoice_number, subscription_id, "
        "sum(selling_amount) as amount from usage_summary group by 1, 2) u using (invoice_number, subscription_id) "
        "where l.description like 'Azure usage%' and l.amount <> u.amount"
    )
    assert off == []


def test_the_usage_without_a_markup_is_imported_and_has_no_price(told):
    found = told.rows("select subscription_id, round(sum(cost), 2), max(status) from usage_summary where selling_amount is null group by 1")
    assert found == [("U-00040", Decimal("1289.56"), "Not invoiced")]


def test_usage_of_october_came_after_the_invoice_date_of_two_contracts(told):
    late = told.rows(
        "select s.contract_id, max(i.status) from usage_summary u join subscription s using (subscription_id) "
        "join billing_contract c using (contract_id) left join customer_invoice i "
        "on i.contract_id = s.contract_id and i.cycle_start = u.charge_start where u.charge_start = '2026-10-01' "
        "and coalesce(i.invoice_date, c.next_invoice_date) < u.created_at::date group by 1 order by 1"
    )
    assert late == [
        ("BC-014-U", None),  # waits for the reservation's document with its September, so that October is overdue behind it
        ("BC-020-U", None),
        ("BC-026-U", "Billed"),
    ]


def test_the_estimate_is_of_today(told):
    assert told.rows("select distinct estimated_at, currency from usage_estimate order by 2") == [(CLOCK, "EUR"), (CLOCK, "USD")]
    assert told.rows("select max(charge_end), min(charge_start) from usage_estimate")[0][1].isoformat() == "2026-11-01"


def test_the_audit_log_is_whole_and_goes_forward_in_time(told):
    with told.engine.connect() as connection:
        assert audit.first_broken(connection) is None
    moments = [at for (at,) in told.rows("select at from audit_log order by audit_id")]
    assert moments == sorted(moments)


def test_a_second_fill_changes_nothing(told):
    question = (
        "select (select max(hash) from audit_log where audit_id = (select max(audit_id) from audit_log)), (select count(*) from sync_run), "
        "(select count(*) from import_run), (select count(*) from landed_answer), (select sum(version) from usage_summary)"
    )
    before = told.rows(question)
    assert demo.fill(told.context, sandbox_url=told.sandbox) is None
    assert told.rows(question) == before


def test_a_sandbox_that_does_not_answer_is_said_in_one_sentence(context):
    with pytest.raises(ProviderUnavailable, match="the sandbox at http://127.0.0.1:9 does not answer. Run the command again; it goes on."):
        demo.fill(context, sandbox_url="http://127.0.0.1:9")
