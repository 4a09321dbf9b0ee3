"""Do documents and the notes that amend them add up, and is nothing made up where one of them is not here?"""

from __future__ import annotations

import json
from decimal import Decimal

from sqlalchemy import Engine, update

from tests.conftest import Command
from tests.reports import builders
from w365core.reports import chains, invoice_detail
from w365core.reports.chains import Chain
from w365core.store.tables import provider_invoice


def row(number: str, total: str | None, amends: str | None = None, *, currency: str = "CHF", provider: str = "csp") -> dict:
    amount = None if total is None else Decimal(total)
    return {"provider": provider, "invoice_number": number, "amends_of": amends, "currency": currency, "header_total": amount}


def nets(*rows: dict) -> dict[str, str | None]:
    return {f"{name[0]} {name[1]}": chain.net and str(chain.net) for name, chain in chains.build(rows).items()}


def test_a_note_of_a_note_counts_in_the_chain_of_the_first() -> None:
    found = chains.build(
        [row("G1", "586366"), row("G2", "-586366.00", "g1"), row("G3", "107661.12", "G2"), row("G1", "5", provider="other")]
    )
    whole = Chain(("G1", "G2", "G3"), Decimal("107661.12"))
    assert [found[chains.key("CSP", number)] for number in ("G1", "G2", "G3")] == [whole] * 3
    assert found[chains.key("other", "G1")] == Chain(("G1",), Decimal(5))


def test_what_is_not_here_has_no_total_or_is_in_another_currency_makes_the_net_unknown() -> None:
    assert nets(row("G2", "-5", "G1")) == {"csp g2": None}
    assert nets(row("G1", None), row("G2", "-5", "G1")) == {"csp g1": None, "csp g2": None}
    assert nets(row("G1", "5"), row("G2", "-5", "G1", currency="EUR")) == {"csp g1": None, "csp g2": None}
    assert nets(row("G2", "-5", "G1"), row("G3", "-1", "G1")) == {"csp g2": None, "csp g3": None}


def test_notes_that_amend_each_other_in_a_circle_come_to_an_end() -> None:
    assert set(nets(row("G1", "5", "G2"), row("G2", "-2", "G1"), row("G3", "1", "G3")).values()) == {"3", "1"}


def test_the_command_and_the_page_say_whom_a_document_amends_and_what_is_left(engine: Engine, w365: Command) -> None:
    with engine.begin() as connection:
        amended = builders.invoice(connection, number="G1", header="100.00")
        note = builders.invoice(connection, number="G2", header="-30.00")
        builders.invoice(connection, number="G9", header="7.00")
        connection.execute(update(provider_invoice).where(provider_invoice.c.provider_invoice_id == note).values(amends_of="G1"))
        facts = {one: dict(invoice_detail.load(connection, one, now=builders.NOW).facts) for one in (amended, note)}
    assert "Amends" not in facts[amended] and facts[note]["Amends"] == "G1"
    assert {fact["Net with amendments"] for fact in facts.values()} == {"70.00 EUR · G1, G2"}
    told = {one["invoice"]: (one["amends"], one["chain"], one["chain_net"]) for one in json.loads(w365("invoices", "--json").stdout)}
    assert told == {"G1": (None, ["G1", "G2"], "70.00"), "G2": ("G1", ["G1", "G2"], "70.00"), "G9": (None, [], None)}
