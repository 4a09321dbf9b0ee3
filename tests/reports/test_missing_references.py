"""Is what is missing grouped across invoices, never added across currencies, and the biggest money first?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import Connection, Engine, text

from tests.reports import builders as b
from w365core.jobs import supplying
from w365core.model import Fix, FixAction
from w365core.reports import fixes, missing_references as report, supplied_references
from w365core.reports.missing_references import MissingReferences

RATES = {"EUR": Decimal(1), "USD": Decimal("0.5")}


def row(**said: Any) -> dict[str, Any]:
    """A missing customer on an invoice in Error."""
    values = {
        "provider_invoice_id": 1, "invoice_number": "G1", "provider": "csp", "kind": "customer", "key": "c-1", "name": "Fabrikam", "lines": 2,
        "amount": Decimal(10), "currency": "EUR", "invoice_currency": "EUR", "invoice_total": Decimal(100), "customers": (), "suggestion": "Map it.",
        "fix": None,
    }  # fmt: skip
    return values | said


def build(*rows: dict[str, Any], **how: Any) -> MissingReferences:
    return report.build(rows, supplied=how.pop("supplied", ()), rates=RATES, **how)


def test_one_thing_on_several_invoices_is_one_entry_with_the_money_of_each_currency():
    found = build(
        row(), row(provider_invoice_id=2, invoice_number="G2", key="C-1", currency="USD", invoice_currency="USD", invoice_total=Decimal(70))
    )
    (one,) = found.things
    assert (one.lines, one.own, one.whole) == (4, {"EUR": 10, "USD": 10}, {"EUR": 100, "USD": 70})
    assert [held.number for held in one.invoices] == ["G1", "G2"]
    assert [(line["currency"], line["own"], line["whole"]) for line in found.table.rows] == [("EUR", 10, 100), ("USD", 10, 70)]


def test_an_invoice_that_lacks_several_things_counts_once_in_the_headline():
    found = build(row(), row(key="c-2"), row(kind="subscription", key="s-1"))
    assert [(tile.label, tile.value) for tile in found.tiles] == [("Held up by references", "100.00 EUR"), ("Missing", "3")]
    assert [note.text for note in found.tiles[0].notes] == ["1 invoice", "0 customers wait"]
    assert found.tiles[1].notes[0].text == "2 customers, 1 subscription"


def test_a_currency_is_nobodys_own_and_a_customer_is_its_providers():
    found = build(
        row(kind="currency", key="CHF"), row(kind="currency", key="CHF", provider="other", provider_invoice_id=2),
        row(key="same"), row(key="same", provider="other", provider_invoice_id=2),
    )  # fmt: skip
    assert sorted((str(one.kind), one.provider, len(one.invoices)) for one in found.things if one.provider) == [
        ("customer", "csp", 1), ("customer", "other", 1),
    ]  # fmt: skip
    assert [len(one.invoices) for one in found.things if one.provider is None] == [2]


def test_what_blocks_stands_before_write_ins_and_the_biggest_money_first():
    found = build(
        row(kind="product", key="p-1", amount=Decimal(9999), invoice_total=None),
        row(key="small", provider_invoice_id=2, invoice_total=Decimal(5)),
        row(key="dollars", provider_invoice_id=3, invoice_total=Decimal(150), invoice_currency="USD", currency="USD"),
        row(key="credit", provider_invoice_id=4, invoice_total=Decimal(-80)),
    )
    assert [one.key for one in found.things] == ["credit", "dollars", "small", "p-1"]
    assert found.things[-1].whole == {} and found.table.rows[-1]["whole"] is None


def test_customers_who_wait_are_named_with_their_money_the_biggest_first():
    people = [
        {"key": "A-1", "name": "Contoso", "total": Decimal(7), "currency": "EUR"},
        {"key": "x", "name": "Wingtip", "total": Decimal(9), "currency": "EUR"},
    ]
    found = build(row(customers=people), row(provider_invoice_id=2, invoice_number="G2", customers=people[:1]))
    assert [(one.name, one.amounts) for one in found.things[0].customers] == [("Contoso", {"EUR": 14}), ("Wingtip", {"EUR": 9})]


def test_what_our_records_have_by_now_is_no_longer_missing():
    found = build(row(), row(key="c-2"), supplied={(1, "customer", "c-2")})
    assert ([one.key for one in found.things], [one.key for one in found.supplied]) == (["c-1"], ["c-2"])
    half = build(row(), row(provider_invoice_id=2), supplied={(1, "customer", "c-1")})
    assert [one.key for one in half.things] == ["c-1"] and half.supplied == ()


def test_the_surest_fix_of_its_invoices_is_suggested():
    guess = Fix(FixAction.MAP_ACCOUNT, "c-1", "csp")
    sure = Fix(FixAction.MAP_ACCOUNT, "c-1", "csp", account_id="A-1", confidence=Decimal(1))
    found = build(row(fix=guess), row(provider_invoice_id=2, fix=sure, suggestion="Certain."))
    assert (found.things[0].fix, found.things[0].suggestion) == (sure, "Certain.")


def test_a_kind_leaves_the_others_out_of_the_list_and_not_out_of_the_figures():
    found = build(row(), row(kind="subscription", key="s-1"), kind="subscription")
    assert [one.key for one in found.things] == ["s-1"] and found.kinds == {"customer": 1, "subscription": 1}


_ROW = st.builds(
    row,
    provider_invoice_id=st.integers(1, 3),
    kind=st.sampled_from(["customer", "subscription", "currency"]),
    key=st.sampled_from(["a", "A", "b"]),
    amount=st.decimals(-1000, 1000, places=2),
    currency=st.sampled_from(["EUR", "USD"]),
)


@given(st.lists(_ROW, max_size=8))
def test_no_line_and_no_money_is_lost_or_counted_twice(rows: list[dict[str, Any]]):
    found = build(*rows)
    assert sum(one.lines for one in found.things) == sum(one["lines"] for one in rows)
    for code in ("EUR", "USD"):
        assert sum(one.own.get(code, 0) for one in found.things) == sum(one["amount"] for one in rows if one["currency"] == code)
    held = {one["provider_invoice_id"] for one in rows}
    told = {tile.currency: tile.value for tile in found.tiles if tile.currency}
    assert told == ({"EUR": f"{100 * len(held)}.00 EUR"} if held else {})


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        (None, "nothing in our records would help"),
        (Fix(FixAction.MAP_ACCOUNT, "c", "csp", account_id="A-1"), "map it to Contoso (A-1)"),
        (Fix(FixAction.MAP_ACCOUNT, "c", "csp"), "map it to an account that you choose"),
        (Fix(FixAction.ALIAS, "s", "csp", subscription_id="S-1"), "another id of our subscription S-1"),
        (
            Fix(FixAction.ADD_SUBSCRIPTION, "s", "csp", kind="License", quantity=Decimal(12), under="csp", account_id="A-1"),
            "create it under csp: License, 12 seats, of Contoso (A-1)",
        ),
        (Fix(FixAction.ADD_CURRENCY, "CHF"), "add CHF with its rate"),
        (Fix(FixAction.CHOOSE_PRODUCT, "N", "csp", product_id="n"), "a new product n"),
        (Fix(FixAction.CHOOSE_PRODUCT, "N", "csp", product_id="P-1"), "the product P-1"),
    ],
)
def test_a_fix_is_said_in_a_few_words(fix: Fix | None, said: str):
    assert fixes.fix_said(fix, {"A-1": "Contoso"}) == said


# --- out of the store --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def connection(engine: Engine):
    with engine.connect() as opened:
        opened.execute(
            text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now()), ('hand', 'manual', now())")
        )
        b.rates(opened, EUR="1")
        yield opened


def load(connection: Connection) -> MissingReferences:
    return report.load(connection, supplying.missing(connection))


def test_whose_lines_stand_on_a_blocked_invoice_waits_whoever_is_missing(connection: Connection):
    b.customer(connection, "A-1", "Contoso")
    waits = b.invoice(connection, provider="csp", status="Error", failure="unresolved_references", run=7)
    b.lines(
        connection, waits, run=7, publish=False,
        license=[b.license_line(1, total="60", account_id="A-1"), b.license_line(2, total="40", provider_customer_id="C-9", customer_name="Fabrikam")],
    )  # fmt: skip
    b.missing(connection, waits, key="C-9", amount="40")
    (one,) = load(connection).things
    assert [(waiting.name, waiting.amounts) for waiting in one.customers] == [("Contoso", {"EUR": 60}), ("Fabrikam", {"EUR": 40})]


def test_a_write_in_of_an_active_invoice_holds_nobody_up(connection: Connection):
    active = b.invoice(connection, provider="csp")
    b.missing(connection, active, kind="product", key="p-1", amount="40")
    (one,) = load(connection).things
    assert (one.customers, one.whole, one.own) == ((), {}, {"EUR": 40})


def test_each_kind_is_seen_to_be_supplied(connection: Connection):
    waits = b.invoice(connection, provider="csp", status="Error", failure="unresolved_references", currency="CHF", run=7)
    b.lines(connection, waits, run=7, publish=False, license=[b.license_line(1, product_id="P-9", sku_id="1", subscription_id="S-9")])
    for kind, key in (("customer", "C-1"), ("subscription", "Old-1"), ("currency", "CHF"), ("product", "P-9")):
        b.missing(connection, waits, kind=kind, key=key, currency="CHF")
    rows = supplying.missing(connection)
    assert supplied_references.supplied(connection, rows) == {}
    for statement in (
        "insert into provider_account (provider, provider_account_id, account_id) values ('CSP', 'c-1', 'A-1')",
        "insert into subscription (subscription_id, provider, provider_subscription_id, kind) values ('S-1', 'hand', 'OLD-1', 'License')",
        "insert into currency (code, rate_to_base) values ('CHF', 1.05)",
        "insert into subscription (subscription_id, provider, product_id, kind) values ('S-9', 'csp', 'KNOWN', 'License')",
        "insert into product (product_id) values ('known')",
    ):
        connection.execute(text(statement))
    assert {kind: ours for (_, kind, _), ours in supplied_references.supplied(connection, rows).items()} == {
        "customer": "A-1", "subscription": "S-1", "currency": "CHF", "product": "known",
    }  # fmt: skip
    once = "the invoice is in Error until it is read again: sync it, or import it again."
    assert {row["kind"]: (row["suggestion"], row["fix"]) for row in supplying.missing(connection)} == {
        "customer": (f"It is mapped to account A-1 already; {once}", None),
        "subscription": (f"It is our subscription S-1 already; {once}", None),
        "currency": (f"CHF has its rate already; {once}", None),
        "product": ("It is product known of our records by now; its lines are write-ins until the invoice is read again.", None),
    }


def test_what_one_invoice_still_lacks_is_said_of_the_thing_that_another_does_not():
    known = row(kind="currency", key="CHF", amount=Decimal(20), invoice_currency="CHF", suggestion="CHF has its rate already.")
    foreign = row(kind="currency", key="CHF", provider_invoice_id=2, suggestion="An invoice holds lines of its own currency only.")
    (one,) = build(known, foreign, supplied={supplied_references.place(known): "CHF"}).things
    assert (one.is_supplied, one.suggestion) == (False, "An invoice holds lines of its own currency only.")


def test_a_currency_that_is_known_and_not_the_invoices_own_is_not_supplied(connection: Connection):
    waits = b.invoice(connection, provider="csp", status="Error", failure="unresolved_references", currency="CHF")
    b.missing(connection, waits, kind="currency", key="EUR")
    assert supplied_references.supplied(connection, supplying.missing(connection)) == {}
