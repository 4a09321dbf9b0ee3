"""Does an invoice that differs show what it is made of, list the lines, and let the difference pass only with its reason?"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests import estates
from tests.estates import Estate, daily, seat, usage
from tests.pages.conftest import said
from tests.reports import builders as b
from w365core.jobs import queue, syncing, tolerances
from w365core.jobs.context import Context
from w365core.store import ledger
from w365core.tolerance import Policy

RESERVATION = {"ProductId": "RI", "ProductName": "Reserved VM Instance", "ReservationOrderId": "R-1"}


@pytest.fixture
def differing(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Invoices in Error by number: a reservation missing, 40 cents off, a difference that nothing explains."""
    estate = Estate(tmp_path / "estate")
    estate.invoice("RES", [seat("100.00"), usage("200.00"), usage("1329.75", **RESERVATION)], [daily("200.00")])
    estate.invoice("SMALL", [seat("100.00")], total="100.40")
    estate.invoice("ODD", [seat("100.00")], total="777.77")
    monkeypatch.setenv("W365_HOME", str(context.settings.home))
    with estates.serve(estate) as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        syncing.sync_daily(configured, provider_name=estates.PROVIDER)
    with context.engine.begin() as connection:
        b.clock(connection, context.now)
    numbers = ("RES", "SMALL", "ODD")
    yield {n: ledger.named(context.engine, provider_name=None, invoice_number=n).provider_invoice_id for n in numbers}


def asked(engine: Engine) -> list[tuple[str | None, Decimal | None, str | None]]:
    with engine.connect() as connection:
        return [(job.invoice, job.override_tolerance, job.reason) for job in queue.recent(connection)]


def badges(app) -> str:
    return " ".join(str(element.value) for element in app.markdown)


def test_a_proven_cause_is_shown_with_its_lines_and_the_override_it_would_take(frame, differing: dict[str, int]) -> None:
    app = frame(invoice=str(differing["RES"]))
    told = said(app)
    assert "What the difference is made of" in told and "A reservation that the daily-rated file does not have" in told
    assert "Proven" in badges(app) and "explains it to the cent" in told and "its cause is proven" not in told
    assert "nothing is changed in any amount" in told and "Import with a tolerance of 1,330 EUR" in told.replace("\\", "")
    before = len(app.dataframe)
    app.button(f"explained_{differing['RES']}_0").click().run()
    assert len(app.dataframe) == before + 1
    (table,) = [element.value for element in app.dataframe if list(element.value.columns)[0] == "Line" and len(element.value) == 1]
    assert list(table["Subtotal"]) == ["1,329.75"]
    app.button(f"explained_{differing['RES']}_0").click().run()
    assert len(app.dataframe) == before


def test_an_override_above_one_click_needs_a_reason_and_is_queued_with_it(frame, engine: Engine, differing: dict[str, int]) -> None:
    app = frame(invoice=str(differing["RES"]))
    app.button("override_import").click().run()
    assert asked(engine) == [] and "Say why first" in badges(app)
    app.text_input(f"override_reason_{differing['RES']}").set_value("  a reservation, billed in September ")
    app.button("override_import").click().run()
    assert asked(engine) == [("RES", Decimal(1330), "a reservation, billed in September")]


def test_a_small_difference_takes_one_click(frame, engine: Engine, differing: dict[str, int]) -> None:
    app = frame(invoice=str(differing["SMALL"]))
    assert "0.40 EUR is within what csp in EUR lets pass with one click" in said(app) and not app.text_input
    app.button("override_import").click().run()
    assert asked(engine) == [("SMALL", Decimal(1), "within one click")]


def test_what_nothing_explains_is_said_so_and_no_override_is_proposed(frame, differing: dict[str, int]) -> None:
    app = frame(invoice=str(differing["ODD"]))
    told = said(app)
    assert "Nothing that is known explains it" in told and "once one cause is proven" in told
    assert "override_import" not in [button.key for button in app.button]


def test_the_page_says_that_the_policy_refuses_and_who_can_change_it(frame, context: Context, differing: dict[str, int]) -> None:
    policy = Policy("csp", "EUR", most_amount=Decimal(1000), owner="Ana", reason="month end")
    tolerances.set_policy(context.engine, policy, actor="ana", now=context.now)
    app = frame(invoice=str(differing["RES"]))
    assert "An override of 1330 EUR is more than 1000 EUR" in said(app) and "Ana can change it" in said(app)
    assert "override_import" not in [button.key for button in app.button]


def test_a_difference_is_drawn_by_customer_product_or_charge_type(frame, differing: dict[str, int]) -> None:
    app = frame(invoice=str(differing["RES"]))
    assert "How the two files differ by customer, EUR" in said(app)
    app.session_state["difference_by"] = "product"
    app.run()
    assert "How the two files differ by product, EUR" in said(app) and not app.exception


def test_an_invoice_that_adds_up_shows_none_of_it(frame, engine: Engine) -> None:
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
    assert "What the difference is made of" not in said(frame(invoice=str(invoice_id)))
