"""Does the page say what needs doing, open an invoice to its lines, and never show a traceback?"""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text

from pages.components import cached
from tests.pages.conftest import renamed, said, unmarked
from tests.reports import builders as b
from w365core.jobs import supplying


def tables(app) -> list:
    return [element.value for element in app.dataframe]


def test_without_invoices_the_page_says_how_to_get_some(frame):
    told = said(frame())
    assert "No invoices yet" in told and "provider add" in told and "python -m w365core demo" in told


def test_the_worklist_stands_above_all_invoices_with_its_money_and_next_step(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(
            connection, number="E-1", status="Error", failure="provider_error", header="1234.5", message="Partner Center did not answer."
        )
        b.invoice(connection, number="A-1", header="10")
    app = frame()
    told = said(app)
    assert "Partner Center did not answer." in told and "1,234.50 EUR" in told and "Sync it again" in told
    assert list(tables(app)[0]["Number"]) == ["A-1", "E-1"]
    assert list(tables(app)[0]["Header total"]) == ["10.00", "1,234.50"]
    assert [list(cell) for cell in tables(app)[0]["Status"]] == [["✓ Active"], ["✕ Error"]]


def test_when_all_is_well_the_page_says_so(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection)
    assert "Nothing needs attention" in said(frame())


def test_a_tile_shows_exactly_its_invoices_and_clear_brings_all_back(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="E-1", status="Error")
        b.invoice(connection, number="A-1")
        b.invoice(connection, number="U-1", status="Error", currency="USD")
    app = frame()
    held_up = next(button for button in app.button if button.label == ":red[1 invoice, in Error]")
    held_up.click().run()
    assert list(tables(app)[0]["Number"]) == ["E-1"]
    app.button("clear_filters").click().run()
    assert len(tables(app)[0]) == 3


def test_a_tile_keeps_the_filter_under_which_it_was_counted(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="E-1", status="Error")
        b.invoice(connection, number="E-2", status="Error", provider="other")
        b.invoice(connection, number="A-1", provider="other")
    app = frame(provider="other")
    next(button for button in app.button if button.label == ":red[1 invoice, in Error]").click().run()
    assert list(tables(app)[0]["Number"]) == ["E-2"]


def test_a_customer_is_chosen_by_name_and_a_link_with_the_name_does_the_same(frame, engine: Engine):
    with engine.begin() as connection:
        b.customer(connection, "A1", "Ana")
        b.customer(connection, "A2", "Bo")
        for number, account, run in (("A-1", "A1", 7), ("B-2", "A2", 8)):
            b.lines(connection, b.invoice(connection, number=number, run=run), run=run, license=[b.license_line(1, account_id=account)])
    app = frame()
    app.multiselect("customer").select("A1").run()
    assert list(tables(app)[0]["Number"]) == ["A-1"]
    assert list(tables(frame(customer="Bo"))[0]["Number"]) == ["B-2"]


def test_the_map_is_told_in_words_and_left_out_where_it_would_be_one_cell(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="A-1", status="Error")
        b.invoice(connection, number="A-2")
        b.invoice(connection, number="B-1", provider="other", status="Error", on=date(2026, 10, 3))
    told = [chart.proto.alt for chart in frame().get("plotly_chart")]
    assert told[0] == "csp-demo Nov 2026: 1 Error, 1 Active; other Oct 2026: 1 Error"
    assert len(told) == 2
    assert len(frame(provider="other").get("plotly_chart")) == 1


def test_filters_that_match_nothing_say_so_and_can_be_cleared(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="E-1", status="Error", currency="USD")
        b.invoice(connection, number="A-1")
    app = frame()
    app.multiselect("status").select("Error")
    app.multiselect("currency").select("EUR").run()
    assert "No invoice matches" in said(app)
    app.button("clear_no_match").click().run()
    assert len(tables(app)[0]) == 2


@pytest.mark.parametrize(
    ("query", "said_of_it"),
    [
        ({"status": "Nonsense", "currency": "ZZZ"}, "status Nonsense and currency ZZZ. There is nothing of that here"),
        ({"status": "Error", "month": "2025-11"}, "invoice month 2025-11. There is nothing of that here"),
        ({"provider": "nobody"}, "provider nobody. There is nothing of that here"),
        ({"customer": "[x](http://evil.example)\0"}, "There is nothing of that here"),
    ],
)
def test_a_link_that_asks_for_what_there_is_not_shows_nothing_and_says_so(frame, engine: Engine, query: dict, said_of_it: str):
    with engine.begin() as connection:
        b.invoice(connection, number="E-1", status="Error")
        b.invoice(connection, number="A-1")
    app = frame(**query)
    assert said_of_it in unmarked(app) and "No invoice matches" in said(app) and tables(app) == []
    assert "No invoice matches" in said(app.run())  # the address still says it, and the choice still stands there
    app.button("clear_filters").click().run()
    assert len(tables(app)[0]) == 2 and "nothing of that here" not in said(app)


@pytest.mark.parametrize("status", ["Populating", "Error", "Deactivated"])
def test_a_status_that_no_invoice_has_is_a_choice_like_any_other(frame, engine: Engine, status: str):
    with engine.begin() as connection:
        b.invoice(connection, number="A-1")
    app = frame(status=status)
    assert "No invoice matches" in said(app) and "nothing of that here" not in said(app)
    assert app.multiselect("status").value == [status]


def test_what_a_link_asks_for_beside_what_there_is_not_is_shown_alone(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="E-1", status="Error")
        b.invoice(connection, number="A-1")
    app = frame(status=["Error", "Nonsense"])
    assert list(tables(app)[0]["Number"]) == ["E-1"] and "The address asks for status Nonsense" in said(app)


@pytest.mark.parametrize("written", ["2026-10", "Oct 2026", "oct 2026"])
def test_a_month_may_be_written_as_iso_or_as_people_say_it_and_stays_on_the_next_pages(frame, engine: Engine, written: str):
    with engine.begin() as connection:
        b.invoice(connection, number="N-1", invoice_date=date(2026, 11, 8))
        b.missing(connection, b.invoice(connection, number="O-1", invoice_date=date(2026, 10, 8), status="Error"), name="Old Ltd")
    app = frame(month=written)
    assert list(tables(app)[0]["Number"]) == ["O-1"] == list(tables(app.run())[0]["Number"])
    assert app.query_params["month"] in (written, [written])
    app.switch_page("references/inbox.py").run()
    assert app.multiselect("month").value == ["2026-10"] and "Old Ltd" in said(app)


def test_a_filter_whose_last_invoice_moves_on_stays_and_shows_nothing(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="P-1", currency="USD")
        b.invoice(connection, number="A-1")
    app = frame(currency="USD")
    assert list(tables(app)[0]["Number"]) == ["P-1"]
    with engine.begin() as connection:
        connection.execute(text("delete from provider_invoice where invoice_number = 'P-1'"))
    app.run()
    assert "No invoice matches" in said(app) and "The address asks for currency USD" in said(app)


def test_a_click_on_a_row_opens_the_invoice(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, number="A-1")
        wanted = b.invoice(connection, number="B-2")
    app = frame()
    app.session_state["invoices"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    assert app.query_params["invoice"] == [str(wanted)] or app.query_params["invoice"] == str(wanted)
    assert app.title[0].value == "B\\-2"


def test_a_link_to_an_invoice_opens_its_identity_and_its_lines(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, header="119", tax="19", run=7, license_lines=2)
        b.lines(connection, invoice_id, run=7, license=[b.license_line(1, total="60.5"), b.license_line(2, total="39.5")])
    app = frame(invoice=str(invoice_id))
    told = said(app)
    assert "License 100.00" in told and "Tax + 19.00" in told and "Header = 119.00 EUR" in told
    assert list(tables(app)[0]["Total"]) == ["60.50", "39.50"]
    app.button("back").click().run()
    assert app.title[0].value == "Invoice status"


def test_each_term_of_the_identity_leads_to_its_lines_and_the_url_says_which(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, header="12", tax="2", usage="4", run=7, license_lines=1, usage_lines=2)
        rows = [
            b.license_line(1, total="4", tax_total="0.5"),
            b.license_line(2, total="2", kind="usage", tax_total="-1.5"),
            b.license_line(3, kind="usage"),
        ]
        b.lines(connection, invoice_id, run=7, license=rows)
    app = frame(invoice=str(invoice_id), tab="History")
    for part, lines in (("license", ["1"]), ("tax", ["2", "1"])):
        app.button(f"part_{part}").click().run()
        assert list(tables(app)[0]["Line"]) == lines
    assert app.query_params["lines"] in ("taxed", ["taxed"])
    assert list(tables(frame(invoice=str(invoice_id), lines="usage"))[0]["Line"]) == ["2", "3"]
    app.button("close_lines").click().run()
    assert len(tables(app)[0]) == 3
    app.button("part_usage").click().run()
    assert "One row per subscription" in said(app)
    app.button("part_header").click().run()
    assert "What was received for this invoice" in said(app)
    assert "[:blue[within the tolerance]](#gap)" in said(app) and "What the lines leave open" in said(app)


def test_the_usage_of_a_preview_leads_to_lines_because_it_has_no_summaries(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Error", failure="checksum_failed", run=7)
        b.lines(connection, invoice_id, run=7, license=[b.license_line(1), b.license_line(2, kind="usage")], publish=False)
    app = frame(invoice=str(invoice_id))
    app.button("part_usage").click().run()
    assert list(tables(app)[0]["Line"]) == ["2"] and "Preview: not imported" in said(app)


def test_how_an_invoice_lives_is_drawn_once_it_is_opened(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Deactivated")
    app = frame(invoice=str(invoice_id))
    assert not app.get("graphviz_chart")
    app.session_state["lives"] = True
    app.run()
    (picture,) = app.get("graphviz_chart")
    assert '"Deactivated" [label="Deactivated", style="rounded,filled,bold"' in picture.proto.spec
    assert "none of its usage is invoiced" in list(tables(app)[-1]["What has to hold"])


def test_what_lapses_is_badged_on_the_list_and_on_the_invoice(frame, engine: Engine):
    with engine.begin() as connection:
        b.clock(connection)
        invoice_id = b.invoice(connection, status="Error", first_seen=b.NOW - timedelta(days=14))
    for app in (frame(), frame(invoice=str(invoice_id))):
        assert "Lapses tomorrow" in said(app)
    assert "1 invoice lapses tomorrow" in said(frame())


def test_only_deactivated_invoices_are_no_green_tick(frame, engine: Engine):
    with engine.begin() as connection:
        b.invoice(connection, status="Deactivated")
    told = said(frame())
    assert "Nothing to do" in told and "1 invoice is deactivated" in told and "Nothing needs attention" not in told


def test_next_and_previous_turn_the_pages_of_lines(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, run=7, license_lines=201)
        b.lines(connection, invoice_id, run=7, license=[b.license_line(n) for n in range(1, 202)])
    app = frame(invoice=str(invoice_id))
    assert app.button("license_previous").disabled
    app.button("license_next").click().run()
    assert list(tables(app)[0]["Line"]) == ["201"] and app.button("license_next").disabled
    app.button("license_previous").click().run()
    assert len(tables(app)[0]) == 200


def test_a_failed_import_opens_on_what_is_missing_and_its_lines_are_called_a_preview(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Error", failure="unresolved_references", run=7, message="Our records lack 1 customer.")
        b.lines(connection, invoice_id, run=7, license=[b.license_line(1)], publish=False)
        b.missing(connection, invoice_id)
    app = frame(invoice=str(invoice_id))
    told = said(app)
    assert "sync --provider csp-demo --invoice D0300A1B2C" in told
    assert "Fabrikam GmbH" in told and "**10.00 EUR**" in told and "Map it to the account it belongs to." in told
    app.session_state["tab"] = "Invoice lines"
    app.run()
    assert "Preview: not imported" in said(app) and list(tables(app)[0]["Total"]) == ["10.00"]


def test_what_has_been_supplied_since_is_said_as_the_command_says_it(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Error", failure="unresolved_references")
        b.missing(connection, invoice_id, key="c-1")
        connection.execute(
            text(
                "insert into provider_account (provider, provider_account_id, account_id) select provider, 'C-1', 'A-9' from provider_invoice"
            )
        )
        (row,) = supplying.missing(connection)
    told = said(frame(invoice=str(invoice_id)))
    assert row["suggestion"].startswith("It is mapped to account A-9 already; the invoice is in Error until it is read again")
    assert row["suggestion"] in told and "Map it to the account it belongs to." not in told


def test_many_missing_references_come_as_a_table_too(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Error", failure="unresolved_references")
        for n in range(9):
            b.missing(connection, invoice_id, key=f"c-{n}", amount=f"{n}.5")
    assert list(tables(frame(invoice=str(invoice_id)))[0]["Money it holds up"])[:2] == ["8.50", "7.50"]


def test_a_usage_summary_opens_down_to_its_lines(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, run=7)
        b.lines(connection, invoice_id, run=7, usage=[b.usage_line(1), b.usage_line(2, usage_id="u-2")])
        b.summary(connection, invoice_id, usage_id="u-1", cost="1.25")
        b.summary(connection, invoice_id, usage_id="u-2", cost="9.50")
    app = frame(invoice=str(invoice_id))
    app.session_state["tab"] = "Usage summaries"
    app.run()
    assert list(tables(app)[0]["Cost"]) == ["9.50", "1.25"]
    app.session_state[f"summaries_{invoice_id}_1"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    app.button("open_usage").click().run()
    assert list(tables(app)[0]["Line"]) == ["2"]


LONG = "123456789.123456789012345"


@pytest.mark.parametrize(
    ("tab", "seen"),
    [
        ("Usage summaries", {"Quantity": "123,456,789.123457", "Cost": "123,456,789.1235", "Selling amount": "123,456,789.12"}),
        ("Usage lines", {"Quantity": "123,456,789.123457", "Unit price": "123,456,789.12345679", "Cost before tax": "123,456,789.123457"}),
        ("Invoice lines", {"Quantity": "123,456,789.123457", "Subtotal": "123,456,789.123457", "Total": "123,456,789.123457"}),
    ],
)
def test_a_long_number_is_rounded_on_the_page_and_shown_from_its_first_digit(frame, engine: Engine, tab: str, seen: dict):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, run=7)
        license_lines = [b.license_line(1, total=LONG, subtotal=LONG, quantity=LONG)]
        b.lines(connection, invoice_id, run=7, license=license_lines, usage=[b.usage_line(1, cost=LONG, quantity=LONG, unit_price=LONG)])
        b.summary(connection, invoice_id, cost=LONG, quantity=LONG, selling_amount="123456789.12")
    app = frame(invoice=str(invoice_id), tab=tab)
    shown = app.dataframe[0]
    widths = {heading: config["width"] for heading, config in json.loads(shown.proto.columns).items() if "width" in config}
    assert {heading: shown.value[heading][0] for heading in seen} == seen
    assert [heading for heading, text in seen.items() if widths[heading] < 7 * len(text) + 16] == []


def test_what_is_attached_can_be_taken(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, status="Error", failure="unresolved_references")
        b.missing(connection, invoice_id)
        b.missing(connection, invoice_id, kind="product", key="p-1")
    app = frame(invoice=str(invoice_id))
    assert {"errors\\.csv", "warnings\\.csv"} <= {button.proto.label for button in app.get("download_button")}


def test_history_tells_what_was_received(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
        b.landed(connection, number="D0300A1B2C", purpose="reconciliation", fingerprint="b" * 64)
    app = frame(invoice=str(invoice_id), tab="History")
    assert "csp-demo listed it for the first time." in said(app)
    assert [list(tables(app)[0][column]) for column in ("What", "Bytes", "Fingerprint")] == [["Invoice lines"], ["24,080"], ["b" * 12]]


def test_history_tells_what_happened(frame, engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection)
        b.happened(connection, provider="csp-demo", number="D0300A1B2C", invoice_id=invoice_id)
    app = frame(invoice=str(invoice_id))
    app.session_state["tab"] = "History"
    app.run()
    assert list(tables(app)[0]["Who"]) == ["ana", ""]


@pytest.mark.parametrize("address", ["4711", "abc", "-1", "9" * 30, "1;drop table provider_invoice", ""])
def test_a_link_to_no_invoice_says_so(frame, engine: Engine, address: str):
    with engine.begin() as connection:
        b.invoice(connection)
    assert "There is no such invoice" in said(frame(invoice=address))


def test_the_demo_says_that_it_is_one_and_states_its_clock(frame, engine: Engine):
    with engine.begin() as connection:
        b.clock(connection)
        b.invoice(connection, status="Error")
    told = said(frame())
    assert "Demo data, clock 12 Nov 2026" in told and "retried until 24 Nov, 12 days left" in told


def test_a_database_without_our_schema_says_which_command_makes_it(frame, engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("drop table installation"))
    app = frame()
    assert "run `python -m w365core init`" in said(app) and not app.exception


def test_a_lost_database_is_away_at_every_look_until_it_is_back(frame, engine: Engine, database_url: str):
    with engine.begin() as connection:
        b.invoice(connection)
    app = frame()
    with renamed(database_url):
        for _ in range(2):
            told = [element.value for element in app.run().get("markdown")] + [said(app)]
            assert "The database is away" in "\n".join(told) and "press Retry" in told[-1]
    assert len(tables(app.run())[0]) == 1


def test_an_unforeseen_failure_shows_a_reference_and_logs_the_story(frame, engine: Engine, monkeypatch, caplog):
    def fail(**_):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(cached, "around", fail)
    with caplog.at_level(logging.ERROR, logger="w365core.pages"):
        app = frame()
    told = said(app)
    assert not app.exception and "secret inside" not in told
    reference = told.split("reference ")[1][:8]
    assert reference in caplog.text and "secret inside" in caplog.text


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "**b** :red[x] $x^2$",
    "`code` # head",
    "https://evil.example/x",
    "![i](http://e/x)",
]


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_stands_only_where_nothing_acts_on_it(frame, engine: Engine, payload: str):
    with engine.begin() as connection:
        b.invoice(connection, number=payload, provider=payload, status="Error", failure="provider_error", message=payload)
    app = frame()
    assert payload in [element.value for element in app.get("text")]
    acted_on = [element.value for kind in ("markdown", "caption", "title") for element in app.get(kind)] + [
        button.label for button in app.button
    ]
    assert not any(payload in str(value) for value in acted_on)
