"""Does an attempt end in exactly one of its ways, and is the invoice in each of them what it should be?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, select

from tests import estates
from tests.conftest import NOW
from w365core.errors import CallRefused
from w365core.intake.checksum import Claim, decide
from w365core.jobs.context import Context
from w365core.jobs.ordering import amounts
from w365core.model import Failure, InvoiceHeader, MissingReference, ReferenceKind
from w365core.store import audit, engine as store_engine, ledger, stage
from w365core.store.ledger import Attempt, Source
from w365core.store.tables import audit_log, import_run, import_source, missing_reference, provider_invoice

HEADER = InvoiceHeader("G1", date(2026, 11, 8), "EUR", Decimal("0.00"), period_start=date(2026, 10, 1))
OUTCOME = amounts(decide(Claim("EUR", Decimal("0.00"), Decimal("0.05"), Decimal(1)), [], [])) | {"message": "said"}
MISSING = MissingReference(ReferenceKind.CUSTOMER, "c-1", "Contoso", 2, Decimal("5.00"), "EUR", "map it")


def begun(connection: Connection, header: InvoiceHeader = HEADER, **said: object) -> Attempt:
    who = ledger.Who("ann", NOW)
    how = {"source": "synced", "sync_run_id": None, "override": None, "who": who, **said}
    return ledger.begin(connection, provider="csp", header=header, **how)


def published(connection: Connection, attempt: Attempt, *, populating: bool = False) -> None:
    ledger.publish(
        connection,
        attempt,
        outcome=OUTCOME,
        summaries=[],
        missing=[],
        fingerprint="v1",
        who=ledger.Who("ann", NOW),
        populating=populating,
        order="an order",
    )


def failed(connection: Connection, attempt: Attempt, *, keep_stage: bool = True) -> None:
    ledger.fail(
        connection,
        attempt,
        failure=Failure.UNRESOLVED_REFERENCES,
        message="lacks one",
        outcome=OUTCOME,
        missing=[MISSING],
        fingerprint="v0",
        who=ledger.Who("ann", NOW),
        keep_stage=keep_stage,
        order="an order",
    )


def invoice(connection: Connection):
    return connection.execute(select(provider_invoice)).one()


def test_a_begun_attempt_says_populating_and_has_its_stage(context: Context) -> None:
    with context.engine.begin() as connection:
        attempt = begun(connection, override=Decimal(7))
    with context.engine.connect() as connection:
        found = invoice(connection)
        assert (found.state, found.status_reason, found.attempts, found.import_run_id) == ("Active", "Populating", 1, attempt.import_run_id)
        assert (found.override_tolerance, found.first_seen_at, found.period_start) == (7, NOW, date(2026, 10, 1))
        assert stage.all_runs(connection) == {attempt.import_run_id}


def test_an_active_invoice_begins_nothing(context: Context) -> None:
    with context.engine.begin() as connection:
        published(connection, begun(connection))
    with pytest.raises(CallRefused, match="is Active"), context.engine.begin() as connection:
        begun(connection)
    with context.engine.connect() as connection:
        assert (invoice(connection).attempts, stage.all_runs(connection)) == (1, set())


def test_a_failed_attempt_keeps_its_stage_until_the_next_one_ends(context: Context) -> None:
    with context.engine.begin() as connection:
        first = begun(connection)
        failed(connection, first)
    with context.engine.begin() as connection:
        assert connection.execute(select(missing_reference.c.suggestion)).scalar_one() == "map it"
        second = begun(connection)
        assert stage.all_runs(connection) == {first.import_run_id, second.import_run_id}
        published(connection, second)
    with context.engine.connect() as connection:
        found = invoice(connection)
        assert (found.status_reason, found.failure, found.version, found.message) == ("Active", None, 1, "said")
        assert stage.all_runs(connection) == set() and connection.execute(select(missing_reference)).first() is None
        assert connection.execute(select(import_run.c.status).order_by(import_run.c.import_run_id)).scalars().all() == ["failed", "done"]


def test_a_first_attempt_taken_back_leaves_no_trace(context: Context) -> None:
    with context.engine.begin() as connection:
        attempt = begun(connection, source="file")
        ledger.record_sources(connection, attempt, [Source("plain", "a.csv", "f" * 64)], fingerprint="x")
    with context.engine.begin() as connection:
        ledger.take_back(connection, attempt)
    with context.engine.connect() as connection:
        for table in (provider_invoice, import_run, import_source, audit_log):
            assert connection.execute(select(table)).all() == []
        assert stage.all_runs(connection) == set()


def test_a_later_attempt_taken_back_restores_every_value(context: Context) -> None:
    with context.engine.begin() as connection:
        first = begun(connection, override=Decimal("1.5"))
        failed(connection, first)
        before = invoice(connection)
    other = InvoiceHeader("G1", date(2027, 1, 1), "USD", Decimal("9.99"), document_type="credit_note", amends_of="G0", invoice_type="x")
    with context.engine.begin() as connection:
        second = begun(connection, other, source="file", who=ledger.Who("bob", NOW + timedelta(days=1)))
        assert invoice(connection) != before
    with context.engine.begin() as connection:
        ledger.take_back(connection, second)
    with context.engine.connect() as connection:
        assert invoice(connection) == before
        assert stage.all_runs(connection) == {first.import_run_id}


@pytest.mark.parametrize(("source", "remains"), [("synced", "Error"), ("file", None)])
def test_the_sweep_ends_what_died_and_leaves_what_lives(context: Context, source: str, remains: str | None) -> None:
    with context.engine.begin() as connection:
        begun(connection, source=source)
    with context.engine.connect() as living:
        assert store_engine.lock(living, *ledger.lock_names("csp", "G1"))
        assert ledger.sweep(context.engine, landing=context.landing, who=context.who) == 0
        store_engine.unlock(living, *ledger.lock_names("csp", "G1"))
    assert ledger.sweep(context.engine, landing=context.landing, who=context.who) == 1
    with context.engine.connect() as connection:
        assert connection.execute(select(provider_invoice.c.status_reason)).scalar() == remains
        assert stage.all_runs(connection) == set()
        assert audit.first_broken(connection) is None
    assert ledger.sweep(context.engine, landing=context.landing, who=context.who) == 0


def test_the_sweep_keeps_the_preview_of_an_invoice_in_error(context: Context) -> None:
    with context.engine.begin() as connection:
        attempt = begun(connection)
        failed(connection, attempt)
        stage.create(connection, run_id=999, provider_invoice_id=1)  # of a run that nobody knows
    ledger.sweep(context.engine, landing=context.landing, who=context.who)
    with context.engine.connect() as connection:
        assert stage.all_runs(connection) == {attempt.import_run_id}


def test_the_sweep_keeps_the_lines_of_published_invoices(context: Context) -> None:
    with context.engine.begin() as connection:
        attempt = begun(connection)
        columns = f"insert into {stage.table_of(stage.USAGE, attempt.import_run_id)} (line_number, billing_pre_tax_total) values (1, 0.00)"
        connection.exec_driver_sql(columns)
        published(connection, attempt)
    ledger.sweep(context.engine, landing=context.landing, who=context.who)
    assert estates.children(context.engine) == (0, 1, 0)


def test_each_end_is_sealed_into_the_log(context: Context) -> None:
    with context.engine.begin() as connection:
        failed(connection, begun(connection, override=Decimal(3)))
    with context.engine.begin() as connection:
        published(connection, begun(connection), populating=True)
    with context.engine.connect() as connection:
        events = connection.execute(select(audit_log).order_by(audit_log.c.audit_id)).all()
        assert audit.first_broken(connection) is None
    assert [event.action for event in events] == ["fail provider invoice", "import provider invoice"]
    assert [event.target for event in events] == ["csp G1", "csp G1"]
    assert events[0].before is None and events[1].before["failure"] == "unresolved_references"
    assert (events[0].after["override_tolerance"], events[1].after["status_reason"]) == ("3", "Populating")


def test_ids_are_found_without_regard_to_case_and_never_guessed(context: Context) -> None:
    with context.engine.begin() as connection:
        begun(connection)
        ledger.begin(connection, provider="other", header=HEADER, source="file", who=context.who, sync_run_id=None, override=None)
    assert ledger.find(context.engine, provider_name="CSP", invoice_number="g1").provider == "csp"
    with pytest.raises(CallRefused, match="Several providers have an invoice g1"):
        ledger.find(context.engine, provider_name=None, invoice_number="g1")
    with pytest.raises(CallRefused, match="There is no invoice G7"):
        ledger.named(context.engine, provider_name=None, invoice_number="G7")
